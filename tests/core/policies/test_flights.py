"""Who leads a flight, who waits, and who takes over."""

from __future__ import annotations

from trivet.core.policies.flights import Flight, Flights, Seat


class Airport:
    """Flights, and one of them that a call leads and others wait for."""

    def __init__(self, waiting: int) -> None:
        self.flights: Flights[str, int] = Flights()
        self.flight, seat = self.flights.board("a")
        assert seat is None
        self.seats = [self.join() for _ in range(waiting)]

    def join(self) -> Seat:
        flight, seat = self.flights.board("a")
        assert flight is self.flight
        assert seat is not None
        return seat

    @property
    def leading(self) -> list[int]:
        """Which of the seats has been woken to lead."""
        assert all(seat.leads == seat.slot.is_woken for seat in self.seats if seat.leads)
        return [number for number, seat in enumerate(self.seats) if seat.leads]

    @property
    def is_over(self) -> bool:
        return not len(self.flights)


def test_there_is_one_flight_for_each_key() -> None:
    airport = Airport(2)
    other, seat = airport.flights.board("b")
    assert other is not airport.flight
    assert seat is None
    assert len(airport.flights) == 2


def test_landing_wakes_everybody_and_ends_the_flight() -> None:
    airport = Airport(3)
    airport.flights.land(airport.flight, 7)
    assert all(seat.slot.is_woken for seat in airport.seats)
    assert (airport.leading, airport.flight.outcome, airport.is_over) == ([], 7, True)
    flight, seat = airport.flights.board("a")
    assert flight is not airport.flight
    assert seat is None


def test_those_who_wait_take_over_in_their_order() -> None:
    airport = Airport(4)
    airport.flights.leave(airport.flight, airport.seats[1])
    for leading in ([0], [0, 2], [0, 2, 3]):
        airport.flights.hand_over(airport.flight)
        assert airport.leading == leading
        assert sum(seat.slot.is_woken for seat in airport.seats) == len(leading)
    # Who came later stands behind them.
    airport.seats.append(airport.join())
    airport.flights.hand_over(airport.flight)
    assert airport.leading == [0, 2, 3, 4]
    assert not airport.is_over
    airport.flights.hand_over(airport.flight)
    assert airport.is_over


def test_one_that_leads_unawares_hands_on_when_it_leaves() -> None:
    airport = Airport(2)
    airport.flights.hand_over(airport.flight)
    airport.flights.leave(airport.flight, airport.seats[0])
    assert airport.leading == [1]
    airport.flights.leave(airport.flight, airport.seats[1])
    assert (airport.leading, airport.is_over) == ([], True)


def test_leaving_after_the_landing_does_nothing() -> None:
    airport = Airport(1)
    airport.flights.land(airport.flight, 7)
    again: Flight[str, int] = airport.flights.board("a")[0]
    airport.flights.leave(airport.flight, airport.seats[0])
    assert airport.flight.outcome == 7
    assert airport.flights.board("a")[0] is again


def test_what_is_woken_may_board_at_once() -> None:
    airport = Airport(1)
    boarded: list[Seat | None] = []
    airport.seats[0].slot.on_wake(lambda: boarded.append(airport.flights.board("a")[1]))
    airport.flights.land(airport.flight, 7)
    assert boarded == [None]


def test_a_closed_flight_goes_on_but_takes_nobody_else() -> None:
    airport = Airport(2)
    airport.flights.close(lambda key: key == "b")
    assert airport.join() is not None
    airport.flights.close(lambda key: key == "a")
    assert airport.is_over
    anew, seat = airport.flights.board("a")
    assert anew is not airport.flight
    assert seat is None

    airport.flights.hand_over(airport.flight)
    assert airport.leading == [0]
    airport.flights.land(airport.flight, 7)
    assert all(each.slot.is_woken for each in airport.seats)
    assert airport.flights.board("a")[0] is anew


def test_a_closed_flight_ends_alone() -> None:
    airport = Airport(0)
    airport.flights.close(lambda key: True)
    anew, _ = airport.flights.board("a")
    assert airport.flights.end_unshared(airport.flight)
    airport.flights.hand_over(airport.flight)
    assert airport.flights.board("a")[0] is anew
