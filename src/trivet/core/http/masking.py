"""Making a server's free text fit to print: no control characters, no secrets, no more than an excerpt.

What a server says about an error may echo what it was sent, credentials included. Structured data is redacted
by name (see `redaction`); in prose only the shape of a secret gives it away, so this errs on the side of
masking.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from trivet.core.http.redaction import REDACTED, is_secret_name

EXCERPT_LENGTH: Final = 500

# Terminal escapes (ECMA-48 §5.4, §5.6) go as a whole: "\x1b[31m" without its first byte would leave "[31m".
_ESCAPE: Final = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[P\]X^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
)

# Runs of characters that are no words: with a digit or very long; or also mixed case or punctuation inside.
_UNREADABLE: Final = r"(?=[\w.~+/:%-]{0,200}?(?:\d|\w{20}))[\w.~+/:%-]{6,}={0,2}"
_OPAQUE: Final = r"(?=[\w.~+/=:%-]{0,200}?(?:\d|[a-z][A-Z]|[_~+/=%]\w|\w[.-]\w|\w{20}))[\w.~+/=:%-]{6,}"

# Each with words of which one is in every text that it matches, since those are quicker to look for.
_SHAPES: Final = (
    # A private key in PEM (RFC 7468 §2).
    (
        ("private key",),
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}-----|\Z)",
        REDACTED,
    ),
    # The userinfo of a URL (RFC 3986 §3.2.1).
    (("@",), r"://[^\s/?#\"'<>]*@", f"://{REDACTED}@"),
    # Echoed header fields: a scheme with its credentials (RFC 9110 §11.4), cookie pairs (RFC 6265 §4.2.1).
    (
        ("authorization",),
        r"((?i:authorization)[\"']?\s?[:=]\s?[\"']?)(?:[\w-]+\s)?[^\s\"'<>,;]+",
        rf"\g<1>{REDACTED}",
    ),
    (
        ("cookie",),
        r"((?i:cookie)[\"']?\s?[:=]\s?[\"']?)[^\s\"'<>=]+=[^\s\"'<>]+(?:\s[^\s=]+=\S*)*",
        rf"\g<1>{REDACTED}",
    ),
    # "Bearer …", "invalid password '…": a telling word, then something that is none.
    (("bearer", "basic"), rf"\b((?i:bearer|basic)\s[\"']?){_OPAQUE}", rf"\g<1>{REDACTED}"),
    (
        ("token", "password", "secret", "key"),
        rf"\b((?i:token|password|secret|key)\s[\"']?){_UNREADABLE}",
        rf"\g<1>{REDACTED}",
    ),
    # A JSON Web Token (RFC 7519), whose header always begins so, and keys of well-known services.
    (("eyj",), r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*){0,3}", REDACTED),
    (("sk-", "k_", "xox", "ya29."), r"\b(?:sk-|[sr]k_|xox[a-z]-|ya29\.)[\w.-]{10,}", REDACTED),
    (("akia", "asia", "aiza"), r"\b(?:A[KS]IA|AIza)[\w-]{10,}", REDACTED),
    (("gh", "git", "glpat-"), r"\b(?:gh[opsur]_|github_pat_|glpat-)[\w-]{10,}", REDACTED),
    (("npm_", "pypi-", "shpat_", "hf_", "sg."), r"\b(?:npm_|pypi-|shpat_|hf_|SG\.)[\w.-]{10,}", REDACTED),
)

# The name in front of a value, and the value: in quotes, opaque, or any word.
_NAME: Final = r"(?<![\w-])((?:(?i:api|access|secret|private)\s)?[\w-]{2,64})([\"']?\s?[:=]\s?)"
_VALUE: Final = rf"(?P<certain>\"[^\"]*\"?|'[^']*'?|{_OPAQUE})|[^\s\"'&;,<>]+"


def excerpt(text: str, known_secrets: Iterable[str] = (), *, length: int = EXCERPT_LENGTH) -> str:
    r"""One printable line of at most ``length`` characters, with what looks like a secret masked.

    >>> excerpt("no \x1b[31maccess\x1b[0m\nfor token=abc")
    'no access for token=[redacted]'
    """
    text = mask_secrets(one_line(text), known_secrets)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def one_line(text: str) -> str:
    """The text without control characters, terminal escapes and invisible characters; white space collapsed.

    >>> one_line("no\\r\\n\\x1b[1muser\\x1b[0m\\u202e 7")
    'no user 7'
    """
    if not text.isprintable():
        text = re.sub(_ESCAPE, "", text)
    text = " ".join(text.split())
    if not text.isprintable():
        # Also formatting characters that reorder text, and lone surrogates, which cannot be encoded.
        text = "".join(filter(str.isprintable, text))
    return text


def beginning(text: str, length: int) -> str:
    """The first ``length`` characters, less the last word: half of a secret would not be recognised as one.

    >>> beginning("the key ab12cd34", 12)
    'the key'
    """
    if len(text) <= length:
        return text
    text = text[:length]
    return text.rpartition(" ")[0] or text


def mask_secrets(text: str, known_secrets: Iterable[str] = ()) -> str:
    """The text with known secrets masked wherever they stand, and what looks like one by its shape.

    >>> mask_secrets("the key ab12cd34 of https://ada:pw@db is wrong", ["db"])
    'the key [redacted] of https://[redacted]@[redacted] is wrong'
    """
    for secret in known_secrets:
        text = text.replace(secret, REDACTED)
    lowered = text.lower()
    for hints, shape, shown in _SHAPES:
        # Compiled at their first use (re keeps them): most programs never need them.
        if any(hint in lowered for hint in hints):
            text = re.sub(shape, shown, text)
    return _mask_pairs(text) if ":" in text or "=" in text else text


def _mask_pairs(text: str) -> str:
    """Mask the value of ``name=value`` and ``name: value`` where the name speaks of a secret."""
    pieces: list[str] = []
    done = 0
    for match in re.finditer(_NAME, text):
        name, joint = match.groups()
        if match.start() < done or _is_harmless(name, joint):
            continue
        value = re.compile(_VALUE).match(text, match.end())
        # Prose goes on after a colon ("invalid token: it has expired"); after "=" there is always a value.
        if value is not None and (value["certain"] is not None or "=" in joint):
            quote = value[0][0] if value[0][0] in "\"'" else ""
            pieces += text[done : match.end()], f"{quote}{REDACTED}{quote}"
            done = value.end()
    pieces.append(text[done:])
    return "".join(pieces)


def _is_harmless(name: str, joint: str) -> bool:
    # Tokens in the plural are what language models count; a "key:" alone is one of a mapping.
    lowered = name.lower()
    return lowered.endswith("tokens") or (lowered == "key" and "=" not in joint) or not is_secret_name(name)
