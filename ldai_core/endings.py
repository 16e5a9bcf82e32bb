"""Endings that come while garbage is being collected.

A stream that nobody holds any more is ended by its finaliser, and a garbage collection can run finalisers between any
two instructions: inside `LDClient.track`, for one, while it holds the lock of its queue, which is not reentrant. An
ending that reported from there would hang the thread. So it waits in a `queue.SimpleQueue`, which is safe there, for a
daemon thread that may take locks.
"""

from __future__ import annotations

import atexit
import gc
import os
from queue import SimpleQueue
from threading import Event, Lock, Thread, get_ident
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["collecting", "defer", "settle", "start"]


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
                if self._thread is None:
                    thread = Thread(target=self._work, name="ldai_core.endings", daemon=True)
                    thread.start()
                    self._thread = thread

    def settle(self, timeout_s: float) -> bool:
        if self._thread is None:
            while not self.queue.empty():  # nobody else takes from it
                self.queue.get()()
            return True
        reached = Event()
        self.queue.put(reached.set)
        return reached.wait(timeout_s)

    def _work(self) -> None:
        while True:
            ending = self.queue.get()
            ending()
            del ending  # or the last run would live until the next one ends


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
    """Have `ending` called soon by the thread. Safe in a finaliser. `ending` never raises."""
    _worker.queue.put(ending)


def settle(timeout_s: float = 5.0) -> bool:
    """Wait until the endings deferred so far have been reported, and say whether they were.

    For tests, and for a program about to close its LaunchDarkly client; at exit it is done without being asked.
    """
    return _worker.settle(timeout_s)


def _forget() -> None:
    """Begin anew in the child of a fork: the thread and what was waiting belong to the parent."""
    global _worker  # noqa: PLW0603  # the state of the process is what a fork divides
    _worker = _Worker()


gc.callbacks.append(_collector)
atexit.register(settle)
if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_forget)
