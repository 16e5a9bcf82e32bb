"""Graphs of LangGraph, in the third version of streams of events."""

from __future__ import annotations

import asyncio
import gc
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt

from tests.core.inside_put import Knot
from tests.expected import FAILED, FAILED_LATE, LEFT, tokens, told
from tests.langchain.graphs import ASKED, answered, asking, line, needs_context, read
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.ways import QUESTION, REFUSED, each_way
from tests.langchain.wires import settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

pytestmark = [
    pytest.mark.skipif(not hasattr(ScriptedChat, "stream_events"), reason="there is no version 3 yet"),
    pytest.mark.filterwarnings("ignore:The (v3|method)"),
    pytest.mark.filterwarnings("ignore:.*is in beta"),
    pytest.mark.filterwarnings("ignore:.*experimental"),
    needs_context,
]
DEPTH = pytest.mark.parametrize("depth", [0, 1])


def nested(graph: Any, depth: int) -> Any:
    """Put a graph into graphs."""
    return graph if depth == 0 else line(nested(graph, depth - 1))


def waiting(gate: Gate, *, is_async: bool) -> Any:
    """Make a node whose model waits before its second text."""
    return asking(ScriptedChat(turns=(Turn(gate=gate, gate_at=2),)), is_async=is_async)


def begin(graph: Any, config: Any, asked: Any = ASKED) -> Any:
    """Begin a stream of events."""
    return graph.stream_events(asked, {"configurable": {"thread_id": "1"}, **config}, version="v3")


async def abegin(graph: Any, config: Any, asked: Any = ASKED) -> Any:
    """Begin one, async."""
    return await graph.astream_events(asked, {"configurable": {"thread_id": "1"}, **config}, version="v3")


def says(event: Any) -> bool:
    """Say whether an event has a piece of text."""
    data = event["params"]["data"] if "params" in event else event
    data = data[0] if isinstance(data, tuple) else data
    return isinstance(data, dict) and data.get("event") == "content-block-delta"


READERS: dict[str, Callable[[Any], Any]] = {
    "events": list,
    "output": lambda run: run.output,
    "messages": lambda run: [str(message.text) for message in run.messages],
    "values": lambda run: list(run.values),
}


async def _aevents(run: Any) -> Any:
    return [event async for event in run]


async def _amessages(run: Any) -> Any:
    return [str(await message.text) async for message in run.messages]


async def _avalues(run: Any) -> Any:
    return [value async for value in run.values]


ASYNC_READERS: dict[str, Callable[[Any], Any]] = {
    "events": _aevents,
    "output": lambda run: run.output(),
    "messages": _amessages,
    "values": _avalues,
}


def consume(graph: Any, config: Any, reader: str = "events", *, is_async: bool, asked: Any = ASKED) -> Any:
    """Read a stream of events to its end, in one of the ways."""

    async def main() -> Any:
        return await ASYNC_READERS[reader](await abegin(graph, config, asked))

    return asyncio.run(main()) if is_async else READERS[reader](begin(graph, config, asked))


@each_way
@DEPTH
@pytest.mark.parametrize("reader", READERS)
def test_read(watched: Any, recorded: RecordingClient, is_async: bool, depth: int, reader: str) -> None:
    """LC9, LC17: a graph whose events are read to their end, in whichever way, is one run with a first token."""
    graph = nested(line(asking(is_async=is_async), asking(is_async=is_async)), depth)
    consume(graph, watched, reader, is_async=is_async)
    assert told(recorded) == read(2)


@each_way
@DEPTH
@pytest.mark.parametrize("late", [False, True])
def test_failed(watched: Any, recorded: RecordingClient, is_async: bool, depth: int, late: bool) -> None:
    """LC8: a model that fails is an error, with the first token that was seen."""
    turn = Turn(("Hel",), error=ValueError("scripted")) if late else REFUSED
    graph = nested(line(asking(ScriptedChat(turns=(turn,)), is_async=is_async)), depth)
    with pytest.raises(ValueError, match="scripted"):
        consume(graph, watched, "output", is_async=is_async)
    assert told(recorded) == (FAILED_LATE if late else FAILED)


@each_way
@pytest.mark.parametrize("reader", ["events", "output"])
def test_interrupted(watched: Any, recorded: RecordingClient, is_async: bool, reader: str) -> None:
    """LC10: an interrupt is no error, and what is resumed is a run of its own."""

    async def stop(_state: Any) -> Any:
        return {"answers": [interrupt("Is that right?")]}

    def sync_stop(_state: Any) -> Any:
        return {"answers": [interrupt("Is that right?")]}

    nodes = [asking(is_async=is_async), stop if is_async else sync_stop, asking(is_async=is_async)]
    graph = line(*nodes, checkpointer=InMemorySaver())
    resume: Any = Command(resume="yes")
    for asked in (ASKED, resume):
        consume(graph, watched, reader, is_async=is_async, asked=asked)
    assert told(recorded) == read(1) * 2


@DEPTH
@pytest.mark.parametrize("leave", ["break", "abort", "with", "drop", "collect"])
def test_left(watched: Any, recorded: RecordingClient, depth: int, leave: str) -> None:
    """LC2, LC10: left in the middle, LangGraph waits for its threads: a success with all tokens, when it is let go."""
    gate = Gate()
    run = begin(nested(line(waiting(gate, is_async=False)), depth), watched)
    timer = Timer(0.06, gate.open)
    if leave == "with":
        with run:
            for event in run:
                if says(event):
                    timer.start()
                    break
    else:
        for event in run:
            if says(event):
                timer.start()
                break
    if leave == "abort":
        run.abort()
    if leave == "collect":
        Knot(run)
    del run
    gc.collect()
    timer.join()
    assert told(recorded) == read(1)


@DEPTH
@pytest.mark.parametrize("leave", ["abort", "with"])
def test_left_async(watched: Any, recorded: RecordingClient, depth: int, leave: str) -> None:
    """LC10: async it cancels them; that the consumer has left is a success all the same."""
    graph = nested(line(waiting(Gate(), is_async=True)), depth)

    async def main() -> None:
        run = await abegin(graph, watched)
        if leave == "with":
            async with run:
                async for event in run:
                    if says(event):
                        break
        else:
            async for event in run:
                if says(event):
                    break
        if leave == "abort":
            await run.abort()
        await settled()

    asyncio.run(main())
    assert told(recorded) == LEFT


def test_aborted_while_it_is_read(watched: Any, recorded: RecordingClient) -> None:
    """LC10: aborted by another task while one waits for an event: LangGraph cancels and says no more: an error."""
    gate = Gate()
    graph = line(waiting(gate, is_async=True))

    async def main() -> None:
        run = await abegin(graph, watched)
        task = asyncio.create_task(_aevents(run))
        await gate.arrival()
        for _ in range(10):
            await asyncio.sleep(0)
        await run.abort()
        await asyncio.wait([task])
        await settled()

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == FAILED_LATE


def test_cancelled(watched: Any, recorded: RecordingClient) -> None:
    """LC10, LC11: a consumer that is cancelled while it waits is an error, once."""
    gate = Gate()
    graph = line(asking(is_async=True), waiting(gate, is_async=True))

    async def main() -> None:
        task = asyncio.create_task(_aevents(await abegin(graph, watched)))
        await gate.arrival()
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await settled()

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == [*FAILED_LATE, *tokens(9, 3)]


@each_way
def test_never_begun(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: events that nobody reads are no run."""
    graph = line(asking(is_async=is_async))

    async def main() -> None:
        await abegin(graph, watched)
        gc.collect()
        await settled()

    asyncio.run(main()) if is_async else begin(graph, watched)
    gc.collect()
    assert told(recorded) == []


@each_way
def test_grouped(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC17: in a group they are parts of its one run, beside a model's own events."""
    model: Any = ScriptedChat()

    async def main() -> None:
        await _aevents(await model.astream_events(QUESTION, watched, version="v3"))

    with handler.run():
        consume(line(asking(is_async=is_async)), watched, is_async=is_async)
        asyncio.run(main()) if is_async else list(model.stream_events(QUESTION, watched, version="v3"))
    assert told(recorded) == read(2)


@each_way
@pytest.mark.parametrize("end", ["read", "left"])
def test_events_of_a_model_in_a_node(watched: Any, recorded: RecordingClient, is_async: bool, end: str) -> None:
    """LC9, LC10: a node may read the events of its model, to their end or not."""
    model: Any = ScriptedChat()

    def node(_state: Any, config: Any) -> Any:
        for event in model.stream_events(QUESTION, config, version="v3"):
            if end == "left" and says(event):
                break
        return {"answers": []}

    async def anode(_state: Any, config: Any) -> Any:
        stream = await model.astream_events(QUESTION, config, version="v3")
        async for event in stream:
            if end == "left" and says(event):
                break
        return {"answers": []}

    for each in (node, anode):
        each.__annotations__["config"] = "RunnableConfig"
    graph = line(anode if is_async else node)

    async def main() -> None:
        await graph.ainvoke(ASKED, watched)
        gc.collect()
        await settled()

    asyncio.run(main()) if is_async else graph.invoke(ASKED, watched)
    gc.collect()
    assert told(recorded) == (read(1) if end == "read" or is_async else LEFT)
    assert answered(1)
