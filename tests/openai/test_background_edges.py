"""OA9: responses in the background when asking for them goes wrong, or is left early, or is done by two at once."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.resources.responses import Responses

from tests.openai.expected import (
    ANSWERED,
    FAILED,
    PROVIDER_ERRORS,
    READ,
    told,
    told_by_now,
    turns,
)
from tests.servers.openai import FOREVER_S, Answer, Failure, ScriptedOpenAI, Step, Stream
from tests.servers.responses import background_stream, response

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, which has not always known `background`.
BACKGROUND: Any = {"model": "gpt-4o", "input": "Hi", "extra_body": {"background": True}}
STREAMED: Any = {**BACKGROUND, "stream": True}

resumes = pytest.mark.skipif(
    "starting_after" not in inspect.signature(Responses.retrieve).parameters,
    reason="this openai cannot resume a stream",
)
helps_to_resume = pytest.mark.skipif(
    "starting_after" not in inspect.signature(Responses.stream).parameters, reason="this openai's helper cannot resume"
)

QUEUED = Answer(response(status="queued", background=True))
IN_PROGRESS = Answer(response(status="in_progress", background=True))
COMPLETED = Answer(response(background=True))
WHOLE = background_stream()
LATE = Answer(COMPLETED.content, delay_s=FOREVER_S)
NO_OBJECT: Any = "<html>Bad gateway</html>"

FAILURES: dict[str, tuple[Step, type[Exception] | None]] = {
    "not found": (Failure(404), openai.NotFoundError),
    "broken": (Failure(500), openai.InternalServerError),
    "late": (LATE, openai.APITimeoutError),
    "an error with status 200": (Answer({"error": {"message": "overloaded"}}), None),
    "a page with status 200": (Answer(NO_OBJECT), None),
    "an empty object": (Answer({}), None),
    "no status": (Answer(response(status="queued") | {"status": None}), None),
}


@pytest.mark.parametrize("raw", [False, True], ids=["plain", "raw"])
@pytest.mark.parametrize("why", FAILURES)
def test_polling_fails(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, why: str, raw: bool) -> None:
    """A request that does not tell how the response ended leaves it pending, and is no failure of the response."""
    step, error = FAILURES[why]
    responses: Any = wrapped.responses.with_raw_response if raw else wrapped.responses
    server.script(QUEUED, step, COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    if error is None:
        responses.retrieve("resp_1", timeout=0.5)
    else:
        with pytest.raises(error):
            responses.retrieve("resp_1", timeout=0.5)
    assert told(recorded) == []
    responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


async def test_polling_is_cancelled(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """A poll that the application cancels leaves the response pending."""
    server.script(QUEUED, LATE, COMPLETED)
    await async_wrapped.responses.create(**BACKGROUND)
    poll = asyncio.create_task(async_wrapped.responses.retrieve("resp_1"))
    await asyncio.to_thread(server.wait_for_request, 2)
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll
    assert told(recorded) == []
    await async_wrapped.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_create_fails(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, streamed: bool) -> None:
    """OA7: a `create` that fails is an error: there is no response to wait for."""
    server.script(Failure(400))
    with pytest.raises(openai.BadRequestError):
        wrapped.responses.create(**(STREAMED if streamed else BACKGROUND))
    assert told(recorded) == FAILED


WAYS = ["break", "close", "drop", "with", "raise", "cut", "stall", "error in its place"]


def leave(stream: Any, way: str) -> None:
    """Leave the stream at its first text, or read on until it fails."""
    reached = (event for event in stream if event.type == "response.output_text.delta")
    if way == "break":
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    elif way == "with":
        with stream:
            next(reached)
    elif way == "raise":
        with pytest.raises(ZeroDivisionError), stream:
            raise ZeroDivisionError
    elif way in ("close", "drop"):
        while next(stream).type != "response.output_text.delta":
            pass
        if way == "close":
            stream.close()
    else:
        with pytest.raises(PROVIDER_ERRORS):
            list(stream)


def script_for(way: str) -> Stream:
    """Make a stream that can be left in this way."""
    options: dict[str, dict[str, Any]] = {
        "cut": {"cut_after": 6},
        "stall": {"stall_after": 6},
        "error in its place": {"error": {"message": "overloaded"}},
    }
    events_ = WHOLE.chunks[:6] if way == "error in its place" else WHOLE.chunks
    return Stream(events_, done=False, **options.get(way, {}))


@pytest.mark.parametrize("way", WAYS)
def test_stream_is_left(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, way: str) -> None:
    """A stream that ends before its response does reports nothing, however it ends; polling completes the run."""
    server.script(script_for(way), IN_PROGRESS, COMPLETED)
    stream: Any = wrapped.responses.create(**STREAMED, timeout=0.5)
    if way == "raise":
        next(stream)
    leave(stream, way)
    del stream
    assert told(recorded) == []
    for _ in range(2):
        wrapped.responses.retrieve("resp_1")
    assert told(recorded) == (ANSWERED if way == "raise" else READ)


@resumes
@pytest.mark.parametrize("way", WAYS)
def test_resumed_stream_is_left(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, way: str) -> None:
    """A stream that was taken up again, likewise."""
    server.script(QUEUED, script_for(way), COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    stream: Any = wrapped.responses.retrieve("resp_1", stream=True, timeout=0.5)
    leave(stream, way)
    del stream
    assert told(recorded) == []
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == (ANSWERED if way == "raise" else READ)


async def test_stream_is_cancelled(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """A task that is cancelled while it waits for the stream leaves the response pending."""
    server.script(script_for("stall"), COMPLETED)
    stream: Any = await async_wrapped.responses.create(**STREAMED)
    seen = asyncio.Event()

    async def consume() -> None:
        async for event in stream:
            if event.type == "response.output_text.delta":
                seen.set()

    task = asyncio.create_task(consume())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    assert told(recorded) == []
    await async_wrapped.responses.retrieve("resp_1")
    assert told(recorded) == READ


@helps_to_resume
@pytest.mark.parametrize("broken_off", [False, True])
def test_manager(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, broken_off: bool) -> None:
    """OA11: `stream(response_id=...)` takes a response up again; broken off, it leaves the response pending."""
    server.script(QUEUED, background_stream(), COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    with wrapped.responses.stream(response_id="resp_1", starting_after=2) as stream:
        for event in stream:
            assert event.sequence_number > 2
            if broken_off and event.type == "response.output_text.delta":
                break
        assert told_by_now(recorded) == ([] if broken_off else READ)
    assert told(recorded) == ([] if broken_off else READ)
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == READ


def test_raw(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA10: raw responses are read just as well, before the application parses them or not."""
    raw = wrapped.responses.with_raw_response
    server.script(QUEUED, IN_PROGRESS, COMPLETED)
    assert raw.create(**BACKGROUND).parse().status == "queued"
    raw.retrieve("resp_1")
    assert told(recorded) == []
    retrieved = raw.retrieve("resp_1")
    assert told(recorded) == ANSWERED
    assert retrieved.parse().status == "completed"
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("read", [False, True], ids=["unread", "read"])
def test_raw_and_unread(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, read: bool) -> None:
    """OA10: an answer whose body the application does not read tells nothing."""
    server.script(QUEUED, COMPLETED, COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    with wrapped.responses.with_streaming_response.retrieve("resp_1") as raw:
        if read:
            raw.read()
    assert told(recorded) == (ANSWERED if read else [])
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED
