"""What a client decided once: read its options, make its pipeline, build its requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from trivet.clients.config import Config
from trivet.clients.options import CONNECTION_OPTIONS, TRANSPORT_OPTIONS, ClientOptions, check_names
from trivet.core.errors import ConfigError, InvalidRequest
from trivet.core.http.build import build_request
from trivet.core.http.coding import accept_encoding
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.url import URL
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.deadline import Deadline, Timeout
from trivet.core.policies.pipeline import Pipeline
from trivet.core.policies.policy import Policy
from trivet.core.policies.redirect import Redirect
from trivet.core.policies.retry import Retry
from trivet.core.policies.status import RaiseForStatus
from trivet.drivers.randomness import shared_rng
from trivet.version import __version__

if TYPE_CHECKING:
    import logging

    from trivet.core.caching.policy import Cache
    from trivet.core.exchange.call import Rng
    from trivet.core.policies.breaker import Breaker
    from trivet.core.policies.coalesce import Coalesce
    from trivet.core.policies.rate_limit import RateLimit
    from trivet.drivers.clock import Clock

PIPELINE_OPTIONS = frozenset({"timeout", "retry", "auth", "cache", "raise_for_status"})
"""Options of a call that need another pipeline than the client's own."""


class Settings:
    """The options of a client, read once and immutable from then on."""

    def __init__(
        self, base_url: str | URL | Config | None, options: Mapping[str, Any], *, shared: Coalesce | None = None
    ) -> None:
        check_names(options, ClientOptions.__annotations__, "Client")
        if isinstance(base_url, Config):
            options = {**_from_config(base_url), **options}
            base_url = base_url.base_url
        self.base_url = _base_url(base_url)
        self._own_headers = _headers(options.get("headers", ()))
        self.limits = _limits(options.get("limits", DEFAULT_LIMITS))
        self.timeout = Timeout.of(options.get("timeout", Timeout()))
        self.retry = self._retry(options.get("retry", Retry()))
        self.auth = _auth(options.get("auth"))
        self.breaker = _breaker(options.get("breaker"))
        self.rate_limit = _rate_limit(options.get("rate_limit"))
        self.raise_for_status: bool = options.get("raise_for_status", True)
        self.params = options.get("params")
        self.log: logging.Logger | Literal[False] | None = options.get("log")
        self.debug: bool = options.get("debug", False)
        if self.auth is not None and self.auth.header is not None and self.auth.header in self._own_headers:
            raise ConfigError(f"headers= and auth= both set {self.auth.header}: keep one of them")
        if options.get("transport") is not None and (idle := sorted(TRANSPORT_OPTIONS & options.keys())):
            raise ConfigError(f"transport= brings its own connections, so {', '.join(idle)} would have no effect")
        self._headers: Headers | None = None
        self._rng: Rng | None = options.get("rng")
        self.cache = _cache(options.get("cache"), options.get("clock"))
        self.coalesce = _coalesce(options.get("coalesce"), self.cache, shared)
        # A sibling derives from what was read, not from what was written: it shares the state that is in it.
        self.options: dict[str, Any] = {
            **options,
            "breaker": self.breaker,
            "rate_limit": self.rate_limit,
            "cache": self.cache,
        }
        if options.get("coalesce"):
            self.options["coalesce"] = self.coalesce
        self._fixed_policies = self._policies(options)
        caching: list[Policy] = [policy for policy in (self.cache, self.coalesce) if policy is not None]
        self._caching = caching
        self.pipeline = self._pipeline(self.timeout, self.retry, self.auth, self.raise_for_status, caching)

    def derive(self, overrides: Mapping[str, Any]) -> Settings:
        """The settings of a sibling client. Raises `ConfigError` for what the siblings share."""
        check_names(overrides, ClientOptions.__annotations__, "with_options")
        if fixed := sorted(CONNECTION_OPTIONS & overrides.keys()):
            raise ConfigError(f"with_options() cannot change {', '.join(fixed)}: siblings share the connections")
        changed = dict(overrides)
        if "timeout" in changed:
            changed["timeout"] = self._timeout(changed["timeout"])
        if "retry" in changed:
            changed["retry"] = self._retry_over(changed["retry"])
        # What came with the cache is shared with it.
        shared = None if "cache" in changed else self.coalesce
        return Settings(self.base_url, {**self.options, **changed}, shared=shared)

    @property
    def rng(self) -> Rng:
        """Where randomness comes from."""
        return self._rng or shared_rng()

    @property
    def headers(self) -> Headers:
        """The fields sent with every request."""
        if self._headers is None:
            # Made at the first call: to know which codings can be removed, packages are looked for.
            usual = {
                "User-Agent": f"trivet/{__version__}",
                "Accept": "application/json, */*;q=0.8",
                "Accept-Encoding": accept_encoding(),
            }
            self._headers = self._own_headers.with_defaults(Headers(usual))
        return self._headers

    def request(self, method: str, target: str, json: object, options: Mapping[str, Any]) -> Request:
        """Build the request of one call. Raises `InvalidRequest`."""
        if not options:
            return build_request(
                method,
                target,
                base_url=self.base_url,
                json=json,
                default_headers=self.headers,
                default_params=self.params,
            )
        key = options.get("idempotency_key")
        return build_request(
            method,
            target,
            base_url=self.base_url,
            params=options.get("params"),
            path=options.get("path"),
            headers=options.get("headers", ()),
            json=json,
            form=options.get("form"),
            content=options.get("content"),
            files=options.get("files"),
            default_headers=self.headers,
            default_params=self.params,
            idempotency_key=self._new_key() if key is True else key or None,
            on_interim=options.get("on_interim"),
        )

    def _new_key(self) -> str:
        from trivet.core.policies.idempotency import new_key

        return new_key(self.rng)

    def pipeline_for(self, options: Mapping[str, Any]) -> Pipeline:
        """The pipeline of one call: the client's own, unless the call has options that change it."""
        if not PIPELINE_OPTIONS & options.keys():
            return self.pipeline
        return self._pipeline(
            self._timeout(options["timeout"]) if "timeout" in options else self.timeout,
            self._retry_over(options["retry"]) if "retry" in options else self.retry,
            _auth(options["auth"]) if "auth" in options else self.auth,
            options.get("raise_for_status", self.raise_for_status),
            self._caching_of(options.get("cache")),
        )

    def _caching_of(self, value: Any) -> list[Policy]:
        """What caches in one call. One that wants an answer of its own shares none with other calls."""
        if value is None:
            return self._caching
        if value is False:
            return [] if self.cache is None else [self.cache.bypassing()]
        if value == "refresh":
            return [] if self.cache is None else [self.cache.refreshing()]
        raise ConfigError(f'cache= of a call takes False or "refresh", not {value!r:.80}: the client has the cache')

    def _pipeline(
        self, timeout: Timeout, retry: Retry, auth: Auth | None, raises: bool, caching: list[Policy]
    ) -> Pipeline:
        policies = [*self._fixed_policies, *caching, Deadline(timeout), retry]
        if auth is not None:
            policies.append(auth)
        if raises:
            policies.append(RaiseForStatus(self.limits))
        # A stable sort: several policies of the user's at one stage keep the order they were given in.
        return Pipeline(sorted(policies, key=_stage), limits=self.limits)

    def _policies(self, options: Mapping[str, Any]) -> list[Policy]:
        redirects = options.get("redirects", True)
        found: list[Policy] = [Redirect(10 if redirects is True else redirects or 0, limits=self.limits)]
        if options.get("idempotency_keys"):
            from trivet.core.policies.idempotency import Idempotency

            found.append(Idempotency())
        found += [policy for policy in (self.breaker, self.rate_limit) if policy is not None]
        for policy in options.get("policies", ()):
            if not isinstance(policy, Policy):
                raise ConfigError(f"policies= takes instances of Policy, not {_kind(policy)}")
            found.append(policy)
        return found

    def _timeout(self, value: Timeout | float | None) -> Timeout:
        if value is None or isinstance(value, Timeout):
            return Timeout.of(value)
        return replace(self.timeout, total=value)

    def _retry(self, value: Retry | int | None) -> Retry:
        retry = Retry.of(value)
        return retry if self.limits is DEFAULT_LIMITS else replace(retry, limits=self.limits)

    def _retry_over(self, value: Retry | int | None) -> Retry:
        """A number changes how often is retried, and leaves the rest as the client has it."""
        if isinstance(value, Retry):
            return self._retry(value)
        return replace(self.retry, max_retries=Retry.of(value).max_retries)


def _from_config(config: Config) -> dict[str, Any]:
    from trivet.core.policies.auth.bearer import BearerAuth

    return {
        "auth": BearerAuth(config.api_key) if config.api_key is not None else None,
        "timeout": config.timeout,
        "retry": Retry(config.max_retries, Backoff(base=config.backoff_factor)),
        "cache": config.cache_ttl,
        "debug": config.debug,
    }


def _base_url(value: str | URL | None) -> URL | None:
    if value is None:
        return None
    try:
        url = value if isinstance(value, URL) else URL(value)
    except InvalidRequest as error:
        raise ConfigError(f"base_url: {error.message}") from error
    if url.query:
        raise ConfigError("base_url has a query: give it as params= instead")
    return url


def _auth(value: Any) -> Auth | None:
    if value is None or isinstance(value, Auth):
        return value
    # The value itself is likely a secret.
    raise ConfigError(f"auth= takes an Auth, such as BearerAuth(token), not {_kind(value)}")


def _limits(value: Any) -> Limits:
    if isinstance(value, Limits):
        return value
    raise ConfigError(f"limits= takes a Limits, not {_kind(value)}")


def _breaker(value: Any) -> Breaker | None:
    if value is None or value is False:
        return None
    from trivet.core.policies.breaker import Breaker

    if value is True:
        return Breaker()
    if isinstance(value, Breaker):
        return value
    raise ConfigError(f"breaker= takes a Breaker, True or None, not {_kind(value)}")


def _cache(value: Any, clock: Clock | None) -> Cache | None:
    # Nought seconds keep nothing.
    if value is None or value is False or (value == 0 and isinstance(value, int | float)):
        return None
    from trivet.core.caching.policy import Cache

    if isinstance(value, Cache):
        return value
    if isinstance(value, int | float):
        from trivet.stores.cache import Cache as CacheInMemory
        from trivet.stores.memory import MemoryStore

        # By another time than the client's, what is stored would seem to be long past.
        store = MemoryStore() if clock is None else MemoryStore(clock=lambda: clock.now().wall)
        return CacheInMemory(store, ttl=None if value is True else value)
    raise ConfigError(f"cache= takes a Cache, True, a number of seconds or None, not {_kind(value)}")


def _coalesce(value: Any, cache: Cache | None, shared: Coalesce | None) -> Coalesce | None:
    if value is False or (value is None and cache is None):
        return None
    if value is None and shared is not None:
        return shared
    from trivet.core.policies.coalesce import Coalesce

    if value is None or value is True:
        return Coalesce()
    if isinstance(value, Coalesce):
        return value
    raise ConfigError(f"coalesce= takes a Coalesce, True, False or None, not {_kind(value)}")


def _rate_limit(value: Any) -> RateLimit | None:
    if value is None:
        return None
    from trivet.core.policies.rate_limit import RateLimit

    if isinstance(value, RateLimit):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return RateLimit(value)
    raise ConfigError(f"rate_limit= takes a RateLimit or a number of calls per second, not {_kind(value)}")


def _headers(value: Any) -> Headers:
    try:
        return Headers(value)
    except InvalidRequest as error:
        raise ConfigError(f"headers: {error.message}") from error


def _stage(policy: Policy) -> int:
    return policy.stage


def _kind(value: object) -> str:
    return type(value).__name__
