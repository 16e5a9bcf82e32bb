"""The wrapped client: what it is, and what it asks for."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from ldai_openai import wrap_openai
from tests.openai.expected import (
    ANSWERED,
    ASKED,
    READ,
    STREAMED,
    SUCCESS,
    duration,
    first_token,
    helpers,
    read_all,
    told,
)
from tests.servers.openai import Answer, ScriptedOpenAI, Stream, chunks, completion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

COUNTED = {"include_usage": True}


class OwnOpenAI(OpenAI):
    """A client class of the application's own."""


class Fruit(BaseModel):
    """A shape that an answer may be asked for in."""

    name: str


def test_the_client_is_not_changed(client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: the application's own client stays as it is, and what it is asked is not recorded."""
    before = dict(vars(client))
    wrapped = wrap_openai(client, config)
    assert wrapped is not client
    assert vars(client) == before
    assert client.chat.completions.create(**ASKED).choices[0].message.content == "Hello"
    assert told(recorded) == []


@pytest.mark.parametrize(
    "client",
    [
        OpenAI(api_key="any"),
        OwnOpenAI(api_key="any"),
        AsyncOpenAI(api_key="any"),
        AzureOpenAI(api_key="any", api_version="1", azure_endpoint="http://127.0.0.1"),
        AsyncAzureOpenAI(api_key="any", api_version="1", azure_endpoint="http://127.0.0.1"),
    ],
    ids=lambda client: type(client).__name__,
)
def test_the_type_stays(client: Any, config: AIConfig) -> None:
    """OA12: the copy is of the client's own class, has its options and shares its connections."""
    wrapped = wrap_openai(client, config)
    assert type(wrapped) is type(client)
    assert wrapped._client is client._client
    assert (wrapped.api_key, wrapped.base_url, wrapped.max_retries) == ("any", client.base_url, client.max_retries)


def test_a_stream_is_a_stream(wrapped: OpenAI) -> None:
    """OA11: a stream is one for `isinstance`, and has what the provider's has."""
    with wrapped.chat.completions.create(**STREAMED) as stream:
        assert isinstance(stream, openai.Stream)
        assert stream.response.status_code == 200
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert not stream.response.is_closed
    assert stream.response.is_closed


async def test_a_stream_is_a_stream_async(async_wrapped: AsyncOpenAI) -> None:
    """OA11: a stream: likewise."""
    async with await async_wrapped.chat.completions.create(**STREAMED) as stream:
        assert isinstance(stream, openai.AsyncStream)
        assert stream.response.status_code == 200
        assert not stream.response.is_closed
    assert stream.response.is_closed


def test_copies_stay_measured(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA12: `copy` and `with_options`, also of one another, give clients that are measured, with the options given."""
    copied = wrapped.copy(default_headers={"x-who": "copy"}).with_options(max_retries=1)
    assert copied.max_retries == 1
    assert copied.chat.completions.create(**ASKED).choices[0].message.content == "Hello"
    assert server.requests[0].headers["x-who"] == "copy"
    assert told(recorded) == ANSWERED


async def test_copies_stay_measured_async(async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA12: `copy` and `with_options`: likewise."""
    copied = async_wrapped.copy().with_options(timeout=5)
    assert len(await read_all(await copied.chat.completions.create(**STREAMED))) == 4
    assert told(recorded) == READ


def test_azure(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """Azure's client, whose address has the deployment in it, is measured like OpenAI's own."""
    with AzureOpenAI(api_key="any", api_version="2024-10-21", azure_endpoint=server.uri, max_retries=0) as client:
        assert len(list(wrap_openai(client, config).chat.completions.create(**STREAMED))) == 4
    assert server.requests[0].path.startswith("/openai/deployments/gpt-4o/chat/completions?")
    assert told(recorded) == READ


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, COUNTED),
        ({"stream_options": None}, COUNTED),
        ({"stream_options": {}}, COUNTED),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, **COUNTED}),
    ],
)
def test_usage_is_asked_for(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, *, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    """OA2, OA3: a stream is asked for its usage without the user asking, and the chunk that this brings is hidden."""
    untouched = copy.deepcopy(given)
    received = list(wrapped.chat.completions.create(**STREAMED, **given))
    assert given == untouched
    assert server.requests[0].body == {**STREAMED, "stream_options": sent}
    assert [chunk.choices[0].delta.content for chunk in received] == ["", "Hel", "lo", None]
    assert told(recorded) == READ


@pytest.mark.parametrize("where", ["stream_options", "extra_body"])
@pytest.mark.parametrize("include", [True, False])
def test_the_users_own_wish(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, *, where: str, include: bool
) -> None:
    """OA2, OA3: what the user says of `include_usage` is what is sent, and what they asked for is what they get."""
    options = {"include_usage": include}
    given: Any = (
        {"stream_options": options}
        if where == "stream_options"
        else {"extra_body": {where: 1, "stream_options": options}}
    )
    received = list(wrapped.chat.completions.create(**STREAMED, **given))
    assert server.requests[0].body["stream_options"] == options == {"include_usage": include}
    assert [bool(chunk.usage) for chunk in received] == [False] * 4 + [True] * include
    assert told(recorded) == (READ if include else [duration(), first_token(), SUCCESS])


def test_usage_is_not_asked_for(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA2, OA4: with `include_usage=False` the request stays as it is; usage is read if it comes."""
    wrapped = wrap_openai(client, config, include_usage=False)
    server.script(Stream(chunks("Hel"), usage=(9, 3)), Stream(chunks("Hel", usage=(9, 3))))
    assert len(list(wrapped.chat.completions.create(**STREAMED))) == 3
    assert len(list(wrapped.with_options(timeout=9).chat.completions.create(**STREAMED))) == 4
    assert [request.body for request in server.requests] == [STREAMED, STREAMED]
    assert told(recorded) == [duration(), first_token(), SUCCESS, *READ]


def test_a_plain_request_stays_as_it_is(server: ScriptedOpenAI, wrapped: OpenAI) -> None:
    """OA2: a request for no stream is sent as the unwrapped client sends it."""
    wrapped.chat.completions.create(**ASKED, stream=False)
    assert server.requests[0].body == {**ASKED, "stream": False}


def test_other_requests_pass(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """What is no chat completion passes through, unrecorded; what lists or deletes stored ones is none either."""
    vector = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m"}
    listed: Mapping[str, object] = {"object": "list", "data": [], "has_more": False}
    server.script(Answer(vector), Answer(listed), Answer(listed), Answer({"id": "c", "deleted": True}))
    embedded = wrapped.embeddings.create(model="m", input="Hi", encoding_format="float")
    assert embedded.data[0].embedding == [0.5]
    assert wrapped.models.list().data == []
    assert wrapped.chat.completions.list().data == []
    assert wrapped.chat.completions.delete("c").deleted
    assert [request.path.removeprefix("/v1/") for request in server.requests] == [
        "embeddings",
        "models",
        "chat/completions",
        "chat/completions/c",
    ]
    assert told(recorded) == []


def test_parse(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """`parse` is a request like any other."""
    server.script(Answer(completion('{"name": "apple"}')))
    answer = helpers(wrapped).parse(**ASKED, response_format=Fruit)
    assert answer.choices[0].message.parsed == Fruit(name="apple")
    assert told(recorded) == ANSWERED


async def test_parse_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """`parse`: likewise."""
    server.script(Answer(completion('{"name": "apple"}')))
    answer = await helpers(async_wrapped).parse(**ASKED, response_format=Fruit)
    assert answer.choices[0].message.parsed == Fruit(name="apple")
    assert told(recorded) == ANSWERED


def test_the_stream_helper(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """`stream()`, read to its end, is a stream like any other; its manager, never entered, is nothing at all."""
    helpers(wrapped).stream(**ASKED)
    assert told(recorded) == []
    with helpers(wrapped).stream(**ASKED) as events:
        pieces = [event.delta for event in events if event.type == "content.delta"]
        assert events.get_final_completion().choices[0].message.content == "Hello"
    assert pieces == ["", "Hel", "lo"]
    assert told(recorded) == READ


async def test_the_stream_helper_async(async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """`stream()`: likewise."""
    async with helpers(async_wrapped).stream(**ASKED) as events:
        pieces = [event.delta async for event in events if event.type == "content.delta"]
    assert pieces == ["", "Hel", "lo"]
    assert told(recorded) == READ


async def test_other_requests_pass_async(
    async_wrapped: AsyncOpenAI, server: ScriptedOpenAI, recorded: RecordingClient
) -> None:
    """What is no chat completion passes through an async client unrecorded too."""
    server.script(Answer({"object": "list", "data": []}))
    assert (await async_wrapped.models.list()).data == []
    assert recorded.runs == []
