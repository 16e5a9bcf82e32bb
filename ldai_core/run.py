"""One AI run, measured: the one state machine behind every adapter."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from threading import RLock
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Protocol

from ldai_core.endings import collecting, defer, start
from ldai_core.metrics import Metrics
from ldai_core.reading import NOTHING, OUTPUT, Reading, Tally, clean, sum_usages
from ldai_core.tracker import AIConfigTracker

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Call", "Run", "Source", "TracksRuns", "begin_call"]

_log = logging.getLogger(__name__)


class TracksRuns(Protocol):
    """A config: whatever has `create_tracker()`, which returns a fresh tracker each time."""

    def create_tracker(self) -> AIConfigTracker:
        """Return a new tracker, of a new run."""
        ...


class Run:
    """One AI run: opened, closed with an outcome, and reported once.

    As a context manager it makes one run of all calls inside, an agent loop say:

        with Run(config) as run:
            client = wrap_openai(openai, run)

    `source` says which tracker the run reports to: a config (anything with `create_tracker()`), a function that returns
    a tracker, an AIConfigTracker, or another open Run, which this one joins. A config or a function is asked once, at
    the first call, so that a run without calls takes no tracker and reports nothing.

    The run is reported when it is closed *and* its last call has ended: duration from opening to closing, time to
    first token of its first output, tokens summed over its calls, and success unless an exception left the block. It
    may be used from several threads and tasks. A call begun after the closing works, is not recorded, and costs a
    warning. A run belongs to the process that opened it: in the child of a fork it reports nothing.

    Raises TypeError for a source of any other kind, and RuntimeError when it is entered a second time.
    """

    # What is so until it is not.
    _tracker: AIConfigTracker | None = None
    _open_calls = 0
    _asked = _began = _entered = _failed = _reported = _tokens_sent = False
    _first_output_ns: int | None = None
    _closed_ns: int | None = None

    def __init__(self, source: Source) -> None:
        self._outer = source if isinstance(source, Run) else None
        self._ask = _asking(source)
        # Reentrant, for a collection inside it may run a finaliser of the application that reads on.
        self._lock = RLock()
        self._process = os.getpid()
        self._calls: list[Call] = []
        self._warned: dict[str, object] = {}
        self._start_ns = perf_counter_ns()

    def call(self) -> Call:
        """Begin one request to the provider as a part of this run."""
        if self._elsewhere():
            return Call(self, refused=True)
        with self._lock:
            refused = self._closed_ns is not None
            first = not self._asked
            call = Call(self, refused=refused)
            if not refused and self._outer is None:
                self._admit(call)
        if refused:
            _log.warning("An AI run was closed before this call began; the call works, and is not recorded.")
        elif self._outer is not None:
            return self._outer.call()
        elif first:
            self._take_tracker(call)
        return call

    def close(self, error: BaseException | None = None, *, at_ns: int | None = None) -> None:
        """Close the run: an error if there is one, else a success. A second time does nothing.

        GeneratorExit, by which a generator learns that its consumer has left, is a success. `at_ns`, by
        `time.perf_counter_ns()`, is when the run was over, if not now.
        """
        at_ns = perf_counter_ns() if at_ns is None else at_ns
        failed = _is_failure(error)
        if collecting():  # where no lock may be taken
            defer(partial(self._close, at_ns, failed=failed))
        else:
            self._close(at_ns, failed=failed)

    def __enter__(self) -> Self:
        with self._lock:
            if self._entered or self._closed_ns is not None:
                raise RuntimeError("A run is entered once: make a new Run for each run")
            self._entered = True
            if not self._began:
                self._start_ns = perf_counter_ns()
        start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(error)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close(error)

    def _begin(self) -> Call:
        """Begin the one call of a run that nobody else knows, and which ends with it."""
        call = Call(self, sole=True)
        self._admit(call)
        self._take_tracker(call)
        self._start_ns = perf_counter_ns()  # the clock starts just before the request, not before the factory
        return call

    def _admit(self, call: Call) -> None:
        self._asked = self._began = True
        self._calls.append(call)
        self._open_calls += 1

    def _take_tracker(self, call: Call) -> None:
        try:
            tracker = self._ask()
            if not isinstance(tracker, AIConfigTracker):
                raise TypeError(f"expected an AIConfigTracker, got {type(tracker).__name__}")  # noqa: TRY301
            self._tracker = tracker
            self._ask = lambda: None  # asked once, the source need not live as long as the run
        except Exception as error:  # noqa: BLE001  # a factory that raises costs one warning, not the call
            self._warn("source", f"its source raised {type(error).__name__}; the run is not recorded")
        except BaseException:
            self._asked = False  # the next call asks again
            self._withdraw(call)
            raise

    def _withdraw(self, call: Call) -> None:
        if call._refused or self._elsewhere():
            return
        with self._lock:
            if not call._ended:
                call._refused = True
                self._calls.remove(call)
                self._open_calls -= 1
                self._began = bool(self._calls)
            due = self._due()
        if due:
            self._send(due)

    def _close(self, at_ns: int, *, failed: bool) -> None:
        if self._elsewhere():
            return
        with self._lock:
            if self._closed_ns is None:
                self._closed_ns = at_ns
                self._failed = failed
            due = self._due()
        if due:
            self._send(due)

    def _call_ended(self, call: Call, at_ns: int, *, failed: bool) -> None:
        if call._refused or self._elsewhere():
            return
        with self._lock:
            if not call._ended:
                call._ended = True
                self._open_calls -= 1
                if call._sole and self._closed_ns is None:
                    self._closed_ns = at_ns
                    self._failed = failed or call._failed
            due = self._due(call)
        if due:
            self._send(due)

    def _due(self, resumed: Call | None = None) -> Metrics | None:
        """Tell what is to be reported now, and mark it as reported. To be called under the lock.

        The whole outcome once; after that what a resumed loop has brought: tokens not yet sent, and tool calls.
        """
        if self._closed_ns is None or self._open_calls or not self._began:
            return None
        metrics = Metrics()
        calls = [resumed] if resumed is not None else []
        if not self._reported:
            self._reported = True
            calls, self._calls = self._calls, []  # which would be a cycle, for nothing
            metrics["duration_ms"] = self._elapsed_ms(self._closed_ns)
            if self._first_output_ns is not None and self._first_output_ns <= self._closed_ns:
                metrics["time_to_first_token_ms"] = self._elapsed_ms(self._first_output_ns)
            metrics["success"] = not self._failed
        usage = None if self._tokens_sent else sum_usages([call._tally.usage() for call in calls])
        if usage is not None:
            self._tokens_sent = True
            metrics["tokens"] = usage
        tool_calls = [name for call in calls for name in call._tally.new_tool_calls()]
        if tool_calls:
            metrics["tool_calls"] = tool_calls
        return metrics

    def _elsewhere(self) -> bool:
        """Say whether this is another process: the child of a fork, where the lock may be held for ever."""
        return os.getpid() != self._process

    def _send(self, metrics: Metrics) -> None:
        if self._tracker is None:
            return
        try:
            failure = self._tracker.report(metrics)
        except Exception as error:  # noqa: BLE001  # a tracker that raises costs one warning, not the call
            failure = error
        if failure is not None:
            self._warn("track", f"LaunchDarkly's client raised {type(failure).__name__}; some events are lost")

    def _elapsed_ms(self, at_ns: int) -> int:
        return max(0, at_ns - self._start_ns) // 1_000_000

    def _warn(self, kind: str, message: str) -> None:
        first = object()
        if self._warned.setdefault(kind, first) is first:
            _log.warning("Measuring an AI run: %s.", message)


class Call:
    """One request to the provider inside a run. Never raises because of what it is told.

    Made by `Run.call()`. Tell it everything that is read with `observe`, and say when it is over with `end`.
    """

    _ended = _failed = _resumed = False

    def __init__(self, run: Run, *, sole: bool = False, refused: bool = False) -> None:
        self._run = run
        self._sole = sole
        self._refused = refused
        self._tally = Tally()

    def observe(self, reading: Reading) -> None:
        """Take in what was just read: usage, the first output, a failure, tool calls."""
        run = self._run
        if reading is NOTHING or (reading is OUTPUT and run._first_output_ns is not None):
            return
        if self._refused or run._elsewhere():
            return
        try:
            at_ns = perf_counter_ns()
            cleaned, faults = clean(reading)
            with run._lock:
                if cleaned.output and run._first_output_ns is None and run._closed_ns is None:
                    run._first_output_ns = at_ns
                if cleaned.failed:
                    self._failed = True
                self._resumed = self._ended
                self._tally.add(cleaned)
            for fault in faults:
                self._run._warn(fault, f"the provider sent {fault}; it is dropped")
        except Exception as error:  # noqa: BLE001  # no Reading at all, or one made of the wrong things
            self.lose(error)

    def read(self, read: Callable[[Any], Reading], item: object) -> Reading:
        """Read `item` and observe the reading. A reader that raises costs one warning and this call's tokens."""
        try:
            reading = read(item)
            if reading is NOTHING or (reading is OUTPUT and self._run._first_output_ns is not None):
                return reading  # what most chunks of a stream come to
            if not isinstance(reading, Reading):
                raise TypeError  # noqa: TRY301  # a reader of the application's own, which returned something else
        except Exception as error:  # noqa: BLE001  # our own reading is no reason to break the call
            self.lose(error)
            return NOTHING
        self.observe(reading)
        return reading

    def end(self, error: BaseException | None = None) -> None:
        """Say that the request is over: failed if there is an error. A second time does nothing.

        Nothing but this: when a loop over a stream was broken off and is resumed, tokens and tool calls that the run
        has not reported yet are reported at its second end. GeneratorExit is a consumer that has left: no failure.
        """
        at_ns, failed = perf_counter_ns(), _is_failure(error)
        if collecting():  # where no lock may be taken
            defer(partial(self._run._call_ended, self, at_ns, failed=failed))
        else:
            self._run._call_ended(self, at_ns, failed=failed)

    def withdraw(self) -> None:
        """Take back a request, which was not made after all, or of whose end nobody will learn.

        Its run is as if this call had never begun. After the call has ended, and a second time, this does nothing.
        """
        if collecting():
            defer(self.withdraw)
        else:
            self._run._withdraw(self)

    def abandon(self) -> None:
        """End the request from a finaliser: safe wherever a garbage collection may happen."""
        if self._resumed or not self._ended:
            defer(partial(self._run._call_ended, self, perf_counter_ns(), failed=False))

    def lose(self, error: Exception) -> None:
        """Give up this call's tokens, because reading them raised `error`; that costs one warning a run."""
        self._tally.unreadable = True
        self._run._warn("read", f"reading what the provider sent raised {type(error).__name__}; its tokens are lost")


Source = TracksRuns | Callable[[], AIConfigTracker] | AIConfigTracker | Run


def begin_call(source: Source) -> Call:
    """Begin the one call of a run of its own, which ends with it; in an open Run, one more call of that run."""
    if isinstance(source, Run):
        return source.call()
    return Run(source)._begin()


def _asking(source: Source) -> Callable[[], object]:
    if isinstance(source, (AIConfigTracker, Run)):
        return lambda: source
    create_tracker = getattr(source, "create_tracker", source)
    if callable(create_tracker):
        return create_tracker
    raise TypeError(
        "source: expected an AI Config (anything with create_tracker()), a function that returns a tracker,"
        f" an AIConfigTracker or a Run, got {type(source).__name__}"
    )


def _is_failure(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, GeneratorExit)
