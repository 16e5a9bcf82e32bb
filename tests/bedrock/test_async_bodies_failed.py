"""The body of `invoke_model` with aiobotocore that fails while it is read, or is closed, or is not read after all."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.async_ways import CONTENT, TO_THE_END, outcome, raw_of
from tests.bedrock.expected import HEADERS, INVOKED, STALLING_BODY, read_all
from tests.expected import ANSWERED, ERROR, SUCCESS, TOKENS, duration, told, told_by_now, turns
from tests.servers.bedrock import Body, ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

FAILED_AT_A_READ = [duration(), ERROR, *TOKENS]
HEADERS_ALONE = ANSWERED
AT_ONCE_S = 5.0  # what waited for more instead would wait for ever
BROKEN = {
    "short": Body(CONTENT, HEADERS, length=len(CONTENT) + 5),
    "cut": Body(CONTENT, HEADERS, piece=7, cut_after=50),
    "cut-at-once": Body(CONTENT, HEADERS, cut_after=0),
    "cut-before-its-end": Body(CONTENT, HEADERS, cut_after=len(CONTENT) - 1),
    "chunked-and-cut": Body(CONTENT, HEADERS, length=-1, piece=7, cut_after=50),
}
# Which stop before they fail, or do not tell of it.
AT_THEIR_END = {way for way in TO_THE_END if way.endswith(("exactly", "nowait"))}


@pytest.mark.parametrize("way", sorted(TO_THE_END.keys() - AT_THEIR_END))
async def test_a_body_that_breaks_off(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient, way: str
) -> None:
    """BR5, BR11, BR16: what fails at the user's read fails as without us: one error, with the tokens of the headers."""
    wrapped = wrap_bedrock(async_client, config)
    for times, (how, body) in enumerate(BROKEN.items(), 1):
        server.script(body, body)
        expected, _ = await outcome(async_client, TO_THE_END[way])
        result, response = await outcome(wrapped, TO_THE_END[way])
        assert isinstance(expected, tuple), "it did not fail"
        assert result == expected
        if expected[0] is AttributeError:
            pytest.skip("this release of aiobotocore cannot")
        assert told_by_now(recorded) == FAILED_AT_A_READ * times, how
        del response
        assert told(recorded) == FAILED_AT_A_READ * times, how


async def test_what_came_before(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR11, BR16: a mismatch raises at the user's own read, not at the request, nor at what comes before."""
    server.script(Body(CONTENT, HEADERS, length=len(CONTENT) + 5, piece=10))
    body = (await async_wrapped.invoke_model(**INVOKED))["body"]
    assert told(recorded) == []
    with pytest.raises(Exception, match="ayload"):
        await read_all(body.iter_chunks(10))
    assert told_by_now(recorded) == FAILED_AT_A_READ


@pytest.mark.parametrize("way", ["read", "for", "iter_lines", "raw-read", "raw-content-iter_any", "raw-json"])
async def test_a_stall(
    server: ScriptedBedrock,
    make_async_client: Callable[..., Awaitable[Any]],
    config: AIConfig,
    recorded: RecordingClient,
    way: str,
) -> None:
    """BR5, BR16: a read that times out is an error, with the time that was waited; the user may close after it."""
    client = await make_async_client(read_timeout=0.5)
    server.script(STALLING_BODY, STALLING_BODY)
    expected, _ = await outcome(client, TO_THE_END[way])
    assert issubclass(expected[0], asyncio.TimeoutError)
    result, response = await outcome(wrap_bedrock(client, config), TO_THE_END[way])
    assert result == expected
    told_once = [duration(200), ERROR, *TOKENS]
    assert told_by_now(recorded) == told_once
    with suppress(Exception):  # whatever aiohttp makes of it
        await response["body"].read(4)
    response["body"].close()
    del response
    assert told(recorded) == told_once


async def test_read_after_the_closing(async_client: Any, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR5, BR16: reading what the user has closed gives what it gives without us, and is no error."""

    async def way(body: Any) -> Any:
        body.close()
        return await body.read()

    expected, _ = await outcome(async_client, way)
    result, _response = await outcome(async_wrapped, way)
    assert result == expected
    assert told(recorded) == [duration(), SUCCESS]


async def test_closed_while_it_is_read(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR5, BR16: a body that is closed while another task waits for its bytes is a success; the task fails."""
    server.script(STALLING_BODY)
    body = (await async_wrapped.invoke_model(**INVOKED))["body"]
    task = asyncio.create_task(body.read())
    await turns()
    body.close()
    with pytest.raises(Exception, match="closed"):
        await asyncio.wait_for(task, AT_ONCE_S)
    assert told(recorded) == HEADERS_ALONE


async def test_a_read_that_is_not_begun(server: ScriptedBedrock, async_client: Any, config: AIConfig) -> None:
    """BR11, BR16: a task that is cancelled before it begins to read warns of nothing, with us as without."""
    for client in (async_client, wrap_bedrock(async_client, config)):
        server.script(Body(CONTENT, HEADERS))
        body = (await client.invoke_model(**INVOKED))["body"]
        for read in (body.read, raw_of(body).read, raw_of(body).content.read, raw_of(body).content.readany):
            task = asyncio.create_task(read())
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            gc.collect()
        body.close()
