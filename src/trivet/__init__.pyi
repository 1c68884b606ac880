# What `__init__.py` offers, for type checkers: there the names are looked up when they are first used.

from trivet import core
from trivet.clients.asynchronous import AsyncClient
from trivet.clients.config import Config
from trivet.clients.sync import Client
from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    AuthenticationError,
    BadRequestError,
    CircuitOpen,
    ConfigError,
    ConflictError,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    DecodingError,
    InvalidRequest,
    LocalProtocolError,
    NotFoundError,
    PermissionDeniedError,
    RateLimited,
    RateLimitError,
    ReadError,
    RedirectError,
    RemoteProtocolError,
    ResponseTooLarge,
    ServerError,
    TransportError,
    TrivetError,
    UnprocessableError,
    WriteError,
)
from trivet.core.exchange.flow import Flow, sleep
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.url import URL
from trivet.core.limits import Limits
from trivet.core.policies.auth.api_key import APIKeyAuth
from trivet.core.policies.auth.base import Auth
from trivet.core.policies.auth.basic import BasicAuth
from trivet.core.policies.auth.bearer import BearerAuth
from trivet.core.policies.auth.oauth2 import OAuth2ClientCredentials
from trivet.core.policies.backoff import Backoff
from trivet.core.policies.breaker import Breaker
from trivet.core.policies.budget import RetryBudget
from trivet.core.policies.coalesce import Coalesce
from trivet.core.policies.deadline import Timeout
from trivet.core.policies.policy import Policy, Stage
from trivet.core.policies.rate_limit import RateLimit
from trivet.core.policies.retry import Retry
from trivet.patterns.retry import retry, retry_call
from trivet.stores.cache import Cache
from trivet.stores.memory import MemoryStore
from trivet.stores.redis import RedisStore
from trivet.stores.sqlite import SQLiteStore
from trivet.transports.http_transport import HTTPTransport
from trivet.transports.httpcore_transport import HTTPCoreTransport
from trivet.version import __version__

__all__ = [
    "URL",
    "APIError",
    "APIKeyAuth",
    "AsyncClient",
    "AttemptTimeout",
    "Auth",
    "AuthenticationError",
    "Backoff",
    "BadRequestError",
    "BasicAuth",
    "BearerAuth",
    "Breaker",
    "Cache",
    "CircuitOpen",
    "Client",
    "Coalesce",
    "Config",
    "ConfigError",
    "ConflictError",
    "ConnectError",
    "ConnectTimeout",
    "DeadlineExceeded",
    "DecodingError",
    "Flow",
    "HTTPCoreTransport",
    "HTTPTransport",
    "Headers",
    "InvalidRequest",
    "Limits",
    "LocalProtocolError",
    "MemoryStore",
    "NotFoundError",
    "OAuth2ClientCredentials",
    "PermissionDeniedError",
    "Policy",
    "RateLimit",
    "RateLimitError",
    "RateLimited",
    "ReadError",
    "RedirectError",
    "RedisStore",
    "RemoteProtocolError",
    "Request",
    "Response",
    "ResponseTooLarge",
    "Retry",
    "RetryBudget",
    "SQLiteStore",
    "ServerError",
    "Stage",
    "Timeout",
    "TransportError",
    "TrivetError",
    "UnprocessableError",
    "WriteError",
    "__version__",
    "core",
    "retry",
    "retry_call",
    "sleep",
]
