"""The report: what was asked and what was found, as a page of the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from transport.cases import Bar, Case
from transport.rounds import MEMORY_ROUNDS, Figures

PEERS = ("aiohttp", "h11", "httpcore", "httpx", "httpx2", "trio", "urllib3", "uvloop")
FIGURES = {
    "cpu": "CPU time",
    "rate": "requests/s",
    "speed": "MB/s of CPU time",
    "process": "the process, MiB",
    "traced": "allocated by Python, MiB",
    "growth": "the process, MiB",
    "plain": "CPU µs without a cache",
    "extra": "CPU µs more than without a cache",
}
COLUMNS = {
    "cpu": "CPU µs for a request",
    "rate": "requests/s",
    "connections": "connections",
    "speed": "MB/s of CPU time",
}
PAGE = """\
# Benchmarks

What a call costs on a real connection, beside other clients. This page is written by
`tests/benchmarks/bench_transport.py`, on a machine that also did other things. Figures of another day, machine or
version differ, and only ratios compare: run `nox -s bench -- tests/benchmarks/bench_transport.py` for your own.

{facts}

## How it was measured

Each measurement is a fresh process that has one core to itself, as far as the machine allows; the server, a small one
under {loop}, has another. It answers a GET with {content} bytes of JSON and six header fields, over connections that stay
open. After a warm-up the CPU time of the client's process, all threads and the system's share included, is divided by
the requests done. Rounds go through all clients in turn; ratios are taken within a round, and of those the table has
the median, with the least and the greatest in brackets.

Trivet is used through `trivet.Client(url).get("/item")` and `trivet.AsyncClient(url).get("/item")` with every
default on. The others do the same job, decode the JSON too, may have 100 connections and keep them open, and have
timeouts where they know them. httpcore is its bare pool; h11 is a bare socket with nothing around it, the floor for a
client that stands on it. Event loops of clients are those of asyncio and trio, without uvloop.

## Trivet beside the others

A ratio is Trivet's figure divided by the other's. The goal is what the project asks of itself; where there is none,
the row is for orientation.

{ratios}

## Memory

In MiB, by the pages of the process, and by what Python allocates. Streams are read through
`client.stream(…).iter_bytes()`, after three of 512 KiB to warm up; the growth is that over 20,000 requests after 2,000.
Rounds: {memory_rounds}.

{memory}

## Behind the ratios

Medians of this run. They say nothing about another machine, nor about this one on another day.

{medians}
"""


def machine() -> str:
    """The class of the machine, and nothing that tells it from others."""
    cores = os.cpu_count() or 1
    kind = {"x86_64": "x86-64", "AMD64": "x86-64", "aarch64": "ARM64", "arm64": "ARM64"}.get(
        platform.machine(), platform.machine()
    )
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{cores} core{'s' * (cores != 1)}, {kind}, {platform.system()}, {python}"


def installed(name: str) -> str | None:
    """The version of a package, if it is there."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def shown(value: float) -> str:
    """Three digits or so."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def spread(values: list[float], rounds: int) -> str:
    """The median, and the least and the greatest; and in how many rounds there was none."""
    if not values:
        return "failed"
    failed = f", failed in {rounds - len(values)} of {rounds}" if len(values) < rounds else ""
    return f"{shown(median(values))} ({shown(min(values))}–{shown(max(values))}){failed}"


def label(client: str) -> str:
    """How a client is called in the tables."""
    name, _, tasks = client.partition("@")
    return name.replace("trivet", "Trivet") + (f", {tasks} thread" if tasks else "")


def goal(bar: Bar, values: list[float]) -> tuple[str, str]:
    """What is asked, and whether it was found."""
    if bar.at_most is None and bar.at_least is None:
        return "–", "–"
    asked = f"≤ {bar.at_most:g}" if bar.at_most is not None else f"≥ {bar.at_least:g}"
    return asked, "yes" if values and bar.holds(median(values)) else "**no**"


def values_of(found: Figures, case: Case, bar: Bar) -> list[float]:
    """Trivet's figures, or the ratios of each round in which both were measured."""
    ours = found.get((case.name, case.clients[0]), [])
    if not bar.peer:
        return [figures[bar.figure] for figures in ours if figures]
    theirs = found.get((case.name, bar.peer), [])
    return [our[bar.figure] / their[bar.figure] for our, their in zip(ours, theirs, strict=False) if our and their]


def bars_of(case: Case) -> Iterator[Bar]:
    """What is asked, and for each peer of which nothing is asked a row for orientation."""
    main = "speed" if case.job == "stream" else "cpu"
    for peer in case.clients[1:]:
        asked = [bar for bar in case.bars if bar.peer == peer]
        yield from asked or [Bar(main, peer)]
    yield from (bar for bar in case.bars if not bar.peer)


def table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    lines = [list(headings), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratios(found: Figures, cases: Iterable[Case], label: Callable[[str], str] = label) -> str:
    """Trivet's figures as shares of the others'."""
    rows = []
    for case in cases:
        for bar in bars_of(case):
            if bar.peer and (case.name, bar.peer) in found:
                values = values_of(found, case, bar)
                ratio = spread(values, len(found[case.name, bar.peer]))
                rows.append([case.title, label(bar.peer), FIGURES[bar.figure], ratio, *goal(bar, values)])
    return table(("case", "beside", "figure", "ratio", "goal", "met"), rows)


def alone(found: Figures, cases: Iterable[Case]) -> str:
    """Figures of Trivet alone."""
    rows = []
    for case in cases:
        for bar in bars_of(case):
            if not bar.peer and (case.name, case.clients[0]) in found:
                values = values_of(found, case, bar)
                grown = spread(values, len(found[case.name, case.clients[0]]))
                rows.append([case.title, FIGURES[bar.figure], grown, *goal(bar, values)])
    return table(("case", "figure", "found", "goal", "met"), rows)


def medians(
    found: Figures,
    cases: Iterable[Case],
    columns: Mapping[str, str] = COLUMNS,
    label: Callable[[str], str] = label,
) -> str:
    """The figures of every client in every case that has ratios."""
    rows = []
    for case in cases:
        for client in case.clients:
            rounds = [figures for figures in found.get((case.name, client), []) if "cpu" in figures]
            if rounds:
                each = [[figures[key] for figures in rounds if key in figures] for key in columns]
                cells = [f"{median(values):,.0f}" if values else "–" for values in each]
                rows.append([case.title, label(client), *cells])
    return table(("case", "client", *columns.values()), rows)


def facts(found: Figures, packages: Iterable[str]) -> str:
    """When, on what and with what it was measured, for the head of a page."""
    versions = {"Trivet": installed("trivet"), **{name: installed(name) for name in packages}}
    rows = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "rounds": str(max(map(len, found.values()), default=0)),
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items() if number),
    }
    return table(("", ""), rows.items())


def loop() -> str:
    """What the server runs under."""
    return "uvloop" if installed("uvloop") else "asyncio"


def page(found: Figures, cases: Iterable[Case], content: int) -> str:
    """The whole report."""
    cases = list(cases)
    return PAGE.format(
        facts=facts(found, PEERS),
        loop=loop(),
        content=content,
        ratios=ratios(found, cases),
        memory=alone(found, cases),
        memory_rounds=min(MEMORY_ROUNDS, max(map(len, found.values()), default=0)),
        medians=medians(found, cases),
    )
