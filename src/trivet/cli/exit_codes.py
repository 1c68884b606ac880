"""What the exit code of a command says about the failure."""

from __future__ import annotations

from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    ConfigError,
    DeadlineExceeded,
    DecodingError,
    InvalidRequest,
    ResponseTooLarge,
    TransportError,
    TrivetError,
)

OK = 0
UNEXPECTED = 1
USAGE = 2
TRANSPORT = 3
CLIENT_ERROR = 4
SERVER_ERROR = 5
TIMED_OUT = 6
CONTENT = 7
REDIRECT = 8


def exit_code(error: TrivetError) -> int:
    """2 a request or setting that makes no sense, 3 the network, 4 a 4xx, 5 a 5xx, 6 out of time, 7 content that
    cannot be decoded or is too large, 8 a redirect that was refused; 1 for anything else.

    >>> exit_code(InvalidRequest("bad URL"))
    2
    """
    if isinstance(error, APIError):
        return {3: REDIRECT, 4: CLIENT_ERROR}.get(error.status // 100, SERVER_ERROR)
    for kind, code in (
        ((InvalidRequest, ConfigError), USAGE),
        ((AttemptTimeout, DeadlineExceeded), TIMED_OUT),
        ((TransportError,), TRANSPORT),
        ((DecodingError, ResponseTooLarge), CONTENT),
    ):
        if isinstance(error, kind):
            return code
    return UNEXPECTED
