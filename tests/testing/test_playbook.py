from __future__ import annotations

import random
from typing import Any

import pytest

from trivet.core.errors import LocalProtocolError, ReadError
from trivet.core.exchange.actions import CloseBody, ReadBody, SendRequest, SleepUntil
from trivet.core.exchange.call import CurrentCall
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.testing import Playbook, VirtualClock

REQUEST = Request("GET", "https://api.example.com/")


def flow() -> Flow[int]:
    yield from SleepUntil(1.0)
    response = yield from SendRequest(REQUEST)
    return response.status


def test_a_flow_step_by_step() -> None:
    book = Playbook(flow())

    assert book.action == SleepUntil(1.0)
    assert book.expect(SleepUntil).when == 1.0
    book.reply(after=1.0)
    assert book.expect(SendRequest).request is REQUEST
    assert book.reply(Response(204), after=0.5) is book

    assert book.result == 204
    assert book.action is None
    assert book.error is None
    assert book.actions == [SleepUntil(1.0), SendRequest(REQUEST)]
    assert book.clock.monotonic() == 1.5


def test_a_flow_that_needs_nothing() -> None:
    def at_once() -> Flow[str]:
        return "result"
        yield

    book = Playbook(at_once())

    assert book.result == "result"
    assert book.actions == []


def test_errors_go_in_and_come_out() -> None:
    book = Playbook(flow())
    error = ReadError("it broke", sent=True)

    book.fail(error, after=2.0)

    assert book.error is error
    assert book.clock.monotonic() == 2.0
    with pytest.raises(ReadError, match="it broke"):
        assert book.result


def test_the_clean_up_is_part_of_the_flow() -> None:
    def leaky() -> Flow[str]:
        yield from SendRequest(REQUEST)
        return "result"

    book = Playbook(leaky()).reply(Response(200, body="body"))

    with pytest.raises(AssertionError, match="has not ended"):
        assert book.result
    book.expect(CloseBody)
    assert book.reply().result == "result"


def test_what_was_not_expected() -> None:
    book = Playbook(flow())

    with pytest.raises(AssertionError, match=r"expected ReadBody, but the flow waits for SleepUntil\(when=1\.0\)"):
        book.expect(ReadBody)
    book.reply().reply(Response(200))
    with pytest.raises(AssertionError, match="expected ReadBody, but the flow waits for None"):
        book.expect(ReadBody)


def test_a_result_that_is_not_there_yet() -> None:
    with pytest.raises(AssertionError, match=r"the flow has not ended: it waits for SleepUntil\(when=1\.0\)"):
        assert Playbook(flow()).result


def test_a_reply_of_the_wrong_type_is_the_tests_mistake() -> None:
    book = Playbook(flow()).reply()

    with pytest.raises(LocalProtocolError, match="the reply to SendRequest is a Response, not str"):
        book.reply("200 OK")
    assert book.reply(Response(200)).result == 200


def test_time_passes_only_where_a_test_says_so() -> None:
    book = Playbook(flow()).reply().fail(ReadError("it broke", sent=True))

    assert book.clock.monotonic() == 0.0


@pytest.mark.parametrize("end", [Response(200), ReadError("it broke", sent=True)])
def test_after_the_end_there_is_nothing_to_reply_to(end: Any) -> None:
    book = Playbook(flow()).reply()
    book.fail(end) if isinstance(end, Exception) else book.reply(end)

    with pytest.raises(LocalProtocolError, match=r"receive\(\) is legal in"):
        book.reply()
    with pytest.raises(LocalProtocolError, match=r"fail\(\) is legal in"):
        book.fail(ReadError("too late", sent=True))

    # The outcome stays what it was.
    if isinstance(end, Exception):
        assert book.error is end
    else:
        assert book.result == 200


def test_the_clock_and_the_dice_can_be_brought_along() -> None:
    def asking() -> Flow[tuple[float, float]]:
        call = yield from CurrentCall()
        return call.now.wall, call.rng.random()

    clock = VirtualClock(wall=1_700_000_000.0)
    book = Playbook(asking(), rng=random.Random(7), clock=clock)

    assert book.clock is clock
    assert book.result == (1_700_000_000.0, random.Random(7).random())


def test_without_dice_every_run_is_the_same() -> None:
    def rolling() -> Flow[float]:
        call = yield from CurrentCall()
        return call.rng.random()

    assert Playbook(rolling()).result == Playbook(rolling()).result
