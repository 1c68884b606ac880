"""One measurement, in a process of its own: one client at one job. Prints its figures as JSON."""

from __future__ import annotations

import argparse
import asyncio
import os
import threading
import traceback
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Any

from transport import async_clients, sync_clients
from transport.cores import pin
from transport.observe import Window, growth, peak
from transport.server import ITEM

Tick = Callable[[], object]

STREAMED = 10 * 1024 * 1024
# Too short to leave memory behind that the whole stream could then use: what is allocated is to be seen.
SHORT = 512 * 1024
PEAK_WARM_UP = 3


def check(result: object) -> None:
    """What does not do its job is not measured."""
    if result not in (ITEM, SHORT, STREAMED):
        raise ValueError(f"not what the server has sent: {result!r:.100}")


def run_sync(call: Callable[[], Any], tick: Tick) -> None:
    """Request after request."""
    check(call())
    while True:
        call()
        tick()


def run_threads(call: Callable[[], Any], tick: Tick, threads: int) -> None:
    """So many threads with one client. An error of one of them ends the process."""

    def work() -> None:
        try:
            run_sync(call, tick)
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


async def go_on(call: Callable[[], Awaitable[Any]], tick: Tick) -> None:
    """Request after request, in one task.

    All tasks begin at once: after a first request of one alone, httpx and httpcore go on with few connections.
    """
    check(await call())
    while True:
        await call()
        tick()


async def run_asyncio(make: Callable[[str], Callable[[], Awaitable[Any]]], url: str, tick: Tick, tasks: int) -> None:
    """So many tasks with one client."""
    call = make(url)
    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(go_on(call, tick))


async def run_trio(make: Callable[[str], Callable[[], Awaitable[Any]]], url: str, tick: Tick, tasks: int) -> None:
    """So many tasks with one client."""
    import trio

    call = make(url)
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(go_on, call, tick)


def streaming(make: Callable[[str], Callable[[int], Any]], job: str) -> Callable[[str], Callable[[], Any]]:
    """The same with sizes: whole streams, after short ones if their memory is measured."""

    def make_sized(url: str) -> Callable[[], Any]:
        stream = make(url)
        sizes = chain(repeat(SHORT, PEAK_WARM_UP if job == "peak" else 0), repeat(STREAMED))
        return lambda: stream(next(sizes))

    return make_sized


def observer(job: str, *, quick: bool) -> Tick:
    """What is told of every request."""
    if job == "growth":
        return growth(*((200, 500) if quick else (2_000, 20_000))).__next__
    if job == "peak":
        # The first request is checked, and not observed.
        return peak(PEAK_WARM_UP - 1).__next__
    least = 3 if job == "stream" else 200
    return Window(0.05, 0.15, least).tick if quick else Window(0.4, 1.2, least).tick


def main() -> None:
    """Measure until the observer has seen enough, which ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("client")
    parser.add_argument("runtime", choices=["sync", "threads", "asyncio", "trio"])
    parser.add_argument("job", choices=["get", "stream", "growth", "peak"])
    parser.add_argument("tasks", type=int)
    parser.add_argument("--quick", action="store_true")
    wanted = parser.parse_args()
    pin(0)
    clients: Any = async_clients if wanted.runtime in ("asyncio", "trio") else sync_clients
    if wanted.job in ("stream", "peak"):
        make = streaming(clients.STREAMS[wanted.client], wanted.job)
    else:
        make = clients.GETS[wanted.client]
    tick = observer(wanted.job, quick=wanted.quick)
    if wanted.runtime == "sync":
        run_sync(make(wanted.url), tick)
    elif wanted.runtime == "threads":
        run_threads(make(wanted.url), tick, wanted.tasks)
    elif wanted.runtime == "asyncio":
        asyncio.run(run_asyncio(make, wanted.url, tick, wanted.tasks))
    else:
        import trio

        trio.run(run_trio, make, wanted.url, tick, wanted.tasks)


if __name__ == "__main__":
    main()
