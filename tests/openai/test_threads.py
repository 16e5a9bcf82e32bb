"""One wrapped client in many hands at once, and what a stream costs in memory and in threads."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import Run
from ldai_openai import wrap_openai
from tests.openai.expected import (
    ASKED,
    ERROR,
    READ,
    STALLING,
    STREAMED,
    SUCCESS,
    duration,
    first_token,
    read_all,
    tokens,
    told,
)
from tests.servers.openai import Answer, ScriptedOpenAI, Stream, chunks, completion, tool_call

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

ASKED_OF_RESPONSES: Any = {"model": "gpt-4o", "input": "Hi"}
REQUESTS = 100


def test_a_hundred_threads(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA16: a hundred threads on one wrapped client, of all kinds of calls, make a hundred exact records."""
    together = threading.Barrier(REQUESTS)

    def ask(number: int) -> None:
        together.wait(30)
        if number % 4 == 0:
            wrapped.chat.completions.create(**ASKED)
        elif number % 4 == 1:
            list(wrapped.chat.completions.create(**STREAMED))
        elif number % 4 == 2:
            list(wrapped.responses.create(**ASKED_OF_RESPONSES, stream=True))
        else:
            list(wrapped.chat.completions.with_raw_response.create(**STREAMED).parse())

    with ThreadPoolExecutor(REQUESTS) as pool:
        assert list(pool.map(ask, range(REQUESTS))) == [None] * REQUESTS
    told(recorded)
    assert len(recorded.runs) == REQUESTS
    for run in recorded.runs:
        assert run.success
        assert run.tokens is not None
        assert (run.tokens.total, run.tokens.input, run.tokens.output) == (12, 9, 3)
    assert sum(run.time_to_first_token_ms is None for run in recorded.runs) == REQUESTS // 4


async def test_a_hundred_tasks(async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA16: and so do a hundred tasks."""

    async def ask(number: int) -> None:
        if number % 2:
            await read_all(await async_wrapped.chat.completions.create(**STREAMED))
        else:
            await async_wrapped.responses.create(**ASKED_OF_RESPONSES)

    await asyncio.gather(*(ask(number) for number in range(REQUESTS)))
    told(recorded)
    assert len(recorded.runs) == REQUESTS
    assert all(run.success and run.tokens and run.tokens.total == 12 for run in recorded.runs)


def test_closed_while_it_is_read(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA16: a stream that one thread closes while another waits for its next chunk is one record."""
    server.script(STALLING)
    stream: Any = wrapped.chat.completions.create(**STREAMED)
    next(stream)
    next(stream)
    waiting = threading.Event()

    def read() -> None:
        waiting.set()
        with suppress(Exception):  # what closing does to a socket that is read is the HTTP stack's own business
            next(stream, None)

    reader = threading.Thread(target=read)
    reader.start()
    assert waiting.wait(5)
    stream.close()
    stream.close()
    server.__exit__(None, None, None)  # which ends the reading, if the closing has not
    reader.join(30)
    assert not reader.is_alive()
    assert told(recorded) in ([duration(), first_token(), SUCCESS], [duration(), first_token(), ERROR])


@pytest.mark.parametrize("form", ["create", "raw"])
def test_nothing_is_kept_per_chunk(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, form: str
) -> None:
    """OA17: a stream of four thousand chunks takes no more memory than one of a hundred."""

    def peak(length: int) -> int:
        server.script(Stream(chunks(*["a"] * length), usage=(9, 3)))
        resource = wrapped.chat.completions
        if form == "raw":
            with resource.with_streaming_response.create(**STREAMED) as raw:
                return measured(raw.iter_lines())
        return measured(resource.create(**STREAMED))

    def measured(items: Any) -> int:
        tracemalloc.start()
        try:
            for _ in items:
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(100)  # what is made once
    assert peak(4_000) < peak(100) + 400_000  # the server's own list of 4,000 chunks alone would be several MB
    assert [run.success for run in recorded.runs] == [True] * 3


@pytest.mark.parametrize("form", ["create", "raw"])
def test_no_cycle_keeps_a_stream(wrapped: OpenAI, form: str) -> None:
    """OA17: a stream that was read is gone with its last reference, without a garbage collection."""
    resource = wrapped.chat.completions
    stream: Any
    stream = resource.create(**STREAMED) if form == "create" else resource.with_raw_response.create(**STREAMED).parse()
    gc.collect()
    gc.disable()
    try:
        assert len(list(stream)) == 4
        gone = weakref.ref(stream)
        del stream
        assert gone() is None
    finally:
        gc.enable()


def test_no_thread_and_no_loop_of_the_adapters(server: ScriptedOpenAI) -> None:
    """OA17: wrapping and asking start no thread but core's for dropped streams, and no event loop."""
    code = f"""
import asyncio, threading
from openai import OpenAI
from ldclient import Context
from ldai_core import AIClient, AIConfigDefault, ModelConfig
from ldai_core.testing import RecordingClient
from ldai_openai import wrap_openai
asyncio.new_event_loop = lambda: 1 / 0
fallback = AIConfigDefault(enabled=True, model=ModelConfig("gpt-4o"))
config = AIClient(RecordingClient({{}})).completion_config("bot", Context.create("user"), fallback)
client = wrap_openai(OpenAI(api_key="any", base_url={server.base_url!r}), config)
client.chat.completions.create(model="m", messages=[])
client.responses.create(model="m", input="Hi")
print(sorted(thread.name for thread in threading.enumerate()))
list(client.chat.completions.create(model="m", messages=[], stream=True))
list(client.chat.completions.with_raw_response.create(model="m", messages=[], stream=True).parse())
print(sorted(thread.name for thread in threading.enumerate()))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)  # noqa: S603  # our own
    assert ran.stdout.splitlines() == ["['MainThread']", "['MainThread', 'ldai_core.endings']"]


def test_an_agent_loop(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA19: five requests in a `with Run(...)` are one run: tokens summed, first token from the loop's start."""
    called = chunks(*tool_call("search", "{}"), finish_reason="tool_calls")
    plain = Answer(completion(), delay_s=0.5)
    server.script(
        plain, Stream(called, usage=(5, 1)), plain, Stream(chunks("Hello"), usage=(6, 2)), Answer(completion())
    )
    with Run(config) as run:
        agent = wrap_openai(client, run)
        agent.chat.completions.create(**ASKED)
        list(agent.chat.completions.create(**STREAMED))
        agent.with_options(timeout=9).chat.completions.create(**ASKED)
        list(agent.chat.completions.create(**STREAMED))
        agent.chat.completions.create(**ASKED)
        assert told(recorded) == []
    assert told(recorded) == [
        duration(1_000),
        first_token(500),
        SUCCESS,
        *tokens(9 * 3 + 5 + 6, 3 * 3 + 1 + 2),
        ("$ld:ai:tool_call", 1),
    ]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 250  # of 500


async def test_an_agent_loop_async(async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA19: and so are five requests at once."""
    async with Run(config) as run:
        agent = wrap_openai(async_client, run)

        async def ask() -> None:
            await read_all(await agent.chat.completions.create(**STREAMED))

        await asyncio.gather(*(ask() for _ in range(5)))
        assert told(recorded) == []
    assert told(recorded) == [*READ[:3], *tokens(45, 15)]
