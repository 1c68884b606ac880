"""Percent-encoding (RFC 3986 §2.1): text into the characters that a part of a URL can hold."""

from __future__ import annotations

from typing import Final

# RFC 3986 §2.2, §2.3, §3.3 and §3.4.
_UNRESERVED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH: Final = _UNRESERVED + b"!$&'()*+,;=:@/"
QUERY_CHARACTERS: Final = _PATH + b"?"
_HEX: Final = frozenset("0123456789abcdefABCDEF")
_ESCAPED: Final = tuple(f"%{byte:02X}" for byte in range(256))


def percent_encode(text: str, safe: bytes = _UNRESERVED) -> str:
    """The text with every byte of its UTF-8 form that isn't safe as `%XX`; unreserved characters are safe.

    Raises ValueError for a lone surrogate.

    >>> percent_encode("50% käse/brot")
    '50%25%20k%C3%A4se%2Fbrot'
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate has no UTF-8 form") from None
    if not data.translate(None, safe):
        return text
    return "".join([chr(byte) if byte in safe else _ESCAPED[byte] for byte in data])


def encode_path(text: str) -> str:
    """A path with what it cannot hold percent-encoded; `%XX` stays, any other "%" becomes `%25`."""
    return _encode_around_escapes(text, _PATH)


def encode_query_text(text: str) -> str:
    """A query with what it cannot hold percent-encoded; `%XX` stays, any other "%" becomes `%25`."""
    return _encode_around_escapes(text, QUERY_CHARACTERS)


def _encode_around_escapes(text: str, safe: bytes) -> str:
    first, *rest = text.split("%")
    pieces = [percent_encode(first, safe)]
    for piece in rest:
        is_escape = len(piece) > 1 and piece[0] in _HEX and piece[1] in _HEX
        pieces += "%" if is_escape else "%25", percent_encode(piece, safe)
    return "".join(pieces)
