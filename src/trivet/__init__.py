"""Trivet: a library for calling HTTP APIs well, under threads, asyncio and trio.

>>> import trivet
>>> trivet.Client("https://api.example.com", auth=trivet.BearerAuth("t0ken"), retry=5)
<Client https://api.example.com/>

A name is imported when it is first used, so that a program that only retries a function does not pay for clients.
"""

from __future__ import annotations

from trivet.lazy import names_of

__getattr__, __dir__, __all__ = names_of(
    "trivet",
    {
        "trivet.clients.asynchronous": "AsyncClient",
        "trivet.clients.config": "Config",
        "trivet.clients.sync": "Client",
        "trivet.core.errors": (
            "APIError AttemptTimeout AuthenticationError BadRequestError CircuitOpen ConfigError "
            "ConflictError ConnectError ConnectTimeout DeadlineExceeded DecodingError InvalidRequest "
            "LocalProtocolError NotFoundError PermissionDeniedError RateLimitError RateLimited ReadError "
            "RedirectError RemoteProtocolError ResponseTooLarge ServerError TransportError TrivetError "
            "UnprocessableError WriteError"
        ),
        "trivet.core.exchange.flow": "Flow sleep",
        "trivet.core.http.headers": "Headers",
        "trivet.core.http.request": "Request",
        "trivet.core.http.response": "Response",
        "trivet.core.http.url": "URL",
        "trivet.core.limits": "Limits",
        "trivet.core.policies.auth.api_key": "APIKeyAuth",
        "trivet.core.policies.auth.base": "Auth",
        "trivet.core.policies.auth.basic": "BasicAuth",
        "trivet.core.policies.auth.bearer": "BearerAuth",
        "trivet.core.policies.auth.oauth2": "OAuth2ClientCredentials",
        "trivet.core.policies.backoff": "Backoff",
        "trivet.core.policies.breaker": "Breaker",
        "trivet.core.policies.budget": "RetryBudget",
        "trivet.core.policies.coalesce": "Coalesce",
        "trivet.core.policies.deadline": "Timeout",
        "trivet.core.policies.policy": "Policy Stage",
        "trivet.core.policies.rate_limit": "RateLimit",
        "trivet.core.policies.retry": "Retry",
        "trivet.patterns.retry": "retry retry_call",
        "trivet.stores.cache": "Cache",
        "trivet.stores.memory": "MemoryStore",
        "trivet.stores.redis": "RedisStore",
        "trivet.stores.sqlite": "SQLiteStore",
        "trivet.transports.http_transport": "HTTPTransport",
        "trivet.transports.httpcore_transport": "HTTPCoreTransport",
        "trivet.version": "__version__",
    },
    submodules=["core"],
)
