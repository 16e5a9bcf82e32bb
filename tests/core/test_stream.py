from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AsyncTrackedStream, Reading, Run, TrackedStream
from ldai_core.endings import settle
from ldai_core.reading import OUTPUT
from ldai_core.run import begin_call
from tests.core.doubles import FakeLDClient, make_tracker, warnings_in
from tests.core.runs import DURATION, SUCCESS, USAGE, USAGE_EVENTS, AsyncToyStream, Chunk, ToyStream, make_run, read

if TYPE_CHECKING:
    from collections.abc import Callable

    Tracked = TrackedStream[Chunk] | AsyncTrackedStream[Chunk]


def tracked(stream: ToyStream | None = None, **options: Any) -> TrackedStream[Chunk]:
    """Track a stream for a run of its own, which nobody looks at."""
    return TrackedStream(stream or ToyStream(), make_run()[0].call(), read, **options)


def tracked_async(stream: AsyncToyStream | None = None, **options: Any) -> AsyncTrackedStream[Chunk]:
    """Track an async stream for a run of its own, which nobody looks at."""
    return AsyncTrackedStream(stream or AsyncToyStream(), make_run()[0].call(), read, **options)


BOTH: list[Any] = [(ToyStream, tracked, Iterator), (AsyncToyStream, tracked_async, AsyncIterator)]
both = pytest.mark.parametrize(("kind", "track", "abstract"), BOTH, ids=["sync", "async"])


@both
def test_the_type(kind: type, track: Callable[..., Tracked], abstract: type) -> None:
    """A tracked stream stays the provider's type for `isinstance`, and is an iterator, and is a tracked stream."""
    stream = track()
    assert isinstance(stream, kind)
    assert stream.__class__ is kind
    assert isinstance(stream, abstract)
    assert isinstance(stream, TrackedStream if kind is ToyStream else AsyncTrackedStream)


@both
def test_attributes(kind: type, track: Callable[..., Any], abstract: type) -> None:
    """Every attribute is the provider's: read, set, deleted, missing."""
    stream = kind()
    double = track(stream)
    assert double.request_id == "req-1"
    double.request_id = "req-2"
    assert stream.request_id == "req-2"
    double.note = "mine"
    assert stream.note == "mine"
    del double.note
    assert not hasattr(stream, "note")
    with pytest.raises(AttributeError, match="'" + kind.__name__ + "' object has no attribute 'missing'"):
        _ = double.missing
    with pytest.raises(AttributeError):
        del double.missing


@both
def test_the_repr(kind: type, track: Callable[..., Tracked], abstract: type) -> None:
    """A tracked stream prints as the provider's."""
    stream = kind()
    assert repr(track(stream)) == repr(stream)
    assert str(track(stream)) == str(stream)


def test_chunks_are_the_provider_s() -> None:
    """What is read is the provider's own objects, in order, whichever way they are asked for."""
    stream = ToyStream()
    chunks = list(stream.chunks)
    double = tracked(stream)
    assert [next(double), *double] == chunks


async def test_async_chunks_are_the_provider_s() -> None:
    """What is read from an async stream is the provider's own objects, in order, whichever way they are asked for."""
    stream = AsyncToyStream()
    chunks = list(stream.chunks)
    double = tracked_async(stream)
    assert [await anext(double), *[chunk async for chunk in double]] == chunks


def test_with_gives_the_measured_object() -> None:
    """`with stream as entered` gives back the measured object, not the provider's, and passes its exit on."""
    stream = ToyStream()
    double = tracked(stream)
    with double as entered:
        assert entered is double
        assert not stream.closed
    assert stream.closed


async def test_async_with_gives_the_measured_object() -> None:
    """`async with stream as entered` gives back the measured object, not the provider's, and passes its exit on."""
    stream = AsyncToyStream()
    double = tracked_async(stream)
    async with double as entered:
        assert entered is double
        assert not stream.closed
    assert stream.closed


def test_a_with_that_swallows() -> None:
    """A provider's `__exit__` that swallows an exception still does."""

    class Swallowing(ToyStream):
        def __exit__(self, *_left: object) -> bool:
            return True

    with tracked(Swallowing()):
        raise LookupError


def test_a_with_that_fails() -> None:
    """A provider's `__exit__` that raises still does, and ends the call: the model did not fail."""

    class Failing(ToyStream):
        def __exit__(self, *_left: object) -> bool:
            raise ConnectionError("cut")

    run, ld_client = make_run()
    stream = TrackedStream[Chunk](Failing(), run.call(), read)
    run.close()
    with pytest.raises(ConnectionError, match="cut"), stream:
        pass
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


def test_a_close_that_fails() -> None:
    """A provider's `close` that raises still does, and ends the call."""

    class Failing(ToyStream):
        def close(self) -> str:
            raise ConnectionError("cut")

    run, ld_client = make_run()
    stream: Any = TrackedStream(Failing(), run.call(), read)
    run.close()
    with pytest.raises(ConnectionError, match="cut"):
        stream.close()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


def test_a_generator_is_a_stream() -> None:
    """A generator is a stream as any: `send`, `close` and its own `finally` are forwarded."""
    closed = []

    def chunks() -> Iterator[Chunk]:
        try:
            yield Chunk()
            yield Chunk()
        finally:
            closed.append(True)

    run, ld_client = make_run()
    stream: Any = TrackedStream(chunks(), run.call(), read)
    run.close()
    next(stream)
    stream.close()
    assert closed == [True]
    assert [name for name, _ in ld_client.sent][-1] == SUCCESS


async def test_aclose() -> None:
    """An async generator is a stream as any: `aclose` ends the call when it is through."""

    async def chunks() -> AsyncIterator[Chunk]:
        yield Chunk()
        yield Chunk()

    run, ld_client = make_run()
    stream: Any = AsyncTrackedStream(chunks(), run.call(), read)
    run.close()
    await anext(stream)
    closing = stream.aclose()
    assert ld_client.events == []
    await closing
    assert [name for name, _ in ld_client.sent][-1] == SUCCESS


def carries_usage_alone(chunk: Chunk) -> bool:
    """Say of every chunk that it is to be hidden, so that what is kept is kept for want of usage."""
    return True


def test_hide() -> None:
    """Where `hide` says so, a chunk that carries usage is read and not handed on; no other chunk is ever hidden."""
    for by in ("for", "next"):
        run, ld_client = make_run()
        stream = TrackedStream[Chunk](ToyStream(), run.call(), read, hide=carries_usage_alone)
        run.close()
        got = list(stream) if by == "for" else [next(stream) for _ in range(3)]
        assert [chunk.reading.usage for chunk in got] == [None] * 3
        with pytest.raises(StopIteration):
            next(stream)
        assert ld_client.sent[-3:] == USAGE_EVENTS


async def test_hide_async() -> None:
    """Where `hide` says so, a chunk that carries usage is read and not handed on, async likewise."""
    for by in ("for", "next"):
        run, ld_client = make_run()
        stream = AsyncTrackedStream[Chunk](AsyncToyStream(), run.call(), read, hide=carries_usage_alone)
        run.close()
        got = [chunk async for chunk in stream] if by == "for" else [await anext(stream) for _ in range(3)]
        assert [chunk.reading.usage for chunk in got] == [None] * 3
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert ld_client.sent[-3:] == USAGE_EVENTS


async def test_hide_in_a_row() -> None:
    """Several chunks in a row may be hidden, and so may all."""
    chunks = [Chunk(Reading(usage=USAGE)), Chunk(Reading(usage=USAGE)), Chunk(), Chunk(Reading(usage=USAGE))]
    stream = tracked(ToyStream(list(chunks)), hide=carries_usage_alone)
    assert next(stream) is chunks[2]
    assert next(stream, None) is None
    async_stream = tracked_async(AsyncToyStream(list(chunks)), hide=carries_usage_alone)
    assert await anext(async_stream) is chunks[2]
    assert await anext(async_stream, None) is None


def test_a_chunk_that_is_not_to_be_hidden() -> None:
    """A chunk with usage that `hide` keeps, and one when there is no `hide`, are handed on."""
    assert len(list(tracked(hide=lambda _chunk: False))) == 4
    assert len(list(tracked())) == 4


def test_a_hide_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Measuring never breaks the call: a `hide` that raises costs one warning, and the chunk is handed on."""

    def fail(_chunk: Chunk) -> bool:
        raise LookupError("the api key was sdk-123")

    assert len(list(tracked(hide=fail))) == 4
    (warning,) = warnings_in(caplog)
    assert "sdk-123" not in warning


def test_no_chunk_is_kept() -> None:
    """No chunk is kept: by the time of the next one, what nobody else holds is gone."""
    for ask in (iter, lambda stream: stream):
        double = tracked()
        chunks = ask(double)
        seen = weakref.ref(next(chunks))
        next(chunks)
        assert seen() is None
        last = weakref.ref(list(chunks)[-1])
        assert last() is None
        del double


@pytest.mark.parametrize("taken", [None, 0, 1])
@pytest.mark.parametrize("track", [tracked, tracked_async])
def test_no_cycle(track: Callable[..., Any], taken: int | None) -> None:
    """A dropped stream is gone at once, without the garbage collector: nothing of ours refers to it in a circle."""
    gc.disable()
    try:
        provider: Any = ToyStream() if track is tracked else AsyncToyStream()
        double = track(provider)
        alive = weakref.ref(double)
        chunks = None if taken is None else iter(double) if track is tracked else aiter(double)
        if taken and isinstance(chunks, Iterator):
            next(chunks)
        del double, chunks
        assert alive() is None
    finally:
        gc.enable()
    assert settle()


def test_a_report_lets_go_of_the_run() -> None:
    """Once an ending has been reported by the thread, the thread keeps nothing of it."""
    run = Run(make_tracker(FakeLDClient()))
    gone = weakref.ref(run)
    stream = TrackedStream[Chunk](ToyStream(), run.call(), read)
    run.close()
    del run, stream
    assert settle()
    gc.collect()
    assert gone() is None


@both
def test_a_copy(
    kind: type,
    track: Callable[..., Any],
    abstract: type,
) -> None:
    """A copy is no endless recursion: it forwards to the same provider's stream."""
    double = track()
    copied: Any = copy.copy(double)
    assert (type(copied), copied.__class__) == (type(double), kind)
    assert copied.request_id == "req-1"
    assert copied.chunks is double.chunks


def test_an_unfinished_object() -> None:
    """An object that was made without `__init__`, as a copy or a pickle is, neither recurses nor fails when dropped."""
    bare = TrackedStream.__new__(TrackedStream)
    with pytest.raises(AttributeError):
        _ = bare.request_id
    del bare


def test_a_stream_in_a_run() -> None:
    """Streams may outlive their run: it is reported when the last of them has ended, whichever way that is."""
    run, ld_client = make_run()
    with run:
        read_up, broken, dropped = (TrackedStream[Chunk](ToyStream(), run.call(), read) for _ in range(3))
    list(read_up)
    for _ in broken:
        break
    assert ld_client.events == []
    del dropped
    assert settle()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS, *(name for name, _ in USAGE_EVENTS)]


def test_readings_are_shared() -> None:
    """Readers may return the shared readings, and others of the same content do as well."""
    run, ld_client = make_run()
    call = run.call()
    stream = TrackedStream[Chunk](
        ToyStream([Chunk(OUTPUT), Chunk(Reading(output=True)), Chunk(Reading(usage=USAGE))]), call, read
    )
    assert len(list(stream)) == 3
    run.close()
    assert ld_client.sent[-3:] == USAGE_EVENTS


def test_a_class_with_its_parameter_leaves_the_stream_alone() -> None:
    """`TrackedStream[Chunk](...)` sets nothing on the provider's stream, as `typing` would."""
    stream = ToyStream()
    before = dict(vars(stream))
    assert len(list(TrackedStream[Chunk](stream, begin_call(make_tracker(FakeLDClient())), read))) == 4
    assert vars(stream).keys() == before.keys()
