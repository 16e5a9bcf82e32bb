from __future__ import annotations

import asyncio
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AIConfigTracker, Reading, Run, TokenUsage, ToolCall, TrackedStream, track_metrics_of
from ldai_core.endings import _Worker, settle
from ldai_core.reading import OUTPUT
from ldai_core.run import begin_call
from tests.core.doubles import FailingLDClient, FakeLDClient, make_tracker, warnings_in
from tests.core.runs import (
    DURATION,
    ERROR,
    FIRST_TOKEN,
    INPUT,
    OUTPUT_TOKENS,
    SUCCESS,
    TOOL_CALL,
    TOTAL,
    USAGE,
    USAGE_EVENTS,
    Chunk,
    Clock,
    ToyStream,
    make_run,
    read,
)

if TYPE_CHECKING:
    from ldclient import Context

    from ldai_core.metrics import Metrics

SECRET = "the api key was sdk-123"
BAD_COUNTS: list[Any] = [-1, 1.5, True, False, math.nan, math.inf, "7", b"7", Decimal("NaN"), [7], object(), 10**400]


def assert_one_warning(caplog: pytest.LogCaptureFixture, *words: str) -> None:
    """Assert that there is one warning, with these words and without what it must not tell."""
    (warning,) = warnings_in(caplog)
    assert all(word in warning for word in words)
    assert "sdk-123" not in warning


@pytest.mark.parametrize("count", BAD_COUNTS)
def test_a_bad_count(count: Any, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """C4: a count that is no whole number >= 0 is dropped alone, with one warning a run."""
    run, ld_client = make_run()
    for _ in range(2):
        call = run.call()
        call.observe(Reading(usage=TokenUsage(total=count, input=3, output=4)))
        call.observe(Reading(usage=TokenUsage(total=count)))
        call.end()
    run.close()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), (TOTAL, 14), (INPUT, 6), (OUTPUT_TOKENS, 8)]
    assert_one_warning(caplog, "token count")


def test_a_bad_count_does_not_replace_a_good_one(clock: Clock) -> None:
    """C4: the newest known count wins; a bad one is not known."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    call.observe(Reading(usage=USAGE))
    call.observe(Reading(usage=TokenUsage(total=-1, input=True, output=5)))
    call.end()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), (TOTAL, 7), (INPUT, 3), (OUTPUT_TOKENS, 5)]


BAD_READINGS: list[Any] = [
    None,
    "text",
    {"usage": USAGE},
    Reading(usage={"total": 7}),  # type: ignore[arg-type]
    Reading(usage=(7, 3, 4)),  # type: ignore[arg-type]
    Reading(tool_calls=None),  # type: ignore[arg-type]
    Reading(tool_calls=(ToolCall("search", ["call_1"]),)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("bad", BAD_READINGS)
def test_a_bad_reading(bad: Any, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Our own reading went wrong: the call's own outcome without tokens; one warning, and the call is untouched."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    call.observe(Reading(usage=USAGE))
    call.observe(bad)
    call.observe(bad)
    call.observe(OUTPUT)
    call.end()
    assert ld_client.sent == [(DURATION, 0), (FIRST_TOKEN, 0), (SUCCESS, 1)]
    assert_one_warning(caplog, "reading what the provider sent")


@pytest.mark.parametrize("bad", [None, "text", 7, object()])
def test_a_reader_that_returns_no_reading(bad: Any, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A reader that returns no Reading is a fault of reading: the consumer of the stream sees nothing of it."""
    ld_client = FakeLDClient()
    chunks = [Chunk(), Chunk()]
    stream = track_metrics_of(make_tracker(ld_client), lambda _chunk: bad, lambda: ToyStream(list(chunks)))
    assert list(stream) == chunks
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]
    run, _ = make_run()
    hiding = TrackedStream[Chunk](ToyStream(list(chunks)), run.call(), lambda _chunk: bad, hide=lambda _chunk: True)
    caplog.clear()
    assert list(hiding) == chunks
    assert_one_warning(caplog, "reading what the provider sent")


@pytest.mark.parametrize("name", [7, True, None, "", ["search"], {"name": "search"}, object(), b"search", math.nan])
@pytest.mark.parametrize("with_id", [True, False])
def test_a_tool_call_without_a_name(with_id: bool, name: Any, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """C4: tool keys are non-empty strings: whatever else a provider calls a name is dropped alone, with one warning."""
    run, ld_client = make_run()
    call = run.call()
    nameless = ToolCall(name, "1") if with_id else name
    call.observe(Reading(usage=USAGE, tool_calls=(nameless, ToolCall("book", "1"))))
    call.observe(Reading(tool_calls=(nameless,)))
    call.end()
    run.close()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), *USAGE_EVENTS, (TOOL_CALL, 1)]
    assert ld_client.events[-1].data["toolKey"] == "book"
    assert_one_warning(caplog, "a tool call without a name")


class UnreadableError(LookupError):
    """What a reader raises."""


def unreadable(_item: object) -> Reading:
    """Fail as a reader may."""
    raise UnreadableError(SECRET)


def test_a_reader_that_raises(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Our own reading raised: duration and the call's own outcome, no tokens; one warning with the error's type."""
    ld_client = FakeLDClient()
    answer = object()
    assert track_metrics_of(make_tracker(ld_client), unreadable, lambda: answer) is answer
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]
    assert_one_warning(caplog, "Unreadable", "tokens are lost")


def test_a_reader_that_raises_in_a_call_that_fails(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Our own reading raised, and the provider later: the call's own outcome is an error."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    call.read(unreadable, Chunk())
    call.end(ConnectionError())
    assert ld_client.sent == [(DURATION, 0), (ERROR, 1)]
    assert_one_warning(caplog, "Unreadable")


def test_a_reader_that_raises_in_one_of_many_calls(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Our own reading raised: that call's tokens are lost, whenever they were seen; other calls keep theirs."""
    run, ld_client = make_run()
    first, second = run.call(), run.call()
    first.observe(Reading(usage=USAGE))
    first.read(unreadable, Chunk())
    second.read(read, Chunk(Reading(usage=USAGE)))
    second.end()
    first.read(unreadable, Chunk())
    first.end()
    run.close()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1), *USAGE_EVENTS]
    assert_one_warning(caplog, "Unreadable")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_an_interruption_inside_a_reader(error: type[BaseException], clock: Clock) -> None:
    """Interrupted (`BaseException`), be it inside a reader: an error; it goes on at once."""
    ld_client = FakeLDClient()

    def interrupted(_chunk: Chunk) -> Reading:
        raise error

    stream = track_metrics_of(make_tracker(ld_client), interrupted, ToyStream)
    with pytest.raises(error):
        next(iter(stream))
    assert ld_client.sent == [(DURATION, 0), (ERROR, 1)]


def full_call(run: Run) -> None:
    """Make a call that has everything there is to report."""
    call = run.call()
    call.observe(Reading(usage=USAGE, output=True, tool_calls=("search",)))
    call.end()


EVERYTHING = [DURATION, FIRST_TOKEN, SUCCESS, TOTAL, INPUT, OUTPUT_TOKENS, TOOL_CALL]


@pytest.mark.parametrize("fails_on", [*([name] for name in EVERYTHING), EVERYTHING[1::2], None])
def test_a_client_that_raises(fails_on: list[str] | None, caplog: pytest.LogCaptureFixture) -> None:
    """LaunchDarkly client raised: one warning a run, with the error's type; the remaining metrics are still sent."""
    ld_client = FailingLDClient(fails_on=fails_on)
    with Run(make_tracker(ld_client)) as run:
        full_call(run)
    lost = EVERYTHING if fails_on is None else fails_on
    assert [name for name, _ in ld_client.sent] == [name for name in EVERYTHING if name not in lost]
    assert_one_warning(caplog, "ConnectionError")


def test_a_client_that_raises_for_two_runs(caplog: pytest.LogCaptureFixture) -> None:
    """LaunchDarkly client raised: the warning is one for each run."""
    for _ in range(2):
        with Run(make_tracker(FailingLDClient())) as run:
            full_call(run)
    assert len(warnings_in(caplog)) == 2


class FailingTracker(AIConfigTracker):
    """A tracker that cannot report."""

    def report(self, metrics: Metrics) -> Exception | None:
        """Fail."""
        raise LookupError(SECRET)


def test_a_tracker_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """Tracker raised: the call is untouched; one warning a run."""
    healthy = make_tracker(FakeLDClient())
    tracker = FailingTracker(
        ld_client=FakeLDClient(),
        run_id=healthy.run_id,
        config_key=healthy.config_key,
        variation_key="",
        version=1,
        context=healthy.context,
        model_name="",
        provider_name="",
    )
    answer = object()
    assert track_metrics_of(tracker, unreadable, lambda: answer) is answer
    (_, warning) = warnings_in(caplog)
    assert "LookupError" in warning
    assert "sdk-123" not in warning


class StoppingLDClient(FakeLDClient):
    """Raise what is no Exception, as cancellation and some timeouts are, from the first `track`."""

    stopped = False

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Stop the thread once, then keep events."""
        if not self.stopped:
            self.stopped = True
            raise asyncio.CancelledError
        super().track(event_name, context, data, metric_value)


def test_a_client_that_stops_the_thread_of_endings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped streams are reported whatever happened to the one before them: the thread outlives it."""
    monkeypatch.setattr("ldai_core.endings._worker", _Worker())
    ld_client = StoppingLDClient()
    for _ in range(2):
        stream = track_metrics_of(lambda: make_tracker(ld_client), read, ToyStream)
        next(stream)
        del stream
        settle(1.0)
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


@pytest.mark.parametrize("method", ["__iter__", "__enter__"])
def test_a_thread_that_cannot_be_started(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring never breaks the call: a process that may start no more threads still gets its streams and runs."""

    class Exhausted:
        def __init__(self, **_arguments: Any) -> None:
            pass

        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr("ldai_core.endings.Thread", Exhausted)
    monkeypatch.setattr("ldai_core.endings._worker", _Worker())
    ld_client = FakeLDClient()
    if method == "__enter__":
        with Run(make_tracker(ld_client)) as run:
            full_call(run)
    else:
        assert len(list(track_metrics_of(make_tracker(ld_client), read, ToyStream))) == 4
    assert [name for name, _ in ld_client.sent][:3] == [DURATION, FIRST_TOKEN, SUCCESS]
