"""The table of endings, over a real socket, with aiobotocore: time limits, and groups of tasks."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import track_bedrock_converse_metrics_async, wrap_bedrock
from ldai_core import Run
from tests.bedrock.cancelling import RECORDS, STALLS, at_once, begin, consume, each_operation, each_piecemeal
from tests.bedrock.expected import ASKED, PIECES, SILENT
from tests.expected import (
    ERROR,
    FAILED,
    SUCCESS,
    TOKENS,
    duration,
    told,
    turns,
)
from tests.servers.bedrock import Answer, ScriptedBedrock, answer

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient


async def test_shielded(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR16: who waits for a shielded call is cancelled alone: the call goes on, and is a success."""
    server.script(Answer(answer(), delay_s=0.6))
    call = asyncio.ensure_future(async_wrapped.converse(**ASKED))
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(call), 0.3)
    assert told(recorded) == []
    await call
    assert told(recorded) == [duration(600), SUCCESS, *TOKENS]


@each_operation
async def test_wait_for(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR16: a time limit by `asyncio.wait_for` is a cancellation: one error, with the time that was waited."""
    if operation in PIECES:
        awaited = consume(await begin(server, async_wrapped, operation), asyncio.Event())
        expected = [duration(200), *RECORDS[operation][1:]]
    else:
        server.script(SILENT)
        awaited = async_wrapped.converse(**ASKED)
        expected = [duration(200), ERROR]
    with at_once(), pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(awaited, 0.5)
    assert told(recorded) == expected


async def test_a_run(server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR16, BR2: cancelled inside a Run: it is one error, with the tokens of the calls before."""
    server.script(Answer(answer()), SILENT)

    async def loop() -> None:
        async with Run(config) as run:
            wrapped = wrap_bedrock(async_client, run)
            await wrapped.converse(**ASKED)
            await wrapped.converse(**ASKED)

    task = asyncio.create_task(loop())
    await asyncio.to_thread(server.wait_for_request, 2)
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    assert told(recorded) == [*FAILED, *TOKENS]


async def test_a_handled_time_limit_in_a_run(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR16, BR2: a time limit that is handled inside a Run, and asked again, is one success."""
    server.script(SILENT)
    async with Run(config) as run:
        wrapped = wrap_bedrock(async_client, run)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(wrapped.converse(**ASKED), 0.5)
        await wrapped.converse(**ASKED)
    assert told(recorded) == [duration(500), SUCCESS, *TOKENS]


async def test_of_a_function(server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: Any) -> None:
    """BR16, R29: cancelled while `track_bedrock_converse_metrics_async` awaits: one error, and it goes on."""
    server.script(SILENT)
    tracked = track_bedrock_converse_metrics_async(config.create_tracker(), lambda: async_client.converse(**ASKED))
    with at_once(), pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(tracked, 0.5)
    assert told(recorded) == FAILED


if sys.version_info >= (3, 11):

    @each_piecemeal
    async def test_timeout_block(
        server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
    ) -> None:
        """BR16: a time limit by `asyncio.timeout`, which cancels the task itself: likewise."""
        pieces = await begin(server, async_wrapped, operation)
        seen = asyncio.Event()
        with at_once(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await consume(pieces, seen)
        assert seen.is_set()
        assert told(recorded) == RECORDS[operation]

    async def test_a_group_that_fails(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
        """BR16: a TaskGroup one of whose tasks fails cancels the others: each is one error, and nothing is lost."""
        streams = [await begin(server, async_wrapped, operation) for operation in STALLS]
        events = [asyncio.Event() for _ in streams]
        server.script(SILENT)

        async def fail() -> None:
            for event in events:
                await event.wait()
            await asyncio.to_thread(server.wait_for_request, 4)
            await turns()
            raise ZeroDivisionError

        with at_once(), pytest.raises(ExceptionGroup) as caught:  # noqa: F821  # of Python 3.11
            async with asyncio.TaskGroup() as group:
                for stream, event in zip(streams, events, strict=True):
                    group.create_task(consume(stream, event))
                group.create_task(async_wrapped.converse(**ASKED))
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
        told(recorded)
        assert sorted(repr(run.success) for run in recorded.runs) == ["False"] * 4
        assert sorted(run.tokens is not None for run in recorded.runs) == [False, False, False, True]
        await async_wrapped.converse(**ASKED)
        assert recorded.runs[-1].success
