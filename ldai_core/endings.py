"""Endings that come while garbage is being collected.

A stream that nobody holds any more is ended by its finaliser, and a garbage collection can run finalisers between any
two instructions: inside `LDClient.track`, for one, while it holds the lock of its queue, which is not reentrant. An
ending that reported from there would hang the thread. So it waits in a `queue.SimpleQueue`, which is safe there, for a
daemon thread that may take locks.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread, get_ident
from time import sleep
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["collecting", "defer", "defer_past_collection", "settle", "start"]


_log = logging.getLogger(__name__)


class _Collector:
    """Knows which thread is collecting garbage right now; CPython lets one do so at a time."""

    thread: int | None = None

    def __call__(self, phase: str, _info: dict[str, Any]) -> None:
        self.thread = get_ident() if phase == "start" else None


class _Worker:
    """The queue of endings and the thread that works it off."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._lock = Lock()
        self._thread: Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:  # pragma: no branch  # another thread was faster
                    thread = Thread(target=self._work, name="ldai_core.endings", daemon=True)
                    try:
                        thread.start()
                    except RuntimeError:
                        return  # no more threads: what is deferred waits for the next start, or for the exit
                    self._thread = thread

    def settle(self, timeout_s: float) -> bool:
        if self._thread is None:
            with suppress(Empty):
                while True:
                    _call(self.queue.get_nowait())
            return True
        for _ in range(2):  # for an ending may defer another
            reached = Event()
            self.queue.put(reached.set)
            if not reached.wait(timeout_s):
                return False
        return True

    def _work(self) -> None:
        while True:
            try:
                _call(self.queue.get())
            except BaseException as error:  # noqa: BLE001  # the thread lives on, for the endings of others
                _warn(error)


_collector = _Collector()
_worker = _Worker()


def collecting() -> bool:
    """Say whether this thread is inside a garbage collection, where no lock may be taken."""
    return _collector.thread == get_ident()


def start() -> None:
    """Start the thread that works endings off, once per process; never from inside a garbage collection."""
    if not collecting():
        _worker.start()


def defer(ending: Callable[[], object]) -> None:
    """Have `ending` called soon by the thread. Safe in a finaliser."""
    _worker.queue.put(ending)


def defer_past_collection(ending: Callable[[], object]) -> None:
    """Have `ending` called after what the collection that is going on, if any, defers.

    For the callbacks of weak references, which a collection calls before it runs finalisers.
    """

    def wait() -> None:
        while _collector.thread is not None:
            sleep(0.0005)
        defer(ending)

    defer(wait)


def settle(timeout_s: float = 5.0) -> bool:
    """Wait until the endings deferred so far have been reported, and say whether they were.

    For tests, and for a program about to close its LaunchDarkly client; at exit it is done without being asked.
    """
    return _worker.settle(timeout_s)


def _call(ending: Callable[[], object]) -> None:
    try:
        ending()
    except Exception as error:  # noqa: BLE001  # an ending that cannot be reported must not keep back the others
        _warn(error)


def _warn(error: BaseException) -> None:
    _log.warning("The end of an AI run could not be reported: %s", type(error).__name__)


def _forget() -> None:
    """Begin anew in the child of a fork: the thread and what was waiting belong to the parent."""
    global _worker  # noqa: PLW0603  # the state of the process is what a fork divides
    _worker = _Worker()
    _collector.thread = None


gc.callbacks.append(_collector)
atexit.register(settle)
if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
