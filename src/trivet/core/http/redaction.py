"""What may be printed of a URL, of headers and of JSON: allow-lists first, names of secrets second.

Header fields and query parameters are redacted unless their name is known to be harmless, since nobody can
list every name that an API uses for a secret. JSON is redacted by key name, since an allow-list would leave
nothing to read. Everything that is printed by Trivet (messages, reprs, traces, logs) passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from trivet.core.http.headers import Headers

__all__ = [
    "REDACTED",
    "is_credential_field",
    "is_secret_name",
    "printable_url",
    "redact_headers",
    "redact_json",
    "redact_url",
]

REDACTED: Final = "[redacted]"

_SAFE_FIELDS: Final = frozenset(
    """
    accept accept-charset accept-encoding accept-language accept-ranges age allow alt-svc cache-control
    cache-status cf-ray connection content-encoding content-language content-length content-range content-type
    date deprecation etag expect expires host if-match if-modified-since if-none-match if-range
    if-unmodified-since keep-alive last-modified max-forwards pragma priority proxy-authenticate proxy-status
    range request-id retry-after server server-timing strict-transport-security sunset te traceparent trailer
    transfer-encoding upgrade user-agent vary via warning www-authenticate x-amz-request-id x-amzn-requestid
    x-amzn-trace-id x-cache x-content-type-options x-correlation-id x-github-request-id x-ms-request-id
    x-request-id x-runtime x-trace-id
    """.split()
)
_SAFE_FIELD_PREFIXES: Final = ("ratelimit", "x-ratelimit", "x-rate-limit")

# The value of these fields is a URL: its path is worth printing, its query may hold a secret.
_URL_FIELDS: Final = frozenset({"location", "content-location"})

# Compared without case, "-" and "_". A cursor, a search text (q, query, filter) and OAuth's code and state
# are missing on purpose: they may hold private data.
_SAFE_PARAMETERS: Final = frozenset(
    """
    apiversion count desc direction expand fields format include lang language limit locale offset order
    orderby page pagenumber pagesize perpage since size skip sort sortby sortorder start take timezone until
    v version
    """.split()
)

# Long enough to mean a secret wherever they stand: "accesstoken", "x-mysession-id".
_SECRET_STEMS: Final = (
    *("password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "cookie", "session"),
    *("authoriz", "authenticat", "signature", "apikey", "accesskey", "privatekey"),
)
# Short: they count as whole words only, so that "author", "keyboard" and "discard" stay readable.
_SECRET_WORDS: Final = frozenset(
    "auth oauth key pass pwd pin otp totp jwt sid sig csrf xsrf bearer dpop card cvv cvc iban ssn".split()
)
# Their names hold the word "key", but they open no door.
_HARMLESS_FIELDS: Final = frozenset({"idempotency-key", "x-idempotency-key", "sec-websocket-key"})

_WORD: Final = "[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"
_USERINFO: Final = r"((?:[A-Za-z][A-Za-z0-9+.\-]*:)?[/\\]*)[^/?#]*@"
_PRINTED_URL_LENGTH: Final = 200
_JSON_DEPTH: Final = 64


def is_secret_name(name: str) -> bool:
    """Whether something with this name is probably a secret, in any case style.

    >>> [is_secret_name(name) for name in ("apiKey", "X-API-Key", "client_secret", "author", "monkey")]
    [True, True, True, False, False]
    """
    # The pattern is compiled at its first use (re keeps it), since compiling it would slow every import.
    words = [word.lower() for word in re.findall(_WORD, name)]
    joined = "".join(words)
    if joined in _SECRET_WORDS or any(stem in joined for stem in _SECRET_STEMS):
        return True
    return any(word in _SECRET_WORDS or word.removesuffix("s") in _SECRET_WORDS for word in words)


def is_credential_field(name: str) -> bool:
    """Whether a request header field carries a credential, which must not follow to another origin.

    True for Authorization, Proxy-Authorization, Cookie, for the usual API-key and token fields, and for any
    name that looks like one. It errs on the side of True: a field too many is dropped rather than leaked.

    >>> [is_credential_field(name) for name in ("Authorization", "X-Auth-Token", "Accept", "Idempotency-Key")]
    [True, True, False, False]
    """
    return name.lower() not in _HARMLESS_FIELDS and is_secret_name(name)


def redact_headers(headers: Headers) -> list[tuple[str, str]]:
    """The field lines in order, each value replaced unless its name is on the allow-list.

    >>> from trivet.core.http.headers import Headers
    >>> redact_headers(Headers({"Accept": "*/*", "Authorization": "Bearer abc"}))
    [('Accept', '*/*'), ('Authorization', '[redacted]')]
    """
    return [(name, _redact_field(name.lower(), value)) for name, value in headers.items()]


def _redact_field(name: str, value: str) -> str:
    if name in _SAFE_FIELDS or name.startswith(_SAFE_FIELD_PREFIXES):
        return value
    return redact_url(value) if name in _URL_FIELDS else REDACTED


def redact_url(text: str) -> str:
    """A URL or target with its userinfo, fragment and query values masked; the path is kept.

    Values of harmless parameters (page, limit, sort, …) stay. The text need not be a valid URL.

    >>> redact_url("https://ada:secret@api.example.com/users?page=2&api_key=abc#top")
    'https://[redacted]@api.example.com/users?page=2&api_key=[redacted]#[redacted]'
    """
    if "@" in text:
        text = _redact_userinfo(text)
    if "#" in text:
        text = f"{text.partition('#')[0]}#{REDACTED}"
    if "?" not in text:
        return text
    head, _, rest = text.partition("?")
    query, hash_mark, fragment = rest.partition("#")
    return f"{head}?{'&'.join(map(_redact_parameter, query.split('&')))}{hash_mark}{fragment}"


def _redact_userinfo(text: str) -> str:
    match = re.match(_USERINFO, text)
    if match is not None and match[1] not in ("/", "\\"):
        return f"{match[1]}{REDACTED}@{text[match.end() :]}"
    # A password with a raw "/", "?" or "#" ends the authority early: what follows ":" is then no port.
    scheme, separator, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    port = authority.rpartition("]")[2].partition(":")[2]
    if separator and port and not port.isdigit():
        return f"{scheme}://{REDACTED}@{rest.rpartition('@')[2]}"
    return text


def _redact_parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not parameter:
        return parameter
    # Some servers take ";" for "&" too, so a second parameter may hide in a harmless value.
    if name.replace("-", "").replace("_", "").lower() in _SAFE_PARAMETERS and ";" not in value:
        return parameter
    # Without "=" the text may be a bare key, as in "?abcdef".
    return f"{name}={REDACTED}" if equals else REDACTED


def printable_url(text: str) -> str:
    """`redact_url` as a quoted excerpt for messages: control characters escaped, at most 200 characters.

    >>> printable_url("/users?token=abc")
    "'/users?token=[redacted]'"
    """
    shown = redact_url(text)
    return repr(shown if len(shown) <= _PRINTED_URL_LENGTH else shown[:_PRINTED_URL_LENGTH] + "…")


def redact_json(value: Any) -> Any:
    """A copy of a JSON value in which the values of keys that look like secrets are replaced, at any depth.

    What is nested deeper than 64 levels is replaced too: this is text for people.

    >>> redact_json({"user": "ada", "apiKey": "abc", "cards": [{"number": "4242"}]})
    {'user': 'ada', 'apiKey': '[redacted]', 'cards': '[redacted]'}
    """
    return _redact_json(value, _JSON_DEPTH)


def _redact_json(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {
            key: REDACTED if isinstance(key, str) and is_secret_name(key) else _redact_json(item, depth - 1)
            for key, item in cast("Mapping[object, Any]", value).items()
        }
    if isinstance(value, list | tuple):
        if depth == 0:
            return REDACTED
        return [_redact_json(item, depth - 1) for item in cast("Iterable[Any]", value)]
    if isinstance(value, str) and value[:1] in ("{", "[") and depth:
        return _redact_nested_json(value, depth)
    return value


def _redact_nested_json(text: str, depth: int) -> str:
    """A string that holds JSON itself, as event payloads often do; any other string is left as it is."""
    import json

    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    redacted = _redact_json(value, depth - 1)
    return text if redacted == value else json.dumps(redacted, ensure_ascii=False)
