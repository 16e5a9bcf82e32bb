"""`with handler.run():` what is in it and what is not, at its edges."""

from __future__ import annotations

import asyncio
from contextvars import Context
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from ldai_langchain import LaunchDarklyCallbackHandler
from tests.expected import ANSWERED, FAILED, SUCCESS, duration, tokens, told, told_by_now
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.ways import QUESTION, ask

if TYPE_CHECKING:
    from ldai_core import AIConfig, Run
    from ldai_core.testing import RecordingClient

TWICE = [duration(), SUCCESS, *tokens(18, 6)]
THREE_TIMES = [duration(), SUCCESS, *tokens(27, 9)]


def test_entered_once(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """A group is entered once, as a run is; refusing it leaves nothing behind."""
    group = handler.run()
    with group:
        ask(ScriptedChat(), watched)
    with pytest.raises(RuntimeError), group:
        pass
    ask(ScriptedChat(), watched)
    assert told(recorded) == ANSWERED * 2


def test_its_run(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC1: the run that it gives takes calls of others, and may be the source of other handlers."""
    with handler.run() as run:
        run.call().end()
        ask(ScriptedChat(), watched)
        ask(ScriptedChat(), {"callbacks": [LaunchDarklyCallbackHandler(run)]})
    assert told(recorded) == TWICE


def test_two_handlers(config: AIConfig, recorded: RecordingClient) -> None:
    """LC1: a group is its handler's own: another has runs of its own inside it, and another group."""
    one, other = LaunchDarklyCallbackHandler(config), LaunchDarklyCallbackHandler(config)
    both = {"callbacks": [one, other]}
    with one.run():
        ask(ScriptedChat(), both)
        assert told_by_now(recorded) == ANSWERED
        with other.run():
            ask(ScriptedChat(), both)
            ask(ScriptedChat(), both)
        assert told_by_now(recorded) == [*ANSWERED, *TWICE]
    assert told(recorded) == [*ANSWERED, *TWICE, *THREE_TIMES]


async def test_a_task_that_outlives_it(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    """LC1: a call that outlives its group holds it open; what such a task invokes afterwards is a run of its own."""
    gate = Gate()

    async def work() -> None:
        await ScriptedChat(turns=(Turn(gate=gate),)).ainvoke(QUESTION, watched)
        await ScriptedChat().ainvoke(QUESTION, watched)

    async with handler.run():
        task = asyncio.create_task(work())
        await gate.arrival()
    assert told(recorded) == []
    gate.open()
    await task
    assert told(recorded) == ANSWERED * 2
    assert caplog.records == []


async def test_a_tree_that_outlives_it(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient
) -> None:
    """LC1: of a chain that outlives its group, and asks another model then, that is not lost silently."""
    gate = Gate()
    steps: Any = ScriptedChat(turns=(Turn(gate=gate),)) | (lambda _: QUESTION) | ScriptedChat()
    async with handler.run():
        task = asyncio.create_task(steps.ainvoke(QUESTION, watched))
        await gate.arrival()
    gate.open()
    await task
    assert told(recorded) == ANSWERED


def test_threads(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC15: groups of several threads at once do not know of each other, nor does a thread without one."""

    def work(times: int) -> None:
        with handler.run():
            for _ in range(times):
                ask(ScriptedChat(), watched)

    threads = [Thread(target=Context().run, args=(work, times)) for times in (1, 2, 3)]
    threads.append(Thread(target=Context().run, args=(ask, ScriptedChat(), watched)))
    with handler.run():
        ask(ScriptedChat(), watched)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    runs = sorted(run.tokens.total or 0 for run in recorded.runs if run.tokens is not None)
    assert runs == [12, 12, 12, 24, 36]
    assert all(run.success for run in recorded.runs)


def test_left_elsewhere(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC1: a group that is left in another context than it was entered in, as fixtures of tests are, is over."""
    group = handler.run()
    here = Context()

    def enter() -> Run:
        return group.__enter__()

    here.run(enter)
    here.run(ask, ScriptedChat(), watched)
    Context().run(group.__exit__, None, None, None)
    assert told(recorded) == ANSWERED
    here.run(ask, ScriptedChat(), watched)
    assert told(recorded) == ANSWERED * 2


async def test_cancelled(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC10, LC11: a group that is cancelled while a model is asked is one error."""
    gate = Gate()

    async def work() -> None:
        async with handler.run():
            await ScriptedChat(turns=(Turn(gate=gate),)).ainvoke(QUESTION, watched)

    task = asyncio.create_task(work())
    await gate.arrival()
    task.cancel()
    await asyncio.wait([task])
    assert told(recorded) == FAILED
