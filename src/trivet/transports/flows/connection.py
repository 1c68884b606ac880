"""What a connection is to the transport, whichever version of HTTP it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet.core.http.request import Request
    from trivet.transports.flows.actions import SocketFlow
    from trivet.transports.network.operation import Operation


class Head(NamedTuple):
    """The head of a response: the field lines are as they came, in their order."""

    status: int
    fields: list[tuple[bytes, bytes]]
    reason: bytes = b""
    version: str = "HTTP/1.1"


class Message(Protocol):
    """A response that is being received. ``content``: all of it, if it came along with the head."""

    head: Head
    content: bytes | None

    def read(self, operation: Operation) -> SocketFlow[bytes]:
        """The next piece of the content; ``b""`` at the end."""
        ...

    def close(self, operation: Operation) -> SocketFlow[None]:
        """Let go of what was not read, without waiting for the peer."""
        ...


class Connection(Protocol):
    """An open connection.

    ``capacity``: how many requests it can carry at a time. ``reusable``: whether it may carry another request; asked
    when it is released. It is up to date however a flow of the connection ended.
    """

    @property
    def stream(self) -> Any: ...

    @property
    def capacity(self) -> int: ...

    @property
    def reusable(self) -> bool: ...

    def watch(self, lost: Callable[[Connection], None]) -> None:
        """Call ``lost`` if the connection is found to be of no more use while it is idle."""
        ...

    @property
    def leftover(self) -> bool:
        """Whether there is something to be written that no flow under way will write."""
        ...

    def flush(self, operation: Operation) -> SocketFlow[None]:
        """Write what is left over."""
        ...

    def usable(self) -> bool:
        """Whether an idle connection looks fit for a request: the peer has neither closed it nor sent anything."""
        ...

    def send(self, request: Request, operation: Operation) -> SocketFlow[Message]:
        """Send the request and receive the head of its response."""
        ...
