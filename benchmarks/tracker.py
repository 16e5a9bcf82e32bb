"""Trackers, resumption tokens and configs, in units of one `ldclient.track()`: a run needs as many as it has events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ldai import LDAIClient
from ldai.tracker import TokenUsage as OfficialUsage

from benchmarks.bots import CONTEXT, VARIABLES, bot, launchdarkly, official_bot, track
from benchmarks.measuring import Pace, Row, by_thread, take_turns
from ldai_core import AIClient, AIConfig, TokenUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["measure"]

EVENTS = 500  # of a block: a track() among many costs more than one alone


def measure(pace: Pace) -> list[Row]:
    """Measure what a tracker is asked for; of a token, what it costs beyond the tracker."""
    config, official = bot(), official_bot()
    client, official_client = AIClient(launchdarkly()), LDAIClient(launchdarkly())
    ways: dict[str, tuple[int, Callable[[], object], Callable[[], object], float]] = {
        "create_tracker()": (0, config.create_tracker, official.create_tracker, 2.0),
        "create_tracker() and five metrics": (5, lambda: _five(config), lambda: _official_five(official), 8.5),
        "first resumption token": (
            0,
            lambda: config.create_tracker().resumption_token,
            lambda: official.create_tracker().resumption_token,
            1.5,
        ),
        "completion_config(), three messages": (
            1,
            lambda: client.completion_config("bot", CONTEXT, variables=VARIABLES),
            lambda: official_client.completion_config("bot", CONTEXT, variables=VARIABLES),
            20.0,
        ),
    }
    rows = []
    for area, (events, way, official_way, at_most) in ways.items():
        times = EVENTS // max(1, events)
        contestants = {"track": by_thread(track, EVENTS)}
        if area == "first resumption token":
            contestants["tracker"] = by_thread(config.create_tracker, times)
            contestants["official tracker"] = by_thread(official.create_tracker, times)
        contestants |= {"ours": by_thread(way, times), "official": by_thread(official_way, times)}
        samples = take_turns(contestants, pace.rounds // 2)
        one = f"{samples.ns('track') / 1e3:.1f} µs"
        rows.append(samples.row(area, "to one track()", _to_track, at_most=at_most, one=one))
    return rows


def _to_track(each: Mapping[str, float], name: str) -> float:
    before = each.get("tracker" if name == "ours" else "official tracker", 0.0)
    return (each[name] - before) / each["track"]


def _five(config: AIConfig) -> None:
    """Record what a plain run has: five events."""
    tracker = config.create_tracker()
    tracker.track_duration(1234)
    tracker.track_success()
    tracker.track_tokens(TokenUsage(total=12, input=9, output=3))


def _official_five(config: Any) -> None:
    tracker = config.create_tracker()
    tracker.track_duration(1234)
    tracker.track_success()
    tracker.track_tokens(OfficialUsage(total=12, input=9, output=3))
