"""The table of endings, over a real socket: what a consumer brings about."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from tests.openai.expected import (
    ANSWERED,
    ASKED,
    LEFT,
    READ,
    STALLING,
    STREAMED,
    SUCCESS,
    TOKENS,
    duration,
    first_token,
    read_all,
    told,
    told_by_now,
    turns,
)
from tests.servers.openai import ScriptedOpenAI, Stream, chunks

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream, OpenAI
    from openai import Stream as SyncStream
    from openai.types.chat import ChatCompletionChunk

    from ldai_core.testing import RecordingClient

    Chunks = SyncStream[ChatCompletionChunk]
    AsyncChunks = AsyncStream[ChatCompletionChunk]


class ConsumerError(Exception):
    """The application's own."""


@pytest.fixture
def stream(server: ScriptedOpenAI, wrapped: OpenAI) -> Chunks:
    """Begin a stream of four chunks for the consumer: the role, two pieces of text, the end."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    return wrapped.chat.completions.create(**STREAMED)  # type: ignore[no-any-return]


@pytest.fixture
async def async_stream(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI) -> AsyncChunks:
    """Begin the same stream, async."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    return await async_wrapped.chat.completions.create(**STREAMED)  # type: ignore[no-any-return]


def read_text(stream: Chunks, error: Exception | None = None) -> None:
    """Break off at the first text, or raise there."""
    for chunk in stream:
        if chunk.choices[0].delta.content:
            if error is not None:
                raise error
            break


async def read_text_async(stream: AsyncChunks, error: Exception | None = None) -> None:
    """Break off at the first text, or raise there."""
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            if error is not None:
                raise error
            break


def test_response_returned(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: response returned: duration, success, tokens; no time to first token."""
    assert wrapped.chat.completions.create(**ASKED).choices[0].message.content == "Hello"
    assert told_by_now(recorded) == ANSWERED


async def test_response_returned_async(async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: response returned: likewise."""
    answer = await async_wrapped.chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "Hello"
    assert told_by_now(recorded) == ANSWERED


# The role comes at once, text after 150 ms, the end 150 ms later.
SLOW = Stream(chunks("Hello"), usage=(9, 3), pauses_s={1: 0.15, 2: 0.15})
SLOWLY = [duration(300), first_token(150), SUCCESS, *TOKENS]


def test_stream_read_to_its_end(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA5: stream read to its end: its first token is the first output, which a role is not."""
    server.script(SLOW)
    stream = wrapped.chat.completions.create(**STREAMED)
    assert [chunk.choices[0].delta.content for chunk in stream] == ["", "Hello", None]
    assert told_by_now(recorded) == SLOWLY
    assert 150 <= (recorded.run.time_to_first_token_ms or 0) < (recorded.run.duration_ms or 0)
    assert list(stream) == []
    assert told(recorded) == SLOWLY


async def test_stream_read_to_its_end_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA1, OA5: stream read to its end: likewise."""
    server.script(SLOW)
    stream = await async_wrapped.chat.completions.create(**STREAMED)
    assert [chunk.choices[0].delta.content async for chunk in stream] == ["", "Hello", None]
    assert told_by_now(recorded) == SLOWLY
    assert 150 <= (recorded.run.time_to_first_token_ms or 0) < (recorded.run.duration_ms or 0)
    assert await read_all(stream) == []
    assert told(recorded) == SLOWLY


def test_break(stream: Chunks, recorded: RecordingClient) -> None:
    """OA1, OA6: consumer broke out: reported at the break, also while the stream is still referenced, and once."""
    assert told(recorded) == []
    read_text(stream)
    assert told_by_now(recorded) == LEFT
    stream.close()
    del stream
    gc.collect()
    assert told(recorded) == LEFT


async def test_break_async(async_stream: AsyncChunks, recorded: RecordingClient) -> None:
    """OA1, OA6: consumer broke out: an `async for` is reported within a few turns of the event loop."""
    assert told(recorded) == []
    await read_text_async(async_stream)
    await turns()
    assert told_by_now(recorded) == LEFT
    await async_stream.close()
    assert told(recorded) == LEFT


def test_resumed(stream: Chunks, recorded: RecordingClient) -> None:
    """OA6: if the loop is resumed, tokens not yet sent are sent then, nothing else."""
    read_text(stream)
    assert [chunk.choices[0].delta.content for chunk in stream] == ["lo", None]
    assert told_by_now(recorded) == [*LEFT, *TOKENS]


async def test_resumed_async(async_stream: AsyncChunks, recorded: RecordingClient) -> None:
    """OA6: if the loop is resumed: likewise."""
    await read_text_async(async_stream)
    await turns()
    assert [chunk.choices[0].delta.content async for chunk in async_stream] == ["lo", None]
    assert told_by_now(recorded) == [*LEFT, *TOKENS]


def test_close(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: consumer closed the stream: reported at the closing, which reaches the provider; a second does nothing."""
    server.script(STALLING)
    stream = wrapped.chat.completions.create(**STREAMED)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
    assert told(recorded) == []
    stream.close()
    assert told_by_now(recorded) == LEFT
    assert server.requests[0].gone.wait(5)
    stream.close()
    assert told(recorded) == LEFT


async def test_close_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: consumer closed the stream: likewise."""
    server.script(STALLING)
    stream: Any = await async_wrapped.chat.completions.create(**STREAMED)
    assert [(await anext(stream)).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
    assert told(recorded) == []
    await stream.close()
    assert told_by_now(recorded) == LEFT
    assert server.requests[0].gone.wait(5)
    await stream.close()
    assert told(recorded) == LEFT


def test_with(stream: Chunks, recorded: RecordingClient) -> None:
    """OA1, OA11: `with` around a stream that is read to its end: one report, at the end."""
    with stream as entered:
        assert len(list(entered)) == 4
        assert told_by_now(recorded) == READ
    assert told(recorded) == READ


def test_with_left_early(stream: Chunks, recorded: RecordingClient) -> None:
    """OA1, OA11: `with` that is left before the end: success, reported at the exit."""
    with stream as entered:
        assert [next(entered).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
        assert told(recorded) == []
    assert told_by_now(recorded) == LEFT


async def test_with_left_early_async(async_stream: AsyncChunks, recorded: RecordingClient) -> None:
    """OA1, OA11: `async with` that is left before the end: likewise."""
    async with async_stream as entered:
        assert [(await anext(entered)).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
        assert told(recorded) == []
    assert told_by_now(recorded) == LEFT


@pytest.mark.parametrize("inside_with", [True, False])
def test_own_exception(stream: Chunks, recorded: RecordingClient, inside_with: bool) -> None:
    """OA1: consumer's own exception, inside `with stream:` or in a loop without, is a success, at once, and goes on."""
    error = ConsumerError()

    def consume() -> None:
        if inside_with:
            with stream:
                read_text(stream, error)
        read_text(stream, error)

    with pytest.raises(ConsumerError) as caught:
        consume()
    assert caught.value is error
    assert told_by_now(recorded) == LEFT


@pytest.mark.parametrize("inside_with", [True, False])
async def test_own_exception_async(async_stream: AsyncChunks, recorded: RecordingClient, inside_with: bool) -> None:
    """OA1: consumer's own exception: likewise, within a few turns of the event loop."""
    error = ConsumerError()

    async def consume() -> None:
        if inside_with:
            async with async_stream:
                await read_text_async(async_stream, error)
        await read_text_async(async_stream, error)

    with pytest.raises(ConsumerError) as caught:
        await consume()
    assert caught.value is error
    await turns()
    assert told_by_now(recorded) == LEFT
