"""Collect garbage inside `queue.Queue.put`, under the lock that a real LDClient takes for every event.

`python -m tests.core.inside_put stream full` drops one stream, in a cycle, on a client whose queue is full, and prints
as JSON whether the thread hung, what the client was told, and what arrived. A process of its own, for a hang spoils it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any

from ldclient import LDClient
from ldclient.impl.events.event_processor import DefaultEventProcessor, EventDispatcher
from ldclient.integrations.test_data import TestData

import ldai_core.run
from ldai_core import AsyncTrackedStream, Run, TrackedStream
from ldai_core.endings import settle
from tests.core.doubles import CONTEXT, FakeLDClient, make_tracker
from tests.core.runs import PATIENCE_S, AsyncToyStream, Chunk, Clock, ToyStream, read
from tests.servers.launchdarkly import LaunchDarkly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldclient import Context

    from ldai_core import AIConfigTracker

_Processor: Any = DefaultEventProcessor  # the SDK's internals have no types


class Client(LDClient):
    """A real client that keeps what it was told, beside sending it."""

    def __init__(self, launchdarkly: LaunchDarkly, *, full: bool) -> None:
        self.told: list[str] = []
        dispatcher = _NoDispatcher if full else EventDispatcher
        super().__init__(
            launchdarkly.config(
                update_processor_class=TestData.data_source(),
                events_max_pending=1 if full else 1000,
                event_processor_class=partial(_Processor, dispatcher_class=dispatcher),
            )
        )

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Keep the event's name, and send it."""
        self.told.append(event_name)
        super().track(event_name, context, data, metric_value)

    @property
    def queue(self) -> Any:
        """The queue of events, on whose lock everything waits."""
        processor: Any = self._event_processor
        return processor._inbox


class _NoDispatcher:
    """Takes nothing from the queue, so that one event is enough to fill a queue of one."""

    def __init__(self, *_arguments: object) -> None:
        pass


def collect_inside_put(client: Client) -> int:
    """Send an event, and collect garbage while its `put` has the lock; return how often that was."""
    queue = client.queue
    sizes: list[int] = []
    size = queue._qsize

    def collecting_size() -> int:
        if not sizes:
            sizes.append(size())
            gc.collect()
        return int(size())

    queue._qsize = collecting_size  # which `put` asks first of all, under the lock
    client.track("collect", CONTEXT)
    del queue._qsize
    return len(sizes)


class Knot:
    """What is tied into a knot, only the garbage collector unties."""

    def __init__(self, *held: object) -> None:
        self.held = held
        self.knot = self


class Session(Knot):
    """An application's object that closes its stream when it goes."""

    def __del__(self) -> None:
        for stream in self.held:
            stream.close()  # type: ignore[attr-defined]


def half_read(tracker: AIConfigTracker) -> Any:
    """Track a stream, and read a part of it."""
    stream: TrackedStream[Chunk] = TrackedStream(ToyStream(clock=Clock()), _sole(tracker), read)
    next(stream)
    return stream


def _sole(tracker: AIConfigTracker) -> ldai_core.Call:
    return ldai_core.run.begin_call(tracker)


def drop_stream(tracker: AIConfigTracker) -> None:
    """Drop a half-read stream."""
    Knot(half_read(tracker))


def drop_async_stream(tracker: AIConfigTracker) -> None:
    """Drop an async stream that was never iterated."""
    Knot(AsyncTrackedStream[Chunk](AsyncToyStream(), _sole(tracker), read))


def drop_loop(tracker: AIConfigTracker) -> None:
    """Drop a loop over a stream, half-way."""
    loop = iter(half_read(tracker))
    next(loop)
    Knot(loop)


def drop_with(tracker: AIConfigTracker) -> None:
    """Drop an application's generator that is suspended inside `with stream:`."""

    def answer() -> Iterator[Chunk]:
        with half_read(tracker) as stream:
            yield from stream

    answers = answer()
    next(answers)
    Knot(answers)


def drop_run(tracker: AIConfigTracker) -> None:
    """Drop an application's generator that is suspended inside `with Run(...)`."""

    def answer() -> Iterator[int]:
        with Run(tracker) as run:
            run.call().end()
            yield 42

    answers = answer()
    next(answers)
    Knot(answers)


def drop_session(tracker: AIConfigTracker) -> None:
    """Drop an application's object whose `__del__` closes a stream."""
    Session(half_read(tracker))


DROPS: dict[str, Callable[[AIConfigTracker], None]] = {
    "stream": drop_stream,
    "async stream": drop_async_stream,
    "loop": drop_loop,
    "with": drop_with,
    "run": drop_run,
    "session": drop_session,
}


def main(drop: str, queue: str, how: str = "as it is") -> None:
    """Drop something, collect it inside `put`, and print what came of it."""
    gc.disable()
    launchdarkly = LaunchDarkly().__enter__()  # which nothing but the end of the process stops
    if how == "naive":  # report from the finaliser itself, as one would who has not been bitten yet
        setattr(ldai_core.run, "defer", lambda ending: ending())  # noqa: B010  # for the type checkers, not exported
    full = queue == "full"
    client = Client(launchdarkly, full=full)
    if full:
        client.track("fill", CONTEXT)
    tracker = make_tracker(FakeLDClient())
    tracker._ld_client = client
    DROPS[drop](tracker)
    collected: list[int] = []
    thread = Thread(target=lambda: collected.append(collect_inside_put(client)), daemon=True)
    thread.start()
    thread.join(1.0 if how == "naive" else PATIENCE_S)
    hung = thread.is_alive()
    arrived: list[str] = []
    if not hung and settle() and not full:
        client.flush()  # type: ignore[no-untyped-call]
        arrived = [event.name for event in launchdarkly.wait_for(len(client.told))]
    came = {"hung": hung, "collected": collected, "told": client.told, "arrived": arrived}
    print(json.dumps(came), flush=True)  # noqa: T201  # for the test to read
    os._exit(0)  # a client whose lock is held for good cannot be closed


if __name__ == "__main__":
    main(*sys.argv[1:])
