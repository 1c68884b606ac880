"""A stored response, and what is derived from it once."""

from __future__ import annotations

import pytest

from core.caching.world import START, date
from trivet.core.caching.entry import Entry
from trivet.core.caching.stored import Stored
from trivet.core.http.headers import Headers


def stored(fields: dict[str, str], *, asked: float = 0.0, came: float = 0.0, status: int = 200) -> Stored:
    """A response to a request that was sent, and that came, so many seconds after the beginning."""
    raw = tuple(Headers(fields).raw)
    entry = Entry("k", "GET", "https://a.example/?key=s3cret", status, "", "HTTP/1.1", raw, (), 0, 0, 1e10, 2, 0)
    return Stored(entry._replace(request_time=START + asked, response_time=START + came), b"hi")


def test_fields_and_directives_are_read_once() -> None:
    response = stored({"Cache-Control": "max-age=60, no-cache"})
    assert response.headers == Headers({"Cache-Control": "max-age=60, no-cache"})
    assert response.headers is response.headers
    assert (response.directives.max_age, response.directives.no_cache) == (60, True)
    assert response.directives is response.directives


def test_the_lifetime_depends_on_who_uses_it() -> None:
    response = stored({"Cache-Control": "max-age=60, s-maxage=5"})
    assert response.lifetime(shared=False) == (60.0, "max-age=60")
    assert response.lifetime(shared=True) == (5.0, "s-maxage=5")
    assert response.lifetime(shared=True) is response.lifetime(shared=True)


@pytest.mark.parametrize(
    ("fields", "asked", "came", "now", "age"),
    [
        ({}, 0, 0, 0, 0),
        ({}, 0, 0, 12.5, 12.5),
        ({"Age": "30"}, 0, 0, 12, 42),
        ({"Age": "30"}, 0, 2, 12, 42),
        ({"Date": date(-20)}, 0, 0, 12, 32),
        ({"Date": date(-20), "Age": "30"}, 0, 0, 12, 42),
        ({"Date": date(99)}, 0, 0, 12, 12),
        ({"Age": "nonsense", "Date": "nonsense"}, 0, 1, 12, 12),
        ({"Age": "30"}, 0, 0, -99, 30),
    ],
)
def test_how_old_it_is(fields: dict[str, str], asked: float, came: float, now: float, age: float) -> None:
    response = stored(fields, asked=asked, came=came)
    assert [response.age(START + now) for _ in range(2)] == [age, age]


def test_its_age_takes_the_place_of_the_one_it_came_with() -> None:
    response = stored({"Age": "30", "ETag": '"a"', "age": "31"})
    assert list(response.headers_of_age(42.9).items()) == [("ETag", '"a"'), ("Age", "42")]
    assert list(response.headers_of_age(43.0).items()) == [("ETag", '"a"'), ("Age", "43")]
    assert response.headers.get_all("Age") == ["30", "31"]


def test_its_repr_shows_no_secret() -> None:
    assert repr(stored({})) == "<Stored <Entry 200 GET https://a.example/?key=[redacted], 2 bytes>>"
