"""Claims: at most once across processes, where several trackers were made from one resumption token."""

from __future__ import annotations

import logging
from collections import OrderedDict
from threading import Event, RLock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from ldai_core.arguments import check_number

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["Claims", "InProcessClaims", "Referee", "check_claims"]

_log = logging.getLogger(__name__)

# After a claim that took too long the store is left alone for so long: of the calls that come meanwhile none waits.
_PAUSE_S = 1.0

# How many claims may be stuck in a store that does not answer at all, each in a thread of its own.
_STUCK = 8


class Claims(Protocol):
    """A store that knows which metrics of which runs have been claimed, by whichever process.

    `AIClient(ld_client, claims=...)` asks it before a metric is sent. It may block and it may raise: it is asked in a
    thread, for no longer than `timeout` seconds, and where it does not answer the metric is sent. With a `timeout` of 0
    it says that it never blocks, and is called directly.
    """

    @property
    def timeout(self) -> float:
        """How many seconds a claim may take; 0 for a store that never blocks."""
        ...

    def claim(self, run_id: str, metrics: Sequence[str]) -> Collection[str]:
        """Claim these metrics of this run, and return those that nobody had claimed before.

        The names are `duration_ms`, `time_to_first_token_ms`, `success` (for success and error), `tokens` and
        `feedback`. All metrics that a run reports at once come in one call.
        """
        ...


class InProcessClaims:
    """Claims within one process: what several of its trackers record of one run counts once.

    A tracker by itself records each metric at most once, without this. It is for a process that makes trackers from
    tokens, where a user may click twice. The last `max_runs` runs are remembered.

    Raises TypeError or ValueError for a `max_runs` that is no number above 0.
    """

    timeout = 0.0

    def __init__(self, max_runs: int = 100_000) -> None:
        self._max_runs = check_number("max_runs", max_runs)
        self._runs: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = RLock()  # reentrant, for a collection inside it may run a finaliser of the application

    def claim(self, run_id: str, metrics: Sequence[str]) -> Collection[str]:
        """Claim, and return what is claimed for the first time."""
        run_id = run_id.lower()
        with self._lock:
            claimed = self._runs.setdefault(run_id, set())
            self._runs.move_to_end(run_id)
            if len(self._runs) > self._max_runs:
                self._runs.popitem(last=False)
            mine = [metric for metric in metrics if metric not in claimed]
            claimed.update(mine)
        return mine


class Referee:
    """Asks a store whose metrics are, for as long as that may take; without an answer, they are the asker's.

    That the store did not answer is one warning. Safe to use from several threads, and after a fork.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._stuck: list[Thread] = []
        self._paused_until = 0.0
        self._warned = False

    @property
    def blocks(self) -> bool:
        """Whether a claim may block, so that an event loop must not wait for it."""
        return self._claims.timeout > 0

    def until(self) -> float:
        """Return the time, by `time.monotonic()`, until when a claim that is made now may take."""
        return monotonic() + self._claims.timeout

    def claim(self, run_id: str, metrics: Sequence[str], until: float) -> Collection[str]:
        """Claim, and return what is the asker's own."""
        if self._is_unanswering():
            return metrics
        inquiry = _Inquiry(self._claims, run_id, metrics)
        if self.blocks:
            self._wait(inquiry, until)
        else:
            inquiry.run()
        if inquiry.error is not None:
            self._warn(inquiry.error)
            return metrics
        return [metric for metric in metrics if metric in inquiry.mine]

    def _wait(self, inquiry: _Inquiry, until: float) -> None:
        thread = Thread(target=inquiry.run, name="ldai_core.claims", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is on its way out
            inquiry.error = error
            return
        if not inquiry.answered.wait(max(0.0, until - monotonic())):
            inquiry.error = TimeoutError()
            self._stuck.append(thread)
            self._paused_until = monotonic() + _PAUSE_S

    def _is_unanswering(self) -> bool:
        if self._stuck:  # in the child of a fork none of them is alive
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        return len(self._stuck) >= _STUCK or monotonic() < self._paused_until

    def _warn(self, error: BaseException) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "The store of claims did not answer: %s. Metrics are sent without, and may count twice.",
                type(error).__name__,
            )


class _Inquiry:
    """One claim, to be run in a thread."""

    def __init__(self, claims: Claims, run_id: str, metrics: Sequence[str]) -> None:
        self._claims = claims
        self._run_id = run_id
        self._metrics = metrics
        self.mine: frozenset[str] = frozenset()
        self.error: BaseException | None = None
        self.answered = Event()

    def run(self) -> None:
        try:
            self.mine = frozenset(self._claims.claim(self._run_id, self._metrics))
        except BaseException as error:  # noqa: BLE001  # whatever a store raises, the metrics are sent
            self.error = error
        self.answered.set()


def check_claims(claims: Claims) -> Claims:
    """Return a store of claims, or raise TypeError or ValueError."""
    if not callable(getattr(claims, "claim", None)) or not hasattr(claims, "timeout"):
        raise TypeError(f"claims: expected a store with claim() and a timeout, got {type(claims).__name__}")
    if claims.timeout != 0:
        check_number("claims.timeout", claims.timeout)
    return claims
