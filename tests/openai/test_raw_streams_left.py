"""Raw streams, from both kinds of client, that are left, closed by others, or a part of something greater."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from ldai_core import Run
from ldai_openai import wrap_openai
from tests.openai.expected import (
    FAILED_LATE,
    LEFT,
    READ,
    STREAMED,
    SUCCESS,
    TOOL_CALL,
    UNREAD,
    duration,
    first_token,
    helpers,
    tokens,
    told,
    told_by_now,
    turns,
)
from tests.openai.raw import (  # noqa: F401  # pytest finds them here
    COUNTED_CHAT,
    Pieces,
    RawServer,
    each,
    either_fixture,
    entered,
    measured_fixture,
    server_fixture,
    sse,
    value,
)
from tests.openai.scenarios import REQUESTS
from tests.servers.openai import Failure, Stream, chunks, tool_call
from tests.servers.responses import function_call, hosted_call, message, response_stream

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

STALLING = Pieces(pieces=[sse(*COUNTED_CHAT[:2], done=False)], stall=True)
BYTES = ["iter_bytes", "iter_text", "iter_lines"]


class OwnError(Exception):
    """The application's own."""


def streaming(client: Any) -> Any:
    """Make the manager of a raw stream."""
    return client.chat.completions.with_streaming_response.create(**STREAMED)


@pytest.mark.parametrize("how", [*BYTES, "parse"])
async def test_broken_off(server: RawServer, measured: Any, recorded: RecordingClient, how: str) -> None:
    """OA1, OA6: a broken loop is reported at the break, before its `with` ends, while the response is referenced."""
    server.script(STALLING)
    async with entered(streaming(measured)) as raw:
        items = await value(getattr(raw, how)())
        if hasattr(items, "__aiter__"):
            async for item in items:
                if "Hel" in str(item):
                    break
            del items
            await turns()
            await turns()  # a loop over loops, each of which the event loop closes in its turn
        else:
            loop = iter(items)
            while "Hel" not in str(next(loop)):
                pass
            del loop, items
        assert told_by_now(recorded) == LEFT
    assert await asyncio.to_thread(server.requests[0].gone.wait, 5)
    assert told(recorded) == LEFT


@pytest.mark.parametrize("how", ["lines", "parsed", "manager"])
@pytest.mark.parametrize("error", [None, OwnError()], ids=["closed", "left by an exception"])
async def test_closed_by_another_task(
    server: RawServer,
    async_client: openai.AsyncOpenAI,
    config: AIConfig,
    recorded: RecordingClient,
    how: str,
    error: OwnError | None,
) -> None:
    """OA16: closed by its application while another task waits for more, it is a success: the model did not fail."""
    server.script(STALLING)
    wrapped = wrap_openai(async_client, config)
    seen = asyncio.Event()

    async def go_through(items: Any) -> None:
        async for item in items:
            if "Hel" in str(item):
                seen.set()

    opened_by = helpers(wrapped).stream(**REQUESTS["chat"]) if how == "manager" else streaming(wrapped)
    reading: asyncio.Task[None] | None = None
    with suppress(OwnError):
        async with opened_by as opened:
            items = opened if how == "manager" else await opened.parse() if how == "parsed" else opened.iter_lines()
            reading = asyncio.create_task(go_through(items))
            await seen.wait()
            await turns()
            if error is not None:
                raise error
            await opened.close()
    assert reading is not None
    with suppress(Exception):  # what closing does to a socket that is read is the HTTP stack's own business
        await asyncio.wait_for(reading, 5)
    assert told(recorded) == LEFT


def test_closed_by_another_thread(
    server: RawServer, client: openai.OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA16: closed by one thread while another waits for more, it is one record, and a success."""
    server.script(STALLING)
    raw = streaming(wrap_openai(client, config)).__enter__()
    waiting = threading.Event()

    def go_through() -> None:
        with suppress(Exception):  # likewise
            for line in raw.iter_lines():
                if "Hel" in line:
                    waiting.set()

    reader = threading.Thread(target=go_through)
    reader.start()
    assert waiting.wait(5)
    for _ in range(2):
        raw.close()
    server.__exit__(None, None, None)  # which ends the reading, if the closing has not
    reader.join(30)
    assert not reader.is_alive()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("how", [*BYTES, "parse"])
async def test_own_exception(server: RawServer, measured: Any, recorded: RecordingClient, how: str) -> None:
    """OA1: the application's own exception, on its way through the loop and the `with`, is a success, and goes on."""
    server.script(STALLING)
    error = OwnError()

    async def consume() -> None:
        async with entered(streaming(measured)) as raw:
            async for item in each(await value(getattr(raw, how)())):
                if "Hel" in str(item):
                    raise error

    with pytest.raises(OwnError) as caught:
        await consume()
    assert caught.value is error
    await turns()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("how", [*BYTES, "read", "parse"])
async def test_timed_out(server: RawServer, measured: Any, recorded: RecordingClient, how: str) -> None:
    """OA7: a stream that stalls for longer than its client waits is an error."""
    server.script(STALLING)
    async with entered(streaming(measured.with_options(timeout=0.5))) as raw:
        with pytest.raises(Exception, match=r"timed out|^$"):
            got = await value(getattr(raw, how)())
            _ = [item async for item in each(got)]
    assert told(recorded) == FAILED_LATE


@pytest.mark.parametrize("held", [False, True], ids=["dropped", "in its with"])
async def test_parsed_and_never_iterated(
    server: RawServer, measured: Any, recorded: RecordingClient, held: bool
) -> None:
    """OA1: a stream that is parsed and not gone through is a success, and no more."""
    server.script(STALLING)
    raw = await value(measured.chat.completions.with_raw_response.create(**STREAMED))
    stream = raw.parse()
    assert stream is raw.parse()
    if held:
        async with entered(stream) as same:
            assert same is stream
        assert told_by_now(recorded) == UNREAD
    del raw, stream
    gc.collect()
    assert told(recorded) == UNREAD


async def test_parsed_twice(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA10: parsed once more, into a class that is asked for, a body is one record, and a tool call is one."""
    server.script(Stream(chunks("Hel", {"function_call": {"name": "search", "arguments": ""}}), usage=(9, 3)))
    raw = await value(measured.chat.completions.with_raw_response.create(**STREAMED))
    kind: Any = openai.AsyncStream if isinstance(measured, openai.AsyncOpenAI) else openai.Stream
    first, second = raw.parse(), raw.parse(to=kind[ChatCompletionChunk])
    assert first is not second
    assert isinstance(second, kind)
    assert len([chunk async for chunk in each(first)]) == 4
    assert told(recorded) == [*READ, TOOL_CALL]


async def test_first_token(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA5: of a raw stream, too, the first token is the first output, which a role and an empty piece are not."""
    server.script(Stream(chunks("", "Hello"), usage=(9, 3), pauses_s={2: 0.15, 3: 0.5}))
    async with entered(streaming(measured)) as raw:
        assert [line async for line in each(raw.iter_lines())][-2:] == ["data: [DONE]", ""]
    assert told(recorded) == [duration(650), first_token(150), SUCCESS, *tokens(9, 3)]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 250  # of 500


async def test_tool_calls(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA13: tool calls once each, parallel and in fragments, of either API, to who reads the lines."""
    called = [*tool_call("search", "{", "}"), *tool_call("look", "{}", id="call_2", index=1)]
    server.script(
        Stream(chunks(*called), usage=(9, 3)),
        response_stream(function_call("search", "{}"), hosted_call("web_search_call"), message("Hi")),
    )
    for manager in (
        streaming(measured),
        measured.responses.with_streaming_response.create(**REQUESTS["responses"], stream=True),
    ):
        async with entered(manager) as raw:
            _ = [line async for line in each(raw.iter_lines())]
    assert told(recorded) == [*READ, TOOL_CALL, TOOL_CALL] * 2
    assert [run.tool_calls for run in recorded.runs] == [("search", "look"), ("search", "web_search")]


async def test_a_refusal_of_stream_options(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA4: what is refused is sent once more without, in a raw form as well, and by later copies not asked again."""
    server.script(Failure(422, "stream_options: extra fields not permitted"), *[Stream(chunks("Hel", "lo"))] * 2)
    for client in (measured, measured.with_options(timeout=9)):
        async with entered(streaming(client)) as raw:
            assert len([item async for item in each(await value(raw.parse()))]) == 4
    assert [request.asks_for_usage for request in server.requests] == [True, False, False]
    assert told(recorded) == LEFT * 2


async def test_in_a_run(server: RawServer, either: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """OA19: raw forms are parts of a run like any other, which waits for a stream that outlives it."""
    with Run(config) as run:
        agent = wrap_openai(either, run)
        await value(agent.chat.completions.with_raw_response.create(**{**STREAMED, "stream": False}))
        raw = await value(agent.chat.completions.with_raw_response.create(**STREAMED))
    assert told(recorded) == []
    assert len([chunk async for chunk in each(raw.parse())]) == 4
    assert told(recorded) == [duration(), SUCCESS, *tokens(18, 6)]
