"""What is left of the runs when they are over, and what there is to tell of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.reliability.soaking.account import DURATION, Expected, Record
from tests.reliability.soaking.play import TASKS, THREADS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.reliability.soaking.census import Census
    from tests.reliability.soaking.play import Play

__all__ = ["grown", "left_over", "summary"]

# A run makes three requests at once at most, by patient clients or hasty ones, to either of two providers.
MOST_SOCKETS = 3 * 2 * 2 * (THREADS + TASKS)
OF_A_RUN = 3  # objects of one type at most
SOME = 400  # timers, ...
SLACK_KIB = 8 * 1024
WAITING = ("ldclient.impl.events.", "ldclient.context.")  # in a queue, which has its own limit
KEPT = {f"{kept.__module__}.{kept.__qualname__}" for kept in (Record, Expected)}


def left_over(before: Census, after: Census) -> Iterator[str]:
    """Say what has been left behind between two moments at which no client was open."""
    for what in ("files", "threads", "own"):
        if getattr(before, what) != getattr(after, what):
            yield f"{what}: before {getattr(before, what)}, after {getattr(after, what)}"


def grown(done: Play) -> Iterator[str]:
    """Say what has grown between the middle and the end, both with the clients open and all runs over.

    A run leaves a record here, which is less than 1 KiB; the allocator may keep some MiB that nobody uses; and some
    events wait to be flushed. What every tenth run leaves behind would be more objects than these. Of ours there are
    those of the last runs at most, and of the runs that opened a connection, which keeps their context.
    """
    middle, end = done.during[0], done.during[-1]
    runs = len(done.records) // len(done.during)
    for name, count in end.own.items():
        if count > OF_A_RUN * (end.sockets + THREADS + TASKS):
            yield f"{count} of {name}, with {end.sockets} sockets open"
    for name, count in (end.objects - middle.objects).items():
        if count > runs / 10 + SOME and name not in KEPT and not name.startswith(WAITING):
            yield f"{count} more of {name}"
    more_kib = end.resident_kib - middle.resident_kib
    if more_kib > runs + SLACK_KIB:
        yield f"{more_kib} KiB more, where {runs + SLACK_KIB} are allowed"
    if end.sockets > MOST_SOCKETS:
        yield f"{end.sockets} sockets, for {MOST_SOCKETS} requests at once at most"


def summary(done: Play, before: Census, after: Census) -> Iterator[str]:
    """Tell it in figures."""
    outcomes = Counter(record.expected.success for record in done.records)
    runs, seconds, rows = len(done.records), done.seconds, len(done.rows)
    yield f"runs            {runs} of {len({record.kind for record in done.records})} kinds in {seconds:.1f} s"
    yield f"                {runs / seconds:.0f} runs and {rows / seconds:.0f} events a second"
    yield f"expected        {outcomes[True]} successes, {outcomes[False]} errors, {outcomes[None]} of nothing at all"
    durations = {row.run_id: row.value for row in done.rows if row.name == DURATION}
    yield f"received        {rows} events, of {len(durations)} runs"
    ahead = sorted(
        record.most_ms - durations[record.run_ids[0]]
        for record in done.records
        if record.run_ids and record.run_ids[0] in durations and not record.is_late
    )
    if ahead:
        middle, most = ahead[len(ahead) // 2], ahead[len(ahead) * 99 // 100]
        yield f"durations       less than by the client's clock by {middle} ms in the median, {most} ms at 99%"
    for name, counted in (
        ("open files", [sum(each.files.values()) for each in (before, *done.during, after)]),
        ("sockets", [each.sockets for each in (before, *done.during, after)]),
        ("threads", [each.threads for each in (before, *done.during, after)]),
        ("objects of ours", [sum(each.own.values()) for each in (before, *done.during, after)]),
        ("resident MiB", [each.resident_kib // 1024 for each in (before, *done.during, after)]),
    ):
        first, *during, last = counted
        yield f"{name:15} {first} before, {last} after; with clients open {', '.join(map(str, during))}"
    most_grown = (done.during[-1].objects - done.during[0].objects).most_common(6)
    yield "grown most      " + ", ".join(f"{count} {name}" for name, count in most_grown)
    yield f"faults          {len(done.faults)}"
