"""Path templates: RFC 6570 level 1, hardened so that no value can change the structure of a path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from trivet.core.errors import InvalidRequest
from trivet.core.http.percent import percent_encode
from trivet.core.http.query import scalar_text
from trivet.core.http.redaction import printable_url

__all__ = ["expand", "has_dot_segment", "reject_placeholders"]

_NAME: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
# The operators of levels 2 and 3, and those that RFC 6570 §2.2 reserves.
_OPERATORS: Final = "+#./;?&=,!@|"

# What servers and the proxies in front of them take for the same: "\" for "/"; and ";" (path parameters, as
# in "..;/"), "?" and "#" for the end of a segment's name.
_SEPARATORS: Final = {ord("\\"): "/", ord("?"): ";", ord("#"): ";"}
_BLANK: Final = "".join(map(chr, range(0x21))) + "\x7f"
_DOTS: Final = frozenset({".", ".."})


def expand(template: str, values: Mapping[str, Any]) -> str:
    """A template with each `{name}` replaced by its value, percent-encoded outside RFC 3986's unreserved set.

    Values are str, int, float, bool (`true`, `false`), dates (ISO 8601), Enum members and UUIDs. A "/" in a
    value becomes %2F. Names hold letters, digits and `_ . -`.

    Raises InvalidRequest for missing and superfluous names (all of them at once), for None, an empty text and
    other types, for a value that is or holds a dot segment (servers may decode %2F before they resolve
    `..`), and for braces that don't match or hold an operator of a higher level.

    >>> expand("/users/{id}/files/{name}", {"id": 7, "name": "a b/c"})
    '/users/7/files/a%20b%2Fc'
    """
    literals, names = _compile(template)
    if len(values) != len(set(names)) or not all(name in values for name in names):
        raise InvalidRequest(_mismatch(template, names, values))
    pieces = [literals[0]]
    for name, literal in zip(names, literals[1:], strict=True):
        pieces += _encode(name, values[name]), literal
    return "".join(pieces)


def reject_placeholders(target: str) -> None:
    """Raise InvalidRequest if a target that is used without path= holds `{name}` or a similar expression."""
    for piece in target.split("{")[1:]:
        expression, brace, _ = piece.partition("}")
        name = expression.lstrip(_OPERATORS)
        if brace and name and _NAME.issuperset(name.rstrip("*")):
            raise InvalidRequest(f"path= has no value for {name!r} of the target {printable_url(target)}")


@lru_cache(maxsize=256)
def _compile(template: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The literals around the placeholders, and the names of the placeholders between them."""
    first, *rest = template.split("{")
    literals, names = [first], list[str]()
    for piece in rest:
        name, brace, literal = piece.partition("}")
        if not brace:
            raise InvalidRequest(f"template {printable_url(template)}: a '{{' is not closed")
        if not name or name[0] == "." or not _NAME.issuperset(name):
            raise InvalidRequest(f"template {printable_url(template)}: {_bad_expression(name)}")
        names.append(name)
        literals.append(literal)
    if any("}" in literal for literal in literals):
        raise InvalidRequest(f"template {printable_url(template)}: a '}}' has no '{{' before it")
    return tuple(literals), tuple(names)


def _bad_expression(expression: str) -> str:
    if expression[:1] and (expression[0] in _OPERATORS or expression[-1] == "*" or set(":,") & set(expression)):
        return f"{{{expression}}} is more than {{name}}: only simple expansion (RFC 6570 level 1) is supported"
    return f"{{{expression}}} is no placeholder: a name holds letters, digits, '_', '.' and '-'"


def _mismatch(template: str, names: tuple[str, ...], values: Mapping[str, Any]) -> str:
    missing = [name for name in dict.fromkeys(names) if name not in values]
    superfluous = [name for name in values if name not in names]
    problems: list[str] = []
    if missing:
        problems.append(f"path= has no value for {', '.join(map(repr, missing))}")
    if superfluous:
        problems.append(f"path= has {', '.join(map(repr, superfluous))}, which the template does not name")
    return f"template {printable_url(template)}: {'; '.join(problems)}"


def _encode(name: str, value: Any) -> str:
    if type(value) is int:
        return str(value)
    text = scalar_text(value, "path", name)
    if not text:
        raise InvalidRequest(f"path={name!r}: an empty value would change the path")
    if ("." in text or "%" in text) and has_dot_segment(text):
        raise InvalidRequest(f"path={name!r}: the value is or holds a '.' or '..' segment, which could lead elsewhere")
    try:
        return percent_encode(text)
    except ValueError as error:
        raise InvalidRequest(f"path={name!r}: {error}") from None


def has_dot_segment(path: str) -> bool:
    r"""Whether `.` or `..` is among the segments, as written or after percent-decoding once or twice.

    It sees what lenient servers see: segments between "/" or "\\", path parameters and blanks cut off.

    >>> [has_dot_segment(path) for path in ("a/../b", "a/%2e%2E", "a%2F..%5Cb", "a/..;x/b", "a/..b")]
    [True, True, True, True, False]
    """
    for _ in range(3):
        if "." in path:
            segments = path.translate(_SEPARATORS).split("/")
            if any(segment.partition(";")[0].strip(_BLANK) in _DOTS for segment in segments):
                return True
        if "%" not in path:
            return False
        from urllib.parse import unquote_to_bytes

        # Only ASCII matters here. What cannot be encoded at all is for others to refuse.
        path = unquote_to_bytes(path.encode("utf-8", "surrogatepass")).decode("latin-1")
    return False
