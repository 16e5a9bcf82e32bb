"""The metrics of an AI run: their types, and the events that LaunchDarkly knows them by."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypedDict

from ldai_core.values import LARGEST, whole_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["EVENTS", "RECORDED", "Event", "FeedbackKind", "MetricSummary", "Metrics", "TokenUsage", "clean_usage"]


class FeedbackKind(Enum):
    """What the user thought of the answer."""

    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """How many tokens a run used: whole numbers >= 0; None is unknown, which is not zero."""

    total: int | None = None
    input: int | None = None
    output: int | None = None


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """What a tracker has recorded so far; None is not recorded."""

    duration_ms: int | None
    time_to_first_token_ms: int | None
    success: bool | None
    tokens: TokenUsage | None
    feedback: FeedbackKind | None
    tool_calls: tuple[str, ...]
    resumption_token: str = field(repr=False)


class Metrics(TypedDict, total=False):
    """Metrics to report in one step, in the order in which their events are to leave."""

    duration_ms: int
    time_to_first_token_ms: int
    success: bool
    tokens: TokenUsage
    feedback: FeedbackKind
    tool_calls: Sequence[str]


Event = tuple[str, int]


def _token_events(usage: TokenUsage) -> list[Event]:
    events: list[Event] = []
    if usage.total:
        events.append(("$ld:ai:tokens:total", usage.total))
    if usage.input:
        events.append(("$ld:ai:tokens:input", usage.input))
    if usage.output:
        events.append(("$ld:ai:tokens:output", usage.output))
    return events


# The names are LaunchDarkly's: https://launchdarkly.com/docs/sdk/features/ai-metrics
EVENTS: dict[str, Callable[[Any], Sequence[Event]]] = {
    "duration_ms": lambda ms: (("$ld:ai:duration:total", ms),),
    "time_to_first_token_ms": lambda ms: (("$ld:ai:tokens:ttf", ms),),
    "success": lambda success: (("$ld:ai:generation:success" if success else "$ld:ai:generation:error", 1),),
    "tokens": _token_events,
    "feedback": lambda kind: ((f"$ld:ai:feedback:user:{kind.value}", 1),),
}

# Per metric: the method that records it, and what a second call finds there.
RECORDED = {
    "duration_ms": ("track_duration", "duration"),
    "time_to_first_token_ms": ("track_time_to_first_token", "time-to-first-token"),
    "success": ("track_success", "success/error"),
    "tokens": ("track_tokens", "token usage"),
    "feedback": ("track_feedback", "feedback"),
}


_WHOLE = range(LARGEST + 1)


def clean_usage(usage: TokenUsage) -> tuple[TokenUsage, list[str]]:
    """Drop the counts that are no whole numbers >= 0, and name them."""
    total, input_, output = usage.total, usage.input, usage.output
    if type(total) is type(input_) is type(output) is int and total in _WHOLE and input_ in _WHOLE and output in _WHOLE:
        return usage, []  # as most are
    total, input_, output = whole_count(total), whole_count(input_), whole_count(output)
    if total is usage.total and input_ is usage.input and output is usage.output:
        return usage, []
    cleaned = TokenUsage(total, input_, output)
    names = ("total", "input", "output")
    dropped = [name for name in names if getattr(cleaned, name) is None and getattr(usage, name) is not None]
    return cleaned, dropped
