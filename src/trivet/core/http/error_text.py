"""Finding what an error body says that is text: plain, HTML or XML."""

from __future__ import annotations

import re
from typing import Final

from trivet.core.http.headers import Headers
from trivet.core.http.masking import beginning
from trivet.core.http.media_type import MediaType, decode_text, media_type_of

# What is inside is not shown to people, or not as text. An element that was cut off ends with the text.
_UNSHOWN: Final = r"(?is)<!--.*?(?:-->|\Z)|<(script|style|title|noscript|template|svg)\b.*?(?:</\1\s*>|\Z)"
_TITLE: Final = r"(?is)<title\b[^>]*>(.*?)(?:</title|\Z)"
# Those that stand within a sentence.
_INLINE_TAG: Final = r"(?i)</?(?:a|abbr|b|code|em|font|i|kbd|q|small|span|strong|tt|u)\b[^<>]*>"
_TAG: Final = r"<(?=[a-zA-Z/!?])[^<>]*(?:>|\Z)"
_XML_MEMBER: Final = (
    r"(?is)<(?:[\w.-]{1,40}:)?(message|faultstring|detail|description|text|reason|title)\b[^<>]*>\s*"
    r"(?:<!\[CDATA\[(.*?)\]\]>|([^<]+))"
)
_XML_RANKS: Final = ("message", "faultstring", "detail", "description", "text", "reason", "title")
_EMPTY_WORDS: Final = frozenset({"error", "http", "status", "code", "page", "the"})


def message_in_text(content: bytes, headers: Headers, *, status: int, reason: str, max_text: int) -> str:
    """What the first ``max_text`` bytes say beyond the status itself, or ``""``; also for binary content.

    >>> page = b"<title>404 Not Found</title><h1>Not Found</h1><p>There is no user&nbsp;7."
    >>> message_in_text(page, Headers({"Content-Type": "text/html"}), status=404, reason="Not Found", max_text=2048)
    'There is no user\\xa07.'
    """
    media_type = media_type_of(headers)
    if not _may_be_text(media_type):
        return ""
    text = decode_text(content[: max_text + 1], headers)
    if len(content) > max_text:
        text = beginning(text, len(text) - 1)
    if text.count("\ufffd") * 10 > len(text) or "\x00" in text:
        return ""  # binary, whatever it is called
    start = text[:100].lstrip("\ufeff \t\r\n").lower()
    if media_type.subtype in ("html", "xhtml+xml") or start.startswith(("<!doctype html", "<html")):
        candidates = _html(text, status, reason)
    elif media_type.subtype == "xml" or media_type.subtype.endswith("+xml") or start.startswith("<?xml"):
        candidates = _xml(text)
    else:
        candidates = [text]
    return next((found for found in candidates if says_more(found, status, reason)), "")


def says_more(text: str, status: int, reason: str) -> bool:
    """Whether the text says anything that the status line has not said.

    >>> says_more("Error 404 - Not found.", 404, "Not Found"), says_more("no user 7", 404, "Not Found")
    (False, True)
    """
    known = _EMPTY_WORDS | {str(status)} | set(re.findall(r"\w+", reason.lower()))
    return not known.issuperset(re.findall(r"\w+", text[:200].lower()))


def _may_be_text(media_type: MediaType) -> bool:
    # Without a media type the bytes themselves have to tell.
    kind, subtype = media_type.type, media_type.subtype
    return kind in ("", "text") or media_type.is_json or subtype.endswith("xml") or subtype == "x-www-form-urlencoded"


def _html(text: str, status: int, reason: str) -> list[str]:
    """The title, then the text of the page without its headings that repeat the status."""
    title = re.search(_TITLE, text)
    shown = re.sub(_INLINE_TAG, "", re.sub(_UNSHOWN, "<br>", text))
    pieces = map(_unescape, re.split(_TAG, shown))
    page = " ".join(piece.strip() for piece in pieces if says_more(piece, status, reason))
    return [_unescape(title[1]), page] if title is not None else [page]


def _xml(text: str) -> list[str]:
    """The elements that hold messages in S3, SOAP and the XML form of problems, then all text there is."""
    members = [(_XML_RANKS.index(match[1].lower()), match[2] or match[3]) for match in re.finditer(_XML_MEMBER, text)]
    members.sort(key=lambda member: member[0])
    found = [_unescape(member) for _, member in members if not member.isspace()]
    return [*found, _unescape(re.sub(_TAG, " ", text))]


def _unescape(text: str) -> str:
    if "&" not in text:
        return text
    from html import unescape

    return unescape(text)
