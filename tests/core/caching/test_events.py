"""What the trace says about the cache, word by word."""

from __future__ import annotations

import pickle
from typing import NamedTuple

import pytest

from trivet.core.caching.events import (
    CacheHit,
    CacheMissed,
    EntriesInvalidated,
    ResponseNotStored,
    ResponseStored,
    ResponseValidated,
    StaleServed,
    StoreFailed,
    ValidationStarted,
)

GET = (0.5, "GET", "https://a.example/")

EVENTS = [
    (CacheHit(*GET, "fresh: max-age=60, 12 s old"), "cache hit: GET https://a.example/ (fresh: max-age=60, 12 s old)"),
    (CacheMissed(*GET, "nothing is stored"), "cache miss: nothing is stored"),
    (ValidationStarted(*GET, "stale by 12 s", False), "cache: stale by 12 s, validated now"),
    (ValidationStarted(*GET, "stale by 12 s", True), "cache: stale by 12 s, validated in the background"),
    (
        ResponseValidated(*GET, "stale by 12 s, validated with ETag → 304"),
        "cache: stale by 12 s, validated with ETag → 304",
    ),
    (StaleServed(*GET, "stale by 12 s"), "cache: stale response served: stale by 12 s"),
    (ResponseStored(*GET, "stored: max-age=60"), "stored: max-age=60"),
    (ResponseNotStored(*GET, "not stored: no-store"), "not stored: no-store"),
    (EntriesInvalidated(0.5, "POST", "https://a.example/", 2), "cache: 2 stored invalidated by POST"),
    (
        StoreFailed(0.5, "SaveEntry", "OSError"),
        "cache: SaveEntry failed with OSError; the call goes on without the store",
    ),
]


@pytest.mark.parametrize(("event", "text"), EVENTS, ids=lambda value: type(value).__name__)
def test_what_an_event_says(event: NamedTuple, text: str) -> None:
    assert str(event) == text
    assert event[0] == 0.5
    assert pickle.loads(pickle.dumps(event)) == event
