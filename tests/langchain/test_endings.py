"""The table of endings: streams that are read to their end, left in every way, and fail."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableConfig, RunnableLambda

from tests.core.inside_put import Knot
from tests.core.runs import Clock
from tests.expected import (
    ANSWERED,
    ERROR,
    LEFT,
    READ,
    TOKENS,
    duration,
    first_token,
    told,
    told_by_now,
    turns,
)
from tests.langchain.models import Gate, ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import QUESTION, STREAMS, chain_of, collect, each_way

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from ldai_core.testing import RecordingClient

REFUSED_ANSWER = [duration(), ERROR, *TOKENS]
REFUSED_STREAM = [duration(), first_token(), ERROR, *TOKENS]

KINDS: dict[str, Callable[[Turn], Any]] = {
    "chat": lambda turn: ScriptedChat(turns=(turn,)),
    "text": lambda turn: ScriptedText(turn=turn, tells=True),
    "chain": lambda turn: chain_of(ScriptedChat(turns=(turn,))),
    "text chain": lambda turn: chain_of(ScriptedText(turn=turn, tells=True)),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the test say how time passes."""
    clock = Clock()
    for module in ("ldai_core.run", "ldai_langchain.handler"):
        monkeypatch.setattr(f"{module}.perf_counter_ns", clock)
    return clock


def text_of(chunk: Any) -> str:
    """Return the text in a chunk of whatever kind."""
    return chunk if isinstance(chunk, str) else str(chunk.content)


def begin(runnable: Any, watched: Any) -> Iterator[Any]:
    """Stream, up to the first text."""
    stream: Iterator[Any] = runnable.stream(QUESTION, watched)
    while text_of(next(stream)) != "Hel":
        pass
    return stream


async def abegin(runnable: Any, watched: Any) -> AsyncIterator[Any]:
    """Stream, up to the first text."""
    stream: AsyncIterator[Any] = runnable.astream(QUESTION, watched)
    while text_of(await anext(stream)) != "Hel":
        pass
    return stream


@each_kind
@pytest.mark.parametrize("way", STREAMS)
def test_read_to_its_end(watched: Any, recorded: RecordingClient, kind: str, way: str) -> None:
    """LC8, LC17: a stream that is read to its end is reported then: first token, tokens, success."""
    chunks = STREAMS[way](KINDS[kind](Turn()), watched)
    assert "".join(map(text_of, chunks)) == "Hello"
    assert told_by_now(recorded) == READ
    assert told(recorded) == READ


@each_kind
@pytest.mark.parametrize("leave", ["break", "generator"])
def test_a_broken_loop(watched: Any, recorded: RecordingClient, kind: str, leave: str) -> None:
    """LC2, LC10: a loop that is broken off is a success, reported at once; a chain reads its model on, for tokens."""
    runnable = KINDS[kind](Turn())

    def consume() -> Iterator[str]:
        for chunk in runnable.stream(QUESTION, watched):
            yield text_of(chunk)

    texts = consume()
    for text in texts if leave == "generator" else map(text_of, runnable.stream(QUESTION, watched)):
        if text == "Hel":
            break
    del texts
    assert told_by_now(recorded) == (READ if "chain" in kind else LEFT)
    assert told(recorded) == (READ if "chain" in kind else LEFT)


@each_kind
@pytest.mark.parametrize("leave", ["close", "drop", "collect"])
def test_left(watched: Any, recorded: RecordingClient, kind: str, leave: str) -> None:
    """LC2, LC10: likewise a stream that is closed, or dropped, also where only a garbage collection notices."""
    stream: Any = begin(KINDS[kind](Turn()), watched)
    assert told_by_now(recorded) == []
    if leave == "close":
        stream.close()
        stream.close()
    if leave == "collect":
        Knot(stream)
    del stream
    if leave == "collect":
        collect()
        assert told(recorded) in (LEFT, READ)
    else:
        assert told_by_now(recorded) == (READ if "chain" in kind else LEFT)


@each_kind
@pytest.mark.parametrize("leave", ["break", "aclose", "drop", "collect"])
def test_left_async(watched: Any, recorded: RecordingClient, kind: str, leave: str) -> None:
    """LC2, LC10: likewise, async; and a chain does not read its model on."""
    runnable = KINDS[kind](Turn(gate=Gate(), gate_at=5))

    async def main() -> None:
        if leave == "break":
            async for chunk in runnable.astream(QUESTION, watched):
                if text_of(chunk) == "Hel":
                    break
        else:
            stream: Any = await abegin(runnable, watched)
            assert told_by_now(recorded) == []
            if leave == "aclose":
                await stream.aclose()
                await stream.aclose()
            if leave == "collect":
                Knot(stream)
            del stream
            collect()
        for _ in range(10):
            await turns()

    asyncio.run(main())
    assert told(recorded) == LEFT


def test_a_root_that_ends_first(watched: Any, recorded: RecordingClient) -> None:
    """LC2: a chain that ends before its model is reported when the model has ended, its time being its own."""
    gate = Gate()
    pieces = ("Hel", "lo", "!")
    stream: Any = begin(chain_of(ScriptedChat(turns=(Turn(pieces, gate=gate, gate_at=3),))), watched)
    gate.open()
    stream.close()
    assert told(recorded) == READ


async def test_a_call_that_outlives_its_root(clock: Clock, watched: Any, recorded: RecordingClient) -> None:
    """LC2: a model that is asked in the background holds its tree open; time and outcome are the root's."""
    gate = Gate()
    asking = []

    async def begin_to_ask(question: str, config: RunnableConfig) -> None:
        model = ScriptedChat(turns=(Turn(gate=gate, error=ValueError("scripted")),))
        asking.append(asyncio.create_task(model.ainvoke(question, config)))
        await ScriptedChat().ainvoke(question, config)
        await gate.arrival()
        clock.pass_ms(10)

    await RunnableLambda(begin_to_ask).ainvoke(QUESTION, watched)
    clock.pass_ms(10)
    assert told(recorded) == []
    gate.open()
    await asyncio.wait(asking)
    assert told(recorded) == ANSWERED
    assert recorded.run.duration_ms == 10


@pytest.mark.parametrize("leave", ["close", "drop", "collect"])
@pytest.mark.parametrize("kind", ["chat", "chain"])
@each_way
def test_left_after_its_usage(watched: Any, recorded: RecordingClient, kind: str, is_async: bool, leave: str) -> None:
    """LC8: a stream that is left when its usage has come has its tokens, however it is left."""

    async def main() -> None:
        streams: Any = [KINDS[kind](Turn()).astream(QUESTION, watched)]
        for _ in range(4):
            await anext(streams[0])
        if leave == "close":
            await streams[0].aclose()
        if leave == "collect":
            Knot(streams[0])
        streams.clear()
        collect()
        for _ in range(10):
            await turns()

    def consume() -> None:
        streams: Any = [KINDS[kind](Turn()).stream(QUESTION, watched)]
        for _ in range(4):
            next(streams[0])
        if leave == "close":
            streams[0].close()
        if leave == "collect":
            Knot(streams[0])
        streams.clear()
        collect()

    asyncio.run(main()) if is_async else consume()
    assert told(recorded) == READ


@each_kind
@each_way
def test_never_begun(watched: Any, recorded: RecordingClient, kind: str, is_async: bool) -> None:
    """LC1: a stream that nobody begins to read asks no model, and is no run."""
    runnable = KINDS[kind](Turn())
    streams = [runnable.astream(QUESTION, watched) if is_async else runnable.stream(QUESTION, watched)]
    if is_async:
        asyncio.run(streams[0].aclose())
    streams.clear()
    collect()
    assert told(recorded) == []


@each_way
@each_kind
def test_the_consumer_fails(watched: Any, recorded: RecordingClient, kind: str, is_async: bool) -> None:
    """LC10: an exception of the consumer's own is none of the model's."""
    runnable = KINDS[kind](Turn(gate=Gate(), gate_at=5))

    async def aconsume() -> None:
        async for chunk in runnable.astream(QUESTION, watched):
            if text_of(chunk) == "Hel":
                raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            await aconsume()
        for _ in range(10):
            await turns()

    def consume() -> None:
        with pytest.raises(LookupError):
            for chunk in KINDS[kind](Turn()).stream(QUESTION, watched):
                if text_of(chunk) == "Hel":
                    raise LookupError

    asyncio.run(main()) if is_async else consume()
    assert told(recorded) == (LEFT if is_async or "chain" not in kind else READ)
