from __future__ import annotations

import json
import pickle
from base64 import b64decode
from math import inf
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.policies.stepping import URL, Run, event_names
from trivet.core.errors import (
    APIError,
    AttemptTimeout,
    AuthenticationError,
    ConfigError,
    ConnectError,
    InvalidRequest,
    ReadError,
    ResponseTooLarge,
)
from trivet.core.exchange.actions import Park, ReadBody, SendRequest
from trivet.core.http.headers import Headers
from trivet.core.http.request import Request
from trivet.core.http.response import Response
from trivet.core.policies.auth.bearer import Token
from trivet.core.policies.auth.oauth2 import OAuth2ClientCredentials

TOKEN_URL = "https://auth.example.com/token"
SECRET = "s3c/r3t+"


def make(**options: Any) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(TOKEN_URL, "reporter", SECRET, **options)


def granted(token: str = "t0k3n", **members: Any) -> Response:
    content = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, **members}
    present = {name: value for name, value in content.items() if value is not None}
    return Response(200, {"Content-Type": "application/json"}, json.dumps(present).encode())


def refused(status: int = 400, **members: Any) -> Response:
    return Response(status, {"Content-Type": "application/json"}, json.dumps(members).encode())


def bearer(run: Run) -> str | None:
    return run.sent.headers.get("Authorization")


def is_token_request(run: Run) -> bool:
    return isinstance(run.action, SendRequest) and run.action.request.url == TOKEN_URL


class TestTokenRequest:
    def test_basic(self) -> None:
        sent = Run(make(scope="read write")).start().sent
        assert (sent.method, sent.url, sent.credentials) == ("POST", TOKEN_URL, False)
        assert sent.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert sent.headers["Accept"] == "application/json"
        # RFC 6749 §2.3.1: form-encoded, then joined.
        assert b64decode(sent.headers["Authorization"].removeprefix("Basic ")) == b"reporter:s3c%2Fr3t%2B"
        assert sent.content == b"grant_type=client_credentials&scope=read+write"

    def test_it_introduces_itself_as_the_client_does(self) -> None:
        request = Request("GET", URL, {"User-Agent": "reporter/1.0", "Cookie": "a=b"})
        sent = Run(make(), request).start().sent
        assert list(sent.headers) == ["Accept", "Content-Type", "Authorization", "User-Agent"]
        assert sent.headers["User-Agent"] == "reporter/1.0"

    def test_body(self) -> None:
        sent = Run(make(client_auth="body", scope=["a", "b"], audience="https://api", extra={"x": "é&"})).start().sent
        assert "Authorization" not in sent.headers
        assert isinstance(sent.content, bytes)
        assert parse_qs(sent.content.decode(), strict_parsing=True) == {
            "grant_type": ["client_credentials"],
            "scope": ["a b"],
            "audience": ["https://api"],
            "client_id": ["reporter"],
            "client_secret": [SECRET],
            "x": ["é&"],
        }

    @pytest.mark.parametrize(
        ("url", "options"),
        [
            ("https://auth.example.com/token?tenant=1", {}),
            ("http://localhost:8080/token", {}),
            ("http://auth.localhost/token", {}),
            ("http://127.0.0.2/token", {}),
            ("http://[::1]:8080/token", {}),
            ("http://auth.example.com/token", {"allow_insecure": True}),
        ],
    )
    def test_accepted_urls(self, url: str, options: dict[str, Any]) -> None:
        assert Run(OAuth2ClientCredentials(url, "reporter", SECRET, **options)).start().sent.url == url

    @pytest.mark.parametrize(
        "url",
        [
            "http://auth.example.com/token?key=s3cr3t",
            "http://127.0.0.1.example.com/token",
            "http://localhost.example.com/token",
            "http://[2001:db8::1]/token",
        ],
    )
    def test_insecure_urls_are_refused(self, url: str) -> None:
        with pytest.raises(ConfigError, match="is not https") as caught:
            OAuth2ClientCredentials(url, "reporter", SECRET)
        assert "s3cr3t" not in str(caught.value)

    @pytest.mark.parametrize(
        ("client_id", "secret", "options", "message"),
        [
            ("", SECRET, {}, "must not be empty"),
            ("reporter", "", {}, "must not be empty"),
            ("reporter", SECRET + "\n", {}, "client_secret has a line break"),
            ("reporter", None, {}, "client_secret must be a string"),
            ("reporter\r", SECRET, {}, "client_id has a line break"),
            ("reporter", SECRET, {"client_auth": "jwt"}, "must be one of 'basic', 'body'"),
            ("reporter", SECRET, {"leeway": -1}, "OAuth2ClientCredentials(leeway=-1)"),
            ("reporter", SECRET, {"extra": {"grant_type": "password"}}, "extra repeats grant_type"),
            (
                "reporter",
                SECRET,
                {"client_auth": "body", "extra": {"client_secret": "x", "client_id": "y"}},
                "extra repeats client_id, client_secret",
            ),
        ],
    )
    def test_settings_are_checked(self, client_id: str, secret: str, options: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError) as caught:
            OAuth2ClientCredentials(TOKEN_URL, client_id, secret, **options)
        assert message in str(caught.value)
        assert SECRET not in str(caught.value)

    def test_a_url_that_is_none(self) -> None:
        with pytest.raises(InvalidRequest):
            OAuth2ClientCredentials("/token", "reporter", SECRET)

    def test_repr(self) -> None:
        auth = OAuth2ClientCredentials(TOKEN_URL + "?key=k", "reporter", SECRET)
        shown = "'https://auth.example.com/token?key=[redacted]', 'reporter', [redacted]"
        assert repr(auth) == f"OAuth2ClientCredentials({shown})"


class TestLifetime:
    @pytest.mark.parametrize(
        ("expires_in", "good_until"),
        [
            (3600, 3570.0),
            ("3600", 3570.0),
            (90.5, 60.5),
            (40, 20.0),
            (0.5, 0.25),
            (None, inf),
            ("soon", inf),
            ([], inf),
            ({"a": 1}, inf),
            (10**400, inf),
            (0, 0.0),
            (-5, 0.0),
            ("nan", 0.0),
        ],
    )
    def test_a_token_is_used_until_shortly_before_it_expires(self, expires_in: object, good_until: float) -> None:
        auth = make()
        run = Run(auth, now=90.0).start().reply(granted(expires_in=expires_in), at=100.0)
        # Even a token that lives for no time at all serves the call that fetched it.
        assert bearer(run) == "Bearer t0k3n"
        response = Response(200)
        assert run.reply(response).result is response
        if good_until > 0:
            last = Run(auth, now=100.0 + min(good_until * 0.999, 1e9)).start()
            assert bearer(last) == "Bearer t0k3n"
        if good_until < inf:
            assert is_token_request(Run(auth, now=100.0 + good_until).start())

    def test_without_leeway(self) -> None:
        auth = make(leeway=0)
        Run(auth).start().reply(granted(expires_in=10))
        assert not is_token_request(Run(auth, now=9.9).start())
        assert is_token_request(Run(auth, now=10.0).start())


class TestAnswers:
    @pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER", None])
    def test_token_types(self, kind: str | None) -> None:
        assert bearer(Run(make()).start().reply(granted(token_type=kind))) == "Bearer t0k3n"

    @pytest.mark.parametrize(
        ("response", "told"),
        [
            (refused(400, error="invalid_scope"), "invalid_scope"),
            (
                refused(401, error="invalid_client", error_description="unknown client"),
                "invalid_client: unknown client",
            ),
            (refused(400, error_description="why"), "why"),
            (refused(400, error="a\nb", error_description=""), "a b"),
            (
                refused(400, error=f"the secret {SECRET} or s3c%2Fr3t%2B"),
                "the secret [redacted] or [redacted]",
            ),
            (refused(400, error="x" * 1000), "x" * 500),
            (refused(400, error=7), "400 Bad Request"),
            (refused(404), "404 Not Found"),
            (Response(418, {}, b"<html>"), "418"),
            (Response(400, {}, b"[1]"), "400 Bad Request"),
            (Response(400, {}, b"[" * 100 + b"]" * 100), "400 Bad Request"),
            (Response(302, {"Location": "https://elsewhere.example.com/"}), "302 Found"),
            (Response(204), "204 No Content without a usable access_token of type bearer"),
            (granted(token_type="mac"), "200 OK without a usable access_token of type bearer"),
            (granted(token_type=1), "200 OK without a usable access_token of type bearer"),
            (granted("t0 k3n"), "200 OK without a usable access_token of type bearer"),
            (granted(""), "200 OK without a usable access_token of type bearer"),
            (granted(access_token=["t0k3n"]), "200 OK without a usable access_token of type bearer"),
            (
                Response(200, {}, b'{"access_token": "t0k3n"'),
                "200 OK without a usable access_token of type bearer",
            ),
        ],
    )
    def test_a_refusal_is_an_authentication_error(self, response: Response, told: str) -> None:
        run = Run(make()).start().reply(response)
        error = run.error
        assert type(error) is AuthenticationError
        assert error.status == response.status
        assert error.message.startswith(f"the token endpoint gave out no token: {told}")
        assert str(error).startswith("POST https://auth.example.com/token: the token endpoint")
        # Another call may have more luck.
        assert bearer(Run(run.policy).start().reply(granted())) == "Bearer t0k3n"

    @pytest.mark.parametrize("status", [429, 500, 502, 503])
    def test_trouble_answers_the_call(self, status: int) -> None:
        response = Response(status, {"Retry-After": "7", "Set-Cookie": "s=1"}, b"please come back")
        run = Run(make()).start().reply(response)
        assert run.result is not None
        assert run.result is not response
        assert (run.result.status, run.result.url) == (status, TOKEN_URL)
        assert run.result.headers["Retry-After"] == "7"
        assert run.result.trace is run.call.trace

    def test_fields_that_could_not_be_sent_are_no_obstacle(self) -> None:
        headers = Headers.from_raw([(b"X Odd", b"\x07"), (b"Server", b" caf\xe9\x01")])
        run = Run(make()).start().reply(Response(400, headers))
        assert isinstance(run.error, AuthenticationError)
        assert run.error.response.headers.raw == [(b"X Odd", b"[redacted]"), (b"Server", b" caf\xe9\x01")]

    @pytest.mark.parametrize("status", [200, 400, 503])
    def test_what_is_shown_holds_no_secret(self, status: int) -> None:
        response = Response(
            status,
            {"Set-Cookie": "session=t0k3n", "X-Request-Id": "r1", "Content-Length": "999"},
            json.dumps(
                {"access_token": "t0k3n", "token_type": "mac", "error": "no", "error_description": SECRET}
            ).encode(),
        )
        run = Run(make(client_auth="body")).start().reply(response)
        shown = run.error.response if isinstance(run.error, APIError) else run.result
        assert isinstance(shown, Response)
        assert json.loads(shown.content) == {"error": "no", "error_description": "[redacted]"}
        assert shown.headers["X-Request-Id"] == "r1"
        assert "Content-Length" not in shown.headers
        assert shown.request.content == b""
        for text in (str(run.error), repr(shown.headers.raw), repr(pickle.dumps(run.error or run.result))):
            for secret in ("t0k3n", SECRET, "s3c%2Fr3t%2B", "Basic "):
                assert secret not in text

    @pytest.mark.parametrize(
        "error",
        [
            ConnectError("refused", sent=False),
            ReadError("reset", sent=True),
            AttemptTimeout("too slow", sent=True),
        ],
    )
    def test_a_broken_transport_has_sent_nothing_of_the_call(self, error: Any) -> None:
        run = Run(make(), Request("POST", URL)).start().fail(error)
        assert run.error is error
        assert error.sent is False
        assert str(error).startswith("POST https://auth.example.com/token: ")

    def test_an_open_answer_is_read(self) -> None:
        run = Run(make()).start()
        answer = granted()
        pieces = answer.content[:10], answer.content[10:]
        run.reply(Response(200, body=object())).read(*pieces)
        assert bearer(run) == "Bearer t0k3n"

    def test_an_answer_that_breaks_off(self) -> None:
        run = Run(make()).start().reply(Response(200, body=object()))
        error = ReadError("reset", sent=True)
        assert run.fail(error).error is error
        assert error.sent is False

    def test_an_endless_answer_is_abandoned(self) -> None:
        run = Run(make()).start().reply(Response(200, body=object()))
        while isinstance(run.action, ReadBody):
            run.reply(b"x" * 65536)
        assert isinstance(run.error, ResponseTooLarge)


class TestRenewal:
    def test_a_refused_token_is_renewed_once(self) -> None:
        auth = make()
        Run(auth).start().reply(granted("old"))
        run = Run(auth, Request("POST", URL, content=b"content")).start()
        assert bearer(run) == "Bearer old"
        assert is_token_request(run.reply(Response(401)))
        run.reply(granted("new"))
        assert (bearer(run), run.sent.content) == ("Bearer new", b"content")
        response = Response(401)
        assert run.reply(response).result is response
        assert event_names(run) == ["AuthRefreshed"]
        assert bearer(Run(auth).start()) == "Bearer new"

    def test_a_token_that_another_call_has_renewed_is_taken(self) -> None:
        auth = make()
        first = Run(auth).start().reply(granted("old"))
        second = Run(auth).start()
        assert bearer(second) == "Bearer old"
        first.reply(Response(401)).reply(granted("new"))
        second.reply(Response(401))
        assert bearer(second) == "Bearer new"

    def test_the_same_token_again_is_no_renewal(self) -> None:
        run = Run(make()).start().reply(granted("old"))
        response = Response(401)
        run.reply(response).reply(granted("old"))
        assert run.result is response

    def test_trouble_while_renewing_answers_the_call(self) -> None:
        run = Run(make()).start().reply(granted("old")).reply(Response(401)).reply(Response(503))
        assert run.result is not None
        assert run.result.status == 503


class TestOneFetchForAll:
    def waiting(self, auth: OAuth2ClientCredentials, count: int = 2, **options: Any) -> list[Run]:
        runs = [Run(auth, **options).start() for _ in range(count)]
        assert all(isinstance(run.action, Park) for run in runs)
        return runs

    @staticmethod
    def woken(run: Run) -> bool:
        assert isinstance(run.action, Park)
        return run.action.slot.is_woken

    def test_the_token_is_for_everybody(self) -> None:
        auth = make()
        leader = Run(auth).start()
        waiting = self.waiting(auth)
        assert not any(map(self.woken, waiting))
        # Even a token that has expired by the time they wake is the answer that they waited for.
        leader.reply(granted(expires_in=0))
        assert all(map(self.woken, waiting))
        assert [bearer(run.reply(True)) for run in waiting] == ["Bearer t0k3n"] * 2

    def test_a_refusal_is_for_everybody(self) -> None:
        auth = make()
        leader = Run(auth).start()
        waiting = self.waiting(auth)
        leader.reply(refused(401, error="invalid_client"))
        errors = [leader.error, *(run.reply(True).error for run in waiting)]
        assert all(isinstance(error, AuthenticationError) for error in errors)
        assert len({id(error) for error in errors}) == 3
        assert len({str(error) for error in errors}) == 1

    def test_trouble_is_for_everybody(self) -> None:
        auth = make()
        leader = Run(auth).start()
        waiting = self.waiting(auth)
        leader.reply(Response(503))
        results = [leader.result, *(run.reply(True).result for run in waiting)]
        assert [result.status for result in results if result is not None] == [503] * 3
        assert len({id(result) for result in results}) == 3

    @pytest.mark.parametrize("end", ["fail", "cancel", "garbage"])
    def test_without_an_answer_another_one_takes_over(self, end: str) -> None:
        auth = make()
        leader = Run(auth).start()
        first, second = self.waiting(auth)
        if end == "fail":
            leader.fail(ConnectError("refused", sent=False))
        elif end == "cancel":
            leader.cancel()
        else:
            del leader
        assert self.woken(first)
        assert self.woken(second)
        assert is_token_request(second.reply(True))
        first.reply(True)
        assert not self.woken(first)
        second.reply(granted())
        assert bearer(first.reply(True)) == "Bearer t0k3n"

    def test_nobody_waits_beyond_the_deadline(self) -> None:
        auth = make()
        leader = Run(auth).start()
        run, patient = self.waiting(auth, 1, deadline=5.0) + self.waiting(auth, 1)
        assert isinstance(run.action, Park)
        assert isinstance(patient.action, Park)
        assert (run.action.until, patient.action.until) == (5.0, inf)
        run.reply(False, at=5.0)
        assert isinstance(run.error, AttemptTimeout)
        assert run.error.sent is False
        assert "another call is fetching" in str(run.error)
        assert is_token_request(leader)

    def test_nobody_waits_longer_than_an_attempt(self) -> None:
        auth = make()
        leader = Run(auth).start()
        run = Run(auth, now=10.0, deadline=100.0)
        run.call.attempt_timeout = 30.0
        run.start()
        assert isinstance(run.action, Park)
        assert run.action.until == 40.0
        assert is_token_request(leader)

    def test_a_cancelled_waiter_is_no_loss(self) -> None:
        auth = make()
        leader = Run(auth).start()
        first, second = self.waiting(auth)
        first.cancel()
        leader.reply(granted())
        assert bearer(second.reply(True)) == "Bearer t0k3n"


class OAuthMachine(RuleBasedStateMachine):
    """Any interleaving of calls: one token request at a time, and nobody waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.auth = make(leeway=0)
        self.now = 0.0
        self.live: list[Run] = []
        self.issued = 0
        self.valid: str | None = None

    def of(self, kind: str) -> list[Run]:
        """The calls that are fetching, sending, or waiting: asleep or woken."""
        return [run for run in self.live if self.kind(run) == kind]

    @staticmethod
    def kind(run: Run) -> str:
        if isinstance(run.action, Park):
            return "woken" if run.action.slot.is_woken else "asleep"
        return "fetching" if is_token_request(run) else "sending"

    def pick(self, data: st.DataObject, *kinds: str) -> Run | None:
        runs = [run for kind in kinds for run in self.of(kind)]
        return runs[data.draw(st.integers(0, len(runs) - 1))] if runs else None

    def settle(self, run: Run) -> None:
        if run.done:
            self.live.remove(run)

    @precondition(lambda self: len(self.live) < 8)
    @rule(deadline=st.sampled_from([2.0, inf]))
    def begin(self, deadline: float) -> None:
        run = Run(self.auth, now=self.now, deadline=self.now + deadline).start()
        assert not run.done
        self.live.append(run)

    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for run in self.of("asleep"):
            assert isinstance(run.action, Park)
            if run.action.until <= self.now:
                run.reply(False, at=self.now)
                assert isinstance(run.error, AttemptTimeout)
                self.settle(run)

    @precondition(lambda self: self.of("fetching"))
    @rule(data=st.data(), answer=st.sampled_from(["token", "token", "refusal", "trouble", "broken", "garbage"]))
    def token_endpoint_answers(self, data: st.DataObject, answer: str) -> None:
        run = self.pick(data, "fetching")
        assert run is not None
        if answer == "token":
            self.issued += 1
            self.valid = f"Bearer t{self.issued}"
            run.reply(granted(f"t{self.issued}", expires_in=2), at=self.now)
            assert bearer(run) == self.valid
        elif answer == "broken":
            run.fail(ReadError("reset", sent=True), at=self.now)
            assert isinstance(run.error, ReadError)
        elif answer == "trouble":
            run.reply(Response(503), at=self.now)
            assert run.result is not None
        else:
            run.reply(refused(error="no") if answer == "refusal" else Response(200), at=self.now)
            assert isinstance(run.error, AuthenticationError)
        self.settle(run)

    @precondition(lambda self: self.of("woken"))
    @rule(data=st.data())
    def a_woken_call_goes_on(self, data: st.DataObject) -> None:
        run = self.pick(data, "woken")
        assert run is not None
        run.reply(True, at=self.now)
        self.settle(run)

    @precondition(lambda self: self.of("sending"))
    @rule(data=st.data())
    def the_api_answers(self, data: st.DataObject) -> None:
        run = self.pick(data, "sending")
        assert run is not None
        run.reply(Response(200 if bearer(run) == self.valid else 401), at=self.now)
        self.settle(run)

    @rule()
    def the_token_is_revoked(self) -> None:
        self.valid = None

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        run = self.pick(data, "asleep", "woken", "fetching", "sending")
        assert run is not None
        run.cancel(at=self.now)
        self.settle(run)

    @invariant()
    def one_token_request_at_a_time(self) -> None:
        assert len(self.of("fetching")) <= 1

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if self.of("asleep"):
            assert self.of("fetching")

    def teardown(self) -> None:
        # Left to run, every call comes to its end.
        self.now += 0.25
        for _ in range(100):
            for run in list(self.live):
                kind = self.kind(run)
                if kind == "fetching":
                    self.issued += 1
                    self.valid = f"Bearer t{self.issued}"
                    run.reply(granted(f"t{self.issued}"), at=self.now)
                elif kind == "woken":
                    run.reply(True, at=self.now)
                elif kind == "sending":
                    run.reply(Response(200 if bearer(run) == self.valid else 401), at=self.now)
                self.settle(run)
        assert not self.live
        assert self.auth._flight is None


TestOAuthMachine = OAuthMachine.TestCase
TestOAuthMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_threads_share_one_fetch() -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier, Event

    auth = make()
    barrier = Barrier(32)
    fetched: list[int] = []

    def work(number: int) -> str | None:
        run = Run(auth)
        barrier.wait(10)
        run.start()
        while isinstance(run.action, Park):
            woken = Event()
            run.action.slot.on_wake(woken.set)
            assert woken.wait(10)
            run.reply(True)
        if is_token_request(run):
            fetched.append(number)
            run.reply(granted())
        return bearer(run)

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(work, range(32))) == {"Bearer t0k3n"}
    assert len(fetched) == 1
    assert isinstance(auth._token, Token)
