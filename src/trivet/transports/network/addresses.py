"""What connecting has in common under threads and asyncio: resolved addresses, their order, sockets, failures."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import chain, zip_longest
from typing import Any, Final, TypeAlias, cast

from httpcore import SOCKET_OPTION, ConnectError, ConnectTimeout

AddressInfo: TypeAlias = "tuple[int, int, int, str, Any]"
"""One entry of what ``getaddrinfo`` returns: family, kind, protocol, canonical name, address."""

STAGGER: Final = 0.25
"""Seconds that an address has to itself before the next one is tried as well (RFC 8305 §5)."""


def stagger(timeout: float | None, count: int) -> float:
    """Seconds between attempts, such that within ``timeout`` every one of the addresses is tried."""
    return STAGGER if timeout is None else min(STAGGER, timeout / count)


def alternate(addresses: Iterable[AddressInfo]) -> list[AddressInfo]:
    """The addresses with their families taking turns, each in its order (RFC 8305 §4)."""
    families: dict[int, list[AddressInfo]] = {}
    for info in addresses:
        families.setdefault(info[0], []).append(info)
    return [info for info in chain.from_iterable(zip_longest(*families.values())) if info is not None]


def numeric_addresses(host: str, port: int) -> list[AddressInfo] | None:
    """The address that is written out as ``host``; None for a name, which takes time to resolve."""
    try:
        return cast(
            "list[AddressInfo]",
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST),
        )
    except (OSError, UnicodeError):
        return None


def open_socket(info: AddressInfo, local_address: str | None, options: Iterable[SOCKET_OPTION] | None) -> socket.socket:
    """A socket that does not block, ready to connect to the address. Raises `OSError`."""
    family, kind, protocol, _, _ = info
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        set_options(sock, options)
        if local_address is not None:
            sock.bind((local_address, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def set_options(sock: socket.socket, options: Iterable[SOCKET_OPTION] | None) -> None:
    """Set what the user asks for. Raises `OSError`."""
    for option in options or ():
        # No overload of setsockopt takes the union of the shapes that an option may have.
        cast(Any, sock).setsockopt(*option)


def connect_failure(exc: Exception) -> Exception:
    """The exception of httpcore's for a failure to connect, which keeps what the system said."""
    return ConnectTimeout("timed out") if timed_out(exc) else ConnectError(exc)


def timed_out(exc: Exception) -> bool:
    """Whether it was our timeout that ended an operation."""
    # With an errno it is the kernel that gave the peer up, which is a broken connection, not our timeout.
    return isinstance(exc, TimeoutError) and exc.errno is None
