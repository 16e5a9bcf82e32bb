"""The table of endings, over a real socket: a real SIGINT, as Ctrl-C sends it, to the main thread."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from openai import AsyncOpenAI

from ldai_openai import wrap_openai
from tests.openai.expected import ASKED, FAILED, FAILED_LATE, SILENT, STALLING, STREAMED, told, told_by_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai import OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread there")

AT_ONCE_S = 5.0  # what waited for the provider instead would wait for ever
MAIN = threading.main_thread()
LOOKS = 5


@contextmanager
def ctrl_c(once: Callable[[], object]) -> Iterator[None]:
    """Interrupt the main thread when `once` has returned, and hold that it leaves the block at once."""
    pressed_at = 0.0

    def press() -> None:
        nonlocal pressed_at
        once()
        pressed_at = time.perf_counter()
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        assert time.perf_counter() - pressed_at < AT_ONCE_S
    finally:
        thread.join()


def main_thread_waits(package: str, name: str) -> None:
    """Return once the main thread has been inside this function of that package for a while.

    Nothing else tells that it waits there; and a signal that arrives just before it does, when Python has looked for
    signals already, would be seen only when the waiting is over.
    """
    assert MAIN.ident is not None
    deadline = time.monotonic() + 10
    looks = 0
    while time.monotonic() < deadline:
        code = sys._current_frames()[MAIN.ident].f_code
        looks = looks + 1 if package in code.co_filename and code.co_name == name else 0
        if looks == LOOKS:
            return
        time.sleep(0.01)
    raise TimeoutError


def test_while_waiting_for_the_answer(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: interrupted while waiting for the answer: error; the KeyboardInterrupt goes on at once."""
    server.script(SILENT)

    def waiting() -> None:
        server.wait_for_request()
        main_thread_waits("httpcore", "read")

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
        main_thread_waits("httpcore", "read")

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
        main_thread_waits("selectors", "select")

    with ctrl_c(waiting):
        asyncio.run(main())
    assert told_by_now(recorded) == (FAILED_LATE if streamed else FAILED)
