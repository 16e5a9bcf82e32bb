from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ldclient import LDClient
from ldclient.integrations.test_data import TestData

from ldai_core import AIClient, AIConfigTracker, FeedbackKind, Reading, Run, TokenUsage, ToolCall
from tests.core.doubles import CONTEXT
from tests.core.runs import DURATION, FIRST_TOKEN, INPUT, OUTPUT_TOKENS, SUCCESS, TOOL_CALL, TOTAL
from tests.servers.launchdarkly import LaunchDarkly, ReceivedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Act = Callable[[AIConfigTracker, Any], None]

POSITIVE = "$ld:ai:feedback:user:positive"
GOOD = 500
PER_RUN = [DURATION, FIRST_TOKEN, SUCCESS, TOTAL, INPUT, OUTPUT_TOKENS, TOOL_CALL, POSITIVE, TOOL_CALL, TOOL_CALL]


class Hostile(float):
    """A number that raises when it is asked which."""

    def __float__(self) -> float:
        raise ZeroDivisionError


ODD_NUMBERS: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    -1,
    -0.5,
    True,
    False,
    10**400,
    -(10**400),
    2**53,
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("1e400"),
    np.float64("nan"),
    np.float32("inf"),
    np.bool_(True),
    np.array([1, 2]),
    "12",
    b"12",
    1 + 2j,
    None,
    [12],
    {"ms": 12},
    {12},
    object(),
    Hostile(12),
]
ODD_COUNTS = [odd for odd in ODD_NUMBERS if odd is not None] + [1.5, Decimal("1.5"), np.float64(1.5)]
ODD_KEYS: list[Any] = ["", None, 7, 1.5, math.nan, True, b"search", ["search"], {"name": "search"}, object()]


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Run a receiver of events on loopback."""
    with LaunchDarkly() as launchdarkly:
        yield launchdarkly


@pytest.fixture
def ld_client(launchdarkly: LaunchDarkly) -> Iterator[LDClient]:
    """Make a real client that posts its events there."""
    client = LDClient(launchdarkly.config(update_processor_class=TestData.data_source()))
    yield client
    client.close()  # type: ignore[no-untyped-call]


def say_good_things(tracker: AIConfigTracker) -> None:
    """Record everything once, through the tracker's own methods and through a run: ten events."""
    with Run(tracker) as run:
        call = run.call()
        call.observe(Reading(TokenUsage(30, 10, 20), output=True, tool_calls=(ToolCall("search", "1"),)))
        call.end()
    tracker.track_feedback(FeedbackKind.POSITIVE)
    tracker.track_tool_calls(["book", "book"])


def say_odd_things(tracker: AIConfigTracker, run: Run) -> int:
    """Tell a tracker and a run one of each odd value, and return how many there were."""
    acts: list[tuple[Act, list[Any]]] = [
        (AIConfigTracker.track_duration, ODD_NUMBERS),
        (AIConfigTracker.track_time_to_first_token, ODD_NUMBERS),
        (AIConfigTracker.track_tokens, [*ODD_NUMBERS, (3, 2, 1)]),
        (lambda tracker, count: tracker.track_tokens(TokenUsage(total=count)), ODD_COUNTS),
        (lambda tracker, count: tracker.track_tokens(TokenUsage(input=count)), ODD_COUNTS),
        (lambda tracker, count: tracker.track_tokens(TokenUsage(output=count)), ODD_COUNTS),
        (AIConfigTracker.track_tool_call, ODD_KEYS),
        (AIConfigTracker.track_tool_calls, [None, 7, ODD_KEYS]),
        (lambda _tracker, count: observe(run, Reading(TokenUsage(count, count, count))), ODD_COUNTS),
        (lambda _tracker, key: observe(run, Reading(tool_calls=(key,))), ODD_KEYS),
        (lambda _tracker, key: observe(run, Reading(tool_calls=(ToolCall(key, "1"),))), ODD_KEYS),
    ]
    for act, values in acts:
        for value in values:
            act(tracker, value)
    odd_kinds: list[Any] = [*ODD_KEYS, "neutral", -1]
    for kind in odd_kinds:
        with pytest.raises(ValueError, match="kind: expected"):
            tracker.track_feedback(kind)
    return sum(len(values) for _, values in acts)


def observe(run: Run, reading: Reading) -> None:
    """Make a call of the run that observes one reading."""
    call = run.call()
    call.observe(reading)
    call.end()


def runs_in(events: list[ReceivedEvent]) -> dict[str, list[ReceivedEvent]]:
    """Group events by the run that they belong to."""
    runs: dict[str, list[ReceivedEvent]] = {}
    for event in events:
        if isinstance(event.data, dict) and "runId" in event.data:
            runs.setdefault(event.data["runId"], []).append(event)
    return runs


def test_good_events_among_odd_values(launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
    """C4: of 500 good events and one of each odd value, all 500 arrive as strict JSON, and nothing of the odd ones."""
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)
    odd_tracker, odd_run_tracker = config.create_tracker(), config.create_tracker()
    odd_run = Run(odd_run_tracker)
    trackers = [config.create_tracker() for _ in range(GOOD // len(PER_RUN))]
    for index, tracker in enumerate(trackers):
        say_good_things(tracker)
        if index == len(trackers) // 2:
            assert say_odd_things(odd_tracker, odd_run) > 200
    odd_run.close()
    ld_client.flush()  # type: ignore[no-untyped-call]
    last = config.create_tracker()
    last.track_success()

    events = launchdarkly.wait_for(lambda events: last.run_id in runs_in(events))
    runs = runs_in(events)
    assert launchdarkly.malformed == []
    assert odd_tracker.run_id not in runs
    assert [event.name for event in runs.pop(odd_run_tracker.run_id)] == [DURATION, SUCCESS]
    assert [event.name for event in runs.pop(last.run_id)] == [SUCCESS]
    assert runs.keys() == {tracker.run_id for tracker in trackers}
    for sent in runs.values():
        assert Counter(event.name for event in sent) == Counter(PER_RUN)
        assert {event.name: event.value for event in sent if event.name in {TOTAL, INPUT, OUTPUT_TOKENS}} == {
            TOTAL: 30,
            INPUT: 10,
            OUTPUT_TOKENS: 20,
        }
    assert sum(map(len, runs.values())) == GOOD


def test_guards_are_not_spent_by_odd_values(launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
    """C4: after all the odd values, a tracker still records everything: no guard was spent on them."""
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)
    tracker = config.create_tracker()
    say_odd_things(tracker, Run(config))
    duration_ms: Any = Decimal("12.9")
    first_token_ms: Any = np.float32(7.5)
    counts: list[Any] = [np.int64(3), 2.0, Decimal(1)]
    tracker.track_duration(duration_ms)
    tracker.track_time_to_first_token(first_token_ms)
    tracker.track_tokens(TokenUsage(*counts))
    tracker.track_feedback("positive")
    events = launchdarkly.wait_for(lambda events: len(runs_in(events).get(tracker.run_id, [])) >= 6)
    assert launchdarkly.malformed == []
    assert [(event.name, event.value) for event in runs_in(events)[tracker.run_id]] == [
        (DURATION, 12),
        (FIRST_TOKEN, 7),
        (TOTAL, 3),
        (INPUT, 2),
        (OUTPUT_TOKENS, 1),
        (POSITIVE, 1),
    ]


@pytest.mark.parametrize("key", ["\ud800", "search\udfff", "nul\x00", "\u2028", "zażółć", "🛠️", "k" * 10_000])
def test_odd_strings(key: str, launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
    """C4: a string is a string, lone surrogates and all: it arrives as it is, and takes no other event with it."""
    config = AIClient(ld_client).completion_config(key, CONTEXT)
    tracker = config.create_tracker()
    tracker.track_tool_calls([key, "search"])
    tracker.track_success()
    events = launchdarkly.wait_for(lambda events: len(runs_in(events).get(tracker.run_id, [])) >= 3)
    assert launchdarkly.malformed == []
    sent = runs_in(events)[tracker.run_id]
    assert [event.data.get("toolKey") for event in sent] == [key, "search", None]
    assert {event.data["configKey"] for event in sent} == {key}
