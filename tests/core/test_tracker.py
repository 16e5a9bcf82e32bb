from __future__ import annotations

import dataclasses
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import FeedbackKind, MetricSummary, ResumptionToken, TokenUsage
from tests.core.doubles import CONTEXT, RUN_ID, FailingLDClient, FakeLDClient, make_tracker, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfigTracker

    Act = Callable[[AIConfigTracker], object]

DURATION = "$ld:ai:duration:total"
FIRST_TOKEN = "$ld:ai:tokens:ttf"
SUCCESS = "$ld:ai:generation:success"
ERROR = "$ld:ai:generation:error"
TOTAL, INPUT, OUTPUT = "$ld:ai:tokens:total", "$ld:ai:tokens:input", "$ld:ai:tokens:output"
POSITIVE, NEGATIVE = "$ld:ai:feedback:user:positive", "$ld:ai:feedback:user:negative"
TOOL_CALL = "$ld:ai:tool_call"

RUN_DATA = {
    "runId": RUN_ID,
    "configKey": "my-config",
    "version": 3,
    "modelName": "gpt-4o",
    "providerName": "openai",
    "variationKey": "v1",
}

# What each method sends: the events and their values.
METHODS: list[tuple[str, Act, list[tuple[str, Any]]]] = [
    ("track_duration", lambda tracker: tracker.track_duration(1200), [(DURATION, 1200)]),
    (
        "track_time_to_first_token",
        lambda tracker: tracker.track_time_to_first_token(80),
        [(FIRST_TOKEN, 80)],
    ),
    (
        "track_tokens",
        lambda tracker: tracker.track_tokens(TokenUsage(total=30, input=10, output=20)),
        [(TOTAL, 30), (INPUT, 10), (OUTPUT, 20)],
    ),
    ("track_success", lambda tracker: tracker.track_success(), [(SUCCESS, 1)]),
    ("track_error", lambda tracker: tracker.track_error(), [(ERROR, 1)]),
    (
        "track_feedback",
        lambda tracker: tracker.track_feedback(FeedbackKind.POSITIVE),
        [(POSITIVE, 1)],
    ),
    (
        "track_feedback",
        lambda tracker: tracker.track_feedback(FeedbackKind.NEGATIVE),
        [(NEGATIVE, 1)],
    ),
]


def everything(tracker: AIConfigTracker) -> None:
    """Record one of each metric."""
    tracker.track_duration(1200)
    tracker.track_time_to_first_token(80)
    tracker.track_success()
    tracker.track_tokens(TokenUsage(total=30, input=10, output=20))
    tracker.track_tool_call("search")
    tracker.track_feedback(FeedbackKind.POSITIVE)


EVERYTHING = [DURATION, FIRST_TOKEN, SUCCESS, TOTAL, INPUT, OUTPUT, TOOL_CALL, POSITIVE]


def test_every_event_carries_the_run_data() -> None:
    """R12: every event of a tracker carries the run data, and is tracked for the tracker's context."""
    ld_client = FakeLDClient()
    everything(make_tracker(ld_client))
    assert [event.name for event in ld_client.events] == EVERYTHING
    for event in ld_client.events:
        extra = {"toolKey": "search"} if event.name == TOOL_CALL else {}
        assert event.data == RUN_DATA | extra
        assert event.context is CONTEXT


@pytest.mark.parametrize(("_method", "act", "sent"), METHODS)
def test_each_method_sends_its_events(_method: str, act: Act, sent: list[tuple[str, Any]]) -> None:
    """R13, C2: each method sends the events of the table, by name and value."""
    ld_client = FakeLDClient()
    act(make_tracker(ld_client))
    assert ld_client.sent == sent


@pytest.mark.parametrize("ld_client", [None, object(), "sdk-key"])
def test_a_client_without_track_is_refused(ld_client: Any) -> None:
    """R39: a tracker, too, refuses a client that lacks `track` with a TypeError, rather than to lose its events."""
    with pytest.raises(TypeError, match="track"):
        make_tracker(ld_client)


def test_events_leave_by_position() -> None:
    """C2: `track` is given name, context, data and value, all four by position."""
    tracked: list[tuple[Any, ...]] = []

    class Positional(FakeLDClient):
        def track(self, *arguments: Any, **keywords: Any) -> None:
            assert not keywords
            tracked.append(arguments)

    tracker = make_tracker(Positional())
    everything(tracker)
    assert [len(arguments) for arguments in tracked] == [4] * len(EVERYTHING)
    assert tracked[0] == (DURATION, CONTEXT, RUN_DATA, 1200)


@pytest.mark.parametrize(
    ("facts", "keys"),
    [
        ({}, ["variationKey"]),
        ({"variation_key": ""}, []),
        ({"model_key": "k"}, ["variationKey", "modelKey"]),
        ({"model_version": 2}, ["variationKey", "modelVersion"]),
        ({"model_version": 0}, ["variationKey", "modelVersion"]),
        ({"graph_key": "g"}, ["variationKey", "graphKey"]),
        ({"model_key": "", "graph_key": ""}, ["variationKey"]),
        (
            {"model_key": "k", "model_version": 2, "graph_key": "g"},
            ["variationKey", "modelKey", "modelVersion", "graphKey"],
        ),
    ],
)
def test_the_run_data_is_in_order_and_omits_what_is_empty(facts: dict[str, Any], keys: list[str]) -> None:
    """C2: run data has its five keys, then those that are present and non-empty, in this order."""
    ld_client = FakeLDClient()
    make_tracker(ld_client, **facts).track_success()
    always = ["runId", "configKey", "version", "modelName", "providerName"]
    assert list(ld_client.events[0].data) == always + keys


def test_optional_facts_arrive_with_their_values() -> None:
    """C2: what run data carries is what the tracker was made with."""
    ld_client = FakeLDClient()
    make_tracker(ld_client, model_key="k", model_version=2, graph_key="g").track_success()
    assert ld_client.events[0].data == RUN_DATA | {"modelKey": "k", "modelVersion": 2, "graphKey": "g"}


def test_names_are_always_strings() -> None:
    """C2: the names of model and provider are there, as strings, also where they are unknown."""
    ld_client = FakeLDClient()
    make_tracker(ld_client, model_name="", provider_name="").track_success()
    assert ld_client.events[0].data["modelName"] == ld_client.events[0].data["providerName"] == ""


def test_the_run_data_is_built_once() -> None:
    """C2, C4: the events of a tracker share one dict, which a tool call copies and never adds to."""
    ld_client = FakeLDClient()
    everything(make_tracker(ld_client))
    shared = [event.data for event in ld_client.events if event.name != TOOL_CALL]
    assert all(data is shared[0] for data in shared)
    assert "toolKey" not in shared[0]


@pytest.mark.parametrize(
    ("method", "noun", "act", "first"),
    [
        ("track_duration", "duration", METHODS[0][1], METHODS[0][1]),
        ("track_time_to_first_token", "time-to-first-token", METHODS[1][1], METHODS[1][1]),
        ("track_tokens", "token usage", METHODS[2][1], METHODS[2][1]),
        ("track_success", "success/error", METHODS[3][1], METHODS[3][1]),
        ("track_error", "success/error", METHODS[4][1], METHODS[3][1]),
        ("track_feedback", "feedback", METHODS[5][1], METHODS[6][1]),
    ],
)
def test_the_warning_of_a_second_call(
    method: str, noun: str, act: Act, first: Act, caplog: pytest.LogCaptureFixture
) -> None:
    """R19: the warning leads with the method and names the remedy, and the run data follows."""
    tracker = make_tracker(FakeLDClient())
    first(tracker)
    act(tracker)
    (warning,) = warnings_in(caplog)
    lead = f"Skipping {method}: {noun} already recorded on this tracker. "
    remedy = "Call create_tracker on the AI Config for a new run. "
    assert warning.startswith(lead + remedy)
    run_data = warning.removeprefix(lead + remedy)
    assert all(str(value) in run_data for value in RUN_DATA.values())


def assert_second_is_skipped(first: Act, second: Act, caplog: pytest.LogCaptureFixture) -> None:
    """Assert that the second call sends nothing, changes nothing, and logs one warning."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    first(tracker)
    sent, summary = ld_client.sent, tracker.summary
    assert sent
    assert warnings_in(caplog) == []
    second(tracker)
    assert ld_client.sent == sent
    assert tracker.summary == summary
    assert len(warnings_in(caplog)) == 1


def test_a_second_duration(caplog: pytest.LogCaptureFixture) -> None:
    """R14: a second duration sends nothing, changes nothing, and logs one warning."""
    assert_second_is_skipped(
        lambda tracker: tracker.track_duration(1200), lambda tracker: tracker.track_duration(7), caplog
    )


def test_a_second_time_to_first_token(caplog: pytest.LogCaptureFixture) -> None:
    """R15: a second time to first token sends nothing, changes nothing, and logs one warning."""
    assert_second_is_skipped(
        lambda tracker: tracker.track_time_to_first_token(80),
        lambda tracker: tracker.track_time_to_first_token(7),
        caplog,
    )


@pytest.mark.parametrize("first", [TokenUsage(30, 10, 20), TokenUsage(30, None, None), TokenUsage(0, 0, 1)])
@pytest.mark.parametrize("second", [TokenUsage(3, 1, 2), TokenUsage(None, 1, 2)])
def test_a_second_usage(first: TokenUsage, second: TokenUsage, caplog: pytest.LogCaptureFixture) -> None:
    """R16: tokens have one guard for the three events, so a second usage does not fill in for the first."""
    assert_second_is_skipped(
        lambda tracker: tracker.track_tokens(first), lambda tracker: tracker.track_tokens(second), caplog
    )


OUTCOMES: list[Act] = [lambda tracker: tracker.track_success(), lambda tracker: tracker.track_error()]


@pytest.mark.parametrize("first", OUTCOMES)
@pytest.mark.parametrize("second", OUTCOMES)
def test_a_second_outcome(first: Act, second: Act, caplog: pytest.LogCaptureFixture) -> None:
    """R17: success and error share one guard: the first outcome stands, whichever it is."""
    assert_second_is_skipped(first, second, caplog)


@pytest.mark.parametrize("first", list(FeedbackKind))
@pytest.mark.parametrize("second", list(FeedbackKind))
def test_a_second_feedback(first: FeedbackKind, second: FeedbackKind, caplog: pytest.LogCaptureFixture) -> None:
    """R18: the first feedback stands, also if the second is of the other kind."""
    assert_second_is_skipped(
        lambda tracker: tracker.track_feedback(first), lambda tracker: tracker.track_feedback(second), caplog
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (one, other)
        for (one, other) in itertools.permutations(METHODS, 2)
        if one[0] != other[0] and {one[0], other[0]} != {"track_success", "track_error"}
    ],
)
def test_guards_do_not_touch_each_other(
    first: tuple[str, Act, list[tuple[str, Any]]],
    second: tuple[str, Act, list[tuple[str, Any]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R14-R18: what one guard has let through, no other guard holds up."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    first[1](tracker)
    second[1](tracker)
    assert ld_client.sent == first[2] + second[2]
    assert warnings_in(caplog) == []


def test_guards_belong_to_one_tracker(caplog: pytest.LogCaptureFixture) -> None:
    """R14-R18: a guard is its tracker's: another tracker of the same run data has guards of its own."""
    ld_client = FakeLDClient()
    everything(make_tracker(ld_client))
    everything(make_tracker(ld_client))
    assert [event.name for event in ld_client.events] == EVERYTHING * 2
    assert warnings_in(caplog) == []


def test_a_tool_call_has_no_guard(caplog: pytest.LogCaptureFixture) -> None:
    """C2: each call of a tool is an event, also of the same tool again, in the order of the calls."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    tracker.track_tool_call("search")
    tracker.track_tool_call("search")
    tracker.track_tool_calls(["book", "search"])
    assert ld_client.sent == [(TOOL_CALL, 1)] * 4
    assert [event.data["toolKey"] for event in ld_client.events] == ["search", "search", "book", "search"]
    assert warnings_in(caplog) == []


def test_the_duration_of_a_function(caplog: pytest.LogCaptureFixture) -> None:
    """R20: `track_duration_of` returns what the function returns, and records whole milliseconds alone."""
    ld_client = FakeLDClient()
    answer = object()

    def ask() -> object:
        time.sleep(0.03)
        return answer

    assert make_tracker(ld_client).track_duration_of(ask) is answer
    ((name, duration_ms),) = ld_client.sent
    assert name == DURATION
    assert type(duration_ms) is int
    assert 25 <= duration_ms < 10_000
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_the_duration_of_a_function_that_raises(error: BaseException) -> None:
    """R20: the duration is recorded when the function raises anything at all; the same exception goes on."""
    ld_client = FakeLDClient()

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        make_tracker(ld_client).track_duration_of(fail)
    assert caught.value is error
    assert [name for name, _ in ld_client.sent] == [DURATION]


def test_a_coroutine_function_is_not_timed() -> None:
    """R20: a coroutine function is a TypeError: calling it runs nothing, so there is nothing to time."""

    async def ask() -> None: ...

    timed: Any = ask  # the type checkers see that its result is lost
    ld_client = FakeLDClient()
    with pytest.raises(TypeError, match="track_metrics_of_async"):
        make_tracker(ld_client).track_duration_of(timed)
    assert ld_client.sent == []


def test_the_duration_of_a_second_function(caplog: pytest.LogCaptureFixture) -> None:
    """R20, R14: on a spent guard the function still runs; nothing is sent, and there is one warning."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    assert tracker.track_duration_of(lambda: "first") == "first"
    assert tracker.track_duration_of(lambda: "second") == "second"
    assert [name for name, _ in ld_client.sent] == [DURATION]
    assert len(warnings_in(caplog)) == 1


def test_the_duration_does_not_follow_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """R20, C4: durations are monotonic: a wall clock set back by an hour makes none of them negative."""
    ld_client = FakeLDClient()
    now_ns = time.time_ns()

    def set_the_clock_back() -> None:
        monkeypatch.setattr(time, "time", lambda: now_ns / 1e9 - 3600)
        monkeypatch.setattr(time, "time_ns", lambda: now_ns - 3600 * 10**9)

    make_tracker(ld_client).track_duration_of(set_the_clock_back)
    ((_, duration_ms),) = ld_client.sent
    assert 0 <= duration_ms < 10_000


def test_the_summary_of_a_tracker() -> None:
    """R14-R18: the summary holds what was recorded, and the token that resumes the run."""
    tracker = make_tracker(FakeLDClient())
    everything(tracker)
    summary = tracker.summary
    assert isinstance(summary, MetricSummary)
    assert (summary.duration_ms, summary.time_to_first_token_ms) == (1200, 80)
    assert summary.success is True
    assert summary.tokens == TokenUsage(total=30, input=10, output=20)
    assert summary.feedback is FeedbackKind.POSITIVE
    assert list(summary.tool_calls) == ["search"]
    assert summary.resumption_token == tracker.resumption_token


def test_the_summary_of_a_new_tracker() -> None:
    """R14-R18: what was not recorded is None, and no tool was called."""
    summary = make_tracker(FakeLDClient()).summary
    assert (summary.duration_ms, summary.time_to_first_token_ms, summary.success) == (None, None, None)
    assert (summary.tokens, summary.feedback) == (None, None)
    assert list(summary.tool_calls) == []


def test_the_summary_of_a_failed_run() -> None:
    """R17: an error is a success of False, not a missing one."""
    tracker = make_tracker(FakeLDClient())
    tracker.track_error()
    assert tracker.summary.success is False


def test_a_summary_is_a_snapshot() -> None:
    """R14-R18: a summary is frozen, and what is recorded later is not in it."""
    tracker = make_tracker(FakeLDClient())
    tracker.track_tool_call("search")
    summary = tracker.summary
    everything(tracker)
    assert list(summary.tool_calls) == ["search"]
    assert summary.duration_ms is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        summary.duration_ms = 5  # type: ignore[misc]  # that it is refused is the point


def test_the_token_of_a_tracker_is_its_runs() -> None:
    """R21: a tracker's token holds its run, config, variation, version and graph, and no model."""
    tracker = make_tracker(FakeLDClient(), graph_key="g", model_key="k", model_version=2)
    assert tracker.resumption_token == ResumptionToken(RUN_ID, "my-config", 3, "v1", "g").encode()


@pytest.mark.parametrize(("_method", "act", "sent"), METHODS)
def test_a_client_that_raises_costs_one_warning_a_call(
    _method: str, act: Act, sent: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """C2: when `track` raises, the call logs one warning and returns, however many events it has."""
    ld_client = FailingLDClient()
    act(make_tracker(ld_client))
    (warning,) = warnings_in(caplog)
    assert "ConnectionError" in warning
    assert "sdk-123" not in caplog.text


@pytest.mark.parametrize(("method", "act", "sent"), METHODS)
def test_a_client_that_raises_spends_the_guard(
    method: str, act: Act, sent: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """C2: the guard of an event that could not be sent stays spent: the next call is skipped."""
    ld_client = FailingLDClient()
    tracker = make_tracker(ld_client)
    act(tracker)
    ld_client.fails_on = ()
    act(tracker)
    assert ld_client.sent == []
    assert warnings_in(caplog)[1].startswith(f"Skipping {method}: ")


@pytest.mark.parametrize("fails_on", [TOTAL, INPUT, OUTPUT])
def test_one_event_that_fails_does_not_stop_the_others(fails_on: str, caplog: pytest.LogCaptureFixture) -> None:
    """C2: when `track` raises for one of a call's events, those that remain are still sent."""
    ld_client = FailingLDClient(fails_on=[fails_on])
    make_tracker(ld_client).track_tokens(TokenUsage(total=30, input=10, output=20))
    assert [name for name, _ in ld_client.sent] == [name for name in (TOTAL, INPUT, OUTPUT) if name != fails_on]
    assert len(warnings_in(caplog)) == 1


def test_tool_calls_that_fail_cost_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """C2: `track_tool_calls` on a client that raises logs one warning, not one per tool."""
    make_tracker(FailingLDClient()).track_tool_calls(["search", "book", "pay"])
    assert len(warnings_in(caplog)) == 1


def test_the_duration_of_a_function_survives_a_client_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """R20, C2: a client that raises costs the caller neither the result nor the exception of the function."""
    assert make_tracker(FailingLDClient()).track_duration_of(lambda: "answer") == "answer"
    assert len(warnings_in(caplog)) == 1
    error = ValueError("the caller's own")

    def fail() -> None:
        raise error

    with pytest.raises(ValueError, match="the caller's own") as caught:
        make_tracker(FailingLDClient()).track_duration_of(fail)
    assert caught.value is error


def test_events_are_json() -> None:
    """C4: every event of a tracker is strict JSON."""
    ld_client = FakeLDClient()
    everything(make_tracker(ld_client, model_key="k", model_version=2, graph_key="g"))
    for event in ld_client.events:
        assert json.loads(json.dumps([event.data, event.value], allow_nan=False)) == [event.data, event.value]
