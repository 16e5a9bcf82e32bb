"""What claims in a Redis cost: time, memory, and the slowest call when the Redis fails.

    uv run --all-extras python -m benchmarks.claims

Starts a redis-server of its own, which has to be installed. Times are by the clock, for a claim waits.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ldclient import Context
from redis import Redis

from ldai_core import AIClient, TokenUsage
from ldai_core.claims import Referee
from ldai_core.integrations.redis import RedisClaims
from ldai_core.testing import RecordingClient
from tests.servers.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable

METRICS = ["duration_ms", "time_to_first_token_ms", "success", "tokens"]
CLAIMS = 2_000
RUNS = 20_000
CALLS = 300


def main() -> None:
    """Measure, and print."""
    with RedisServer() as server, Redis(port=server.port) as client:
        store = RedisClaims(client)
        referee = Referee(store)
        print(f"a claim of four metrics, by the store alone: {claim_ms(lambda run: store.claim(run, METRICS)):.2f} ms")
        waited = claim_ms(lambda run: referee.claim(run, METRICS, referee.until()))
        print(f"the same in a thread, which is waited for:   {waited:.2f} ms")
        print(f"memory of the Redis for one run:             {bytes_a_run(client, store):.0f} bytes")
        for fault, done in (("kill", "killed"), ("stop", "stopped")):
            with RedisServer() as failing, Redis(port=failing.port) as its_client:
                slowest = slowest_ms(RedisClaims(its_client), getattr(failing, fault))
            print(f"the slowest call, with a Redis that is {done}: {slowest:.0f} ms of {store.timeout * 1000:.0f}")


def claim_ms(claim: Callable[[str], object]) -> float:
    """Return the median of some claims."""
    return median(timed_ms(lambda: claim(str(uuid4()))) for _ in range(CLAIMS))


def bytes_a_run(client: Any, store: RedisClaims) -> float:
    """Return what a run's claims take."""
    before = client.info("memory")["used_memory"]
    for _ in range(RUNS):
        store.claim(str(uuid4()), METRICS)
    return float(client.info("memory")["used_memory"] - before) / RUNS


def slowest_ms(store: RedisClaims, fail: Callable[[], None]) -> float:
    """Record runs, let the Redis fail in the middle of them, and return how long the slowest call took since."""
    config = AIClient(RecordingClient(), claims=store).completion_config("bot", Context.create("user-1"))
    for _ in range(CALLS // 3):
        record(config.create_tracker())
    fail()
    return max(timed_ms(lambda: record(config.create_tracker())) for _ in range(CALLS))


def record(tracker: Any) -> None:
    """Record a metric, in one call."""
    tracker.track_tokens(TokenUsage(12, 9, 3))


def timed_ms(func: Callable[[], object]) -> float:
    """Return how long a call took."""
    start = perf_counter()
    func()
    return (perf_counter() - start) * 1000


if __name__ == "__main__":
    main()
