"""`stream()` managers: the clock runs from entering one, and what ends its `with` ends the run."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from tests.openai.expected import (
    ASKED,
    ERROR,
    LEFT,
    PROVIDER_ERRORS,
    READ,
    STREAMED,
    duration,
    first_token,
    helpers,
    told,
    told_by_now,
)
from tests.servers.openai import ScriptedOpenAI, Stream, chunks

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

CHAT = Stream(chunks("Hel", "lo"), usage=(9, 3))
CUT = Stream(chunks("Hel", "lo"), usage=(9, 3), cut_after=2)


class OwnError(Exception):
    """The application's own."""


def test_read_to_its_end(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a manager left at its end: one success with tokens, and no usage chunk among the application's own."""
    server.script(CHAT)
    with helpers(wrapped).stream(**ASKED) as events:
        received = [event.chunk for event in events if event.type == "chunk"]
        assert all(chunk.choices for chunk in received)
    assert told_by_now(recorded) == READ
    assert told(recorded) == READ


def test_broken_off(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a manager left by a break is reported when its `with` ends, while everything is still referenced."""
    server.script(CHAT)
    with helpers(wrapped).stream(**ASKED) as events:
        for event in events:
            if event.type == "content.delta" and event.delta:
                break
        assert told_by_now(recorded) == []
    assert told_by_now(recorded) == LEFT
    assert events is not None


async def test_broken_off_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA11: the async manager likewise."""
    server.script(CHAT)
    async with helpers(async_wrapped).stream(**ASKED) as events:
        async for event in events:
            if event.type == "content.delta" and event.delta:
                break
    assert told_by_now(recorded) == LEFT


def test_an_exception_of_the_applications(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a manager left by the application's own exception is a success: the model did not fail."""
    server.script(CHAT)
    with pytest.raises(OwnError), helpers(wrapped).stream(**ASKED) as events:
        for event in events:
            if event.type == "content.delta" and event.delta:
                raise OwnError
    assert told_by_now(recorded) == LEFT


async def test_an_exception_of_the_applications_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA11: the async manager likewise."""
    server.script(CHAT)
    with pytest.raises(OwnError):
        async with helpers(async_wrapped).stream(**ASKED) as events:
            async for event in events:
                if event.type == "content.delta" and event.delta:
                    raise OwnError
    assert told_by_now(recorded) == LEFT


def test_never_entered(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a manager that is never entered makes no request, and records nothing at all."""
    helpers(wrapped).stream(**ASKED)
    gc.collect()
    assert server.requests == []
    assert told(recorded) == []


def test_cut(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a connection cut inside a manager is an error, though the SDK closes the response before it raises."""
    server.script(CUT)
    with pytest.raises(PROVIDER_ERRORS), helpers(wrapped).stream(**ASKED) as events:
        list(events)
    assert told(recorded) == [duration(), first_token(), ERROR]


async def test_cut_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA11: the async manager likewise."""
    server.script(CUT)
    with pytest.raises(PROVIDER_ERRORS):
        async with helpers(async_wrapped).stream(**ASKED) as events:
            _ = [event async for event in events]
    assert told(recorded) == [duration(), first_token(), ERROR]


@pytest.mark.parametrize("by_next", [False, True], ids=["for", "next"])
def test_the_response_is_closed(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, by_next: bool
) -> None:
    """OA11: closing the response of a stream that is between two chunks ends the run, as closing the stream does."""
    server.script(CHAT)
    stream: Any = wrapped.chat.completions.create(**STREAMED)
    chunks_ = stream if by_next else iter(stream)
    next(chunks_)
    next(chunks_)
    stream.response.close()
    assert told_by_now(recorded) == LEFT
    stream.close()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("by_next", [False, True], ids=["for", "next"])
async def test_an_async_stream_is_cut(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, by_next: bool
) -> None:
    """OA11: what reads sees for itself that a stream failed, by a loop or by `anext`."""
    server.script(CUT)
    stream: Any = await async_wrapped.chat.completions.create(**STREAMED)
    with pytest.raises(PROVIDER_ERRORS):
        while by_next:
            await anext(stream)
        async for _ in stream:
            pass
    assert told(recorded) == [duration(), first_token(), ERROR]


def test_nothing_keeps_the_response(server: ScriptedOpenAI, wrapped: OpenAI) -> None:
    """OA11: what is overridden on the response keeps neither it nor the stream alive."""
    server.script(CHAT)
    stream: Any = wrapped.chat.completions.create(**STREAMED)
    list(stream)
    gone = weakref.ref(stream)
    gc.collect()
    gc.disable()
    try:
        del stream
        assert gone() is None
    finally:
        gc.enable()
