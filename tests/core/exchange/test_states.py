"""The tables of states, and the page of the documentation that shows them.

Run as a program, this file brings the page up to date.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from trivet.core.exchange.states import CALLS, TRANSITIONS, Signal, State, diagram

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "state-diagram.md"
ENDS = {State.DONE, State.ERROR, State.CANCELLED}


def calls_table() -> str:
    rows = [f"| | {' | '.join(f'`{call}`' for call in CALLS)} |", f"|---|{'---|' * len(CALLS)}"]
    for state in State:
        cells = ("yes" if state in CALLS[call] else "–" for call in CALLS)
        rows.append(f"| {state.name} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def transitions_table() -> str:
    rows = ["| in | when | to |", "|---|---|---|"]
    for state, moves in TRANSITIONS.items():
        rows += [f"| {state.name} | {signal.value} | {following.name} |" for signal, following in moves.items()]
    return "\n".join(rows) + "\n"


def up_to_date(page: str) -> str:
    """The page with the parts that are made from the tables made anew."""
    parts = {
        "diagram": f"```text\n{diagram()}```\n",
        "calls": calls_table(),
        "transitions": transitions_table(),
    }
    for name, text in parts.items():
        page, found = re.subn(
            rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", text.replace("\\", r"\\"), page, flags=re.S
        )
        assert found == 1, f"the page has no place for the {name}"
    return page


def test_the_page_shows_the_tables() -> None:
    page = PAGE.read_text("utf-8")

    assert page == up_to_date(page), "bring the page up to date with `python tests/core/exchange/test_states.py`"


def test_every_state_has_its_moves() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {signal for moves in TRANSITIONS.values() for signal in moves} == set(Signal)


def test_every_state_can_be_reached_and_left_for_an_end() -> None:
    reached = {State.IDLE}
    for _ in State:
        reached |= {following for state in reached for following in TRANSITIONS[state].values()}
    assert reached == set(State)
    for state in set(State) - ENDS:
        assert ENDS & set(TRANSITIONS[state].values())


@pytest.mark.parametrize("state", [State.DONE, State.ERROR, State.CANCELLED])
def test_an_end_is_an_end(state: State) -> None:
    assert TRANSITIONS[state] == {Signal.CANCELLED: state}
    assert [call for call, states in CALLS.items() if state in states] == ["cancel"]


def test_what_the_calls_and_the_moves_say_agrees() -> None:
    for state in State:
        assert (state in CALLS["start"]) is (Signal.STARTED in TRANSITIONS[state])
        assert (state in CALLS["receive"]) is (Signal.RETURNED in TRANSITIONS[state])
        assert (state in CALLS["fail"]) is (Signal.RAISED in TRANSITIONS[state])
        assert (state in CALLS["cancel"]) is (Signal.CANCELLED in TRANSITIONS[state])


def test_the_diagram_draws_every_move_once() -> None:
    lines = diagram().splitlines()

    assert lines[:2] == ["stateDiagram-v2", "    [*] --> IDLE"]
    moves = [
        f"    {state.name} --> {following.name}: {signal.value}"
        for state in State
        for signal, following in TRANSITIONS[state].items()
    ]
    assert lines[2 : -len(ENDS)] == moves
    assert set(lines[-len(ENDS) :]) == {f"    {state.name} --> [*]" for state in ENDS}


if __name__ == "__main__":
    PAGE.write_text(up_to_date(PAGE.read_text("utf-8")), "utf-8")
