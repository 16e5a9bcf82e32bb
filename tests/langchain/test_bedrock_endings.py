"""Bedrock's models on a real socket: calls that fail, are cancelled, or are left."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core.endings import settle
from tests.expected import FAILED, FAILED_LATE, LEFT, READ, TOKENS, told, told_by_now
from tests.langchain.ways import QUESTION, STREAMS, WAYS, chain_of, each_way
from tests.langchain.wires import settled
from tests.servers.bedrock import Answer, Events, Failure, answer, events, invoke_chunks, invoke_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

    Make = Callable[..., Any]

each = pytest.mark.parametrize("way", WAYS)
each_stream = pytest.mark.parametrize("way", STREAMS)
around = pytest.mark.parametrize("around", [lambda model: model, chain_of], ids=["model", "chain"])
api = pytest.mark.parametrize("api", ["nova", "claude"])
# botocore leaves the socket of a stream that is dropped to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def breaking(api: str, **how: Any) -> Events:
    """Make a stream of that API which does not come to its end."""
    return Events(events("Hel", "lo"), **how) if api == "nova" else invoke_events(invoke_chunks("Hel", "lo"), **how)


@pytest.fixture
def make(request: pytest.FixtureRequest, api: str) -> Make:
    """Make models of that API."""
    return request.getfixturevalue(api)  # type: ignore[no-any-return]


@each
@around
@api
def test_refused(
    bedrock: ScriptedBedrock,
    make: Make,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    way: str,
) -> None:
    """LC8: a request that is throttled is an error; whatever LangChain makes of the exception goes on."""
    bedrock.script(Failure(429, "ThrottlingException"))
    with pytest.raises(Exception, match="Scripted failure"):
        WAYS[way](around(make()), watched)
    assert told(recorded) == FAILED


@each_stream
@around
@api
def test_exception_event(
    bedrock: ScriptedBedrock,
    api: str,
    make: Make,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    way: str,
) -> None:
    """LC8: an exception that comes inside a stream is an error, with the first token."""
    script = Events(events("Hel")[:2]) if api == "nova" else invoke_events(invoke_chunks("Hel")[:3])
    bedrock.script(Events(list(script.events), exception=("modelStreamErrorException", "Scripted failure")))
    with pytest.raises(Exception, match="Scripted failure"):
        STREAMS[way](around(make()), watched)
    assert told(recorded) == FAILED_LATE


@each_stream
@around
@api
def test_cut(
    bedrock: ScriptedBedrock,
    api: str,
    make: Make,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    way: str,
) -> None:
    """LC8: so is a connection that breaks there."""
    bedrock.script(breaking(api, cut_after=3))
    with pytest.raises(Exception, match=r"(?i)broken|ended prematurely|incomplete"):
        STREAMS[way](around(make()), watched)
    assert told(recorded)[:3] == FAILED_LATE


@each_stream
def test_cut_after_its_usage(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC8: one that breaks when the usage has come has its tokens."""
    bedrock.script(Events(events("Hi"), exception=("internalServerException", "Scripted failure")))
    with pytest.raises(Exception, match="Scripted failure"):
        STREAMS[way](nova(), watched)
    assert told(recorded) == [*FAILED_LATE, *TOKENS]


@each
def test_timeout(bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: the client's own timeout is an error, after as long; in a stream, with the first token."""
    bedrock.script(Events(events("Hi"), stall_after=2) if way in STREAMS else Answer(answer(), delay_s=1e6))
    with pytest.raises(Exception, match=r"(?i)read time"):
        WAYS[way](nova({"read_timeout": 0.08}), watched)
    assert told(recorded) == (FAILED_LATE if way in STREAMS else FAILED)
    assert (recorded.run.duration_ms or 0) >= 80


@each_way
@api
@pytest.mark.parametrize("leave", ["break", "close"])
def test_left(
    bedrock: ScriptedBedrock, api: str, make: Make, watched: Any, recorded: RecordingClient, is_async: bool, leave: str
) -> None:
    """LC10: a consumer that leaves a stream is a success."""
    bedrock.script(breaking(api, pauses_s={3: 0.05}))
    model = make()

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
    assert told(recorded)[:3] == LEFT


@api
def test_chain_left(bedrock: ScriptedBedrock, api: str, make: Make, watched: Any, recorded: RecordingClient) -> None:
    """LC2: a chain that is left reads its model to the end, and is recorded then, with its tokens."""
    bedrock.script(breaking(api, pauses_s={3: 0.05}))
    for text in chain_of(make()).stream(QUESTION, watched):
        if text:
            break
    gc.collect()
    assert told(recorded)[:3] == READ[:3]
    assert recorded.run.tokens is not None


@around
@api
@pytest.mark.parametrize("streams", [False, True])
async def test_cancelled(
    bedrock: ScriptedBedrock,
    api: str,
    make: Make,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    streams: bool,
) -> None:
    """LC10, LC11: a call that is cancelled is an error at once, and once, though its thread works on."""
    bedrock.script(breaking(api, stall_after=3) if streams else Answer(answer(), delay_s=1e6))
    begun = asyncio.Event()
    runnable = around(make({"read_timeout": 0.25}))

    async def consume() -> None:
        async for chunk in runnable.astream(QUESTION, watched):
            if chunk if isinstance(chunk, str) else chunk.content:
                begun.set()

    task = asyncio.ensure_future(consume() if streams else runnable.ainvoke(QUESTION, watched))
    await asyncio.to_thread(bedrock.wait_for_request)
    if streams:
        await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()  # LangChain leaves the model of a cancelled chain to it
    for _ in range(20):
        await asyncio.sleep(0)
    settle()
    expected = FAILED_LATE if streams else FAILED
    assert told_by_now(recorded) == expected
    await asyncio.get_running_loop().shutdown_default_executor()
    gc.collect()
    assert told(recorded) == expected
