from __future__ import annotations

import contextlib
import logging
import random
import sys
import time
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from threading import enumerate as enumerate_threads
from typing import TYPE_CHECKING, Any

import pytest

import ldai_core
from ldai_core import AIConfigTracker, Call, FeedbackKind, Reading, Run, TokenUsage
from ldai_core.endings import _Worker
from tests.core.doubles import CONTEXT, RUN_ID, FakeLDClient, make_tracker
from tests.core.runs import DURATION, FIRST_TOKEN, PATIENCE_S, SUCCESS, TOOL_CALL, USAGE, USAGE_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    Act = Callable[[AIConfigTracker], object]

THREADS = 8
ROUNDS = 12
TRACED = (str(Path(ldai_core.__file__).parent), __file__)
PAUSES_S = (0, 0.00001, 0.0001)


class Interleaved:
    """Threads that all begin at once, and let another one go on at every line of ours that they come to.

    How long each pauses at a line is drawn from `seed`, so that every round is another interleaving.
    """

    def __init__(self, acts: list[Callable[[], object]], seed: int) -> None:
        self._barrier = Barrier(len(acts))
        self._errors: list[BaseException] = []
        self._lines = 0
        self._threads = [
            Thread(target=self._act, args=(act, random.Random(seed * 1000 + index)))  # noqa: S311  # no secret
            for index, act in enumerate(acts)
        ]

    def run(self) -> None:
        """Let all threads come to their end."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not any(thread.is_alive() for thread in self._threads)
        assert self._errors == []
        assert self._lines > len(self._threads)  # or nothing was traced

    def _act(self, act: Callable[[], object], pauses: random.Random) -> None:
        def at_line(frame: FrameType, event: str, _argument: object) -> Any:
            if event == "line":
                self._lines += 1
                time.sleep(pauses.choice(PAUSES_S))
            return at_line

        def at_call(frame: FrameType, _event: str, _argument: object) -> Any:
            return at_line if frame.f_code.co_filename.startswith(TRACED) else None

        before = sys.gettrace()  # a thread of its own: whoever measures coverage gets it back, here alone
        self._barrier.wait(PATIENCE_S)
        sys.settrace(at_call)
        try:
            act()
        except BaseException as error:  # noqa: BLE001  # told to the test's thread
            self._errors.append(error)
        finally:
            sys.settrace(before)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Keep the hundreds of warnings that these tests are about out of what a failure shows."""
    with caplog.at_level(logging.CRITICAL, "ldai_core"):
        yield


def interleave_tracks(acts: list[Act], tracker: AIConfigTracker, seed: int) -> None:
    """Have eight threads do `acts` to one tracker, in turn."""
    Interleaved([partial(acts[index % len(acts)], tracker) for index in range(THREADS)], seed).run()


GUARDS: list[tuple[str, list[Act], int]] = [
    ("duration", [lambda tracker: tracker.track_duration(12)], 1),
    ("duration of", [lambda tracker: tracker.track_duration_of(lambda: None)], 1),
    ("time to first token", [lambda tracker: tracker.track_time_to_first_token(12)], 1),
    ("success", [lambda tracker: tracker.track_success()], 1),
    ("success or error", [lambda tracker: tracker.track_success(), lambda tracker: tracker.track_error()], 1),
    ("tokens", [lambda tracker: tracker.track_tokens(USAGE)], 3),
    (
        "tokens of several kinds",
        [lambda tracker: tracker.track_tokens(USAGE), lambda tracker: tracker.track_tokens(TokenUsage(8, 4, 4))],
        3,
    ),
    (
        "feedback",
        [
            lambda tracker: tracker.track_feedback(FeedbackKind.POSITIVE),
            lambda tracker: tracker.track_feedback(FeedbackKind.NEGATIVE),
        ],
        1,
    ),
    (
        "a report and a single metric",
        [
            lambda tracker: tracker.report({"duration_ms": 1, "success": True, "tokens": USAGE}),
            lambda tracker: tracker.track_duration(1),
            lambda tracker: tracker.track_error(),
            lambda tracker: tracker.track_tokens(USAGE),
        ],
        5,
    ),
]


@pytest.mark.parametrize(("_guard", "acts", "events"), GUARDS, ids=[guard for guard, _, _ in GUARDS])
def test_a_guard(_guard: str, acts: list[Act], events: int) -> None:
    """R14-R18: at most once holds for every guard when eight threads are interleaved between any two lines."""
    for seed in range(ROUNDS):
        ld_client = FakeLDClient()
        tracker = make_tracker(ld_client)
        interleave_tracks(acts, tracker, seed)
        assert len(ld_client.events) == events
        assert len({name.replace("error", "success") for name, _ in ld_client.sent}) == events


class RacyTracker(AIConfigTracker):
    """Looks first and claims then: right in one thread, wrong in two."""

    def _claim(self, metric: str, value: object) -> bool:
        if metric in self._recorded:
            return False
        self._recorded[metric] = (value,)
        return True


class UnguardedTracker(AIConfigTracker):
    """Sends whatever it is told, so that it is the run that has to know what it has said."""

    def _claim(self, metric: str, value: object) -> bool:
        return True


def make_racy(kind: type[AIConfigTracker], ld_client: FakeLDClient) -> AIConfigTracker:
    """Make a tracker of a kind of its own."""
    return kind(
        ld_client=ld_client,
        run_id=RUN_ID,
        config_key="my-config",
        variation_key="",
        version=1,
        context=CONTEXT,
        model_name="",
        provider_name="",
    )


@pytest.mark.parametrize(("_guard", "acts", "events"), GUARDS, ids=[guard for guard, _, _ in GUARDS])
def test_a_racy_guard_is_found_out(_guard: str, acts: list[Act], events: int) -> None:
    """The interleaving is real: with a guard that looks first and claims then, the same threads send events twice."""

    def sends_twice(seed: int) -> bool:
        ld_client = FakeLDClient()
        interleave_tracks(acts, make_racy(RacyTracker, ld_client), seed)
        return len(ld_client.events) > events

    assert any(map(sends_twice, range(10 * ROUNDS)))


def begun(ld_client: FakeLDClient, calls: int) -> tuple[Run, list[Call]]:
    """Begin a run of some calls, each of which has something to report."""
    run = Run(make_racy(UnguardedTracker, ld_client))
    begun = [run.call() for _ in range(calls)]
    for call in begun:
        call.observe(Reading(usage=USAGE, output=True, tool_calls=("search",)))
    return run, begun


def end_one_call(run: Run, calls: list[Call]) -> list[Callable[[], object]]:
    """End the same call in all threads; it is closed already."""
    run.close()
    return [calls[0].end] * THREADS


def close_one_run(run: Run, calls: list[Call]) -> list[Callable[[], object]]:
    """Close the same run in all threads; its call has ended already."""
    calls[0].end()
    return [run.close] * THREADS


def close_and_end(run: Run, calls: list[Call]) -> list[Callable[[], object]]:
    """Close the run in every other thread, and end its call in the others."""
    return [run.close, calls[0].end] * (THREADS // 2)


def end_all_calls(run: Run, calls: list[Call]) -> list[Callable[[], object]]:
    """End a call of its own in each thread but one, which closes."""
    return [run.close, *(call.end for call in calls)]


RACES = [(end_one_call, 1), (close_one_run, 1), (close_and_end, 1), (end_all_calls, THREADS - 1)]


def report_of(race: Callable[[Run, list[Call]], list[Callable[[], object]]], calls: int, seed: int, lock: Any) -> Any:
    """Let threads race to end a run, and return what was sent of it."""
    ld_client = FakeLDClient()
    run, begun_calls = begun(ld_client, calls)
    if lock is not None:
        run._lock = lock
    Interleaved(race(run, begun_calls), seed).run()
    return [name for name, _ in ld_client.sent]


@pytest.mark.parametrize(("race", "calls"), RACES)
def test_a_run(race: Callable[[Run, list[Call]], list[Callable[[], object]]], calls: int) -> None:
    """A run is reported once, and whole, however its closing and the ends of its calls are interleaved."""
    once = [DURATION, FIRST_TOKEN, SUCCESS, *(name for name, _ in USAGE_EVENTS), *[TOOL_CALL] * calls]
    for seed in range(ROUNDS):
        assert report_of(race, calls, seed, None) == once


@pytest.mark.parametrize(("race", "calls"), RACES)
def test_a_run_without_its_lock_is_found_out(
    race: Callable[[Run, list[Call]], list[Callable[[], object]]], calls: int
) -> None:
    """The interleaving is real: a run without its lock reports twice, or not at all."""
    once = [DURATION, FIRST_TOKEN, SUCCESS, *(name for name, _ in USAGE_EVENTS), *[TOOL_CALL] * calls]
    assert any(report_of(race, calls, seed, contextlib.nullcontext()) != once for seed in range(10 * ROUNDS))


def test_readings_of_many_threads() -> None:
    """A run may be used from several threads: calls begun, observed and ended there are all counted."""

    def ask(asked: list[int], ld_client: FakeLDClient) -> AIConfigTracker:
        asked.append(1)
        return make_tracker(ld_client)

    def chat() -> None:
        call = run.call()
        call.observe(Reading(usage=USAGE, output=True, tool_calls=("search",)))
        call.observe(Reading(tool_calls=("book",)))
        call.end()

    for seed in range(ROUNDS):
        ld_client = FakeLDClient()
        asked: list[int] = []
        run = Run(partial(ask, asked, ld_client))
        Interleaved([chat] * THREADS, seed).run()
        run.close()
        assert asked == [1]
        sums = [(name, count * THREADS) for name, count in USAGE_EVENTS]
        assert ld_client.sent[3:] == [*sums, *[(TOOL_CALL, 1)] * (2 * THREADS)]


def test_the_thread_of_endings() -> None:
    """One thread works endings off, however many streams are the first."""
    for seed in range(ROUNDS):
        worker = _Worker()
        before = set(enumerate_threads())
        Interleaved([worker.start] * THREADS, seed).run()
        started = set(enumerate_threads()) - before
        assert [thread.name for thread in started] == ["ldai_core.endings"]
