"""`ChatOpenAI` on a real socket: calls that fail, are cancelled, or are left."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.expected import FAILED, FAILED_LATE, LEFT, READ, TOKENS, told
from tests.langchain.ways import QUESTION, STREAMS, WAYS, chain_of, each_way
from tests.langchain.wires import settled
from tests.servers.openai import FOREVER_S, Answer, Failure, Stream, chunks, completion, error_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

    Gpt = Callable[..., Any]

each = pytest.mark.parametrize("way", WAYS)
each_stream = pytest.mark.parametrize("way", STREAMS)
around = pytest.mark.parametrize("around", [lambda model: model, chain_of], ids=["model", "chain"])
HELLO = chunks("Hel", "lo")
CUT = "peer closed connection|Connection error"
STALLING = Stream(HELLO, stall_after=2)


@each
@around
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_refused(
    server: ScriptedOpenAI,
    gpt: Gpt,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    status: int,
    way: str,
) -> None:
    """LC8: a request that is refused is an error; the client's exception goes on."""
    server.script(Failure(status))
    with pytest.raises(openai.APIStatusError):
        WAYS[way](around(gpt()), watched)
    assert told(recorded) == FAILED


@each
def test_no_server(gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: so is one for which there is nobody."""
    with pytest.raises(openai.APIConnectionError):
        WAYS[way](gpt(base_url="http://127.0.0.1:9/v1"), watched)
    assert told(recorded) == FAILED


@each_stream
@around
def test_cut(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str
) -> None:
    """LC8: a connection that breaks inside a stream is an error, with the first token."""
    server.script(Stream(HELLO, cut_after=2))
    with pytest.raises(Exception, match=CUT):
        STREAMS[way](around(gpt()), watched)
    assert told(recorded) == FAILED_LATE


@each_stream
@around
def test_cut_after_its_usage(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str
) -> None:
    """LC8: one that breaks when the usage has come has its tokens as well."""
    server.script(Stream([*chunks("Hi", usage=(9, 3)), *HELLO], cut_after=4))
    with pytest.raises(Exception, match=CUT):
        STREAMS[way](around(gpt()), watched)
    assert told(recorded) == [*FAILED_LATE, *TOKENS]


@each_stream
def test_error_event(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: an error that comes in the place of a chunk is one."""
    server.script(Stream(chunks("Hel"), error=error_event()["error"]))
    with pytest.raises((openai.APIError, ValueError)):
        STREAMS[way](gpt(), watched)
    assert told(recorded) == FAILED_LATE


@each
def test_timeout(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: the client's own timeout is an error, after as long; in a stream, with the first token."""
    server.script(STALLING if way in STREAMS else Answer(completion(), delay_s=FOREVER_S))
    with pytest.raises(Exception, match=r"(?i)timed out|timeout|^$"):
        WAYS[way](gpt(timeout=0.25), watched)
    assert told(recorded) == (FAILED_LATE if way in STREAMS else FAILED)
    assert (recorded.run.duration_ms or 0) >= 250


async def test_chunk_timeout(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient) -> None:
    """LC8: `stream_chunk_timeout`, for which LangChain may pull each chunk in another task, is an error as well."""
    model = gpt()
    if not hasattr(model, "stream_chunk_timeout"):
        pytest.skip("this release has none")
    server.script(STALLING, Stream(HELLO, usage=(9, 3)))
    for timeout in (0.25, 10):
        with suppress(asyncio.TimeoutError):
            async for _ in gpt(stream_chunk_timeout=timeout).astream(QUESTION, watched):
                pass
    assert told(recorded) == [*FAILED_LATE, *READ]


@around
@pytest.mark.parametrize("streams", [False, True])
async def test_cancelled(
    server: ScriptedOpenAI,
    gpt: Gpt,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    streams: bool,
) -> None:
    """LC10, LC11: a call that is cancelled while the server says nothing is an error, and the server is left alone."""
    server.script(STALLING if streams else Answer(completion(), delay_s=FOREVER_S))
    begun = asyncio.Event()

    async def consume() -> None:
        async for chunk in around(gpt()).astream(QUESTION, watched):
            if chunk if isinstance(chunk, str) else chunk.content:
                begun.set()

    task = asyncio.ensure_future(consume() if streams else around(gpt()).ainvoke(QUESTION, watched))
    await asyncio.to_thread(server.wait_for_request)
    if streams:
        await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()  # LangChain leaves the model of a cancelled chain to it
    await settled()
    assert told(recorded) == (FAILED_LATE if streams else FAILED)
    assert await asyncio.to_thread(server.requests[0].gone.wait, 5)


@around
@pytest.mark.parametrize("streams", [False, True])
async def test_given_up(
    server: ScriptedOpenAI,
    gpt: Gpt,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    streams: bool,
) -> None:
    """LC10, LC11: so is one that `wait_for` gives up waiting for."""
    server.script(STALLING if streams else Answer(completion(), delay_s=FOREVER_S))
    runnable = around(gpt())

    async def consume() -> None:
        async for _ in runnable.astream(QUESTION, watched):
            pass

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(consume() if streams else runnable.ainvoke(QUESTION, watched), 0.5)
    gc.collect()  # since 3.12 the call is in the task that goes on: the end is known when its exception is dropped
    await settled()
    assert told(recorded) == (FAILED_LATE if streams else FAILED)
    assert (recorded.run.duration_ms or 0) >= 100


@each_way
@pytest.mark.parametrize("leave", ["break", "close"])
def test_left(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool, leave: str
) -> None:
    """LC10: a consumer that leaves a stream which still goes on is a success; the request is given up."""
    server.script(STALLING)
    model = gpt()

    async def main() -> None:
        stream = model.astream(QUESTION, watched)
        async for chunk in stream:
            if chunk.content:
                break
        if leave == "close":
            await stream.aclose()
        del stream
        await settled()

    def consume() -> None:
        stream = model.stream(QUESTION, watched)
        for chunk in stream:
            if chunk.content:
                break
        if leave == "close":
            stream.close()

    asyncio.run(main()) if is_async else consume()
    gc.collect()
    assert told(recorded) == LEFT
    assert server.requests[0].gone.wait(5)


@around
def test_left_at_the_end(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any]
) -> None:
    """LC10: so is one who leaves it, and then the event loop, which cancels whatever still closes itself."""
    server.script(STALLING)

    async def main() -> None:
        async for chunk in around(gpt()).astream(QUESTION, watched):
            if chunk if isinstance(chunk, str) else chunk.content:
                break

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == LEFT


def test_chain_left(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient) -> None:
    """LC2: a chain that is left reads its model to the end, and is recorded then, with its tokens."""
    server.script(Stream(HELLO, usage=(9, 3), pauses_s={2: 0.05}))
    for text in chain_of(gpt()).stream(QUESTION, watched):
        if text:
            break
    gc.collect()
    assert told(recorded) == READ


async def test_chain_left_async(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient) -> None:
    """LC10: async it lets go at once."""
    server.script(STALLING)
    async for text in chain_of(gpt()).astream(QUESTION, watched):
        if text:
            break
    await settled()
    assert told(recorded) == LEFT
    assert await asyncio.to_thread(server.requests[0].gone.wait, 5)
