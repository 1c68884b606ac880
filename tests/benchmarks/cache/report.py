"""The report: what was asked and what was found, as a page of the documentation."""

from __future__ import annotations

from collections.abc import Sequence

from transport.cases import Case
from transport.report import COLUMNS, alone, facts, loop, medians, ratios
from transport.rounds import Figures

from cache.server import SIZE

PEERS = (
    "hishel",
    "httpx",
    "httpx2",
    "aiohttp-client-cache",
    "aiohttp",
    "requests-cache",
    "CacheControl",
    "requests",
    "uvloop",
)
NAMES = {
    "trivet": "Trivet",
    "aiohttp_client_cache": "aiohttp-client-cache",
    "cachecontrol": "CacheControl",
    "requests_cache": "requests-cache",
}
# What a case says of all of its clients is not said of each.
WORDS = {"fixed": "fixed time", "httpx2": "on httpx2"}
PAGE = """\
# Benchmarks of the cache

What a hit and a miss cost, beside other caches. This page is written by `tests/benchmarks/bench_cache.py`, on a
machine that also did other things. Figures of another day, machine or version differ, and only ratios compare: run
`nox -s bench -- tests/benchmarks/bench_cache.py` for your own.

{facts}

## How it was measured

Each measurement is a fresh process that has one core to itself, as far as the machine allows; the origin, a small server
under {loop}, has another. It answers a GET with {size} bytes of JSON, which may be kept for an hour
(`Cache-Control: max-age=3600`), and counts what it sees: in a measurement of hits that must be nothing, in one of misses
everything. After a warm-up the CPU time of the client's process, all threads and the system's share included, is divided
by the requests done. Rounds go through all clients in turn; ratios and differences are taken within a round, and of
those the tables have the median, with the least and the greatest in brackets.

Trivet is used through `client.get("/item")`, with `cache=True` or `cache=Cache(store=SQLiteStore(path))` and every other
default on. The others do the same job and decode the JSON too, each in the quickest of its ways; httpx and requests do
not look for proxies in the environment. Hishel's cache in memory is SQLite's. *Fixed time* is a cache
that asks no field of the response whether it may be kept and whether it is fresh: the default of hishel,
requests-cache and aiohttp-client-cache, and `cache=3600` in Trivet. Where nothing is said of it, a cache is set up to
heed `Cache-Control`: `rfc=True` in hishel, `cache_control=True` in requests-cache and aiohttp-client-cache.

## Trivet beside the others

A ratio is Trivet's figure divided by the other's. The goal is what the project asks of itself; where there is none,
the row is for orientation.

{ratios}

## What a miss costs more

Every GET is for another URL, and its response is kept. Here the client and one without a cache take turns in one process,
twenty requests each time, for the difference is smaller than what a machine varies by from one second to the next.

{extra}

## Behind the ratios

Medians of this run. They say nothing about another machine, nor about this one on another day.

{medians}
"""


def label(client: str) -> str:
    """How a client is called in the tables."""
    name, _, cache = client.partition("@")
    return ", ".join([NAMES.get(name, name), *(WORDS[word] for word in cache.split("-") if word in WORDS)])


def page(found: Figures, cases: Sequence[Case]) -> str:
    """The whole report."""
    return PAGE.format(
        facts=facts(found, PEERS),
        loop=loop(),
        size=f"{SIZE:,}",
        ratios=ratios(found, cases, label),
        extra=alone(found, cases),
        medians=medians(found, cases, {name: COLUMNS[name] for name in ("cpu", "rate")}, label),
    )
