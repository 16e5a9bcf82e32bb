"""The application's clients, and what it asks them: each API in one form, plain and streamed, sync and async."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from langchain_aws import ChatBedrockConverse
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from ldai_bedrock import converse_params, wrap_bedrock
from ldai_langchain import LaunchDarklyCallbackHandler, to_messages
from ldai_openai import chat_params, responses_params, wrap_openai
from tests.bedrock.conftest import has_aiobotocore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ldai_core import AIConfig, AIConfigTracker
    from tests.reliability.soaking.servers import OtherSide

__all__ = ["ASYNC_APIS", "SYNC_APIS", "TRACKER_HERE", "Api", "Clients", "open_clients"]

NOVA = "amazon.nova-lite-v1:0"
CREDENTIALS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}

# Where the handler that all share gets the tracker of the run that this context is in.
TRACKER_HERE: ContextVar[Callable[[], AIConfigTracker]] = ContextVar("TRACKER_HERE")


@dataclass(frozen=True)
class Clients:
    """One of each."""

    openai: OpenAI
    async_openai: AsyncOpenAI
    bedrock: Any
    async_bedrock: Any  # None where there is none
    models: dict[str, Any]
    shared: LaunchDarklyCallbackHandler


@dataclass(frozen=True)
class Api:
    """How an API is asked: `ask` and `stream` take the clients, the source, the config and the prompt.

    A `lazy` one asks when its stream is read, and not before. Of a `managed` one the stream is a context manager. One
    that `tells_at_once` has first counts of tokens in the first chunk of a stream, one that `tells_before` has all of
    them before it fails. One that `reads_on` reads a stream to its end when its consumer has left.
    """

    name: str
    ask: Callable[[Clients, Any, AIConfig, str], Any]
    stream: Callable[[Clients, Any, AIConfig, str], Any]
    has_output: Callable[[Any], bool]
    lazy: bool = False
    managed: bool = False
    tells_at_once: bool = False
    tells_before: bool = False
    reads_on: bool = False


@cache
def _session() -> boto3.Session:
    return boto3.Session(**CREDENTIALS)  # which loads the service's description, once


@asynccontextmanager
async def open_clients(other: OtherSide, timeout_s: float) -> AsyncIterator[Clients]:
    """Open clients that ask once, and wait so long."""
    once: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "read_timeout": timeout_s, "max_pool_connections": 50}
    openai: dict[str, Any] = {"api_key": "any", "base_url": other.openai, "max_retries": 0, "timeout": timeout_s}
    async with AsyncExitStack() as stack:
        http_client = stack.enter_context(DefaultHttpxClient(verify=False))  # certificates take long to load
        http_async_client = await stack.enter_async_context(DefaultAsyncHttpxClient(verify=False))
        bedrock = _session().client("bedrock-runtime", endpoint_url=other.bedrock, config=Config(**once))
        stack.callback(bedrock.close)
        http: dict[str, Any] = {"http_client": http_client, "http_async_client": http_async_client}
        gpt = ChatOpenAI(model="any", stream_usage=True, **openai, **http)
        nova = ChatBedrockConverse(model=NOVA, client=bedrock, bedrock_client=bedrock)
        chain = ChatPromptTemplate.from_messages([("user", "{prompt}")]) | gpt | StrOutputParser()
        yield Clients(
            openai=OpenAI(http_client=http_client, **openai),
            async_openai=AsyncOpenAI(http_client=http_async_client, **openai),
            bedrock=bedrock,
            async_bedrock=await _async_bedrock(stack, other, once) if has_aiobotocore() else None,
            models={"gpt": gpt, "nova": nova, "chain": chain},
            shared=LaunchDarklyCallbackHandler(_tracker_here),
        )


def _tracker_here() -> AIConfigTracker:
    return TRACKER_HERE.get()()


async def _async_bedrock(stack: AsyncExitStack, other: OtherSide, once: dict[str, Any]) -> Any:
    from aiobotocore.config import AioConfig  # noqa: PLC0415  # it may not be there
    from aiobotocore.session import get_session  # noqa: PLC0415  # likewise

    options = {**CREDENTIALS, "endpoint_url": other.bedrock, "config": AioConfig(**once)}
    return await stack.enter_async_context(get_session().create_client("bedrock-runtime", **options))


def _user(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": prompt}]


def _chat(client: str, clients: Clients, source: Any, config: AIConfig, prompt: str, **how: Any) -> Any:
    wrapped = wrap_openai(getattr(clients, client), source)
    return wrapped.chat.completions.create(**chat_params(config, _user(prompt)), **how)


def _responses(client: str, clients: Clients, source: Any, config: AIConfig, prompt: str, **how: Any) -> Any:
    wrapped = wrap_openai(getattr(clients, client), source)
    return wrapped.responses.create(**responses_params(config, _user(prompt)), **how)


def _delta_of_chat(chunk: Any) -> bool:
    delta = chunk.choices[0].delta if chunk.choices else None
    return bool(delta and (delta.content or delta.tool_calls))


def _openai(client: str) -> list[Api]:
    return [
        Api(
            "chat",
            partial(_chat, client),
            partial(_chat, client, stream=True),
            _delta_of_chat,
            managed=True,
            tells_before=True,
        ),
        Api(
            "responses",
            partial(_responses, client),
            partial(_responses, client, stream=True),
            lambda event: event.type.endswith(".delta"),
            managed=True,
            tells_before=True,
        ),
    ]


def _claude(config: AIConfig, prompt: str) -> dict[str, Any]:
    body = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": _user(prompt)}
    return {"modelId": config.model.name if config.model else "", "body": json.dumps(body)}


def _say(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"text": prompt}]}]


def _converse(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    return wrap_bedrock(clients.bedrock, source).converse(**converse_params(config, _say(prompt)))


def _converse_stream(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    return wrap_bedrock(clients.bedrock, source).converse_stream(**converse_params(config, _say(prompt)))["stream"]


def _invoke(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    return wrap_bedrock(clients.bedrock, source).invoke_model(**_claude(config, prompt))["body"].read()


def _invoke_stream(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    wrapped = wrap_bedrock(clients.bedrock, source)
    return wrapped.invoke_model_with_response_stream(**_claude(config, prompt))["body"]


async def _aconverse(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    return await wrap_bedrock(clients.async_bedrock, source).converse(**converse_params(config, _say(prompt)))


async def _aconverse_stream(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    wrapped = wrap_bedrock(clients.async_bedrock, source)
    return (await wrapped.converse_stream(**converse_params(config, _say(prompt))))["stream"]


async def _ainvoke(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    response = await wrap_bedrock(clients.async_bedrock, source).invoke_model(**_claude(config, prompt))
    return await response["body"].read()


async def _ainvoke_stream(clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    wrapped = wrap_bedrock(clients.async_bedrock, source)
    return (await wrapped.invoke_model_with_response_stream(**_claude(config, prompt)))["body"]


def _is_delta(event: Any) -> bool:
    return "contentBlockDelta" in event


def _is_claude_delta(event: Any) -> bool:
    return b"content_block_delta" in event["chunk"]["bytes"]


def _langchain(way: str, model: str, clients: Clients, source: Any, config: AIConfig, prompt: str) -> Any:
    """Ask a model with a handler of its own, or with the one that all share, if the run is this context's."""
    shares = TRACKER_HERE.get(None) == getattr(source, "create_tracker", "none") and len(prompt) % 2
    handler = clients.shared if shares else LaunchDarklyCallbackHandler(source)
    asked: Any = {"prompt": prompt} if model == "chain" else [*to_messages(config), ("user", prompt)]
    return getattr(clients.models[model], way)(asked, {"callbacks": [handler]})


async def _alangchain(model: str, *asked: Any) -> Any:
    return _langchain("astream", model, *asked)


def _has_text(chunk: Any) -> bool:
    return bool(chunk if isinstance(chunk, str) else chunk.content)


def _of_langchain(model: str) -> Api:
    ask, stream = partial(_langchain, "invoke", model), partial(_langchain, "stream", model)
    is_chain, is_openai = model == "chain", model != "nova"
    return Api(model, ask, stream, _has_text, lazy=True, tells_before=is_openai, reads_on=is_chain)


def _of_async_langchain(model: str) -> Api:
    ask, stream = partial(_langchain, "ainvoke", model), partial(_alangchain, model)
    return Api(model, ask, stream, _has_text, lazy=True, tells_before=True)


SYNC_APIS = [
    *_openai("openai"),
    Api("converse", _converse, _converse_stream, _is_delta),
    Api("invoke", _invoke, _invoke_stream, _is_claude_delta, tells_at_once=True),
    *(_of_langchain(model) for model in ("gpt", "nova", "chain")),
]
# LangChain asks Bedrock in threads, which nobody can cancel.
ASYNC_APIS = [
    *_openai("async_openai"),
    *(
        [
            Api("converse", _aconverse, _aconverse_stream, _is_delta),
            Api("invoke", _ainvoke, _ainvoke_stream, _is_claude_delta, tells_at_once=True),
        ]
        if has_aiobotocore()
        else []
    ),
    *(_of_async_langchain(model) for model in ("gpt", "chain")),
]
