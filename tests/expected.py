"""What LaunchDarkly is to be told, whichever adapter tells it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient

Told = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Ms:
    """Equals any whole number of milliseconds from `least` on, up to a minute."""

    least: int = 0

    def __eq__(self, other: object) -> bool:
        return type(other) is int and self.least <= other <= 60_000

    def __hash__(self) -> int:
        return hash(self.least)


def duration(least_ms: int = 0) -> tuple[str, Ms]:
    """Expect a duration."""
    return "$ld:ai:duration:total", Ms(least_ms)


def first_token(least_ms: int = 0) -> tuple[str, Ms]:
    """Expect a time to first token."""
    return "$ld:ai:tokens:ttf", Ms(least_ms)


def tokens(input_: int, output: int) -> Told:
    """Expect the three counts."""
    return [
        ("$ld:ai:tokens:total", input_ + output),
        ("$ld:ai:tokens:input", input_),
        ("$ld:ai:tokens:output", output),
    ]


SUCCESS = ("$ld:ai:generation:success", 1)
ERROR = ("$ld:ai:generation:error", 1)
TOOL_CALL = ("$ld:ai:tool_call", 1)
TOKENS = tokens(9, 3)

ANSWERED: Told = [duration(), SUCCESS, *TOKENS]
READ: Told = [duration(), first_token(), SUCCESS, *TOKENS]
LEFT: Told = [duration(), first_token(), SUCCESS]
UNREAD: Told = [duration(), SUCCESS]
FAILED: Told = [duration(), ERROR]
FAILED_LATE: Told = [duration(), first_token(), ERROR]


def told(recorded: RecordingClient) -> Told:
    """List all that LaunchDarkly was told of AI runs, dropped streams waited for; each thing once, no time too long."""
    events = [(event.name, event.value) for run in recorded.runs for event in run.events]
    assert len(events) == len(recorded.events) - 2  # there is one client, which asked for one config
    for run in recorded.runs:
        assert run.repeated == ()
        assert (run.time_to_first_token_ms or 0) <= (run.duration_ms or 0)
    return events


def told_by_now(recorded: RecordingClient) -> Told:
    """List what LaunchDarkly has been told by now, with nothing waited for."""
    return [(event.name, event.value) for event in recorded._events[2:]]


async def turns() -> None:
    """Let the event loop take the few turns in which it closes what was left."""
    for _ in range(5):
        await asyncio.sleep(0)
