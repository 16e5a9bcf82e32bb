from __future__ import annotations

import gc
import json
import os
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import Reading, TrackedStream
from ldai_core.endings import _Worker, collecting, settle
from ldai_core.reading import OUTPUT, Tally
from ldai_core.run import begin_call
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.inside_put import DROPS, Knot
from tests.core.runs import (
    DURATION,
    FIRST_TOKEN,
    PATIENCE_S,
    SUCCESS,
    USAGE,
    Chunk,
    Clock,
    SlowLDClient,
    ToyStream,
    finishes,
    in_child,
    make_run,
    read,
    run_python,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


def track(ld_client: FakeLDClient, clock: Clock | None = None) -> TrackedStream[Chunk]:
    """Track a stream for a run of its own."""
    return TrackedStream(ToyStream(clock=clock or Clock()), begin_call(make_tracker(ld_client)), read)


def collect_inside_put(drop: str, queue: str, how: str = "as it is") -> Any:
    """Drop something, and collect it inside the `put` of a real client, in a process of its own."""
    return json.loads(run_python("-m", "tests.core.inside_put", drop, queue, how))


@pytest.mark.parametrize("queue", ["full", "roomy"])
@pytest.mark.parametrize("drop", DROPS)
def test_a_collection_inside_put(drop: str, queue: str) -> None:
    """A collection inside the `put` of a real LDClient hangs nothing, whatever it finalises: one report, afterwards."""
    came = collect_inside_put(drop, queue)
    assert not came["hung"]
    assert came["collected"] == [1]
    outcome = [DURATION, FIRST_TOKEN, SUCCESS] if drop in {"loop", "with"} else [DURATION, SUCCESS]
    if queue == "full":
        assert came["told"] == ["fill", "collect", *outcome]
    else:
        assert came["told"] == came["arrived"] == ["collect", *outcome]


@pytest.mark.parametrize("drop", DROPS)
def test_a_naive_finaliser_hangs(drop: str) -> None:
    """The collection is real: a finaliser that reports then and there hangs the thread that sends an event."""
    came = collect_inside_put(drop, "roomy", "naive")
    assert came["hung"]
    assert came["told"] == ["collect", DURATION]


def test_an_ending_counts_from_the_collection(clock: Clock) -> None:
    """An ending seen by a finaliser waits for the thread; its time is that of the finaliser."""
    ld_client = FakeLDClient()
    stream = track(ld_client, clock)
    next(stream)
    Knot(stream)
    del stream
    gc.collect()
    clock.pass_ms(500)
    assert settle()
    assert ld_client.sent == [(DURATION, 10), (SUCCESS, 1)]


class Closing(Knot):
    """Closes a run when it is collected."""

    def __del__(self) -> None:
        for run in self.held:
            assert collecting()
            run.close()  # type: ignore[attr-defined]


def test_output_after_a_closing_that_waits(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output first seen after the closing sets no time to first token, also while the closing waits for the thread."""
    monkeypatch.setattr("ldai_core.endings._worker", _Worker())  # which nobody starts
    run, ld_client = make_run()
    call = run.call()
    clock.pass_ms(10)
    Closing(run)
    gc.collect()
    clock.pass_ms(10)
    call.observe(OUTPUT)
    call.end()
    assert ld_client.events == []
    assert settle()
    assert ld_client.sent == [(DURATION, 10), (SUCCESS, 1)]


def test_a_refused_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is never started inside a collection; what was left there is reported when it is asked for."""
    worker = _Worker()
    monkeypatch.setattr("ldai_core.endings._worker", worker)
    ld_client = FakeLDClient()
    streams: list[object] = []

    class Asking(Knot):
        def __del__(self) -> None:
            streams.append(track(ld_client))

    Asking()
    gc.collect()
    assert len(streams) == 1
    assert worker._thread is None
    streams.clear()
    assert settle()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


class Contested(SimpleQueue[Any]):
    """A queue whose last item another thread takes, right after it was there."""

    def empty(self) -> bool:
        """Say what was true a moment ago."""
        try:
            self.get_nowait()
        except Empty:
            return True
        return False


def test_settle_beside_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """`settle` never waits for an ending that another thread has taken meanwhile."""
    worker = _Worker()
    worker.queue = Contested()
    worker.queue.put(lambda: None)
    monkeypatch.setattr("ldai_core.endings._worker", worker)
    assert finishes(settle)


def test_settle_gives_up() -> None:
    """`settle` says when the endings so far have not been reported in time."""
    go = Event()
    ld_client = SlowLDClient(go=lambda: go.wait(PATIENCE_S))
    track(ld_client)
    assert not settle(0.05)
    go.set()
    assert settle()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


SCRIPT = """
import threading, time
from ldai_core import Run, TrackedStream
from ldai_core.run import begin_call
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.runs import ToyStream, read

class Printing(FakeLDClient):
    def track(self, name, *rest):
        time.sleep(0.1)  # so that the others are still waiting when the program is over
        print(name, flush=True)

def track():
    return TrackedStream(ToyStream(), begin_call(make_tracker(Printing())), read)

def started():
    return [(thread.name, thread.daemon) for thread in threading.enumerate() if "ldai" in thread.name]
"""


def run_script(code: str) -> list[str]:
    """Run a program of its own, and return the lines that it printed."""
    return run_python("-c", SCRIPT + code).splitlines()


def test_endings_at_exit() -> None:
    """Endings that still wait when the program is over are reported: it ends after them."""
    assert run_script("for _ in range(3): track()") == [DURATION, SUCCESS] * 3


def test_endings_at_exit_by_an_exception() -> None:
    """Likewise when the program is left by SystemExit."""
    assert run_script("track(); raise SystemExit(0)") == [DURATION, SUCCESS]


@pytest.mark.parametrize("first", ["track()", "Run(make_tracker(Printing())).__enter__()"])
def test_one_thread(first: str) -> None:
    """One daemon thread, started by the first stream or the first `with Run(...)`, not before, and no second."""
    lines = run_script(f"""
print(started())
run = Run(make_tracker(Printing()))
run.call().end()
run.close()
print(started())
kept = {first}
print(started())
more = [track() for _ in range(3)]
run = Run(make_tracker(Printing())).__enter__()
print(started())
""")
    assert lines[0] == "[]"
    assert lines[1:3] == [DURATION, SUCCESS]
    assert lines[3:6] == ["[]", *["[('ldai_core.endings', True)]"] * 2]


@forks
def test_the_thread_of_a_child() -> None:
    """The child of a fork has a thread of its own for its own streams; those of the parent are not its business."""
    ld_client = FakeLDClient()
    parents = track(ld_client)
    next(parents)

    def drop_two() -> list[str]:
        nonlocal parents
        del parents
        childs = track(ld_client)
        del childs
        return [name for name, _ in ld_client.sent] if settle() else ["not settled"]

    assert in_child(drop_two) == str([DURATION, SUCCESS])
    assert ld_client.events == []
    del parents
    assert settle()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


@forks
def test_endings_that_wait_at_a_fork() -> None:
    """Endings that wait for the parent's thread at a fork are reported by the parent, and not by the child too."""
    go = Event()
    ld_client = SlowLDClient(go=lambda: go.wait(PATIENCE_S))
    for _ in range(3):
        track(ld_client)

    def settle_there() -> list[str]:
        go.set()
        track(FakeLDClient())
        return [name for name, _ in ld_client.sent] if settle() else ["not settled"]

    assert in_child(settle_there) == "[]"
    go.set()
    assert settle()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS] * 3


@forks
def test_endings_at_the_exit_of_a_child(tmp_path: Path) -> None:
    """A child that leaves through the interpreter's exit reports its endings before it goes."""
    lines = run_script("""
import os, sys, warnings
warnings.simplefilter("ignore")
kept = track()
if os.fork() == 0:
    track()
    sys.exit(0)
os.wait()
print("parent", flush=True)
kept.close()
""")
    assert lines == [DURATION, SUCCESS, "parent", DURATION, SUCCESS]


def test_a_reading_inside_a_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection inside the run's own lock, whose finaliser reads another stream of that run on, hangs nothing."""
    run, ld_client = make_run()
    call = run.call()

    def answers() -> Iterator[Chunk]:
        stream = TrackedStream[Chunk](ToyStream([Chunk(Reading(usage=USAGE)) for _ in range(4)]), run.call(), read)
        try:
            for chunk in stream:  # noqa: UP028  # suspended in a loop of the application's
                yield chunk
        finally:
            list(stream)

    suspended = answers()
    next(suspended)
    knot: list[Any] = [suspended]
    knot.append(knot)
    del suspended, knot
    add = Tally.add

    def collect_and_add(tally: Tally, reading: Reading) -> None:
        gc.collect()
        add(tally, reading)

    monkeypatch.setattr(Tally, "add", collect_and_add)

    def observe_and_close() -> None:
        call.observe(Reading(usage=USAGE))
        call.end()
        run.close()

    assert finishes(observe_and_close)
    assert finishes(settle)
    assert [name for name, _ in ld_client.sent][:2] == [DURATION, SUCCESS]


def test_settle_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the caller's own thread works endings off goes on at once; one that fails keeps back no others."""
    worker = _Worker()
    monkeypatch.setattr("ldai_core.endings._worker", worker)
    done: list[str] = []

    def fail() -> None:
        raise LookupError

    def interrupt() -> None:
        raise KeyboardInterrupt

    for ending in (fail, lambda: done.append("reported"), interrupt):
        worker.queue.put(ending)
    with pytest.raises(KeyboardInterrupt):
        settle()
    assert done == ["reported"]
