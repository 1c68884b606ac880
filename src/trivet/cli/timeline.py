"""Printing what the library did, and why: the trace of a call, line by line."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from trivet.core.exchange.trace import (
    AttemptFailed,
    CallFailed,
    ContentReceived,
    Event,
    RequestSent,
    ResponseReceived,
    Trace,
)

QUIET = (ContentReceived,)


def print_trace(console: Console, trace: Trace | None) -> None:
    """Print each event with its seconds since the call began; errors red, waits yellow on a terminal."""
    if trace is None:
        return
    zero = trace.started.monotonic
    for event in trace:
        if not isinstance(event, QUIET):
            line = Text(f"  {event.at - zero:7.3f} s  ", style="dim")
            line.append(str(event), style=style(event))
            console.print(line, soft_wrap=True)


def style(event: Event) -> str:
    """The colour of an event.

    >>> style(ResponseReceived(0.0, 1, 503, "Service Unavailable", 0.1))
    'red'
    """
    if isinstance(event, RequestSent):
        return "cyan"
    if isinstance(event, ResponseReceived):
        return "green" if event.status < 300 else "magenta" if event.status < 400 else "red"
    if isinstance(event, AttemptFailed | CallFailed):
        return "red"
    return "yellow"
