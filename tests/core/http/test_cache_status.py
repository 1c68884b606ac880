"""Cache-Status: RFC 9211; RFC 9651 §3.3 and §4.1 for its text."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trivet.core.http.cache_status import CacheStatus, Forwarded
from trivet.core.http.headers import Headers

NAMES = ("hit", "fwd", "fwd_status", "ttl", "stored", "collapsed", "key", "detail")

# RFC 9651 §4.2.3.2: parameters, each with a Boolean (true when there is no value), an Integer, a String or a Token.
PARAMETER = re.compile(
    r""";[ ]*(?P<name>[a-z*][a-z0-9_\-.*]*)
        (?: = (?: (?P<integer>-?[0-9]{1,15})(?![0-9])
                | "(?P<string>(?:[ !#-\[\]-~]|\\[\\"])*)"
                | (?P<token>[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*) ) )?""",
    re.VERBOSE | re.ASCII,
)

forwarded: tuple[Forwarded, ...] = get_args(Forwarded)
words = st.none() | st.text() | st.text('\\"a ;=,')


@st.composite
def statuses(draw: st.DrawFn) -> CacheStatus:
    hit = draw(st.booleans())
    return CacheStatus.of(
        hit=hit,
        fwd=None if hit else draw(st.none() | st.sampled_from(forwarded)),
        fwd_status=draw(st.none() | st.integers(100, 999)),
        ttl=draw(st.none() | st.integers()),
        stored=draw(st.booleans()),
        collapsed=draw(st.booleans()),
        key=draw(words),
        detail=draw(words),
    )


def parse(text: str) -> dict[str, Any]:
    """The parameters of a Token with parameters (RFC 9651 §4.2.3); fails where it is not one."""
    assert text.startswith("trivet")
    place = len("trivet")
    found: dict[str, Any] = {}
    while place < len(text):
        match = PARAMETER.match(text, place)
        assert match, f"no parameter at {place} of {text!r}"
        name, integer, string, token = match.group("name", "integer", "string", "token")
        assert name not in found
        if integer is not None:
            found[name] = int(integer)
        elif string is not None:
            found[name] = re.sub(r"\\(.)", r"\1", string)
        else:
            found[name] = True if token is None else token
        place = match.end()
    return found


@pytest.mark.parametrize(
    ("values", "text"),
    [
        pytest.param({}, "trivet", id="nothing"),
        pytest.param({"hit": True}, "trivet; hit", id="§2.1 hit"),
        pytest.param({"hit": True, "ttl": 120}, "trivet; hit; ttl=120", id="§2.4 ttl"),
        pytest.param({"hit": True, "ttl": -412}, "trivet; hit; ttl=-412", id="§2.4 negative ttl"),
        pytest.param({"hit": True, "ttl": 0}, "trivet; hit; ttl=0", id="§2.4 no ttl left"),
        pytest.param({"ttl": 10**15}, "trivet; ttl=999999999999999", id="RFC 9651 §3.3.1 too large"),
        pytest.param({"ttl": -(10**15)}, "trivet; ttl=-999999999999999", id="RFC 9651 §3.3.1 too small"),
        pytest.param({"fwd": "uri-miss", "stored": True}, "trivet; fwd=uri-miss; stored", id="§2.5 stored"),
        pytest.param({"fwd": "stale", "fwd_status": 304}, "trivet; fwd=stale; fwd-status=304", id="§2.3 fwd-status"),
        pytest.param({"fwd": "miss", "collapsed": True}, "trivet; fwd=miss; collapsed", id="§2.6 collapsed"),
        pytest.param({"hit": True, "key": "a b"}, 'trivet; hit; key="a b"', id="§2.7 key"),
        pytest.param({"detail": ""}, 'trivet; detail=""', id="§2.8 empty detail"),
        pytest.param({"detail": '"\\'}, r'trivet; detail="\"\\"', id="RFC 9651 §4.1.6 escapes"),
        pytest.param({"detail": "a\r\n\x7f\té→"}, 'trivet; detail="a??????"', id="RFC 9651 §3.3.3 characters"),
        pytest.param(
            {
                "fwd": "stale",
                "fwd_status": 304,
                "stored": True,
                "ttl": 60,
                "collapsed": True,
                "key": "k",
                "detail": "d",
            },
            'trivet; fwd=stale; fwd-status=304; stored; collapsed; ttl=60; key="k"; detail="d"',
            id="everything",
        ),
    ],
)
def test_text_and_values(values: dict[str, Any], text: str) -> None:
    status = CacheStatus.of(**values)
    assert status == text
    defaults = {"hit": False, "stored": False, "collapsed": False}
    assert {name: getattr(status, name) for name in NAMES} == dict.fromkeys(NAMES) | defaults | values


@pytest.mark.parametrize("fwd", forwarded)
def test_reasons_to_forward(fwd: Forwarded) -> None:
    assert CacheStatus.of(fwd=fwd) == f"trivet; fwd={fwd}"


def test_a_hit_is_not_forwarded() -> None:
    with pytest.raises(ValueError, match="not both"):
        CacheStatus.of(hit=True, fwd="stale")


@given(statuses())
def test_it_is_a_valid_structured_field(status: CacheStatus) -> None:
    Headers({"Cache-Status": status})
    found = parse(status)
    assert found.pop("hit", False) is status.hit
    assert found.pop("stored", False) is status.stored
    assert found.pop("collapsed", False) is status.collapsed
    assert found.pop("fwd", None) == status.fwd
    assert found.pop("fwd-status", None) == status.fwd_status
    limit = 10**15 - 1
    assert found.pop("ttl", None) == (status.ttl if status.ttl is None else max(-limit, min(status.ttl, limit)))
    for name, value in (("key", status.key), ("detail", status.detail)):
        assert found.pop(name, None) == (None if value is None else re.sub(r"[^\x20-\x7e]", "?", value))
    assert found == {}


@given(statuses())
def test_it_is_pickled_and_copied_whole(status: CacheStatus) -> None:
    for again in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):
        assert type(again) is CacheStatus
        assert again == status
        assert [getattr(again, name) for name in NAMES] == [getattr(status, name) for name in NAMES]


def test_repr_is_the_text() -> None:
    assert repr(CacheStatus.of(fwd="miss", detail='"')) == r"""CacheStatus('trivet; fwd=miss; detail="\\""')"""


def test_it_is_immutable() -> None:
    status: Any = CacheStatus.of(hit=True)
    with pytest.raises(AttributeError, match="'hit' cannot be set"):
        status.hit = False
    with pytest.raises(AttributeError, match="'hit' cannot be deleted"):
        del status.hit
    with pytest.raises(AttributeError):
        status.other = 1
    assert status.hit


def test_it_is_made_by_of_alone() -> None:
    with pytest.raises(TypeError, match=r"CacheStatus\.of"):
        CacheStatus("trivet; hit")
