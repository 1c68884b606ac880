"""What the runners do alike: how long an operation may take, and how a stream is closed."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from trivet.transports.network.clamped import TOO_LATE
from trivet.transports.network.operation import Operation

READ_SIZE: Final = 65_536


def interrupt_sync(stream: Any) -> None:
    """End a synchronous stream that another thread uses, which closes it when it notices."""
    if hasattr(stream, "interrupt"):
        stream.interrupt()
    else:
        abort_sync(stream)


def abort_sync(stream: Any) -> None:
    """Close a synchronous stream, in the middle of what it does if need be."""
    if hasattr(stream, "abort"):
        stream.abort()
    else:
        close_sync(stream)


def close_sync(stream: Any) -> None:
    """Close a synchronous stream, of which other processes may have a copy."""
    with suppress(Exception):  # a connection that nobody wants may break in any way
        stream.close()


def time_left(operation: Operation, too_late: type[Exception]) -> float | None:
    """The seconds that an operation on a stream may take; None: any number."""
    left = operation.clamp(None)
    if left is not None and left <= 0:
        raise too_late(TOO_LATE)
    return left
