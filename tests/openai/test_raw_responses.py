"""Raw responses: what they are, and what of a request's measuring is seen in them."""

from __future__ import annotations

import gc
import gzip
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletion

from ldai_openai import wrap_openai
from tests.openai.expected import (
    ANSWERED,
    ASKED,
    ERROR,
    FAILED,
    LEFT,
    READ,
    STALLING,
    STREAMED,
    TOOL_CALL,
    UNREAD,
    duration,
    first_token,
    told,
    told_by_now,
)
from tests.servers.openai import (
    Answer,
    Failure,
    ScriptedOpenAI,
    Stream,
    _OpenAIHandler,
    chunk,
    chunks,
    completion,
    tool_call,
)

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

COUNTED: Any = {"stream_options": {"include_usage": True}}
TWO = Stream([chunk({"content": "a"}, 0), chunk({"content": "b"}, 1)], usage=(9, 3))


@pytest.mark.parametrize("streamed", [False, True])
def test_the_type_stays(client: OpenAI, wrapped: OpenAI, streamed: bool) -> None:
    """OA10: a raw response is of the SDK's own class, itself, with everything that it has."""
    asked = STREAMED if streamed else ASKED
    own = client.chat.completions.with_raw_response.create(**asked)
    raw = wrapped.chat.completions.with_raw_response.create(**asked)
    assert type(raw) is type(own)
    assert type(raw.http_response) is type(own.http_response)
    assert (raw.status_code, raw.method, raw.url, raw.request_id) == (200, "POST", own.url, own.request_id)
    assert raw.headers["content-type"] == own.headers["content-type"]
    assert repr(raw) == repr(own)
    assert raw.parse() is raw.parse()
    assert type(raw.parse()).__name__ in ("ChatCompletion", "TrackedStream")
    assert isinstance(raw.parse(), openai.Stream if streamed else ChatCompletion)


def test_parsed_into_something_else(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA10: `parse(to=...)` gives what it is asked for; a stream class that is asked for is measured."""

    class OwnStream(openai.Stream[ChatCompletion]):
        pass

    assert "Hello" in wrapped.chat.completions.with_raw_response.create(**ASKED).parse(to=str)
    assert told_by_now(recorded) == ANSWERED
    stream = wrapped.chat.completions.with_raw_response.create(**STREAMED).parse(to=OwnStream)
    assert isinstance(stream, OwnStream)
    assert len(list(stream)) == 4
    assert told_by_now(recorded) == [*ANSWERED, *READ]


@pytest.mark.parametrize("asked_for", [False, True])
@pytest.mark.parametrize("streaming", [False, True], ids=["with_raw_response", "with_streaming_response"])
def test_the_usage_chunk(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, streaming: bool, asked_for: bool
) -> None:
    """OA3: of two choices too, `parse()` hides the usage chunk that we asked for, and not one that its user did."""
    server.script(TWO)
    asked = {**STREAMED, "n": 2, **(COUNTED if asked_for else {})}
    completions = wrapped.chat.completions
    if streaming:
        with completions.with_streaming_response.create(**asked) as raw:
            received = list(raw.parse())
    else:
        received = list(completions.with_raw_response.create(**asked).parse())
    assert [[each.index for each in item.choices] for item in received] == [[0], [1]] + [[]] * asked_for
    assert told(recorded) == READ


@pytest.mark.parametrize("how", ["iter_lines", "iter_bytes", "iter_text", "read", "text"])
def test_bytes_are_untouched(
    server: ScriptedOpenAI, client: OpenAI, wrapped: OpenAI, recorded: RecordingClient, how: str
) -> None:
    """OA3: who reads a raw stream by its bytes gets all that the server sent, with the usage that we asked for."""
    body = []
    for each, extra in ((client, COUNTED), (wrapped, {})):
        server.script(TWO)
        with each.chat.completions.with_streaming_response.create(**STREAMED, **extra) as raw:
            got = getattr(raw, how)()
            body.append(got if isinstance(got, (str, bytes)) else type(next(got))().join(got))
    assert body[0] == body[1]
    assert server.requests[0].body == server.requests[1].body
    assert told(recorded) == READ


async def test_bytes_are_untouched_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA3: likewise."""
    server.script(TWO)
    async with async_wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
        lines = [line async for line in raw.iter_lines()]
    assert '"total_tokens": 12' in "".join(lines)
    assert lines[-2] == "data: [DONE]"
    assert told(recorded) == READ


def test_a_compressed_body(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA10: a body that comes compressed is read as what it says, and so is a stream."""

    class Compressed(_OpenAIHandler):
        def answer(self, status: int, body: Any = None, headers: Any = None) -> None:
            content = gzip.compress(json.dumps(body).encode())
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    class CompressingServer(ScriptedOpenAI):
        handler = Compressed

    with CompressingServer() as compressing:
        to_it = wrapped.with_options(base_url=compressing.base_url)
        with to_it.chat.completions.with_streaming_response.create(**ASKED) as raw:
            assert raw.headers["content-encoding"] == "gzip"
            assert b"Hello" in b"".join(raw.iter_bytes())
        assert to_it.chat.completions.with_raw_response.create(**ASKED).parse().choices
    assert told(recorded) == ANSWERED * 2


def test_the_whole_client_raw(client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: `client.with_raw_response` and its like, also of copies, also where the original has made its own."""
    assert client.with_raw_response.chat.completions.create(**ASKED).parse().choices
    wrapped = wrap_openai(client, config)
    for each in (wrapped, wrapped.with_options(timeout=9)):
        assert each.with_raw_response.chat.completions.create(**ASKED).parse().choices
        with each.with_streaming_response.responses.create(model="m", input="Hi") as raw:
            assert raw.parse().status == "completed"
    assert told(recorded) == ANSWERED * 4


def test_tool_calls(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: a tool call in fragments is one, parsed or read by its lines."""
    step = Stream(chunks(*tool_call("search", "{", "}"), finish_reason="tool_calls"), usage=(9, 3))
    server.script(step, step)
    list(wrapped.chat.completions.with_raw_response.create(**STREAMED).parse())
    list(wrapped.chat.completions.with_raw_response.create(**STREAMED).http_response.iter_lines())
    assert told(recorded) == [*READ, TOOL_CALL] * 2


def test_errors(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: a status is raised before there is a raw response; an error within a stream's bytes is an error."""
    server.script(Failure(429), Stream(chunks("Hel"), error={"message": "overloaded"}), Answer("a page"))
    with pytest.raises(openai.RateLimitError):
        wrapped.chat.completions.with_raw_response.create(**ASKED)
    assert told_by_now(recorded) == FAILED
    with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
        assert "overloaded" in "".join(raw.iter_text())
    assert told_by_now(recorded) == [*FAILED, duration(), first_token(), ERROR]
    with wrapped.chat.completions.with_streaming_response.create(**ASKED) as raw:
        assert raw.json() == "a page"
    assert told_by_now(recorded)[-2:] == FAILED


def test_a_refusal_of_stream_options(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA4: a raw stream whose usage is refused is sent once more without."""
    server.script(Failure(400, "Unknown field: stream_options"), Stream(chunks("Hel", "lo", usage=(9, 3))))
    assert len(list(wrapped.chat.completions.with_raw_response.create(**STREAMED).parse())) == 5
    assert [request.asks_for_usage for request in server.requests] == [True, False]
    assert told(recorded) == READ


def test_dropped(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: a raw stream that is dropped, unread or between two lines, is one success."""
    server.script(STALLING, STALLING)
    raw = wrapped.chat.completions.with_raw_response.create(**STREAMED)
    del raw
    gc.collect()
    assert told(recorded) == UNREAD
    lines = wrapped.chat.completions.with_raw_response.create(**STREAMED).http_response.iter_lines()
    while "Hel" not in next(lines):
        pass
    del lines
    gc.collect()
    assert told(recorded) == [*UNREAD, *LEFT]


def test_read_in_part(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA6: a body that is read in part, and then closed, is a success with what was seen."""
    server.script(Answer(completion("Hello" * 50_000)))
    with wrapped.chat.completions.with_streaming_response.create(**ASKED) as raw:
        assert next(raw.iter_bytes(chunk_size=16)).startswith(b"{")
    assert told(recorded) == UNREAD


def test_a_closed_response_is_as_it_was(wrapped: OpenAI) -> None:
    """OA17: when a response is closed, nothing of ours is left on it."""
    raw = wrapped.chat.completions.with_raw_response.create(**STREAMED)
    before = {"close", "aclose", "iter_bytes", "aiter_bytes"} & vars(raw.http_response).keys()
    assert before == {"close", "aclose", "iter_bytes", "aiter_bytes"}
    list(raw.parse())
    assert not before & vars(raw.http_response).keys()


async def test_what_is_not_measured(
    async_wrapped: AsyncOpenAI, server: ScriptedOpenAI, recorded: RecordingClient
) -> None:
    """What is no generation passes unrecorded in its raw forms, too."""
    server.script(*[Answer({"object": "list", "data": []})] * 2)
    assert (await async_wrapped.models.with_raw_response.list()).status_code == 200
    async with async_wrapped.models.with_streaming_response.list() as raw:
        await raw.read()
    assert told(recorded) == []
