"""The Basic scheme (RFC 7617)."""

from __future__ import annotations

from trivet.core.errors import ConfigError
from trivet.core.http.request import Request
from trivet.core.policies.auth.base import Auth, basic_credentials, require_text


class BasicAuth(Auth):
    """Send ``username`` and ``password``, encoded as UTF-8, in the Authorization field (RFC 7617).

    Raises `ConfigError` if the user name has a colon, which the scheme cannot express, or if either has
    control characters. Both are kept from view, since some services take an API key as the user name.

    >>> BasicAuth("ada", "lovelace")
    BasicAuth([redacted])
    """

    __slots__ = ("_field_value",)

    header = "Authorization"

    def __init__(self, username: str, password: str) -> None:
        if ":" in require_text(username, "BasicAuth: the user name"):
            raise ConfigError("BasicAuth: the user name has a colon, which ends it (RFC 7617 §2)")
        self._field_value = basic_credentials(username, require_text(password, "BasicAuth: the password"))

    @property
    def identity(self) -> str:
        """The value of the field."""
        return self._field_value

    def sign(self, request: Request) -> Request:
        """The request with its Authorization field."""
        return request.replace(headers=request.headers.with_field("Authorization", self._field_value))

    def __repr__(self) -> str:
        return "BasicAuth([redacted])"
