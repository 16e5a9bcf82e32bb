"""A table of AI runs per variation, from the events that LaunchDarkly received."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.servers.launchdarkly import ReceivedEvent

PREFIX = "$ld:ai:"


def variation_table(events: Iterable[ReceivedEvent]) -> Table:
    """Make the table; what no event says stays a dash."""
    table = Table(title="What LaunchDarkly received: means of times, sums of tokens")
    table.add_column("variation", no_wrap=True)
    for heading in ("runs", "success", "duration", "first token", "in", "out", "feedback"):
        table.add_column(heading, justify="right", no_wrap=True)
    for variation, runs in sorted(_by_variation(events).items()):
        values = {name: [run[name] for run in runs if name in run] for name in set().union(*runs)}
        table.add_row(
            variation,
            str(len(runs)),
            f"{len(values.get('generation:success', []))} of {len(runs)}",
            _mean_ms(values.get("duration:total")),
            _mean_ms(values.get("tokens:ttf")),
            f"{sum(values.get('tokens:input', [])):.0f}",
            f"{sum(values.get('tokens:output', [])):.0f}",
            f"+{len(values.get('feedback:user:positive', []))} -{len(values.get('feedback:user:negative', []))}",
        )
    return table


def _by_variation(events: Iterable[ReceivedEvent]) -> dict[str, list[dict[str, float]]]:
    """Gather the events of each run, and the runs of each variation."""
    runs: dict[str, dict[str, float]] = {}
    variations: dict[str, list[dict[str, float]]] = {}
    for event in events:
        if not isinstance(event.data, dict) or "runId" not in event.data:
            continue
        run_id = event.data["runId"]
        if run_id not in runs:
            runs[run_id] = {}
            variations.setdefault(event.data.get("variationKey", "none"), []).append(runs[run_id])
        runs[run_id][event.name.removeprefix(PREFIX)] = event.value or 0
    return variations


def _mean_ms(values: list[float] | None) -> str:
    return f"{mean(values):.0f} ms" if values else "-"
