"""Where the time of a hit and of a miss goes: `python -m cache.breakdown`, in the folder above. Nothing is compared.

The steps of a call are those between the actions of its flow: what the policies do until there is something to perform,
and what is performed. The transport answers at once with a response made beforehand. Medians of µs, less what it takes to look at
the clock; a whole call is a little more than its steps, for what the driver does itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from email.utils import formatdate
from itertools import count, repeat
from statistics import median
from typing import Any

from bench_pipeline import Canned, microseconds

import trivet
from cache.server import CONTENT
from cache.sync_clients import trivet_options
from trivet import core
from trivet.core.caching.answers import answer
from trivet.core.caching.asking import AskingReader
from trivet.core.caching.keys import cache_key
from trivet.core.caching.reuse import decide
from trivet.core.caching.vary import matches
from trivet.core.exchange.call import Call
from trivet.drivers.clock import ThreadClock

URL = "https://api.example.com"
CALLS = 5_000
HEADERS = core.Headers.from_raw(
    [
        (b"Server", b"canned"),
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"%d" % len(CONTENT)),
        (b"Cache-Control", b"max-age=3600"),
        (b"ETag", b'"6f1c0e9a2b7d4c35"'),
        (b"Date", formatdate(usegmt=True).encode()),
    ]
)
NOW = ThreadClock().now
RNG = random.Random(1)


class Catalogue(Canned):
    """A transport that answers at once, with the content in the response."""

    def send(self, action: core.SendRequest, monotonic: Any) -> core.Response:
        return core.Response(200, HEADERS, CONTENT)


class Steps:
    """How long each step took, call after call."""

    def __init__(self) -> None:
        self.taken: dict[str, list[int]] = {}
        self._before = 0

    def begin(self) -> None:
        self._before = time.perf_counter_ns()

    def end(self, step: str) -> None:
        now = time.perf_counter_ns()
        self.taken.setdefault(step, []).append(now - self._before)
        self._before = time.perf_counter_ns()

    def medians(self) -> dict[str, float]:
        return {step: median(taken) for step, taken in self.taken.items()}


def walk(client: trivet.Client, target: str, steps: Steps) -> None:
    """One call, performed by hand."""
    transport = Catalogue()
    steps.begin()
    flow = client.flow("GET", target)
    steps.end("make the request")
    exchange = core.Exchange(flow, rng=RNG)
    step = exchange.start(NOW())
    before = "begin"
    while not isinstance(step, core.Done):
        name = type(step).__name__
        steps.end(f"{before} → {name}")
        reply: Any = transport.send(step, None) if isinstance(step, core.SendRequest) else step.perform()
        steps.end(name)
        step = exchange.receive(reply, NOW())
        before = name
    steps.end(f"{before} → done")
    step.result.json()
    steps.end("decode the JSON")


def clock() -> float:
    """What a step seems to take that does nothing."""
    steps = Steps()
    for _ in range(CALLS):
        steps.begin()
        steps.end("nothing")
    return steps.medians()["nothing"]


def show(title: str, client: trivet.Client, targets: Iterator[str]) -> None:
    """The steps of a call, and the whole of it."""
    steps = Steps()
    for _ in range(CALLS // 10):
        walk(client, next(targets), Steps())
    for _ in range(CALLS):
        walk(client, next(targets), steps)
    overhead = clock()
    print(f"\n{title}")
    for step, taken in steps.medians().items():
        print(f"  {step:<44}{(taken - overhead) / 1000:>8.1f}")
    for _ in range(CALLS):
        target = next(targets)
        steps.begin()
        client.get(target)
        steps.end("client.get, all of it")
    print(f"  {'client.get, all of it':<44}{(steps.medians()['client.get, all of it'] - overhead) / 1000:>8.1f}")


def parts() -> None:
    """What a hit calls, in µs of CPU time."""
    store = trivet.MemoryStore()
    with trivet.Client(URL, cache=trivet.Cache(store=store), transport=Catalogue()) as client:
        request = client.raw.get("/item").request
    key = cache_key(request, None)
    (stored,) = store.find(key)
    asking = AskingReader().read(request)
    now = NOW()
    call = Call(now, RNG, core.Trace(now))
    reuse = decide(asking.directives, stored, shared=False, now=time.time())
    response = answer(stored, request, call, store, age=reuse.age)
    print("parts of a hit")
    for name, part in {
        "what the request asks, read anew": lambda: AskingReader().read(request),
        "the key": lambda: cache_key(request, None),
        "find it in a MemoryStore": lambda: store.find(key),
        "does Vary match": lambda: matches(stored.entry.vary, request.headers),
        "decide": lambda: decide(asking.directives, stored, shared=False, now=time.time()),
        "build the response": lambda: answer(stored, request, call, store, age=reuse.age),
        "decode the JSON": response.json,
    }.items():
        print(f"  {name:<44}{microseconds(part):>8.1f}")


def main() -> None:
    """Measure and print."""
    parts()
    for title, word, job in (
        ("no cache", "none", "miss"),
        ("a hit in memory", "memory", "hit"),
        ("a hit in memory, fixed time", "fixed", "hit"),
        ("a miss, kept in memory that is full", "small", "miss"),
        ("a hit in an SQLite file", "sqlite", "hit"),
        ("a miss, kept in an SQLite file", "sqlite", "miss"),
    ):
        with trivet.Client(URL, transport=Catalogue(), **trivet_options({word})) as client:
            show(title, client, repeat("/item") if job == "hit" else (f"/item/{number}" for number in count()))


if __name__ == "__main__":
    main()
