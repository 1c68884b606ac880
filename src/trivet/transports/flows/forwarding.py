"""What a request that an HTTP proxy forwards looks like (RFC 9112 §3.2.2)."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trivet.core.http.request import Request
    from trivet.transports.proxies import Proxy


class Forwarding:
    """The way through a proxy that reads each request, for ``http://`` origins."""

    __slots__ = ("_fields",)

    def __init__(self, proxy: Proxy) -> None:
        self._fields = proxy_fields(proxy)

    def apply(self, request: Request, fields: list[tuple[bytes, bytes]]) -> tuple[str, list[tuple[bytes, bytes]]]:
        """The target in absolute form, and the fields with the proxy's credentials."""
        url = request.url
        return f"{url.scheme}://{url.authority}{url.target}", [*fields, *self._fields]


def proxy_fields(proxy: Proxy) -> list[tuple[bytes, bytes]]:
    """The field that proves to the proxy who asks (RFC 7617), if there are credentials."""
    if proxy.credentials is None:
        return []
    return [(b"Proxy-Authorization", b"Basic " + b64encode(b":".join(proxy.credentials)))]
