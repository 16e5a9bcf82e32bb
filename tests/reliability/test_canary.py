"""Nothing secret is told, whatever happens on the way to a provider."""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context

from ldai_core import AIClient
from ldai_core.testing import RecordingClient
from tests.reliability.canaries import MARK, Canary, Watch, canary, seen_in, server_of
from tests.reliability.faults import Asked, timeout_for
from tests.reliability.ways_bedrock import BEDROCK
from tests.reliability.ways_langchain import LANGCHAIN
from tests.reliability.ways_openai import OPENAI
from tests.servers.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ldai_core.run import Source
    from tests.reliability.faults import Way

VARIATION = {
    "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 1},
    "model": {"name": "gpt-4o", "parameters": {"user": canary("key")}},
    "messages": [{"role": "system", "content": "Be {{mood}}. {{ldctx.plan}} " + canary("prompt")}],
}
WAYS = [*OPENAI, *BEDROCK, *(way for way in LANGCHAIN if "chain" in way.name)]
EACH_KIND = ("refuse", "reject", "slow")
IN_THE_BODY = ("reset in the body", "cut in the body")
LATER = ("reset later", "cut later")


class Unwilling(RecordingClient):
    """Stands for LaunchDarkly; of runs it takes no event, and says everything instead."""

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Raise."""
        if event_name.startswith(("$ld:ai:sdk", "$ld:ai:usage")):
            super().track(event_name, context, data, metric_value)
            return
        raise Canary


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Watch what is said."""
    with Watch() as watch:
        yield watch


def config() -> Any:
    """Evaluate a config all of which is secret, but for its names."""
    context = Context.builder("user-1").set("plan", canary("attribute")).build()
    client = AIClient(Unwilling({"support-bot": VARIATION}))
    served = client.completion_config("support-bot", context, None, {"mood": canary("variable")})
    assert seen_in(served.messages) == ["attribute", "prompt", "variable"]
    return served


def rows(ways: Iterable[Way]) -> Iterator[Any]:
    """Go through the ways, with a fault of each kind; what waits, on a few of them."""
    for way in ways:
        names = [*EACH_KIND, *(LATER if way.mark else IN_THE_BODY)]
        if way.name.endswith(("sync", "chain stream")) and not way.name.endswith("async"):
            names.append("stall later" if way.mark else "stall at once")
        yield from (pytest.param(way, name, id=f"{way.name}-{name}") for name in names)


def ask(way: Way, name: str | None, source: Source) -> list[Any]:
    """Ask, with everything secret, and tell what came."""
    fault = None if name is None else way.faults[name]
    with server_of(way) as server, FaultProxy(server.uri, fault) as proxy:
        timeout_s = timeout_for(fault)
        asked = Asked(proxy.uri, source, proxy.seen.set, timeout_s, prompt=canary("prompt"), key=canary("key"))
        with suppress(Exception):  # which is the client's own
            way.ask(asked)
    return asked.received


@pytest.mark.parametrize(("way", "name"), list(rows(WAYS)))
def test_on_the_way(watch: Watch, way: Way, name: str) -> None:
    """RL7: under each fault, and a client that raises, there is one warning of the run, and nothing secret in it."""
    received = ask(way, name, config())
    assert (seen_in(*received) != []) is (name == "slow" or name.endswith("later"))
    watch.check()
    assert len(watch.logged) == 1


def refuse() -> Any:
    """Raise."""
    raise Canary


@pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in WAYS])
@pytest.mark.parametrize("source", [refuse, lambda: canary("key")], ids=["raises", "gives no tracker"])
def test_no_tracker(watch: Watch, way: Way, source: Any) -> None:
    """RL7: nor is there in that of a factory that has no tracker to give."""
    assert seen_in(*ask(way, None, source)) != []
    watch.check()
    assert len(watch.logged) == 1


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.debug(canary("key")),
        lambda logger: logger.info("%s", canary("key")),
        lambda logger: logger.warning("nothing", extra={"prompt": canary("key")}),
        lambda logger: logger.error("nothing", exc_info=Canary()),
    ],
    ids=["message", "arguments", "extra", "exception"],
)
def test_the_watch(watch: Watch, log: Any) -> None:
    """RL7: the watch sees whatever our loggers say, at any level and in any part; what others say, it does not."""
    log(logging.getLogger("botocore"))
    logging.getLogger("ldai_core.run").debug("nothing")
    assert watch.leaks() == []
    watch.check()
    log(logging.getLogger("ldai_core.run"))
    assert "key" in watch.leaks()
    with pytest.raises(AssertionError):
        watch.check()


def test_the_watch_for_warnings(watch: Watch) -> None:
    """RL7: nor does it miss a warning of Python's."""
    warnings.warn(f"it was {canary('key')}", stacklevel=1)
    assert watch.leaks() == ["key"]
    assert MARK in canary("key")
