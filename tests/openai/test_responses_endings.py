"""Streams of the Responses API over a real socket: every way out of one, and of a `stream()` manager."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.openai.expected import (
    FAILED,
    FAILED_LATE,
    LEFT,
    PROVIDER_ERRORS,
    TOKENS,
    UNREAD,
    read_all,
    told,
    told_by_now,
    turns,
)
from tests.servers.openai import ScriptedOpenAI, Stream
from tests.servers.responses import events, response_stream

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, whose overloads tell streams apart by a literal.
ASKED: Any = {"model": "gpt-4o", "input": "Hi"}
STREAMED: Any = {**ASKED, "stream": True}


def read_text(stream: Any, error: Exception | None = None) -> None:
    """Break off at the first text, or raise there."""
    for event in stream:
        if event.type == "response.output_text.delta":
            if error is not None:
                raise error
            break


def test_break(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA6: a break is a success with what was seen, reported at once and once; resumed, the tokens follow."""
    server.script(response_stream())
    stream = wrapped.responses.create(**STREAMED)
    read_text(stream)
    assert told_by_now(recorded) == LEFT
    list(stream)
    assert told_by_now(recorded) == [*LEFT, *TOKENS]
    stream.close()
    del stream
    assert told(recorded) == [*LEFT, *TOKENS]


async def test_break_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1, OA6: likewise, within a few turns of the event loop."""
    server.script(response_stream())
    stream: Any = await async_wrapped.responses.create(**STREAMED)
    async for event in stream:
        if event.type == "response.output_text.delta":
            break
    await turns()
    assert told_by_now(recorded) == LEFT
    await stream.close()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("way", ["with", "close", "drop", "raise", "response"])
def test_left(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, way: str) -> None:
    """OA1, OA6: left by `with`, closed, dropped, or by an exception of the application's: a success, one record."""
    server.script(response_stream(stall_after=5))
    stream: Any = wrapped.responses.create(**STREAMED)
    if way == "with":
        with stream:
            read_text(stream)
    elif way == "raise":
        with pytest.raises(ZeroDivisionError):
            read_text(stream, ZeroDivisionError())
    else:
        for _ in range(5):
            next(stream)
        assert told(recorded) == []
        if way != "drop":
            (stream if way == "close" else stream.response).close()
    del stream
    assert told(recorded) == LEFT


@pytest.mark.parametrize("streamed_status", ["queued", "in_progress"])
def test_left_before_output(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, streamed_status: str
) -> None:
    """OA6: a response in the foreground is not waited for, though it was queued or in progress when it was left."""
    server.script(response_stream(queued=streamed_status == "queued"))
    for event in wrapped.responses.create(**STREAMED):
        if event.type == f"response.{streamed_status}":
            break
    assert told(recorded) == UNREAD


@pytest.mark.parametrize(("cut_after", "expected"), [(0, FAILED), (2, FAILED), (5, FAILED_LATE)])
def test_cut(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, cut_after: int, expected: Any) -> None:
    """OA1: a connection that is cut is an error."""
    server.script(response_stream(cut_after=cut_after))
    with pytest.raises(PROVIDER_ERRORS):
        list(wrapped.responses.create(**STREAMED))
    assert told(recorded) == expected


ERROR_EVENT = {"type": "error", "code": "server_error", "message": "overloaded", "param": None, "sequence_number": 5}


@pytest.mark.parametrize("by_next", [False, True], ids=["for", "next"])
def test_error_event(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, by_next: bool) -> None:
    """OA1, OA8: an `error` event is an error, which the SDK hands on and does not raise."""
    server.script(Stream([*events()[:5], ERROR_EVENT], done=False))
    stream = wrapped.responses.create(**STREAMED)
    received = [next(stream) for _ in range(6)] + list(stream) if by_next else list(stream)
    assert "overloaded" in received[-1].model_dump_json()
    assert told(recorded) == FAILED_LATE


async def test_error_event_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1, OA8: likewise."""
    server.script(Stream([*events()[:5], ERROR_EVENT], done=False))
    received = await read_all(await async_wrapped.responses.create(**STREAMED))
    assert "overloaded" in received[-1].model_dump_json()
    assert told(recorded) == FAILED_LATE


def test_an_error_in_the_place_of_an_event(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA7: what the SDK does raise is an error, too, and the same object goes on."""
    server.script(response_stream(error={"message": "overloaded"}))
    with pytest.raises(openai.APIError, match="overloaded"):
        list(wrapped.responses.create(**STREAMED))
    assert told(recorded)[:3] == FAILED_LATE
