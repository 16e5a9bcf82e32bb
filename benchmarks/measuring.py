"""Costs, side by side: CPU time of blocks that take turns, and medians of the ratios within a round.

A machine is never quiet, and its clock never steady: what is compared is measured within the same tenth of a second,
in an order that changes every round, and the median forgets the rounds in which something else happened.
"""

from __future__ import annotations

import gc
import importlib
from math import sqrt
from statistics import median, quantiles
from time import process_time_ns, sleep, thread_time_ns
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "LONG",
    "SHORT",
    "Pace",
    "Row",
    "Samples",
    "by_process",
    "by_thread",
    "measure_area",
    "overhead_to_floor",
    "take_turns",
]

# The base SDK's thread works off the events of a block before the next one begins: it competes for the interpreter.
PAUSE_S = 0.03
FEWEST = 4  # rounds that have quartiles worth the name


class Pace(NamedTuple):
    """How long to measure."""

    rounds: int
    processes: int  # fresh interpreters, of which each is one round


LONG = Pace(rounds=60, processes=9)
SHORT = Pace(rounds=15, processes=5)


class Row(NamedTuple):
    """A row of the table: a ratio, how far off it may be by chance, its bound, and that of LaunchDarkly's own SDK."""

    area: str
    what: str
    ours: float
    error: float
    at_most: float | None
    official: float | None
    one: str  # what 1 is


class Samples:
    """What the rounds came to: for each, the cost of every contestant in nanoseconds."""

    def __init__(self, rounds: Sequence[Mapping[str, float]]) -> None:
        self._rounds = rounds

    def ns(self, name: str) -> float:
        """Return the median cost of one contestant."""
        return median(each[name] for each in self._rounds)

    def ratio(self, formula: Callable[[Mapping[str, float], str], float], name: str = "ours") -> float:
        """Return the median of what `formula` makes of a round and a contestant."""
        return median(formula(each, name) for each in self._rounds)

    def added(self, name: str) -> tuple[float, float]:
        """Return the median of what one contestant costs beyond the raw one, and its standard error."""
        differences = [each[name] - each["raw"] for each in self._rounds]
        return median(differences), _error(differences)

    def __contains__(self, name: str) -> bool:
        return name in self._rounds[0]

    def row(
        self,
        area: str,
        what: str,
        formula: Callable[[Mapping[str, float], str], float],
        *,
        at_most: float | None = None,
        one: str,
    ) -> Row:
        """Make a row of the table; the official SDK is in it where it is among the contestants."""
        ratios = [formula(each, "ours") for each in self._rounds]
        official = self.ratio(formula, "official") if "official" in self else None
        return Row(area, what, median(ratios), _error(ratios), at_most, official, one)


def overhead_to_floor(samples: Samples, area: str, what: str, *, at_most: float, one: str) -> Row:
    """Make a row of what is added to the raw call, to what the floor adds.

    The differences are those of a round; their medians are divided, for a difference may by chance be next to nothing.
    """
    ours, floor = samples.added("ours"), samples.added("floor")
    error = ours[0] / floor[0] * sqrt((ours[1] / ours[0]) ** 2 + (floor[1] / floor[0]) ** 2)
    official = samples.added("official")[0] / floor[0] if "official" in samples else None
    return Row(area, what, ours[0] / floor[0], error, at_most, official, one)


def take_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> Samples:
    """Measure every contestant once a round, each time another one first; before that, each once for nothing."""
    names = list(contestants)
    samples = []
    for contestant in contestants.values():
        contestant()
    for at in range(rounds):
        gc.collect()
        gc.disable()
        order = names[at % len(names) :] + names[: at % len(names)]
        try:
            costs = {name: contestants[name]() for name in order}
        finally:
            gc.enable()
        samples.append(costs)
    return Samples(samples)


def measure_area(area: str, pace: Pace) -> Any:
    """Measure one area: here, for another interpreter knows this module, and not the one that was started."""
    return importlib.import_module(f"benchmarks.{area}").measure(pace)


def by_thread(func: Callable[[], object], times: int) -> Callable[[], float]:
    """Make a contestant of a function: the CPU time of the calling thread for one of so many calls."""

    def cost() -> float:
        sleep(PAUSE_S)
        start_ns = thread_time_ns()
        for _ in range(times):
            func()
        return (thread_time_ns() - start_ns) / times

    return cost


def by_process(func: Callable[[], object], calls: int) -> Callable[[], float]:
    """Make a contestant of a function that makes so many calls: CPU time of all threads, the base SDK's included."""

    def cost() -> float:
        sleep(PAUSE_S)
        start_ns = process_time_ns()
        func()
        sleep(PAUSE_S)
        return (process_time_ns() - start_ns) / calls

    return cost


def _error(ratios: Sequence[float]) -> float:
    """Estimate the standard error of a median from the quartiles, which no outlier moves."""
    if len(ratios) < FEWEST:
        return 0.0
    low, _, high = quantiles(ratios, n=4)
    return 1.25 * (high - low) / 1.35 / sqrt(len(ratios))
