"""What can be decorated, and what is left as it was."""

from __future__ import annotations

import asyncio
import gc
import inspect
import pickle
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from trivet.patterns.retry import retry, retry_call


@retry
def plain(a: int, /, b: str = "b", *args: float, c: bool, **kwargs: bytes) -> list[Any]:
    """What it is for."""
    return [a, b, *args, c, kwargs]


@retry(max_retries=2)
async def awaited(a: int, *, b: str = "b") -> str:
    """What it is for."""
    return f"{a}{b}"


def test_it_looks_like_the_function() -> None:
    assert plain.__name__ == plain.__qualname__ == "plain"
    assert plain.__doc__ == "What it is for."
    assert plain.__module__ == __name__
    assert plain.__annotations__["return"] == "list[Any]"
    assert str(inspect.signature(awaited)) == "(a: 'int', *, b: 'str' = 'b') -> 'str'"
    assert inspect.signature(plain) == inspect.signature(inspect.unwrap(plain))
    assert inspect.unwrap(plain) is not plain
    assert inspect.iscoroutinefunction(awaited)
    assert not inspect.iscoroutinefunction(plain)


def test_arguments_and_result_pass_through() -> None:
    assert plain(1, "x", 2.0, c=True, d=b"d") == [1, "x", 2.0, True, {"d": b"d"}]
    assert asyncio.run(awaited(1, b="c")) == "1c"


def test_wrong_arguments_are_reported_by_the_function() -> None:
    @retry(exceptions=OSError)
    def function(a: int) -> int:
        raise AssertionError

    with pytest.raises(TypeError, match=r"function\(\) missing 1 required positional argument: 'a'"):
        function()  # type: ignore[call-arg]  # the mistake under test


def test_a_decorated_module_level_function_pickles() -> None:
    assert pickle.loads(pickle.dumps(plain)) is plain
    assert pickle.loads(pickle.dumps(awaited)) is awaited


def test_attributes_of_the_function_are_kept() -> None:
    def function() -> None:
        raise AssertionError

    function.mark = "seen"  # type: ignore[attr-defined]  # an attribute of our own

    assert retry(function).mark == "seen"  # type: ignore[attr-defined]  # an attribute of our own


class Service:
    """Fails twice, whichever way it is asked."""

    failures = 2

    def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError

    @retry(base_delay=0)
    def method(self, a: int) -> tuple[Service, int]:
        self._fail()
        return self, a

    @retry(base_delay=0)
    async def coroutine_method(self, a: int) -> tuple[Service, int]:
        self._fail()
        return self, a

    @retry(base_delay=0)
    @classmethod
    def outside_classmethod(cls, a: int) -> tuple[type[Service], int]:
        return cls, a

    @classmethod
    @retry(base_delay=0)
    def inside_classmethod(cls, a: int) -> tuple[type[Service], int]:
        return cls, a

    @retry(base_delay=0)
    @staticmethod
    def outside_staticmethod(a: int) -> int:
        return a

    @staticmethod
    @retry(base_delay=0)
    async def inside_staticmethod(a: int) -> int:
        return a


class Derived(Service):
    pass


def test_methods() -> None:
    service = Service()

    assert service.method(1) == (service, 1)
    assert service.failures == 0
    assert Service.method(service, 2) == (service, 2)
    service.failures = 2
    assert asyncio.run(service.coroutine_method(3)) == (service, 3)
    assert service.failures == 0
    assert Derived.outside_classmethod(4) == Derived().outside_classmethod(4) == (Derived, 4)
    assert Derived.inside_classmethod(5) == (Derived, 5)
    assert Service.outside_staticmethod(6) == Service().outside_staticmethod(6) == 6
    assert asyncio.run(Service.inside_staticmethod(7)) == 7


def test_a_bound_method() -> None:
    service = Service()

    assert retry_call(service.method, 1) == (service, 1)
    assert asyncio.run(retry_call(service.coroutine_method, 1)) == (service, 1)


class SyncCallable:
    def __init__(self, flaky: Any) -> None:
        self.flaky = flaky

    def __call__(self, *args: int) -> Any:
        return self.flaky.play(*args)


class AsyncCallable(SyncCallable):
    async def __call__(self, *args: int) -> Any:
        return self.flaky.play(*args)


def test_callable_objects(flaky: Any, clock: Any) -> None:
    asked = SyncCallable(flaky(OSError(), "up"))
    decorated: Any = retry(clock=clock)(asked)
    assert decorated(1) == "up"
    assert decorated.__wrapped__ is asked
    # Its state is its own.
    assert not hasattr(decorated, "flaky")

    awaitable: Any = retry(clock=clock)(AsyncCallable(flaky(OSError(), "up")))
    assert inspect.iscoroutinefunction(awaitable)
    assert asyncio.run(awaitable(1)) == "up"


def test_partials(flaky: Any, clock: Any) -> None:
    decorated = retry(clock=clock)(partial(flaky(OSError(), "up").sync(), 1))
    assert decorated() == "up"

    for function in (flaky(OSError(), "up").coroutine(), AsyncCallable(flaky(OSError(), "up"))):
        coroutine: Any = retry(clock=clock)(partial(partial(function, 1), 2))
        assert inspect.iscoroutinefunction(coroutine)
        assert asyncio.run(coroutine(3)) == "up"


@pytest.mark.parametrize(
    ("wrapped", "name"),
    [
        (lambda flaky: flaky.sync(), "Flaky.sync.<locals>.fetch"),
        (lambda flaky: partial(partial(flaky.sync(), 1), 2), "Flaky.sync.<locals>.fetch"),
        (lambda flaky: SyncCallable(flaky), "SyncCallable"),
        (lambda flaky: flaky.play, "Flaky.play"),
    ],
)
def test_the_name_that_is_told(flaky: Any, clock: Any, wrapped: Callable[[Any], Callable[..., Any]], name: str) -> None:
    told: list[str] = []

    retry_call(wrapped(flaky(OSError(), "up")), clock=clock, on_retry=lambda retrying: told.append(retrying.function))

    assert told == [name]


def test_builtins_and_classes() -> None:
    assert retry(int)("7") == 7
    assert retry(len)([1]) == 1
    assert retry_call(dict, [("a", 1)]) == {"a": 1}


def test_retry_call_passes_positional_arguments_each_time(clock: Any) -> None:
    seen: list[tuple[int, str]] = []

    def function(number: int, text: str = "default") -> str:
        seen.append((number, text))
        if len(seen) < 3:
            raise OSError
        return text * number

    assert retry_call(function, 2, "ab", clock=clock) == "abab"
    assert seen == [(2, "ab")] * 3
    assert retry_call(partial(function, text="c"), 2, clock=clock) == "cc"


def test_a_plain_function_that_returns_a_coroutine_is_awaited_with_retries(flaky: Any, clock: Any) -> None:
    function = flaky(OSError(), OSError(), "up")
    fetch = function.coroutine()
    told: list[str] = []

    decorated: Any = retry(clock=clock, jitter="none", on_retry=lambda retrying: told.append(retrying.function))(
        lambda number: fetch(number)
    )

    assert asyncio.run(decorated(7)) == "up"
    assert function.calls == 3
    assert clock.waits == [1.0, 2.0]
    assert told == ["test_a_plain_function_that_returns_a_coroutine_is_awaited_with_retries.<locals>.<lambda>"] * 2


def test_it_may_fail_before_it_returns_a_coroutine(flaky: Any, clock: Any) -> None:
    before, after = flaky(OSError(), None, OSError(), None, None), flaky(OSError(), OSError(), "up")
    fetch = after.coroutine()

    def prepare_and_fetch() -> Any:
        before.play()
        return fetch()

    assert asyncio.run(retry_call(prepare_and_fetch, clock=clock, jitter="none")) == "up"
    assert (before.calls, after.calls) == (5, 3)


def generate() -> Iterator[int]:
    yield 1


async def generate_async() -> AsyncIterator[int]:
    yield 1


class Generates:
    def __call__(self) -> Iterator[int]:
        yield 1


@pytest.mark.parametrize("function", [generate, generate_async, partial(generate), Generates()])
def test_generator_functions_are_refused(function: Any) -> None:
    for use in (retry, retry_call, retry(max_retries=1)):
        with pytest.raises(TypeError) as caught:
            use(function)
        assert str(caught.value).startswith(f"retry cannot take the generator function {function!r}")
        assert "decorate the function that iterates it" in str(caught.value)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError) as caught:
        retry(3)  # type: ignore[type-var]  # the mistake under test
    assert str(caught.value) == "retry takes a function, not 3; options go by name: retry(max_retries=3)"


def test_options_go_by_name() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        retry(print, 3)  # type: ignore[call-overload]  # the mistake under test


def test_a_failed_call_leaves_no_cycle_behind(flaky: Any, clock: Any) -> None:
    class Big:
        pass

    def call() -> weakref.ref[Big]:
        big = Big()

        def fetch(argument: Big) -> None:
            raise OSError

        with pytest.raises(OSError) as caught:  # noqa: PT011  # any will do
            retry_call(fetch, big, clock=clock)
        del caught
        return weakref.ref(big)

    gc.collect()
    gc.disable()
    try:
        assert call()() is None
    finally:
        gc.enable()
