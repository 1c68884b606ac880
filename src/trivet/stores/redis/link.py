"""The way to a Redis server that may fail: what cannot be done is None, and said once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from trivet.core.caching.store import StoreWarning
from trivet.stores.redis.client import open_client

if TYPE_CHECKING:
    from trivet.stores.redis.client import Client
    from trivet.stores.redis.scripts import Script

__all__ = ["BACK_OFF", "Link"]

BACK_OFF: Final = 5.0
"""For how many seconds after a failure the server is left alone."""

_LONGEST_TEXT: Final = 200


class Link:
    """A client that does not fail.

    After a failure, some seconds pass before one call tries again, and the others once it has succeeded: a server
    that does not answer costs no more than a timeout now and then.
    """

    __slots__ = (
        *("_client", "_clock", "_failed_at", "_lock", "_no_script", "_owned"),
        *("_rejected", "_secret", "_shown", "_warned", "where"),
    )

    def __init__(self, server: str | Client, clock: Callable[[], float]) -> None:
        self._client, package, self._owned, self.where, self._secret = open_client(server)
        errors: Any = import_module(f"{package}.exceptions")
        self._no_script: type[Exception] = errors.NoScriptError
        self._rejected: type[Exception] = errors.ResponseError
        self._shown: tuple[type[Exception], ...] = (errors.ConnectionError, errors.TimeoutError, errors.ResponseError)
        self._clock = clock
        self._failed_at: float | None = None
        self._lock = Lock()
        self._warned = False

    def run(self, script: Script, keys: Sequence[bytes], args: Sequence[object]) -> Any:
        """The reply of a script; None if there is none."""
        if self._rests():
            return None
        execute, rest = self._client.execute_command, (len(keys), *keys, *args)
        try:
            try:
                reply = execute("EVALSHA", script.sha, *rest)
            except self._no_script:
                reply = execute("EVAL", script.text, *rest)
        except Exception as error:
            return self._fail(error, keys)
        self._failed_at = None
        return reply

    def call(self, command: str, *args: object, keys: Sequence[bytes] = ()) -> Any:
        """The reply to a command, which takes its keys before the other arguments; None if there is none."""
        if self._rests():
            return None
        try:
            reply = self._client.execute_command(command, *keys, *args)
        except Exception as error:
            return self._fail(error, keys)
        self._failed_at = None
        return reply

    def close(self) -> None:
        """Close the connections that are not in use, unless the client is somebody else's."""
        if self._owned:
            self._client.connection_pool.disconnect(inuse_connections=False)

    def _rests(self) -> bool:
        failed_at = self._failed_at
        if failed_at is None:
            return False
        now = self._clock()
        # A clock that was set back tells nothing.
        if 0.0 <= now - failed_at < BACK_OFF:
            return True
        # This call tries, and the others go on without until it is back.
        self._failed_at = now
        return False

    # Of whatever class the error is: when it is closed meanwhile, say, a client raises others than its own.
    def _fail(self, error: Exception, keys: Sequence[bytes]) -> None:
        if isinstance(error, self._rejected):
            # The server is there, and will do other things.
            self._failed_at = None
            if "WRONGTYPE" in str(error):
                # Under a name of ours there is something that is not.
                self.call("UNLINK", keys=keys)
                return
        else:
            self._failed_at = self._clock()
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            text = f"the store on {self.where} fails, and calls go on without it: {self._describe(error)}"
            warnings.warn(text, StoreWarning, stacklevel=4)

    def _describe(self, error: Exception) -> str:
        name, text = type(error).__name__, str(error)
        # Others may show what was sent, as it is or in a form in which a secret would not be recognised.
        if not isinstance(error, self._shown) or (self._secret and self._secret in text):
            return name
        return f"{name}: {' '.join(text.split())[:_LONGEST_TEXT]}"
