"""What every test may ask for: real servers, hostile servers, certificates."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest
from hypothesis import settings

from brief import BRIEF
from runtimes import RUNTIMES, Runtime
from servers.hostile import Hostile, Script
from servers.httpbin import Httpbin
from servers.nginx import Nginx
from servers.redis import Redis
from servers.tls import Authority
from servers.unreachable import Deaf, Refusing

# How long an example takes depends on the machine, not on the code. A run of CI can be repeated exactly.
settings.register_profile("trivet", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.register_profile("brief", settings.get_profile("trivet"), max_examples=25, stateful_step_count=25)
settings.load_profile("brief" if BRIEF else "trivet")


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through all tests that there are, each time that one of them asks for it."""
    gc.collect()
    gc.freeze()


class MakeHostile(Protocol):
    def __call__(self, *scripts: Script) -> Hostile: ...


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that nobody trusts but its `client_context()` and those given its `ca_pem`."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def httpbin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Httpbin]:
    """A running httpbin."""
    server = Httpbin(tmp_path_factory.mktemp("httpbin"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, tls: Authority) -> Iterator[Nginx]:
    """A running nginx, plain and with TLS."""
    server = Nginx(tmp_path_factory.mktemp("nginx"), tls)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A running Redis."""
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def hostile() -> Iterator[MakeHostile]:
    """Start servers that play scripts: `hostile([read_head, send(b"…")])`; see servers/hostile.py."""
    with ExitStack() as servers:

        def start(*scripts: Script) -> Hostile:
            server = Hostile(*scripts)
            servers.callback(server.stop)
            return server

        yield start


@pytest.fixture
def refusing() -> Iterator[Refusing]:
    """An address that refuses connections."""
    server = Refusing()
    yield server
    server.stop()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    """An address that connections to it hang on."""
    server = Deaf()
    yield server
    server.stop()


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Sync, asyncio and trio, one after the other."""
    found: Runtime = request.param
    return found
