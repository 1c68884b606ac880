"""What a pool decides, for a transport to carry out."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")
C = TypeVar("C")


class UseConnection(NamedTuple, Generic[T, C]):
    """``ticket`` has got ``connection``; `Pool.released` must follow."""

    ticket: T
    connection: C


class OpenConnection(NamedTuple, Generic[T]):
    """Open a connection to ``origin`` for ``ticket``; then this object goes to `Pool.connected` or `Pool.failed`.

    ``number`` tells it from all others: a ticket that was cancelled may ask again.
    """

    ticket: T
    origin: str
    number: int


class CloseConnection(NamedTuple, Generic[C]):
    """Close ``connection``: the pool has forgotten it. ``in_use``: tickets still use it, as only `Pool.close_all` has it."""

    connection: C
    in_use: bool = False


class RefuseTicket(NamedTuple, Generic[T]):
    """``ticket`` gets nothing: its opening failed, with the error that is to be raised, or the pool was closed."""

    ticket: T


Decision: TypeAlias = UseConnection[T, C] | OpenConnection[T] | CloseConnection[C] | RefuseTicket[T]
Decisions: TypeAlias = list[Decision[T, C]]
