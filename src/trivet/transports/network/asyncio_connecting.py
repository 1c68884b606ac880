"""Connecting to whichever address of a host accepts first, under asyncio (RFC 8305).

uvloop cannot do it, and asyncio's own way may leave a socket open when it is cancelled.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable

from httpcore import SOCKET_OPTION

from trivet.transports.network.addresses import AddressInfo, alternate, open_socket


async def connect_any(
    loop: asyncio.AbstractEventLoop,
    addresses: list[AddressInfo],
    delay: float,
    local_address: str | None,
    options: Iterable[SOCKET_OPTION] | None,
) -> socket.socket:
    """A connected socket. The next address is tried ``delay`` seconds after the one before. Raises `OSError`."""
    if len(addresses) == 1:
        return await _connect(loop, addresses[0], local_address, options)
    failure: BaseException = OSError("the name has no address")
    waiting = alternate(addresses)[::-1]
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempt = loop.create_task(_connect(loop, waiting.pop(), local_address, options))
                attempts.add(attempt)
            done, _ = await asyncio.wait(
                attempts, timeout=delay if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                attempts.discard(attempt)
                error = attempt.exception()
                if error is None:
                    return attempt.result()
                failure = error
        raise failure
    finally:
        # Its traceback refers to this frame: without this line the error would keep itself alive.
        del failure
        for attempt in attempts:
            attempt.add_done_callback(_close_winner)
            attempt.cancel()


def _close_winner(attempt: asyncio.Task[socket.socket]) -> None:
    """Close what a superfluous attempt has connected: it may have succeeded before it could be cancelled."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


async def _connect(
    loop: asyncio.AbstractEventLoop,
    info: AddressInfo,
    local_address: str | None,
    options: Iterable[SOCKET_OPTION] | None,
) -> socket.socket:
    sock = open_socket(info, local_address, options)
    try:
        await loop.sock_connect(sock, info[4])
    except BaseException:
        sock.close()
        raise
    return sock
