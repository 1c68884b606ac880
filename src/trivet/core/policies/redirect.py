"""Following redirects (RFC 9110 §15.4) without taking credentials or plain text along."""

from __future__ import annotations

from typing import ClassVar

from trivet.core.errors import InvalidRequest, RedirectError
from trivet.core.exchange.call import Call
from trivet.core.exchange.flow import Flow
from trivet.core.exchange.trace import RedirectFollowed
from trivet.core.http.headers import as_utf8
from trivet.core.http.redaction import is_credential_field
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.http.url import URL
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.policy import Forward, Policy, Stage
from trivet.core.policies.send import discard
from trivet.core.policies.validation import require_count

CONTENT_FIELDS = (
    *("Content-Type", "Content-Length", "Content-Encoding", "Content-Language", "Content-Location"),
    *("Content-Digest", "Repr-Digest", "Digest", "Last-Modified", "Transfer-Encoding"),
)
"""What describes content, and goes with it when the method becomes GET (RFC 9110 §15.4)."""


class Redirect(Policy):
    """Follow up to ``max_redirects`` redirects of one call.

    301 and 302 turn POST into GET, 303 turns everything but HEAD into GET; 307 and 308 keep the method and the
    content. On the way to another origin the request loses its credentials, and no `Auth` adds new ones; from
    https to http it is not followed at all. A redirect that may not be followed raises `RedirectError`.

    With ``max_redirects=0`` redirects are handed back as they are.
    """

    __slots__ = ("_limits", "max_redirects")

    stage: ClassVar[Stage] = Stage.REDIRECT

    def __init__(self, max_redirects: int = 10, *, limits: Limits = DEFAULT_LIMITS) -> None:
        require_count("Redirect(max_redirects=", max_redirects)
        self.max_redirects = max_redirects
        self._limits = limits

    def handle(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        """Forward until something else than a redirect comes back."""
        if self.max_redirects == 0:
            return forward(request, call)
        return self._follow(request, call, forward)

    def _follow(self, request: Request, call: Call, forward: Forward) -> Flow[Response]:
        history: tuple[Response, ...] = ()
        while True:
            response = yield from forward(request, call)
            if not response.is_redirect:
                if history:
                    response.history = history
                return response
            yield from discard(response, call, limits=self._limits)
            if len(history) == self.max_redirects:
                raise RedirectError(response, f"more than {self.max_redirects} redirects")
            history = (*history, response)
            request = redirected(request, response)
            call.record(RedirectFollowed, response, response.status, request.method, request.url.redacted)


def redirected(request: Request, response: Response) -> Request:
    """The request that follows from a redirect response. Raises `RedirectError` if there must be none."""
    url = _location(request, response)
    if request.url.scheme == "https" and url.scheme == "http":
        raise RedirectError(response, f"a redirect from https to http is refused: {url.redacted}")
    headers = request.headers
    method, content = request.method, request.content
    if (response.status == 303 and method != "HEAD") or (response.status in (301, 302) and method == "POST"):
        method, content = "GET", b""
        headers = headers.without(*CONTENT_FIELDS)
    elif not request.replayable:
        raise RedirectError(response, "a redirect needs the content a second time, and it was given as an iterator")
    credentials = request.credentials
    if not url.same_origin(request.url):
        credentials = False
        headers = headers.without("Host", *(name for name in headers if is_credential_field(name)))
    return request.replace(method=method, url=url, headers=headers, content=content, credentials=credentials)


def _location(request: Request, response: Response) -> URL:
    try:
        return request.url.join(as_utf8(response.headers["Location"]))
    except InvalidRequest as error:
        raise RedirectError(response, f"the Location of a redirect cannot be followed: {error.message}") from error
