"""Ways to run LangChain's models of OpenAI and of Bedrock, alone and in a chain."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_aws import ChatBedrockConverse
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from ldai_langchain import LaunchDarklyCallbackHandler
from tests.langchain.ways import chain_of
from tests.reliability.faults import Way
from tests.reliability.ways_bedrock import bedrock_client
from tests.servers.bedrock import ScriptedBedrock
from tests.servers.openai import ScriptedOpenAI

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.reliability.faults import Asked

__all__ = ["LANGCHAIN"]


@contextmanager
def _gpt(asked: Asked) -> Iterator[Any]:
    http_client = DefaultHttpxClient(verify=False)  # loading certificates takes longer than a test
    with http_client:
        yield ChatOpenAI(
            model="gpt-4o",
            api_key=asked.key,  # type: ignore[arg-type]  # it takes text too
            base_url=f"{asked.uri}/v1",
            max_retries=asked.retries,
            timeout=asked.timeout_s,
            stream_usage=True,
            default_headers={"Connection": "close"},  # or connections would outlive their event loop
            http_client=http_client,
            http_async_client=DefaultAsyncHttpxClient(verify=False),  # likewise
        )


@contextmanager
def _nova(asked: Asked) -> Iterator[Any]:
    client = bedrock_client(asked)
    try:
        yield ChatBedrockConverse(client=client, bedrock_client=client, model="amazon.nova-lite-v1:0")
    finally:
        client.close()


def _take(asked: Asked, item: Any) -> None:
    asked.take(item if isinstance(item, str) else item.content)


async def _stream_async(runnable: Any, asked: Asked, question: Any, config: Any) -> None:
    async for item in runnable.astream(question, config):
        _take(asked, item)


def _run(model_of: Any, around: Callable[[Any], Any], way: str, asked: Asked) -> None:
    handler = None if asked.source is None else LaunchDarklyCallbackHandler(asked.source)
    config: Any = {} if handler is None else {"callbacks": [handler]}
    with model_of(asked) as model:
        runnable = around(model)
        question: Any = {"question": asked.prompt} if around is chain_of else asked.prompt
        try:
            if way == "invoke":
                _take(asked, runnable.invoke(question, config))
            elif way == "ainvoke":
                _take(asked, asyncio.run(runnable.ainvoke(question, config)))
            elif way == "stream":
                for item in runnable.stream(question, config):
                    _take(asked, item)
            else:
                asyncio.run(_stream_async(runnable, asked, question, config))
        finally:
            assert handler is None or len(handler._trees) == 0


def _alone(model: Any) -> Any:
    return model


# By model: its server, and by what the first output in a stream is found.
_MODELS: dict[str, Any] = {
    "gpt": (_gpt, ScriptedOpenAI, b"data: "),
    "nova": (_nova, ScriptedBedrock, b":event-type"),
}
LANGCHAIN = [
    Way(
        f"{name} {'chain' if around is chain_of else 'alone'} {way}",
        server,
        partial(_run, model_of, around, way),
        mark=mark if "stream" in way else b"",
        nth=2,
        retried=(name, around, way) == ("gpt", chain_of, "stream"),
    )
    for name, (model_of, server, mark) in _MODELS.items()
    for around in (_alone, chain_of)
    for way in ("invoke", "ainvoke", "stream", "astream")
]
