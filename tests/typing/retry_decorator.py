"""What type checkers see of `retry` and `retry_call`. Checked by mypy and pyright, never run."""

# An ignored line has to be an error, for both of them.
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, TypeVar, assert_type, overload

from trivet.core.exchange.instant import Instant
from trivet.patterns.attempts import Retrying
from trivet.patterns.retry import retry, retry_call

T = TypeVar("T")


class Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> Instant:
        return Instant(0.0, 0.0)

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@retry
def bare(a: int, /, b: str = "b", *, c: bool = False) -> list[str]:
    return [b] * a if c else []


@retry()
def called(a: int) -> str:
    return str(a)


@retry(
    max_retries=5,
    base_delay=0.1,
    max_delay=2,
    factor=3,
    jitter="decorrelated",
    exceptions=(OSError, ValueError),
    retry_if=lambda error: str(error) != "final",
    timeout=30,
    max_retry_after=10,
    on_retry=lambda retrying: print(retrying.attempt, retrying.delay, retrying.error),
    rng=Random(7),
    clock=Clock(),
)
async def awaited(a: int, *, b: str) -> dict[int, str]:
    return {a: b}


async def check_functions() -> None:
    assert_type(bare(1), list[str])
    assert_type(bare(1, b="c", c=True), list[str])
    assert_type(called(a=1), str)
    assert_type(await awaited(1, b="x"), dict[int, str])

    bare(a=1)  # type: ignore[call-arg]  # positional only, as it was
    bare("1")  # type: ignore[arg-type]  # its type is checked
    await awaited(1)  # type: ignore[call-arg]  # b is missing


@retry(exceptions=OSError)
def generic(value: T, more: Callable[[T], T]) -> T:
    return more(value)


@overload
def overloaded(value: int) -> int: ...
@overload
def overloaded(value: str) -> str: ...
@retry
def overloaded(value: int | str) -> int | str:
    return value


def check_functions_with_several_types() -> None:
    assert_type(generic(1, lambda number: number + 1), int)
    assert_type(generic("a", str.upper), str)
    assert_type(overloaded(1), int)
    assert_type(overloaded("a"), str)
    decorated = retry(max_retries=1)(overloaded)
    assert_type(decorated(1), int)
    assert_type(decorated("a"), str)


class Service:
    @retry
    def method(self, a: int) -> str:
        return str(a)

    @retry(max_retries=1)
    async def coroutine_method(self, a: int) -> str:
        return str(a)

    @classmethod
    @retry
    def inside_classmethod(cls, a: int) -> type[Service]:
        return cls

    @retry
    @classmethod
    def outside_classmethod(cls, a: int) -> type[Service]:
        return cls

    @staticmethod
    @retry(max_retries=1)
    def inside_staticmethod(a: int) -> int:
        return a

    @retry(max_retries=1)
    @staticmethod
    def outside_staticmethod(a: int) -> int:
        return a


async def check_methods(service: Service) -> None:
    assert_type(service.method(1), str)
    assert_type(Service.method(service, a=1), str)
    assert_type(await service.coroutine_method(a=1), str)
    assert_type(Service.inside_classmethod(1), type[Service])
    assert_type(service.outside_classmethod(1), type[Service])
    assert_type(Service.inside_staticmethod(1), int)
    assert_type(service.outside_staticmethod(1), int)
    service.method("1")  # type: ignore[arg-type]  # its type is checked


def add(a: int, b: int = 0) -> int:
    return a + b


async def fetch(a: int, *, b: str = "b") -> str:
    return b * a


async def check_retry_call(service: Service) -> None:
    assert_type(retry_call(add, 1), int)
    assert_type(retry_call(add, 1, 2, max_retries=5, exceptions=OSError), int)
    assert_type(retry_call(lambda: add(1, b=2), timeout=3.0), int)
    assert_type(retry_call(partial(add, 1, b=2)), int)
    assert_type(retry_call(service.method, 1), str)
    coroutine: Coroutine[Any, Any, str] = retry_call(fetch, 1)
    assert_type(await coroutine, str)
    assert_type(await retry_call(fetch, 1, base_delay=0.1), str)
    assert_type(await retry_call(lambda: fetch(1, b="c")), str)
    assert_type(asyncio.run(retry_call(service.coroutine_method, 1)), str)

    retry_call(add, "1")  # type: ignore[arg-type]  # its type is checked


def note(retrying: Retrying) -> None:
    assert_type(retrying.function, str)
    assert_type(retrying.attempt, int)
    assert_type(retrying.delay, float)
    assert_type(retrying.error, Exception)


def check_options() -> None:
    retry(on_retry=note)
    retry(max_retries="3")  # type: ignore[call-overload]  # a number
    retry(jitter="half")  # type: ignore[call-overload]  # one of five
    retry(exceptions=KeyboardInterrupt)  # type: ignore[arg-type]  # never caught
    retry(3)  # type: ignore[call-overload]  # options go by name
