"""Ways to ask OpenAI's API, by its real client."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from ldai_openai import wrap_openai
from tests.reliability.faults import Way
from tests.servers.openai import ScriptedOpenAI
from tests.servers.responses import events

if TYPE_CHECKING:
    from tests.reliability.faults import Asked

__all__ = ["OPENAI"]


def _create(client: Any, api: str, asked: Asked, *, streams: bool) -> Any:
    options: dict[str, Any] = {"model": "gpt-4o", "stream": True} if streams else {"model": "gpt-4o"}
    if api == "responses":
        return client.responses.create(input=asked.prompt, **options)
    return client.chat.completions.create(messages=[{"role": "user", "content": asked.prompt}], **options)


def _options(asked: Asked) -> dict[str, Any]:
    base_url = f"{asked.uri}/v1"
    return {"api_key": asked.key, "base_url": base_url, "max_retries": asked.retries, "timeout": asked.timeout_s}


def _ask(api: str, asked: Asked, *, streams: bool) -> None:
    http_client = DefaultHttpxClient(verify=False)  # loading certificates takes longer than a test
    with OpenAI(**_options(asked), http_client=http_client) as client:
        asking = client if asked.source is None else wrap_openai(client, asked.source)
        result = _create(asking, api, asked, streams=streams)
        for each in result if streams else [result]:
            asked.take(each.model_dump(exclude_none=True))


async def _ask_async(api: str, asked: Asked, *, streams: bool) -> None:
    http_client = DefaultAsyncHttpxClient(verify=False)  # likewise
    async with AsyncOpenAI(**_options(asked), http_client=http_client) as client:
        asking = client if asked.source is None else wrap_openai(client, asked.source)
        result = await _create(asking, api, asked, streams=streams)
        if not streams:
            asked.take(result.model_dump(exclude_none=True))
            return
        async for each in result:
            asked.take(each.model_dump(exclude_none=True))


def _run_async(api: str, asked: Asked, *, streams: bool) -> None:
    asyncio.run(_ask_async(api, asked, streams=streams))


# The number of events of a stream with the first output.
_FIRST = {"chat": 2, "responses": 1 + next(at for at, each in enumerate(events()) if "delta" in each)}
OPENAI = [
    Way(
        f"{api} {'stream' if streams else 'create'} {'async' if is_async else 'sync'}",
        ScriptedOpenAI,
        partial(_run_async if is_async else _ask, api, streams=streams),
        mark=b"data: " if streams else b"",
        nth=_FIRST[api],
        retried=api == "chat" and streams is not is_async,
    )
    for api in _FIRST
    for streams in (False, True)
    for is_async in (False, True)
]
