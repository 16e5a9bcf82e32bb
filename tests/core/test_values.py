from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldai_core import AIConfigTracker, FeedbackKind, TokenUsage
from tests.core.doubles import FakeLDClient, make_tracker, warnings_in

if TYPE_CHECKING:
    from collections.abc import Callable

TOTAL, INPUT, OUTPUT = "$ld:ai:tokens:total", "$ld:ai:tokens:input", "$ld:ai:tokens:output"

DURATIONS: list[tuple[str, Callable[[AIConfigTracker, Any], None]]] = [
    ("$ld:ai:duration:total", AIConfigTracker.track_duration),
    ("$ld:ai:tokens:ttf", AIConfigTracker.track_time_to_first_token),
]

GOOD_DURATIONS: list[tuple[Any, int]] = [
    (0, 0),
    (1200, 1200),
    (0.0, 0),
    (-0.0, 0),
    (0.999, 0),
    (12.9, 12),
    (1e15, 10**15),
    (2**53 - 1, 2**53 - 1),
    (Decimal("12.9"), 12),
    (Decimal("-0"), 0),
    (Fraction(25, 2), 12),
    (np.int8(12), 12),
    (np.int64(12), 12),
    (np.uint64(12), 12),
    (np.float16(12.5), 12),
    (np.float32(12.5), 12),
    (np.float64(12.9), 12),
]


class Contrary:
    """Raises whatever it is asked."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError("do not log")

    __hash__ = None  # type: ignore[assignment]  # as for any class that says what it equals

    def __bool__(self) -> bool:
        raise ZeroDivisionError("do not log")

    def __float__(self) -> float:
        raise ZeroDivisionError("do not log")

    def __repr__(self) -> str:
        raise ZeroDivisionError("do not log")


# What no count and no duration can be.
NO_NUMBERS: list[Any] = [
    True,
    False,
    np.True_,
    "12",
    "",
    b"12",
    1 + 0j,
    np.complex128(1),
    [12],
    (),
    {},
    np.array([1, 2]),
    object(),
    Contrary(),
    math.nan,
    math.inf,
    -math.inf,
    Decimal("NaN"),
    Decimal("sNaN"),
    Decimal("Infinity"),
    Decimal("-Infinity"),
    np.float64("nan"),
    np.float32("inf"),
    np.datetime64("2020-01-01"),
    np.timedelta64(12, "ms"),
]
NEGATIVES: list[Any] = [
    -1,
    -0.5,
    -1e308,
    Decimal("-0.001"),
    Fraction(-1, 3),
    np.int64(-1),
    np.float64(-0.5),
    pytest.param(-(10**5000), id="-10**5000"),
]
TOO_LONG = pytest.param(10**5000, id="10**5000")  # not even its own name could be written
FRACTIONS: list[Any] = [0.5, 12.5, Decimal("12.5"), Fraction(25, 2), np.float64(12.5)]


@pytest.mark.parametrize(("event", "track"), DURATIONS)
@pytest.mark.parametrize(("duration_ms", "sent"), GOOD_DURATIONS)
def test_a_duration_is_rounded_down(
    event: str,
    track: Callable[[AIConfigTracker, Any], None],
    duration_ms: Any,
    sent: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C4: a finite real number >= 0 is sent rounded down to whole milliseconds, as a plain int."""
    ld_client = FakeLDClient()
    track(make_tracker(ld_client), duration_ms)
    assert ld_client.sent == [(event, sent)]
    assert type(ld_client.events[0].value) is int
    assert warnings_in(caplog) == []


@pytest.mark.parametrize(("event", "track"), DURATIONS)
@pytest.mark.parametrize("duration_ms", [None, *NO_NUMBERS, *NEGATIVES])
def test_a_duration_that_is_none_is_refused(
    event: str,
    track: Callable[[AIConfigTracker, Any], None],
    duration_ms: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C4: what is no duration costs one warning and no event, and does not spend the guard."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    before = tracker.summary
    track(tracker, duration_ms)
    assert ld_client.sent == []
    assert tracker.summary == before
    assert len(warnings_in(caplog)) == 1
    track(tracker, 5)
    assert ld_client.sent == [(event, 5)]
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize(("event", "track"), DURATIONS)
@settings(deadline=None)
@given(duration_ms=st.one_of(st.floats(), st.integers(), st.decimals(), st.fractions(), st.none(), st.booleans()))
def test_whatever_duration_leaves_is_whole_and_strict_json(
    event: str, track: Callable[[AIConfigTracker, Any], None], duration_ms: Any
) -> None:
    """C4: whatever is given as a duration, nothing raises, and what leaves is a whole number >= 0."""
    ld_client = FakeLDClient()
    track(make_tracker(ld_client), duration_ms)
    for name, value in ld_client.sent:
        assert name == event
        assert type(value) is int
        assert 0 <= value <= duration_ms < value + 1
        json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(("_event", "track"), DURATIONS)
@pytest.mark.parametrize("duration_ms", [TOO_LONG, Decimal("1e5000"), 1e300, 2**53])
def test_a_number_too_large_for_json_does_not_leave(
    _event: str,
    track: Callable[[AIConfigTracker, Any], None],
    duration_ms: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """C4: a number that not every reader of JSON takes would spoil a batch of events, so it does not leave."""
    ld_client = FakeLDClient()
    track(make_tracker(ld_client), duration_ms)
    assert ld_client.sent == []
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize(
    ("usage", "sent"),
    [
        (TokenUsage(total=30, input=10, output=20), [(TOTAL, 30), (INPUT, 10), (OUTPUT, 20)]),
        (TokenUsage(total=30, input=10, output=0), [(TOTAL, 30), (INPUT, 10)]),
        (TokenUsage(total=0, input=10, output=20), [(INPUT, 10), (OUTPUT, 20)]),
        (TokenUsage(total=None, input=10, output=None), [(INPUT, 10)]),
        (TokenUsage(total=30, input=None, output=None), [(TOTAL, 30)]),
        (TokenUsage(total=None, input=None, output=20), [(OUTPUT, 20)]),
    ],
)
def test_counts_above_zero_are_sent(
    usage: TokenUsage, sent: list[tuple[str, int]], caplog: pytest.LogCaptureFixture
) -> None:
    """C2, C4: each count above 0 is an event; None is unknown, and no fault."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tokens(usage)
    assert ld_client.sent == sent
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("count", [12, 12.0, Decimal(12), Decimal("1.2e1"), np.int64(12), np.uint8(12), np.float64(12)])
def test_a_whole_count_is_sent_as_an_int(count: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: a whole number >= 0 is a count, of whatever numeric type, and leaves as a plain int."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tokens(TokenUsage(total=count, input=None, output=None))
    assert ld_client.sent == [(TOTAL, 12)]
    assert type(ld_client.events[0].value) is int
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("name", ["total", "input", "output"])
@pytest.mark.parametrize("count", [*NO_NUMBERS, *NEGATIVES, *FRACTIONS, TOO_LONG, 2**53])
def test_a_bad_count_is_dropped_alone(name: str, count: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: a count that is no whole number >= 0 is dropped with one warning; the others are sent."""
    ld_client = FakeLDClient()
    counts: dict[str, Any] = {"total": 30, "input": 10, "output": 20}
    make_tracker(ld_client).track_tokens(TokenUsage(**(counts | {name: count})))
    assert ld_client.sent == [(f"$ld:ai:tokens:{other}", counts[other]) for other in counts if other != name]
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize(
    ("usage", "warned"),
    [
        (TokenUsage(None, None, None), 0),
        (TokenUsage(0, 0, 0), 0),
        (TokenUsage(0, None, 0), 0),
        (TokenUsage(-1, None, None), 1),
        (TokenUsage(0, 0, True), 1),
        (None, 1),
        ({"total": 30, "input": 10, "output": 20}, 1),
        ((30, 10, 20), 1),
        (30, 1),
        ("30", 1),
        (TokenUsage, 1),
    ],
)
def test_a_usage_with_nothing_to_send_keeps_the_guard(
    usage: Any, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    """C4: a usage all unknown, all zero, or not a TokenUsage (a warning) sends nothing and spends no guard."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    tracker.track_tokens(usage)
    assert ld_client.sent == []
    assert tracker.summary.tokens is None
    assert len(warnings_in(caplog)) == warned
    tracker.track_tokens(TokenUsage(total=30, input=10, output=20))
    assert ld_client.sent == [(TOTAL, 30), (INPUT, 10), (OUTPUT, 20)]
    assert len(warnings_in(caplog)) == warned


ODD_COUNTS = st.one_of(st.floats(), st.integers(), st.decimals(), st.none(), st.booleans(), st.text(max_size=3))


@settings(deadline=None)
@given(total=ODD_COUNTS, input_count=ODD_COUNTS, output=ODD_COUNTS)
def test_whatever_count_leaves_is_whole_and_strict_json(total: Any, input_count: Any, output: Any) -> None:
    """C4: whatever is given as counts, nothing raises, and what leaves is a whole number above 0."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tokens(TokenUsage(total=total, input=input_count, output=output))
    given_counts = {TOTAL: total, INPUT: input_count, OUTPUT: output}
    for name, value in ld_client.sent:
        assert type(value) is int
        assert value > 0
        assert value == given_counts[name]
        json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        (FeedbackKind.POSITIVE, "$ld:ai:feedback:user:positive"),
        (FeedbackKind.NEGATIVE, "$ld:ai:feedback:user:negative"),
        ("positive", "$ld:ai:feedback:user:positive"),
        ("negative", "$ld:ai:feedback:user:negative"),
    ],
)
def test_feedback_is_one_of_two_kinds(kind: Any, event: str) -> None:
    """C4: feedback is one of the two kinds, or its string, and is the kind in the summary."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    tracker.track_feedback(kind)
    assert ld_client.sent == [(event, 1)]
    assert tracker.summary.feedback is FeedbackKind(kind)


@pytest.mark.parametrize(
    "kind", [None, "", "Positive", "POSITIVE", "good", b"positive", True, 1, 0, [], {}, object(), ["positive"]]
)
def test_unknown_feedback_is_a_value_error(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: any other feedback is a ValueError, counts as neither kind, and does not spend the guard."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    with pytest.raises(ValueError, match=r"(?i)positive.*negative"):
        tracker.track_feedback(kind)
    assert ld_client.sent == []
    assert tracker.summary.feedback is None
    tracker.track_feedback(FeedbackKind.NEGATIVE)
    assert ld_client.sent == [("$ld:ai:feedback:user:negative", 1)]
    assert warnings_in(caplog) == []


NO_KEYS: list[Any] = [None, "", b"search", 5, True, math.nan, ["search"], {"name": "search"}, object(), Contrary()]


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_bad_tool_key_is_skipped(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: a tool key that is no non-empty string is skipped with one warning."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    tracker.track_tool_call(key)
    assert ld_client.sent == []
    assert list(tracker.summary.tool_calls) == []
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("key", NO_KEYS)
def test_a_bad_tool_key_among_others_is_skipped_alone(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: a bad key is skipped with one warning; the keys before and after it are sent."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    tracker.track_tool_calls(["search", key, "book"])
    assert [event.data["toolKey"] for event in ld_client.events] == ["search", "book"]
    assert list(tracker.summary.tool_calls) == ["search", "book"]
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("keys", [("search", "book"), iter(["search", "book"]), {"search": 1, "book": 2}])
def test_tool_keys_come_in_any_iterable(keys: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: `track_tool_calls` takes any iterable of keys."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tool_calls(keys)
    assert [event.data["toolKey"] for event in ld_client.events] == ["search", "book"]
    assert warnings_in(caplog) == []


def test_a_bare_string_is_one_tool_key(caplog: pytest.LogCaptureFixture) -> None:
    """C4: a bare string given to `track_tool_calls` is one key, not one per letter."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tool_calls("search")
    assert [event.data["toolKey"] for event in ld_client.events] == ["search"]
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("keys", [None, 5, object()])
def test_tool_keys_that_are_no_iterable_are_skipped(keys: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C4: what is neither a key nor keys is skipped with one warning."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tool_calls(keys)
    assert ld_client.sent == []
    assert len(warnings_in(caplog)) == 1


def test_no_tool_keys_are_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """C4: an empty list of tool keys sends nothing and warns of nothing."""
    ld_client = FakeLDClient()
    make_tracker(ld_client).track_tool_calls([])
    assert ld_client.sent == []
    assert warnings_in(caplog) == []


def test_the_run_data_cannot_be_reached_through_a_tool_call() -> None:
    """C4: what a tool call carries is a dict of its own: changing it changes no other event."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)
    tracker.track_tool_call("search")
    ld_client.events[0].data["runId"] = "changed"
    tracker.track_tool_call("book")
    tracker.track_success()
    assert ld_client.events[1].data["runId"] == ld_client.events[2].data["runId"] == tracker.run_id
