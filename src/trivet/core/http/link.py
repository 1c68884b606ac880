"""The Link header field (RFC 8288): web links such as `rel="next"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Link", "parse_links"]

_BLANK = " \t"


class Link(NamedTuple):
    """One link: its target as the server wrote it, one relation type in lower case, all its parameters."""

    target: str
    rel: str
    params: Mapping[str, str]


def parse_links(value: str | None) -> list[Link]:
    """The links of a Link field value, in order; one for each relation type of a link that has several.

    Parameter names are in lower case; the first of a name counts, and one without a value is "". `title*` and
    other extended parameters (RFC 8187) are decoded and replace the plain ones. Targets stay as they are, so
    relative ones need resolving. Never raises: what is malformed ends the list, a link without `rel` is left
    out, and None (no such field) has no links.

    >>> parse_links('</users?page=2>; rel="next last", <https://example.com/help>; rel=help')[1:]
    [Link(target='/users?page=2', rel='last', params={'rel': 'next last'}), \
Link(target='https://example.com/help', rel='help', params={'rel': 'help'})]
    """
    links: list[Link] = []
    value = value or ""
    position = 0
    while True:
        position = _skip(value, position, " \t,")
        end = value.find(">", position)
        if value[position : position + 1] != "<" or end < 0:
            return links
        target = value[position + 1 : end]
        params, position = _parse_params(value, end + 1)
        links += [Link(target, rel, params) for rel in params.get("rel", "").lower().split()]


def _parse_params(value: str, position: int) -> tuple[dict[str, str], int]:
    """The parameters of one link, and where it ends: at a comma or the end of the text."""
    params: dict[str, str] = {}
    extended: dict[str, str] = {}
    while True:
        position = _find(value, position, ";,")
        if value[position : position + 1] != ";":
            return params | extended, position
        start = position + 1
        position = _find(value, start, "=;,")
        name = value[start:position].strip(_BLANK).lower()
        text = ""
        if value[position : position + 1] == "=":
            text, position = _parse_value(value, position + 1)
        if not name.endswith("*"):
            if name:
                params.setdefault(name, text)
        elif (decoded := _decode_extended(text)) is not None:
            extended.setdefault(name[:-1], decoded)


def _parse_value(value: str, position: int) -> tuple[str, int]:
    position = _skip(value, position, _BLANK)
    if value[position : position + 1] != '"':
        end = _find(value, position, ";,")
        return value[position:end].rstrip(_BLANK), end
    pieces: list[str] = []
    start = position + 1
    while (end := _find(value, start, '"\\')) < len(value):
        pieces.append(value[start:end])
        if value[end] == '"':
            return "".join(pieces), end + 1
        # RFC 9110 §5.6.4: a backslash stands for the character that follows it.
        pieces.append(value[end + 1 : end + 2])
        start = end + 2
    # The closing quote is missing, so nobody knows where the value ends.
    return "", len(value)


def _decode_extended(text: str) -> str | None:
    """RFC 8187: charset'language'percent-encoded, where the charset is UTF-8 (or the older ISO-8859-1)."""
    charset, _, rest = text.partition("'")
    _, quote, encoded = rest.partition("'")
    if not quote or charset.lower() not in ("utf-8", "iso-8859-1"):
        return None
    from urllib.parse import unquote

    try:
        return unquote(encoded, charset, errors="strict")
    except UnicodeDecodeError:
        return None


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


def _find(text: str, position: int, characters: str) -> int:
    """The first place at or after `position` with one of the characters; the end of the text otherwise."""
    while position < len(text) and text[position] not in characters:
        position += 1
    return position
