from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from math import inf
from types import FrameType
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trivet.core.errors import ConfigError, LocalProtocolError
from trivet.core.pool import CloseConnection, Decision, OpenConnection, Pool, RefuseTicket, UseConnection

A, B, C = "https://a.example", "https://b.example", "https://c.example"


def new_pool(**settings: Any) -> Pool[str, str]:
    return Pool(**settings)


def told(decisions: list[Decision[str, str]]) -> list[str]:
    """The decisions as short lines."""
    lines = []
    for decision in decisions:
        match decision:
            case UseConnection(ticket, connection):
                lines.append(f"{ticket} uses {connection}")
            case OpenConnection(ticket, origin, _):
                lines.append(f"open {origin.removeprefix('https://')[0]} for {ticket}")
            case CloseConnection(connection):
                lines.append(f"close {connection}")
            case RefuseTicket(ticket):
                lines.append(f"refuse {ticket}")
    return lines


class Script:
    """A pool driven by words: openings go by the ticket that they were decided for."""

    def __init__(self, **settings: Any) -> None:
        self.pool = new_pool(**settings)
        self.openings: dict[str, OpenConnection[str]] = {}

    def run(self, event: str) -> list[str]:
        now, name, *words = event.split()
        at = float(now)
        pool = self.pool
        origins = {"a": A, "b": B, "c": C}
        match name, words:
            case "acquire", [ticket, origin, *shared]:
                decisions = pool.acquire(origins[origin], ticket, at, shared=bool(shared))
            case "connected", [ticket, connection, *capacity]:
                decisions = pool.connected(self.openings.pop(ticket), connection, at, *map(int, capacity))
            case "failed", [ticket]:
                decisions = pool.failed(self.openings.pop(ticket))
            case "released", [connection, *broken]:
                decisions = pool.released(connection, not broken, at)
            case "cancelled", [ticket]:
                pool.cancelled(ticket)
                decisions = []
            case "resized", [connection, capacity]:
                decisions = pool.resized(connection, int(capacity))
            case "closed", [connection]:
                decisions = pool.closed(connection)
            case "expire", []:
                decisions = pool.expire(at)
            case _:
                assert event == f"{now} close_all"
                decisions = pool.close_all()
        self.openings.update({each.ticket: each for each in decisions if isinstance(each, OpenConnection)})
        return told(decisions)


SHARED_SCRIPTS = [
    pytest.param(
        {},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 b -> open b for t3
        0 acquire t4 a shared
        0 acquire t5 b -> open b for t5
        1 connected t1 c1 4 -> t1 uses c1, t2 uses c1, t4 uses c1
        2 acquire t6 a shared -> t6 uses c1
        3 acquire t7 a shared -> open a for t7
        4 acquire t8 a shared
        """,
        id="shared: a burst waits for the first connection, and blocks no other origin",
    ),
    pytest.param(
        {"race": False},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 a shared
        0 acquire t5 a shared
        0 acquire t6 a shared
        1 connected t1 c1 2 -> t1 uses c1, t2 uses c1, open a for t3
        2 released c1 -> t4 uses c1
        3 connected t3 c2 2 -> t3 uses c2, t5 uses c2, open a for t6
        """,
        id="shared: those for whom there is no room open one more, and again one at a time",
    ),
    pytest.param(
        {},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 a shared
        0 acquire t5 a shared
        1 connected t1 c1 2 -> t1 uses c1, t2 uses c1, open a for t3
        2 released c1 -> t3 uses c1
        3 released c1 -> t4 uses c1
        4 connected t3 c2 2 -> t5 uses c2
        """,
        id="shared, race: a freed connection comes before the one being opened, which serves the others",
    ),
    pytest.param(
        {"max_connections": 4, "max_per_origin": 3},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 a shared
        1 connected t1 c1 -> t1 uses c1, open a for t2, open a for t3
        2 acquire t5 b -> open b for t5
        2 acquire t6 a shared
        2 acquire t7 b
        3 failed t2 -> refuse t2, open a for t4
        4 released c1 -> t3 uses c1
        5 failed t5 -> refuse t5, open b for t7
        6 released c1 -> t4 uses c1
        7 released c1 -> t6 uses c1
        8 connected t3 c3
        9 connected t4 c4
        """,
        id="shared: if it serves one at a time, all open connections of their own, within the limits",
    ),
    pytest.param(
        {"max_connections": 2},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 b -> open b for t3
        1 connected t1 c1 -> t1 uses c1
        2 connected t3 c2 -> t3 uses c2
        3 released c2 -> close c2, open a for t2
        """,
        id="shared: when no slot is free then, they get the next one",
    ),
    pytest.param(
        {"max_connections": 3},
        """
        0 acquire t1 b -> open b for t1
        0 acquire t2 c -> open c for t2
        1 connected t1 c1 -> t1 uses c1
        1 connected t2 c2 -> t2 uses c2
        2 acquire t3 a shared -> open a for t3
        2 acquire t4 a shared
        2 acquire t5 a shared
        2 acquire t6 a shared
        3 released c1
        4 released c2
        5 connected t3 c3 -> t3 uses c3, close c1, open a for t4, close c2, open a for t5
        6 released c3 -> t4 uses c3
        """,
        id="shared: idle connections of others make way for all that wait",
    ),
    pytest.param(
        {},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        1 connected t1 c1 -> t1 uses c1, open a for t2
        2 acquire t3 a shared -> open a for t3
        3 failed t2 -> refuse t2
        3 failed t3 -> refuse t3
        4 closed c1
        4 released c1 -> close c1
        5 acquire t4 a shared -> open a for t4
        5 acquire t5 a shared
        """,
        id="shared: that it serves one at a time is remembered as long as the origin is",
    ),
    pytest.param(
        {"race": False},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 a shared
        1 failed t1 -> refuse t1, open a for t2
        2 failed t2 -> refuse t2, open a for t3
        3 connected t3 c1 2 -> t3 uses c1, t4 uses c1
        """,
        id="shared: when an opening fails the next may try, and nobody else is refused",
    ),
    pytest.param(
        {},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 a shared
        1 cancelled t1
        1 failed t1 -> open a for t2
        2 cancelled t2
        2 cancelled t3
        3 connected t2 c1 2 -> t4 uses c1
        4 acquire t5 a shared -> t5 uses c1
        """,
        id="shared: a cancelled ticket leaves the others its opening, or else their turn",
    ),
    pytest.param(
        {"max_per_origin": 1},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 a shared
        1 connected t1 c1 2 -> t1 uses c1, t2 uses c1
        2 closed c1
        3 released c1
        4 released c1 -> close c1, open a for t3
        5 connected t3 c2 2 -> t3 uses c2, t4 uses c2
        """,
        id="shared: an origin at its own limit waits for room",
    ),
    pytest.param(
        {"max_connections": 3},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 a shared
        0 acquire t4 b shared -> open b for t4
        0 acquire t5 b shared
        0 acquire t6 b shared
        0 acquire t7 c -> open c for t7
        0 acquire t8 c
        1 connected t1 c1 -> t1 uses c1
        2 connected t4 c2 -> t4 uses c2
        3 failed t7 -> refuse t7, open a for t2
        4 failed t2 -> refuse t2, open b for t5
        5 released c1 -> t3 uses c1
        6 failed t5 -> refuse t5, open b for t6
        7 failed t6 -> refuse t6, open c for t8
        """,
        id="shared: origins whose tickets had to let others pass take turns, before those that had none",
    ),
    pytest.param(
        {"max_connections": 2},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 b -> open b for t3
        0 acquire t4 c
        1 connected t1 c1 -> t1 uses c1
        2 cancelled t2
        3 released c1 -> close c1, open c for t4
        """,
        id="shared: an origin that nobody asks for any more has no turn",
    ),
    pytest.param(
        {"max_connections": 2},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        0 acquire t3 b -> open b for t3
        0 acquire t4 c
        1 connected t1 c1 -> t1 uses c1
        2 cancelled t2
        3 released c1 broken -> close c1, open c for t4
        4 failed t3 -> refuse t3
        5 acquire t5 a shared -> open a for t5
        """,
        id="shared: nor has one that is forgotten",
    ),
    pytest.param(
        {},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a
        0 acquire t3 b -> open b for t3
        0 acquire t4 b shared -> open b for t4
        """,
        id="shared: the first ticket of an origin decides",
    ),
    pytest.param(
        {},
        """
        0 acquire t1 a shared -> open a for t1
        0 acquire t2 a shared
        1 close_all -> refuse t1, refuse t2
        2 connected t1 c1 9 -> close c1
        """,
        id="shared: close_all",
    ),
]


@pytest.mark.parametrize(
    ("settings", "script"),
    [
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 -> t1 uses c1
            2 released c1
            3 acquire t2 a -> t2 uses c1
            4 released c1
            """,
            id="an idle connection is used again",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a -> open a for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c2
            3 released c1
            4 acquire t3 a -> t3 uses c1
            4 acquire t4 a -> t4 uses c2
            4 acquire t5 b -> open b for t5
            """,
            id="the idle connection used last comes first, and serves no other origin",
        ),
        pytest.param(
            {"max_connections": 1},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a
            0 acquire t3 a
            1 connected t1 c1 -> t1 uses c1
            2 released c1 -> t2 uses c1
            3 released c1 broken -> close c1, open a for t3
            4 connected t3 c2 -> t3 uses c2
            """,
            id="a freed connection or slot goes to who waits longest",
        ),
        pytest.param(
            {"max_connections": 2},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a -> open a for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 acquire t3 b
            2 acquire t4 a
            3 released c1 -> t4 uses c1
            4 released c2 -> close c2, open b for t3
            """,
            id="its own origin comes before another one, then the idle connection makes way",
        ),
        pytest.param(
            {"max_connections": 2},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b -> open b for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c2
            3 released c1
            4 acquire t3 c -> close c2, open c for t3
            5 acquire t4 c -> close c1, open c for t4
            6 acquire t5 c
            """,
            id="of the idle connections, the one not used for the longest makes way",
        ),
        pytest.param(
            {"max_per_origin": 1, "max_connections": 2},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a
            0 acquire t3 a
            0 acquire t4 b -> open b for t4
            0 acquire t5 b
            0 acquire t6 c
            1 connected t1 c1 -> t1 uses c1
            2 released c1 broken -> close c1, open a for t2
            3 failed t4 -> refuse t4, open b for t5
            4 cancelled t3
            5 failed t2 -> refuse t2, open c for t6
            """,
            id="an origin at its own limit lets others pass, and its tickets keep their place",
        ),
        pytest.param(
            {"max_connections": 1},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b
            0 acquire t3 a
            1 cancelled t1
            2 connected t1 c1 -> t3 uses c1
            3 cancelled t2
            4 released c1
            """,
            id="a connection whose ticket was cancelled serves the next",
        ),
        pytest.param(
            {"max_connections": 1},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b
            1 cancelled t1
            2 connected t1 c1 -> close c1, open b for t2
            3 cancelled t2
            4 failed t2
            5 acquire t3 a -> open a for t3
            """,
            id="a cancelled opening that fails is nobody's",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 -> t1 uses c1
            2 acquire t2 a -> open a for t2
            3 released c1 -> t2 uses c1
            4 connected t2 c2
            5 acquire t3 a -> t3 uses c2
            """,
            id="race: a freed connection comes before the one being opened, which becomes idle",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 -> t1 uses c1
            2 acquire t2 a -> open a for t2
            3 released c1 -> t2 uses c1
            4 failed t2
            """,
            id="race: the failure of an opening that was not needed is nobody's",
        ),
        pytest.param(
            {"race": False},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 -> t1 uses c1
            2 acquire t2 a -> open a for t2
            3 released c1
            4 connected t2 c2 -> t2 uses c2
            5 acquire t3 a -> t3 uses c1
            6 acquire t4 a -> open a for t4
            7 cancelled t4
            8 connected t4 c3
            """,
            id="no race: a ticket waits for the connection that is being opened for it",
        ),
        pytest.param(
            {"max_connections": 1},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a
            0 acquire t3 a
            0 acquire t4 a
            0 acquire t5 b
            1 connected t1 c1 3 -> t1 uses c1, t2 uses c1, t3 uses c1
            2 resized c1 4 -> t4 uses c1
            3 resized c1 1
            4 acquire t6 a
            5 released c1
            6 released c1
            7 released c1
            8 released c1 -> t6 uses c1
            9 released c1 -> close c1, open b for t5
            """,
            id="HTTP/2: several tickets share a connection, as many as its capacity is at the time",
        ),
        pytest.param(
            {"race": False},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a -> open a for t2
            1 connected t1 c1 2 -> t1 uses c1
            1 connected t2 c2 2 -> t2 uses c2
            2 released c1
            3 acquire t3 a -> t3 uses c1
            4 acquire t4 a -> t4 uses c1
            5 acquire t5 a -> t5 uses c2
            6 acquire t6 a -> open a for t6
            """,
            id="HTTP/2: of two connections with room, the one used last comes first",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 2 -> t1 uses c1
            2 acquire t2 a -> t2 uses c1
            3 released c1
            4 acquire t3 a -> t3 uses c1
            5 released c1 broken
            6 resized c1 9
            7 acquire t4 a -> open a for t4
            8 released c1 -> close c1
            """,
            id="HTTP/2: a connection that is not reusable ends with its last ticket",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 2 -> t1 uses c1
            2 resized c1 0
            3 acquire t2 a -> open a for t2
            4 released c1 -> close c1
            5 connected t2 c2 2 -> t2 uses c2
            6 released c2
            7 resized c2 1
            8 resized c2 0 -> close c2
            """,
            id="HTTP/2: a connection that may serve nobody is kept for nobody",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 -> t1 uses c1
            2 closed c1
            3 released c1 -> close c1
            4 acquire t2 a -> open a for t2
            5 connected t2 c2 -> t2 uses c2
            6 released c2
            7 closed c2 -> close c2
            8 acquire t3 a -> open a for t3
            """,
            id="a connection that the peer has closed is used no more",
        ),
        pytest.param(
            {"max_idle": 1},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b -> open b for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c1
            3 released c2 -> close c1
            """,
            id="of too many idle connections the oldest is closed",
        ),
        pytest.param(
            {"max_idle": 0},
            """
            0 acquire t1 a -> open a for t1
            1 connected t1 c1 -> t1 uses c1
            2 released c1 -> close c1
            """,
            id="max_idle=0 keeps none",
        ),
        pytest.param(
            {"idle_timeout": 10},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b -> open b for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c1
            4 released c2
            11 expire
            12 expire -> close c1
            14 acquire t3 b -> close c2, open b for t3
            """,
            id="idle connections expire, at the latest when one is wanted",
        ),
        pytest.param(
            {"max_connections": 3},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b -> open b for t2
            0 acquire t3 c -> open c for t3
            0 acquire t4 c
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 close_all -> refuse t3, refuse t4, close c1, close c2
            3 released c1
            3 resized c1 1
            3 closed c2
            4 connected t3 c3 -> close c3
            5 close_all
            """,
            id="close_all",
        ),
        pytest.param(
            {},
            """
            0 acquire t1 a -> open a for t1
            1 close_all -> refuse t1
            2 failed t1
            """,
            id="an opening that fails after close_all",
        ),
        pytest.param(
            {"idle_timeout": 0},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b -> open b for t2
            1 connected t1 c1 -> t1 uses c1
            1 cancelled t2
            1 connected t2 c2 -> close c2
            2 released c1 -> close c1
            """,
            id="idle_timeout=0 keeps none",
        ),
        pytest.param(
            {"max_idle": 0, "max_connections": 2, "race": False},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a -> open a for t2
            0 acquire t3 a
            0 acquire t4 b
            1 connected t1 c1 2 -> t1 uses c1, t3 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c1
            3 released c2 -> close c2, open b for t4
            4 acquire t5 a -> t5 uses c1
            5 released c1
            6 released c1 -> close c1
            """,
            id="max_idle=0 is about what nobody uses",
        ),
        pytest.param(
            {"max_connections": 2},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 a -> open a for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c1
            3 released c2
            4 acquire t3 a -> t3 uses c2
            4 released c2 broken -> close c2
            4 acquire t3 a -> t3 uses c1
            4 acquire t4 b -> open b for t4
            4 acquire t5 b
            4 released c1 broken -> close c1, open b for t5
            4 acquire t3 a
            5 failed t4 -> refuse t4, open a for t3
            """,
            id="a ticket that finds its connection dead asks again",
        ),
        pytest.param(
            {"max_connections": 2},
            """
            0 acquire t1 a -> open a for t1
            0 acquire t2 b -> open b for t2
            1 connected t1 c1 -> t1 uses c1
            1 connected t2 c2 -> t2 uses c2
            2 released c1
            3 closed c1 -> close c1
            4 acquire t3 c -> open c for t3
            4 acquire t4 c
            5 closed c2
            6 released c2 -> close c2, open c for t4
            """,
            id="the slot of a connection that the peer has closed is free once nobody uses it",
        ),
        *SHARED_SCRIPTS,
    ],
)
def test_scripts(settings: dict[str, Any], script: str) -> None:
    play = Script(**settings)
    for line in script.strip().splitlines():
        event, _, expected = line.strip().partition(" -> ")
        assert ", ".join(play.run(event)) == expected, line


def test_next_expiry_is_that_of_the_connection_idle_for_the_longest() -> None:
    play = Script(idle_timeout=10)
    assert play.pool.next_expiry() == inf
    for event in ["0 acquire t1 a", "0 acquire t2 a", "1 connected t1 c1", "1 connected t2 c2", "2 released c1"]:
        play.run(event)
    assert play.pool.next_expiry() == 12
    play.run("5 released c2")
    assert play.pool.next_expiry() == 12
    assert play.run("12 expire") == ["close c1"]
    assert play.pool.next_expiry() == 15


def test_a_ticket_that_asks_again_has_nothing_to_do_with_its_former_opening() -> None:
    pool = new_pool()
    [first] = pool.acquire(A, "t", 0)
    assert isinstance(first, OpenConnection)
    pool.cancelled("t")
    [second] = pool.acquire(A, "t", 1)
    assert isinstance(second, OpenConnection)
    assert first != second
    assert pool.failed(first) == []
    assert told(pool.connected(second, "c", 2)) == ["t uses c"]


def test_an_origin_that_is_forgotten_has_no_turn_left_over() -> None:
    play = Script(max_connections=3)
    for event in [
        "0 acquire t1 a shared",
        "0 acquire t2 a shared",
        "0 acquire t3 b shared",
        "0 acquire t4 b shared",
        "0 acquire t5 c",
        "1 connected t3 c1",
        "1 connected t1 c2",
        "2 cancelled t2",
    ]:
        play.run(event)
    assert play.run("3 released c2 broken") == ["close c2", "open b for t4"]
    assert [each.name for each in play.pool._allocation.ready] == [B]


def used_pool() -> tuple[Pool[str, str], OpenConnection[str]]:
    """A pool with a busy connection, an idle one, an opening whose ticket waits, and one more ticket that waits."""
    play = Script(max_connections=3)
    for event in [
        "0 acquire busy a",
        "0 acquire idle b",
        "1 connected busy c1",
        "1 connected idle c2",
        "2 released c2",
    ]:
        play.run(event)
    play.run("3 acquire opening a")
    play.run("3 acquire waiting c")
    play.run("3 acquire more c")
    return play.pool, play.openings["opening"]


def state(pool: Pool[str, str]) -> dict[str, Any]:
    """All that the pool remembers, deep enough to see any change."""

    def seen(value: Any) -> Any:
        if type(value).__module__.startswith("trivet.core.pool.") and hasattr(value, "__slots__"):
            names = [name for name in value.__slots__ if name not in ("origin", "queue")]
            return type(value).__name__, *((name, seen(getattr(value, name))) for name in names)
        return [(seen(key), seen(each)) for key, each in value.items()] if isinstance(value, dict) else value

    return {name: seen(value) for name, value in vars(pool).items()}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda pool, opening: pool.acquire(A, "waiting", 99), "waits for a connection already"),
        (lambda pool, opening: pool.cancelled("stranger"), "does not wait"),
        (lambda pool, opening: pool.cancelled("busy"), "release its connection instead"),
        (lambda pool, opening: pool.connected(OpenConnection("opening", A, 99), "c9", 99), "an opening under way"),
        (lambda pool, opening: pool.connected(opening, "c1", 99), "a new connection"),
        (lambda pool, opening: pool.connected(opening, "c9", 99, 0), "a capacity from 1"),
        (lambda pool, opening: pool.failed(OpenConnection("opening", A, 99)), "that is under way"),
        (lambda pool, opening: pool.released("stranger", True, 99), "that no ticket uses"),
        (lambda pool, opening: pool.resized("stranger", 1), "not in this pool"),
        (lambda pool, opening: pool.resized("c1", -1), "a capacity from 0"),
        (lambda pool, opening: pool.closed("stranger"), "not in this pool"),
    ],
)
def test_illegal_calls_change_nothing(call: Callable[..., object], message: str) -> None:
    pool, opening = used_pool()
    before = state(pool)
    with pytest.raises(LocalProtocolError, match=message):
        call(pool, opening)
    assert state(pool) == before


def test_an_idle_connection_cannot_be_released() -> None:
    pool = new_pool()
    [opening] = pool.acquire(A, "t", 0)
    assert isinstance(opening, OpenConnection)
    pool.connected(opening, "c", 1)
    pool.released("c", True, 2)
    before = state(pool)
    with pytest.raises(LocalProtocolError, match="that no ticket uses"):
        pool.released("c", True, 3)
    assert state(pool) == before


def test_a_closed_pool_gives_nothing_more() -> None:
    pool = new_pool()
    pool.close_all()
    with pytest.raises(LocalProtocolError, match="the pool is closed"):
        pool.acquire(A, "t", 0)


def test_closing_all_tells_what_is_in_use() -> None:
    pool = new_pool()
    for ticket in ("t1", "t2"):
        [opening] = pool.acquire(A, ticket, 0)
        pool.connected(cast("OpenConnection[str]", opening), f"of {ticket}", 0)
    pool.released("of t1", True, 1)
    assert pool.close_all() == [CloseConnection("of t1", in_use=False), CloseConnection("of t2", in_use=True)]


@pytest.mark.parametrize("settings", [{"max_connections": 0}, {"max_per_origin": 0}])
def test_a_pool_that_could_open_nothing_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="could open no connection"):
        new_pool(**settings)


def calls_of(action: Callable[[], object]) -> int:
    """How many functions run, Python's and C's, while `action` does."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    # What other tests have left for the garbage collector may run functions of its own.
    gc.disable()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


def work(size: int, race: bool) -> list[int]:
    """The calls that each event takes in a pool with `size` busy connections, as many idle ones, and as many
    tickets that wait in the queue and parked: first without waiters, then with."""
    pool: Pool[int, int] = Pool(max_connections=2 * size, max_per_origin=size, max_idle=size, race=race)
    for number in range(2 * size):
        [decision] = pool.acquire((A, B)[number % 2], number, 0.0)
        assert isinstance(decision, OpenConnection)
        pool.connected(decision, number, 0.0)
    for number in range(size):
        pool.released(2 * number, True, float(number))
    counts = []
    last: list[Decision[int, int]] = []

    def note(event: Callable[[], list[Decision[int, int]] | None]) -> None:
        def run() -> None:
            last[:] = event() or []

        counts.append(calls_of(run))

    def opening() -> OpenConnection[int]:
        return next(each for each in last if isinstance(each, OpenConnection))

    note(lambda: pool.acquire(A, -1, 10.0))
    note(lambda: pool.released(2 * size - 2, True, 10.0))
    note(lambda: pool.acquire(C, -2, 10.0))
    note(lambda: pool.connected(opening(), -2, 10.0))
    note(lambda: pool.closed(2))
    note(lambda: pool.expire(62.5))  # one is due
    for n in range(10 * size, 11 * size):  # parked, while there are slots
        pool.acquire(B, n, 10.0)
    for n in range(11 * size, 13 * size):  # the first of them fill the pool
        pool.acquire(C, n, 10.0)
    note(lambda: pool.acquire(C, -3, 10.0))
    note(lambda: pool.cancelled(12 * size + size // 2))
    note(lambda: pool.released(1, True, 10.0))
    note(lambda: pool.released(3, False, 10.0))
    note(lambda: pool.failed(opening()))
    note(lambda: pool.released(-2, False, 10.0))
    return counts


def shared_work(size: int, race: bool) -> list[int]:
    """The calls that each event takes while `size` tickets wait for a shared opening, and as many of another
    origin and then of the same one behind them for a slot."""
    pool: Pool[int, int] = Pool(max_connections=2, race=race)
    [opening] = pool.acquire(A, -1, 0.0, shared=True)
    assert isinstance(opening, OpenConnection)
    [other] = pool.acquire(B, -2, 0.0)
    assert isinstance(other, OpenConnection)
    pool.connected(other, -2, 0.0)
    for n in range(size):
        pool.acquire(A, n, 0.0, shared=True)
    for n in range(size, 2 * size):
        pool.acquire(B, n, 0.0)
    for n in range(2 * size, 3 * size):
        pool.acquire(A, n, 0.0, shared=True)
    counts = []
    last: list[Decision[int, int]] = []

    def note(event: Callable[[], list[Decision[int, int]] | None]) -> None:
        def run() -> None:
            last[:] = event() or []

        counts.append(calls_of(run))

    note(lambda: pool.failed(opening))
    opening = next(each for each in last if isinstance(each, OpenConnection))
    note(lambda: pool.cancelled(size // 2))
    note(lambda: pool.acquire(A, -3, 0.0, shared=True))
    note(lambda: pool.connected(opening, -1, 0.0, 2))
    note(lambda: pool.resized(-1, 3))
    note(lambda: pool.released(-1, True, 0.0))
    note(lambda: pool.released(-2, False, 0.0))
    opening = next(each for each in last if isinstance(each, OpenConnection))
    note(lambda: pool.connected(opening, -4, 0.0))
    return counts


@pytest.mark.parametrize("race", [True, False])
def test_an_event_takes_no_more_work_in_a_large_pool(race: bool) -> None:
    few, many = work(10, race), work(1000, race)
    assert len(few) == 12
    assert many == few
    few, many = shared_work(10, race), shared_work(1000, race)
    assert len(few) == 8
    assert many == few


class Peer:
    """What the model knows of a connection."""

    def __init__(self, origin: str, capacity: int) -> None:
        self.origin = origin
        self.capacity = self.most = capacity  # now, and at most so far
        self.users: list[int] = []
        self.retired = False
        self.idle_since: float | None = None

    @property
    def has_room(self) -> bool:
        return not self.retired and len(self.users) < self.capacity


class PoolMachine(RuleBasedStateMachine):
    """Any interleaving of events, against a model that looks at everything each time."""

    @initialize(
        max_connections=st.integers(1, 5),
        max_per_origin=st.none() | st.integers(1, 3),
        max_idle=st.integers(0, 3),
        idle_timeout=st.sampled_from([5.0, 5.0, 5.0, 0.0]),
        race=st.booleans(),
    )
    def begin(
        self, max_connections: int, max_per_origin: int | None, max_idle: int, idle_timeout: float, race: bool
    ) -> None:
        self.pool: Pool[int, int] = Pool(
            max_connections=max_connections,
            max_per_origin=max_per_origin,
            max_idle=max_idle,
            idle_timeout=idle_timeout,
            race=race,
        )
        self.max_connections, self.race = max_connections, race
        self.max_idle, self.idle_timeout = (max_idle if idle_timeout else 0), idle_timeout
        self.max_per_origin = max_per_origin or max_connections
        self.now = 0.0
        self.names = iter(range(10**9))
        self.waiting: dict[int, str] = {}  # in the order of asking
        self.passed: set[int] = set()  # the tickets that had to let others pass, or a free slot
        self.shares: dict[str, bool] = {}  # of the origins that are remembered
        self.openings: list[OpenConnection[int]] = []
        self.peers: dict[int, Peer] = {}

    def slots(self, origin: str | None = None) -> int:
        held = [each.origin for each in self.openings] + [peer.origin for peer in self.peers.values()]
        return len(held) if origin is None else held.count(origin)

    def opened_for(self, ticket: int) -> bool:
        return any(each.ticket == ticket for each in self.openings)

    def may_open(self, origin: str) -> bool:
        under_way = any(each.origin == origin for each in self.openings)
        return self.slots(origin) < self.max_per_origin and not (self.shares[origin] and under_way)

    @property
    def slot_to_be_had(self) -> bool:
        return self.slots() < self.max_connections or any(not peer.users for peer in self.peers.values())

    def perform(self, decisions: list[Decision[int, int]], own: int | None = None) -> None:
        """Carry the decisions out. `own` is the ticket of the opening that has just come up."""
        for decision in decisions:
            match decision:
                case UseConnection(ticket, connection):
                    peer = self.peers[connection]
                    assert peer.has_room
                    origin = self.waiting[ticket]
                    assert peer.origin == origin
                    if ticket != own:
                        may = [
                            each
                            for each, wanted in self.waiting.items()
                            if wanted == origin and (self.race or not self.opened_for(each))
                        ]
                        assert ticket == may[0]
                    del self.waiting[ticket]
                    assert peer.users or peer.idle_since is None or peer.idle_since + 5.0 > self.now
                    peer.users.append(ticket)
                    peer.idle_since = None
                case OpenConnection(ticket, origin, _):
                    unopened = [each for each in self.waiting if not self.opened_for(each)]
                    assert ticket == next(each for each in unopened if self.waiting[each] == origin)
                    assert self.may_open(origin)
                    older = {each for each in unopened if each < ticket}
                    if any(self.may_open(self.waiting[each]) for each in older):
                        # Of those that had to let others pass, one origin after another has its turn.
                        assert {*older, ticket} <= self.passed
                    self.passed |= older
                    self.openings.append(decision)
                    assert self.slots() <= self.max_connections
                case CloseConnection(connection):
                    peer = self.peers.pop(connection)
                    assert not peer.users
                    if peer.has_room:  # it was sound: then it is the one that was not used for the longest
                        idle = [each.idle_since for each in self.peers.values() if each.idle_since is not None]
                        assert peer.idle_since is not None
                        assert all(peer.idle_since <= each for each in idle)
                case RefuseTicket(ticket):
                    del self.waiting[ticket]
        if self.slot_to_be_had:
            self.passed.update(each for each in self.waiting if not self.opened_for(each))
        for origin in [each for each in self.shares if not self.slots(each) and each not in self.waiting.values()]:
            del self.shares[origin]

    @rule(origin=st.sampled_from([A, B, C]), shared=st.booleans())
    def acquire(self, origin: str, shared: bool) -> None:
        self.ask(next(self.names), origin, shared)

    def ask(self, ticket: int, origin: str, shared: bool) -> int | None:
        """The connection that the ticket gets at once."""
        self.perform(self.pool.expire(self.now))
        room = [name for name, peer in self.peers.items() if peer.origin == origin and peer.has_room]
        self.waiting[ticket] = origin
        self.shares.setdefault(origin, shared)
        self.perform(self.pool.acquire(origin, ticket, self.now, shared))
        assert bool(room) == (ticket not in self.waiting)
        return next((name for name in room if ticket in self.peers[name].users), None)

    @rule(origin=st.sampled_from([A, B, C]), shared=st.booleans())
    def checked_out_dead(self, origin: str, shared: bool) -> None:
        """A ticket that finds its connection dead asks again until it gets another, or waits for one."""
        ticket = next(self.names)
        for _ in range(len(self.peers) + 1):
            connection = self.ask(ticket, origin, shared)
            if connection is None:
                break
            self.peers[connection].users.remove(ticket)
            self.release(connection, False, used=False)
        assert ticket in self.waiting

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def asks_twice(self, data: st.DataObject) -> None:
        with pytest.raises(LocalProtocolError):
            self.pool.acquire(A, data.draw(st.sampled_from(list(self.waiting))), self.now)

    @precondition(lambda self: self.openings)
    @rule(data=st.data(), capacity=st.sampled_from([1, 1, 2, 3]))
    def connected(self, data: st.DataObject, capacity: int) -> None:
        self.connect(data.draw(st.sampled_from(self.openings)), capacity)

    def connect(self, opening: OpenConnection[int], capacity: int) -> None:
        self.openings.remove(opening)
        connection = next(self.names)
        self.peers[connection] = peer = Peer(opening.origin, capacity)
        peer.idle_since = self.now
        if capacity == 1:
            self.shares[opening.origin] = False
        owner_waits = opening.ticket in self.waiting
        self.perform(self.pool.connected(opening, connection, self.now, capacity), own=opening.ticket)
        if owner_waits:
            assert peer.users[0] == opening.ticket

    @precondition(lambda self: self.openings)
    @rule(data=st.data())
    def failed(self, data: st.DataObject) -> None:
        opening = data.draw(st.sampled_from(self.openings))
        self.openings.remove(opening)
        others = [each for each in self.waiting if each != opening.ticket]
        self.perform(self.pool.failed(opening))
        assert list(self.waiting) == others

    @precondition(lambda self: any(peer.users for peer in self.peers.values()))
    @rule(data=st.data(), reusable=st.sampled_from([True, True, False]))
    def released(self, data: st.DataObject, reusable: bool) -> None:
        connection = data.draw(st.sampled_from([name for name, peer in self.peers.items() if peer.users]))
        self.release(connection, reusable)

    def release(self, connection: int, reusable: bool, used: bool = True) -> None:
        peer = self.peers[connection]
        if used:
            peer.users.pop()
        peer.retired |= not reusable
        if not peer.users:
            peer.idle_since = self.now
        self.perform(self.pool.released(connection, reusable, self.now))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), abandon=st.booleans())
    def cancelled(self, data: st.DataObject, abandon: bool) -> None:
        ticket = data.draw(st.sampled_from(list(self.waiting)))
        del self.waiting[ticket]
        self.pool.cancelled(ticket)
        self.perform([])
        for opening in [each for each in self.openings if each.ticket == ticket and abandon]:
            self.openings.remove(opening)
            self.perform(self.pool.failed(opening))

    @precondition(lambda self: self.peers)
    @rule(data=st.data())
    def closed(self, data: st.DataObject) -> None:
        connection = data.draw(st.sampled_from(list(self.peers)))
        self.peers[connection].retired = True
        self.perform(self.pool.closed(connection))

    @precondition(lambda self: self.peers)
    @rule(data=st.data(), capacity=st.integers(0, 4))
    def resized(self, data: st.DataObject, capacity: int) -> None:
        connection = data.draw(st.sampled_from(list(self.peers)))
        peer = self.peers[connection]
        peer.capacity, peer.most = capacity, max(peer.most, capacity)
        self.perform(self.pool.resized(connection, capacity))

    @rule(seconds=st.sampled_from([0.5, 2.0, 7.0]), expire=st.booleans())
    def time_passes(self, seconds: float, expire: bool) -> None:
        self.now += seconds
        if expire:
            due = self.pool.next_expiry() <= self.now
            decisions = self.pool.expire(self.now)
            assert bool(decisions) is due
            self.perform(decisions)
            assert self.pool.next_expiry() > self.now

    @invariant()
    def the_limits_hold(self) -> None:
        idle = [peer for peer in self.peers.values() if not peer.users]
        assert self.slots() <= self.max_connections
        assert all(self.slots(origin) <= self.max_per_origin for origin in (A, B, C))
        assert len(idle) <= self.max_idle
        assert all(peer.has_room for peer in idle)
        assert (self.pool.slots, self.pool.idle, self.pool.waiting) == (self.slots(), len(idle), len(self.waiting))
        oldest = min((peer.idle_since or 0.0 for peer in idle), default=inf)
        assert self.pool.next_expiry() == oldest + self.idle_timeout
        assert all(len(peer.users) <= 1 for peer in self.peers.values() if peer.most == 1)

    @invariant()
    def nobody_waits_without_need(self) -> None:
        for ticket, origin in self.waiting.items():
            if self.opened_for(ticket):
                takes_others = self.race
            else:
                takes_others = True
                assert not (self.slot_to_be_had and self.may_open(origin))
            if takes_others:
                assert not any(peer.has_room for peer in self.peers.values() if peer.origin == origin)

    @invariant()
    def nothing_is_remembered_of_an_origin_without_need(self) -> None:
        wanted = {origin for origin in (A, B, C) if self.slots(origin)} | set(self.waiting.values())
        allocation = self.pool._allocation
        assert set(allocation.origins) == wanted == set(self.shares)
        assert all(allocation.origins.get(each.name) is each for each in allocation.ready)
        assert all(self.shares[each.name] == each.shares for each in allocation.origins.values())

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        while self.openings or any(peer.users for peer in self.peers.values()):
            if self.openings and self.openings[0].number % 3 == 0:
                self.perform(self.pool.failed(self.openings.pop(0)))
            elif self.openings:
                self.connect(self.openings[0], self.openings[0].number % 3)
            else:
                self.release(next(name for name, peer in self.peers.items() if peer.users), True)
        assert not self.waiting  # everybody was served, or refused
        self.perform(self.pool.expire(inf))
        assert self.peers == {}
        assert (self.pool.slots, self.pool.idle, self.pool.waiting) == (0, 0, 0)
        allocation = self.pool._allocation
        assert not any([allocation.origins, allocation.queue, allocation.ready])


TestPoolMachine = PoolMachine.TestCase
