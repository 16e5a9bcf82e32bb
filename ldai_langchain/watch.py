"""How the end of a model's call is noticed where LangChain does not say it."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from contextlib import suppress
from functools import partial
from time import perf_counter_ns, sleep
from typing import TYPE_CHECKING
from weakref import ref

from ldai_core.endings import collecting, defer, defer_past_collection

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

__all__ = ["Watch"]

# How often the loop turns until a stream that a cancelled task has left is closed by it: it makes a task of that, in
# which LangChain makes others, for each step of a chain.
_TURNS = 10

# How often, and for how long at most, until it has closed one that a collection has found, and whose steps it has
# found at the same time, in any order.
_TURNS_AFTER_COLLECTION = 50
_CLOSING_NS = 100_000_000

# Those that go on: a handler that only a stream holds would be gone with it.
_watches: set[Watch] = set()


class Watch:
    """Notices that a call is over of which nobody will say so any more.

    LangChain says nothing when `ainvoke` of a chat model is cancelled, and nothing when a stream of events is dropped.
    Two things tell that it happened. The task that awaits the call is done. Or the run's id is gone: who could still
    report an end holds it, for no longer than the call, and here it is never held.

    `over` is called with the error that it was, None for a stream that its consumer has left, and the time; at once
    from the task, and by the thread for endings from wherever an id goes. After `stop()` it is not called.

    With `briefly`, the task in which the watch begins may end before the call does: LangChain starts the calls of plain
    text models in tasks of their own.
    """

    __slots__ = ("_briefly", "_loop", "_over", "_run_id", "_task", "heard")

    def __init__(
        self, run_id: UUID, over: Callable[[BaseException | None, int], None], *, briefly: bool = False
    ) -> None:
        self._over: Callable[[BaseException | None, int], None] | None = over
        self._briefly = briefly
        self.heard = False  # of something that came of the call before its end
        _watches.add(self)
        self._task: asyncio.Task[object] | None = None
        self._loop = _running_loop()
        if self._loop is not None:
            self._task = asyncio.current_task(self._loop)
        if self._task is not None:
            self._task.add_done_callback(self._when_done)
        self._run_id: ref[UUID] | None
        try:
            self._run_id = ref(run_id, self._when_gone)
        except TypeError:  # an application's own id, of a kind that cannot tell
            self._run_id = None

    def stop(self) -> None:
        """Watch no longer, and leave nothing behind in the task, which may live for ever."""
        _watches.discard(self)
        self._over = self._run_id = None
        task, self._task = self._task, None
        if task is None or task.done():
            return
        loop = task.get_loop()
        with suppress(RuntimeError):  # the loop is closed, and calls nothing any more
            if _running_loop() is loop:
                task.remove_done_callback(self._when_done)
            else:
                loop.call_soon_threadsafe(task.remove_done_callback, self._when_done)

    def _when_done(self, task: asyncio.Task[object]) -> None:
        """End a call whose task is done.

        One that has been heard of may be read on by another task; and if it was not waiting for its model when it was
        cancelled, LangChain will say that it was left.
        """
        self._task = None  # whose result may be what holds the id
        may_go_on = self.heard or self._briefly
        if not may_go_on:
            self._cancel(perf_counter_ns())
        elif task.cancelled():
            self._cancel_in(_TURNS, task.get_loop(), perf_counter_ns())

    def _cancel_in(self, turns: int, loop: asyncio.AbstractEventLoop, at_ns: int) -> None:
        if turns and not loop.is_closed():
            loop.call_soon(self._cancel_in, turns - 1, loop, at_ns)
        else:
            self._cancel(at_ns)

    def _cancel(self, at_ns: int) -> None:
        if self._over is not None:
            self._over(CancelledError(), at_ns)

    def _when_gone(self, _run_id: ref[UUID]) -> None:
        """End a call whose end nobody can report: one that was heard of is a stream that was left."""
        over, at_ns, error = self._over, perf_counter_ns(), None if self.heard else CancelledError()
        if over is None:
            return
        if collecting() and self._loop is not None and self._loop.is_running():
            turning = _Turning(self._loop)
            defer(partial(turning.wait, at_ns + _CLOSING_NS))
        defer_past_collection(partial(over, error, at_ns))


class _Turning:
    """A loop that turns as often as it takes to close what a collection has found."""

    __slots__ = ("_left", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left = _TURNS_AFTER_COLLECTION
        loop.call_soon_threadsafe(self._turn)  # safe in a collection: so does asyncio, for a generator that it closes

    def _turn(self) -> None:
        self._left -= 1
        if self._left:
            self._loop.call_soon(self._turn)

    def wait(self, until_ns: int) -> None:
        """Wait until then, or until the loop stops. A loop that is busy does not turn."""
        while self._left and self._loop.is_running() and perf_counter_ns() < until_ns:
            sleep(0.0005)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of this thread, without the exception, which takes longer than all the rest."""
    return asyncio._get_running_loop()  # noqa: SLF001  # public by the `__all__` of its module
