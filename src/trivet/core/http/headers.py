"""Header fields (RFC 9110 §5): a case-insensitive multi-mapping that keeps order, duplicates and case."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar, cast, final, overload

from trivet.core.errors import InvalidRequest
from trivet.core.http.redaction import redact_headers

__all__ = ["Headers", "HeadersInput", "as_utf8"]

HeadersInput: TypeAlias = "Headers | Mapping[str, str | Sequence[str]] | Iterable[tuple[str | bytes, str | bytes]]"
_Line: TypeAlias = tuple[bytes, bytes]
_T = TypeVar("_T")

# RFC 9110 §5.6.2, token.
_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# RFC 9110 §5.5, field-value: tab, space, visible ASCII and obs-text.
_VALUE: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


def as_utf8(value: str) -> str:
    """A field value whose bytes were UTF-8 after all, as the raw characters of a Location often are.

    >>> as_utf8("/caf\xc3\xa9")
    '/café'
    """
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


@final
class Headers(Mapping[str, str]):
    """Header fields: looked up without regard to case, immutable, every line kept as it came.

    Iteration, `len`, `keys`, `values` and `items` go by field line: a name on two lines comes twice.
    `headers[name]` is the combined value of all its lines, joined by ", " (RFC 9110 §5.3). Set-Cookie cannot
    be combined so, since its values hold commas: `headers["set-cookie"]` is the first line, `get_all` gives
    all of them.

    Two Headers are equal when each name, in whatever case, has the same values in the same order; the order
    of different names has no meaning (RFC 9110 §5.3). The repr shows the values of harmless fields only.

    Names and values from the user are checked: InvalidRequest names the field, never its value.

    >>> headers = Headers([("Accept", "text/html"), ("accept", "text/plain")])
    >>> headers["ACCEPT"]
    'text/html, text/plain'
    >>> headers.with_field("Accept", "*/*").raw
    [(b'Accept', b'*/*')]
    """

    __slots__ = ("_index", "_lines")
    _lines: tuple[_Line, ...]
    _index: dict[bytes, bytes] | None

    def __init__(self, init: HeadersInput = ()) -> None:
        self._index = None
        # Types are compared first since isinstance is slow to say no for an abstract base class.
        if type(init) is Headers:
            self._lines = init._lines
            self._index = init._index
        elif type(init) is dict or isinstance(init, Mapping):
            self._lines = _lines_of_mapping(cast("Mapping[Any, Any]", init))
        else:
            self._lines = _lines_of_pairs(init)

    @classmethod
    def from_raw(cls, lines: Iterable[_Line]) -> Headers:
        """Headers of lines that a transport has read and checked; decoded when they are asked for."""
        headers = cls.__new__(cls)
        headers._lines = tuple(lines)
        headers._index = None
        return headers

    @property
    def raw(self) -> list[_Line]:
        """The field lines as bytes, in order, in their original case."""
        return list(self._lines)

    @property
    def lines(self) -> tuple[_Line, ...]:
        """What `raw` gives, without a copy."""
        return self._lines

    # Lookup. A response is asked for one to three names as a rule, so the index holds undecoded bytes.

    def _lookup(self) -> dict[bytes, bytes]:
        index: dict[bytes, bytes] = {}
        for name, value in self._lines:
            key = name.lower()
            if key not in index:
                index[key] = value
            elif key != b"set-cookie":
                index[key] += b", " + value
        # Two threads may build it at once: both build the same.
        self._index = index
        return index

    def __getitem__(self, name: str) -> str:
        index = self._index
        if index is None:
            index = self._lookup()
        try:
            return index[_key(name)].decode("latin-1")
        except (KeyError, UnicodeEncodeError):
            raise KeyError(name) from None

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str | _T) -> str | _T: ...
    def get(self, key: str, /, default: Any = None) -> Any:
        """The combined value of a name, as `headers[name]` gives it, or the default."""
        index = self._index
        if index is None:
            index = self._lookup()
        try:
            value = index.get(_key(key))
        except UnicodeEncodeError:
            return default
        return default if value is None else value.decode("latin-1")

    def get_all(self, name: str) -> list[str]:
        """The value of every line with this name, in order; an empty list when there is none."""
        if name not in self:
            return []
        wanted = _key(name)
        return [value.decode("latin-1") for key, value in self._lines if key.lower() == wanted]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter([name.decode("latin-1") for name, _ in self._lines])

    def __len__(self) -> int:
        return len(self._lines)

    def values(self) -> ValuesView[str]:
        """The value of each field line, in order."""
        return _Values(self)

    def items(self) -> ItemsView[str, str]:
        """Name and value of each field line, in order; a name on two lines comes twice."""
        return _Items(self)

    # Changed copies. The lines are shared, never copied one by one.

    def with_field(self, name: str, value: str) -> Headers:
        """A copy in which one line replaces all the lines of that name, in the place of the first."""
        line = _checked(name, value)
        index = self._index
        if index is None:
            index = self._lookup()
        if line[0].lower() not in index:
            return Headers.from_raw((*self._lines, line))
        return self._replaced([line])

    def with_added(self, name: str, value: str) -> Headers:
        """A copy with one more line at the end."""
        return Headers.from_raw((*self._lines, _checked(name, value)))

    def without(self, *names: str) -> Headers:
        """A copy without the lines of these names; `self` when there are none."""
        unwanted = {name.lower().encode("latin-1", "replace") for name in names}
        kept = [line for line in self._lines if line[0].lower() not in unwanted]
        return self if len(kept) == len(self._lines) else Headers.from_raw(kept)

    def with_defaults(self, other: HeadersInput) -> Headers:
        """A copy with those of the other's lines at the end whose names are absent here."""
        index = self._index
        if index is None:
            index = self._lookup()
        added = [line for line in Headers(other)._lines if line[0].lower() not in index]
        return Headers.from_raw((*self._lines, *added)) if added else self

    def updated(self, other: HeadersInput) -> Headers:
        """A copy in which each name of the other has the other's lines, in the place of its first line here.

        >>> list(Headers({"Accept": "*/*", "Host": "a"}).updated({"accept": "text/html", "Via": "b"}).items())
        [('accept', 'text/html'), ('Host', 'a'), ('Via', 'b')]
        """
        return self._replaced(Headers(other)._lines)

    def _replaced(self, lines: Sequence[_Line]) -> Headers:
        if not lines:
            return self
        index = self._index
        if index is None:
            index = self._lookup()
        replacements: dict[bytes, list[_Line]] = {}
        clash = False
        for line in lines:
            key = line[0].lower()
            clash = clash or key in index
            replacements.setdefault(key, []).append(line)
        if not clash:
            return Headers.from_raw((*self._lines, *lines))
        result: list[_Line] = []
        for line in self._lines:
            key = line[0].lower()
            if key in replacements:
                result += replacements[key]
                # The later lines of this name go away, and the name is no longer to be added at the end.
                replacements[key] = []
            else:
                result.append(line)
        for rest in replacements.values():
            result += rest
        return Headers.from_raw(result)

    # Values.

    def _grouped(self) -> dict[bytes, list[bytes]]:
        groups: dict[bytes, list[bytes]] = {}
        for name, value in self._lines:
            groups.setdefault(name.lower(), []).append(value)
        return groups

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._lines == other._lines or self._grouped() == other._grouped()
        if isinstance(other, Mapping):
            try:
                return self == Headers(cast("Mapping[str, str]", other))
            except InvalidRequest:
                return False
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset((name, tuple(values)) for name, values in self._grouped().items()))

    def __repr__(self) -> str:
        return f"Headers({redact_headers(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Headers.from_raw, (self.raw,)


class _Items(ItemsView[str, str]):
    """One pair per field line; the inherited view would look each name up and lose the duplicates."""

    __slots__ = ()
    _mapping: Headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._mapping.raw])

    def __contains__(self, item: object) -> bool:
        return any(item == line for line in self)


class _Values(ValuesView[str]):
    """One value per field line."""

    __slots__ = ()
    _mapping: Headers

    def __iter__(self) -> Iterator[str]:
        return iter([value.decode("latin-1") for _, value in self._mapping.raw])

    def __contains__(self, value: object) -> bool:
        return any(value == line for line in self)


# A program asks for the same few names, and to remember them takes a quarter of the time.
@lru_cache(maxsize=512)
def _key(name: str) -> bytes:
    """A name as the index has it. Raises UnicodeEncodeError for what is no name."""
    return name.lower().encode("latin-1")


def _lines_of_mapping(fields: Mapping[Any, Any]) -> tuple[_Line, ...]:
    lines: list[_Line] = []
    for name, value in fields.items():
        if isinstance(value, list | tuple):
            lines += [_checked(name, item) for item in cast("Iterable[Any]", value)]
        else:
            lines.append(_checked(name, value))
    return tuple(lines)


def _lines_of_pairs(pairs: object) -> tuple[_Line, ...]:
    lines: list[_Line] = []
    if isinstance(pairs, str | bytes) or not isinstance(pairs, Iterable):
        raise InvalidRequest(f"headers must be a mapping or pairs of name and value, not {type(pairs).__name__}")
    for pair in cast("Iterable[tuple[Any, Any]]", pairs):
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise InvalidRequest("headers must be a mapping or pairs of name and value") from None
        lines.append(_checked(name, value))
    return tuple(lines)


def _checked(name: Any, value: Any) -> _Line:
    """A field line as bytes, once its name is a token and its value can neither end nor split the line."""
    try:
        field = name if isinstance(name, bytes) else name.encode("latin-1")
        content = value if isinstance(value, bytes) else value.encode("latin-1")
    except (AttributeError, UnicodeEncodeError):
        raise InvalidRequest(_problem(name, value)) from None
    if not field or field.translate(None, _TOKEN) or content.translate(None, _VALUE):
        raise InvalidRequest(_problem(name, value))
    # RFC 9110 §5.5: white space around a value is no part of it.
    return field, content.strip(b" \t")


def _problem(name: object, value: object) -> str:
    """What is wrong with a field line, without its value."""
    if not isinstance(name, str | bytes):
        return f"a header field name must be str or bytes, not {type(name).__name__}"
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    if not text:
        return "a header field name is empty"
    allowed = _TOKEN.decode()
    position = next((place for place, character in enumerate(text) if character not in allowed), None)
    if position is None:
        return f"header field {text!r}: {_value_problem(value)}"
    # What follows the name may be its value, as in "Authorization: Bearer …", so it isn't shown.
    return (
        f"header field name {text[:position]!r} is followed by {text[position]!r}: "
        "a name holds only letters, digits and !#$%&'*+-.^_`|~"
    )


def _value_problem(value: object) -> str:
    if not isinstance(value, str | bytes):
        return f"its value must be str or bytes, not {type(value).__name__}"
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    position = next(place for place, character in enumerate(text) if character not in _VALUE.decode("latin-1"))
    code = ord(text[position])
    if code > 0xFF:
        return f"its value holds U+{code:04X}, which is not in latin-1, at position {position}"
    return f"its value holds the control character U+{code:04X} at position {position}"
