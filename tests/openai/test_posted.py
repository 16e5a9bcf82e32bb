"""Requests that the application makes by `client.post` and `client.get`, without the SDK's methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai import Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.openai.expected import ANSWERED, ASKED, FAILED, READ, STREAMED, TOKENS, UNREAD, told, told_by_now
from tests.servers.openai import Answer, ScriptedOpenAI, chunks
from tests.servers.openai import Stream as Chunks
from tests.servers.responses import response

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

COUNTED: Any = {**STREAMED, "stream_options": {"include_usage": True}}


async def test_a_posted_request_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """A request by `client.post` is a generation like any other, in whatever form its answer is wanted."""
    for cast_to in (ChatCompletion, object):
        answer: Any = await async_wrapped.post("/chat/completions", cast_to=cast_to, body=ASKED)
        assert (answer["id"] if isinstance(answer, dict) else answer.id) == "chatcmpl-1"
    assert told(recorded) == ANSWERED * 2


@pytest.mark.parametrize("cast_to", [ChatCompletion, object, str, bytes], ids=str)
@pytest.mark.parametrize("path", ["/chat/completions", "chat/completions", "/chat/completions?tenant=acme"])
def test_a_posted_request(
    cast_to: Any, path: str, server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient
) -> None:
    """A request by `client.post`: likewise, and at whatever address it is known by."""
    answer: Any = wrapped.post(path, cast_to=cast_to, body=ASKED)
    assert type(answer) is (dict if cast_to not in {ChatCompletion, str, bytes} else cast_to)
    assert server.requests[0].body == ASKED
    assert told_by_now(recorded) == ANSWERED


def test_a_whole_address(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A request to a whole address is the same request."""
    wrapped.post(f"{server.base_url}/chat/completions", cast_to=object, body=ASKED)
    wrapped.post(f"{server.base_url}/responses", cast_to=object, body={"model": "m", "input": "Hi"})
    assert told_by_now(recorded) == ANSWERED * 2


def test_a_posted_http_response(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A request that wants the HTTP response is measured by the body of that, which stays what it is."""
    kind: Any = type(wrapped.models.with_raw_response.list().http_response)
    answer: Any = wrapped.post("/chat/completions", cast_to=kind, body=ASKED)
    assert type(answer) is kind
    assert answer.json()["choices"][0]["message"]["content"] == "Hello"
    assert told_by_now(recorded) == ANSWERED


def test_a_posted_http_response_of_events(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A request that wants the HTTP response of a stream, which the SDK then reads whole, is over with its tokens."""
    kind: Any = type(wrapped.models.with_raw_response.list().http_response)
    answer: Any = wrapped.post("/chat/completions", cast_to=kind, body=COUNTED)
    assert "[DONE]" in answer.text
    assert told_by_now(recorded) == [*UNREAD, *TOKENS]


def test_a_posted_http_response_of_an_error(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: an error in the place of an event is one here too, where nobody raises it."""
    kind: Any = type(wrapped.models.with_raw_response.list().http_response)
    server.script(Chunks(chunks("Hel"), error={"message": "overloaded"}))
    answer: Any = wrapped.post("/chat/completions", cast_to=kind, body=COUNTED)
    assert "overloaded" in answer.text
    assert told_by_now(recorded) == FAILED


def test_a_posted_stream(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A stream by `client.post` is asked for its usage, and measured to its end."""
    stream = wrapped.post(
        "/chat/completions",
        cast_to=ChatCompletionChunk,
        body=STREAMED,
        stream=True,
        stream_cls=Stream[ChatCompletionChunk],
    )
    assert len(list(stream)) == 4
    assert server.requests[0].asks_for_usage
    assert told_by_now(recorded) == READ


def test_a_stream_of_dicts(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A stream whose chunks are wanted as plain JSON is measured by that, and keeps our usage chunk from its user."""
    server.script(Chunks(chunks("Hel", "lo"), usage=(9, 3)))
    stream: Any = wrapped.post(
        "/chat/completions", cast_to=object, body=STREAMED, stream=True, stream_cls=Stream[object]
    )
    assert [chunk["choices"][0]["delta"].get("content") for chunk in stream] == ["", "Hel", "lo", None]
    assert told_by_now(recorded) == READ


def test_a_posted_background(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA9: by `client.post` and `client.get`, a response in the background is recorded when it is seen to be over."""
    server.script(Answer(response(status="queued")), Answer(response()))
    wrapped.post("/responses", cast_to=object, body={"model": "m", "input": "Hi", "background": True})
    assert told_by_now(recorded) == []
    wrapped.get("/responses/resp_1", cast_to=object)
    assert told_by_now(recorded) == ANSWERED
