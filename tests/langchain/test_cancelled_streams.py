"""Streams whose tasks are cancelled, or are many, and tasks that live on."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.expected import ANSWERED, FAILED_LATE, LEFT, READ, told, turns
from tests.langchain.models import Gate, ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import QUESTION, chain_of, collect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core.testing import RecordingClient

KINDS: dict[str, Callable[[Turn], Any]] = {
    "chat": lambda turn: ScriptedChat(turns=(turn,)),
    "text": lambda turn: ScriptedText(turn=turn, tells=True),
    "chain": lambda turn: chain_of(ScriptedChat(turns=(turn,))),
    "text chain": lambda turn: chain_of(ScriptedText(turn=turn)),
    "fallbacks": lambda turn: ScriptedChat(turns=(turn,)).with_fallbacks([ScriptedChat()]),
    "retries": lambda turn: ScriptedChat(turns=(turn,)).with_retry(),
    "a lambda": lambda turn: chain_of(lambda _: chain_of(ScriptedChat(turns=(turn,)))),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
each_streaming_kind = pytest.mark.parametrize("kind", ["chat", "chain"])
has_3_11 = pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio has it from 3.11 on")


async def cancelled(awaited: Awaitable[Any], gate: Gate) -> asyncio.Task[Any]:
    """Await it in a task, and cancel that when the model is asked."""
    task = asyncio.ensure_future(awaited)
    await gate.arrival()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await turns()
    return task


def text_of(chunk: Any) -> str:
    """Return the text in a chunk of whatever kind."""
    return chunk if isinstance(chunk, str) else str(chunk.content)


@each_streaming_kind
async def test_a_stream(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC10: a stream that is cancelled while it waits for the model is an error, with the first token."""
    gate = Gate()

    async def consume() -> None:
        async for _ in KINDS[kind](Turn(gate=gate, gate_at=2)).astream(QUESTION, watched):
            pass

    await cancelled(consume(), gate)
    assert told(recorded) == FAILED_LATE


@pytest.mark.parametrize("kind", ["chat", "text", "chain"])
async def test_a_consumer_at_work(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC10: a consumer that is cancelled in code of its own, between two chunks, leaves its stream: a success."""
    seen = asyncio.Event()

    async def consume() -> None:
        async for chunk in KINDS[kind](Turn()).astream(QUESTION, watched):
            if text_of(chunk) == "Hel":
                seen.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(consume())
    await seen.wait()
    task.cancel()
    await asyncio.wait([task])
    for _ in range(4):
        await turns()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("kind", ["chat", "text", "chain", "text chain"])
async def test_pulled_by_many_tasks(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: a stream each of whose chunks another task pulls is one success, at its end."""
    stream: Any = KINDS[kind](Turn()).astream(QUESTION, watched)
    texts = []
    with suppress(StopAsyncIteration):
        while True:
            texts.append(text_of(await asyncio.create_task(anext(stream))))
            await turns()
            assert told(recorded) == []
    assert "".join(texts) == "Hello"
    assert told(recorded) == (READ if kind != "text chain" else ANSWERED)


@each_streaming_kind
async def test_one_of_many_tasks(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: when one of them is cancelled while it waits, that is one error."""
    gate = Gate()
    stream: Any = KINDS[kind](Turn(gate=gate, gate_at=2)).astream(QUESTION, watched)
    while text_of(await asyncio.create_task(anext(stream))) != "Hel":
        pass
    await cancelled(anext(stream), gate)
    await stream.aclose()
    assert told(recorded) == FAILED_LATE


async def taken_off(task: Any, before: int) -> None:
    """Wait until the task has no more callbacks than before: a thread asks the loop to take them off."""
    for _ in range(1000):
        if len(task._callbacks or ()) == before:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(task._callbacks)


async def test_a_long_lived_task(watched: Any, recorded: RecordingClient) -> None:
    """LC11, LC14: a task that lives for long keeps nothing of the calls that it made, however they ended."""
    task: Any = asyncio.current_task()
    before = len(task._callbacks or ())
    for _ in range(10):
        for runnable in (ScriptedChat(), ScriptedText(), chain_of(ScriptedChat())):
            await runnable.ainvoke(QUESTION, watched)
            runnable.invoke(QUESTION, watched)
            async for _ in runnable.astream(QUESTION, watched):
                break
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ScriptedChat(turns=(Turn(gate=Gate()),)).ainvoke(QUESTION, watched), 0.001)
    await turns()
    collect()
    await taken_off(task, before)
    assert len(told(recorded)) > 0


async def test_ended_by_a_thread(watched: Any, recorded: RecordingClient) -> None:
    """LC11, LC14: likewise where a call that was begun in a task ends in a thread."""
    task: Any = asyncio.current_task()
    before = len(task._callbacks or ())
    for _ in range(3):
        stream: Any = ScriptedChat().stream(QUESTION, watched)
        next(stream)
        next(stream)
        await asyncio.to_thread(stream.close)
    await turns()
    await taken_off(task, before)
    assert told(recorded) == LEFT * 3
