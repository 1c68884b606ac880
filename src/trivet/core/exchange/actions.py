"""What a flow may ask of its driver.

A flow is a generator that yields actions and receives their replies. Each action is generic in its reply, so
that ``reply = yield from SendRequest(...)`` is typed precisely: a plain ``yield`` would give ``Any``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from trivet.core.http.response import Response

if TYPE_CHECKING:
    from trivet.core.exchange.call import Observer
    from trivet.core.exchange.slot import Slot
    from trivet.core.http.request import Request

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Action(Generic[R_co]):
    """Something for the driver to do. Its type parameter is what the driver replies."""

    __slots__ = ()

    def __iter__(self) -> Generator[Action[Any], Any, R_co]:
        reply: R_co = yield self
        return reply


@dataclass(frozen=True, slots=True)
class SendRequest(Action[Response]):
    """Send the request and receive the head of its response.

    The reply is a `Response` whose ``body`` is the transport's handle to the content still to be read, or
    None when there is no content.

    ``deadline``: monotonic time at which the attempt is given up (``inf``: never).
    ``connect_timeout``: seconds that opening a connection may take, TLS included; None: only the deadline.
    ``content_welcome``: content without a coding, of up to so many bytes, may come in the response right away if it
    is there with the head, which saves the actions of reading it.
    """

    request: Request
    deadline: float = inf
    connect_timeout: float | None = None
    content_welcome: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ReadBody(Action[bytes]):
    """Read the next piece of a body as it came off the wire (content codings not removed).

    The reply is ``b""`` at the end; the transport has then released the body by itself.
    """

    body: object
    deadline: float = inf


@dataclass(frozen=True, slots=True)
class CloseBody(Action[None]):
    """Release a body that was not read to its end. Its connection may be lost with it."""

    body: object


@dataclass(frozen=True, slots=True)
class SleepUntil(Action[None]):
    """Wait until the monotonic clock shows ``when``; at once if it does already."""

    when: float


@dataclass(frozen=True, slots=True)
class Park(Action[bool]):
    """Wait for another call to wake ``slot``. The reply is False when ``until`` (monotonic) came first."""

    slot: Slot
    until: float = inf


@dataclass(frozen=True, slots=True)
class Invoke(Action[R]):
    """Call the user's own function. Asynchronous drivers await what it returns if it is awaitable."""

    function: Callable[[], Awaitable[R] | R]


@dataclass(frozen=True, slots=True)
class Spawn(Action[bool]):
    """Run another flow in the background, as a call of its own, for as long as the client is open.

    The reply, which comes at once, is whether it was started; a driver that cannot do so closes the flow. What the
    flow returns or raises goes to nobody but ``observer``, which is told of its events.
    """

    flow: Generator[Action[Any], Any, Any]
    observer: Observer | None = None


class StoreAction(Action[R]):
    """Something to be done with a store. A driver calls `perform`: in a worker thread, unless it is ``instant`` or the
    driver's own thread may block."""

    __slots__ = ()

    @property
    def instant(self) -> bool:
        """Whether it does not block."""
        raise NotImplementedError

    def perform(self) -> R:
        """Do it and return the reply."""
        raise NotImplementedError
