"""A store on a Redis or Valkey server, which programs on several machines share."""

from __future__ import annotations

from trivet.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
