"""The table of endings, over a real socket: a real SIGINT, as Ctrl-C sends it, to the main thread."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from openai import AsyncOpenAI

from ldai_openai import wrap_openai
from tests.interrupts import MAIN, ctrl_c, needs_signals, thread_waits
from tests.openai.expected import ASKED, FAILED, FAILED_LATE, SILENT, STALLING, STREAMED, told, told_by_now

if TYPE_CHECKING:
    from openai import OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

pytestmark = needs_signals


def test_while_waiting_for_the_answer(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: interrupted while waiting for the answer: error; the KeyboardInterrupt goes on at once."""
    server.script(SILENT)

    def waiting() -> None:
        server.wait_for_request()
        thread_waits(MAIN, "httpcore", "read")

    with ctrl_c(waiting):
        wrapped.chat.completions.create(**ASKED)
    assert told_by_now(recorded) == FAILED


@pytest.mark.parametrize("by_next", [False, True], ids=["for", "next"])
def test_while_waiting_for_a_chunk(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, by_next: bool
) -> None:
    """OA1: interrupted while waiting for a chunk: error, with the first token; it goes on at once."""
    server.script(STALLING)
    stream = wrapped.chat.completions.create(**STREAMED)
    seen = threading.Event()

    def consume() -> None:
        for chunk in iter(stream.__next__, None) if by_next else stream:
            if chunk.choices[0].delta.content:
                seen.set()

    def waiting() -> None:
        assert seen.wait(10)
        thread_waits(MAIN, "httpcore", "read")

    with ctrl_c(waiting):
        consume()
    assert told_by_now(recorded) == FAILED_LATE
    stream.close()
    assert told(recorded) == FAILED_LATE


@pytest.mark.parametrize("streamed", [False, True], ids=["answer", "chunk"])
def test_async(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient, streamed: bool) -> None:
    """OA1: interrupted while an event loop waits, for the answer or for a chunk: likewise."""
    server.script(STALLING if streamed else SILENT)
    waits = threading.Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with AsyncOpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
            wrapped: Any = wrap_openai(client, config)
            if not streamed:
                loop.call_soon(waits.set)
                await wrapped.chat.completions.create(**ASKED)
            async for chunk in await wrapped.chat.completions.create(**STREAMED):
                if chunk.choices[0].delta.content:
                    loop.call_soon(waits.set)

    def waiting() -> None:
        server.wait_for_request()
        assert waits.wait(10)
        thread_waits(MAIN, "selectors", "select")

    with ctrl_c(waiting):
        asyncio.run(main())
    assert told_by_now(recorded) == (FAILED_LATE if streamed else FAILED)
