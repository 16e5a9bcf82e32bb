"""Raw responses that come whole, and how they fail, or are left: from both kinds of client."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_openai import wrap_openai
from tests.openai.expected import ANSWERED, ASKED, FAILED, SUCCESS, TOKENS, UNREAD, duration, helpers, told, told_by_now
from tests.openai.raw import (  # noqa: F401  # pytest finds them here
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
    whole,
)
from tests.openai.scenarios import REQUESTS, resource
from tests.servers.openai import Answer, Failure, completion, error_event

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

APIS = pytest.mark.parametrize("api", REQUESTS)
FORMS = pytest.mark.parametrize("form", ["with_raw_response", "with_streaming_response"])
NOT_FOUND = [b"<html>", b"", b"[1]", b"7", b"null", b'{"id": ', b"\xff\xfe\xfd", b"[" * 100_000]
JSON = "application/json"


async def ask(client: Any, form: str, api: str = "chat") -> Any:
    """Ask for a raw response, and have it read if it has to be."""
    asked = getattr(resource(client, api), form).create(**REQUESTS[api])
    if form == "with_raw_response":
        return await value(asked)
    async with entered(asked) as raw:
        await value(raw.read())
        return raw


@FORMS
@APIS
@pytest.mark.parametrize("body", [*NOT_FOUND, json.dumps(error_event()).encode()], ids=lambda body: repr(body[:9]))
async def test_no_answer(
    server: RawServer, measured: Any, recorded: RecordingClient, form: str, api: str, body: bytes
) -> None:
    """OA10: a body that is no JSON object, or is an error, is a failure, whatever its status; it is handed on."""
    server.script(Pieces(pieces=[body], content_type=JSON) if body else Pieces(content_type=JSON))
    raw = await ask(measured, form, api)
    assert raw.http_response.content == body
    assert told(recorded) == FAILED


async def test_events_that_nobody_asked_for(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA10: an error that comes as an event, where no stream was asked for, is a failure in every form."""
    server.script(*[Pieces(pieces=[sse(error_event())])] * 3)
    await value(measured.chat.completions.create(**ASKED))
    await ask(measured, "with_streaming_response")
    assert told(recorded) == FAILED * 2
    await ask(measured, "with_raw_response")
    assert told(recorded) == FAILED * 3


async def test_cut(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA1: a body that is cut is an error at that read."""
    server.script(whole(b'{"id": ', cut=True))
    async with entered(measured.chat.completions.with_streaming_response.create(**ASKED)) as raw:
        with pytest.raises(Exception, match=r"closed connection|Connection error"):
            await value(raw.json())
        assert told_by_now(recorded) == FAILED
    assert told(recorded) == FAILED


async def test_timed_out(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA7: a body that does not come in time is an error."""
    server.script(whole(b'{"id": ', stall=True))
    in_time = measured.with_options(timeout=0.5)
    async with entered(in_time.chat.completions.with_streaming_response.create(**ASKED)) as raw:
        with pytest.raises(Exception, match=r"timed out|^$"):
            await value(raw.read())
    assert told(recorded) == FAILED


async def test_cancelled(server: RawServer, async_client: openai.AsyncOpenAI, config: AIConfig, recorded: Any) -> None:
    """OA1: a reading that is cancelled is an error, which goes on at once."""
    server.script(whole(b'{"id": ', stall=True))
    wrapped = wrap_openai(async_client, config)
    async with wrapped.chat.completions.with_streaming_response.create(**ASKED) as raw:
        pieces: Any = raw.iter_bytes()
        await anext(pieces)
        with pytest.raises(asyncio.TimeoutError):  # which cancels what it waits for
            await asyncio.wait_for(all_of(pieces), 0.5)
        assert told_by_now(recorded) == FAILED
    assert told(recorded) == FAILED


@FORMS
async def test_retried(server: RawServer, measured: Any, recorded: RecordingClient, form: str) -> None:
    """OA7: a request that is sent again is one record, through copies, too, and through the client's own raw views."""
    busy = Failure(500, headers=(("retry-after-ms", "1"),))
    server.script(busy, whole(completion()), busy, whole(completion()))
    copy = measured.with_options(max_retries=1)
    assert (await ask(copy, form)).retries_taken == 1
    made = getattr(copy.copy(), form).chat.completions.create(**ASKED)
    if form == "with_raw_response":
        await value(made)
    else:
        async with entered(made) as raw:
            await value(raw.read())
    assert told(recorded) == ANSWERED * 2


@FORMS
@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_refused(server: RawServer, measured: Any, recorded: RecordingClient, form: str, status: int) -> None:
    """OA7: a status that is an error is raised, as without us, and is one."""
    server.script(Failure(status))
    with pytest.raises(openai.APIStatusError, match="Scripted failure") as caught:
        await ask(measured, form)
    assert caught.value.status_code == status
    assert told(recorded) == FAILED


async def test_parsed_to_a_length_stop(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA10: a length stop that the parsing of a raw response raises is a success with its tokens."""
    server.script(Answer(completion('{"a"', finish_reason="length")))
    raw = await value(helpers(measured).with_raw_response.parse(**ASKED, response_format={"type": "json_object"}))
    with pytest.raises(openai.LengthFinishReasonError):
        raw.parse()
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]


async def test_left_with_pieces_at_hand(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA1: what is left by its `with` is reported then, also if the pieces are held whose last one came."""
    server.script(whole(completion()))
    async with entered(measured.chat.completions.with_streaming_response.create(**ASKED)) as raw:
        pieces = each(raw.iter_bytes(1 << 20))
        assert json.loads(await anext(pieces)) == completion()
    assert told_by_now(recorded)[:2] == UNREAD
    await value(pieces.aclose())  # type: ignore[attr-defined]  # it is a generator
    assert len(recorded.runs) == 1


async def test_a_close_that_is_refused(async_client: openai.AsyncOpenAI, config: AIConfig, recorded: Any) -> None:
    """OA1: a close of the wrong kind, which the HTTP stack refuses, closes nothing, and ends nothing."""
    async with wrap_openai(async_client, config).chat.completions.with_streaming_response.create(**ASKED) as raw:
        with pytest.raises(RuntimeError):
            raw.http_response.close()
        assert told_by_now(recorded) == []
        assert await raw.json()
    assert told(recorded) == ANSWERED


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_never_entered(server: RawServer, measured: Any, recorded: RecordingClient) -> None:
    """OA11: a manager that is never entered makes no request, and records nothing."""
    measured.chat.completions.with_streaming_response.create(**ASKED)
    gc.collect()
    assert server.requests == []
    assert told(recorded) == []
