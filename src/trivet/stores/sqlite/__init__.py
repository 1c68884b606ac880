"""A store in a file, shared by any number of threads and processes, that outlives them."""

from __future__ import annotations

from trivet.stores.sqlite.store import SQLiteStore

__all__ = ["SQLiteStore"]
