"""From a response to a type: what fits, what is said about what does not, and nothing of what is there."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
    Union,
)
from uuid import UUID

import msgspec
import pydantic
import pydantic_core
import pytest
import typing_extensions
from hypothesis import given, settings
from hypothesis import strategies as st

from fresh import loaded_by
from trivet.core.errors import DecodingError, InvalidRequest
from trivet.core.http.json import dump_json
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.sdk import converters
from trivet.core.sdk.decoding import check_into, convert, decode, decode_response
from trivet.core.sdk.mismatch import describe

T = TypeVar("T")
N = TypeVar("N", int, str)
B = TypeVar("B", bound=int)
UserId = NewType("UserId", int)
Ids = typing_extensions.TypeAliasType("Ids", list[int])
ListOf = typing_extensions.TypeAliasType("ListOf", list[T], type_params=(T,))
Tree = typing_extensions.TypeAliasType("Tree", "dict[str, Tree] | int")
# The name in the recursive alias is looked up in this module, as the `type` statement of newer Pythons does.
Nested = typing_extensions.TypeAliasType("Nested", "list[Nested]")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Lenient(enum.Enum):
    KNOWN = "known"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Lenient | None:
        return cls.OTHER if isinstance(value, str) else None


@dataclass
class Address:
    street: str
    zip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    id: int
    name: str
    score: float = 0.0
    address: Address | None = None
    tags: list[str] = field(default_factory=list)
    computed: int = field(init=False, default=7)


@dataclass
class Node:
    value: int
    children: list[Node] = field(default_factory=list)
    parent: Optional[Node] = None  # noqa: UP045 - both spellings are tested


@dataclass
class Page(Generic[T]):
    items: list[T]
    next: T | None = None
    total: int = 0


@dataclass
class UserPage(Page[User]):
    pass


@dataclass
class Labelled(Page[T], Generic[T]):
    label: str = ""


@dataclass
class Money:
    cents: int

    def __post_init__(self) -> None:
        if self.cents < 0:
            raise ValueError(f"negative: {self.cents}")


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    title: Required[str]
    year: int


class Modern(typing_extensions.TypedDict):
    title: typing_extensions.ReadOnly[typing_extensions.Required[str]]
    year: typing_extensions.NotRequired[int]


class Boxed(TypedDict, Generic[T]):
    value: T


class Point(NamedTuple):
    x: int
    y: int = 0


class Cat(NamedTuple):
    kind: Literal["cat"]
    lives: int


@dataclass
class Dog:
    kind: Literal["dog"]
    name: str


NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

FITS: list[tuple[Any, Any, Any]] = [
    (Any, [1, "a"], [1, "a"]),
    (object, {"a": 1}, {"a": 1}),
    (None, None, None),
    (type(None), None, None),
    (str, "a", "a"),
    (int, 7, 7),
    (bool, True, True),
    (float, 1.5, 1.5),
    (float, 2, 2.0),
    (datetime, "2024-05-01T12:00:00Z", NOON),
    (datetime, "2024-05-01", datetime(2024, 5, 1)),
    (datetime, NOON, NOON),
    (date, "2024-05-01", date(2024, 5, 1)),
    (time, "12:30", time(12, 30)),
    (UUID, "00000000-0000-0000-0000-000000000007", UUID(int=7)),
    (Decimal, "0.10", Decimal("0.10")),
    (Decimal, 7, Decimal(7)),
    (Decimal, 19.99, Decimal("19.99")),
    (Decimal, Decimal(1), Decimal(1)),
    (Color, "red", Color.RED),
    (Color, Color.RED, Color.RED),
    (Level, 2, Level.HIGH),
    (Lenient, "new", Lenient.OTHER),
    (Literal["a", 1, True, None], 1, 1),
    (Literal["a", 1, True, None], None, None),
    (Literal[Color.RED], "red", Color.RED),
    (Literal[Color.RED], Color.RED, Color.RED),
    (UserId, 7, 7),
    (Annotated[int, "a comment"], 7, 7),
    (Annotated[int, ["no hash"]], 7, 7),
    (list[Annotated[int, ["no hash"]]], [7], [7]),
    (Ids, [1, 2], [1, 2]),
    (ListOf[str], ["a"], ["a"]),
    (N, "a", "a"),
    (B, 7, 7),
    (list, [1, "a"], [1, "a"]),
    (list[int], [1, 2], [1, 2]),
    (list[int], (1, 2), [1, 2]),
    (Sequence[int], [1], [1]),
    (MutableSequence[int], [1], [1]),
    (Collection[int], [1], [1]),
    (Iterable[int], [1], [1]),
    (set[str], ["a", "a"], {"a"}),
    (set[str], {"a"}, {"a"}),
    (AbstractSet[str], ["a"], {"a"}),
    (MutableSet[str], ["a"], {"a"}),
    (frozenset[str], ["a"], frozenset({"a"})),
    (set, [1], {1}),
    (tuple, [1, "a"], (1, "a")),
    (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
    (tuple[int, str], [1, "a"], (1, "a")),
    (dict, {"a": [1]}, {"a": [1]}),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (Mapping[str, Any], {"a": 1}, {"a": 1}),
    (MutableMapping[str, int], {}, {}),
    (dict[int, str], {"-7": "a"}, {-7: "a"}),
    (dict[float, int], {"1.5": 1}, {1.5: 1}),
    (dict[Color, int], {"red": 1}, {Color.RED: 1}),
    (dict[date, int], {"2024-05-01": 1}, {date(2024, 5, 1): 1}),
    (dict[Any, int], {"a": 1}, {"a": 1}),
    (int | None, None, None),
    (int | None, 7, 7),
    (Optional[int], 7, 7),  # noqa: UP045 - the older spelling makes another object
    (int | str | None, None, None),
    (int | str, "a", "a"),
    (int | float, 1, 1),
    (float | int, 1, 1.0),
    (date | str, "2024-05-01", date(2024, 5, 1)),
    (str | date, "2024-05-01", "2024-05-01"),
    (Union[list[int], list[str]], ["a"], ["a"]),  # noqa: UP007 - the same
    (Address, {"street": "s", "unknown": 1}, Address("s")),
    (User, {"id": 1, "name": "a", "computed": 9}, User(id=1, name="a")),
    (
        User,
        {"id": 1, "name": "a", "score": 2, "address": {"street": "s", "zip": "z"}, "tags": ["t"]},
        User(id=1, name="a", score=2.0, address=Address("s", "z"), tags=["t"]),
    ),
    (Address, Address("s"), Address("s")),
    (Node, {"value": 1, "children": [{"value": 2}], "parent": None}, Node(1, [Node(2)])),
    (Page[int], {"items": [1], "next": 2}, Page([1], 2)),
    (Page[Address], {"items": [{"street": "s"}]}, Page([Address("s")])),
    (Page, {"items": [1, "a"]}, Page([1, "a"])),
    (Page[Page[int]], {"items": [{"items": [1]}]}, Page([Page([1])])),
    (UserPage, {"items": [{"id": 1, "name": "a"}]}, UserPage([User(id=1, name="a")])),
    (Labelled[int], {"items": [1], "label": "l"}, Labelled([1], label="l")),
    (Money, {"cents": 1}, Money(1)),
    (Movie, {"title": "t", "extra": 1}, {"title": "t"}),
    (Movie, {"title": "t", "year": 1}, {"title": "t", "year": 1}),
    (Partial, {"title": "t"}, {"title": "t"}),
    (Modern, {"title": "t"}, {"title": "t"}),
    (Boxed[int], {"value": 1}, {"value": 1}),
    (Point, {"x": 1, "y": 2}, Point(1, 2)),
    (Point, {"x": 1}, Point(1)),
    (Point, [1, 2], Point(1, 2)),
    (Point, [1], Point(1)),
    (Point, Point(1, 2), Point(1, 2)),
    (Cat | Dog, {"kind": "dog", "name": "Rex"}, Dog("dog", "Rex")),
    (list[Cat | Dog | None], [{"kind": "cat", "lives": 9}, None], [Cat("cat", 9), None]),
]


@pytest.mark.parametrize(
    ("into", "value", "result"), FITS, ids=[f"{describe(into)} {value}" for into, value, _ in FITS]
)
def test_what_fits(into: Any, value: Any, result: Any) -> None:
    check_into(into)
    for converted in (convert(value, into), convert(value, into)):
        assert converted == result
        assert type(converted) is type(result)


@pytest.mark.parametrize(
    ("into", "value", "result"),
    [case for case in FITS if not isinstance(case[1], set | datetime | Decimal | enum.Enum)],
)
def test_what_fits_as_text(into: Any, value: Any, result: Any) -> None:
    assert decode(dump_json(value), into) == result


MISFITS: list[tuple[Any, Any, str]] = [
    (str, 7, "$: expected str, got int"),
    (str, None, "$: expected str, got null"),
    (None, 7, "$: expected null, got int"),
    (int, "7", "$: expected int, got str"),
    (int, True, "$: expected int, got bool"),
    (int, 1.0, "$: expected int, got float"),
    (bool, 1, "$: expected bool, got int"),
    (float, "1.5", "$: expected float, got str"),
    (float, True, "$: expected float, got bool"),
    (float, 10**400, "$: expected float, got an int that is too large for it"),
    (datetime, "s3cret", "$: expected datetime in ISO 8601 notation, got another string"),
    (datetime, 1714564800, "$: expected datetime as a string, got int"),
    (date, "2024-05-01T12:00:00", "$: expected date in ISO 8601 notation, got another string"),
    (UUID, "s3cret", "$: expected UUID in hexadecimal notation, got another string"),
    (Decimal, "s3cret", "$: expected Decimal, got another string"),
    (Decimal, True, "$: expected Decimal, got bool"),
    (Color, "s3cret", "$: expected Color, one of 'red' or 'blue'"),
    (Color, ["s3cret"], "$: expected Color, one of 'red' or 'blue'"),
    (Level, True, "$: expected Level, one of 1 or 2"),
    (Literal["a", 1], True, "$: expected 'a' or 1"),
    (Literal["a", 1], ["s3cret"], "$: expected 'a' or 1"),
    (Literal[1, 2, 3, 4, 5, 6, 7, 8, 9], 10, "$: expected 1, 2, 3, 4, 5, 6, 7, 8 or …"),
    (Literal["a"], "s3cret", "$: expected 'a'"),
    (list[int], {"a": 1}, "$: expected list, got dict"),
    (list[int], [1, [2]], "$[1]: expected int, got list"),
    (set[Any], [["s3cret"]], "$: the items of a set must be hashable"),
    (tuple[int, str], [1], "$: expected list of 2, got one of 1"),
    (tuple[int, str], [1, 2], "$[1]: expected str, got int"),
    (tuple[int, str], "ab", "$: expected list of 2, got str"),
    (dict[str, int], [1], "$: expected dict, got list"),
    (dict[str, int], {"a b": "s3cret"}, "$['a b']: expected int, got str"),
    (dict[int, int], {"one": 1}, "$.one: expected int in decimal notation, got another string"),
    (dict[str, list[dict[str, int]]], {"a": [{}, {"b": None}]}, "$.a[1].b: expected int, got null"),
    (int | None, "7", "$: expected int, got str"),
    (int | str, 1.5, "$: expected int | str, got float"),
    (list[int | str | None], [1, None, 1.5], "$[2]: expected int | str | None, got float"),
    (Address, ["s"], "$: expected Address (an object), got list"),
    (Address, {"zip": "s3cret"}, "$.street: missing (expected str)"),
    (Address, {"street": None}, "$.street: expected str, got null"),
    (User, {"id": 1, "name": "a", "address": {"street": 7}}, "$.address.street: expected str, got int"),
    (Node, {"value": 1, "children": [{"value": 2, "children": [{}]}]}, "$.children[0].children[0].value: missing (expected int)"),
    (Page[int], {"items": ["s3cret"]}, "$.items[0]: expected int, got str"),
    (Money, {"cents": -5}, "$: Money refused the values (ValueError)"),
    (list[Money], [{"cents": -5}], "$[0]: Money refused the values (ValueError)"),
    (Movie, {"year": 7}, "$.title: missing (expected str)"),
    (Movie, {"title": "t", "year": "s3cret"}, "$.year: expected int, got str"),
    (Partial, {}, "$.title: missing (expected str)"),
    (Modern, {}, "$.title: missing (expected str)"),
    (Point, [1, 2, 3], "$: expected Point (an object), got list"),
    (Point, [], "$.x: missing (expected int)"),
    (
        Cat | Dog,
        {"kind": "dog"},
        "$: expected Cat | Dog, got dict that fits none ("
        "Cat: $.kind: expected 'cat'; Dog: $.name: missing (expected str))",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("into", "value", "message"), MISFITS, ids=[message for *_, message in MISFITS])
def test_what_does_not_fit(into: Any, value: Any, message: str) -> None:
    for attempt in (lambda: convert(value, into), lambda: decode(dump_json(value), into)):
        with pytest.raises(DecodingError) as caught:
            attempt()
        assert caught.value.message == message
        assert "s3cret" not in repr(caught.value.__context__)


def test_what_a_class_says_when_it_refuses_is_the_cause() -> None:
    with pytest.raises(DecodingError) as caught:
        convert({"cents": -5}, Money)
    assert isinstance(caught.value.__cause__, ValueError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "value", "x"]), inner),
    max_leaves=10,
)


@given(into=st.sampled_from([into for into, *_ in FITS]), value=JSON)
@settings(max_examples=300)
def test_anything_fits_or_is_one_kind_of_error(into: Any, value: Any) -> None:
    try:
        convert(value, into)
    except DecodingError as error:
        assert error.message.startswith("$")


# What JSON cannot become


@dataclass
class Unresolved:
    value: Missing  # type: ignore[name-defined]  # noqa: F821 - that is the point


class Weird:
    pass


@pytest.mark.parametrize(
    ("into", "message"),
    [
        (list[bytes], "JSON cannot be decoded into bytes; only the whole content can be bytes"),
        (timedelta, "JSON cannot be decoded into timedelta"),
        (complex, "JSON cannot be decoded into complex"),
        (Weird, "JSON cannot be decoded into Weird"),
        (dict[str, list[Weird]], "JSON cannot be decoded into Weird"),
        (list["User"], "JSON cannot be decoded into 'User'"),
        ([int], r"JSON cannot be decoded into \[<class 'int'>\]"),
        (7, "JSON cannot be decoded into 7"),
        (Unresolved, "the annotations of Unresolved cannot be resolved: 'Missing' is not in its module"),
    ],
)
def test_types_that_json_cannot_become(into: Any, message: str) -> None:
    for attempt in (lambda: check_into(into), lambda: convert({}, into), lambda: decode(b"{}", into)):
        with pytest.raises(InvalidRequest, match=f"^{message}$"):
            attempt()


def test_a_class_inside_a_function_may_refer_to_itself() -> None:
    @dataclass
    class Inner:
        value: int
        next: Inner | None = None

    assert convert({"value": 1, "next": {"value": 2}}, Inner) == Inner(1, Inner(2))


def test_types_that_are_equal_but_not_the_same_keep_their_converters_apart() -> None:
    assert convert("2024-05-01", date | str) == date(2024, 5, 1)
    assert convert("2024-05-01", str | date) == "2024-05-01"
    assert convert([1], list[float | int]) == [1.0]
    assert type(convert([1], list[int | float])[0]) is int
    assert convert(1, Literal[1]) == 1
    with pytest.raises(DecodingError):
        convert(1, Literal[True])


def test_converters_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converters, "_converters", {})
    monkeypatch.setattr(converters, "_CACHED", 10)
    for number in range(25):
        made = dataclasses.make_dataclass(f"Made{number}", [("value", int)])
        assert convert({"value": number}, made) == made(number)
        assert converters.converter_for(made) is converters.converter_for(made)
        assert len(converters._converters) <= 10


# pydantic


class Model(pydantic.BaseModel):
    id: int
    name: str = pydantic.Field("none", alias="fullName")

    @pydantic.field_validator("id")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError(f"s3cret {value}")
        if value == 0:
            raise pydantic_core.PydanticCustomError("zero", "s3cret zero")
        return value


class Other(pydantic.BaseModel):
    kind: Literal["other"]


class Third(pydantic.BaseModel):
    kind: Literal["third"]


@pydantic.dataclasses.dataclass
class PydanticDataclass:
    id: int


@dataclass
class Holder:
    model: Model
    models: list[Model]


Tagged = Annotated[Other | Third, pydantic.Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("into", "value", "result"),
    [
        (Model, {"id": 7, "fullName": "Ada"}, Model(id=7, fullName="Ada")),
        (Model, {"id": "7"}, Model(id=7)),  # pydantic's rules for pydantic's types
        (list[Model], [{"id": 7}], [Model(id=7)]),
        (dict[str, Model | None], {"a": None, "b": {"id": 7}}, {"a": None, "b": Model(id=7)}),
        (PydanticDataclass, {"id": 7}, PydanticDataclass(7)),
        (Annotated[int, pydantic.Field(gt=3)], 4, 4),
        (pydantic.PositiveInt, 4, 4),
        (Holder, {"model": {"id": 7}, "models": [{"id": 8}]}, Holder(Model(id=7), [Model(id=8)])),
        (Tagged, {"kind": "third"}, Third(kind="third")),
    ],
)
def test_pydantic_types(into: Any, value: Any, result: Any) -> None:
    assert convert(value, into) == decode(dump_json(value), into) == result


@pytest.mark.parametrize(
    ("into", "value", "message"),
    [
        (Model, {"id": "s3cret"}, "$.id: input should be a valid integer, unable to parse string as an integer"),
        (Model, {}, "$.id: field required"),
        (list[Model], [{"id": 1}, {}], "$[1].id: field required"),
        (list[Model], [{}, {}], "$[0].id: field required (and 1 more)"),
        (Model, {"id": -5}, "$.id: refused by a validator (value_error)"),
        (Model, {"id": 0}, "$.id: refused by a validator (zero)"),
        (Tagged, {"kind": "s3cret"}, "$: refused by a validator (union_tag_invalid)"),
        (list[Annotated[pydantic.Json[int], pydantic.Field()]], ["s3cret"],
         "$[0]: invalid JSON: expected value at line 1 column 1"),
        (Holder, {"model": {"id": 1}, "models": [{"id": "s3cret"}]},
         "$.models[0].id: input should be a valid integer, unable to parse string as an integer"),
    ],
)  # fmt: skip
def test_what_pydantic_refuses(into: Any, value: Any, message: str) -> None:
    for attempt in (lambda: convert(value, into), lambda: decode(dump_json(value), into)):
        with pytest.raises(DecodingError) as caught:
            attempt()
        assert caught.value.message == message
        assert "s3cret" not in repr((caught.value.__cause__, caught.value.__context__))


@pytest.mark.parametrize("into", [Model | complex | Weird, list[Model | Weird]])
def test_what_pydantic_cannot_decode_into(into: Any) -> None:
    with pytest.raises(InvalidRequest, match="^pydantic cannot decode into"):
        check_into(into)


# msgspec


class Struct(msgspec.Struct, rename="camel"):
    user_id: int
    color: Color = Color.RED


class TaggedCat(msgspec.Struct, tag="cat"):
    lives: int


class TaggedDog(msgspec.Struct, tag="dog"):
    name: str


class Checked(msgspec.Struct):
    value: int

    def __post_init__(self) -> None:
        raise ValueError(f"s3cret {self.value}")


class Impossible(msgspec.Struct):
    value: Weird | complex


class GenericStruct(msgspec.Struct, Generic[T]):
    value: T


@dataclass
class StructHolder:
    structs: dict[str, list[Struct]]


@pytest.mark.parametrize(
    ("into", "value", "result"),
    [
        (Struct, {"userId": 7, "color": "blue"}, Struct(7, Color.BLUE)),
        (list[Struct], [{"userId": 7}], [Struct(7)]),
        (GenericStruct[int], {"value": 7}, GenericStruct(7)),
        (TaggedCat | TaggedDog, {"type": "dog", "name": "Rex"}, TaggedDog("Rex")),
        (Annotated[int, msgspec.Meta(gt=3)], 4, 4),
        (StructHolder, {"structs": {"a": [{"userId": 7}]}}, StructHolder({"a": [Struct(7)]})),
        # msgspec refuses this union as ambiguous, so its members are tried one by one.
        (Struct | TaggedCat, {"type": "cat", "lives": 9}, TaggedCat(9)),
        # Two packages in one type: each decodes its own.
        (list[Struct | Model], [{"userId": 7}, {"id": 8}], [Struct(7), Model(id=8)]),
    ],
)
def test_msgspec_types(into: Any, value: Any, result: Any) -> None:
    assert convert(value, into) == decode(dump_json(value), into) == result


@pytest.mark.parametrize(
    ("into", "value", "message"),
    [
        (Struct, {"userId": "s3cret"}, "$.userId: expected int, got str"),
        (Struct, {}, "$: object missing required field userId"),
        (list[Struct], [{"userId": 1, "color": "s3cret"}], "$[0].color: invalid enum value"),
        (dict[str, Struct], {"s3cret": {"userId": None}}, "$['...'].userId: expected int, got null"),
        (TaggedCat | TaggedDog, {"type": "s3cret"}, "$.type: invalid value"),
        (Checked, {"value": 1}, "$: refused by its own validation"),
        (Annotated[int, msgspec.Meta(gt=3)], 1, "$: expected int >= 4"),
        (StructHolder, {"structs": {"a": [{"userId": None}]}}, "$.structs['...'][0].userId: expected int, got null"),
    ],
)
def test_what_msgspec_refuses(into: Any, value: Any, message: str) -> None:
    for attempt in (lambda: convert(value, into), lambda: decode(dump_json(value), into)):
        with pytest.raises(DecodingError) as caught:
            attempt()
        assert caught.value.message == message
        assert "s3cret" not in repr((caught.value.__cause__, caught.value.__context__))


def test_what_msgspec_cannot_decode_into() -> None:
    with pytest.raises(InvalidRequest, match="^msgspec cannot decode into Impossible"):
        check_into(Impossible)


# Text that is no JSON, for each of the parsers


@pytest.mark.parametrize("into", [Address, Model, Struct])
@pytest.mark.parametrize("content", [b"", b"<html>", b'{"id": 1', b"\xff", b'{"a": NaN, "id": }', b"[" * 100_000])
def test_text_that_is_no_json(into: Any, content: bytes) -> None:
    with pytest.raises(DecodingError):
        decode(content, into)


@pytest.mark.parametrize(("into", "key"), [(Address, "street"), (Model, "fullName"), (Struct, "x")])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_every_parser_reads_every_encoding(into: Any, key: str, encoding: str) -> None:
    text = f'{{"{key}": "é", "id": 1, "userId": 1}}'
    assert decode(text.encode(encoding), into) == decode(text.encode(), into)


@pytest.mark.parametrize("into", [Address, Model, Struct])
def test_every_parser_bounds_the_depth(into: Any) -> None:
    text = b'{"street": "s", "id": 1, "userId": 1, "more": ' + b"[" * 150 + b"]" * 150 + b"}"
    assert decode(text, into)
    with pytest.raises(DecodingError, match="deeper than 100 levels"):
        decode(text, into, max_depth=100)


def test_more_depth_than_the_stack_holds() -> None:
    text = b'{"userId": 1, "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(DecodingError, match="too deeply for what is left of the stack"):
        decode(text, Struct, max_depth=10**6)


# Responses


def response(content: bytes, content_type: str = "application/json", **options: Any) -> Response:
    return Response(200, {"Content-Type": content_type}, content, **options)


@pytest.mark.parametrize(
    ("content", "content_type", "into", "result"),
    [
        (b'{"street": "s"}', "application/json", Address, Address("s")),
        (b'{"street": "s"}', "text/plain", Address, Address("s")),
        (b"\x00\x01", "image/png", bytes, b"\x00\x01"),
        (b"", "image/png", bytes, b""),
        (b'"caf\xc3\xa9"', "application/json", str, "café"),
        (b'"a"', "application/problem+json", str, "a"),
        (b'"a"', "text/plain", str, '"a"'),
        (b"caf\xe9", "text/plain; charset=latin-1", str, "café"),
        (b"", "text/plain", str, ""),
        (b"", "application/json", Address | None, None),
        (b"", "application/json", Any, None),
        (b"", "application/json", Model | None, None),
        (b"null", "application/json", Address | None, None),
        (b'{"deleted": true}', "application/json", None, None),
        (b'{"deleted": true}', "application/json", type(None), None),
    ],
)
def test_responses(content: bytes, content_type: str, into: Any, result: Any) -> None:
    assert decode_response(response(content, content_type), into) == result


def test_bytes_are_the_content_for_decode_too() -> None:
    check_into(bytes)
    assert decode(b"\xff", bytes) == b"\xff"


@pytest.mark.parametrize(
    ("content", "into", "message"),
    [
        (b"", Address, "there is no content (expected Address)"),
        (b"", list[int], "there is no content (expected list[int])"),
        (b"", str, "there is no content (expected str)"),
        (b'{"street": 7}', Address, "$.street: expected str, got int"),
        (b"<html>", Address, "invalid JSON at line 1, column 1: expecting value; it looks like HTML or XML"),
    ],
)
def test_an_error_says_which_response_it_is_about(content: bytes, into: Any, message: str) -> None:
    request = Request("GET", "https://api.example.com/users")
    with pytest.raises(DecodingError) as caught:
        decode_response(response(content, request=request), into)
    assert str(caught.value) == f"GET https://api.example.com/users: {message} (status 200, application/json)"


def test_the_depth_of_a_response_is_bounded() -> None:
    with pytest.raises(DecodingError, match="deeper than 10 levels"):
        decode_response(response(b"[" * 11 + b"]" * 11), list[Any], max_depth=10)


def test_no_package_is_imported_unless_a_type_needs_it() -> None:
    program = (
        "import dataclasses; from trivet.core.sdk.decoding import convert\n"
        "User = dataclasses.make_dataclass('User', [('id', int), ('tags', list[str])])\n"
        "convert({'id': 1, 'tags': ['a']}, User)"
    )
    assert not loaded_by(program, ["pydantic", "msgspec", "attr", "uuid", "decimal"])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (None, "None"),
        (int, "int"),
        (list[dict[str, int | None]], "list[dict[str, int | None]]"),
        (Optional[User], "User | None"),  # noqa: UP045 - the older spelling
        (tuple[int, ...], "tuple[int, ...]"),
        (Literal["a", 1], "'a' | 1"),
        (Annotated[int, 7], "int"),
        (Any, "Any"),
        (Page[User], "Page[User]"),
        ("User", "'User'"),
    ],
)
def test_types_as_one_would_write_them(kind: Any, text: str) -> None:
    assert describe(kind) == text
