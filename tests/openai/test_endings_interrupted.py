"""The table of endings, over a real socket: timeouts, cancellation, and arguments that are refused."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_core import Run
from ldai_openai import wrap_openai
from tests.openai.expected import (
    ASKED,
    ERROR,
    FAILED,
    FAILED_LATE,
    LEFT,
    PROVIDER_ERRORS,
    SILENT,
    STALLING,
    STREAMED,
    UNREAD,
    duration,
    first_token,
    read_all,
    told,
    told_by_now,
    turns,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

AT_ONCE_S = 5.0  # what waited for the provider instead would wait for ever
UNSENDABLE: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": object()}]}


@contextmanager
def at_once() -> Iterator[None]:
    """Hold that the block is through at once."""
    begun = time.perf_counter()
    yield
    assert time.perf_counter() - begun < AT_ONCE_S


async def consume(stream: Any, seen: asyncio.Event, work: asyncio.Event | None = None) -> None:
    """Read a stream, say when the first text is there, and be at work on it until `work` is done."""
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            seen.set()
            if work is not None:
                await work.wait()


def test_timed_out(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: timed out while waiting for the answer, or for a chunk: error, with the first token if it was seen."""
    server.script(SILENT, STALLING)
    impatient = wrapped.with_options(timeout=0.5)
    with pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(**ASKED)
    assert told_by_now(recorded) == [duration(200), ERROR]
    with pytest.raises(PROVIDER_ERRORS, match="timed out"):
        list(impatient.chat.completions.create(**STREAMED))
    assert told(recorded) == [duration(200), ERROR, duration(200), first_token(), ERROR]


async def test_timed_out_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA7: timed out: likewise."""
    server.script(SILENT, STALLING)
    impatient = async_wrapped.with_options(timeout=0.5)
    with pytest.raises(openai.APITimeoutError):
        await impatient.chat.completions.create(**ASKED)
    assert told_by_now(recorded) == [duration(200), ERROR]
    stream = await impatient.chat.completions.create(**STREAMED)
    with pytest.raises(PROVIDER_ERRORS):
        await read_all(stream)
    assert told(recorded) == [duration(200), ERROR, duration(200), first_token(), ERROR]


async def test_cancelled_call(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: cancelled while waiting for the answer: error; it goes on at once, and reaches the provider."""
    server.script(SILENT)
    task = asyncio.create_task(async_wrapped.chat.completions.create(**ASKED))
    request = await asyncio.to_thread(server.wait_for_request)
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    assert told_by_now(recorded) == FAILED
    assert await asyncio.to_thread(request.gone.wait, 5)


async def test_cancelled_stream(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: cancelled while waiting for a chunk: error, with the first token; it goes on at once."""
    server.script(STALLING)
    stream = await async_wrapped.chat.completions.create(**STREAMED)
    seen = asyncio.Event()
    task = asyncio.create_task(consume(stream, seen))
    await seen.wait()
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    assert told_by_now(recorded) == FAILED_LATE
    await stream.close()
    assert told(recorded) == FAILED_LATE


async def test_cancelled_at_work(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: cancelled in the consumer's own code, between two chunks: a success, for the model did not fail."""
    server.script(STALLING)
    stream = await async_wrapped.chat.completions.create(**STREAMED)
    seen = asyncio.Event()
    task = asyncio.create_task(consume(stream, seen, asyncio.Event()))
    await seen.wait()
    task.cancel()
    with at_once(), pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    assert told_by_now(recorded) == LEFT


async def test_wait_for(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: a time limit by `asyncio.wait_for`, on a call or on a loop, is a cancellation: error."""
    server.script(SILENT, STALLING)
    with at_once(), pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(async_wrapped.chat.completions.create(**ASKED), 0.3)
    assert told_by_now(recorded) == FAILED
    stream = await async_wrapped.chat.completions.create(**STREAMED)
    seen = asyncio.Event()
    with at_once(), pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(consume(stream, seen), 0.3)
    assert seen.is_set()
    assert told(recorded) == [*FAILED, *FAILED_LATE]


if sys.version_info >= (3, 11):

    async def test_timeout_block(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
        """A time limit by `asyncio.timeout`, which cancels the task itself: likewise."""
        server.script(STALLING)
        stream = await async_wrapped.chat.completions.create(**STREAMED)
        seen = asyncio.Event()
        with at_once(), pytest.raises(TimeoutError):
            async with asyncio.timeout(0.6):
                await consume(stream, seen)
        assert seen.is_set()
        assert told(recorded) == FAILED_LATE


def test_arguments_refused(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: arguments refused inside the request are an error; refused before it, nothing."""
    incomplete: Any = {"model": "gpt-4o"}
    with pytest.raises(TypeError, match="Missing required arguments"):
        wrapped.chat.completions.create(**incomplete)
    assert told(recorded) == []
    with pytest.raises(TypeError, match="not JSON serializable"):
        wrapped.chat.completions.create(**UNSENDABLE)
    assert told_by_now(recorded) == FAILED
    assert server.requests == []


async def test_arguments_refused_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA7: arguments refused: likewise."""
    incomplete: Any = {"model": "gpt-4o"}
    with pytest.raises(TypeError, match="Missing required arguments"):
        await async_wrapped.chat.completions.create(**incomplete)
    assert told(recorded) == []
    with pytest.raises(TypeError, match="not JSON serializable"):
        await async_wrapped.chat.completions.create(**UNSENDABLE)
    assert told_by_now(recorded) == FAILED
    assert server.requests == []


def test_an_odd_body_refused(client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA7: arguments refused inside the request are refused in the provider's own words, and end the call."""
    odd: Any = {**STREAMED, "extra_body": 5}
    with pytest.raises(TypeError) as unmeasured:
        client.chat.completions.create(**odd)
    with Run(config) as run, pytest.raises(TypeError) as caught:
        wrap_openai(client, run).chat.completions.create(**odd)
    assert str(caught.value) == str(unmeasured.value)
    assert told(recorded) == UNREAD
