"""Open responses: read while they arrive, one class for threads and one for tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from trivet.core.errors import AttemptTimeout, LocalProtocolError, ResponseTooLarge, TrivetError
from trivet.core.exchange.actions import CloseBody, ReadBody
from trivet.core.exchange.bodies import FlowBody, body_decoder, handle_to_close
from trivet.core.http.lines import LineDecoder
from trivet.core.http.media_type import text_encoding
from trivet.core.http.response import Response
from trivet.core.policies.deadline import overdue
from trivet.core.policies.send import is_overdue, read_deadline, too_large

if TYPE_CHECKING:
    from trivet.core.http.coding import Decoder
    from trivet.core.limits import Limits
    from trivet.drivers.asynchronous import AsyncDriver
    from trivet.drivers.sync import SyncDriver


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Splitter(Protocol[T_co]):
    """Turns what comes off the wire into what the caller iterates over."""

    def feed(self, data: bytes) -> Iterator[T_co]: ...
    def flush(self) -> Iterator[T_co]: ...


class _Pieces:
    """Bytes, with the content codings removed."""

    def __init__(self, decoder: Decoder | None) -> None:
        self._decoder = decoder

    def feed(self, data: bytes) -> Iterator[bytes]:
        return iter((data,)) if self._decoder is None else self._decoder.decode(data)

    def flush(self) -> Iterator[bytes]:
        return iter(()) if self._decoder is None else self._decoder.flush()


class _Lines:
    """Lines of text."""

    def __init__(self, pieces: _Pieces, lines: LineDecoder) -> None:
        self._pieces = pieces
        self._lines = lines

    def feed(self, data: bytes) -> Iterator[str]:
        for piece in self._pieces.feed(data):
            yield from self._lines.feed(piece)

    def flush(self) -> Iterator[str]:
        for piece in self._pieces.flush():
            yield from self._lines.feed(piece)
        yield from self._lines.flush()


class _Claimed(Generic[T]):
    """Another splitter, whose errors say which response they came up in."""

    def __init__(self, splitter: _Splitter[T], response: _OpenResponse) -> None:
        self._splitter = splitter
        self._response = response

    def feed(self, data: bytes) -> Iterator[T]:
        return self._claim(lambda: self._splitter.feed(data))

    def flush(self) -> Iterator[T]:
        return self._claim(self._splitter.flush)

    def _claim(self, items: Callable[[], Iterator[T]]) -> Iterator[T]:
        try:
            yield from items()
        except TrivetError as error:
            self._response.claim(error)
            raise


class _AsyncIteration(Generic[T]):
    """Iterates while it reads. It is no generator, since one that is left early would have to be closed."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], splitter: _Splitter[T]) -> None:
        self._read = read
        self._splitter = splitter
        self._ready: Iterator[T] = iter(())
        self._ended = False

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._ready:
                return item
            if self._ended:
                raise StopAsyncIteration
            data = await self._read()
            self._ended = not data
            self._ready = self._splitter.feed(data) if data else self._splitter.flush()


class _OpenResponse(Response):
    """What both kinds share: everything but waiting."""

    __slots__ = ("_limits", "_rereading", "_started")

    def __init__(self, response: Response, limits: Limits) -> None:
        for name in Response.__slots__:
            setattr(self, name, getattr(response, name))
        self._limits = limits
        self._started = False
        self._rereading = False

    def _pieces(self) -> _Pieces:
        if self._content is not None:
            self._rereading = True
            return _Pieces(None)
        if self._started:
            raise LocalProtocolError("the content of a stream can be read once: keep what was read, or call read()")
        self._started = True
        return _Pieces(body_decoder(self, self._limits.max_codings))

    def _lines(self) -> _Lines:
        lines = LineDecoder(text_encoding(self.headers), max_line=self._limits.max_line)
        return _Lines(self._pieces(), lines)

    def _rest(self) -> bytes:
        """What there is when nothing is left to be read: the content that `read` kept, once, then the end."""
        rereading, self._rereading = self._rereading, False
        return self.content if rereading else b""

    def _let_go(self) -> list[CloseBody]:
        """Let go of the body as far as nothing waits; what is still to be performed."""
        body, self.body = self.body, None
        handle = None if body is None else handle_to_close(body)
        return [] if handle is None else [CloseBody(handle)]

    def _failed(self, error: TrivetError, now: float) -> TrivetError:
        """The error to raise when a read failed. The body is released by then."""
        self.body = None
        self.claim(error)
        if isinstance(error, AttemptTimeout) and is_overdue(self, now):
            late = overdue(error, "while the content was read")
            late.trace = self.trace
            return late
        return error

    def claim(self, error: TrivetError) -> None:
        """Note in an error that it came up in reading this response."""
        error.locate(self.request.method, self.request.url.redacted)
        error.trace = self.trace

    def _too_large(self) -> ResponseTooLarge:
        error = too_large(self._limits)
        self.claim(error)
        return error


class OpenResponse(_OpenResponse):
    """A response whose content is read as it arrives. `Client.stream` makes and closes it."""

    __slots__ = ("_driver",)

    def __init__(self, response: Response, limits: Limits, driver: SyncDriver) -> None:
        super().__init__(response, limits)
        self._driver = driver

    def iter_bytes(self) -> Iterator[bytes]:
        """The content in pieces of at most 64 KiB or so, as they come, content codings removed."""
        return self._iterate(_Claimed(self._pieces(), self))

    def iter_lines(self) -> Iterator[str]:
        """The content as lines of text without their ends; a line may have ``Limits.max_line`` characters."""
        return self._iterate(_Claimed(self._lines(), self))

    def read(self) -> bytes:
        """The whole content; from then on also in ``.content``, ``.text`` and ``.json()``.

        Raises `ResponseTooLarge` beyond ``Limits.max_content`` bytes.
        """
        if self._content is None:
            pieces: list[bytes] = []
            size = 0
            for piece in self.iter_bytes():
                size += len(piece)
                if size > self._limits.max_content:
                    raise self._too_large()
                pieces.append(piece)
            self.complete(b"".join(pieces))
        return self.content

    def close(self) -> None:
        """Let go of the response, read or not. Closing again does nothing."""
        for action in self._let_go():
            self._driver.perform(action)

    def _iterate(self, splitter: _Splitter[T]) -> Iterator[T]:
        while data := self._read_piece():
            yield from splitter.feed(data)
        yield from splitter.flush()

    def _read_piece(self) -> bytes:
        body = self.body
        if body is None:
            return self._rest()
        monotonic = self._driver.clock.monotonic
        try:
            data = self._read_from(body, read_deadline(self, monotonic()))
        except TrivetError as error:
            failure = self._failed(error, monotonic())
            if failure is error:
                raise
            raise failure from error
        if not data:
            self.body = None
        return data

    def _read_from(self, body: object, deadline: float) -> bytes:
        if isinstance(body, FlowBody):
            return self._driver.run(body.read(deadline))
        data: bytes = self._driver.perform(ReadBody(body, deadline))
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class AsyncOpenResponse(_OpenResponse):
    """A response whose content is read as it arrives. `AsyncClient.stream` makes and closes it."""

    __slots__ = ("_driver",)

    def __init__(self, response: Response, limits: Limits, driver: AsyncDriver) -> None:
        super().__init__(response, limits)
        self._driver = driver

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The content in pieces of at most 64 KiB or so, as they come, content codings removed."""
        return _AsyncIteration(self._read_piece, _Claimed(self._pieces(), self))

    def iter_lines(self) -> AsyncIterator[str]:
        """The content as lines of text without their ends; a line may have ``Limits.max_line`` characters."""
        return _AsyncIteration(self._read_piece, _Claimed(self._lines(), self))

    async def read(self) -> bytes:
        """The whole content; from then on also in ``.content``, ``.text`` and ``.json()``.

        Raises `ResponseTooLarge` beyond ``Limits.max_content`` bytes.
        """
        if self._content is None:
            pieces: list[bytes] = []
            size = 0
            async for piece in self.iter_bytes():
                size += len(piece)
                if size > self._limits.max_content:
                    raise self._too_large()
                pieces.append(piece)
            self.complete(b"".join(pieces))
        return self.content

    async def aclose(self) -> None:
        """Let go of the response, read or not, even while the task is cancelled. Closing again does nothing."""
        actions = self._let_go()
        if actions:
            await self._driver.release(actions)

    async def _read_piece(self) -> bytes:
        body = self.body
        if body is None:
            return self._rest()
        monotonic = self._driver.clock.monotonic
        try:
            data = await self._read_from(body, read_deadline(self, monotonic()))
        except TrivetError as error:
            failure = self._failed(error, monotonic())
            if failure is error:
                raise
            raise failure from error
        if not data:
            self.body = None
        return data

    async def _read_from(self, body: object, deadline: float) -> bytes:
        if isinstance(body, FlowBody):
            return await self._driver.run(body.read(deadline))
        data: bytes = await self._driver.perform(ReadBody(body, deadline))
        return data

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
