"""JSON out: what can be sent, and which words there are for what cannot."""

from __future__ import annotations

import dataclasses
import enum
from collections import OrderedDict, deque, namedtuple
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fresh import loaded_by
from trivet.core.errors import InvalidRequest
from trivet.core.http.json import dump_json
from trivet.core.http.json_path import json_path
from trivet.core.http.jsonable import explain


class Color(enum.Enum):
    RED = "red"
    POINT = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Mode(enum.StrEnum):
    ON = "on"


@dataclasses.dataclass
class Plain:
    name: str
    when: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    inner: Plain
    items: tuple[int, ...] = ()


@attrs.define
class Attrs:
    name: str
    inner: Plain


class Struct(msgspec.Struct, rename="camel"):
    user_name: str
    when: datetime | None = None


class Model(pydantic.BaseModel):
    user_name: str = pydantic.Field(serialization_alias="userName")
    when: datetime | None = None


@pydantic.dataclasses.dataclass
class PydanticDataclass:
    id: UUID


class Point(NamedTuple):
    x: int
    y: int


NOON = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ("é\n", '"é\\n"'),
        ({"a": [1, {"b": ()}]}, '{"a":[1,{"b":[]}]}'),
        ({1: 1, 2.5: 2, False: 3, None: 4}, '{"1":1,"2.5":2,"false":3,"null":4}'),
        (Color.RED, '"red"'),
        ([Color.POINT, Level.HIGH, Mode.ON], '[[1,2],3,"on"]'),
        ({Mode.ON: 1, Level.HIGH: 2}, '{"on":1,"3":2}'),
        (NOON, '"2024-05-01T12:00:00+00:00"'),
        (datetime(2024, 5, 1), '"2024-05-01T00:00:00"'),
        ([date(2024, 5, 1), time(12, 30)], '["2024-05-01","12:30:00"]'),
        (UUID(int=7), '"00000000-0000-0000-0000-000000000007"'),
        (Decimal("0.10"), '"0.10"'),
        (Plain("a", NOON), '{"name":"a","when":"2024-05-01T12:00:00+00:00"}'),
        (Slotted(Plain("a"), (1, 2)), '{"inner":{"name":"a","when":null},"items":[1,2]}'),
        (Attrs("a", Plain("b")), '{"name":"a","inner":{"name":"b","when":null}}'),
        (Struct("a", NOON), '{"userName":"a","when":"2024-05-01T12:00:00Z"}'),
        (Model(user_name="a", when=NOON), '{"userName":"a","when":"2024-05-01T12:00:00Z"}'),
        (PydanticDataclass(UUID(int=7)), '{"id":"00000000-0000-0000-0000-000000000007"}'),
        ([Struct("a"), Plain("b", Model(user_name="c"))],
         '[{"userName":"a","when":null},{"name":"b","when":{"userName":"c","when":null}}]'),
        (Point(1, 2), "[1,2]"),
        ({7}, "[7]"),
        (frozenset({"a"}), '["a"]'),
        ([range(3), deque([1])], "[[0,1,2],[1]]"),
        ({"a": 1}.keys(), '["a"]'),
        (OrderedDict(b=1, a=2), '{"b":1,"a":2}'),
        (MappingProxyType({"a": MappingProxyType({})}), '{"a":{}}'),
    ],
)  # fmt: skip
def test_what_can_be_sent(value: object, text: str) -> None:
    assert dump_json(value) == text.encode()


class Opaque:
    def __repr__(self) -> str:
        return "<s3cret>"


class Broken(pydantic.BaseModel):
    value: Any


class Strange(msgspec.Struct):
    value: Any


looped: list[Any] = []
looped.append({"again": looped})
tangled = Plain("a")
tangled.when = [tangled]


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def numbers() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"s3cret", "$ cannot be sent as JSON: bytes need base64, say"),
        ({"user": {"photo": memoryview(b"s3cret")}}, "$.user.photo cannot be sent as JSON: bytes need base64, say"),
        ([1, [2, bytearray(b"s3cret")]], "$[1][1] cannot be sent as JSON: bytes need base64, say"),
        (Plain("a", {"x y": float("nan")}), "$.when['x y'] cannot be sent as JSON: JSON has no NaN and no infinities"),
        ([float("-inf")], "$[0] cannot be sent as JSON: JSON has no NaN and no infinities"),
        ({float("inf"): 1}, "$ cannot be sent as JSON: JSON has no NaN and no infinities"),
        (["\ud800"], "$[0] cannot be sent as JSON: it is not valid Unicode (a lone surrogate)"),
        ({"\ud800": 1}, "$ cannot be sent as JSON: it is not valid Unicode (a lone surrogate)"),
        ([10**5000], "$[0] cannot be sent as JSON: the integer has too many digits"),
        ({(1, 2): 3}, "$ cannot be sent as JSON: a key of type tuple must be made a string first"),
        ({"a": {UUID(int=7): 3}}, "$.a cannot be sent as JSON: a key of type uuid.UUID must be made a string first"),
        (timedelta(1), "$ cannot be sent as JSON: datetime.timedelta has no form in JSON"),
        ([numbers()], "$[0] cannot be sent as JSON: generator has no form in JSON"),
        ({"a": Opaque()}, f"$.a cannot be sent as JSON: {__name__}.Opaque has no form in JSON"),
        (Broken(value=Opaque()), f"$ cannot be sent as JSON: {__name__}.Broken could not be serialised"),
        ([Strange(Opaque())], f"$[0] cannot be sent as JSON: {__name__}.Strange could not be serialised"),
        (looped, "$[0].again cannot be sent as JSON: it contains itself"),
        (tangled, "$.when[0] cannot be sent as JSON: it contains itself"),
        (deep(200_000), "the value is nested too deeply to be sent as JSON"),
    ],
    ids=range(19),
)  # fmt: skip
def test_what_cannot_be_sent(value: object, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        dump_json(value)
    assert caught.value.message == message


def test_a_culprit_too_deep_to_be_found() -> None:
    assert explain(deep(200_000), ValueError()).message == "the value is nested too deeply to be sent as JSON"


@given(
    st.recursive(
        st.floats() | st.text() | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_anything_is_sent_or_refused(value: object) -> None:
    try:
        dump_json(value)
    except InvalidRequest as error:
        assert error.message.startswith("$")


def test_named_tuples_of_both_kinds_are_arrays() -> None:
    assert dump_json(namedtuple("Pair", "a b")(1, 2)) == b"[1,2]"


def test_no_package_is_imported_to_find_out() -> None:
    program = "from trivet.core.http.json import dump_json\ntry: dump_json(object())\nexcept ValueError: pass"
    assert not loaded_by(program, ["pydantic", "msgspec", "attr", "uuid", "decimal"])


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ([], "$"),
        (["a", 0, "b_1"], "$.a[0].b_1"),
        (["1a", "", "x.y", "it's"], """$['1a']['']['x.y']["it's"]"""),
        (["é"], "$['é']"),
        (["k" * 41], "$['" + "k" * 40 + "…']"),
    ],
)
def test_places_in_json(steps: list[str | int], path: str) -> None:
    assert json_path(steps) == path
