"""Async clients: how they are asked, and which of them there are."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ParamValidationError

from ldai_bedrock import wrap_bedrock
from tests.bedrock.conftest import CREDENTIALS
from tests.bedrock.expected import ASKED, HEADERS, HELLO, INVOKED, REQUESTS, read_all
from tests.expected import ANSWERED, LEFT, READ, SUCCESS, TOKENS, duration, told, turns
from tests.servers.bedrock import Body, ScriptedBedrock, invoke_chunks, invoke_events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient


@pytest.mark.parametrize("operation", REQUESTS)
async def test_never_awaited(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient, operation: str
) -> None:
    """BR1, BR16: a coroutine that is never awaited takes no tracker, and costs no warning more than without us."""
    taken = []

    def take() -> AIConfigTracker:
        taken.append(config.create_tracker())
        return taken[-1]

    wrapped = wrap_bedrock(async_client, take)
    counts = []
    gc.collect()  # the garbage of others has warnings of its own
    for client in (async_client, wrapped):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            coroutine = getattr(client, operation)(**REQUESTS[operation])
            del coroutine
            gc.collect()
        counts.append([each.category for each in caught if each.category is not ResourceWarning])
    assert counts[0] == counts[1] == [RuntimeWarning]
    assert taken == []
    assert server.requests == []
    assert told(recorded) == []


async def test_closed_before_it_is_awaited(async_wrapped: Any, server: ScriptedBedrock, recorded: Any) -> None:
    """BR1, BR16: nor does a coroutine that is closed, and it warns of nothing."""
    async_wrapped.converse(**ASKED).close()
    gc.collect()
    assert server.requests == []
    assert recorded.runs == []


async def test_an_argument_by_position(async_client: Any, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR4, BR16: what is refused before there is a request records nothing."""
    messages = []
    for client in (async_client, async_wrapped):
        with pytest.raises(TypeError) as caught:
            await client.converse(ASKED)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert told(recorded) == []


async def test_an_async_method_that_is_a_double(config: AIConfig, recorded: RecordingClient) -> None:
    """BR13, BR16: an application's own async client need not be aiobotocore's."""

    class Scripted:
        async def converse(self, **_asked: Any) -> Any:
            return {"usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}}

        async def invoke_model(self, **_asked: Any) -> Any:
            raise ParamValidationError(report="no")

    wrapped: Any = wrap_bedrock(Scripted(), config)
    coroutine = wrapped.converse(**ASKED)
    assert asyncio.iscoroutine(coroutine)
    await coroutine
    with pytest.raises(ParamValidationError):
        await wrapped.invoke_model()
    assert [run.success for run in recorded.runs] == [True, False]


async def use(client: Any, server: ScriptedBedrock) -> None:
    """Use all four operations."""
    server.script(*[Body(HELLO, HEADERS)])
    assert await (await client.invoke_model(**REQUESTS["invoke_model"]))["body"].read() == HELLO
    server.script(invoke_events(invoke_chunks("Hel", "lo")))
    await read_all((await client.invoke_model_with_response_stream(**INVOKED))["body"])
    await read_all((await client.converse_stream(**ASKED))["stream"])
    await client.converse(**ASKED)


async def test_aioboto3(
    server: ScriptedBedrock,
    config: AIConfig,
    recorded: RecordingClient,
    make_async_client: Callable[..., Awaitable[Any]],
) -> None:
    """BR16: a client of aioboto3 is one of aiobotocore, made in its way."""
    aioboto3 = pytest.importorskip("aioboto3", reason="there is no aioboto3 for this release of botocore")
    session = aioboto3.Session(**CREDENTIALS)
    async with session.client("bedrock-runtime", endpoint_url=server.uri) as client:
        wrapped = wrap_bedrock(client, config)
        assert type(wrapped) is type(client)
        await use(wrapped, server)
        stream = (await wrapped.converse_stream(**ASKED))["stream"]
        async for event in stream:
            if "contentBlockDelta" in event:
                break
        await turns()
    assert told(recorded) == [*ANSWERED, *READ, *READ, *ANSWERED, *LEFT]


async def test_the_client_is_closed_by_its_own(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR13, BR16: a double shares the connections; who closes the client's own closes them for both."""
    wrapped = wrap_bedrock(async_client, config)
    assert type(wrapped) is type(async_client)
    assert wrapped._endpoint is async_client._endpoint
    assert wrapped.meta is async_client.meta
    await wrapped.converse(**ASKED)
    await async_client.converse(**ASKED)
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]
