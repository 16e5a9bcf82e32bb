"""The table of endings, over a real socket, with aiobotocore: what an application does with a call and its stream."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import ASKED, HELLO, PIECES, REQUESTS, STALLING, read_all
from tests.expected import ANSWERED, LEFT, READ, SUCCESS, TOKENS, UNREAD, told, told_by_now, turns
from tests.servers.bedrock import ScriptedBedrock, invoke_chunks, invoke_events

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

STREAMED = ("converse_stream", "invoke_model_with_response_stream")
# The place of the first text, and the record when the consumer leaves there: Anthropic's own counts come before it.
FIRST_TEXT = {"converse_stream": 1, "invoke_model_with_response_stream": 2}
LEFT_AT_TEXT = {
    "converse_stream": LEFT,
    "invoke_model_with_response_stream": [
        *LEFT,
        ("$ld:ai:tokens:total", 91),
        ("$ld:ai:tokens:input", 90),
        ("$ld:ai:tokens:output", 1),
    ],
}
STALLS = {
    "converse_stream": STALLING,
    "invoke_model_with_response_stream": invoke_events(invoke_chunks("Hel", "lo"), stall_after=3),
}
each_stream = pytest.mark.parametrize("operation", STREAMED)


class OwnError(Exception):
    """The application's own."""


class Holder:
    """Holds a stream, in a circle of references if told to, which only a garbage collection undoes."""

    def __init__(self, stream: Any, *, circular: bool) -> None:
        self.stream = stream
        self.myself = self if circular else None


async def begin(client: Any, operation: str) -> Any:
    """Ask for a stream."""
    return (await getattr(client, operation)(**REQUESTS[operation]))[PIECES[operation]]


async def read_to_text(stream: Any, operation: str, error: Exception | None = None) -> None:
    """Read by a loop that is left at the first text, by a break or by an error of the consumer's own."""
    seen = 0
    async for _ in stream:
        seen += 1
        if seen > FIRST_TEXT[operation]:
            if error is not None:
                raise error
            break


async def test_a_response(async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR1, BR16: a response of Converse is a success with its tokens, and has no time to first token."""
    assert (await async_wrapped.converse(**ASKED))["stopReason"] == "end_turn"
    assert told_by_now(recorded) == ANSWERED


async def test_a_body(async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR1, BR16: so is the body of InvokeModel, when it has been read."""
    response = await async_wrapped.invoke_model(**REQUESTS["invoke_model"])
    assert told(recorded) == []
    assert await response["body"].read() == HELLO
    assert told_by_now(recorded) == ANSWERED
    response["body"].close()
    assert told(recorded) == ANSWERED


@each_stream
async def test_read_to_its_end(async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1, BR16: a stream that is read is one record, at its end: closed twice, read again or dropped after it."""
    stream = await begin(async_wrapped, operation)
    assert told(recorded) == []
    assert len(await read_all(stream)) > 3
    assert told_by_now(recorded) == READ
    stream.close()
    stream.close()
    with suppress(Exception):  # what reading on gives is aiohttp's own business
        assert await read_all(stream) == []
    del stream
    gc.collect()
    assert told(recorded) == READ


@each_stream
async def test_broken_off(async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1, BR16: a loop that is broken off is seen within a few turns of the event loop, the stream still held."""
    stream = await begin(async_wrapped, operation)
    await read_to_text(stream, operation)
    await turns()
    assert told_by_now(recorded) == LEFT_AT_TEXT[operation]
    stream.close()
    del stream
    assert told(recorded) == LEFT_AT_TEXT[operation]


@each_stream
async def test_left_by_aclosing(async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1, BR16: a loop whose iterator is closed is seen at once."""
    stream = await begin(async_wrapped, operation)
    async with aclosing(aiter(stream)) as loop:
        await read_to_text(loop, operation)
        assert told(recorded) == []
    assert told_by_now(recorded) == LEFT_AT_TEXT[operation]


async def test_resumed(async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR12, BR16: a loop goes on where the last one stopped; then the tokens are told, and nothing else."""
    stream = await begin(async_wrapped, "converse_stream")
    await read_to_text(stream, "converse_stream")
    await turns()
    assert told_by_now(recorded) == LEFT
    rest = await read_all(stream)
    assert [next(iter(event)) for event in rest] == [
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert told_by_now(recorded) == [*LEFT, *TOKENS]


@each_stream
async def test_own_exception(async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1, BR16: an error of the consumer's own in a loop is a success, and goes on."""
    error = OwnError()
    with pytest.raises(OwnError) as caught:
        await read_to_text(await begin(async_wrapped, operation), operation, error)
    assert caught.value is error
    error.__traceback__ = None  # which holds the stream
    del caught
    gc.collect()
    await turns()
    assert told(recorded) == LEFT_AT_TEXT[operation]


@each_stream
@pytest.mark.parametrize("closes", [1, 2])
async def test_closed(async_wrapped: Any, recorded: RecordingClient, operation: str, closes: int) -> None:
    """BR1, BR16: `close()` is no coroutine, and ends the record at once; a second one does nothing."""
    stream = await begin(async_wrapped, operation)
    loop = aiter(stream)
    for _ in range(FIRST_TEXT[operation] + 1):
        await anext(loop)
    for _ in range(closes):
        assert stream.close() is None
    assert told_by_now(recorded) == LEFT_AT_TEXT[operation]
    del loop, stream
    await turns()
    assert told(recorded) == LEFT_AT_TEXT[operation]


@each_stream
async def test_read_after_the_closing(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient, operation: str
) -> None:
    """BR5, BR16: what reading on gives after the user's own `close()` is as without us, and is no error."""
    outcomes = []
    for client in (async_client, wrap_bedrock(async_client, config)):
        server.script(STALLS[operation])
        stream = await begin(client, operation)
        loop = aiter(stream)
        await anext(loop)
        stream.close()
        try:
            outcomes.append(repr(await read_all(loop)))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
            outcomes.append(repr(error))
    assert outcomes[0] == outcomes[1]
    assert told(recorded)[1] == SUCCESS
    assert len(recorded.runs) == 1


async def test_closed_while_it_is_read(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR5, BR16: a stream that is closed while another task waits for its next event is a success; the task fails."""
    server.script(STALLING)
    stream = await begin(async_wrapped, "converse_stream")
    seen = asyncio.Event()

    async def consume() -> None:
        async for event in stream:
            if "contentBlockDelta" in event:
                seen.set()

    task = asyncio.create_task(consume())
    await seen.wait()
    await turns()
    stream.close()
    with suppress(Exception):  # what closing does to a socket that is read is the HTTP stack's own business
        await asyncio.wait_for(task, 5)
    assert told(recorded) == LEFT


@each_stream
@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("begun", [False, True])
async def test_dropped(
    async_wrapped: Any, recorded: RecordingClient, operation: str, circular: bool, begun: bool
) -> None:
    """BR1, BR16: a stream that is dropped, read in part or never, is a success, with what was seen."""
    holder = Holder(await begin(async_wrapped, operation), circular=circular)
    if begun:
        loop = aiter(holder.stream)
        for _ in range(FIRST_TEXT[operation] + 1):
            await anext(loop)
        del loop
    elif not circular:
        assert told(recorded) == []
    del holder
    gc.collect()
    await turns()
    assert told(recorded) == (LEFT_AT_TEXT[operation] if begun else UNREAD)


@each_stream
async def test_closed_unread(async_wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1, BR16: a stream that is closed and was never read is a success without a first token."""
    stream = await begin(async_wrapped, operation)
    stream.close()
    assert told_by_now(recorded) == UNREAD
