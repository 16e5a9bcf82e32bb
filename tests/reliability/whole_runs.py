"""Runs of six events, recorded without a provider, and found again at the receiver."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ldai_core import Reading, Run, TokenUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ldclient import LDClient

    from ldai_core import AIConfig
    from tests.servers.launchdarkly import ReceivedEvent

BOT = "bot"
VARIATION: dict[str, Any] = {
    "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3},
    "model": {"name": "gpt-4o"},
    "provider": {"name": "openai"},
    "messages": [{"role": "system", "content": "Be brief."}],
}

# What is sent for a run, in the order of its arrival.
WHOLE = [
    "$ld:ai:duration:total",
    "$ld:ai:tokens:ttf",
    "$ld:ai:generation:success",
    "$ld:ai:tokens:total",
    "$ld:ai:tokens:input",
    "$ld:ai:tokens:output",
]


def record_run(config: AIConfig) -> str:
    """Record a whole run, and return its id."""
    tracker = config.create_tracker()
    with Run(tracker) as run:
        call = run.call()
        call.observe(Reading(output=True))
        call.observe(Reading(usage=TokenUsage(total=12, input=9, output=3)))
        call.end()
    return tracker.run_id


def record_runs(config: AIConfig, number: int = 20) -> list[str]:
    """Record so many whole runs, and return their ids."""
    return [record_run(config) for _ in range(number)]


def runs_of(events: Iterable[ReceivedEvent]) -> dict[str, list[str]]:
    """List what was received of each run."""
    runs: dict[str, list[str]] = {}
    for event in events:
        if isinstance(event.data, dict) and "runId" in event.data:
            runs.setdefault(event.data["runId"], []).append(event.name)
    return runs


def whole(run_ids: Iterable[str]) -> dict[str, list[str]]:
    """Expect these runs, whole and once each."""
    return dict.fromkeys(run_ids, WHOLE)


def repeated(events: Iterable[ReceivedEvent]) -> set[tuple[str, str]]:
    """List which events of which runs were received more than once."""
    seen = Counter((run_id, name) for run_id, names in runs_of(events).items() for name in names)
    return {each for each, times in seen.items() if times > 1}


def flush(ld_client: LDClient) -> None:
    """Have what is pending posted soon."""
    ld_client.flush()  # type: ignore[no-untyped-call]


def wait_until_sent(ld_client: LDClient) -> None:
    """Wait until all posts that are under way have come to an end, whatever end."""
    ld_client._event_processor._wait_until_inactive()  # type: ignore[attr-defined]  # it has it for tests
