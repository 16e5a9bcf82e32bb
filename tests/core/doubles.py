"""What stands for LaunchDarkly in the tests of core, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ldclient import Context

from ldai_core import AIConfigTracker

if TYPE_CHECKING:
    from collections.abc import Collection

    import pytest

RUN_ID = "11111111-1111-4111-8111-111111111111"
CONTEXT = Context.builder("user-1").name("Ada").set("plan", "pro").build()


class Event(NamedTuple):
    """One call of `track`, as it came."""

    name: str
    context: Context
    data: Any  # whatever was given: that is what the tests look at
    value: Any  # likewise


@dataclass
class FakeLDClient:
    """Serve flags from a dict; write down every event, and the order of everything that was asked."""

    values: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def variation(self, key: str, context: Context, default: Any) -> Any:
        """Serve the flag's value, or the default as the base SDK does."""
        self.asked.append(f"variation {key}")
        return self.values.get(key, default)

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Keep the event."""
        self.asked.append(event_name)
        self.events.append(Event(event_name, context, data, metric_value))

    @property
    def sent(self) -> list[tuple[str, Any]]:
        """The name and value of each event, in order."""
        return [(event.name, event.value) for event in self.events]


@dataclass
class FailingLDClient(FakeLDClient):
    """Raise from `track` for some events, or for all, and from `variation` if told to."""

    fails_on: Collection[str] | None = None
    fails_to_vary: bool = False

    def variation(self, key: str, context: Context, default: Any) -> Any:
        """Serve the flag's value, or raise."""
        if self.fails_to_vary:
            raise LookupError("the answer was 42")
        return super().variation(key, context, default)

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Keep the event, or raise."""
        if self.fails_on is None or event_name in self.fails_on:
            raise ConnectionError("the api key was sdk-123")
        super().track(event_name, context, data, metric_value)


def make_tracker(ld_client: FakeLDClient, **facts: Any) -> AIConfigTracker:
    """Make a tracker of a run whose facts are all known, but for those that are given."""
    known: dict[str, Any] = {
        "run_id": RUN_ID,
        "config_key": "my-config",
        "variation_key": "v1",
        "version": 3,
        "context": CONTEXT,
        "model_name": "gpt-4o",
        "provider_name": "openai",
    }
    return AIConfigTracker(ld_client=ld_client, **(known | facts))


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Read the messages that `ldai_core` has logged so far, all of which must be warnings."""
    ours = [record for record in caplog.records if record.name.partition(".")[0] == "ldai_core"]
    assert [record.levelname for record in ours] == ["WARNING"] * len(ours)
    assert [record.exc_info for record in ours] == [None] * len(ours)
    return [record.getMessage() for record in ours]
