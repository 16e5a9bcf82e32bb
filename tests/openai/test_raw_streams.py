"""Raw streams, from both kinds of client: whichever way they are read, and however that ends."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai._legacy_response import LegacyAPIResponse

from tests.openai.expected import (
    ANSWERED,
    FAILED,
    FAILED_LATE,
    LEFT,
    READ,
    TOOL_CALL,
    UNREAD,
    told,
    told_by_now,
)
from tests.openai.raw import (  # noqa: F401  # pytest finds them here
    COUNTED_CHAT,
    Pieces,
    RawServer,
    all_of,
    each,
    either_fixture,
    entered,
    measured_fixture,
    server_fixture,
    sse,
    value,
)
from tests.openai.scenarios import COUNTED, REQUESTS, resource
from tests.servers.openai import Answer, Stream, chunks, completion, error_event, texts, tool_call
from tests.servers.responses import response_stream

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient

STEPS: Any = {
    "chat": Stream(chunks("Hel", "lo"), usage=(9, 3)),
    "completions": Stream(texts("Hel", "lo"), usage=(9, 3)),
    "responses": response_stream(),
}
STALLING = Pieces(pieces=[sse(*COUNTED_CHAT[:2], done=False)], stall=True)
APIS = pytest.mark.parametrize("api", STEPS)
FORMS = pytest.mark.parametrize("form", ["with_raw_response", "with_streaming_response"])
BYTES = ["iter_bytes", "iter_text", "iter_lines"]


async def ask(client: Any, api: str = "chat", **extra: Any) -> Any:
    """Ask for a raw stream."""
    return await value(resource(client, api).with_raw_response.create(**REQUESTS[api], stream=True, **extra))


def streaming(client: Any, api: str = "chat", **extra: Any) -> Any:
    """Make the manager of one."""
    return resource(client, api).with_streaming_response.create(**REQUESTS[api], stream=True, **extra)


async def read(raw: Any, how: str) -> Any:
    """Read it in one of its ways, `raw` being what either form gives."""
    if isinstance(raw, LegacyAPIResponse) and how != "parse":  # which has no such way of its own
        how = f"a{how}" if isinstance(raw._client, openai.AsyncOpenAI) else how
        return await all_of(getattr(raw.http_response, how)())
    return await all_of(getattr(raw, how)())


@APIS
@pytest.mark.parametrize("how", [*BYTES, "read"])
async def test_untouched(
    server: RawServer, either: Any, measured: Any, recorded: RecordingClient, api: str, how: str
) -> None:
    """OA3, OA10: in either form its bytes are those that were sent, with the usage that we asked for, and measured."""
    server.script(*[STEPS[api]] * 4)
    extra = {} if api == "responses" else COUNTED
    got = []
    for client, more in ((either, extra), (measured, {})):
        async with entered(streaming(client, api, **more)) as raw:
            got.append(await read(raw, how))
        got.append(await read(await ask(client, api, **more), how))
    assert got == [got[0]] * 4
    assert "12" in str(got[0])
    assert told_by_now(recorded) == READ * 2
    assert len({json.dumps(request.body, sort_keys=True) for request in server.requests}) == 1


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("wanted", [None, True, False])
async def test_the_usage_chunk(
    server: RawServer, measured: Any, recorded: RecordingClient, api: str, wanted: bool | None
) -> None:
    """OA2, OA3: `parse()` hides the usage chunk that we asked for, and none that the application decided on."""
    server.script(*[STEPS[api]] * 2)
    extra = {} if wanted is None else {"extra_body": {"stream_options": {"include_usage": wanted}}}
    async with entered(streaming(measured, api, **extra)) as raw:
        first = [item.choices async for item in each(await value(raw.parse()))]
    second = [item.choices async for item in each((await ask(measured, api, **extra)).parse())]
    assert first == second
    assert first.count([]) == (1 if wanted else 0)
    assert told(recorded) == (LEFT if wanted is False else READ) * 2


@pytest.mark.parametrize("how", [*BYTES, "parse"])
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "gzip"])
async def test_byte_by_byte(
    server: RawServer, measured: Any, recorded: RecordingClient, how: str, encoded: bool
) -> None:
    """OA10: letters, line ends and what is compressed may be cut anywhere."""
    calls = chunks("Grüße", *tool_call("such_ä", "{", "}"))
    sent = sse(*calls, COUNTED_CHAT[-1]).replace(b"\n", b"\r\n")
    body = gzip.compress(sent) if encoded else sent
    headers = (("Content-Encoding", "gzip"),) if encoded else ()
    server.script(Pieces(pieces=[bytes([byte]) for byte in body], headers=headers))
    async with entered(streaming(measured)) as raw:
        got = await read(raw, how)
    assert "Grüße" in (got.decode() if isinstance(got, bytes) else str(got))
    assert told(recorded) == [*READ, TOOL_CALL]
    assert recorded.run.tool_calls == ("such_ä",)


async def test_not_what_it_says(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA1: a body that cannot be decompressed fails as it does without us, and is an error."""
    server.script(Pieces(pieces=[b"plain"], headers=(("Content-Encoding", "gzip"),)))
    async with entered(streaming(measured)) as raw:
        with pytest.raises(Exception, match="incorrect header check"):
            await read(raw, "iter_lines")
        assert told_by_now(recorded) == FAILED
    assert told(recorded) == FAILED


@APIS
@pytest.mark.parametrize("how", [*BYTES, "read", "parse"])
async def test_an_error_within(server: RawServer, measured: Any, recorded: RecordingClient, api: str, how: str) -> None:
    """OA1, OA10: an error in the place of an event is one, whether anybody raises it or not."""
    events = STEPS[api].chunks[:-1]
    server.script(Pieces(pieces=[sse(*events, error_event("overloaded"))]))
    async with entered(streaming(measured, api)) as raw:
        if how == "parse":
            with pytest.raises(openai.APIError, match="overloaded"):
                await read(raw, how)
        else:
            assert "overloaded" in str(await read(raw, how))
        assert told_by_now(recorded) == FAILED_LATE
    assert told(recorded) == FAILED_LATE


@pytest.mark.parametrize("how", ["iter_lines", "parse"])
async def test_after_its_end(server: RawServer, measured: Any, recorded: RecordingClient, how: str) -> None:
    """OA10: a stream is over with its `[DONE]`, for who reads its lines as for the SDK, whatever is sent then."""
    server.script(Pieces(pieces=[sse(*COUNTED_CHAT), sse(error_event("late"))]))
    async with entered(streaming(measured)) as raw:
        await read(raw, how)
    assert told(recorded) == READ


@pytest.mark.parametrize(
    ("body", "expected"), [(completion(), ANSWERED), (error_event(), FAILED)], ids=["an answer", "an error"]
)
async def test_no_stream_at_all(
    server: RawServer, measured: Any, recorded: RecordingClient, body: Any, expected: Any
) -> None:
    """OA10: a backend that answers with JSON where a stream was asked for is measured by what its body says."""
    server.script(Answer(body))
    async with entered(streaming(measured)) as raw:
        assert await value(raw.json()) == body
    assert told(recorded) == expected


@pytest.mark.parametrize("cut", [False, True])
async def test_as_it_is_on_the_wire(server: RawServer, measured: Any, recorded: RecordingClient, cut: bool) -> None:
    """OA10: the HTTP response's own `iter_raw` is a way to read, too: to the end, or until the connection is cut."""
    sent = sse(*COUNTED_CHAT[:2], done=False) if cut else sse(*COUNTED_CHAT)
    server.script(Pieces(pieces=[sent], cut=cut))
    async with entered(streaming(measured)) as raw:
        pieces = each(
            raw.http_response.aiter_raw() if isinstance(measured, openai.AsyncOpenAI) else raw.http_response.iter_raw()
        )
        if cut:
            with pytest.raises(Exception, match="closed connection"):
                _ = [piece async for piece in pieces]
        else:
            assert b"".join([piece async for piece in pieces]) == sent
    assert told(recorded) == (FAILED_LATE if cut else READ)


async def test_compressed_on_the_wire(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA10: what is compressed on the wire is handed on like that by `iter_raw`: its end is seen, and nothing in it."""
    sent = gzip.compress(sse(*COUNTED_CHAT))
    server.script(Pieces(pieces=[sent], headers=(("Content-Encoding", "gzip"),)))
    async with entered(streaming(measured)) as raw:
        is_async = isinstance(measured, openai.AsyncOpenAI)
        pieces = each(raw.http_response.aiter_raw() if is_async else raw.http_response.iter_raw())
        assert b"".join([piece async for piece in pieces]) == sent
    assert told(recorded) == UNREAD
