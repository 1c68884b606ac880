"""The cache with a store of its own, unless it is given one."""

from __future__ import annotations

from collections.abc import Iterable

from trivet.core.caching.policy import Cache as CachePolicy
from trivet.core.caching.store import Store
from trivet.stores.memory import MemoryStore


class Cache(CachePolicy):
    """Keep responses and answer with them, as RFC 9111 permits or for a fixed time.

    ``store``: where; None: in a `MemoryStore`. One cache may serve any number of clients, of both kinds.

    ``ttl``: None for RFC 9111: what the fields of each response say. A number of seconds keeps every successful response
    to GET for so long, whatever its fields say but for Vary; requests that differ only in the order of their query
    parameters are then the same, and the header ``fields`` named here tell requests apart.

    ``shared``: False for the private cache of one user; True for one that several users share, such as a proxy's
    (RFC 9111 §1), which keeps less.

    What is stored for one set of credentials is never served to another one, nor without. An unsafe request removes what
    is stored for its URL (RFC 9111 §4.4).

    Raises `ConfigError` for a ``ttl`` that is not a positive number of seconds, and for ``fields`` without ``ttl``.

    >>> import trivet
    >>> trivet.Client("https://api.example.com", cache=Cache(ttl=300))
    <Client https://api.example.com/>
    """

    __slots__ = ()

    def __init__(
        self,
        store: Store | None = None,
        ttl: float | None = None,
        shared: bool = False,
        *,
        fields: Iterable[str] = (),
    ) -> None:
        super().__init__(MemoryStore() if store is None else store, ttl=ttl, shared=shared, fields=fields)
