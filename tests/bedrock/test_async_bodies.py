"""The body of `invoke_model` with aiobotocore, read to its end in whatever way: it decides, and is as without us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.async_ways import CONTENT, TO_THE_END, outcome, raw_of
from tests.bedrock.expected import HEADERS, INVOKED, read_all
from tests.expected import ANSWERED, SUCCESS, duration, tokens, told, told_by_now
from tests.servers.bedrock import Body, ScriptedBedrock

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

BY_ITSELF = [duration(), SUCCESS, *tokens(12, 5)]
# Whole, in small pieces, and of no announced length.
FORMS = {
    "whole": Body(CONTENT, HEADERS),
    "pieces": Body(CONTENT, HEADERS, piece=13),
    "chunked": Body(CONTENT, HEADERS, length=-1, piece=13),
}


@pytest.mark.parametrize("way", TO_THE_END)
async def test_read_to_its_end(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient, way: str
) -> None:
    """BR7, BR11, BR16: a body that is read to its end decides, at once; what it gives is what it gives without us."""
    wrapped = wrap_bedrock(async_client, config)
    expected_events = []
    for form, body in FORMS.items():
        if way == "raw-content-exactly" and form == "chunked":
            continue  # the last bytes are there before anyone knows that they are the last
        server.script(body, body)
        expected, _ = await outcome(async_client, TO_THE_END[way])
        result, response = await outcome(wrapped, TO_THE_END[way])
        if isinstance(expected, tuple):
            assert result == expected
            pytest.skip(f"this release of aiobotocore cannot: {expected[1]}")
        assert type(result) is type(expected)
        if form == "whole" or isinstance(expected, bytes):
            assert result == expected
        expected_events += BY_ITSELF
        assert told_by_now(recorded) == expected_events, form
        del response
        assert told(recorded) == expected_events


async def test_the_types(async_client: Any, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR11, BR16: a body, the response beneath it, and its content, are of the types that they are without us."""
    kinds = []
    for client in (async_client, async_wrapped):
        body = (await client.invoke_model(**INVOKED))["body"]
        raw = raw_of(body)
        kinds.append([body.__class__, type(body), raw.__class__, raw.content.__class__])
        assert isinstance(body, kinds[0][0])
        assert isinstance(raw, kinds[0][2])
        assert isinstance(raw.content, kinds[0][3])
        await body.read()
    assert kinds[0] == kinds[1]
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize(
    "content", [b"", b"Hello", b'{"usage": ', b"[1]", b"null", b"\x00\xff", b"\x89PNG" + bytes(99)]
)
@pytest.mark.parametrize("length", [None, -1])
async def test_bytes_that_are_no_json(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, content: bytes, length: int | None
) -> None:
    """BR11, BR16: bytes that are no JSON come through untouched: a success with the tokens of the headers."""
    server.script(*[Body(content, HEADERS, length=length)] * 2)
    assert await (await async_wrapped.invoke_model(**INVOKED))["body"].read() == content
    assert told_by_now(recorded) == ANSWERED
    assert b"".join(await read_all((await async_wrapped.invoke_model(**INVOKED))["body"])) == content
    assert told_by_now(recorded) == ANSWERED + ANSWERED


async def test_without_headers(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR7, BR16: without the headers, a body that is read tells its tokens all the same."""
    server.script(Body(CONTENT))
    await (await async_wrapped.invoke_model(**INVOKED))["body"].read()
    assert told_by_now(recorded) == BY_ITSELF
