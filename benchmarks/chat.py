"""A call of the chat API: raw, with five lines by hand, with this library, and with LaunchDarkly's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.bots import bot, five_tracks, official_bot
from benchmarks.doubles import Bare, ask, ask_bare, client, official_metrics
from benchmarks.measuring import Pace, Row, Samples, by_thread, overhead_to_floor, take_turns
from ldai_openai import wrap_openai

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai import OpenAI
    from openai.types.chat import ChatCompletion

    Ask = Callable[[OpenAI], ChatCompletion]

__all__ = ["measure"]

CALLS = 20
BARE_CALLS = 100


def measure(pace: Pace) -> list[Row]:
    """Measure both kinds of client."""
    whole = _measure(client(), ask, CALLS, pace.rounds)
    one, added = f"{whole.ns('raw') / 1e3:.0f} µs", whole.added("floor")[0]
    area = "chat call, in-memory transport"
    bare = _measure(Bare(api_key="any"), ask_bare, BARE_CALLS, pace.rounds)
    return [
        whole.row(area, "to raw", lambda each, name: each[name] / each["raw"], at_most=1.05, one=one),
        whole.row(
            area,
            "to floor",
            lambda each, name: each[name] / each["floor"],
            at_most=1.03,
            one=f"{one} + {added / 1e3:.0f} µs",
        ),
        overhead_to_floor(
            bare,
            "chat call, transport and parsing removed",
            "overhead to that of the floor",
            at_most=2.4,
            one=f"{bare.added('floor')[0] / 1e3:.1f} µs",
        ),
    ]


def _measure(openai: OpenAI, ask: Ask, calls: int, rounds: int) -> Samples:
    contestants = ways_to_ask(openai, ask)
    return take_turns({name: by_thread(way, calls) for name, way in contestants.items()}, rounds)


def ways_to_ask(openai: OpenAI, ask: Ask) -> dict[str, Callable[[], object]]:
    """Return the four ways to make a call."""
    five, official = five_tracks(), official_bot()
    wrapped = wrap_openai(openai, bot())

    def with_floor() -> None:
        ask(openai)
        five()

    return {
        "raw": lambda: ask(openai),
        "floor": with_floor,
        "ours": lambda: ask(wrapped),
        "official": lambda: official.create_tracker().track_metrics_of(official_metrics, lambda: ask(openai)),
    }
