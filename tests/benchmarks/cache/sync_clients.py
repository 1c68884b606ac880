"""The synchronous clients, each with a cache whose words are in `cases`.

Each function makes a client and returns what gets a target and decodes its JSON. Of the ways to write the same call,
each has the one that is quickest with it. Imports are local, since a process measures one client.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from transport.sync_clients import httpx_options

SECONDS = 3600
FEW = 100


def new_file() -> Path:
    """For a database that lasts as long as the process."""
    return Path(mkdtemp()) / "cache.db"


def trivet_options(words: set[str]) -> dict[str, Any]:
    """For both clients of Trivet."""
    import trivet

    if "none" in words:
        return {}
    if "sqlite" in words:
        return {"cache": trivet.Cache(store=trivet.SQLiteStore(new_file()))}
    if "small" in words:
        return {"cache": trivet.Cache(store=trivet.MemoryStore(max_entries=FEW))}
    return {"cache": SECONDS if "fixed" in words else True}


def trivet_get(url: str, words: set[str]) -> Callable[[str], Any]:
    import trivet

    return trivet.Client(url, **trivet_options(words)).get


def hishel_get(url: str, words: set[str]) -> Callable[[str], Any]:
    import sqlite3

    import hishel

    library = "httpx2" if "httpx2" in words else "httpx"
    options = httpx_options(import_module(library))
    if "sqlite" in words:
        storage = hishel.SqliteStorage(database_path=new_file())
    else:
        connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        storage = hishel.SqliteStorage(connection=connection)
    # Without a base URL: joining the two costs more than reading the whole one.
    client = import_module(f"hishel.{library}").CacheClient(storage=storage, rfc="fixed" not in words, **options)
    return lambda target: client.get(url + target).json()


def requests_cache_get(url: str, words: set[str]) -> Callable[[str], Any]:
    import requests_cache

    backend: Any = requests_cache.SQLiteCache(new_file(), wal=True) if "sqlite" in words else requests_cache.BaseCache()
    session = requests_cache.CachedSession(backend=backend, cache_control="fixed" not in words)
    # Else it would go through the environment for each request.
    session.trust_env = False
    return lambda target: session.get(url + target).json()


def cachecontrol_get(url: str, words: set[str]) -> Callable[[str], Any]:
    import cachecontrol
    import requests

    session = cachecontrol.CacheControl(requests.Session())
    session.trust_env = False
    return lambda target: session.get(url + target).json()


CLIENTS = {
    "trivet": trivet_get,
    "hishel": hishel_get,
    "requests_cache": requests_cache_get,
    "cachecontrol": cachecontrol_get,
}
