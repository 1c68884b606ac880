"""Calls that want the same thing at the same time: one of them goes for it, the others wait for what it brings.

The call that comes first leads a `Flight`; those that come while it is under way are given a `Seat` in it. When the
flight lands, its outcome is there for all of them. A leader that cannot land hands over to the one that has waited
longest, and the others go on waiting, now for that one. A flight that is closed goes on, but takes nobody else. A seat
is taken, left and handed on at a cost that does not grow with the number of those who wait.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from trivet.core.exchange.slot import Slot

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Seat:
    """The place of one call that waits. ``leads``: it is this call's turn to go."""

    __slots__ = ("leads", "slot")

    def __init__(self) -> None:
        self.leads = False
        self.slot = Slot()


class Flight(Generic[K, T]):
    """What is under way for ``key``. ``outcome``: what it brought, None until it has landed."""

    __slots__ = ("key", "outcome", "waiting")

    def __init__(self, key: K) -> None:
        self.key = key
        self.outcome: T | None = None
        # By the order of arrival: a plain dict would grow slow at its front. Most flights never need it.
        self.waiting: OrderedDict[Seat, None] | None = None


class Flights(Generic[K, T]):
    """The flights under way, at most one for a key. Shared by threads.

    >>> flights: Flights[str, int] = Flights()
    >>> flight, seat = flights.board("a")
    >>> seat is None
    True
    >>> same, seat = flights.board("a")
    >>> flights.land(flight, 7)
    >>> same is flight, seat.slot.is_woken, same.outcome
    (True, True, 7)
    """

    __slots__ = ("_flights", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._flights: dict[K, Flight[K, T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def board(self, key: K) -> tuple[Flight[K, T], Seat | None]:
        """The flight for that key, and a seat in it, whose slot is woken when the flight lands or the seat leads.

        Without a seat the call leads from the start. Whoever leads must `land`, `hand_over` or `end_unshared`; whoever
        stops waiting before it is woken must `leave`.
        """
        new: Flight[K, T] = Flight(key)
        with self._lock:
            flight = self._flights.setdefault(key, new)
            if flight is new:
                return flight, None
            if flight.waiting is None:
                flight.waiting = OrderedDict()
            seat = Seat()
            flight.waiting[seat] = None
            return flight, seat

    def end_unshared(self, flight: Flight[K, T]) -> bool:
        """End the flight if nobody waits for it; whether that is so."""
        with self._lock:
            if flight.waiting:
                return False
            # This is the end of most flights: `_end` would be a call too much.
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
            return True

    def land(self, flight: Flight[K, T], outcome: T) -> None:
        """End the flight: everybody who waits has this outcome."""
        with self._lock:
            self._end(flight)
            flight.outcome = outcome
            waiting, flight.waiting = flight.waiting, None
        for seat in waiting or ():
            seat.slot.wake()

    def hand_over(self, flight: Flight[K, T]) -> None:
        """Let the one that has waited longest lead in place of this call. If nobody waits, the flight is over."""
        with self._lock:
            if not flight.waiting:
                self._end(flight)
                return
            successor, _ = flight.waiting.popitem(last=False)
            successor.leads = True
        successor.slot.wake()

    def close(self, wanted: Callable[[K], bool]) -> None:
        """Close the flights with such keys: who comes from now on goes for it anew."""
        if self._flights:
            with self._lock:
                for key in [key for key in self._flights if wanted(key)]:
                    del self._flights[key]

    def leave(self, flight: Flight[K, T], seat: Seat) -> None:
        """Give up a seat: the time is up, or the call is cancelled. Legal too when the flight has landed meanwhile."""
        with self._lock:
            if flight.waiting is not None:
                flight.waiting.pop(seat, None)
            handing_on, seat.leads = seat.leads, False
        if handing_on:
            # It was appointed before it could hear of it.
            self.hand_over(flight)

    def _end(self, flight: Flight[K, T]) -> None:
        # If it is closed, another one may be under way in its place.
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
