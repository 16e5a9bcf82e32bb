"""What a tracker costs, in units of one `ldclient.track()`.

    uv run python benchmarks/tracker.py

A run needs at least the events that it sends, so `track()` is the floor. Everything is measured in one process,
interleaved in blocks, by the CPU time of the calling thread; what is printed are medians of the ratios of neighbouring
blocks. It exits with 1 when a bound is exceeded twice over, for CI; the bounds themselves are for a quiet machine.
"""

from __future__ import annotations

import gc
import sys
from statistics import median
from time import sleep, thread_time_ns
from typing import TYPE_CHECKING, NamedTuple

from ldclient import Config, Context, LDClient
from ldclient.integrations.test_data import TestData

from ldai_core import AIClient, AIConfig, FeedbackKind, TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKS = 40
EVENTS = 500
PAUSE_S = 0.03
GROSS = 2
CONTEXT = Context.create("benchmark")
VARIATION = {
    "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3},
    "model": {"name": "gpt-4o", "parameters": {"temperature": 0.2}},
    "provider": {"name": "openai"},
    "messages": [{"role": "system", "content": "You help {{name}} with {{topic}}."}] * 3,
}


class Case(NamedTuple):
    """Something whose cost is measured: how much of it is allowed, and how many events one call of it sends."""

    name: str
    bound: float | None
    events: int
    func: Callable[[], object]


def main() -> int:
    """Measure, print a table, and say by the exit code whether something is grossly off."""
    data = TestData.data_source()
    data.update(data.flag("bot").variations(VARIATION).variation_for_all(0))
    # Nobody listens at the port: sending is not what is measured, and the interval keeps it from being tried.
    config = Config(
        "sdk-key",
        update_processor_class=data,
        events_uri="http://127.0.0.1:9",
        flush_interval=3600,
        events_max_pending=1_000_000,
        diagnostic_opt_out=True,
    )
    client = LDClient(config)
    ai = AIClient(client)
    bot = ai.completion_config("bot", CONTEXT, variables={"name": "Ann", "topic": "orders"})
    cases = [
        Case("create_tracker()", 2.0, 0, bot.create_tracker),
        Case("create_tracker() and five metrics", 8.5, 5, lambda: five_metrics(bot)),
        Case("the same, with seven", None, 7, lambda: seven_metrics(bot)),
        Case("first resumption token", 1.5, 0, lambda: bot.create_tracker().resumption_token),
        Case("completion_config(), three messages", 20.0, 1, lambda: evaluate(ai)),
    ]
    event = {"runId": "r", "configKey": "bot", "version": 3, "modelName": "gpt-4o", "providerName": "openai"}
    ratios = measure(lambda: client.track("$ld:ai:duration:total", CONTEXT, event, 1), cases)
    ratios["first resumption token"] -= ratios["create_tracker()"]
    print(f"{'in units of one track()':36} {'ratio':>6} {'at most':>8}")
    for case in cases:
        print(f"{case.name:36} {ratios[case.name]:6.2f} {case.bound or '':>8}")
    return int(any(case.bound is not None and ratios[case.name] > GROSS * case.bound for case in cases))


def five_metrics(config: AIConfig) -> None:
    """Record what a plain run has: five events."""
    tracker = config.create_tracker()
    tracker.track_duration(1234)
    tracker.track_success()
    tracker.track_tokens(TokenUsage(total=12, input=9, output=3))


def seven_metrics(config: AIConfig) -> None:
    """Record all that has a guard: time to first token and feedback too."""
    tracker = config.create_tracker()
    tracker.track_duration(1234)
    tracker.track_time_to_first_token(56)
    tracker.track_success()
    tracker.track_tokens(TokenUsage(total=12, input=9, output=3))
    tracker.track_feedback(FeedbackKind.POSITIVE)


def evaluate(ai: AIClient) -> AIConfig:
    """Evaluate a config with three messages, each interpolated."""
    return ai.completion_config("bot", CONTEXT, variables={"name": "Ann", "topic": "orders"})


def measure(floor: Callable[[], object], cases: list[Case]) -> dict[str, float]:
    """Return, for each case, the median ratio of its cost to the floor's right beside it.

    Blocks send the same number of events, and each begins when the base SDK's thread has worked off the last one's: it
    competes for the interpreter, so that a track() among many costs more than one alone.
    """
    samples: dict[str, list[float]] = {case.name: [] for case in cases}
    gc.disable()
    for _ in range(BLOCKS):
        for case in cases:
            unit = cost_ns(floor, EVENTS)
            samples[case.name].append(cost_ns(case.func, EVENTS // max(1, case.events)) / unit)
        gc.collect()
    gc.enable()
    return {name: median(ratios) for name, ratios in samples.items()}


def cost_ns(func: Callable[[], object], calls: int) -> float:
    """Return the CPU time of the calling thread for one call."""
    sleep(PAUSE_S)
    start_ns = thread_time_ns()
    for _ in range(calls):
        func()
    return (thread_time_ns() - start_ns) / calls


if __name__ == "__main__":
    sys.exit(main())
