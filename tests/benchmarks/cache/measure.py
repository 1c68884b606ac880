"""One measurement, in a process of its own: one client and its cache at one job. Prints its figures as JSON."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import count, cycle, repeat
from typing import Any
from urllib.parse import urlsplit

from transport.cores import pin
from transport.observe import Window

from cache import async_clients, sync_clients
from cache.server import CATALOGUE
from cache.turns import Turns

Get = Callable[[str], Any]
Make = Callable[[str, set[str]], Get]
Tick = Callable[[], object]

MANY = 1000
JOBS = ("hit", "many", "varying", "miss")


def targets(job: str) -> Iterator[str]:
    """What is asked for."""
    if job == "miss":
        return (f"/item/{number}" for number in count())
    if job == "many":
        return cycle([f"/item/{number}" for number in range(MANY)])
    return repeat("/varying" if job == "varying" else "/item")


class Origin:
    """What the origin has seen of the requests: nothing if they are hits, and all of them if they are misses."""

    def __init__(self, url: str, *, hits: bool) -> None:
        self._address = urlsplit(url).netloc
        self._hits = hits
        self._before: tuple[int, int] | None = None

    def seen(self) -> int:
        """How many requests it has seen in all."""
        connection = HTTPConnection(self._address)
        connection.request("GET", "/seen")
        seen = int(connection.getresponse().read())
        connection.close()
        return seen

    def check(self, done: int) -> dict[str, float]:
        """How many requests it has seen since the last call; what is neither hit nor miss is not measured."""
        before, self._before = self._before, (done, self.seen())
        if before is None:
            return {}
        requests, seen = done - before[0], self._before[1] - before[1]
        if seen != (0 if self._hits else requests):
            sys.exit(f"the origin has seen {seen} of {requests} requests")
        return {"origin": seen}


def check(results: list[object], seen: int) -> None:
    """What does not do its job is not measured: two requests for one target."""
    if results != [CATALOGUE, CATALOGUE]:
        sys.exit(f"not what the origin has sent: {results!r:.100}")
    if seen != 1:
        sys.exit("the first response was not kept, or not used for the second request")


def run_sync(make: Make, wanted: argparse.Namespace) -> None:
    """Request after request."""
    origin, get, tick = prepare(make, wanted)
    each = targets(wanted.job)
    first, before = next(each), origin.seen()
    check([get(first), get(first)], origin.seen() - before)
    for target in each:
        get(target)
        tick()


async def run_asyncio(make: Make, wanted: argparse.Namespace) -> None:
    """The same in one task."""
    origin, get, tick = prepare(make, wanted)
    each = targets(wanted.job)
    first, before = next(each), origin.seen()
    check([await get(first), await get(first)], origin.seen() - before)
    for target in each:
        await get(target)
        tick()


def prepare(make: Make, wanted: argparse.Namespace) -> tuple[Origin, Get, Tick]:
    """The origin, what is to be called with each target, and what is told of it."""
    origin = Origin(wanted.url, hits=wanted.job != "miss")
    warm_up, seconds = (0.05, 0.15) if wanted.quick else (0.4, 1.2)
    get = make(wanted.url, set(wanted.cache.split("-")))
    if wanted.client == "trivet" and wanted.job == "miss":
        gets = get, make(wanted.url, {"none"})
        turns = Turns(warm_up, 2 * seconds, origin.check)
        return origin, lambda target: gets[turns.turn](target), turns.tick
    return origin, get, Window(warm_up, seconds, MANY if wanted.job == "many" else 200, origin.check).tick


def main() -> None:
    """Measure until the observer has seen enough, which ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("client")
    parser.add_argument("runtime", choices=["sync", "asyncio"])
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("cache", help="words of `cases`, as memory-fixed")
    parser.add_argument("--quick", action="store_true")
    wanted = parser.parse_args()
    pin(0)
    if wanted.runtime == "sync":
        run_sync(sync_clients.CLIENTS[wanted.client], wanted)
    else:
        asyncio.run(run_asyncio(async_clients.CLIENTS[wanted.client], wanted))


if __name__ == "__main__":
    main()
