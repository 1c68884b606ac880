"""Age: RFC 9111 §4.2.3 and §5.1. The ids of the public cache test suite stand beside its cases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.caching.age import age_value, current_age
from trivet.core.http.headers import Headers

TIMES = st.floats(min_value=-1e12, max_value=1e12)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        pytest.param([], 0, id="§5.1 none"),
        pytest.param(["30"], 30, id="§5.1 a number"),
        pytest.param(["abc"], 0, id="age-parse-nonnumeric"),
        pytest.param(["-7200"], 0, id="age-parse-negative"),
        pytest.param(["7200.0"], 0, id="age-parse-float"),
        pytest.param(["2147483647"], 2147483647, id="age-parse-large-minus-one"),
        pytest.param(["2147483648"], 2147483648, id="age-parse-large"),
        pytest.param(["2147483649"], 2147483648, id="age-parse-larger"),
        pytest.param(["9" * 5_000], 2147483648, id="§1.2.2 huge"),
        pytest.param(["7200, 0"], 7200, id="age-parse-suffix"),
        pytest.param(["0, 7200"], 0, id="age-parse-prefix"),
        pytest.param(["7200", "0"], 7200, id="age-parse-suffix-twoline"),
        pytest.param(["0", "7200"], 0, id="age-parse-prefix-twoline"),
        pytest.param(["0, 0"], 0, id="age-parse-dup-0"),
        pytest.param(["3600", "3600"], 3600, id="age-parse-dup-old"),
        pytest.param(["7200;foo=bar"], 0, id="age-parse-parameter"),
        pytest.param(["7200;foo=111"], 0, id="age-parse-numeric-parameter"),
        pytest.param(["abc, 30"], 0, id="§5.1 the first member is not valid"),
        pytest.param([" ,\t, 30 , 7"], 30, id="RFC 9110 §5.6.1.2 empty members"),
        pytest.param(["", "30"], 0, id="§5.1 the first line is empty"),
        pytest.param(["²"], 0, id="§5.1 a digit that is not ASCII"),
    ],
)
def test_age_value(lines: list[str], seconds: int) -> None:
    assert age_value(Headers([("Age", line) for line in lines])) == seconds


@given(st.binary())
def test_any_field_is_an_age(value: bytes) -> None:
    assert 0 <= age_value(Headers.from_raw([(b"age", value)])) <= 2**31


@pytest.mark.parametrize(
    ("date_value", "age", "request_time", "response_time", "now", "seconds"),
    [
        pytest.param(100, 0, 100, 100, 100, 0, id="made just now"),
        pytest.param(100, 0, 100, 100, 107, 7, id="resident time"),
        pytest.param(90, 0, 100, 100, 100, 10, id="apparent age"),
        pytest.param(100, 30, 100, 100, 100, 30, id="Age"),
        pytest.param(90, 30, 100, 100, 100, 30, id="the greater of Age and apparent age"),
        pytest.param(50, 30, 100, 100, 100, 50, id="the greater of apparent age and Age"),
        pytest.param(104, 30, 100, 104, 104, 34, id="the delay adds to Age"),
        pytest.param(96, 0, 100, 104, 104, 8, id="the delay does not add to the apparent age"),
        pytest.param(500, 0, 100, 100, 105, 5, id="a Date in the future"),
        pytest.param(90, 30, 100, 104, 110, 40, id="all of it"),
        pytest.param(100, 10, 100, 100, 50, 10, id="our clock was set back"),
        pytest.param(100, 10, 100, 95, 95, 10, id="our clock was set back during the request"),
    ],
)
def test_current_age(
    date_value: float, age: int, request_time: float, response_time: float, now: float, seconds: float
) -> None:
    assert seconds == current_age(
        date_value=date_value, age_value=age, request_time=request_time, response_time=response_time, now=now
    )


@given(TIMES, st.integers(min_value=0, max_value=2**31), TIMES, TIMES, TIMES, TIMES)
def test_a_response_gets_only_older(
    date_value: float, age: int, request_time: float, response_time: float, one: float, other: float
) -> None:
    first, second = (
        current_age(
            date_value=date_value, age_value=age, request_time=request_time, response_time=response_time, now=now
        )
        for now in sorted([one, other])
    )
    assert age <= first <= second
