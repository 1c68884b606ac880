"""``trivet demo``: one story, told to a misbehaving server by threads, asyncio and trio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console

from trivet.cli.misbehaving import MisbehavingAPI
from trivet.cli.timeline import print_trace
from trivet.clients.asynchronous import AsyncClient
from trivet.clients.sync import Client
from trivet.core.errors import TrivetError
from trivet.core.exchange.flow import Flow
from trivet.core.http.response import Response
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.deadline import Timeout
from trivet.core.policies.retry import Retry

SCENES = (
    ("flaky", "fails twice with 503, then works"),
    ("limited", "says 429 with Retry-After: 1, then works"),
    ("slow", "does not answer the first time: an attempt has half a second"),
    ("reset", "resets the connection in the middle of its answer, then works"),
    ("old", "redirects"),
    ("missing", "refuses, with the reason in JSON"),
    ("steady", "says that its answer is good for a minute"),
    ("steady", "is not asked again"),
    ("tagged", "gives its answer an ETag, and wants to be asked each time"),
    ("tagged", "confirms with 304 what is stored"),
    ("failing", "permits that its answer stands in for it"),
    ("failing", "resets every connection from now on"),
)


def scene(client: Client | AsyncClient, target: str) -> Flow[Response | TrivetError]:
    """One call, written once for the three runtimes; a failure is part of the show."""
    try:
        return (yield from client.flow("GET", target))
    except TrivetError as error:
        return error


def with_threads(url: str, options: dict[str, Any]) -> Iterator[tuple[str, Response | TrivetError]]:
    """Play every scene on the sync client."""
    with Client(url, **options) as client:
        for name, _ in SCENES:
            yield name, client.send(scene(client, name))


async def with_tasks(url: str, options: dict[str, Any]) -> list[tuple[str, Response | TrivetError]]:
    """Play every scene on the asynchronous client, under whichever runtime this is."""
    async with AsyncClient(url, **options) as client:
        return [(name, await client.send(scene(client, name))) for name, _ in SCENES]


def with_asyncio(url: str, options: dict[str, Any]) -> list[tuple[str, Response | TrivetError]]:
    """Run the scenes under asyncio."""
    return asyncio.run(with_tasks(url, options))


def with_trio(url: str, options: dict[str, Any]) -> list[tuple[str, Response | TrivetError]]:
    """Run the scenes under trio."""
    import trio

    return trio.run(with_tasks, url, options)


@click.command()
@click.option("--seed", type=int, default=None, help="Draw the jitter of the waits from this seed.")
def demo(seed: int | None) -> None:
    """Call a misbehaving API through sync, asyncio and trio, and print what happened when, and why."""
    console = Console(highlight=False)
    runners: dict[str, Callable[[str, dict[str, Any]], Any]] = {
        "sync": with_threads,
        "asyncio": with_asyncio,
        "trio": with_trio,
    }
    calls = 0
    with MisbehavingAPI() as api:
        console.print(f"A misbehaving API listens on {api.url}.")
        for name, run in runners.items():
            options = _options(seed)
            try:
                outcomes = run(f"{api.url}/{name}", options)
                for (target, outcome), (_, about) in zip(outcomes, SCENES, strict=False):
                    calls += 1
                    console.print(f"\n[bold]{name}[/bold]  GET /{target}  [dim]{about}[/dim]", soft_wrap=True)
                    _show(console, outcome)
            except ImportError:
                console.print(f"\n[bold]{name}[/bold]  is not installed: pip install 'trivet\\[trio]'")
    console.print(f"\n{calls} calls, decided by one core.")


def _options(seed: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {
        "timeout": Timeout(total=10, attempt=0.5),
        "retry": Retry(backoff=Backoff(base=0.1, jitter="equal")),
        "cache": True,
        "log": False,
    }
    if seed is not None:
        import random

        options["rng"] = random.Random(seed)
    return options


def _show(console: Console, outcome: Response | TrivetError) -> None:
    print_trace(console, outcome.trace)
    if isinstance(outcome, TrivetError):
        console.print(f"  = {type(outcome).__name__}: {outcome}", style="bold red", markup=False, soft_wrap=True)
    else:
        console.print(f"  = {outcome.json()!r}", style="bold green", markup=False, soft_wrap=True)
