"""The policies of a client, in order, composed once into one flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import TypeVar

from trivet.core.errors import ConfigError
from trivet.core.exchange.actions import SendRequest
from trivet.core.exchange.call import Call, CurrentCall
from trivet.core.exchange.flow import Flow
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.limits import DEFAULT_LIMITS, Limits
from trivet.core.policies.policy import SHARED_STAGES, Forward, Policy, Stage
from trivet.core.policies.send import attempt_deadline, note_content, read_content, send

P = TypeVar("P", bound=Policy)


class Pipeline:
    """A chain of policies from the caller to the wire.

    Raises `ConfigError` when the policies are not in the order of their stages, or when two of them claim a
    stage that holds one.

    >>> from trivet.core import Deadline, Retry
    >>> Pipeline([Deadline(), Retry()])
    <Pipeline Deadline → Retry>
    >>> Pipeline([Retry(), Deadline()])
    Traceback (most recent call last):
    trivet.core.errors.ConfigError: Deadline (stage DEADLINE) must come before Retry (stage RETRY)
    """

    __slots__ = ("_fetching", "_opening", "limits", "policies")

    def __init__(self, policies: Iterable[Policy] = (), *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.policies = tuple(policies)
        self.limits = limits
        _check_order(self.policies)
        self._fetching: Forward | None = None
        self._opening: Forward | None = None

    def handle(self, request: Request) -> Flow[Response]:
        """Answer the request, with the content read."""
        call = yield from CurrentCall()
        fetching = self._fetching
        if fetching is None:
            fetching = self._fetching = self._compose(self._fetch, streaming=False)
        response = yield from fetching(request, call)
        if response.body is not None:
            yield from read_content(response, call, limits=self.limits)
        return response

    def open(self, request: Request) -> Flow[Response]:
        """Answer the request with the body left open, for whoever wants to read it as a stream."""
        call = yield from CurrentCall()
        opening = self._opening
        if opening is None:
            opening = self._opening = self._compose(send, streaming=True)
        return (yield from opening(request, call))

    def find(self, kind: type[P]) -> P | None:
        """The policy of that class, if there is one.

        >>> Pipeline().find(Policy) is None
        True
        """
        return next((policy for policy in self.policies if isinstance(policy, kind)), None)

    def _fetch(self, request: Request, call: Call) -> Flow[Response]:
        deadline = attempt_deadline(call)
        response = yield from SendRequest(request, deadline, call.connect_timeout, self.limits.max_content)
        # Reading belongs to the attempt, so that a body which breaks off is retried like any other failure. A
        # redirect's content is left to Redirect, which drains it undecoded.
        if response.is_redirect:
            return response
        if response.body is None:
            note_content(response, call)
        else:
            yield from read_content(response, call, limits=self.limits, deadline=deadline)
        return response

    def _compose(self, innermost: Callable[[Request, Call], Flow[Response]], *, streaming: bool) -> Forward:
        forward: Forward = innermost
        for policy in reversed(self.policies):
            forward = partial(policy.placed(self, streaming=streaming).handle, forward=forward)
        return forward

    def __repr__(self) -> str:
        return f"<Pipeline {' → '.join(type(policy).__name__ for policy in self.policies)}>"


def _check_order(policies: tuple[Policy, ...]) -> None:
    for policy in policies:
        if not isinstance(policy, Policy):
            raise ConfigError(f"a pipeline takes instances of Policy, not {policy!r:.80}")
        if not isinstance(policy.stage, Stage):
            raise ConfigError(f"the stage of {type(policy).__name__} must be a Stage, not {policy.stage!r}")
    for earlier, later in pairwise(policies):
        if earlier.stage > later.stage:
            raise ConfigError(f"{_placed(later)} must come before {_placed(earlier)}")
        if earlier.stage == later.stage and earlier.stage not in SHARED_STAGES:
            raise ConfigError(f"{_placed(earlier)} and {_placed(later)} claim the same stage: keep one of them")


def _placed(policy: Policy) -> str:
    return f"{type(policy).__name__} (stage {Stage(policy.stage).name})"
