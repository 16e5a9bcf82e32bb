"""What holds whatever was read."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ldclient import Context

from ldai_core import AIClient, AIConfigDefault, ModelConfig, ProviderConfig, Reading, Run
from ldai_core.reading import clean
from ldai_core.testing import RecordingClient
from ldai_core.values import LARGEST, whole_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordedEvent, RecordedRun

__all__ = ["CONTEXT", "KEY", "as_object", "check_events", "check_reading", "check_run", "evaluate", "only_run"]

KEY = "support-bot"
CONTEXT = Context.builder("user-1").name("Ada").set("groups", ["a", "b"]).build()
SERVED = AIConfigDefault(enabled=True, model=ModelConfig("gpt-4o"), provider=ProviderConfig("openai"))


def evaluate() -> tuple[AIConfig, RecordingClient]:
    """Evaluate a config whose runs are recorded."""
    recorded = RecordingClient({KEY: SERVED})
    return AIClient(recorded).completion_config(KEY, CONTEXT), recorded


def as_object(value: Any, depth: int = 30) -> Any:
    """Make objects with attributes of the dicts in a document, as an SDK does; what is very deep stays as it is."""
    if not depth:
        return value
    if isinstance(value, list):
        return [as_object(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_object(item, depth - 1) for name, item in value.items()})
    return value


def check_reading(reading: Any) -> Reading:
    """A reading is one, and what is left of it when it is cleaned may leave."""
    assert type(reading) is Reading
    assert {type(reading.output), type(reading.failed), type(reading.final)} == {bool}, reading
    usage = clean(reading)[0].usage
    for count in () if usage is None else (usage.total, usage.input, usage.output):
        assert count is None or whole_count(count) is not None, usage  # a whole number of some class, sent as an int
    for call in clean(reading)[0].tool_calls:
        name: object = call if isinstance(call, str) else call.name
        assert isinstance(name, str)
        assert name
    return reading


def check_run(readings: Iterable[Reading]) -> None:
    """A run that is made of any readings is reported once, and what is sent of it is strict JSON."""
    config, recorded = evaluate()
    with Run(config) as run:
        call = run.call()
        for reading in readings:
            call.observe(reading)
        call.end()
    assert only_run(recorded).success is not None


def only_run(recorded: RecordingClient) -> RecordedRun:
    """There is one run, of which each thing was told once, and in a form that can be sent."""
    check_events(recorded.events)
    run = recorded.run
    assert run.repeated == (), run
    assert run.duration_ms is not None
    assert (run.time_to_first_token_ms or 0) <= run.duration_ms
    return run


def check_events(events: Iterable[RecordedEvent]) -> None:
    """Each event is strict JSON, with a value that is a whole number >= 0."""
    for event in events:
        json.dumps([event.name, event.data, event.value, event.context.to_dict()], allow_nan=False).encode()
        assert event.value is None or (type(event.value) is int and 0 <= event.value <= LARGEST), event.name
