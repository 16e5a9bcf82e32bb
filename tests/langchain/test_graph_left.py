"""Graphs of LangGraph whose streams are left, closed, dropped or cancelled."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.inside_put import Knot
from tests.expected import FAILED, FAILED_LATE, LEFT, UNREAD, tokens, told, told_by_now
from tests.langchain.graphs import ASKED, answered, asking, line, needs_context, read, side_by_side
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.wires import settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

LEAVE = pytest.mark.parametrize("leave", ["break", "close", "drop", "collect"])
DEPTH = pytest.mark.parametrize("depth", [0, 1])
MESSAGES: dict[str, Any] = {"stream_mode": "messages"}
UPDATES: dict[str, Any] = {"stream_mode": "updates"}


def nested(graph: Any, depth: int) -> Any:
    """Put a graph into graphs."""
    return graph if depth == 0 else line(nested(graph, depth - 1))


def waiting(gate: Gate, *, is_async: bool, at: int = 2) -> Any:
    """Make a node whose model waits before its second text."""
    return asking(ScriptedChat(turns=(Turn(gate=gate, gate_at=at),)), is_async=is_async)


def says(item: Any) -> bool:
    """Say whether an item of a stream of messages has text."""
    message, _ = item[-1] if isinstance(item[-1], tuple) else item
    return bool(message.content)


@LEAVE
@DEPTH
def test_messages(watched: Any, recorded: RecordingClient, leave: str, depth: int) -> None:
    """LC2, LC10: LangGraph waits for the thread of the node: all tokens, and a success."""
    gate = Gate()
    graph = nested(line(waiting(gate, is_async=False)), depth)
    items: Any = graph.stream(ASKED, watched, subgraphs=True, **MESSAGES)
    timer = Timer(0.08, gate.open)
    for item in items:
        if says(item):
            timer.start()
            break
    if leave == "close":
        items.close()
    if leave == "collect":
        Knot(items)
    del items
    gc.collect()
    timer.join()
    assert told(recorded) == read(1)


@LEAVE
def test_updates(watched: Any, recorded: RecordingClient, leave: str) -> None:
    """LC10: left between two nodes: what was answered until then, and a success."""
    graph = line(asking(), asking())
    items: Any = graph.stream(ASKED, watched, **UPDATES)
    for _ in items:
        break
    if leave == "close":
        items.close()
    if leave == "collect":
        Knot(items)
    del items
    gc.collect()
    assert told(recorded) == answered(1)


@needs_context
@LEAVE
@DEPTH
def test_messages_async(watched: Any, recorded: RecordingClient, leave: str, depth: int) -> None:
    """LC10: async LangGraph cancels the node, and the consumer's leaving is a success all the same."""
    graph = nested(line(waiting(Gate(), is_async=True)), depth)

    async def main() -> None:
        items: Any = graph.astream(ASKED, watched, subgraphs=True, **MESSAGES)
        async for item in items:
            if says(item):
                break
        if leave == "close":
            await items.aclose()
        if leave == "collect":
            Knot(items)
        del items
        gc.collect()
        await settled()

    asyncio.run(main())
    assert told(recorded) == LEFT


@needs_context
@LEAVE
def test_updates_async(watched: Any, recorded: RecordingClient, leave: str) -> None:
    """LC10: likewise between two nodes."""
    graph = line(asking(is_async=True), asking(is_async=True))

    async def main() -> None:
        items: Any = graph.astream(ASKED, watched, **UPDATES)
        async for _ in items:
            break
        if leave == "close":
            await items.aclose()
        if leave == "collect":
            Knot(items)
        del items
        gc.collect()
        await settled()

    asyncio.run(main())
    assert told(recorded) == answered(1)


@needs_context
@pytest.mark.parametrize("mode", ["messages", "updates"])
def test_left_at_the_end(watched: Any, recorded: RecordingClient, mode: str) -> None:
    """LC10: one that is left by the last thing that a program does in its event loop is a success, too."""
    graph = line(asking(is_async=True), waiting(Gate(), is_async=True))

    async def main() -> None:
        seen = 0
        async for item in graph.astream(ASKED, watched, stream_mode=mode):
            seen += mode == "updates" or says(item)
            if seen == (3 if mode == "messages" else 1):
                break

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == (read(1) if mode == "messages" else answered(1))


@needs_context
@DEPTH
@pytest.mark.parametrize("streams", [False, True])
def test_cancelled(watched: Any, recorded: RecordingClient, depth: int, streams: bool) -> None:
    """LC10, LC11: a graph that is cancelled while a model is waited for is an error, once, with what was answered."""
    gate = Gate()
    graph = nested(line(asking(is_async=True), waiting(gate, is_async=True)), depth)

    async def consume() -> None:
        async for _ in graph.astream(ASKED, watched, **MESSAGES):
            pass

    async def main() -> None:
        task = asyncio.ensure_future(consume() if streams else graph.ainvoke(ASKED, watched))
        await gate.arrival()
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await settled()

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == [*(FAILED_LATE if streams else FAILED), *tokens(9, 3)]


@needs_context
@pytest.mark.parametrize("kind", ["wait_for", "branches"])
def test_given_up(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC10, LC11: so is one that `wait_for` gives up waiting for, also with several models at once."""
    nodes = [waiting(Gate(), is_async=True) for _ in range(3 if kind == "branches" else 1)]

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(side_by_side(*nodes).ainvoke(ASKED, watched), 0.3)
        await settled()

    asyncio.run(main())
    assert told(recorded) == FAILED
    assert (recorded.run.duration_ms or 0) >= 290  # of 300, by another clock


def test_cancelled_with_threads(watched: Any, recorded: RecordingClient) -> None:
    """LC2, LC10: a cancelled graph whose nodes are threads is an error when those have ended, with their tokens."""
    gate = Gate()
    graph = line(asking(ScriptedChat(turns=(Turn(gate=gate),))))

    async def main() -> None:
        task = asyncio.ensure_future(graph.ainvoke(ASKED, watched))
        await gate.arrival()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await settled()
        assert told_by_now(recorded) == []
        gate.open()
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(main())
    assert told(recorded) == [*FAILED, *tokens(9, 3)]


@needs_context
@pytest.mark.parametrize("pull", ["tasks", "wait_for"])
def test_pulled_by_many_tasks(watched: Any, recorded: RecordingClient, pull: str) -> None:
    """LC11: a stream each of whose items another task pulls is one run, at its end."""
    graph = line(asking(is_async=True), asking(is_async=True))

    async def main() -> None:
        items: Any = graph.astream(ASKED, watched, **MESSAGES)
        with suppress(StopAsyncIteration):
            while True:
                if pull == "tasks":
                    await asyncio.create_task(anext(items))
                else:
                    await asyncio.wait_for(anext(items), 5)
                await settled()
                gc.collect()

    asyncio.run(main())
    assert told(recorded) == read(2)


@needs_context
def test_one_of_many_tasks(watched: Any, recorded: RecordingClient) -> None:
    """LC11: when one of them is cancelled while it waits, that is one error."""
    gate = Gate()
    graph = line(waiting(gate, is_async=True))

    async def main() -> None:
        items: Any = graph.astream(ASKED, watched, **MESSAGES)
        while not says(await asyncio.create_task(anext(items))):
            pass
        task = asyncio.ensure_future(anext(items))
        await gate.arrival()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await items.aclose()
        await settled()

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == FAILED_LATE


@pytest.mark.parametrize("mode", ["messages", "updates"])
def test_the_consumer_fails(watched: Any, recorded: RecordingClient, mode: str) -> None:
    """LC10: an exception of the consumer's own is none of the graph's."""

    def consume() -> None:
        for item in line(asking(), asking()).stream(ASKED, watched, stream_mode=mode):
            if mode == "updates" or says(item):
                raise LookupError

    with pytest.raises(LookupError):
        consume()
    gc.collect()
    assert told(recorded)[:-3] == ([*LEFT] if mode == "messages" else UNREAD)


@pytest.mark.parametrize("is_async", [False, True])
def test_never_begun(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a stream that nobody reads is no run; nor is one that is left before its first model."""
    graph = line(lambda _: {"answers": ["none"]}, asking(is_async=is_async))
    streams: list[Callable[..., Any]] = [graph.astream if is_async else graph.stream]
    items = streams[0](ASKED, watched, **UPDATES)

    async def main() -> None:
        begun = graph.astream(ASKED, watched, **UPDATES)
        await anext(begun)
        await begun.aclose()
        await items.aclose()  # noqa: F821  # it is deleted later

    if is_async:
        asyncio.run(main())
    else:
        begun = graph.stream(ASKED, watched, **UPDATES)
        next(begun)
        begun.close()
    del items
    gc.collect()
    assert told(recorded) == []


@needs_context
@pytest.mark.parametrize("leave", ["break", "cancel"])
def test_events(watched: Any, recorded: RecordingClient, leave: str) -> None:
    """LC10: a graph whose events are left LangChain cancels, and says no more than that: an error, once."""
    gate = Gate()
    graph = line(asking(is_async=True), waiting(gate, is_async=True))

    async def consume() -> None:
        seen = 0
        async for event in graph.astream_events(ASKED, watched, version="v2"):
            seen += event["event"] == "on_chat_model_stream" and bool(event["data"]["chunk"].content)
            if seen == 3 and leave == "break":
                break

    async def main() -> None:
        task = asyncio.ensure_future(consume())
        await gate.arrival()
        if leave == "cancel":
            task.cancel()
        await asyncio.wait([task])
        gc.collect()
        await settled()

    asyncio.run(main())
    gc.collect()
    assert told(recorded) == [*FAILED_LATE, *tokens(9, 3)]


@needs_context
def test_left_in_a_group(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC1, LC10: streams that are left inside a group, sync and async, are parts of its one run."""
    with handler.run():
        for _ in line(asking(), asking()).stream(ASKED, watched, **UPDATES):
            break

        async def main() -> None:
            async for item in line(waiting(Gate(), is_async=True)).astream(ASKED, watched, **MESSAGES):
                if says(item):
                    break
            await settled()

        asyncio.run(main())
    gc.collect()
    assert told(recorded) == read(1)
