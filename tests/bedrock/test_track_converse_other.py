"""`track_bedrock_converse_metrics` with bodies, with functions of all kinds, and with any source."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.eventstream import EventStream

from ldai_bedrock import track_bedrock_converse_metrics, track_bedrock_converse_metrics_async
from ldai_core import Run, TokenUsage
from tests.bedrock.expected import ASKED, HEADERS, HELLO, INVOKED, read_all
from tests.expected import (
    ANSWERED,
    READ,
    told,
    told_by_now,
)
from tests.servers.bedrock import Body, ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient


def test_a_body(server: ScriptedBedrock, client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29, BR7: a response of `invoke_model` is measured to the end of its body; unread, the headers suffice."""
    server.script(Body(HELLO), Body(HELLO, HEADERS))
    response = track_bedrock_converse_metrics(config.create_tracker(), lambda: client.invoke_model(**INVOKED))
    assert told(recorded) == []
    assert response["body"].read() == HELLO
    assert told_by_now(recorded) == ANSWERED
    track_bedrock_converse_metrics(config.create_tracker(), lambda: client.invoke_model(**INVOKED))["body"].close()
    assert told(recorded) == ANSWERED + ANSWERED


async def test_a_body_async(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29, BR7: likewise of an async client."""
    response = await track_bedrock_converse_metrics_async(
        config.create_tracker(), lambda: async_client.invoke_model(**INVOKED)
    )
    assert await response["body"].read() == HELLO
    assert told_by_now(recorded) == ANSWERED


def _asking(client: Any) -> Any:
    async def ask() -> Any:
        return await client.converse(**ASKED)

    return ask


class _Asking:
    def __init__(self, client: Any) -> None:
        self._client = client

    async def __call__(self) -> Any:
        return await self._client.converse(**ASKED)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "lambda": lambda client: lambda: client.converse(**ASKED),
    "partial": lambda client: partial(client.converse, **ASKED),
    "coroutine": _asking,
    "task": lambda client: lambda: asyncio.ensure_future(client.converse(**ASKED)),
    "object": _Asking,
}


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_a_coroutine_function(
    async_client: Any, config: AIConfig, recorded: RecordingClient, function: str
) -> None:
    """R29: given what has to be awaited, the sync one returns what has to be awaited, and measures it then."""
    tracked: Any = track_bedrock_converse_metrics(config.create_tracker(), FUNCTIONS[function](async_client))
    assert told(recorded) == []
    assert (await tracked)["stopReason"] == "end_turn"
    assert told_by_now(recorded) == ANSWERED
    await track_bedrock_converse_metrics_async(config.create_tracker(), FUNCTIONS[function](async_client))
    assert told_by_now(recorded) == ANSWERED + ANSWERED


def test_sources(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29: a config, a factory or an open Run may stand for the tracker."""
    track_bedrock_converse_metrics(config, lambda: client.converse(**ASKED))
    track_bedrock_converse_metrics(config.create_tracker, lambda: client.converse(**ASKED))
    with Run(config) as run:
        for _ in range(2):
            track_bedrock_converse_metrics(run, lambda: client.converse(**ASKED))
    assert recorded.runs[-1].tokens == TokenUsage(24, 18, 6)
    assert len(recorded.runs) == 3


async def test_streams_of_both_kinds(
    client: Any, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """R29: a response with a stream is a response still, but for the stream, which is measured to its end."""
    response = track_bedrock_converse_metrics(config.create_tracker(), lambda: client.converse_stream(**ASKED))
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert isinstance(response["stream"], EventStream)
    assert told(recorded) == []
    assert len(list(response["stream"])) == 6
    assert told_by_now(recorded) == READ
    response = await track_bedrock_converse_metrics_async(
        config.create_tracker(), lambda: async_client.converse_stream(**ASKED)
    )
    assert isinstance(response["stream"], EventStream)
    assert len(await read_all(response["stream"])) == 6
    assert told_by_now(recorded) == READ + READ
