"""Raw responses whose reading is left, cut or cancelled: what waits for the provider sees for itself how that ends."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from ldai_openai import wrap_openai
from tests.openai.expected import (
    ANSWERED,
    ASKED,
    FAILED,
    FAILED_LATE,
    LEFT,
    STALLING,
    STREAMED,
    UNREAD,
    told,
    told_by_now,
    turns,
)
from tests.servers.openai import FOREVER_S, Answer, ScriptedOpenAI, Stream, chunks, completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
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


def test_the_whole_client_raw(client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: `client.with_raw_response` and its like, also of copies, also where the original has made its own."""
    assert client.with_raw_response.chat.completions.create(**ASKED).parse().choices
    wrapped = wrap_openai(client, config)
    for each in (wrapped, wrapped.with_options(timeout=9)):
        assert each.with_raw_response.chat.completions.create(**ASKED).parse().choices
        with each.with_streaming_response.responses.create(model="m", input="Hi") as raw:
            assert raw.parse().status == "completed"
    assert told(recorded) == ANSWERED * 4


def test_dropped(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: a raw stream that is dropped, unread or between two lines, is one success."""
    server.script(STALLING, STALLING)
    raw = wrapped.chat.completions.with_raw_response.create(**STREAMED)
    del raw
    gc.collect()
    assert told(recorded) == UNREAD
    lines = wrapped.chat.completions.with_raw_response.create(**STREAMED).http_response.iter_lines()
    while "Hel" not in next(lines):
        pass
    del lines
    gc.collect()
    assert told(recorded) == [*UNREAD, *LEFT]


def test_read_in_part(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA6: a body that is read in part, and then closed, is a success with what was seen."""
    server.script(Answer(completion("Hello" * 50_000)))
    with wrapped.chat.completions.with_streaming_response.create(**ASKED) as raw:
        assert next(raw.iter_bytes(chunk_size=16)).startswith(b"{")
    assert told(recorded) == UNREAD


def test_a_closed_response_is_as_it_was(wrapped: OpenAI) -> None:
    """OA17: when a response is closed, nothing of ours is left on it."""
    raw = wrapped.chat.completions.with_raw_response.create(**STREAMED)
    before = {"close", "aclose", "iter_bytes", "aiter_bytes"} & vars(raw.http_response).keys()
    assert before == {"close", "aclose", "iter_bytes", "aiter_bytes"}
    list(raw.parse())
    assert not before & vars(raw.http_response).keys()
