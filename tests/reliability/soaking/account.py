"""What the clients saw against what LaunchDarkly received: run by run, event by event."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.reliability.soaking.answers import Asked

__all__ = ["DURATION", "NOTHING", "Expected", "Record", "Row", "faults"]

DURATION = "$ld:ai:duration:total"
FIRST_TOKEN = "$ld:ai:tokens:ttf"
EVALUATED = "$ld:ai:usage:completion-config"
# Of which the variation is: what each event of a run says, beside the run's id.
OF_WHAT = ["bot", "only", 3, "any-model", "any"]
FROM_TOKEN = ["bot", "only", 3, "", ""]  # for a token has no model and no provider


class Row(NamedTuple):
    """One custom event that has arrived: what matters of it."""

    name: str
    value: Any
    run_id: str | None
    tool: str | None
    context: str | None
    of_what: list[Any]

    @classmethod
    def of(cls, name: str, value: Any, data: Any, context: Mapping[str, Any]) -> Row:
        """Read one."""
        data = data if isinstance(data, dict) else {}
        fields = ("configKey", "variationKey", "version", "modelName", "providerName")
        of_what = [data.get(field) for field in fields]
        return cls(name, value, data.get("runId"), data.get("toolKey"), context.get("key"), of_what)


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be recorded of a run, as its client saw it. Without an outcome it is nothing at all."""

    success: bool | None
    tokens: tuple[int, int] | None = None
    first_token: bool = False
    tools: tuple[str, ...] = ()
    feedback: bool = False

    @staticmethod
    def of(*answered: Asked, success: bool = True, first_token: bool = False, feedback: bool = False) -> Expected:
        """Sum up the requests that were answered to their end."""
        sums = sum(each.usage[0] for each in answered), sum(each.usage[1] for each in answered)
        tools = tuple(name for each in answered for name in each.tools)
        return Expected(success, sums if answered else None, first_token, tools, feedback)

    def events(self) -> Iterator[tuple[str, Any, str | None]]:
        """Tell the events that there are to be, the times without their values."""
        if self.success is None:
            return
        yield DURATION, None, None
        yield f"$ld:ai:generation:{'success' if self.success else 'error'}", 1, None
        if self.first_token:
            yield FIRST_TOKEN, None, None
        if self.tokens is not None:
            for kind, count in zip(("total", "input", "output"), (sum(self.tokens), *self.tokens), strict=True):
                yield f"$ld:ai:tokens:{kind}", count, None
        for tool in self.tools:
            yield "$ld:ai:tool_call", 1, tool
        if self.feedback:
            yield "$ld:ai:feedback:user:positive", 1, None


NOTHING = Expected(None)


@dataclass(slots=True)
class Record:
    """What is kept of a run: who it was, what its client saw, and how long that took at least and at most.

    `reading_ms` is the client's time from the first output that it saw to the last thing that it saw. The end of a run
    that `is_late` comes after its client has turned to other things.
    """

    n: int
    kind: str
    run_ids: tuple[str, ...]
    expected: Expected
    least_ms: int
    reading_ms: int
    most_ms: int
    is_late: bool = False


def faults(records: Sequence[Record], rows: Sequence[Row]) -> list[str]:
    """Say what is missing, too much, or other than it was seen."""
    by_run: dict[str | None, list[Row]] = defaultdict(list)
    for row in rows:
        by_run[row.run_id].append(row)
    of_no_run = by_run.pop(None, [])
    found = list(_evaluations(records, of_no_run))
    for record in records:
        wanted = 0 if record.expected.success is None else 1
        if len(record.run_ids) != wanted:
            found.append(f"{_name(record)}: took {len(record.run_ids)} trackers, not {wanted}")
        told = [row for run_id in record.run_ids for row in by_run.pop(run_id, [])]
        found += [f"{_name(record)}: {fault}" for fault in _faults(record, told)]
    return found + [f"a run that nobody made: {sorted(row.name for row in told)}" for told in by_run.values()]


def _name(record: Record) -> str:
    return f"run {record.n} ({record.kind})"


def _faults(record: Record, told: list[Row]) -> Iterator[str]:
    """Compare one run with what was told of it; the posts of a client overtake each other, so order is nothing."""
    times = {row.name: row.value for row in told if row.name in (DURATION, FIRST_TOKEN)}
    expected = Counter(record.expected.events())
    got = Counter((row.name, None if row.name in times else row.value, row.tool) for row in told)
    if expected != got:
        yield f"missing {_listed(expected - got)}, too much {_listed(got - expected)}"
    for row in told:
        if row.context != f"user-{record.n}":
            yield f"{row.name} came for {row.context}"
        if row.of_what != (FROM_TOKEN if "feedback" in row.name else OF_WHAT):
            yield f"{row.name} came of {row.of_what}"
    if DURATION in times:
        yield from _time_faults(record, times[DURATION], times.get(FIRST_TOKEN))


def _time_faults(record: Record, duration: Any, first_token: Any) -> Iterator[str]:
    if type(duration) is not int or not record.least_ms <= duration <= record.most_ms:
        yield f"duration {duration}, not within {record.least_ms} and {record.most_ms}"
    elif first_token is not None:
        # Both are cut to whole milliseconds, so their difference may be one less.
        latest = duration - max(record.reading_ms - 1, 0)
        if type(first_token) is not int or not 0 <= first_token <= latest:
            yield f"time to first token {first_token}, not within 0 and {latest}"


def _evaluations(records: Sequence[Record], rows: Iterable[Row]) -> Iterator[str]:
    """Compare the events that are of no run: each config was evaluated once, by one client."""
    got = Counter((row.name, row.context if row.name == EVALUATED else None) for row in rows)
    expected: Counter[tuple[str, str | None]] = Counter((EVALUATED, f"user-{record.n}") for record in records)
    expected["$ld:ai:sdk:info", None] = 1
    if got != expected:
        yield f"of no run: missing {_listed(expected - got)}, too much {_listed(got - expected)}"


def _listed(events: Counter[Any]) -> str:
    shown = [f"{count} x {event}" for event, count in events.most_common(6)]
    return ", ".join(shown) or "nothing"
