"""What is measured, and what is asked of Trivet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A figure that is asked for: Trivet's divided by that of a peer in the same round, or without a peer its own."""

    figure: str
    peer: str = ""
    at_most: float | None = None
    at_least: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value is as it should be."""
        return (self.at_most is None or value <= self.at_most) and (self.at_least is None or value >= self.at_least)


@dataclass(frozen=True)
class Case:
    """A job for several clients, Trivet the first.

    `NAME@N` is a client with so many tasks or threads. In the cases of the cache, `NAME@CACHE` is one with such a cache.
    """

    name: str
    title: str
    runtime: str
    job: str
    tasks: int
    clients: tuple[str, ...]
    bars: tuple[Bar, ...] = ()


def cpu(**at_most: float) -> tuple[Bar, ...]:
    """CPU time for a request, as a share of each peer's."""
    return tuple(Bar("cpu", peer, at_most=limit) for peer, limit in at_most.items())


def memory(runtime: str) -> tuple[Case, Case]:
    """Memory of a stream, and of many requests."""
    return (
        Case(
            f"peak-{runtime}",
            f"{runtime}, memory of a stream of 10 MiB",
            runtime,
            "peak",
            1,
            ("trivet",),
            (Bar("process", at_most=2), Bar("traced", at_most=2)),
        ),
        Case(
            f"growth-{runtime}",
            f"{runtime}, growth of memory over 20,000 requests",
            runtime,
            "growth",
            1,
            ("trivet",),
            (Bar("growth", at_most=1),),
        ),
    )


CASES = (
    Case(
        "sync",
        "sync, 1 thread",
        "sync",
        "get",
        1,
        ("trivet", "httpcore", "httpx", "httpx2", "urllib3", "h11"),
        cpu(httpcore=0.7, httpx=0.45, urllib3=0.75),
    ),
    Case(
        "threads",
        "sync, 50 threads",
        "threads",
        "get",
        50,
        ("trivet", "trivet@1"),
        (Bar("cpu", "trivet@1", at_most=1.5),),
    ),
    Case(
        "asyncio-1",
        "asyncio, 1 task",
        "asyncio",
        "get",
        1,
        ("trivet", "httpcore", "httpx", "httpx2", "aiohttp"),
        cpu(httpcore=0.5, httpx=0.4),
    ),
    Case(
        "asyncio-100",
        "asyncio, 100 tasks",
        "asyncio",
        "get",
        100,
        ("trivet", "aiohttp", "httpx2", "httpx"),
        (*cpu(aiohttp=1.5, httpx2=0.35), Bar("rate", "httpx", at_least=20)),
    ),
    Case(
        "asyncio-1000",
        "asyncio, 1,000 tasks",
        "asyncio",
        "get",
        1000,
        ("trivet", "aiohttp", "httpx2"),
        cpu(aiohttp=1.5, httpx2=0.35),
    ),
    Case(
        "trio-1",
        "trio, 1 task",
        "trio",
        "get",
        1,
        ("trivet", "httpcore", "httpx", "httpx2"),
        cpu(httpcore=0.6, httpx=0.45),
    ),
    Case("trio-100", "trio, 100 tasks", "trio", "get", 100, ("trivet", "httpx2"), cpu(httpx2=0.4)),
    Case("trio-1000", "trio, 1,000 tasks", "trio", "get", 1000, ("trivet", "httpx2"), cpu(httpx2=0.4)),
    Case(
        "stream-sync",
        "sync, a stream of 10 MiB",
        "sync",
        "stream",
        1,
        ("trivet", "httpcore"),
        (Bar("speed", "httpcore", at_least=0.9),),
    ),
    Case(
        "stream-asyncio",
        "asyncio, a stream of 10 MiB",
        "asyncio",
        "stream",
        1,
        ("trivet", "httpcore"),
        (Bar("speed", "httpcore", at_least=1.3),),
    ),
    Case("stream-trio", "trio, a stream of 10 MiB", "trio", "stream", 1, ("trivet", "httpcore")),
    *memory("sync"),
    *memory("asyncio"),
    *memory("trio"),
)
