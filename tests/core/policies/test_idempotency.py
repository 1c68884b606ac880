from __future__ import annotations

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.policies.stepping import URL, Run
from trivet.core.errors import ConfigError
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.idempotency import Idempotency, new_key
from trivet.core.policies.policy import Stage


class Bits:
    """An rng whose 128 bits the test chooses."""

    def __init__(self, bits: int) -> None:
        self.bits = bits

    def random(self) -> float:
        raise AssertionError("not asked for")

    def uniform(self, a: float, b: float, /) -> float:
        raise AssertionError("not asked for")

    def getrandbits(self, k: int, /) -> int:
        assert k == 128
        return self.bits


@given(st.integers(0, 2**128 - 1))
def test_a_key_is_a_version_4_uuid_of_the_bits_drawn(bits: int) -> None:
    key = new_key(Bits(bits))
    uuid = UUID(key)
    assert str(uuid) == key
    assert uuid == UUID(int=bits, version=4)


@pytest.mark.parametrize(
    ("policy", "method", "headers", "expected"),
    [
        (Idempotency(), "GET", {}, None),
        (Idempotency(), "PUT", {}, None),
        (Idempotency(), "POST", {}, new_key(random.Random(0))),
        (Idempotency(), "PATCH", {}, new_key(random.Random(0))),
        (Idempotency(), "POST", {"idempotency-key": "mine"}, "mine"),
        (Idempotency(methods=["GET"]), "GET", {}, new_key(random.Random(0))),
        (Idempotency(methods=["GET"]), "POST", {}, None),
        (Idempotency(generate=lambda: "made"), "POST", {}, "made"),
        (Idempotency(generate=lambda: "made"), "POST", {"Idempotency-Key": "mine"}, "mine"),
    ],
)
def test_who_gets_which_key(policy: Idempotency, method: str, headers: dict[str, str], expected: str | None) -> None:
    run = Run(policy, Request(method, URL, headers), seed=0).start()
    assert run.sent.headers.get("Idempotency-Key") == expected
    assert run.reply(Response(201)).result is not None


def test_the_key_makes_the_request_safe_to_repeat() -> None:
    request = Request("POST", URL)
    assert not request.idempotent
    assert Run(Idempotency(), request).start().sent.idempotent


def test_another_field_name() -> None:
    run = Run(Idempotency(header="X-Request-Key"), Request("POST", URL)).start()
    assert "Idempotency-Key" not in run.sent.headers
    assert UUID(run.sent.headers["X-Request-Key"]).version == 4


def test_a_bad_field_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="'no name' is no field name"):
        Idempotency(header="no name")


def test_it_stands_outside_of_retries_and_redirects() -> None:
    assert Idempotency.stage < Stage.REDIRECT < Stage.RETRY
