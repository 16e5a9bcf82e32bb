from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import OpenAI

from tests.servers.openai import FOREVER_S, Answer, ScriptedOpenAI, Stream, chunk, chunks, completion, usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ASKED: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
STREAMED: Any = {**ASKED, "stream": True}
COUNTED: Any = {**STREAMED, "stream_options": {"include_usage": True}}
REFUSED = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start a server."""
    with ScriptedOpenAI() as server:
        yield server


@pytest.fixture
def client(server: ScriptedOpenAI) -> Iterator[OpenAI]:
    """Make a real client of it, which asks once."""
    with OpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
        yield client


def test_a_plain_answer_by_default(server: ScriptedOpenAI, client: OpenAI) -> None:
    """A request that nothing was scripted for gets a completion with usage, and is kept as it came."""
    answer = client.chat.completions.create(**ASKED)
    assert answer.to_dict() == completion()
    (request,) = server.requests
    assert (request.path, request.body) == ("/v1/chat/completions", ASKED)
    assert request.headers["authorization"] == "Bearer any"


def test_steps_come_in_order(server: ScriptedOpenAI, client: OpenAI) -> None:
    """Each request gets the next step, whatever its address."""
    server.script(Answer(completion("one", None)), Answer({"object": "list", "data": []}))
    assert client.chat.completions.create(**ASKED).choices[0].message.content == "one"
    assert client.models.list().data == []
    assert [request.path for request in server.requests] == ["/v1/chat/completions", "/v1/models"]
    assert server.requests[1].body is None


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, openai.BadRequestError), (401, openai.AuthenticationError), (500, openai.InternalServerError)],
)
def test_a_refusal(server: ScriptedOpenAI, client: OpenAI, status: int, error: type[openai.APIStatusError]) -> None:
    """An answer has any status, and any headers."""
    server.script(Answer(REFUSED, status, headers=(("x-request-id", "req-1"),)))
    with pytest.raises(error) as caught:
        client.chat.completions.create(**ASKED)
    assert caught.value.request_id == "req-1"


def test_a_client_that_retries(server: ScriptedOpenAI, client: OpenAI) -> None:
    """A 429 with `retry-after-ms` is asked again."""
    server.script(Answer(REFUSED, 429, headers=(("retry-after-ms", "1"),)))
    assert client.with_options(max_retries=1).chat.completions.create(**ASKED).to_dict() == completion()
    assert len(server.requests) == 2


def test_a_stream(server: ScriptedOpenAI, client: OpenAI) -> None:
    """Without being asked for it, a stream has no usage, not even a null."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    received = [received.to_dict() for received in client.chat.completions.create(**STREAMED)]
    assert received == chunks("Hel", "lo")


def test_a_stream_that_is_asked_for_its_usage(server: ScriptedOpenAI, client: OpenAI) -> None:
    """Asked for it, usage comes in a last chunk without choices, and is null in all others."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    *received, last = [received.to_dict() for received in client.chat.completions.create(**COUNTED)]
    assert received == [{**sent, "usage": None} for sent in chunks("Hel", "lo")]
    assert (last["choices"], last["usage"]) == ([], usage_of((9, 3)))


def test_a_stream_with_usage_in_every_chunk(server: ScriptedOpenAI, client: OpenAI) -> None:
    """A chunk that has a usage of its own keeps it, asked for or not."""
    sent = [chunk({"content": "a"}, usage=usage_of((9, 1))), chunk({"content": "b"}, usage=usage_of((9, 2)))]
    server.script(Stream(sent), Stream(sent))
    for asked in (STREAMED, COUNTED):
        assert [received.to_dict() for received in client.chat.completions.create(**asked)] == sent


def test_an_error_within_a_stream(server: ScriptedOpenAI, client: OpenAI) -> None:
    """An error in place of the end is raised by the client after the chunks."""
    server.script(Stream(chunks("Hel"), error={"message": "overloaded"}))
    stream = client.chat.completions.create(**STREAMED)
    assert [next(stream).to_dict() for _ in range(3)] == chunks("Hel")
    with pytest.raises(openai.APIError, match="overloaded"):
        next(stream)


def test_a_cut_connection(server: ScriptedOpenAI, client: OpenAI) -> None:
    """A connection is cut after as many chunks as it was told."""
    server.script(Stream(chunks("Hel", "lo"), cut_after=2))
    stream = client.chat.completions.create(**STREAMED)
    assert [next(stream).to_dict() for _ in range(2)] == chunks("Hel")[:2]
    with pytest.raises(openai.APIError):
        next(stream)


def test_a_stall(server: ScriptedOpenAI, client: OpenAI) -> None:
    """After a stall nothing comes, until the client has gone, which is noted."""
    server.script(Stream(chunks("Hel", "lo"), stall_after=2))
    stream = client.with_options(timeout=0.1).chat.completions.create(**STREAMED)
    assert len([next(stream), next(stream)]) == 2
    assert not server.requests[0].gone.is_set()
    with pytest.raises(openai.APITimeoutError):
        next(stream)
    assert server.requests[0].gone.wait(5)


def test_silence(server: ScriptedOpenAI, client: OpenAI) -> None:
    """An answer that is delayed for ever never comes."""
    server.script(Answer(completion(), delay_s=FOREVER_S))
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.1).chat.completions.create(**ASKED)
    assert server.requests[0].gone.wait(5)


def test_nothing_is_left_behind() -> None:
    """A server that closes while a client is connected and waits for a stalled stream leaves no thread."""
    with ScriptedOpenAI() as server:
        server.script(Stream(chunks("Hello"), stall_after=1))
        client = OpenAI(api_key="any", base_url=server.base_url, max_retries=0)
        client.chat.completions.create(**ASKED | {"stream": True})
        handlers = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
        assert handlers
    for handler in handlers:
        handler.join(5)
    assert not any(handler.is_alive() for handler in handlers)
    assert not server.requests[0].gone.is_set()
    client.close()
