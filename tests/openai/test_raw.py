"""Raw responses that come whole, from both kinds of client: what they are, and how their bodies are read."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_openai import track_openai_metrics, track_openai_metrics_async
from tests.openai.expected import ANSWERED, ASKED, UNREAD, told, told_by_now
from tests.openai.raw import (  # noqa: F401  # pytest finds them here
    Pieces,
    RawServer,
    all_of,
    each,
    either_fixture,
    entered,
    measured_fixture,
    server_fixture,
    value,
    whole,
)
from tests.openai.scenarios import REQUESTS, resource
from tests.servers.openai import completion, text_completion
from tests.servers.responses import response

if TYPE_CHECKING:
    from pathlib import Path

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

JSON = "application/json"
WHOLE: dict[str, Any] = {"chat": completion("Grüße"), "completions": text_completion(), "responses": response()}
APIS = pytest.mark.parametrize("api", WHOLE)
FORMS = pytest.mark.parametrize("form", ["with_raw_response", "with_streaming_response"])
NOT_FOUND = [b"<html>", b"", b"[1]", b"7", b"null", b'{"id": ', b"\xff\xfe\xfd", b"[" * 100_000]


async def ask(client: Any, form: str, api: str = "chat") -> Any:
    """Ask for a raw response, and have it read if it has to be."""
    asked = getattr(resource(client, api), form).create(**REQUESTS[api])
    if form == "with_raw_response":
        return await value(asked)
    async with entered(asked) as raw:
        await value(raw.read())
        return raw


@APIS
@FORMS
async def test_it_is_what_it_was(
    server: RawServer, either: Any, measured: Any, recorded: RecordingClient, form: str, api: str
) -> None:
    """OA10: type, headers, request id and what is parsed, the same object at every asking, are as without us."""
    server.script(*[whole(WHOLE[api], headers=(("x-request-id", "req-1"), ("x-own", "1")))] * 2)
    own, raw = await ask(either, form, api), await ask(measured, form, api)
    assert type(raw) is type(own)
    assert raw.request_id == own.request_id == "req-1"
    assert raw.headers["x-own"] == "1"
    assert (raw.status_code, raw.retries_taken, raw.is_closed) == (200, 0, True)
    parsed = await value(raw.parse())
    assert parsed is await value(raw.parse())
    assert type(parsed) is type(await value(own.parse()))
    assert parsed == await value(own.parse())
    assert parsed._request_id == "req-1"
    assert raw.http_response.content == own.http_response.content
    assert told_by_now(recorded) == ANSWERED


@pytest.mark.parametrize("to", [str, object])
async def test_parsed_into(server: RawServer, either: Any, measured: Any, recorded: RecordingClient, to: Any) -> None:
    """OA10: `parse(to=...)` gives what it would give without us, and is no second reading."""
    server.script(*[whole(WHOLE["chat"])] * 2)
    own, raw = await ask(either, "with_streaming_response"), await ask(measured, "with_streaming_response")
    assert await value(raw.parse(to=to)) == await value(own.parse(to=to))
    assert (await value(raw.parse())).choices
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("how", ["read", "text", "json", "iter_bytes", "iter_text", "iter_lines", "parse"])
@pytest.mark.parametrize("encoded", [False, True], ids=["plain", "gzip"])
async def test_ways_to_read(
    server: RawServer, either: Any, measured: Any, recorded: RecordingClient, how: str, encoded: bool
) -> None:
    """OA10: in whichever way a body is read, compressed or not, it is as without us, and measured at its last byte."""
    body = json.dumps(WHOLE["chat"], ensure_ascii=False).encode()
    headers = (("Content-Encoding", "gzip"),) if encoded else ()
    server.script(*[whole(gzip.compress(body) if encoded else body, headers=headers)] * 2)
    got = []
    for client in (either, measured):
        async with entered(client.chat.completions.with_streaming_response.create(**ASKED)) as raw:
            assert told_by_now(recorded) == []
            got.append(await all_of(getattr(raw, how)()))
            assert told_by_now(recorded) == ([] if client is either else ANSWERED)
    assert got[0] == got[1]
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
async def test_pieces_of_a_size(server: RawServer, measured: Any, recorded: RecordingClient, size: int) -> None:
    """OA10: pieces come in the size that was asked for."""
    server.script(whole(WHOLE["chat"]))
    async with entered(measured.chat.completions.with_streaming_response.create(**ASKED)) as raw:
        pieces = [piece async for piece in each(raw.iter_bytes(size))]
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert told(recorded) == ANSWERED


@FORMS
async def test_a_byte_order_mark(server: RawServer, measured: Any, recorded: RecordingClient, form: str) -> None:
    """OA10: a mark before the JSON, which the SDK's own parsing passes over, hides no tokens."""
    server.script(whole(b"\xef\xbb\xbf" + json.dumps(completion()).encode()))
    assert (await value((await ask(measured, form)).parse())).choices
    assert told(recorded) == ANSWERED


async def test_a_body_of_something_else(
    server: RawServer, measured: Any, recorded: RecordingClient, tmp_path: Path
) -> None:
    """Speech and embeddings pass unrecorded in their raw forms, and can be written to a file."""
    server.script(Pieces(pieces=[b"so", b"und"], content_type="audio/mpeg"), whole({"object": "list", "data": []}))
    speech = measured.audio.speech.with_streaming_response.create(model="m", input="Hi", voice="alloy")
    async with entered(speech) as raw:
        await value(raw.stream_to_file(tmp_path / "speech", chunk_size=2))
    assert (tmp_path / "speech").read_bytes() == b"sound"
    raw = await value(measured.embeddings.with_raw_response.create(model="m", input="Hi", encoding_format="float"))
    assert raw.parse().object == "list"
    assert told(recorded) == []


async def test_a_long_body_of_something_else(server: RawServer, either: Any, config: AIConfig, recorded: Any) -> None:
    """OA17: of a body that can say nothing, such as speech, nothing is kept while it is read."""
    server.script(Pieces(pieces=[b"x" * 100_000] * 200, content_type="audio/mpeg"))
    manager = either.audio.speech.with_streaming_response.create(model="m", input="Hi", voice="alloy")
    if isinstance(either, openai.AsyncOpenAI):
        raw = await track_openai_metrics_async(config, manager.__aenter__)
    else:
        raw = track_openai_metrics(config, manager.__enter__)
    tracemalloc.start()
    try:
        async for _ in each(raw.iter_bytes()):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await value(raw.close())
    assert told(recorded) == UNREAD
    assert peak < 5_000_000
