from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ldai_core import track_metrics_of, track_metrics_of_async
from ldai_core.endings import settle
from tests.core.doubles import FakeLDClient, make_tracker, warnings_in
from tests.core.runs import (
    DURATION,
    FIRST_TOKEN,
    SUCCESS,
    USAGE_EVENTS,
    AsyncToyStream,
    Clock,
    ToyStream,
    read,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Sent = list[tuple[str, Any]]

# A chat's chunks come after 10, 20, 30 and 40 ms: a role, two pieces of text, the usage; after 50 ms it has ended.
WHOLE: Sent = [(DURATION, 50), (FIRST_TOKEN, 20), (SUCCESS, 1), *USAGE_EVENTS]
BROKEN_AT_TEXT: Sent = [(DURATION, 20), (FIRST_TOKEN, 20), (SUCCESS, 1)]


class ConsumerError(Exception):
    """The application's own."""


class Row(NamedTuple):
    """One row of the table of endings: what happened, as a consumer brings it about, sync and async."""

    happened: str
    sent: Sent
    consume: Callable[[ToyStream], object]
    consume_async: Callable[[AsyncToyStream], Awaitable[object]]


ROWS: list[Row] = []


def row(happened: str, sent: Sent) -> Callable[[type], type]:
    """Add a row, whose two ways of coming about are methods of the class."""

    def add(ways: Any) -> type:
        ROWS.append(Row(happened, sent, ways.consume, ways.consume_async))
        return ways  # type: ignore[no-any-return]

    return add


@row("stream read to its end", WHOLE)
class _ReadToItsEnd:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        for _ in stream:
            pass

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        async for _ in stream:
            pass


@row("stream read to its end, by next()", WHOLE)
class _ReadByNext:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        assert len([next(stream) for _ in range(4)]) == 4
        for _ in range(2):
            with pytest.raises(StopIteration):
                next(stream)

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        assert len([await anext(stream) for _ in range(4)]) == 4
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


@row("stream read to its end inside `with stream:`", WHOLE)
class _ReadInsideWith:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        with stream as entered:
            assert len(list(entered)) == 4

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        async with stream as entered:
            assert len([chunk async for chunk in entered]) == 4


@row("consumer broke out", BROKEN_AT_TEXT)
class _BrokeOut:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        for chunk in stream:
            if chunk.reading.output:
                break

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        async for chunk in stream:
            if chunk.reading.output:
                break
        await asyncio.sleep(0.01)  # within a turn or two


@row("consumer broke out, and resumed the loop: tokens not yet sent are sent then", [*BROKEN_AT_TEXT, *USAGE_EVENTS])
class _Resumed:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        _BrokeOut.consume(stream)
        _ReadToItsEnd.consume(stream)

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        await _BrokeOut.consume_async(stream)
        await _ReadToItsEnd.consume_async(stream)


@row("consumer broke out of `with stream:`", BROKEN_AT_TEXT)
class _BrokeOutOfWith:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        with stream:
            _BrokeOut.consume(stream)

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        async with stream:
            await _BrokeOut.consume_async(stream)


@row("consumer closed the stream", BROKEN_AT_TEXT)
class _Closed:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        next(stream)
        next(stream)
        assert stream.close() == "closed"
        stream.clock.pass_ms(500)
        assert stream.close() == "closed"

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        await anext(stream)
        await anext(stream)
        assert await stream.close() == "closed"
        stream.clock.pass_ms(500)
        assert await stream.close() == "closed"


@row("consumer's own exception in the loop", BROKEN_AT_TEXT)
class _ConsumerRaised:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        with contextlib.suppress(ConsumerError):
            for chunk in stream:
                if chunk.reading.output:
                    raise ConsumerError

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        with contextlib.suppress(ConsumerError):
            async for chunk in stream:
                if chunk.reading.output:
                    raise ConsumerError
        await asyncio.sleep(0.01)


@row("consumer's own exception inside `with stream:`", BROKEN_AT_TEXT)
class _ConsumerRaisedInsideWith:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        error = ConsumerError()

        def fail() -> None:
            with stream:
                next(stream)
                next(stream)
                raise error

        with pytest.raises(ConsumerError) as caught:
            fail()
        assert caught.value is error is stream.left_with

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        error = ConsumerError()

        async def fail() -> None:
            async with stream:
                await anext(stream)
                await anext(stream)
                raise error

        with pytest.raises(ConsumerError) as caught:
            await fail()
        assert caught.value is error is stream.left_with


@row("consumer cancelled or interrupted in its own code inside `with stream:`", BROKEN_AT_TEXT)
class _ConsumerInterrupted:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        with contextlib.suppress(KeyboardInterrupt), stream:
            for chunk in stream:
                if chunk.reading.output:
                    raise KeyboardInterrupt
        assert stream.closed

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async with stream:
                async for chunk in stream:
                    if chunk.reading.output:
                        raise asyncio.CancelledError
        assert stream.closed
        await asyncio.sleep(0.01)


@row("stream never iterated, then closed", [(DURATION, 0), (SUCCESS, 1)])
class _NeverIterated:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        stream.close()

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        await stream.close()


@row("stream never iterated, and its `with` left", [(DURATION, 0), (SUCCESS, 1)])
class _NeverIteratedInsideWith:
    @staticmethod
    def consume(stream: ToyStream) -> None:
        with stream:
            pass

    @staticmethod
    async def consume_async(stream: AsyncToyStream) -> None:
        async with stream:
            pass


by_words = pytest.mark.parametrize("row", ROWS, ids=[row.happened for row in ROWS])


@by_words
@pytest.mark.parametrize("kept", [True, False])
def test_an_ending(row: Row, kept: bool, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Each row of the table of endings is reported once, at once, also while the stream is still referenced."""
    ld_client = FakeLDClient()
    stream = track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(clock=clock))
    row.consume(stream)
    if kept:
        assert ld_client.sent == row.sent
    del stream
    gc.collect()
    assert settle()
    assert ld_client.sent == row.sent
    assert warnings_in(caplog) == []


@by_words
@pytest.mark.parametrize("kept", [True, False])
async def test_an_async_ending(row: Row, kept: bool, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Each row of the table of endings is reported once, also for an async stream."""
    ld_client = FakeLDClient()

    async def request() -> AsyncToyStream:
        return AsyncToyStream(clock=clock)

    stream = await track_metrics_of_async(make_tracker(ld_client), read, request)
    await row.consume_async(stream)
    if kept:
        assert ld_client.sent == row.sent
    del stream
    gc.collect()
    assert settle()
    assert ld_client.sent == row.sent
    assert warnings_in(caplog) == []
