"""Streams, measured to their end."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ldai_core.endings import start
from ldai_core.forwarding import Forwarding
from ldai_core.reading import Reading
from ldai_core.run import Call, Source, begin_call

if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType

    from typing_extensions import Self

__all__ = [
    "AsyncTrackedIterable",
    "AsyncTrackedStream",
    "Observer",
    "TrackedIterable",
    "TrackedStream",
    "follow",
    "is_reading",
    "is_stream",
    "is_within",
    "measure",
    "measure_async",
    "measure_ordinary",
    "read_whole",
    "track_metrics_of",
    "track_metrics_of_async",
]

T = TypeVar("T")
Read = Callable[[Any], Reading]

Follow = Callable[[Call, Any], Any]


class Observer(Protocol):
    """What is told of a stream: a `Call`, or what an adapter puts before one."""

    def read(self, read: Read, item: object) -> Reading:
        """Read one item, and take in what it says."""
        ...

    def lose(self, error: Exception) -> None:
        """Give up the tokens, which could not be read."""
        ...

    def end(self, error: BaseException | None = None) -> None:
        """Learn that it is over."""
        ...

    def abandon(self) -> None:
        """Learn from a finaliser that it is over."""
        ...


_CLOSING = frozenset({"close", "aclose"})


class _Tracked(Forwarding, Generic[T]):
    """What both kinds of stream share: everything but the awaiting."""

    __slots__ = ("_call", "_hide", "_read")

    def __init__(self, stream: Any, call: Observer, read: Read, *, hide: Callable[[T], bool] | None = None) -> None:
        super().__init__(stream)
        self._call = call
        self._read = read
        self._hide = hide
        start()

    def _withholds(self, chunk: T) -> bool:
        """Read one chunk, and say whether the consumer is not to see it."""
        return self._call.read(self._read, chunk).usage is not None and self._hides(chunk)

    def _hides(self, chunk: T) -> bool:
        """Say whether a chunk that carries usage is there by our own request for usage alone."""
        if self._hide is None:
            return False
        try:
            return self._hide(chunk)
        except Exception as error:  # noqa: BLE001  # then the consumer sees one chunk more
            self._call.lose(error)
            return False

    def _closing(self, close: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap the stream's own `close`: the call ends before it, for it fails who waits for a chunk meanwhile."""
        raise NotImplementedError  # pragma: no cover  # both kinds have one of their own

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        return self._closing(value) if name in _CLOSING else value

    def __del__(self) -> None:
        try:
            call = object.__getattribute__(self, "_call")
        except AttributeError:  # copied or unpickled, and never begun
            return
        call.abandon()


class TrackedIterable(_Tracked[T], Iterable[T]):
    """A provider's stream that is read by a `for` alone: see `TrackedStream`."""

    __slots__ = ()

    def __iter__(self) -> Iterator[T]:
        return self._chunks()

    def _chunks(self) -> Iterator[T]:
        # A generator per loop costs the least per chunk, and its own closing is how a break is seen.
        call_read, read = self._call.read, self._read
        try:
            for chunk in self._stream:
                reading = call_read(read, chunk)
                if reading.usage is None or not self._hides(chunk):
                    yield chunk
        except BaseException as error:
            self._call.end(error)
            raise
        self._call.end()

    def _closing(self, close: Callable[..., Any]) -> Callable[..., Any]:
        def closing(*args: Any, **kwargs: Any) -> Any:
            self._call.end()
            return close(*args, **kwargs)

        return closing


class TrackedStream(TrackedIterable[T], Iterator[T]):
    """A provider's stream that ends `call` when it ends, however that comes about.

    Read to its end, failed, broken off, closed, left by `with`, or dropped: the first of these ends the call, the
    others do nothing. A `for` loop that is broken off ends it at the break, also while the stream is still
    referenced; when the loop is resumed, tokens and tool calls not yet reported are reported at its second end.
    Everything else is forwarded to the provider's stream, and `isinstance` sees that stream's class. No chunk is kept.

    `read` is given each chunk. Where `hide` says so, a chunk that carries usage is read and not handed on.
    """

    __slots__ = ()

    def __next__(self) -> T:
        try:
            chunk: T = next(self._stream)
            while self._withholds(chunk):
                chunk = next(self._stream)
        except StopIteration:
            self._call.end()
            raise
        except BaseException as error:
            self._call.end(error)
            raise
        return chunk

    def __enter__(self) -> Self:
        self._stream.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._call.end()
        return self._stream.__exit__(kind, error, traceback)  # type: ignore[no-any-return]


class AsyncTrackedIterable(_Tracked[T], AsyncIterable[T]):
    """Same as TrackedIterable, but for `async for`."""

    __slots__ = ()

    def __aiter__(self) -> AsyncIterator[T]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[T]:
        call_read, read = self._call.read, self._read
        try:
            async for chunk in self._stream:
                reading = call_read(read, chunk)
                if reading.usage is None or not self._hides(chunk):
                    yield chunk
        except BaseException as error:
            self._call.end(error)
            raise
        self._call.end()

    def _closing(self, close: Callable[..., Any]) -> Callable[..., Any]:
        async def awaiting(closed: Awaitable[T]) -> T:
            self._call.end()
            return await closed

        def closing(*args: Any, **kwargs: Any) -> Any:
            closed = close(*args, **kwargs)
            if isawaitable(closed):  # which does nothing until it is awaited
                return awaiting(closed)
            self._call.end()
            return closed

        return closing


class AsyncTrackedStream(AsyncTrackedIterable[T], AsyncIterator[T]):
    """Same as TrackedStream, but for `async for`.

    A loop that is broken off is seen when the event loop closes its generator, within a turn or two.
    """

    __slots__ = ()

    async def __anext__(self) -> T:
        try:
            chunk: T = await anext(self._stream)
            while self._withholds(chunk):
                chunk = await anext(self._stream)
        except StopAsyncIteration:
            self._call.end()
            raise
        except BaseException as error:
            self._call.end(error)
            raise
        return chunk

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._call.end()
        return await self._stream.__aexit__(kind, error, traceback)  # type: ignore[no-any-return]


_READING = frozenset(
    method.__code__
    for kind in (TrackedIterable, TrackedStream, AsyncTrackedIterable, AsyncTrackedStream)
    for name, method in vars(kind).items()
    if name in ("_chunks", "__next__", "__anext__")
)


def is_reading(stream: object) -> bool:
    """Say whether this very call comes from within the reading of a tracked stream, which sees itself how that ends."""
    return is_within(stream, _READING)


def is_within(owner: object, methods: frozenset[CodeType]) -> bool:
    """Say whether this very call comes from within one of these methods of `owner`, in this thread and this task.

    Seen in the call stack, so that what is asked seldom costs nothing where there is much to do.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  # its name says that it is CPython's
    while frame is not None:
        if frame.f_code in methods and frame.f_locals.get("self") is owner:
            return True
        frame = frame.f_back
    return False


def is_stream(result: object) -> bool:
    """Say whether a result is a stream: its class has `__next__` or `__anext__`.

    A mock of the standard library's answers to both, and stands for a response in the tests of applications.
    """
    kind: Any = type(result)
    return _is_stream_class(kind)


@lru_cache(maxsize=256)
def _is_stream_class(kind: Any) -> bool:
    """Asked once of a class: those of pydantic answer for attributes that they lack, and take their time."""
    return (hasattr(kind, "__next__") or hasattr(kind, "__anext__")) and kind.__module__ != "unittest.mock"


def read_whole(call: Observer, read: Read, result: object) -> None:
    """Read what came at once, and so has no time to first token, whatever is read in it."""

    def read_it(whole: object) -> Reading:
        reading = read(whole)
        return replace(reading, output=False) if reading.output else reading

    call.read(read_it, result)


def follow(call: Observer, result: T, read: Read, *, hide: Callable[[Any], bool] | None = None) -> T:
    """Measure what a request returned: a stream to its end, anything else at once."""
    if not is_stream(result):
        read_whole(call, read, result)
        call.end()
        return result
    track = TrackedStream if hasattr(type(result), "__next__") else AsyncTrackedStream
    return track(result, call, read, hide=hide)  # type: ignore[return-value]  # its double


def track_metrics_of(tracker: Source, read: Read, func: Callable[[], T]) -> T:
    """Call `func`, and record the AI run that it makes: any provider, given a function that reads its results.

    `func` returns a response, which `read` is given at once, or a stream (it has `__next__` or `__anext__`), which is
    measured to its end, `read` being given each chunk; what comes back is the response itself, or a stream that
    forwards everything. An awaitable is measured when it is awaited. When `func` raises, duration and error are
    recorded and the same exception goes on.

    A second time on the same tracker, `func` is called again and only what was not yet recorded is emitted; for a new
    run, call `create_tracker` on the AI Config. `tracker` may be any source: see `Run`.
    """
    return measure(tracker, func, _reading_with(read))


async def track_metrics_of_async(tracker: Source, read: Read, func: Callable[[], Awaitable[T]]) -> T:
    """Record the AI run that `func` makes, like `track_metrics_of`; `func` returns an awaitable.

    A cancellation is an error, and goes on at once.
    """
    return await measure_async(tracker, func, _reading_with(read))


def measure(source: Source, func: Callable[[], T], follow: Follow) -> T:
    """Call `func` as one request; `follow` is given its call and what it returned, and measures that."""
    if iscoroutinefunction(func):
        return measure_async(source, func, follow)  # type: ignore[return-value]  # a coroutine, as func's is
    return measure_ordinary(source, func, follow)


def measure_ordinary(source: Source, func: Callable[[], T], follow: Follow) -> T:
    """Call `func`, of which it is known that it is an ordinary function, like `measure`; it may return an awaitable."""
    call = begin_call(source)
    try:
        result = func()
    except BaseException as error:
        call.end(error)
        raise
    if type(result) is dict:  # as AWS answers; asking what else it may be takes long
        return follow(call, result)  # type: ignore[no-any-return]  # it, or its double
    if iscoroutine(result):  # which has not begun yet, and may never do
        call.withdraw()
        return measure_async(source, lambda: result, follow)  # type: ignore[return-value]  # likewise
    if isawaitable(result):
        return _await(call, lambda: result, follow)  # type: ignore[return-value]  # awaited, it gives what `result` gives
    return follow(call, result)  # type: ignore[no-any-return]  # the result, or its double


async def measure_async(source: Source, func: Callable[[], Awaitable[T]], follow: Follow) -> T:
    """Await what `func` returns as one request, like `measure`."""
    return await _await(begin_call(source), func, follow)


async def _await(call: Call, func: Callable[[], Awaitable[T]], follow: Follow) -> T:
    try:
        result = await func()
    except BaseException as error:
        call.end(error)
        raise
    return follow(call, result)  # type: ignore[no-any-return]  # the result, or its double


def _reading_with(read: Read) -> Follow:
    return lambda call, result: follow(call, result, read)
