"""One AI Config, evaluated by this library and by LaunchDarkly's own, on one real client of the base SDK."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ldai import LDAIClient
from ldclient import Config, Context, LDClient
from ldclient.integrations.test_data import TestData

from ldai_core import AIClient, AIConfig

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTEXT", "EVENT", "VARIABLES", "bot", "five_tracks", "launchdarkly", "official_bot", "serve", "track"]

CONTEXT = Context.create("benchmark")
VARIABLES = {"name": "Ann", "topic": "orders"}
EVENT = {"runId": "r", "configKey": "bot", "version": 3, "modelName": "gpt-4o", "providerName": "openai"}


@lru_cache(maxsize=1)
def _flags() -> TestData:
    return TestData.data_source()


def serve(key: str, messages: int) -> None:
    """Serve a config with so many messages, each with two variables in it."""
    variation = {
        "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3},
        "model": {"name": "gpt-4o", "parameters": {"temperature": 0.2}},
        "provider": {"name": "openai"},
        "messages": [{"role": "system", "content": "You help {{name}} with {{topic}}."}] * messages,
    }
    _flags().update(_flags().flag(key).variations(variation).variation_for_all(0))


@lru_cache(maxsize=1)
def launchdarkly() -> LDClient:
    """Return the one client, which keeps its events.

    Nobody listens at the port: sending is not what is measured, and the interval keeps it from being tried.
    """
    serve("bot", 3)
    config = Config(
        "sdk-key",
        update_processor_class=_flags(),
        events_uri="http://127.0.0.1:9",
        flush_interval=36_000,
        events_max_pending=5_000_000,
        diagnostic_opt_out=True,
    )
    return LDClient(config)


def bot() -> AIConfig:
    """Evaluate the config by this library."""
    return AIClient(launchdarkly()).completion_config("bot", CONTEXT, variables=VARIABLES)


def official_bot() -> Any:
    """Evaluate the config by LaunchDarkly's own, which has no types."""
    return LDAIClient(launchdarkly()).completion_config("bot", CONTEXT, variables=VARIABLES)


def track() -> None:
    """Send one event: the unit of what trackers cost."""
    launchdarkly().track("$ld:ai:duration:total", CONTEXT, EVENT, 1)


def five_tracks() -> Callable[[], None]:
    """Return what a run needs at the least: five lines written by hand."""
    send = launchdarkly().track

    def five() -> None:
        send("$ld:ai:duration:total", CONTEXT, EVENT, 1234)
        send("$ld:ai:generation:success", CONTEXT, EVENT, 1)
        send("$ld:ai:tokens:total", CONTEXT, EVENT, 12)
        send("$ld:ai:tokens:input", CONTEXT, EVENT, 9)
        send("$ld:ai:tokens:output", CONTEXT, EVENT, 3)

    return five
