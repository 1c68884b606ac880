"""How the cache tells secrets apart without keeping them."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Final

from trivet.core.http.redaction import is_credential_field

__all__ = ["DIGEST_LENGTH", "digest", "digest_of", "is_credential"]

_SIZE: Final = 20
DIGEST_LENGTH: Final = 2 * _SIZE
_BEGUN: Final = blake2b(digest_size=_SIZE, person=b"trivet cache")

# A field has few names in one program, and to judge one takes longer than a hit may.
is_credential = lru_cache(maxsize=512)(is_credential_field)
"""`is_credential_field`, remembered."""


def digest(*parts: str | None) -> str:
    """A digest in hexadecimal of texts in this order, which differ from any others; None is not ``""``.

    >>> digest("a", "b") == digest("a", "b")
    True
    >>> len({digest("a", "b"), digest("ab"), digest("b", "a"), digest("a", None), digest("a", "")})
    5
    """
    # Lengths tell where one text ends, so that no two lists of texts become the same bytes.
    return digest_of("".join(["-" if part is None else f"{len(part)}:{part}" for part in parts]))


def digest_of(text: str) -> str:
    """A digest in hexadecimal of one text.

    >>> len(digest_of("a"))
    40
    """
    # A copy takes half the time of a new one.
    state = _BEGUN.copy()
    state.update(text.encode("utf-8", "surrogatepass"))
    return state.hexdigest()
