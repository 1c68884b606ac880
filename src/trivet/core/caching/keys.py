"""Cache keys (RFC 9111 §2): what stored responses are found by.

A key is text of at most 200 ASCII characters, in four words: method, origin and path in clear, for people and for
patterns, then two digests::

    GET https://api.example.com/users 5b0d…(of method and whole URL) 9c1e…(of who asks)

Queries and credentials appear in digests only, since a key ends up in files and in other servers' memory. What
is in clear is cut off if it is long. In the place of the first digest there is "-" if the whole URL is in clear, and in
that of the second one for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Final

from trivet.core.caching.digests import DIGEST_LENGTH, digest, digest_of
from trivet.core.caching.vary import selected
from trivet.core.http.redaction import is_credential_field
from trivet.core.http.request import Request
from trivet.core.http.url import URL

__all__ = ["MAX_KEY_LENGTH", "cache_key", "credentials_identity", "fixed_ttl_key", "target_of", "target_prefix"]

MAX_KEY_LENGTH: Final = 200

_CLEAR_LENGTH: Final = MAX_KEY_LENGTH - 2 * (1 + DIGEST_LENGTH)


def credentials_identity(request: Request) -> str | None:
    """A digest of the credentials in the request's fields; None if there are none.

    It tells users apart so that none is served what was stored for another; it leads back to nobody. A Host field that the
    caller gave counts too, since it may name another server than the URL does (RFC 9110 §7.2).

    >>> ada = Request("GET", "https://api.example.com/", {"Authorization": "Bearer ada"})
    >>> credentials_identity(ada) == credentials_identity(ada.replace(headers={"authorization": "Bearer ada"}))
    True
    >>> credentials_identity(ada.replace(headers={"Accept": "*/*"})) is None
    True
    """
    found = [
        (credential, value.decode("latin-1"))
        for name, value in request.headers.lines
        if (credential := _telling_name(name)) is not None
    ]
    if not found:
        return None
    # The order of different names means nothing, that of one name's lines does (RFC 9110 §5.3).
    found.sort(key=itemgetter(0))
    return digest(*[part for line in found for part in line])


# Of the names as they come, so that those of no interest are not even decoded.
@lru_cache(maxsize=512)
def _telling_name(name: bytes) -> str | None:
    """The name in lower case, if it is that of a credential or Host."""
    text = name.decode("latin-1").lower()
    return text if text == "host" or is_credential_field(text) else None


def cache_key(request: Request, credentials: str | None) -> str:
    """The key of a request under RFC 9111: its method, its URL without fragment, and who asks.

    ``credentials`` is whatever tells users apart, such as their `credentials_identity`; the key holds a digest
    of it. Two orders of the same query parameters are two URLs.

    >>> request = Request("GET", "https://api.example.com/users?api_key=s3cret")
    >>> cache_key(request, None)
    'GET https://api.example.com/users 2659f034d5cc0d95a225b8f7f0aff397366187fc -'
    >>> cache_key(Request("GET", "https://api.example.com/users"), None)
    'GET https://api.example.com/users - -'
    """
    target = target_prefix(request.method, request.url)
    return f"{target}-" if credentials is None else target + digest(credentials)


def fixed_ttl_key(request: Request, credentials: str | None, fields: Iterable[str] = ()) -> str:
    """The key of a request where responses are kept for a fixed time, whatever their fields say.

    The order of query parameters with different names makes no difference; the values of the request's
    header ``fields`` do, compared as in Vary.

    >>> one = Request("GET", "https://api.example.com/users?page=2&sort=name")
    >>> other = Request("GET", "https://api.example.com/users?sort=name&page=2")
    >>> fixed_ttl_key(one, None) == fixed_ttl_key(other, None) != cache_key(one, None)
    True
    """
    names = sorted({name.lower() for name in fields})
    target = target_prefix(request.method, request.url, any_order=True)
    if credentials is None and not names:
        return f"{target}-"
    return target + digest(credentials, *[part for pair in selected(request.headers, names) for part in pair])


def target_prefix(method: str, url: URL, *, any_order: bool = False) -> str:
    """What the keys of all users for one method and URL begin with, and no other key does.

    Invalidation (RFC 9111 §4.4) takes them all. ``any_order`` is for the keys that `fixed_ttl_key` makes.

    >>> target_prefix("GET", URL("https://api.example.com/users"))
    'GET https://api.example.com/users - '
    """
    query = url.query
    clear = f"{method} {url.origin}{url.path}"
    # To digest what needs none would take as long as to store a response.
    if not query and len(clear) <= _CLEAR_LENGTH:
        return f"{clear} ~ " if any_order else f"{clear} - "
    if any_order and "&" in query:
        query = "&".join(sorted(query.split("&"), key=_parameter_name))
    # No path holds a question mark, nor a method a space.
    whole = digest_of(f"{'any order' if any_order else 'as written'} {clear}?{query}")
    if len(clear) > _CLEAR_LENGTH:
        clear = f"{clear[: _CLEAR_LENGTH - 1]}~"
    return f"{clear} {whole} "


def target_of(key: str) -> str:
    """What a key, or the beginning of one, shares with those of all who ask for the same target; empty if it is too short.

    >>> target_of("GET https://api.example.com/users - 9c1e")
    'GET https://api.example.com/users - '
    >>> target_of("GET https://api.example.com/")
    ''
    """
    words = key.split(" ", 3)
    return key[: len(key) - len(words[3])] if len(words) == 4 else ""


def _parameter_name(pair: str) -> str:
    return pair.partition("=")[0]
