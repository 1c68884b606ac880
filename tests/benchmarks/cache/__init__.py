"""What a hit and a miss of the cache cost, beside other caches: the parts of `bench_cache.py`."""

from __future__ import annotations
