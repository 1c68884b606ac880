"""Many threads on one client: no deadlock, no connection too many, and a free one goes to who has waited longest."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import trivet
from conftest import MakeHostile
from servers.hostile import Hostile, Peer, read_head, read_request, read_to_end, repeat, send, start_tls
from servers.tls import Authority
from trivet.transports.network.sockets import SocketBackend

PATIENCE = 60.0
"""Nothing here takes a tenth of that, unless it never ends."""

THREADS = 32
CONTENT = b"c" * 150_000
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"


class Team:
    """Threads that are all joined, and what went wrong in them."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def start(self, job: Callable[..., object], *args: Any) -> None:
        def work() -> None:
            try:
                job(*args)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a thread never ends"
        if self.failures:
            raise self.failures[0]


def serve(peer: Peer) -> None:
    """Answer one request: with what was sent, with much, or at leisure."""
    head = peer.read_through(b"\r\n\r\n")
    path = head.split(b" ", 2)[1]
    if path == b"/upload":
        assert peer.read_exactly(len(CONTENT)) == CONTENT
    if path == b"/big":
        peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(CONTENT) + CONTENT)
    elif path == b"/slow":
        peer.socket.sendall(OK[:-4])
        for byte in OK[-4:]:
            peer.sleep(0.001)
            peer.socket.sendall(bytes([byte]))
    else:
        peer.socket.sendall(OK)


def at_rest(transport: trivet.HTTPTransport) -> bool:
    assert transport._half is not None
    assert transport._half._lane is not None
    pool = transport._half._lane._pool
    return pool.waiting == 0 and pool.slots == pool.idle


def a_call(client: trivet.Client, dice: random.Random) -> str:
    """Any call; what became of it."""
    kind = dice.choice(["plain", "upload", "slow", "big", "left", "left at once", "in time"])
    if kind == "upload":
        assert client.post("/upload", content=CONTENT) is True
    elif kind == "big":
        with client.stream("GET", "/big") as response:
            assert response.read() == CONTENT
    elif kind == "left":
        with client.stream("GET", "/big") as response:
            assert next(response.iter_bytes())
    elif kind == "left at once":
        with client.stream("GET", "/slow") as response:
            assert response.status == 200
    elif kind == "in time":
        try:
            assert client.get("/slow", timeout=2 ** dice.uniform(-11, -4)) is True
        except TimeoutError:
            return "late"
    else:
        assert client.get(f"/{kind}") is True
    return kind


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_all_at_once(hostile: MakeHostile, tls: Authority, secure: bool) -> None:
    """Meanwhile other clients are closed in the middle of their calls, which is nothing to this one."""
    context = tls.server_context()
    handshake = [start_tls(context)] if secure else []
    server = hostile([*handshake, repeat(serve)])
    hanging = hostile([*handshake, read_head, send(OK[:-1]), read_to_end])
    settings = {"verify": tls.ca_pem}
    transport = trivet.HTTPTransport(limits=trivet.Limits(max_connections=8, max_per_origin=6), **settings)
    outcomes: list[str] = []  # whose append needs no lock
    team = Team()

    def url(of: Hostile) -> str:
        return of.tls_url if secure else of.url

    def calls(client: trivet.Client, seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(20):
            outcomes.append(a_call(client, dice))

    def close_another() -> None:
        for _ in range(10):
            other = trivet.Client(url(hanging), retry=0, timeout=PATIENCE, transport=trivet.HTTPTransport(**settings))
            others, begun = Team(), threading.Semaphore(0)
            for _ in range(3):
                others.start(fails, other, begun)
            for _ in range(3):
                assert begun.acquire(timeout=PATIENCE)
            other.close()
            others.join()

    def fails(client: trivet.Client, begun: threading.Semaphore) -> None:
        # A failure of the connection, at once: not the one that comes when its time is up.
        with pytest.raises(trivet.TransportError), client.stream("GET", "/") as response:
            begun.release()
            response.read()

    with trivet.Client(url(server), transport=transport, timeout=PATIENCE, retry=0) as client:
        for number in range(THREADS):
            team.start(calls, client, number)
        for _ in range(2):
            team.start(close_another)
        team.join()
        assert at_rest(transport)
        assert len(outcomes) == THREADS * 20
        assert len(set(outcomes)) >= 7
        for _ in range(20):
            assert client.get("/plain") is True
    server.wait_until(lambda: not server.open)


class Counting(SocketBackend):
    """Counts the connections that are open, from before one is opened until after it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.open: Counter[int] = Counter()
        self.most: Counter[int] = Counter()
        self.most_of_all = 0

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        with self._lock:
            self.open[port] += 1
            self.most |= self.open
            self.most_of_all = max(self.most_of_all, self.open.total())
        try:
            stream: Any = super().connect_tcp(host, port, *args, **options)
        except BaseException:
            self._note_closed(port)
            raise
        abort = stream.abort

        def counted() -> None:
            abort()
            self._note_closed(port)

        stream.abort = counted
        return stream

    def _note_closed(self, port: int) -> None:
        with self._lock:
            self.open[port] -= 1


def test_the_limits_hold(hostile: MakeHostile) -> None:
    servers = [hostile([repeat(serve)]) for _ in range(3)]
    counting = Counting()
    transport = trivet.HTTPTransport(
        limits=trivet.Limits(max_connections=7, max_per_origin=4), network_backend=counting
    )
    team = Team()

    def calls(seed: int) -> None:
        dice = random.Random(seed)
        clients = [trivet.Client(server.url, transport=transport, timeout=PATIENCE, retry=0) for server in servers]
        for _ in range(20):
            a_call(dice.choice(clients), dice)

    for number in range(THREADS):
        team.start(calls, number)
    team.join()
    assert at_rest(transport)
    # All of it was used, and nothing beyond that.
    assert counting.most_of_all == 7
    assert set(counting.most.values()) == {4}
    transport.close()
    assert counting.open.total() == 0
    for server in servers:
        server.wait_until(lambda server=server: not server.open)


def test_connections_are_kept(hostile: MakeHostile) -> None:
    """As long as every response is read to its end, the server never sees more of them than are allowed."""
    server = hostile([repeat(read_request, send(OK))])
    transport = trivet.HTTPTransport(limits=trivet.Limits(max_connections=5))
    team = Team()
    with trivet.Client(server.url, transport=transport, timeout=PATIENCE, retry=0) as client:

        def calls() -> None:
            for _ in range(30):
                assert client.get("/") is True

        for _ in range(THREADS):
            team.start(calls)
        team.join()
        assert at_rest(transport)
        assert server.connections == server.open <= 5


class Queue:
    """Looks into who waits for a connection of the only lane, and who is woken."""

    def __init__(self, transport: trivet.HTTPTransport, wrap: Callable[[Any], Any] = lambda waiter: waiter) -> None:
        assert transport._half is not None
        assert transport._half._lane is not None
        self._runtime = transport._half._lane.runtime
        self._kind: Any = self._runtime.new_waiter
        self._began = threading.Semaphore(0)
        self._wrap = wrap
        self.woken: list[str] = []
        self._runtime.new_waiter = self._new

    def _new(self) -> Any:
        queue, name = self, threading.current_thread().name

        class Watched(self._kind):  # type: ignore[misc,name-defined]  # a class that only the runtime knows
            def wake(self) -> None:
                queue.woken.append(name)
                super().wake()

        self._began.release()
        return self._wrap(Watched())

    def await_one_more(self) -> None:
        """Until one more call waits."""
        assert self._began.acquire(timeout=PATIENCE)


def named(name: str, job: Callable[[], object]) -> Callable[[], None]:
    def work() -> None:
        threading.current_thread().name = name
        job()

    return work


def test_a_free_connection_wakes_who_has_waited_longest(hostile: MakeHostile) -> None:
    server, other = hostile([repeat(serve)]), hostile([repeat(serve)])
    transport = trivet.HTTPTransport(limits=trivet.Limits(max_connections=2, max_per_origin=1))
    client = trivet.Client(server.url, transport=transport, timeout=PATIENCE, retry=0)
    elsewhere = trivet.Client(other.url, transport=transport, timeout=PATIENCE, retry=0)
    team = Team()
    order: list[int] = []
    finished = threading.Semaphore(0)

    def call(number: int) -> None:
        with client.stream("GET", "/plain") as response:
            order.append(number)
            response.read()
        finished.release()

    with elsewhere.stream("GET", "/big") as elsewhere_response:
        with client.stream("GET", "/plain") as response:
            queue = Queue(transport)
            team.start(named("elsewhere", lambda: elsewhere.get("/plain")))
            queue.await_one_more()
            for number in range(8):
                team.start(named(str(number), lambda number=number: call(number)))
                queue.await_one_more()
            assert queue.woken == []
            response.read()
            # One connection was freed, and one call woken, which wakes the next one when it is done.
            assert queue.woken[:1] == ["0"]
            for _ in range(8):
                assert finished.acquire(timeout=PATIENCE)
        # Who waits for something else sleeps on.
        assert queue.woken == [*map(str, range(8))]
        elsewhere_response.read()
    team.join()
    assert order == list(range(8))
    assert queue.woken[8:] == ["elsewhere"]
    assert at_rest(transport)
    transport.close()


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "dropped"])
def test_granted_when_its_time_is_up(hostile: MakeHostile, kept: bool) -> None:
    """What a call is granted in the moment in which it stops waiting goes to the next one."""

    class Late:
        """A lock that is acquired, but says that it is not."""

        def __init__(self, lock: Any) -> None:
            self._lock = lock

        def acquire(self, timeout: float) -> bool:
            assert self._lock.acquire(timeout=PATIENCE)
            return False

        def release(self) -> None:
            self._lock.release()

    def late(waiter: Any) -> Any:
        if threading.current_thread().name == "late":
            waiter.lock = Late(waiter.lock)
        return waiter

    server = hostile([repeat(serve)])
    transport = trivet.HTTPTransport(limits=trivet.Limits(max_connections=1))
    team = Team()

    def is_late() -> None:
        with pytest.raises(TimeoutError):
            client.get("/plain")

    with trivet.Client(server.url, transport=transport, timeout=PATIENCE, retry=0) as client:
        with client.stream("GET", "/plain" if kept else "/big") as response:
            queue = Queue(transport, late)
            for name in ("late", "late", "next", "last"):
                team.start(named(name, is_late if name == "late" else lambda: client.get("/plain")))
                queue.await_one_more()
            if not kept:
                assert next(response.iter_bytes())
        team.join()
        assert at_rest(transport)
        assert server.connections == (1 if kept else 2)


def test_closing_ends_the_waiting(hostile: MakeHostile) -> None:
    server = hostile([read_head, send(OK[:-1]), read_to_end])
    transport = trivet.HTTPTransport(limits=trivet.Limits(max_connections=2))
    client = trivet.Client(server.url, transport=transport, timeout=PATIENCE, retry=0)
    team = Team()

    def fails() -> None:
        with pytest.raises(trivet.TransportError):
            client.get("/")

    for _ in range(2):
        team.start(fails)
    server.wait_until(lambda: len(server.requests) == 2)
    queue = Queue(transport)
    for _ in range(6):
        team.start(fails)
    for _ in range(6):
        queue.await_one_more()
    client.close()
    team.join()
    server.wait_until(lambda: not server.open)


def test_closing_leaves_nobody_with_the_socket_of_somebody_else(hostile: MakeHostile) -> None:
    """A thread that is about to read must not find a new connection under the number of its old one."""
    about_to_read, go_on = threading.Event(), threading.Event()

    class Pausing(SocketBackend):
        def connect_tcp(self, *args: Any, **options: Any) -> Any:
            stream: Any = super().connect_tcp(*args, **options)
            numbers.append(stream.get_extra_info("socket").fileno())
            sockets.append(os.fstat(numbers[0]))
            read = stream.read

            def paused(*args: Any) -> bytes:
                about_to_read.set()
                assert go_on.wait(PATIENCE)
                data: bytes = read(*args)
                return data

            stream.read = paused
            return stream

    def fails() -> None:
        with pytest.raises(trivet.TransportError):
            client.get("/")

    numbers: list[int] = []
    sockets: list[os.stat_result] = []
    server = hostile([read_head, read_to_end])
    transport = trivet.HTTPTransport(network_backend=Pausing())
    client = trivet.Client(server.url, transport=transport, timeout=PATIENCE, retry=0)
    team = Team()
    team.start(fails)
    try:
        assert about_to_read.wait(PATIENCE)
        client.close()
        assert os.path.samestat(os.fstat(numbers[0]), sockets[0])
    finally:
        go_on.set()
        team.join()
