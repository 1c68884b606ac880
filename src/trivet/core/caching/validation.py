"""Asking the server whether stored responses are still good, and which one it says is (RFC 9111 §4.3)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from trivet.core.caching.times import first_line, parse_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trivet.core.caching.stored import Stored
    from trivet.core.http.headers import Headers
    from trivet.core.http.request import Request
    from trivet.core.http.response import Response

MAX_TAGS: Final = 16
"""How many entity tags are sent at most."""

MAX_TAGS_LENGTH: Final = 2048
"""How long If-None-Match gets at most: servers refuse requests whose fields are many KiB."""

# RFC 9110 §8.8.3: no white space, no control characters, and no way to write a quotation mark.
_TAG: Final = r'(W/)?"([!#-~\x80-\xff]*)"'
# Some servers forget the quotation marks. With a comma it would be two in a list.
_UNQUOTED: Final = r"[!#-+\--~\x80-\xff]+"
_ENTITY_TAG: Final = re.compile(_TAG)
_UNQUOTED_TAG: Final = re.compile(_UNQUOTED)
_MEMBER: Final = re.compile(f"{_TAG}|({_UNQUOTED})")


class EntityTag(NamedTuple):
    """An entity tag (RFC 9110 §8.8.3): what is between its quotation marks, and whether it is weak."""

    opaque: str
    weak: bool = False

    def strongly_matches(self, other: EntityTag) -> bool:
        """The strong comparison: the same, and neither of them weak (RFC 9110 §8.8.3.2)."""
        return self.opaque == other.opaque and not self.weak and not other.weak

    def matches(self, other: EntityTag) -> bool:
        """The weak comparison: the same, weak or not (RFC 9110 §8.8.3.2)."""
        return self.opaque == other.opaque


def entity_tag(headers: Headers) -> EntityTag | None:
    """The entity tag that the ETag field says, None if it says none or several, or something else.

    One without quotation marks is taken for what is between them, and for weak: it comes from a server that does not
    take it seriously. No tag that could be taken for a list or for ``*`` counts.

    >>> from trivet.core.http.headers import Headers
    >>> entity_tag(Headers({"ETag": 'W/"a"'})), entity_tag(Headers({"ETag": "a"})), entity_tag(Headers({"ETag": "*"}))
    (EntityTag(opaque='a', weak=True), EntityTag(opaque='a', weak=True), None)
    """
    text = headers.get("ETag")
    if text is None:
        return None
    match = _ENTITY_TAG.fullmatch(text)
    if match is not None:
        return EntityTag(match[2], match[1] is not None)
    if text != "*" and _UNQUOTED_TAG.fullmatch(text):
        return EntityTag(text, weak=True)
    return None


def entity_tags(value: str) -> list[EntityTag]:
    """The members of a list of entity tags such as If-None-Match; what is none is left out.

    >>> entity_tags('"a,b", W/"c", d')
    [EntityTag(opaque='a,b', weak=False), EntityTag(opaque='c', weak=True), EntityTag(opaque='d', weak=True)]
    """
    return [
        EntityTag(quoted, bool(weak)) if unquoted is None else EntityTag(unquoted, weak=True)
        for weak, quoted, unquoted in (match.groups() for match in _MEMBER.finditer(value))
    ]


def conditional(request: Request, candidates: Sequence[Stored], chosen: Stored | None) -> Request | None:
    """The request with the validators of stored responses as its conditions (RFC 9111 §4.3.1); None if they have none.

    ``chosen`` is the stored response that the request's fields select, and ``candidates`` are all those of its key. Of
    the chosen one any entity tag is sent, first and as the server wrote it. Of the others strong tags are sent: the
    server may say that one of them is what it would send now. With a weak tag it might mean another coding.

    If-Modified-Since holds the Last-Modified of the chosen one, unless tags of others are sent, since a date says
    nothing about these; they are not where a Last-Modified is all that the chosen one has, since no server looks at a
    date beside tags. No other date takes its place: two versions of one second would be taken for one.

    Conditions that the request has already are replaced. Only complete responses with a 2xx status are validated, since
    a server evaluates no conditions for others (RFC 9110 §13.2.1).

    >>> from trivet.core.caching.entry import Entry
    >>> from trivet.core.caching.stored import Stored
    >>> from trivet.core.http.request import Request
    >>> fields = ((b"ETag", b'"a"'),)
    >>> entry = Entry("k", "GET", "https://a.example/", 200, "", "HTTP/1.1", fields, (), 0.0, 0.0, 1e9, 0, 0)
    >>> stored = Stored(entry, b"")
    >>> conditional(Request("GET", "https://a.example/"), [stored], stored).headers["If-None-Match"]
    '"a"'
    """
    tags, others = _tags(candidates, chosen)
    modified = None if chosen is None or others else _last_modified(chosen)
    if not tags and modified is None:
        return None
    headers = request.headers.without("If-None-Match", "If-Modified-Since")
    if tags:
        headers = headers.with_field("If-None-Match", ", ".join(tags))
    if modified is not None:
        headers = headers.with_field("If-Modified-Since", modified)
    return request.replace(headers=headers)


def selected_by(candidates: Sequence[Stored], response: Response, chosen: Stored | None) -> Stored | None:
    """The stored response that a 304 says is still good (RFC 9111 §4.3.4); None if it is none of them for sure.

    ``candidates`` and ``chosen`` are as they were for `conditional`. It is

    - with a strong entity tag in the 304, the one with the same: the chosen one if it has it, else the most recent;
    - or the chosen one, if the 304 has a validator that corresponds to one of its, and none that contradicts it;
    - without any validator, the only one whose validators were sent.

    After None the request is to be sent again without conditions.
    """
    tag = entity_tag(response.headers)
    if tag is not None and not tag.weak:
        if chosen is not None and _has_strongly(chosen, tag):
            return chosen
        same = [stored for stored in candidates if _has_strongly(stored, tag)]
        if same:
            return max(same, key=_response_time)
    if tag is not None or "Last-Modified" in response.headers:
        return chosen if chosen is not None and _corresponds(chosen, tag, response.headers) else None
    tags, others = _tags(candidates, chosen)
    if others:
        return others[0] if len(tags) == 1 else None
    return chosen if chosen is not None and (tags or _last_modified(chosen) is not None) else None


def _tags(candidates: Sequence[Stored], chosen: Stored | None) -> tuple[list[str], list[Stored]]:
    """The entity tags to be sent, as they are written, and the stored responses besides the chosen one that they are of."""
    tags: list[str] = []
    others: list[Stored] = []
    if chosen is not None and _own_tag(chosen) is None and _last_modified(chosen) is not None:
        return tags, others
    length = 0
    for stored in candidates if chosen is None else (chosen, *candidates):
        tag = _own_tag(stored)
        if tag is None or (stored is not chosen and tag.weak):
            continue
        text = stored.headers["ETag"]
        if text in tags or length + len(text) > MAX_TAGS_LENGTH:
            continue
        tags.append(text)
        length += len(text) + 2
        if stored is not chosen:
            others.append(stored)
        # One without quotation marks is no member of a list.
        if len(tags) == MAX_TAGS or not text.endswith('"'):
            break
    return tags, others


def _validatable(stored: Stored) -> bool:
    entry = stored.entry
    return entry.part is None and 200 <= entry.status < 300


def _own_tag(stored: Stored) -> EntityTag | None:
    return entity_tag(stored.headers) if _validatable(stored) else None


def _last_modified(stored: Stored) -> str | None:
    """The Last-Modified of a stored response, if it is a date."""
    text = first_line(stored.headers, "Last-Modified") if _validatable(stored) else None
    return None if parse_date(text, stored.entry.response_time) is None else text


def _has_strongly(stored: Stored, tag: EntityTag) -> bool:
    own = _own_tag(stored)
    return own is not None and own.strongly_matches(tag)


def _corresponds(stored: Stored, tag: EntityTag | None, headers: Headers) -> bool:
    """Whether the validators of a 304 are those of this stored response, though it has not the same strong tag."""
    own = _own_tag(stored)
    if tag is not None and own is not None:
        if not own.matches(tag):
            return False
        if tag.weak:
            return True
    came = stored.entry.response_time
    modified = parse_date(_last_modified(stored), came)
    if modified is None or modified != parse_date(first_line(headers, "Last-Modified"), came):
        return False
    # The 304 may have a strong tag, and what is stored the same as a weak one, or none. So does a server that compresses
    # on the fly, which weakens the tag of a 200 but not that of a 304. The date must tell then, as a strong validator.
    return tag is None or tag.weak or _is_strong(modified, stored)


def _is_strong(modified: float, stored: Stored) -> bool:
    """Whether a Last-Modified is a strong validator: a second before the Date at least (RFC 9110 §8.8.2.2)."""
    date = parse_date(first_line(stored.headers, "Date"), stored.entry.response_time)
    return date is not None and date - modified >= 1.0


def _response_time(stored: Stored) -> float:
    return stored.entry.response_time
