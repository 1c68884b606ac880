"""Addresses where nobody answers, one for each way of not answering."""

from __future__ import annotations

import socket


class Refusing:
    """A port that is reserved but not listened on: connections are refused at once."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def stop(self) -> None:
        self._socket.close()


class Deaf:
    """A listener whose queue is full and is never emptied: a connection to it neither succeeds nor fails."""

    def __init__(self) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0), backlog=0)]
        address = self._sockets[0].getsockname()
        self.url = f"http://127.0.0.1:{address[1]}"
        # The kernel takes one connection more than the backlog says; the rest make sure of it.
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            self._sockets.append(filler)

    def stop(self) -> None:
        for each in self._sockets:
            each.close()
