from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import Reading, track_metrics_of, track_metrics_of_async
from ldai_core.endings import settle
from ldai_core.reading import NOTHING
from tests.core.doubles import FakeLDClient, make_tracker, warnings_in
from tests.core.runs import (
    DURATION,
    ERROR,
    FIRST_TOKEN,
    SUCCESS,
    TOOL_CALL,
    USAGE,
    USAGE_EVENTS,
    AsyncToyStream,
    Chunk,
    Clock,
    ToyStream,
    read,
)

if TYPE_CHECKING:
    Sent = list[tuple[str, Any]]


@pytest.mark.parametrize("taken", [0, 1, 2])
@pytest.mark.parametrize("by", ["for", "next"])
def test_a_dropped_stream(by: str, taken: int, clock: Clock) -> None:
    """Consumer dropped the stream, iterated or not: success, and the duration ends with the drop."""
    ld_client = FakeLDClient()
    stream = track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(clock=clock))
    chunks = iter(stream) if by == "for" else stream
    for _ in range(taken):
        next(chunks)
    del stream, chunks
    clock.pass_ms(500)
    assert settle()
    first_token = [(FIRST_TOKEN, 20)] if taken == 2 else []
    assert ld_client.sent == [(DURATION, 10 * taken), *first_token, (SUCCESS, 1)]


def test_a_stream_that_has_ended_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that has ended is dropped without a word: the thread has nothing to do with it."""
    deferred: list[object] = []
    monkeypatch.setattr("ldai_core.run.defer", deferred.append)
    for _ in range(2):
        stream = track_metrics_of(make_tracker(FakeLDClient()), read, ToyStream)
        list(stream)
        list(stream)
        del stream
    assert deferred == []
    track_metrics_of(make_tracker(FakeLDClient()), read, ToyStream)
    assert len(deferred) == 1


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_a_dropped_async_stream(taken: int, clock: Clock) -> None:
    """Consumer dropped the async stream, iterated or not: success, likewise."""
    ld_client = FakeLDClient()

    async def request() -> AsyncToyStream:
        return AsyncToyStream(clock=clock)

    stream = await track_metrics_of_async(make_tracker(ld_client), read, request)
    for _ in range(taken):
        await anext(stream)
    del stream
    clock.pass_ms(500)
    assert settle()
    first_token = [(FIRST_TOKEN, 20)] if taken == 2 else []
    assert ld_client.sent == [(DURATION, 10 * taken), *first_token, (SUCCESS, 1)]


def test_a_stream_that_reports_a_failure(clock: Clock) -> None:
    """Provider reported failure without raising: error, also if the stream is read to its end."""
    ld_client = FakeLDClient()
    chunks = [Chunk(), Chunk(Reading(failed=True)), Chunk(NOTHING)]
    list(track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(chunks, clock)))
    assert ld_client.sent == [(DURATION, 40), (FIRST_TOKEN, 10), (ERROR, 1)]


def test_a_stream_without_output(clock: Clock) -> None:
    """Time to first token is set by output: role-only, usage-only and empty chunks do not count."""
    ld_client = FakeLDClient()
    chunks = [Chunk(NOTHING), Chunk(Reading()), Chunk(Reading(usage=USAGE))]
    list(track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(chunks, clock)))
    assert ld_client.sent == [(DURATION, 40), (SUCCESS, 1), *USAGE_EVENTS]


def test_a_resumed_loop(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A resumed loop: tokens and tool calls not yet sent are sent at its end, nothing else, and nothing twice."""
    ld_client = FakeLDClient()
    early = Reading(output=True, usage=USAGE, tool_calls=("search",))
    chunks = [Chunk(early), Chunk(Reading(usage=USAGE, tool_calls=("book",))), Chunk(), Chunk(Reading(failed=True))]
    stream = track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(chunks, clock))
    at_break = [(DURATION, 10), (FIRST_TOKEN, 10), (SUCCESS, 1), *USAGE_EVENTS, (TOOL_CALL, 1)]
    for _ in stream:
        break
    assert ld_client.sent == at_break
    for _ in stream:
        break
    assert ld_client.sent == [*at_break, (TOOL_CALL, 1)]
    assert len(list(stream)) == 2
    assert list(stream) == []
    assert ld_client.sent == [*at_break, (TOOL_CALL, 1)]
    assert [event.data["toolKey"] for event in ld_client.events if event.name == TOOL_CALL] == ["search", "book"]
    assert warnings_in(caplog) == []


def test_a_resumed_stream_that_is_dropped(clock: Clock) -> None:
    """A loop that was broken off and resumed by next(), then dropped: what it brought is sent at that second end."""
    ld_client = FakeLDClient()
    stream = track_metrics_of(make_tracker(ld_client), read, lambda: ToyStream(clock=clock))
    for chunk in stream:
        if chunk.reading.output:
            break
    next(stream)
    next(stream)
    del stream
    assert settle()
    assert ld_client.sent == [(DURATION, 20), (FIRST_TOKEN, 20), (SUCCESS, 1), *USAGE_EVENTS]
