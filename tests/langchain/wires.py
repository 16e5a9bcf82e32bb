"""Real clients of real providers' APIs, at servers that do what they are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_openai import AzureChatOpenAI, ChatOpenAI, OpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from tests.servers.bedrock import ScriptedBedrock
from tests.servers.openai import ScriptedOpenAI, Stream, chunks, tool_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ANTHROPIC", "ASKS", "NOVA", "bedrock", "claude", "gpt", "nova", "server", "settled", "two_tools"]

NOVA = "amazon.nova-lite-v1:0"
ANTHROPIC = "anthropic.claude-3-haiku-20240307-v1:0"
CREDENTIALS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
ONCE = Config(retries={"total_max_attempts": 1})
ASKS: dict[str, Any] = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "search", "arguments": '{"what": "order"}'},
}
_KINDS: dict[str, Any] = {"chat": ChatOpenAI, "azure": AzureChatOpenAI, "text": OpenAI}


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API that does what it is told."""
    with ScriptedOpenAI() as server:
        yield server


@pytest.fixture
def gpt(server: ScriptedOpenAI) -> Iterator[Callable[..., Any]]:
    """Make models of that API, which ask once and have the usage of streams, unless they are told otherwise.

    No connection is kept, so that a model may be asked in one event loop after the other.
    """
    http_client = DefaultHttpxClient(verify=False)  # loading certificates takes longer than a test

    def make(kind: str = "chat", **options: Any) -> Any:
        at = (
            {"azure_endpoint": server.uri, "api_version": "2024-10-21"}
            if kind == "azure"
            else {"base_url": server.base_url}
        )
        return _KINDS[kind](
            **{
                "model": "gpt-4o",
                "api_key": "any",
                "max_retries": 0,
                **({} if kind == "text" else {"stream_usage": True}),
                "default_headers": {"Connection": "close"},
                "http_client": http_client,
                "http_async_client": DefaultAsyncHttpxClient(verify=False),  # likewise
                **at,
                **options,
            }
        )

    yield make
    http_client.close()


@pytest.fixture
def bedrock() -> Iterator[ScriptedBedrock]:
    """Start a Bedrock runtime that does what it is told."""
    with ScriptedBedrock() as server:
        yield server


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """Load the service's description once, which takes longer than a test."""
    return boto3.Session(**CREDENTIALS)


@pytest.fixture
def bedrock_client(bedrock: ScriptedBedrock, session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """Make clients of that API, which ask once unless they are told otherwise."""
    made: list[Any] = []

    def make(**config: Any) -> Any:
        made.append(session.client("bedrock-runtime", endpoint_url=bedrock.uri, config=ONCE.merge(Config(**config))))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def nova(bedrock_client: Callable[..., Any]) -> Callable[..., ChatBedrockConverse]:
    """Make models of Converse; `config` is their client's."""

    def make(config: dict[str, Any] | None = None, **options: Any) -> ChatBedrockConverse:
        client = bedrock_client(**(config or {}))
        return ChatBedrockConverse(client=client, bedrock_client=client, **{"model": NOVA, **options})

    return make


@pytest.fixture
def claude(bedrock_client: Callable[..., Any]) -> Callable[..., ChatBedrock]:
    """Make models of InvokeModel, likewise."""

    def make(config: dict[str, Any] | None = None, **options: Any) -> ChatBedrock:
        client = bedrock_client(**(config or {}))
        return ChatBedrock(client=client, bedrock_client=client, **{"model": ANTHROPIC, **options})

    return make


def two_tools() -> Stream:
    """Make a stream that asks for two tools, in fragments."""
    fragments = [*tool_call("search", '{"wh', 'at": 1}'), *tool_call("lookup", "{}", id="call_2", index=1)]
    return Stream(chunks(*fragments, finish_reason="tool_calls"), usage=(9, 3))


async def settled() -> None:
    """Let what was left in an event loop close itself; who is left there does so in tasks, which make others."""
    for _ in range(10):
        await asyncio.sleep(0)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
