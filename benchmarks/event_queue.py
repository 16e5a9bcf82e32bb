"""How many AI runs a second the base SDK's queue of events carries.

    uv run python benchmarks/event_queue.py            about two minutes
    uv run python benchmarks/event_queue.py --short    a small queue, a few seconds

A real LDClient in this process sends to a receiver on loopback, in a process of its own. Runs are recorded at an even
rate for two flush intervals and a bit; then the client is closed, which waits for what is pending, and what the
receiver does not have by then is lost. For each size of the queue and each interval the rate rises until events are
lost, or the process can record no faster. What fits in a queue is `events_max_pending / flush_interval` events a
second; the column `full` says how much of that is used. `longest` is the longest that the recording of one run took:
a payload is written as JSON in one go, which keeps all other threads of the process waiting.

With `--short` it exits with 1 when events are lost at half of that, for CI.
"""

from __future__ import annotations

import logging
import multiprocessing
import sys
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NamedTuple

from ldclient import Config, Context, LDClient

from ldai_core import AIClient, AIConfig, Reading, Run, TokenUsage
from tests.servers.launchdarkly import LaunchDarkly, fixed

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

EVENTS = 6  # of a run: duration, time to first token, success, three counts of tokens
SHARES = (0.8, 0.95, 1.1)
# The first is the default; the last is more than a process can record.
QUEUES = [(10_000, 5.0), (10_000, 1.0), (10_000, 0.5), (50_000, 5.0), (100_000, 5.0), (100_000, 1.0)]
SHORT_SHARES = (0.5, 0.9, 1.2)
SHORT_QUEUES = [(1_000, 0.5)]
TICK_S = 0.002
REACHED = 0.9  # of a rate that was asked for
VARIATION = {
    "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3},
    "model": {"name": "gpt-4o"},
    "provider": {"name": "openai"},
}
OUTPUT = Reading(output=True)
USAGE = Reading(usage=TokenUsage(total=12, input=9, output=3))


class Queue(NamedTuple):
    """How the base SDK's queue is configured."""

    events_max_pending: int
    flush_interval: float

    @property
    def runs_per_s(self) -> float:
        """How many runs a second fill it in one interval."""
        return self.events_max_pending / self.flush_interval / EVENTS


class Outcome(NamedTuple):
    """What became of the events at one rate."""

    rate: float
    sent: int
    lost: int
    longest_s: float


def main() -> int:
    """Measure, print a table and what it comes to."""
    short = "--short" in sys.argv[1:]
    logging.getLogger("ldclient.util").setLevel(logging.ERROR)  # it warns of what is meant to happen here
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,))
    receiver.start()
    uri = ours.recv()
    print(f"{'runs/s':>7} {'events/run':>10} {'events_max_pending':>18} {'flush_interval':>14} {'full':>5} ", end="")
    print(f"{'sent':>8} {'lost':>7} {'longest':>9}")
    failed = False
    sustained = []
    for queue in [Queue(*each) for each in (SHORT_QUEUES if short else QUEUES)]:
        carried = 0.0
        for share in SHORT_SHARES if short else SHARES:
            outcome = measure(queue, queue.runs_per_s * share, uri, ours)
            print_row(queue, outcome)
            if outcome.lost:
                failed = failed or share == SHORT_SHARES[0]
                break
            carried = outcome.rate
            if outcome.rate < queue.runs_per_s * share * REACHED:
                break  # faster than this the process cannot record runs
        sustained.append((queue, carried))
    ours.send(None)
    receiver.join()
    print()
    for queue, rate in sustained:
        print(f"events_max_pending={queue.events_max_pending:,}, flush_interval={queue.flush_interval:g}: ", end="")
        print(f"{rate:.0f} runs/s ({rate * EVENTS:.0f} events/s) without loss")
    return int(failed)


def print_row(queue: Queue, outcome: Outcome) -> None:
    """Print one row of the table."""
    full = f"{outcome.rate / queue.runs_per_s:.0%}"
    print(f"{outcome.rate:>7.0f} {EVENTS:>10} {queue.events_max_pending:>18,} {queue.flush_interval:>12g} s ", end="")
    print(f"{full:>5} {outcome.sent:>8,} {outcome.lost:>7,} {outcome.longest_s * 1000:>6.0f} ms", flush=True)


def measure(queue: Queue, runs_per_s: float, uri: str, receiver: Connection[Any, Any]) -> Outcome:
    """Record runs at this rate, and count what has not arrived when the client is closed."""
    config = Config(
        "sdk-key",
        base_uri=uri,
        stream_uri=uri,
        events_uri=uri,
        events_max_pending=queue.events_max_pending,
        flush_interval=queue.flush_interval,
        diagnostic_opt_out=True,
    )
    with LDClient(config) as client:
        bot = AIClient(client).completion_config("bot", Context.create("benchmark"))
        seconds = max(2 * queue.flush_interval + 0.5, 1.5)
        runs = int(runs_per_s * seconds)
        start_s = monotonic()
        longest_s = record_evenly(bot, runs, runs_per_s)
        took_s = monotonic() - start_s
    receiver.send("count")
    arrived: int = receiver.recv()
    return Outcome(min(runs / took_s, runs_per_s), runs * EVENTS, runs * EVENTS - arrived, longest_s)


def record_evenly(config: AIConfig, runs: int, runs_per_s: float) -> float:
    """Record so many runs, as many a second as asked for if the process can; return how long one took at most."""
    start_s, recorded, longest_s = monotonic(), 0, 0.0
    while recorded < runs:
        due = min(runs, int((monotonic() - start_s) * runs_per_s) + 1)
        for _ in range(due - recorded):
            began_s = monotonic()
            record_run(config)
            longest_s = max(longest_s, monotonic() - began_s)
        recorded = due
        sleep(TICK_S)
    return longest_s


def record_run(config: AIConfig) -> None:
    """Record a run that has streamed an answer."""
    with Run(config) as run:
        call = run.call()
        call.observe(OUTPUT)
        call.observe(USAGE)
        call.end()


def receive(asked: Connection[Any, Any]) -> None:
    """Be the receiver: tell how many events of runs have come since the last question, until none comes."""
    with LaunchDarkly({"bot": fixed("bot", VARIATION)}) as launchdarkly:
        asked.send(launchdarkly.uri)
        while asked.recv() is not None:
            asked.send(sum(isinstance(event.data, dict) and "runId" in event.data for event in launchdarkly.events))
            launchdarkly.received.clear()


if __name__ == "__main__":
    sys.exit(main())
