"""Connecting a blocking socket to whichever address of a host accepts first (RFC 8305)."""

from __future__ import annotations

import os
import selectors
import socket
from collections.abc import Iterable
from errno import EINPROGRESS, EWOULDBLOCK
from typing import cast

from httpcore import SOCKET_OPTION

from trivet.transports.network.addresses import AddressInfo, alternate, open_socket, stagger
from trivet.transports.network.tls_engine import time_left

_UNDER_WAY = {0, EINPROGRESS, EWOULDBLOCK}


def connect_any(
    addresses: list[AddressInfo],
    deadline: float | None,
    local_address: str | None,
    options: Iterable[SOCKET_OPTION] | None,
) -> socket.socket:
    """A connected socket. Raises `OSError`: the last address's failure, or `TimeoutError` at the deadline."""
    failure = OSError("the name has no address")
    waiting = alternate(addresses)[::-1]
    delay = stagger(time_left(deadline, TimeoutError), len(waiting) or 1)
    with selectors.DefaultSelector() as attempts:
        try:
            while waiting or attempts.get_map():
                if waiting:
                    info = waiting.pop()
                    try:
                        _begin(attempts, open_socket(info, local_address, options), info)
                    except OSError as exc:
                        failure = exc
                        continue
                left = time_left(deadline, TimeoutError)
                if waiting:
                    left = delay if left is None else min(delay, left)
                for key, _ in attempts.select(left):
                    sock = cast(socket.socket, key.fileobj)
                    attempts.unregister(sock)
                    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not error:
                        return sock
                    sock.close()
                    failure = OSError(error, os.strerror(error))
            raise failure
        finally:
            # Its traceback refers to this frame: without this line the error would keep itself alive.
            del failure
            for key in list(attempts.get_map().values()):
                cast(socket.socket, key.fileobj).close()


def _begin(attempts: selectors.BaseSelector, sock: socket.socket, info: AddressInfo) -> None:
    try:
        error = sock.connect_ex(info[4])
        if error not in _UNDER_WAY:
            raise OSError(error, os.strerror(error))
        attempts.register(sock, selectors.EVENT_WRITE)
    except BaseException:
        sock.close()
        raise
