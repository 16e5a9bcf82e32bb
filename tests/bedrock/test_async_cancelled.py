"""The table of endings, over a real socket, with aiobotocore: tasks that are cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.bedrock.cancelling import RECORDS, at_once, begin, consume, each_operation, each_piecemeal
from tests.bedrock.expected import ASKED, PIECES, REQUESTS, SILENT
from tests.expected import (
    ANSWERED,
    FAILED,
    FAILED_LATE,
    LEFT,
    TOKENS,
    told,
    told_by_now,
    turns,
)

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock


@each_operation
async def test_waiting_for_the_answer(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR16: cancelled while waiting for the answer: one error; it goes on at once, and the client works on."""
    server.script(SILENT)
    task = asyncio.create_task(getattr(async_wrapped, operation)(**REQUESTS[operation]))
    request = await asyncio.to_thread(server.wait_for_request)
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert told_by_now(recorded) == FAILED
    assert await asyncio.to_thread(request.gone.wait, 5)
    await async_wrapped.converse(**ASKED)
    assert told(recorded) == [*FAILED, *ANSWERED]


@each_piecemeal
async def test_waiting_for_a_piece(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR16: cancelled while waiting for an event, or for a body's bytes: one error, with what was seen."""
    pieces = await begin(server, async_wrapped, operation)
    seen = asyncio.Event()
    task = asyncio.create_task(consume(pieces, seen))
    await seen.wait()
    await turns()
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    assert told_by_now(recorded) == RECORDS[operation]
    pieces.close()
    del pieces, task
    await async_wrapped.converse(**ASKED)
    assert told(recorded) == [*RECORDS[operation], *ANSWERED]


@each_piecemeal
async def test_at_work(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR16: cancelled in the consumer's own code, between two pieces: a success, for the model did not fail."""
    pieces = await begin(server, async_wrapped, operation)
    seen = asyncio.Event()
    task = asyncio.create_task(consume(pieces, seen, asyncio.Event()))
    await seen.wait()
    await turns()
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    pieces.close()  # of a body nobody learns otherwise that it was left
    assert told(recorded) == (ANSWERED if operation == "invoke_model" else LEFT)


@each_operation
async def test_after_the_end(async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR16: cancelled after the end: nothing more."""

    async def work() -> None:
        response = await getattr(async_wrapped, operation)(**REQUESTS[operation])
        pieces = response.get(PIECES.get(operation))
        if operation == "invoke_model":
            await pieces.read()
        elif pieces is not None:
            async for _ in pieces:
                pass
        ended.set()
        await asyncio.Event().wait()

    ended = asyncio.Event()
    task = asyncio.create_task(work())
    await ended.wait()
    before = told_by_now(recorded)
    assert before[-3:] == TOKENS
    task.cancel()
    with at_once(), suppress(asyncio.CancelledError):
        await task
    del task
    await turns()
    assert told(recorded) == before


async def test_before_it_begins(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR16: cancelled before it begins: no request was made, and nothing is recorded."""
    task = asyncio.create_task(async_wrapped.converse(**ASKED))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.requests == []
    assert told(recorded) == []


async def test_twice(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR16: cancelled twice: one error."""
    server.script(SILENT)
    task = asyncio.create_task(async_wrapped.converse(**ASKED))
    await asyncio.to_thread(server.wait_for_request)
    task.cancel()
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    assert told(recorded) == FAILED


async def test_the_message(
    server: ScriptedBedrock, async_client: Any, async_wrapped: Any, recorded: RecordingClient
) -> None:
    """BR16: the message of a cancellation goes on with it, as far as it does without us."""
    messages = []
    for client in (async_client, async_wrapped):
        pieces = await begin(server, client, "converse_stream")
        seen = asyncio.Event()
        task = asyncio.create_task(consume(pieces, seen))
        await seen.wait()
        await turns()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        messages.append(caught.value.args)
    assert messages[0] == messages[1]
    assert told(recorded) == FAILED_LATE
