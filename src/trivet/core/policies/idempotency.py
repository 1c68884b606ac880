"""Idempotency keys: make a POST safe to send again.

A server that knows the Idempotency-Key field (an IETF HTTPAPI draft; Stripe, Adyen, PayPal and many others)
carries out a request once, however often it arrives with the same key. So the key belongs to the call,
not to the attempt: the policy stands outside of redirects and retries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ClassVar, Final

from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.exchange.call import Call, Rng
from trivet.core.exchange.flow import Flow
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.policy import Forward, Policy, Stage

# RFC 9562 §4: the version is in the top half of octet 6, the variant in the top two bits of octet 8.
_FIXED: Final = 0xF << 76 | 0x3 << 62
_VERSION_4: Final = 0x4 << 76 | 0x2 << 62


def new_key(rng: Rng) -> str:
    """A random key: a version 4 UUID (RFC 9562 §5.4) whose bits are drawn from ``rng``.

    >>> import random
    >>> len(new_key(random.Random()))
    36
    """
    digits = f"{rng.getrandbits(128) & ~_FIXED | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@dataclass(frozen=True, slots=True)
class Idempotency(Policy):
    """Give every request of these ``methods`` a key, unless it carries one already.

    ``header``: the field to put it in. ``generate``: makes the key; None: a random UUID.
    A field name that is no token raises `ConfigError`.

    >>> sorted(Idempotency().methods)
    ['PATCH', 'POST']
    """

    stage: ClassVar[Stage] = Stage.CALL

    methods: Collection[str] = frozenset({"POST", "PATCH"})
    header: str = "Idempotency-Key"
    generate: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "methods", frozenset(self.methods))
        try:
            Headers({self.header: "key"})
        except InvalidRequest:
            raise ConfigError(f"Idempotency: {self.header!r} is no field name") from None

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Forward the request, with a key if it needs one."""
        if request.method not in self.methods or self.header in request.headers:
            return forward(request, call)
        key = new_key(call.rng) if self.generate is None else self.generate()
        return forward(request.replace(headers=request.headers.with_field(self.header, key)), call)
