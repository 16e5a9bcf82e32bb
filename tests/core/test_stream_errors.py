from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import Reading, track_metrics_of, track_metrics_of_async
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.runs import (
    DURATION,
    ERROR,
    FIRST_TOKEN,
    TOOL_CALL,
    USAGE,
    USAGE_EVENTS,
    AsyncToyStream,
    Chunk,
    Clock,
    ToyStream,
    chat,
    read,
)

if TYPE_CHECKING:
    Sent = list[tuple[str, Any]]

ALL = Reading(output=True, usage=USAGE, tool_calls=("search",))
ERRORS = [ConnectionError("cut"), TimeoutError(), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit(1)]
BEFORE: list[Any] = [
    ([], [(DURATION, 10), (ERROR, 1)]),
    (chat()[:1], [(DURATION, 20), (ERROR, 1)]),
    (chat()[:2], [(DURATION, 30), (FIRST_TOKEN, 20), (ERROR, 1)]),
    (
        [Chunk(Reading(usage=USAGE, tool_calls=("search",)))],
        [(DURATION, 20), (ERROR, 1), *USAGE_EVENTS, (TOOL_CALL, 1)],
    ),
]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("chunks", "sent"), BEFORE)
@pytest.mark.parametrize("by", ["for", "next", "with"])
def test_the_provider_raised(by: str, chunks: list[Chunk], sent: Sent, error: BaseException, clock: Clock) -> None:
    """Provider raised during the stream, or the wait for it was interrupted: error; the same exception goes on."""
    ld_client = FakeLDClient()
    stream = track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(list(chunks), clock, error))

    def consume() -> None:
        with stream if by == "with" else contextlib.nullcontext():
            if by == "next":
                for _ in range(9):
                    next(stream)
            for _ in stream:
                pass

    with pytest.raises(type(error)) as caught:
        consume()
    assert caught.value is error
    assert ld_client.sent == sent
    with pytest.raises(type(error)):
        next(stream)  # and what the provider does the second time is its own affair
    assert ld_client.sent == sent


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(("chunks", "sent"), BEFORE)
@pytest.mark.parametrize("by", ["for", "next", "with"])
async def test_the_provider_raised_async(
    by: str, chunks: list[Chunk], sent: Sent, error: BaseException, clock: Clock
) -> None:
    """Provider raised during an async stream, or the wait for it was cancelled: error; the same exception goes on."""
    ld_client = FakeLDClient()

    async def request() -> AsyncToyStream:
        return AsyncToyStream(list(chunks), clock, error)

    stream = await track_metrics_of_async(make_tracker(ld_client), read, request)

    async def consume() -> None:
        async with stream if by == "with" else contextlib.nullcontext():
            if by == "next":
                for _ in range(9):
                    await anext(stream)
            async for _ in stream:
                pass

    with pytest.raises(type(error)) as caught:
        await consume()
    assert caught.value is error
    assert ld_client.sent == sent


async def test_a_task_is_cancelled_while_it_waits(clock: Clock) -> None:
    """Cancelled while waiting for the provider: an error; the cancellation goes on at once."""
    ld_client = FakeLDClient()

    class Stalling(AsyncToyStream):
        async def __anext__(self) -> Chunk:
            return await super().__anext__() if len(self.chunks) > 2 else await asyncio.Event().wait()  # type: ignore[return-value]

    async def request() -> AsyncToyStream:
        return Stalling(clock=clock)

    async def consume() -> None:
        async for _ in await track_metrics_of_async(make_tracker(ld_client), read, request):
            pass

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(consume(), 0.05)
    assert ld_client.sent == [(DURATION, 20), (FIRST_TOKEN, 20), (ERROR, 1)]
