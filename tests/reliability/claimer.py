"""One of several processes that record the same runs: `python -m tests.reliability.claimer URL REDIS TIMEOUT`.

It says that it is ready, reads resumption tokens from its standard input, one a line, records feedback, success and
tokens for each, and writes down how long the slowest of these calls took, and what was warned of.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from time import perf_counter
from typing import TYPE_CHECKING

from ldclient import Config, Context, LDClient
from redis import Redis

from ldai_core import AIClient, TokenUsage
from ldai_core.endings import settle
from ldai_core.integrations.redis import RedisClaims

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfigTracker

USAGE = TokenUsage(12, 9, 3)


class Listener(logging.Handler):
    """Keeps what this library warns of, but for what another process was faster with."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        logging.getLogger("ldai_core").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if not record.getMessage().startswith("Skipping track_"):
            self.heard.append(record.getMessage())


def record(tracker: AIConfigTracker) -> float:
    """Record what counts once, and say how long the slowest call took."""
    calls: list[Callable[[], None]] = [
        lambda: tracker.track_feedback("positive"),
        tracker.track_success,
        lambda: tracker.track_tokens(USAGE),
    ]
    slowest = 0.0
    for call in calls:
        began = perf_counter()
        call()
        slowest = max(slowest, perf_counter() - began)
    return slowest


async def record_in_a_loop(tracker: AIConfigTracker) -> float:
    """Do the same in an event loop."""
    return record(tracker)


def main() -> None:
    """Record."""
    url, redis_url, timeout, kind = sys.argv[1:]
    listener = Listener()
    addresses = {"base_uri": url, "stream_uri": url, "events_uri": url}
    slowest = 0.0
    with (
        Redis.from_url(redis_url) as redis,
        LDClient(Config("sdk-key", **addresses, diagnostic_opt_out=True)) as ld_client,  # type: ignore[arg-type]  # text
    ):
        client = AIClient(ld_client, claims=RedisClaims(redis, timeout=float(timeout)))
        print("ready", flush=True)  # noqa: T201  # what the test waits for
        for token in sys.stdin:
            tracker = client.create_tracker(token.strip(), Context.create("user-1"))
            slowest = max(slowest, asyncio.run(record_in_a_loop(tracker)) if kind == "async" else record(tracker))
        settle()
    print(json.dumps({"slowest_s": slowest, "warnings": listener.heard}), flush=True)  # noqa: T201  # likewise


if __name__ == "__main__":
    main()
