from __future__ import annotations

import asyncio
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AIClient, AIConfigDefault, AIConfigTracker, Reading, Run
from ldai_core.run import begin_call
from tests.core.doubles import CONTEXT, FakeLDClient, make_tracker, warnings_in
from tests.core.runs import DURATION, PATIENCE_S, SUCCESS, USAGE, USAGE_EVENTS, Clock, finishes

if TYPE_CHECKING:
    from collections.abc import Callable

CALLED = [(DURATION, 0), (SUCCESS, 1)]


def call_once(source: Any) -> None:
    """Make a run of one call."""
    with Run(source) as run:
        run.call().end()


class Factory:
    """A function that makes trackers, and counts them."""

    def __init__(self, ld_client: FakeLDClient) -> None:
        self.ld_client = ld_client
        self.asked = 0

    def __call__(self) -> AIConfigTracker:
        """Make one more."""
        self.asked += 1
        return make_tracker(self.ld_client)


def test_a_config_is_a_source(clock: Clock) -> None:
    """R1: a config gives a fresh tracker to every run, so that each has its own runId."""
    ld_client = FakeLDClient()
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)
    ld_client.events.clear()
    call_once(config)
    call_once(config)
    assert ld_client.sent == CALLED * 2
    assert len({event.data["runId"] for event in ld_client.events}) == 2


def test_a_config_gives_a_tracker_to_every_call(clock: Clock) -> None:
    """R1: a call that has a config for its source is a run of its own, with a tracker of its own."""
    ld_client = FakeLDClient()
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)
    ld_client.events.clear()
    begin_call(config).end()
    begin_call(config).end()
    assert ld_client.sent == CALLED * 2
    assert len({event.data["runId"] for event in ld_client.events}) == 2


def test_a_factory_is_asked_once_per_run(clock: Clock) -> None:
    """A factory is called once per run, at the first call."""
    ld_client = FakeLDClient()
    factory = Factory(ld_client)
    with Run(factory) as run:
        assert factory.asked == 0
        run.call().end()
        assert factory.asked == 1
        run.call().end()
    assert factory.asked == 1
    assert ld_client.sent == CALLED


def test_a_factory_is_asked_for_every_call(clock: Clock) -> None:
    """A factory that is the source of single calls is called for every one of them."""
    ld_client = FakeLDClient()
    factory = Factory(ld_client)
    begin_call(factory).end()
    begin_call(factory).end()
    assert factory.asked == 2
    assert ld_client.sent == CALLED * 2


def test_an_empty_run(caplog: pytest.LogCaptureFixture) -> None:
    """A `Run` that had no call: nothing at all, and its factory is not asked."""
    ld_client = FakeLDClient()
    factory = Factory(ld_client)
    with Run(factory):
        pass
    with pytest.raises(KeyError), Run(factory):
        raise KeyError
    assert factory.asked == 0
    assert ld_client.events == []
    assert warnings_in(caplog) == []


def test_a_tracker_is_a_source(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """R14-R17: a tracker stays the one it is, and records at most once whatever number of runs report to it."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    call_once(tracker)
    assert warnings_in(caplog) == []
    call_once(tracker)
    assert ld_client.sent == CALLED
    assert [warning.split(":")[0] for warning in warnings_in(caplog)] == [
        "Skipping track_duration",
        "Skipping track_success",
    ]


def test_an_open_run_is_a_source(clock: Clock) -> None:
    """A call that has an open `Run` for its source becomes part of it: one record, when that run is closed."""
    ld_client = FakeLDClient()
    with Run(make_tracker(ld_client)) as run:
        for _ in range(2):
            call = begin_call(run)
            call.observe(Reading(usage=USAGE))
            call.end()
        assert ld_client.events == []
    assert ld_client.sent == [*CALLED, *((name, 2 * count) for name, count in USAGE_EVENTS)]


def test_a_run_joins_a_run(clock: Clock) -> None:
    """`Run(run)` joins the outer run: its calls are the outer run's, its closing is not."""
    ld_client = FakeLDClient()
    with Run(make_tracker(ld_client)) as outer:
        call_once(Run(outer))
        inner = Run(outer)
        inner.call().end(KeyError())
        inner.close(KeyError())
        assert ld_client.events == []
        clock.pass_ms(3)
    assert ld_client.sent == [(DURATION, 3), (SUCCESS, 1)]


def test_a_joined_run_that_is_closed(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A call begun on a closed run is not recorded and costs one warning, also if the outer run is still open."""
    ld_client = FakeLDClient()
    with Run(make_tracker(ld_client)) as outer:
        with Run(outer) as inner:
            pass
        inner.call().end()
        assert len(warnings_in(caplog)) == 1
    assert ld_client.events == []


@pytest.mark.parametrize("source", [None, 3, "config", object(), {}, [], AIConfigDefault(), AIConfigDefault.disabled()])
def test_a_wrong_source(source: Any) -> None:
    """R5: a source that gives no tracker, a fallback among them, is a TypeError that says what was expected."""
    with pytest.raises(TypeError, match=f"source: expected an AI Config.*, got {type(source).__name__}$"):
        Run(source)
    with pytest.raises(TypeError, match="source: expected"):
        begin_call(source)


def raising() -> AIConfigTracker:
    """Fail as a factory may."""
    raise LookupError("the api key was sdk-123")


@pytest.mark.parametrize(
    ("factory", "error"),
    [
        (raising, "LookupError"),
        (lambda: None, "TypeError"),
        (lambda: "tracker", "TypeError"),
        (AIConfigDefault, "TypeError"),
        (lambda _context: None, "TypeError"),
    ],
)
def test_a_factory_that_fails(
    factory: Callable[[], AIConfigTracker], error: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A factory that raises, or returns no tracker, costs one warning with the error's type, not the call."""
    with Run(factory) as run:
        for _ in range(2):
            call = run.call()
            call.observe(Reading(usage=USAGE, output=True, tool_calls=("search",)))
            call.end()
    (warning,) = warnings_in(caplog)
    assert error in warning
    assert "sdk-123" not in warning


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_a_factory_that_is_interrupted(error: type[BaseException], clock: Clock) -> None:
    """An interruption of the factory goes on; no request was made, and the next call asks again."""
    ld_client = FakeLDClient()
    errors = [error()]

    def interrupted() -> AIConfigTracker:
        if errors:
            raise errors.pop()
        return make_tracker(ld_client)

    run = Run(interrupted)
    with pytest.raises(error):
        run.call()
    run.call().end()
    run.close()
    assert ld_client.sent == CALLED


def test_a_factory_that_uses_its_run(clock: Clock) -> None:
    """A factory is never called under a lock of ours: one that makes a call of its run, or closes it, does not hang."""
    ld_client = FakeLDClient()
    asked = []

    def curious() -> AIConfigTracker:
        asked.append(run)
        run.call().end()
        run.close()
        return make_tracker(ld_client)

    run = Run(curious)
    assert finishes(lambda: run.call().end())
    assert asked == [run]
    assert ld_client.sent == CALLED


def test_a_slow_factory_and_two_threads(clock: Clock) -> None:
    """While the factory is at work, another thread's call neither waits nor asks again; both are in one report."""
    ld_client = FakeLDClient()
    begun, go = Event(), Event()
    asked = []

    def slow() -> AIConfigTracker:
        asked.append(1)
        begun.set()
        go.wait(PATIENCE_S)
        return make_tracker(ld_client)

    def chat() -> None:
        call = run.call()
        call.observe(Reading(usage=USAGE))
        call.end()

    run = Run(slow)
    first = Thread(target=chat)
    first.start()
    assert begun.wait(PATIENCE_S)
    assert finishes(chat)
    assert finishes(run.close)
    assert ld_client.events == []
    go.set()
    first.join(PATIENCE_S)
    assert asked == [1]
    assert ld_client.sent == [*CALLED, *((name, 2 * count) for name, count in USAGE_EVENTS)]


def test_an_interrupted_function_is_asked_again(clock: Clock) -> None:
    """A factory that is interrupted at the first call is asked at the next, also beside a call of another thread."""
    ld_client = FakeLDClient()
    answers: list[Any] = [KeyboardInterrupt, make_tracker(ld_client)]
    other: list[Any] = []

    def create_tracker() -> AIConfigTracker:
        if not other:
            other.append(run.call())  # as another thread may begin one meanwhile
        answer = answers.pop(0)
        if answer is KeyboardInterrupt:
            raise KeyboardInterrupt
        return answer  # type: ignore[no-any-return]

    run = Run(create_tracker)
    with pytest.raises(KeyboardInterrupt):
        run.call()
    run.call().end()
    other[0].end()
    run.close()
    assert answers == []
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]
