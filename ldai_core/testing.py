"""For the tests of applications: a LaunchDarkly client that serves what it is given, and records what it is told.

client = RecordingClient({"support-bot": AIConfigDefault(enabled=True, model=ModelConfig("gpt-4o"))})
answer(AIClient(client), "Where is my order?")
assert client.run.success
assert client.run.tokens == TokenUsage(total=12, input=9, output=3)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ldai_core.config import AIConfigDefault, copy_json
from ldai_core.endings import settle
from ldai_core.metrics import FeedbackKind, TokenUsage

if TYPE_CHECKING:
    from ldclient import Context

__all__ = ["RecordedEvent", "RecordedRun", "RecordingClient"]


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event, as it was given to `track`."""

    name: str
    context: Context
    data: Any  # JSON, whatever the event has
    value: Any  # a number, or None


@dataclass(frozen=True, slots=True, repr=False)
class RecordedRun:
    """What LaunchDarkly was told of one AI run; None is not told. It prints in one line, without what is not told.

    `repeated` names the events that came more than once though they may come once only. A tracker never does that; two
    that were made from one resumption token can.
    """

    run_id: str
    config_key: str
    version: int
    variation_key: str | None
    model_name: str
    provider_name: str
    duration_ms: int | None
    time_to_first_token_ms: int | None
    success: bool | None
    tokens: TokenUsage | None
    feedback: FeedbackKind | None
    tool_calls: tuple[str, ...]
    repeated: tuple[str, ...]
    events: tuple[RecordedEvent, ...]

    def __repr__(self) -> str:
        told = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "events"}
        shown = ", ".join(f"{name}={value!r}" for name, value in told.items() if value not in {None, "", ()})
        return f"RecordedRun({shown})"


class RecordingClient:
    """Stands in for an `ldclient.LDClient`.

    `variations` are the values of the flags, by key: JSON as LaunchDarkly serves it, or an AIConfigDefault for short.
    Other keys get the caller's default.
    """

    def __init__(self, variations: Mapping[str, object] | None = None) -> None:
        self._variations = {key: _served(value) for key, value in (variations or {}).items()}
        self._events: list[RecordedEvent] = []

    def variation(self, key: str, context: Context, default: Any) -> Any:  # noqa: ARG002  # LDClient's signature
        """Return a copy of what is served under `key`, or `default`."""
        return copy_json(self._variations[key]) if key in self._variations else default

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Record one event."""
        self._events.append(RecordedEvent(event_name, context, data, metric_value))

    @property
    def events(self) -> list[RecordedEvent]:
        """All events so far, in order; those of streams that were just dropped are waited for."""
        settle()
        return list(self._events)

    @property
    def runs(self) -> list[RecordedRun]:
        """The AI runs that events were sent of, in the order of their first events."""
        by_run: dict[str, list[RecordedEvent]] = {}
        for event in self.events:
            if isinstance(event.data, Mapping) and "runId" in event.data:
                by_run.setdefault(event.data["runId"], []).append(event)
        return [_recorded(events) for events in by_run.values()]

    @property
    def run(self) -> RecordedRun:
        """The only AI run; an AssertionError tells what there is when there is none, or more than one."""
        runs = self.runs
        if len(runs) != 1:
            raise AssertionError(f"expected one AI run, got {len(runs)}: {runs}")
        return runs[0]


def _served(value: object) -> object:
    if not isinstance(value, AIConfigDefault):
        return value
    parts = value.to_dict()
    return {**parts, "_ldMeta": {**parts["_ldMeta"], "variationKey": "default", "version": 1}}


def _recorded(events: list[RecordedEvent]) -> RecordedRun:
    data = events[0].data
    first: dict[str, Any] = {}
    for event in events:
        first.setdefault(event.name.removeprefix("$ld:ai:"), event.value)
    counts = TokenUsage(first.get("tokens:total"), first.get("tokens:input"), first.get("tokens:output"))
    outcomes = [name for name in first if name.startswith("generation:")]
    return RecordedRun(
        run_id=data["runId"],
        config_key=data["configKey"],
        version=data["version"],
        variation_key=data.get("variationKey"),
        model_name=data["modelName"],
        provider_name=data["providerName"],
        duration_ms=first.get("duration:total"),
        time_to_first_token_ms=first.get("tokens:ttf"),
        success=outcomes[0] == "generation:success" if outcomes else None,
        tokens=None if counts == TokenUsage() else counts,
        feedback=next((kind for kind in FeedbackKind if f"feedback:user:{kind.value}" in first), None),
        tool_calls=tuple(event.data["toolKey"] for event in events if event.name == "$ld:ai:tool_call"),
        repeated=tuple(_repeated(events)),
        events=tuple(events),
    )


def _repeated(events: list[RecordedEvent]) -> list[str]:
    """Name the events that came again; success and error count as one, and so do the two kinds of feedback."""
    seen: set[str] = set()
    repeated = []
    for event in events:
        guard = event.name.rpartition(":")[0] if "generation" in event.name or "feedback" in event.name else event.name
        if guard in seen and event.name != "$ld:ai:tool_call":
            repeated.append(event.name)
        seen.add(guard)
    return repeated
