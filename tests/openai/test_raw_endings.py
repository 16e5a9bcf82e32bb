"""Raw responses whose reading is left, cut or cancelled: what waits for the provider sees for itself how that ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.openai.expected import ASKED, FAILED, FAILED_LATE, LEFT, STALLING, STREAMED, UNREAD, told, told_by_now, turns
from tests.servers.openai import FOREVER_S, Answer, ScriptedOpenAI, Stream, chunks, completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

CUT = Stream(chunks("Hel", "lo"), usage=(9, 3), cut_after=2)
HOW = pytest.mark.parametrize("how", ["iter_lines", "iter_bytes", "iter_text", "parse"])


class OwnError(Exception):
    """The application's own."""


@HOW
def test_cut(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, how: str) -> None:
    """OA1: a connection cut while the body is read is an error, and raises what it raises unmeasured."""
    server.script(CUT)
    with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
        with pytest.raises(Exception, match=r"Connection error|closed connection"):
            list(getattr(raw, how)())
        assert told_by_now(recorded) == FAILED_LATE
    assert told(recorded) == FAILED_LATE


@HOW
async def test_cut_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, how: str
) -> None:
    """OA1: likewise."""
    server.script(CUT)
    async with async_wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
        items: Any = getattr(raw, how)()
        with pytest.raises(Exception, match=r"Connection error|closed connection"):
            _ = [item async for item in (await items if how == "parse" else items)]
    assert told(recorded) == FAILED_LATE


@pytest.mark.parametrize("streamed", [False, True])
async def test_cancelled(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, streamed: bool
) -> None:
    """OA1: cancelled while it waits for more of the body, or for the answer: an error, which goes on at once."""
    server.script(STALLING if streamed else Answer(completion(), delay_s=FOREVER_S))
    seen = asyncio.Event()

    async def read() -> None:
        asked = STREAMED if streamed else ASKED
        async with async_wrapped.chat.completions.with_streaming_response.create(**asked) as raw:
            async for line in raw.iter_lines():
                if "Hel" in line:
                    seen.set()

    task = asyncio.create_task(read())
    await (seen.wait() if streamed else asyncio.to_thread(server.wait_for_request))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told(recorded) == (FAILED_LATE if streamed else FAILED)


@pytest.mark.parametrize("error", [None, OwnError()])
async def test_left(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, error: Exception | None
) -> None:
    """OA1, OA6: left by a break or by the application's own exception at its first text: a success, once."""
    server.script(STALLING)

    async def read() -> None:
        async with async_wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
            async for line in raw.iter_lines():
                if "Hel" in line:
                    if error is not None:
                        raise error
                    break

    if error is None:
        await read()
    else:
        with pytest.raises(OwnError):
            await read()
    await turns()
    assert told(recorded) == LEFT


def test_left_unread(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: a raw stream that is left unread is a success, at the end of its `with`; closing again does nothing."""
    server.script(STALLING)
    with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
        assert told_by_now(recorded) == []
    assert told_by_now(recorded) == UNREAD
    raw.close()
    assert told(recorded) == UNREAD


def test_never_entered(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a `with_streaming_response` that is never entered makes no request, and records nothing."""
    wrapped.chat.completions.with_streaming_response.create(**ASKED)
    assert server.requests == []
    assert told(recorded) == []


@pytest.mark.parametrize("then", ["parse", "iter_lines"])
def test_closed_between_two_items(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, then: str
) -> None:
    """OA1: closed by its application between two items, a raw stream ends there, and dropping it adds nothing."""
    server.script(STALLING)
    with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
        items = iter(getattr(raw, then)())
        while "Hel" not in str(next(items)):
            pass
        raw.close()
        assert told_by_now(recorded) == LEFT
        del items
    assert told(recorded) == LEFT


def test_parsed_and_read_by_its_lines(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA10: a stream that is parsed and not read keeps nobody from reading the lines, which are measured."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    raw = wrapped.chat.completions.with_raw_response.create(**STREAMED)
    stream: Any = raw.parse()
    assert "[DONE]" in "".join(raw.http_response.iter_text())
    assert told_by_now(recorded)[-3:] == [
        ("$ld:ai:tokens:total", 12),
        ("$ld:ai:tokens:input", 9),
        ("$ld:ai:tokens:output", 3),
    ]
    stream.close()
    assert len(recorded.runs) == 1
