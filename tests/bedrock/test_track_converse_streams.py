"""`track_bedrock_converse_metrics` with streams of all kinds."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EventStreamError

from ldai_bedrock import track_bedrock_converse_metrics, track_bedrock_converse_metrics_async
from tests.bedrock.expected import ASKED, HELLO, INVOKED, read_all
from tests.expected import (
    ANSWERED,
    FAILED_LATE,
    LEFT,
    READ,
    SUCCESS,
    TOKENS,
    TOOL_CALL,
    UNREAD,
    told,
    told_by_now,
    turns,
)
from tests.servers.bedrock import Events, ScriptedBedrock, events, tool_use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

EVENTS = [{name: content} for name, content in events("Hel", "lo")]


def response_of(client: Any) -> Any:
    """Take the stream out of the response that is measured."""
    return lambda track: track(lambda: client.converse_stream(**ASKED))["stream"]


def stream_of(client: Any) -> Any:
    """Measure the stream itself, which the function returns."""
    return lambda track: track(lambda: client.converse_stream(**ASKED)["stream"])


STREAMS = pytest.mark.parametrize("ask", [response_of, stream_of])


@pytest.fixture
def track(config: AIConfig) -> Callable[..., Any]:
    """Measure with a tracker of its own."""
    return lambda func: track_bedrock_converse_metrics(config.create_tracker(), func)


@STREAMS
def test_read_to_its_end(ask: Any, client: Any, track: Any, recorded: RecordingClient) -> None:
    """R29, BR1: a stream is measured to its end: in the response, or by itself."""
    stream = ask(client)(track)
    assert told(recorded) == []
    assert list(stream) == EVENTS
    assert told_by_now(recorded) == READ
    stream.close()
    assert told(recorded) == READ


@STREAMS
def test_broken_off(ask: Any, client: Any, track: Any, recorded: RecordingClient) -> None:
    """R29, BR1: broken off: a success, at the break; resumed, the tokens are told."""
    stream = ask(client)(track)
    for event in stream:
        if "contentBlockDelta" in event:
            break
    assert told_by_now(recorded) == LEFT
    list(stream)
    assert told(recorded) == [*LEFT, *TOKENS]


@STREAMS
@pytest.mark.parametrize("leave", [lambda stream: stream.close(), lambda stream: None])
def test_left_unread(ask: Any, leave: Any, client: Any, track: Any, recorded: RecordingClient) -> None:
    """R29, BR1: closed or dropped unread: a success."""
    stream = ask(client)(track)
    leave(stream)
    del stream
    gc.collect()
    assert told(recorded) == UNREAD


@STREAMS
def test_failed(ask: Any, server: ScriptedBedrock, client: Any, track: Any, recorded: RecordingClient) -> None:
    """R27, BR5: failed on its way: an error, with the first token that was seen; the exception goes on."""
    server.script(Events(events("Hel", "lo")[:2], exception=("throttlingException", "Too many")))
    with pytest.raises(EventStreamError, match="Too many"):
        list(ask(client)(track))
    assert told_by_now(recorded) == FAILED_LATE


async def test_async_streams(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29, BR16: an async stream, in the response or by itself, read or broken off."""

    async def ask() -> Any:
        return (await async_client.converse_stream(**ASKED))["stream"]

    stream = await track_bedrock_converse_metrics_async(config.create_tracker(), ask)
    assert await read_all(stream) == EVENTS
    assert told_by_now(recorded) == READ
    stream = await track_bedrock_converse_metrics_async(config.create_tracker(), ask)
    async for event in stream:
        if "contentBlockDelta" in event:
            break
    await turns()
    assert told_by_now(recorded) == [*READ, *LEFT]


def test_a_stream_of_invoke_model(client: Any, track: Any, recorded: RecordingClient) -> None:
    """R29, BR8: the stream in a response of `invoke_model_with_response_stream` is measured as the response is."""
    assert len(list(track(lambda: client.invoke_model_with_response_stream(**INVOKED))["body"])) == 7
    assert told_by_now(recorded) == READ
    assert len(list(track(lambda: client.invoke_model_with_response_stream(**INVOKED)["body"]))) == 7
    assert told_by_now(recorded) == READ + READ


@pytest.mark.parametrize("read", [lambda body: body.read(), b"".join])
def test_a_body_by_itself(client: Any, track: Any, recorded: RecordingClient, read: Callable[[Any], bytes]) -> None:
    """R29, BR7: the body in a response of `invoke_model` is measured by itself too, without its headers."""
    body = track(lambda: client.invoke_model(**INVOKED)["body"])
    assert told(recorded) == []
    assert read(body) == HELLO
    del body
    assert told(recorded) == ANSWERED


def test_a_generator(track: Any, recorded: RecordingClient) -> None:
    """R29: a generator of events stands for a stream: by itself, or in a response."""

    def stream() -> Iterator[Any]:
        yield from EVENTS

    assert list(track(stream)) == EVENTS
    assert told_by_now(recorded) == READ
    assert list(track(lambda: {"stream": stream()})["stream"]) == EVENTS
    assert told_by_now(recorded) == READ + READ
    for _ in track(lambda: iter(EVENTS)):
        break
    assert told(recorded) == READ + READ + UNREAD


def test_a_generator_that_fails(track: Any, recorded: RecordingClient) -> None:
    """R27: what a generator raises is an error, and goes on."""
    error = RuntimeError("scripted")

    def stream() -> Iterator[Any]:
        yield from EVENTS[:2]
        raise error

    with pytest.raises(RuntimeError) as caught:
        list(track(stream))
    assert caught.value is error
    assert told_by_now(recorded) == FAILED_LATE


def test_a_generator_with_tool_calls(track: Any, recorded: RecordingClient) -> None:
    """R29, BR10: the tools that a generator's events ask for are counted."""
    calls = tool_use("search", "{}")
    list(track(lambda: ({name: content} for name, content in events(calls, stop_reason="tool_use"))))
    assert told_by_now(recorded) == [*READ, TOOL_CALL]


async def test_an_async_generator(config: AIConfig, recorded: RecordingClient) -> None:
    """R29: so does an async generator, returned or awaited."""

    async def stream() -> AsyncIterator[Any]:
        for event in EVENTS:
            yield event

    async def ask() -> Any:
        return stream()

    async def ask_for_a_response() -> Any:
        return {"stream": stream()}

    assert await read_all(track_bedrock_converse_metrics(config.create_tracker(), stream)) == EVENTS
    assert await read_all(await track_bedrock_converse_metrics_async(config.create_tracker(), ask)) == EVENTS
    response = await track_bedrock_converse_metrics_async(config.create_tracker(), ask_for_a_response)
    assert await read_all(response["stream"]) == EVENTS
    assert told_by_now(recorded) == READ * 3


def test_a_list(track: Any, recorded: RecordingClient) -> None:
    """R29: a list of events is no stream: it is handed on itself, a success."""
    assert track(lambda: EVENTS) is EVENTS
    assert told_by_now(recorded) == UNREAD


def test_a_list_in_a_response(track: Any, recorded: RecordingClient) -> None:
    """R29: in the place of a response's stream it stays what it is, whatever it is recorded as."""
    stream = track(lambda: {"stream": EVENTS})["stream"]
    assert list(stream) == EVENTS
    assert (stream[0], len(stream), stream == EVENTS) == (EVENTS[0], 6, True)
    del stream
    assert told(recorded)[-len(TOKENS) - 1 :][:1] in ([SUCCESS], UNREAD[-1:])
