from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AIClient, Reading, Run, TokenUsage, TrackedStream, track_metrics_of, track_metrics_of_async
from ldai_core.endings import settle
from tests.core.doubles import CONTEXT, FakeLDClient, make_tracker, warnings_in
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
    from collections.abc import Callable

    from ldai_core import AIConfigTracker

    Measure = Callable[[AIConfigTracker, Callable[[], Any]], Any]


class Provider:
    """A toy provider: answers after 30 ms, with usage or without, or raises."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.requests = 0

    def answer(self, reading: Reading | None = None, error: BaseException | None = None) -> Callable[[], Chunk]:
        """Return a function that makes one request."""

        def request() -> Chunk:
            self.requests += 1
            self.clock.pass_ms(30)
            if error is not None:
                raise error
            return Chunk(reading or Reading())

        return request


def measure(tracker: AIConfigTracker, func: Callable[[], Any]) -> Any:
    """Measure a request, sync."""
    return track_metrics_of(tracker, read, func)


def measure_async(tracker: AIConfigTracker, func: Callable[[], Any]) -> Any:
    """Measure the same request, async."""

    async def request() -> Any:
        return func()

    async def run() -> Any:
        return await track_metrics_of_async(tracker, read, request)

    # Not asyncio.run: a KeyboardInterrupt that leaves a task would end the loop instead of coming out here.
    running = run()
    try:
        running.send(None)
    except StopIteration as returned:
        return returned.value
    raise AssertionError("a request that waits for nothing has waited")


@pytest.fixture(params=[measure, measure_async], ids=["sync", "async"])
def measured(request: pytest.FixtureRequest) -> Measure:
    """Measure a request with each of the two functions."""
    measure: Measure = request.param
    return measure


def test_a_response(measured: Measure, clock: Clock) -> None:
    """R26: duration, success, then tokens if there is usage; the result goes through; no time to first token."""
    ld_client = FakeLDClient()
    answer = Chunk(Reading(output=False, usage=USAGE, tool_calls=("search",)))

    def request() -> Chunk:
        clock.pass_ms(30)
        return answer

    assert measured(make_tracker(ld_client), request) is answer
    assert ld_client.sent == [(DURATION, 30), (SUCCESS, 1), *USAGE_EVENTS, (TOOL_CALL, 1)]


def test_a_response_without_usage(measured: Measure, clock: Clock) -> None:
    """R26: without usage there are no tokens."""
    ld_client = FakeLDClient()
    measured(make_tracker(ld_client), Provider(clock).answer())
    assert ld_client.sent == [(DURATION, 30), (SUCCESS, 1)]


def test_a_usage_with_a_missing_count(measured: Measure, clock: Clock) -> None:
    """A usage with a missing count loses neither the caller's good response nor the counts that are known."""
    ld_client = FakeLDClient()
    measured(make_tracker(ld_client), Provider(clock).answer(Reading(usage=TokenUsage(total=None, input=3))))
    assert ld_client.sent == [(DURATION, 30), (SUCCESS, 1), USAGE_EVENTS[1]]


@pytest.mark.parametrize("error", [LookupError(), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()])
def test_an_exception(measured: Measure, error: BaseException, clock: Clock) -> None:
    """R27: on exception, of whatever kind: duration, error; the same exception goes on; no tokens."""
    ld_client = FakeLDClient()
    with pytest.raises(type(error)) as caught:
        measured(make_tracker(ld_client), Provider(clock).answer(error=error))
    assert caught.value is error
    assert ld_client.sent == [(DURATION, 30), (ERROR, 1)]


def test_a_second_call(measured: Measure, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """R30: a second call on the same tracker runs the block again and emits only what was not yet recorded."""
    ld_client = FakeLDClient()
    provider = Provider(clock)
    tracker = make_tracker(ld_client)
    measured(tracker, provider.answer(Reading(usage=USAGE)))
    sent = list(ld_client.sent)
    measured(tracker, provider.answer(Reading(usage=USAGE)))
    assert provider.requests == 2
    assert ld_client.sent == sent
    assert [warning.split(":")[0] for warning in warnings_in(caplog)] == [
        "Skipping track_duration",
        "Skipping track_success",
        "Skipping track_tokens",
    ]


def test_a_second_call_with_usage(measured: Measure, clock: Clock) -> None:
    """R30: after a first call without usage, a second with usage still emits tokens."""
    ld_client = FakeLDClient()
    provider = Provider(clock)
    tracker = make_tracker(ld_client)
    measured(tracker, provider.answer())
    measured(tracker, provider.answer(Reading(usage=USAGE)))
    assert ld_client.sent == [(DURATION, 30), (SUCCESS, 1), *USAGE_EVENTS]


def test_a_success_after_a_failure(measured: Measure, clock: Clock) -> None:
    """R31: first call failed, second succeeds: success is dropped (shared guard), tokens are emitted."""
    ld_client = FakeLDClient()
    provider = Provider(clock)
    tracker = make_tracker(ld_client)
    with pytest.raises(LookupError):
        measured(tracker, provider.answer(error=LookupError()))
    measured(tracker, provider.answer(Reading(usage=USAGE)))
    assert ld_client.sent == [(DURATION, 30), (ERROR, 1), *USAGE_EVENTS]


def test_a_reported_failure(measured: Measure, clock: Clock) -> None:
    """Provider reported failure without raising: error, with the tokens that were given; the result goes through."""
    ld_client = FakeLDClient()
    answer = measured(make_tracker(ld_client), Provider(clock).answer(Reading(failed=True, usage=USAGE)))
    assert answer.reading.failed
    assert ld_client.sent == [(DURATION, 30), (ERROR, 1), *USAGE_EVENTS]


def test_any_source(measured: Any, clock: Clock) -> None:
    """`source` is the same word everywhere: a config, a function, or an open Run does as well as a tracker."""
    ld_client = FakeLDClient()
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)
    ld_client.events.clear()
    provider = Provider(clock)
    for source in (config, config.create_tracker):
        measured(source, provider.answer())
        measured(source, provider.answer())
    with Run(config) as run:
        measured(run, provider.answer())
        measured(run, provider.answer())
    assert ld_client.sent == [*([(DURATION, 30), (SUCCESS, 1)] * 4), (DURATION, 60), (SUCCESS, 1)]
    assert len({event.data["runId"] for event in ld_client.events}) == 5


def test_a_wrong_source(measured: Any, clock: Clock) -> None:
    """A wrong source is a TypeError, before any request."""
    provider = Provider(clock)
    with pytest.raises(TypeError, match="source: expected"):
        measured(None, provider.answer())
    assert provider.requests == 0


@pytest.mark.parametrize("kind", [ToyStream, AsyncToyStream])
async def test_a_stream_of_either_kind(measured: Measure, kind: Any, clock: Clock) -> None:
    """What `func` returns is measured to its end if it is a stream, sync or async, whichever form `func` has."""
    ld_client = FakeLDClient()
    stream = measured(make_tracker(ld_client), lambda: kind(clock=clock))
    assert isinstance(stream, kind)
    assert ld_client.events == []
    assert len(list(stream) if kind is ToyStream else [chunk async for chunk in stream]) == 4
    assert ld_client.sent == [(DURATION, 50), (FIRST_TOKEN, 20), (SUCCESS, 1), *USAGE_EVENTS]


@pytest.mark.parametrize("result", [[Chunk()], (), "text", {"usage": {}}, None, range(3)])
def test_what_can_be_iterated_twice_is_a_response(result: object, clock: Clock) -> None:
    """A stream has `__next__` or `__anext__`; a list, a string or a dict is a response, and goes through as it is."""
    ld_client = FakeLDClient()
    assert track_metrics_of(make_tracker(ld_client), lambda _item: Reading(usage=USAGE), lambda: result) is result
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), *USAGE_EVENTS]


def test_a_generator_function_is_asked_for_its_stream(clock: Clock) -> None:
    """A generator function returns a stream: nothing runs before its first chunk is asked for."""
    ld_client = FakeLDClient()
    begun = []

    def chunks() -> Any:
        begun.append(True)
        yield from ToyStream(clock=clock)

    stream = track_metrics_of(make_tracker(ld_client), read, chunks)
    assert begun == []
    assert isinstance(stream, TrackedStream)
    list(stream)
    assert ld_client.sent == [(DURATION, 50), (FIRST_TOKEN, 20), (SUCCESS, 1), *USAGE_EVENTS]


async def test_an_awaitable_is_measured_when_it_is_awaited(clock: Clock) -> None:
    """The sync form, given a coroutine function, returns what is to be awaited, and measures it up to there."""
    ld_client = FakeLDClient()
    answer = Chunk(Reading(usage=USAGE))

    async def request() -> Chunk:
        clock.pass_ms(30)
        return answer

    awaitable = track_metrics_of(make_tracker(ld_client), read, request)
    assert ld_client.events == []
    assert await awaitable is answer
    assert ld_client.sent == [(DURATION, 30), (SUCCESS, 1), *USAGE_EVENTS]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_awaitable_that_is_never_awaited(clock: Clock) -> None:
    """No request was made by an awaitable that was dropped: the run that it was to be part of is reported without."""
    ld_client = FakeLDClient()

    async def request() -> Chunk:
        return Chunk(Reading(usage=USAGE))

    with Run(make_tracker(ld_client)) as run:
        await track_metrics_of(run, read, request)
        track_metrics_of(run, read, request).close()
    assert settle()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), *USAGE_EVENTS]


async def test_many_at_once() -> None:
    """Concurrent requests with one config are one run each: every metric once per run."""
    ld_client = FakeLDClient()
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)
    ld_client.events.clear()

    async def request() -> AsyncToyStream:
        await asyncio.sleep(0)
        return AsyncToyStream()

    async def ask() -> int:
        stream = await track_metrics_of_async(config, read, request)
        return len([await asyncio.sleep(0, chunk) async for chunk in stream])

    assert await asyncio.gather(*(ask() for _ in range(10))) == [4] * 10
    runs: dict[str, list[str]] = {}
    for event in ld_client.events:
        runs.setdefault(event.data["runId"], []).append(event.name)
    assert list(runs.values()) == [[DURATION, FIRST_TOKEN, SUCCESS, *(name for name, _ in USAGE_EVENTS)]] * 10


async def test_a_function_that_hands_out_a_coroutine(clock: Clock) -> None:
    """An ordinary function that returns an awaitable is measured up to what is awaited, like a coroutine function."""
    ld_client = FakeLDClient()
    answer = Chunk(Reading(usage=USAGE))

    async def request() -> Chunk:
        clock.pass_ms(30)
        return answer

    assert await track_metrics_of(make_tracker(ld_client), read, lambda: request()) is answer  # noqa: PLW0108
    assert ld_client.sent == [(DURATION, 30), (SUCCESS, 1), *USAGE_EVENTS]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_coroutine_that_is_handed_out_and_dropped(clock: Clock) -> None:
    """A coroutine that was handed out and is never awaited holds no run open; in a closed one nothing is recorded."""
    ld_client = FakeLDClient()

    async def request() -> Chunk:
        return Chunk(Reading(usage=USAGE))

    with Run(make_tracker(ld_client)) as run:
        track_metrics_of(run, read, lambda: request()).close()  # noqa: PLW0108
        await track_metrics_of(run, read, request)
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), *USAGE_EVENTS]
    track_metrics_of(run, read, lambda: request()).close()  # noqa: PLW0108
    assert len(ld_client.sent) == 5


async def test_a_future(clock: Clock) -> None:
    """A future, whose request has begun already, is measured from the call of the function."""
    ld_client = FakeLDClient()
    future: asyncio.Future[Chunk] = asyncio.get_running_loop().create_future()
    measured = track_metrics_of(make_tracker(ld_client), read, lambda: future)
    clock.pass_ms(20)
    future.set_result(Chunk(Reading(usage=USAGE)))
    await measured
    assert ld_client.sent == [(DURATION, 20), (SUCCESS, 1), *USAGE_EVENTS]
