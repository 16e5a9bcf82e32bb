"""Tasks that are cancelled, of which LangChain says little, or nothing."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.expected import ANSWERED, FAILED, told, told_by_now, turns
from tests.langchain.models import Gate, ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import QUESTION, chain_of, collect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

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


async def cancelled(awaited: Awaitable[Any], gate: Gate, *, calls: int = 1) -> asyncio.Task[Any]:
    """Await it in a task, and cancel that when the model is asked, that many times."""
    task = asyncio.ensure_future(awaited)
    await gate.arrival(calls)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await turns()
    return task


def text_of(chunk: Any) -> str:
    """Return the text in a chunk of whatever kind."""
    return chunk if isinstance(chunk, str) else str(chunk.content)


@each_kind
async def test_ainvoke(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: an `ainvoke` that is cancelled, of which LangChain may say nothing, is one error; at once."""
    gate = Gate()
    await cancelled(KINDS[kind](Turn(gate=gate)).ainvoke(QUESTION, watched), gate)
    assert told(recorded) == FAILED


@each_kind
async def test_wait_for(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: one that `wait_for` gives up waiting for, likewise."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(KINDS[kind](Turn(gate=Gate())).ainvoke(QUESTION, watched), 0.5)
    await turns()
    assert told(recorded) == FAILED


@has_3_11
@each_kind
async def test_timeout(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: so is one that runs into a timeout, while its task lives on, and asks again."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):  # type: ignore[attr-defined,unused-ignore]  # from 3.11 on
            await KINDS[kind](Turn(gate=Gate())).ainvoke(QUESTION, watched)
    await turns()
    collect()
    assert told(recorded) == FAILED
    await KINDS[kind](Turn()).ainvoke(QUESTION, watched)
    assert told(recorded) == [*FAILED, *ANSWERED]


@each_kind
async def test_swallowed(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: a task that swallows its cancellation, and lives on: the call that it broke off is one error."""
    gate, swallowed, lives_on = Gate(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        with suppress(asyncio.CancelledError):
            await KINDS[kind](Turn(gate=gate)).ainvoke(QUESTION, watched)
        swallowed.set()
        await lives_on.wait()
        await KINDS[kind](Turn()).ainvoke(QUESTION, watched)

    task = asyncio.create_task(work())
    await gate.arrival()
    task.cancel()
    await swallowed.wait()
    await turns()
    collect()
    assert told(recorded) == FAILED
    lives_on.set()
    await task
    assert told(recorded) == [*FAILED, *ANSWERED]


@each_kind
async def test_once(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: cancelled twice, collected, and closed with its handler: it is recorded once."""
    gate = Gate()
    task = asyncio.ensure_future(KINDS[kind](Turn(gate=gate)).ainvoke(QUESTION, watched))
    await gate.arrival()
    task.cancel()
    task.cancel()
    await asyncio.wait([task])
    del task
    collect()
    await turns()
    handler.close()
    assert told(recorded) == FAILED


@each_kind
async def test_before_it_begins(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: cancelled before it begins: no model was asked, and nothing is recorded."""
    task = asyncio.ensure_future(KINDS[kind](Turn()).ainvoke(QUESTION, watched))
    task.cancel()
    await asyncio.wait([task])
    assert told(recorded) == []


@each_kind
async def test_after_the_end(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: a task that is cancelled after the call has ended changes nothing."""
    ended = asyncio.Event()

    async def work() -> None:
        await KINDS[kind](Turn()).ainvoke(QUESTION, watched)
        ended.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await ended.wait()
    assert told_by_now(recorded) == ANSWERED
    task.cancel()
    await asyncio.wait([task])
    assert told(recorded) == ANSWERED


@each_kind
async def test_abatch(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC1, LC11: of a batch that is cancelled each is an error, once."""
    gate = Gate()
    calls = 1 if "text" in kind else 3  # text models are asked for all at once
    await cancelled(KINDS[kind](Turn(gate=gate)).abatch([QUESTION] * 3, watched), gate, calls=calls)
    collect()
    assert told(recorded) == FAILED * 3


@has_3_11
@each_kind
async def test_task_group(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC11: what a group of tasks cancels because one of them failed is an error, once each."""
    gates = [Gate(), Gate()]

    async def fail() -> None:
        for gate in gates:
            await gate.arrival()
        raise LookupError

    async def work() -> None:
        async with asyncio.TaskGroup() as group:  # type: ignore[attr-defined,unused-ignore]  # from 3.11 on
            for gate in gates:
                group.create_task(KINDS[kind](Turn(gate=gate)).ainvoke(QUESTION, watched))
            group.create_task(fail())

    with pytest.raises(BaseException) as caught:  # noqa: PT011  # a group, which 3.10 does not know
        await work()
    assert type(caught.value).__name__ == "ExceptionGroup"
    await turns()
    collect()
    assert told(recorded) == FAILED * 2
