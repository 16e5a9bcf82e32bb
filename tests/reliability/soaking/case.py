"""One run of the soak, from its client's side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ldclient import Context

from tests.reliability.soaking.account import NOTHING, Expected, Record
from tests.reliability.soaking.answers import ANSWER, TOOLS, Asked
from tests.reliability.soaking.clients import TRACKER_HERE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIClient, AIConfigTracker
    from tests.reliability.soaking.clients import Api, Clients

__all__ = ["Case", "ConsumerFailed", "Kind"]


class ConsumerFailed(Exception):  # noqa: N818  # what an application raises of its own
    """The application's own exception."""


@dataclass(frozen=True)
class Kind:
    """A kind of run: how often it is drawn, and what its client does, which is awaited if it `is_async`."""

    name: str
    weight: float
    play: Callable[[Case], Any]
    is_async: bool = False


class Case:
    """One run: what its client asks, and what it sees. It is the source, too, that the run has its tracker from."""

    def __init__(self, n: int, kind: Kind, seed: int, ai: AIClient, clients: Clients, hasty: Clients) -> None:
        self.n = n
        self.kind = kind
        self.ai = ai
        self.context = Context.create(f"user-{n}")
        self.clients = clients
        self.random = Random(f"{seed}/{n}")  # noqa: S311  # it is to be the same again
        self.began = asyncio.Event()
        self.sees_output = asyncio.Event()
        self.is_late = False  # the end may come after the client has turned to other things
        self.chunks = 0
        self._hasty = hasty
        self._outputs_wanted = self.random.choice((1, 2))
        self._outputs = 0
        self._first_ns = self._last_ns = 0
        self._inside_ns = 0
        self._run_ids: list[str] = []
        TRACKER_HERE.set(self.create_tracker)
        self._start_ns = perf_counter_ns()
        self.config = ai.completion_config("bot", self.context, variables={"n": n})

    def create_tracker(self) -> AIConfigTracker:
        """Hand out a tracker, and note it: the run has begun."""
        tracker = self.config.create_tracker()
        self._run_ids.append(tracker.run_id)
        if self.kind.is_async:
            self.began.set()
        return tracker

    def asked(self, what: str | None = None, turn: int = 0) -> Asked:
        """Make a request: for an answer, with tools or without, unless something else is said."""
        return Asked(self.n, turn, what or self.random.choice((ANSWER, TOOLS)))

    def ask(self, api: Api, asked: Asked, source: object = None, *, hasty: bool = False) -> Any:
        """Ask for the whole answer."""
        return api.ask(self._hasty if hasty else self.clients, source or self, self.config, asked.prompt)

    def stream(self, api: Api, asked: Asked, source: object = None, *, hasty: bool = False) -> Any:
        """Ask for a stream."""
        return api.stream(self._hasty if hasty else self.clients, source or self, self.config, asked.prompt)

    def see(self, api: Api, chunk: object) -> None:
        """Look at a chunk."""
        self._last_ns = perf_counter_ns()
        self.chunks += 1
        if api.has_output(chunk):
            self._outputs += 1
            self._first_ns = self._first_ns or self._last_ns
            if self.kind.is_async:
                self.sees_output.set()

    @property
    def has_output(self) -> bool:
        """Whether output was seen."""
        return self._outputs > 0

    @property
    def has_enough(self) -> bool:
        """Whether the consumer has seen all that it wants to."""
        return self._outputs >= self._outputs_wanted

    def stopped(self, api: Api, asked: Asked, *, success: bool) -> Expected:
        """Expect what is known of a stream that did not come to its end."""
        if success and api.reads_on:
            return Expected.of(asked, first_token=self.has_output)
        tokens = asked.first_usage if api.tells_at_once and self.chunks else None
        return Expected(success, tokens, self.has_output)

    def inside(self, since_ns: int) -> None:
        """Note how long a `with Run(...)` was open, at least."""
        self._inside_ns = perf_counter_ns() - since_ns

    def record(self, expected: Expected) -> Record:
        """Write down what the client saw, now that it is through."""
        answered = expected is not NOTHING and expected.tokens is not None
        least_ms = max(self._inside_ns // 1_000_000, self.asked().delay_ms if answered else 0)
        return Record(
            n=self.n,
            kind=self.kind.name,
            run_ids=tuple(self._run_ids),
            expected=expected,
            least_ms=least_ms,
            reading_ms=(self._last_ns - self._first_ns) // 1_000_000 if self._first_ns else 0,
            most_ms=self.elapsed_ms(),
            is_late=self.is_late,
        )

    def elapsed_ms(self) -> int:
        """Tell how long it has been since the client began."""
        return (perf_counter_ns() - self._start_ns) // 1_000_000
