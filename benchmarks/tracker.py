"""What a tracker costs, in units of one `ldclient.track()`.

    uv run python benchmarks/tracker.py

A run needs at least the events that it sends, so `track()` is the floor. Everything is measured in one process,
interleaved in blocks, by the CPU time of the calling thread; what is printed are medians of the ratios of neighbouring
blocks. Exits with 1 when a bound is exceeded twice over, which is for CI; the bounds themselves are for a quiet machine.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from statistics import median
from time import thread_time_ns

from ldclient import Config, Context, LDClient
from ldclient.integrations.test_data import TestData

from ldai_core import AIClient, AIConfig, FeedbackKind, TokenUsage

BLOCKS = 60
CALLS = 200
GROSS = 2
CONTEXT = Context.create("benchmark")
VARIATION = {
    "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3},
    "model": {"name": "gpt-4o", "parameters": {"temperature": 0.2}},
    "provider": {"name": "openai"},
    "messages": [{"role": "system", "content": "You help {{name}} with {{topic}}."}] * 3,
}


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
    cases: list[tuple[str, float, Callable[[], object]]] = [
        ("create_tracker()", 2.0, bot.create_tracker),
        ("create_tracker() and five metrics", 8.5, lambda: five_metrics(bot)),
        ("first resumption token", 1.5, lambda: bot.create_tracker().resumption_token),
        ("completion_config(), three messages", 20.0, lambda: evaluate(ai)),
    ]
    event = {"runId": "r", "configKey": "bot", "version": 3, "modelName": "gpt-4o", "providerName": "openai"}
    ratios = measure(lambda: client.track("$ld:ai:duration:total", CONTEXT, event, 1), cases)
    ratios["first resumption token"] -= ratios["create_tracker()"]
    gross = False
    print(f"{'in units of one track()':36} {'ratio':>6} {'bound':>6}")
    for name, bound, _ in cases:
        print(f"{name:36} {ratios[name]:6.2f} {bound:6.1f}")
        gross = gross or ratios[name] > GROSS * bound
    return 1 if gross else 0


def five_metrics(config: AIConfig) -> None:
    """Record all five guarded metrics, which are seven events."""
    tracker = config.create_tracker()
    tracker.track_duration(1234)
    tracker.track_time_to_first_token(56)
    tracker.track_success()
    tracker.track_tokens(TokenUsage(total=12, input=9, output=3))
    tracker.track_feedback(FeedbackKind.POSITIVE)


def evaluate(ai: AIClient) -> AIConfig:
    """Evaluate a config with three messages, each interpolated."""
    return ai.completion_config("bot", CONTEXT, variables={"name": "Ann", "topic": "orders"})


def measure(floor: Callable[[], object], cases: list[tuple[str, float, Callable[[], object]]]) -> dict[str, float]:
    """Return, for each case, the median ratio of its cost to the floor's right beside it."""
    samples: dict[str, list[float]] = {name: [] for name, _, _ in cases}
    gc.disable()
    for _ in range(BLOCKS):
        for name, _, case in cases:
            unit = cost_ns(floor)
            samples[name].append(cost_ns(case) / unit)
        gc.collect()
    gc.enable()
    return {name: median(ratios) for name, ratios in samples.items()}


def cost_ns(func: Callable[[], object]) -> float:
    """Return the CPU time of the calling thread for one call."""
    start_ns = thread_time_ns()
    for _ in range(CALLS):
        func()
    return (thread_time_ns() - start_ns) / CALLS


if __name__ == "__main__":
    sys.exit(main())
