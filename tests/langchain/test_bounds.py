"""What is open is bounded, and what has ended leaves nothing."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from ldai_langchain import LaunchDarklyCallbackHandler
from tests.core.runs import Clock
from tests.expected import ANSWERED, ERROR, FAILED, FAILED_LATE, READ, TOKENS, UNREAD, duration, told, told_by_now
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.ways import QUESTION, ask, chain_of, each_way

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient

HOUR_MS = 3_600_000
BROKEN_OFF = "AI runs were broken off, because their end did not come."


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the test say how time passes."""
    clock = Clock()
    for module in ("ldai_core.run", "ldai_langchain.trees", "ldai_langchain.handler", "ldai_langchain.watch"):
        monkeypatch.setattr(f"{module}.perf_counter_ns", clock)
    return clock


def begin(handler: LaunchDarklyCallbackHandler, runnable: Any = None) -> Iterator[Any]:
    """Stream, up to the first text."""
    stream: Iterator[Any] = (runnable or ScriptedChat()).stream(QUESTION, {"callbacks": [handler]})
    next(stream)
    if runnable is None:
        next(stream)
    return stream


@pytest.mark.parametrize("bounds", [{"max_open_runs": 0}, {"max_idle_s": -1}, {"max_idle_s": True}])
def test_what_is_no_bound(config: AIConfig, bounds: Any) -> None:
    """LC14: a bound that is no number above 0 is refused."""
    with pytest.raises(ValueError, match=r"expected a number above 0"):
        LaunchDarklyCallbackHandler(config, **bounds)


def test_by_count(config: AIConfig, recorded: RecordingClient, caplog: pytest.LogCaptureFixture) -> None:
    """LC14: of too many trees the oldest is broken off: an error, with what was seen; its end comes too late."""
    handler = LaunchDarklyCallbackHandler(config, max_open_runs=2)
    streams = [begin(handler) for _ in range(2)]
    assert told_by_now(recorded) == []
    streams.append(begin(handler, chain_of(ScriptedChat())))
    assert told_by_now(recorded) == FAILED_LATE
    assert len(handler._trees._open) == 2
    for stream in streams:
        assert "".join(str(getattr(chunk, "content", chunk)) for chunk in stream) in {"lo", "Hello"}
    assert told(recorded) == [*FAILED_LATE, *READ * 2]
    assert len(handler._trees) == 0
    assert [record.getMessage() for record in caplog.records] == [f"1 {BROKEN_OFF}"]


def test_in_the_order_they_were_heard(config: AIConfig, recorded: RecordingClient) -> None:
    """LC14: of several that were heard since they began, the oldest is the one that was heard first."""
    handler = LaunchDarklyCallbackHandler(config, max_open_runs=2)
    first, second = begin(handler), begin(handler, ScriptedChat(turns=(Turn(usage=(1, 1)),)))
    next(second)
    next(first)
    third = begin(handler)
    assert told_by_now(recorded) in (FAILED, FAILED_LATE)
    for stream in (first, second, third):
        list(stream)
    assert [run.success for run in recorded.runs] == [False, True, True]
    assert [run.tokens.total for run in recorded.runs if run.tokens] == [12, 12]


def test_the_one_that_was_active_last(config: AIConfig, recorded: RecordingClient) -> None:
    """LC14: the oldest is the one of which nothing was heard for longest."""
    handler = LaunchDarklyCallbackHandler(config, max_open_runs=2)
    old, young = begin(handler), begin(handler, ScriptedChat(turns=(Turn(usage=(1, 1)),)))
    next(old)  # a text
    rest = [begin(handler)]
    assert told_by_now(recorded) in (FAILED, FAILED_LATE)
    assert len(list(old)) == 2
    assert told_by_now(recorded)[-len(READ) :] == READ
    list(young)
    list(rest[0])
    assert [run.success for run in recorded.runs] == [False, True, True]
    assert len(handler._trees) == 0


def test_by_time(
    clock: Clock, handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    """LC14: a tree of which nothing was heard for an hour is broken off when the next begins; never a success."""
    stream = begin(handler)
    clock.pass_ms(HOUR_MS - 1)
    ask(ScriptedChat(), {"callbacks": [handler]})
    assert told_by_now(recorded) == ANSWERED
    clock.pass_ms(2)
    ask(ScriptedChat(), {"callbacks": [handler]})
    assert [run.success for run in recorded.runs] == [True, False, True]
    assert [record.getMessage() for record in caplog.records] == [f"1 {BROKEN_OFF}"]
    assert len(list(stream)) > 0
    assert len(recorded.runs) == 3


def test_by_time_behind_others(clock: Clock, handler: LaunchDarklyCallbackHandler, recorded: RecordingClient) -> None:
    """LC14: also behind others that are older, and still heard of."""
    pieces = ("Hel", *["lo"] * 10)
    talking = [begin(handler, ScriptedChat(turns=(Turn(pieces),))) for _ in range(3)]
    silent = begin(handler)
    for _ in range(3):
        clock.pass_ms(HOUR_MS / 2)
        for stream in talking:
            next(stream)
    ask(ScriptedChat(), {"callbacks": [handler]})
    try:
        assert sorted(str(run.success) for run in recorded.runs) == ["False", "True"]
    finally:
        handler.close()
    del silent, talking


@pytest.mark.parametrize("runnable", [ScriptedChat(), chain_of(ScriptedChat())])
def test_a_tree_that_is_heard_of(
    clock: Clock, handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, runnable: Any
) -> None:
    """LC14: a tree that is slow, and heard of now and then, is no tree whose end never comes."""
    stream = begin(handler, runnable)
    for _ in stream:
        clock.pass_ms(HOUR_MS * 0.9)
        ask(ScriptedChat(), {"callbacks": [handler]})
    assert {run.success for run in recorded.runs} == {True}


def test_while_its_tracker_is_made(config: AIConfig, recorded: RecordingClient) -> None:
    """LC14: a tree that is broken off while its tracker is made is an error, and leaves nothing."""
    gate = Gate()
    gates = [gate]

    def make() -> AIConfigTracker:
        if gates:
            gates.pop().wait()
        return config.create_tracker()

    handler = LaunchDarklyCallbackHandler(make, max_open_runs=1)
    waiting = Thread(target=ask, args=(ScriptedChat(), {"callbacks": [handler]}))
    waiting.start()
    assert gate.reached.wait(60)
    ask(ScriptedChat(), {"callbacks": [handler]})
    gate.open()
    waiting.join()
    assert told(recorded) == [*ANSWERED, *FAILED]
    assert len(handler._trees) == 0


@each_way
def test_close(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC14: `close()` ends what is open, as errors, with the tokens so far, once; the handler works on."""

    def second(_: object) -> str:
        handler.close()
        handler.close()
        return QUESTION

    steps: Any = ScriptedChat() | second | ScriptedChat()
    assert ask(steps, watched, is_async=is_async).content == "Hello"
    assert told(recorded)[:5] == [duration(), ERROR, *TOKENS]
    assert len(handler._trees) == 0
    before = len(recorded.runs)
    ask(ScriptedChat(), watched, is_async=is_async)
    assert len(recorded.runs) == before + 1
    assert told(recorded)[-len(ANSWERED) :] == ANSWERED


def test_close_of_a_chain(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC14: what a chain that was ended so asks afterwards is not called a success of its own."""

    def second(_: object) -> str:
        handler.close()
        return QUESTION

    ask(ScriptedChat() | second | ScriptedChat(), watched)
    assert recorded.runs[0].success is False
    assert len(recorded.runs) <= 2


def test_broken_off_once(config: AIConfig, recorded: RecordingClient) -> None:
    """LC14: a tree whose handler is closed by several threads at once is told once."""
    handler = LaunchDarklyCallbackHandler(config)
    streams = [begin(handler) for _ in range(20)]
    threads = [Thread(target=handler.close) for _ in range(4)]
    for thread in threads:
        thread.start()
    for stream in streams:
        list(stream)
    for thread in threads:
        thread.join()
    assert len(recorded.runs) == 20
    assert all(run.repeated == () for run in recorded.runs)
    assert told(recorded)[0] == UNREAD[0]
