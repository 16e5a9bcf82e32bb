"""The body of `invoke_model` with aiobotocore, not read to its end: left, dropped, failed; and not read ahead."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.async_ways import CONTENT, raw_of
from tests.bedrock.expected import HEADERS, HELLO, INVOKED, STALLING_BODY
from tests.expected import ANSWERED, told, told_by_now, turns
from tests.servers.bedrock import Body, ScriptedBedrock

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

HEADERS_ALONE = ANSWERED
AT_ONCE_S = 5.0  # what waited for more instead would wait for ever


async def _first_of(pieces: Any) -> Any:
    async for piece in pieces:
        return piece
    return None


async def _into(body: Any) -> bytes:
    buffer = bytearray(7)
    return bytes(buffer[: await body.readinto(buffer)])


PARTLY: dict[str, Any] = {
    "nothing": lambda body: asyncio.sleep(0),
    "read-0": lambda body: body.read(0),
    "read-n": lambda body: body.read(7),
    "all-but-one": lambda body: body.read(len(CONTENT) - 1),
    "iter_chunks": lambda body: _first_of(body.iter_chunks(7)),
    "iter_lines": lambda body: _first_of(body.iter_lines(7)),
    "content-read": lambda body: raw_of(body).content.read(7),
    "content-exactly": lambda body: raw_of(body).content.readexactly(7),
    "content-line": lambda body: raw_of(body).content.readline(),
    "content-chunked": lambda body: _first_of(raw_of(body).content.iter_chunked(7)),
}


async def _aclose(body: Any) -> None:
    if hasattr(body, "aclose"):
        await body.aclose()
    else:
        body.close()


async def _enter(body: Any) -> None:
    async with body:
        pass


async def _enter_raw(body: Any) -> None:
    async with raw_of(body):
        pass


async def _release(body: Any) -> None:
    await raw_of(body).release()


async def _close(body: Any) -> None:
    body.close()


async def _close_raw(body: Any) -> None:
    raw_of(body).close()


LEAVING: dict[str, Any] = {
    "close": _close,
    "aclose": _aclose,
    "with": _enter,
    "raw-close": _close_raw,
    "raw-release": _release,
    "raw-with": _enter_raw,
}


@pytest.mark.parametrize("part", PARTLY)
async def test_left(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, part: str) -> None:
    """BR7, BR16: of a body that is left unread, or read in part, the headers suffice: one success, when it is left."""
    for times, (leaving, leave) in enumerate(LEAVING.items(), 1):
        server.script(Body(CONTENT, HEADERS))
        body = (await async_wrapped.invoke_model(**INVOKED))["body"]
        await PARTLY[part](body)
        assert told(recorded) == HEADERS_ALONE * (times - 1)
        await leave(body)
        assert told_by_now(recorded) == HEADERS_ALONE * times, leaving
        body.close()
        del body
        gc.collect()
        await turns()
        assert told(recorded) == HEADERS_ALONE * times, leaving


@pytest.mark.parametrize("part", PARTLY)
async def test_dropped(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, part: str) -> None:
    """BR7, BR16: nor has it to be closed: it may be dropped."""
    server.script(Body(CONTENT, HEADERS))
    response = await async_wrapped.invoke_model(**INVOKED)
    await PARTLY[part](response["body"])
    assert told(recorded) == []
    del response
    while not recorded.runs:  # aiohttp holds on to it until all of it has come
        gc.collect()
        await asyncio.sleep(0.001)
    assert told(recorded) == HEADERS_ALONE


async def test_dropped_before_it_has_come(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR1, BR16: a body that is dropped while the service has more to say is a success, when aiohttp lets go of it."""
    server.script(STALLING_BODY)
    response = await wrap_bedrock(async_client, config).invoke_model(**INVOKED)
    assert await response["body"].read(5) == HELLO[:5]
    del response
    gc.collect()
    await async_client.close()
    await turns()
    gc.collect()
    assert told(recorded) == HEADERS_ALONE


READS: dict[str, Any] = {
    "read": lambda body: body.read(5),
    "readinto": _into,
    "iter_chunks": lambda body: _first_of(body.iter_chunks(5)),
    "next": lambda body: body.__anext__(),
    "content": lambda body: raw_of(body).content.read(5),
    "exactly": lambda body: raw_of(body).content.readexactly(10),
    "any": lambda body: raw_of(body).content.readany(),
    "chunk": lambda body: raw_of(body).content.readchunk(),
    "iter_chunked": lambda body: _first_of(raw_of(body).content.iter_chunked(5)),
    "iter_any": lambda body: _first_of(raw_of(body).content.iter_any()),
}


@pytest.mark.parametrize("read", READS)
async def test_nothing_is_read_ahead(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, read: str
) -> None:
    """BR11, BR16: what has come is there at once, though the service has more to say; nothing waits for that."""
    server.script(STALLING_BODY)
    body = (await asyncio.wait_for(async_wrapped.invoke_model(**INVOKED), AT_ONCE_S))["body"]
    if read == "readinto" and not hasattr(body, "readinto"):
        pytest.skip("this release of aiobotocore cannot")
    assert await asyncio.wait_for(READS[read](body), AT_ONCE_S)
    assert told(recorded) == []
    body.close()
    assert told_by_now(recorded) == HEADERS_ALONE
