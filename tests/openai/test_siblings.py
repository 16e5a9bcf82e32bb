"""The siblings of the client: Azure's, Bedrock's, and those of the application's own making."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, AzureOpenAI, OpenAI

from ldai_openai import wrap_openai
from tests.openai.expected import ANSWERED, ASKED, FAILED, LEFT, READ, STREAMED, read_all, told, told_by_now
from tests.servers.openai import Answer, Failure, ScriptedOpenAI
from tests.servers.responses import background_stream, response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

ASKED_OF_RESPONSES: Any = {"model": "gpt-4o", "input": "Hi"}
PROMPTED: Any = {"model": "gpt-4o", "prompt": "Hi"}
IN_BACKGROUND: Any = {**ASKED_OF_RESPONSES, "extra_body": {"background": True}}  # older releases have no word for it
NAMED = "Unrecognized request argument supplied: stream_options"
CREDENTIALS: Any = {"api_key": "any", "max_retries": 0}

KINDS = ["azure", "azure_deployment", "bedrock"]


def make(kind: str, server: ScriptedOpenAI, *, asynchronous: bool = False) -> Any:
    """Make a sibling of the client, with the server for its service; skip where this release has none."""
    if kind == "bedrock":
        if find_spec("openai.lib.bedrock") is None:
            pytest.skip("this release of openai has no Bedrock client")
        module = import_module("openai.lib.bedrock")
        bedrock = module.AsyncBedrockOpenAI if asynchronous else module.BedrockOpenAI
        return bedrock(base_url=server.base_url, **CREDENTIALS)
    azure = AsyncAzureOpenAI if asynchronous else AzureOpenAI
    deployment = "mine" if kind == "azure_deployment" else None
    endpoint: Any = {"azure_endpoint": server.uri, "azure_deployment": deployment}  # Any: as its overloads tell
    return azure(api_version="2025-04-01-preview", **endpoint, **CREDENTIALS)


@pytest.fixture(params=KINDS)
def sibling(request: pytest.FixtureRequest, server: ScriptedOpenAI) -> Iterator[OpenAI]:
    """Make each sibling in turn."""
    with make(request.param, server) as client:
        yield client


@pytest.fixture(params=KINDS)
async def async_sibling(request: pytest.FixtureRequest, server: ScriptedOpenAI) -> AsyncIterator[AsyncOpenAI]:
    """Make each sibling in turn, async."""
    async with make(request.param, server, asynchronous=True) as client:
        yield client


def test_the_type_stays(sibling: OpenAI, config: AIConfig) -> None:
    """OA12: the wrapped client, and its copies, are of the sibling's own class, and share its connections."""
    before = dict(vars(sibling))
    wrapped = wrap_openai(sibling, config)
    for copied in (wrapped, wrapped.copy(), wrapped.with_options(timeout=3), wrap_openai(wrapped, config)):
        assert type(copied) is type(sibling)
        assert copied._client is sibling._client
        assert copied.base_url == sibling.base_url
    assert vars(sibling) == before


def test_every_form(sibling: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """Chat, Responses and legacy completions, plain and streamed, are one exact record each."""
    wrapped = wrap_openai(sibling, config)
    assert wrapped.chat.completions.create(**ASKED).choices[0].message.content == "Hello"
    assert wrapped.responses.create(**ASKED_OF_RESPONSES).output_text == "Hello"
    assert wrapped.completions.create(**PROMPTED).choices[0].text == "Hello"
    assert told_by_now(recorded) == ANSWERED * 3
    assert len(list(wrapped.chat.completions.create(**STREAMED))) == 4
    assert [each.type for each in wrapped.responses.create(**ASKED_OF_RESPONSES, stream=True)][-1:] == [
        "response.completed"
    ]
    assert len(list(wrapped.completions.create(**PROMPTED, stream=True))) == 3
    assert told(recorded) == ANSWERED * 3 + READ * 3


async def test_every_form_async(async_sibling: AsyncOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """Every form: likewise."""
    wrapped = wrap_openai(async_sibling, config)
    assert (await wrapped.chat.completions.create(**ASKED)).choices[0].message.content == "Hello"
    assert (await wrapped.responses.create(**ASKED_OF_RESPONSES)).output_text == "Hello"
    assert (await wrapped.completions.create(**PROMPTED)).choices[0].text == "Hello"
    assert len(await read_all(await wrapped.chat.completions.create(**STREAMED))) == 4
    await read_all(await wrapped.responses.create(**ASKED_OF_RESPONSES, stream=True))
    assert len(await read_all(await wrapped.completions.create(**PROMPTED, stream=True))) == 3
    assert told(recorded) == ANSWERED * 3 + READ * 3


def test_copies(server: ScriptedOpenAI, sibling: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """Copies of copies are measured once, and are sent with the options given."""
    wrapped = wrap_openai(wrap_openai(sibling, config), config)
    copied = wrapped.with_options(default_headers={"x-who": "copy"}).copy(timeout=5)
    assert copied.chat.completions.create(**ASKED).usage is not None
    assert server.requests[0].headers["x-who"] == "copy"
    assert told(recorded) == ANSWERED


async def test_copies_async(
    server: ScriptedOpenAI, async_sibling: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """Copies of copies: likewise."""
    copied = wrap_openai(async_sibling, config).with_options(default_headers={"x-who": "copy"}).copy(timeout=5)
    assert len(await read_all(await copied.chat.completions.create(**STREAMED))) == 4
    assert server.requests[0].headers["x-who"] == "copy"
    assert told(recorded) == READ


def test_raw(sibling: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: raw responses and raw streams of a sibling are measured, and parse."""
    wrapped = wrap_openai(sibling, config)
    raw = wrapped.chat.completions.with_raw_response.create(**ASKED)
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().choices[0].message.content == "Hello"
    assert told_by_now(recorded) == ANSWERED
    with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as response_:
        assert len(list(response_.parse())) == 4
    assert told(recorded) == ANSWERED + READ


async def test_raw_async(async_sibling: AsyncOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: likewise."""
    wrapped = wrap_openai(async_sibling, config)
    raw = await wrapped.chat.completions.with_raw_response.create(**ASKED)
    assert raw.parse().choices[0].message.content == "Hello"
    async with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as response_:
        assert len(await read_all(await response_.parse())) == 4
    assert told(recorded) == ANSWERED + READ


@pytest.mark.parametrize("asked_before", [False, True])
def test_raw_by_the_client(asked_before: bool, sibling: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: the raw forms of the whole client, and of its copies, are measured, also where the original has its own."""
    if asked_before:
        sibling.with_raw_response.chat.completions.create(**ASKED)
        sibling.chat.completions.with_raw_response.create(**ASKED)
    wrapped = wrap_openai(sibling, config)
    for each in (wrapped, wrapped.with_options(timeout=5)):
        assert each.with_raw_response.chat.completions.create(**ASKED).parse().id == "chatcmpl-1"
        with each.with_streaming_response.responses.create(**ASKED_OF_RESPONSES) as raw:
            assert raw.parse().id == "resp_1"
    assert told(recorded) == ANSWERED * 4


async def test_raw_by_the_client_async(async_sibling: AsyncOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: likewise."""
    wrapped = wrap_openai(async_sibling, config)
    assert (await wrapped.with_raw_response.chat.completions.create(**ASKED)).parse().id == "chatcmpl-1"
    async with wrapped.with_streaming_response.chat.completions.create(**ASKED) as raw:
        await raw.parse()
    assert told(recorded) == ANSWERED * 2


def test_background(server: ScriptedOpenAI, sibling: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA9: a sibling's response in the background is recorded by the poll that sees its end, once, by any copy."""
    waiting = [Answer(response(status=status)) for status in ("queued", "in_progress")]
    server.script(*waiting, *[Answer(response())] * 2)
    wrapped = wrap_openai(sibling, config)
    begun = wrapped.responses.create(**IN_BACKGROUND)
    wrapped.responses.retrieve(begun.id)
    assert told_by_now(recorded) == []
    assert wrapped.with_options(timeout=5).responses.retrieve(begun.id).status == "completed"
    assert wrapped.responses.retrieve(begun.id).status == "completed"
    assert told(recorded) == ANSWERED


async def test_background_async(
    server: ScriptedOpenAI, async_sibling: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA9: likewise, with a stream that is left while the response goes on."""
    server.script(background_stream(cut_after=3), Answer(response(background=True)))
    wrapped = wrap_openai(async_sibling, config)
    stream = await wrapped.responses.create(**IN_BACKGROUND, stream=True)
    async for event in stream:
        if event.type == "response.in_progress":
            break
    await stream.close()
    assert told(recorded) == []
    await wrapped.copy().responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


def test_refusals_are_remembered(
    server: ScriptedOpenAI, sibling: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: what a sibling's backend refused it is not asked again, in later wraps either."""
    server.script(Failure(400, NAMED))
    for _ in range(2):
        for wrapped in (wrap_openai(sibling, config), wrap_openai(sibling, config).with_options(timeout=5)):
            assert len(list(wrapped.chat.completions.create(**STREAMED))) == 4
    assert [request.asks_for_usage for request in server.requests] == [True, *[False] * 4]
    assert told(recorded) == LEFT * 4


async def test_refusals_are_remembered_async(
    server: ScriptedOpenAI, async_sibling: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: likewise."""
    server.script(Failure(422, NAMED))
    for _ in range(2):
        wrapped = wrap_openai(async_sibling, config)
        assert len(await read_all(await wrapped.completions.create(**PROMPTED, stream=True))) == 3
    assert [request.asks_for_usage for request in server.requests] == [True, False, False]
    assert told(recorded) == LEFT * 2


def test_an_error(server: ScriptedOpenAI, sibling: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA7: what a sibling raises is one error, and goes on."""
    server.script(Failure(429, code="rate_limit"))
    with pytest.raises(openai.RateLimitError):
        wrap_openai(sibling, config).chat.completions.create(**ASKED)
    assert told(recorded) == FAILED


@pytest.mark.parametrize(
    "given",
    [{"azure_ad_token": "token"}, {"azure_ad_token_provider": lambda: "token"}],
    ids=["token", "provider"],
)
def test_azure_by_token(given: Any, server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """The ways to sign in to Azure stay: by a token, by what provides one."""
    with AzureOpenAI(azure_endpoint=server.uri, api_version="1", max_retries=0, **given) as client:
        wrap_openai(client, config).with_options(timeout=5).chat.completions.create(**ASKED)
    assert server.requests[0].headers["authorization"] == "Bearer token"
    assert told(recorded) == ANSWERED


async def test_azure_by_token_async(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """The ways to sign in to Azure: also by a coroutine."""

    async def provide() -> str:
        return "token"

    azure = AsyncAzureOpenAI(azure_endpoint=server.uri, api_version="1", azure_ad_token_provider=provide)
    async with azure as client:
        await wrap_openai(client, config).chat.completions.create(**ASKED)
    assert server.requests[0].headers["authorization"] == "Bearer token"
    assert told(recorded) == ANSWERED
