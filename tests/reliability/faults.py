"""Faults on the way to a provider: what they are, and what comes of one, with and without measuring."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context

from ldai_core import AIClient, AIConfigDefault, Message, ModelConfig, ProviderConfig
from ldai_core.testing import RecordingClient
from tests.expected import ERROR, SUCCESS, TOKENS, Told, duration, first_token, told
from tests.servers.proxy import PAUSE_S, Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ldai_core.run import Source
    from tests.servers.scripted import Scripted

__all__ = ["Asked", "Way", "cases", "check", "check_recovery", "timeout_for"]

TIMEOUT_S = 0.3  # for what stalls
PATIENCE_S = 10.0  # for what does not
SUPPORT_BOT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("gpt-4o"),
    provider=ProviderConfig("openai"),
    messages=[Message("system", "Be brief.")],
)
HEAD: Any = {"after": 20}
BODY: Any = {"past": b"\r\n\r\n", "after": 30}
NOT_SEEN: dict[str, Fault] = {
    "refuse": Fault("refuse"),
    "reject": Fault("reject"),
    "reset at once": Fault("reset"),
    "reset in the head": Fault("reset", **HEAD),
    "reset in the body": Fault("reset", **BODY),
    "cut at once": Fault("cut"),
    "cut in the head": Fault("cut", **HEAD),
    "cut in the body": Fault("cut", **BODY),
}
STALLS = {"stall at once": Fault("stall"), "stall in the body": Fault("stall", **BODY)}
SLOW = {"slow": Fault("slow")}


@dataclass(frozen=True)
class Asked:
    """One request: where to, reporting to whom, and what is secret of it. What comes is put into `received`.

    `seen` is called when the first output has come. Without a source the client is not wrapped.
    """

    uri: str
    source: Source | None = None
    seen: Callable[[], object] = lambda: None
    timeout_s: float = PATIENCE_S
    retries: int = 0
    prompt: str = "Where is my order?"
    key: str = "any"
    received: list[Any] = field(default_factory=list)

    def take(self, item: Any) -> None:
        """Take in what came, and say so if it is output."""
        self.received.append(item)
        if "Hel" in str(item):
            self.seen()


@dataclass(frozen=True)
class Way:
    """A way to ask a provider: in a stream, if the first output is behind the `nth` `mark` of the answer.

    `before` are the tokens that such a stream has told by then. `unnoticed` are the faults that the client itself may
    take for an end of the answer, and `retried` says that a recovery is tried, too.
    """

    name: str
    server: type[Scripted[Any, Any]]
    ask: Callable[[Asked], None]
    mark: bytes = b""
    nth: int = 0
    before: Told = field(default_factory=list)
    unnoticed: frozenset[str] = frozenset()
    retried: bool = False

    @property
    def later(self) -> dict[str, Fault]:
        """The faults that strike when the first output was seen."""
        kinds: Any = ("reset", "cut", "stall") if self.mark else ()
        return {f"{kind} later": Fault(kind, after=4, past=self.mark, nth=self.nth + 1, held=True) for kind in kinds}

    @property
    def faults(self) -> dict[str, Fault]:
        """All faults on this way."""
        return {**NOT_SEEN, **(self.later or STALLS), **SLOW}


@dataclass(frozen=True)
class _Outcome:
    """What one call came to."""

    received: list[Any]
    raised: list[type[BaseException]]
    connections: int
    struck: bool
    paused_ms: int = field(compare=False)


def timeout_for(fault: Fault | None) -> float:
    """Return how long a client is to wait for the next bytes."""
    return TIMEOUT_S if fault is not None and fault.kind == "stall" else PATIENCE_S


def cases(ways: Iterable[Way], *but: str) -> list[Any]:
    """List the ways with the names of their faults, but for these."""
    return [pytest.param(way, name, id=f"{way.name}-{name}") for way in ways for name in way.faults if name not in but]


def check(way: Way, name: str) -> None:
    """Ask with and without measuring, side by side: the outcome is the same, and there is one right record."""
    recorded = RecordingClient({"support-bot": SUPPORT_BOT})
    config = AIClient(recorded).completion_config("support-bot", Context.create("user-1"))
    fault = way.faults[name]
    with way.server() as server, ThreadPoolExecutor(2) as pool:
        without = pool.submit(_outcome, way, fault, server.uri, None)
        measured = pool.submit(_outcome, way, fault, server.uri, config)
        with_us, without_us = measured.result(), without.result()
    assert with_us == without_us, (with_us, without_us)
    assert with_us.connections == (0 if fault.kind == "refuse" else 1)
    assert with_us.struck is (fault.kind in ("reset", "cut", "stall"))
    assert name in way.unnoticed or (with_us.raised == []) is (fault.kind == "slow"), with_us
    assert with_us.paused_ms >= 10 or fault.kind != "slow"
    expected = _expected(way, fault, with_us)
    assert told(recorded) == expected, (told(recorded), expected)


def check_recovery(way: Way) -> None:
    """Ask twice, by the client's own doing, for the first connection is reset: that is one success."""
    recorded = RecordingClient({"support-bot": SUPPORT_BOT})
    config = AIClient(recorded).completion_config("support-bot", Context.create("user-1"))
    with way.server() as server, FaultProxy(server.uri, Fault("reset"), times=1) as proxy:
        way.ask(Asked(proxy.uri, config, retries=1))
        assert len(server.requests) == len(proxy.accepted_ns) == 2
    first_ns, second_ns = proxy.accepted_ns
    waited_ms = (second_ns - first_ns) // 1_000_000
    expected = [duration(waited_ms), SUCCESS, *TOKENS]
    if way.mark:
        expected.insert(1, first_token(waited_ms))
    assert told(recorded) == expected, (told(recorded), expected)


def _outcome(way: Way, fault: Fault, upstream: str, source: Source | None) -> _Outcome:
    with FaultProxy(upstream, fault) as proxy:
        asked = Asked(proxy.uri, source, proxy.seen.set, timeout_for(fault))
        raised: list[type[BaseException]] = []
        try:
            way.ask(asked)
        except Exception as error:  # noqa: BLE001  # the same one is expected of both
            # Beneath, it is a matter of time whether a client reads from a connection that is reset, or writes to it.
            raised = _kinds(error)[: 1 if fault.kind == "reject" else None]
        # A client may see the end a little before it comes.
        paused_ms = int(max(0, proxy.pauses - 3) * PAUSE_S * 1000)
        return _Outcome(asked.received, raised, len(proxy.accepted_ns), proxy.struck.is_set(), paused_ms)


def _kinds(error: BaseException | None) -> list[type[BaseException]]:
    """List what was raised, and what that came from."""
    kinds = []
    while error is not None:
        kinds.append(type(error))
        error = error.__cause__ or error.__context__
    return kinds


def _expected(way: Way, fault: Fault, outcome: _Outcome) -> Told:
    if fault.kind == "slow":
        slow = [duration(outcome.paused_ms), SUCCESS, *TOKENS]
        return _with_first_token(slow) if way.mark else slow
    if not outcome.raised:
        return [duration(), SUCCESS]
    failed = [duration(int(TIMEOUT_S * 1000) if fault.kind == "stall" else 0), ERROR]
    return [*_with_first_token(failed), *way.before] if fault.held else failed


def _with_first_token(expected: Told) -> Told:
    return [expected[0], first_token(), *expected[1:]]
