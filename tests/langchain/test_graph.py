"""Graphs of LangGraph: one run, whatever is inside."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langgraph.cache.memory import InMemoryCache
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, Send

from tests.expected import READ, SUCCESS, TOOL_CALL, duration, first_token, tokens, told
from tests.langchain.graphs import (
    ASKED,
    State,
    answered,
    asking,
    invoke,
    is_heard_inside,
    line,
    needs_context,
    read,
    side_by_side,
    stream,
)
from tests.langchain.models import Gate, ScriptedChat, Turn, asks
from tests.langchain.ways import BATCHES, QUESTION, each_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

MODES: list[Any] = [
    "values",
    "updates",
    "custom",
    "debug",
    "messages",
    ["values", "updates", "custom"],
    ["updates", "messages", "debug"],
]
ATTACHED: dict[str, Callable[[Any, bool], tuple[Any, Any, int]]] = {
    "in the call": lambda handler, is_async: (two(is_async), {"callbacks": [handler]}, 1),
    "in with_config": lambda handler, is_async: (two(is_async).with_config(callbacks=[handler]), {}, 1),
    "on the models": lambda handler, is_async: (two(is_async, callbacks=[handler]), {}, 2),
    "on a model and in the call": lambda handler, is_async: (
        two(is_async, callbacks=[handler]),
        {"callbacks": [handler]},
        1,
    ),
    "everywhere": lambda handler, is_async: (
        two(is_async, callbacks=[handler, handler]).with_config(callbacks=[handler]),
        {"callbacks": [handler, handler]},
        1,
    ),
    "on a graph inside": lambda handler, is_async: (
        line(two(is_async).with_config(callbacks=[handler])),
        {},
        1 if is_heard_inside else 0,
    ),
    "on a graph inside and in the call": lambda handler, is_async: (
        line(two(is_async).with_config(callbacks=[handler]), asking(is_async=is_async)),
        {"callbacks": [handler]},
        1,
    ),
}


def two(is_async: bool, **options: Any) -> Any:
    """Make a graph that asks a model twice."""
    return line(*[asking(ScriptedChat(**options), is_async=is_async) for _ in range(2)])


@each_way
@pytest.mark.parametrize("attached", ATTACHED)
def test_attached(
    handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, attached: str, is_async: bool
) -> None:
    """LC1, LC17: a graph is one run, wherever the handler is attached, and however often; on models alone, one each."""
    graph, config, runs = ATTACHED[attached](handler, is_async)
    asked = len(invoke(graph, config, is_async=is_async)["answers"])
    times = {0: 0, 1: asked, 2: 1}[runs]  # asked in each of them
    assert told(recorded) == answered(times) * runs


@each_way
@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("subgraphs", [False, True])
def test_modes(watched: Any, recorded: RecordingClient, is_async: bool, mode: Any, subgraphs: bool) -> None:
    """LC9, LC17: there is a first token where the models stream, for LangGraph makes them for its messages alone."""
    inner = two(is_async)
    graph = line(inner, asking(is_async=is_async))
    assert stream(graph, watched, is_async=is_async, stream_mode=mode, subgraphs=subgraphs) or mode == "custom"
    assert told(recorded)[2 if "messages" not in mode else 3 :] == tokens(27, 9) or told(recorded) == []
    assert told(recorded) == (read(3) if "messages" in mode else answered(3))


@each_way
def test_time_to_first_token(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC9: it counts from the start of the graph, to the first output of any model; the duration is the graph's."""

    def wait(_state: State) -> Any:
        time.sleep(0.06)
        return {"answers": []}

    graph = line(wait, asking(is_async=is_async), wait, asking(is_async=is_async))
    stream(graph, watched, is_async=is_async, stream_mode="messages")
    assert told(recorded) == [duration(120), first_token(60), *read(2)[2:]]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 30  # of 60


@each_way
def test_branches(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC13: branches that run at once are one run, with the tokens and the tools of each."""
    gate = Gate()

    def open_when_reached() -> None:
        assert gate.reached.wait(5)
        gate.open()

    waits = ScriptedChat(turns=(Turn(gate=gate, usage=(100, 20), tool_calls=asks("search")),))
    opens = ScriptedChat(turns=(Turn(usage=(1000, 200), tool_calls=asks("search", "lookup")),))
    graph = side_by_side(
        asking(waits, is_async=is_async),
        asking(opens, is_async=is_async, then=open_when_reached),
        asking(is_async=is_async),
    )
    if is_async:  # one thread has all of them
        gate.open()
    invoke(graph, watched, is_async=is_async)
    assert told(recorded) == [duration(), SUCCESS, *tokens(1109, 223), TOOL_CALL, TOOL_CALL, TOOL_CALL]


@each_way
def test_send(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: so are nodes that a node sends for, among them whole graphs; each call counts."""
    graph = StateGraph(State)
    graph.add_node("first", asking(is_async=is_async))
    graph.add_node("each", asking(is_async=is_async))
    graph.add_node("graph", two(is_async))
    graph.add_edge(START, "first")
    sends = [Send("each", ASKED)] * 3 + [Send("graph", ASKED)] * 2
    graph.add_conditional_edges("first", lambda _: sends, ["each", "graph"])
    assert len(invoke(graph.compile(), watched, is_async=is_async)["answers"]) == 8
    assert told(recorded) == answered(8)


@each_way
def test_commands(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: likewise where commands say what is next."""

    def goto(state: State) -> Any:
        return Command(goto="again" if len(state["answers"]) < 4 else "__end__")

    graph = StateGraph(State)
    graph.add_node("again", asking(is_async=is_async))
    graph.add_node("goto", goto)
    graph.add_edge(START, "again")
    graph.add_edge("again", "goto")
    invoke(graph.compile(), watched, is_async=is_async)
    assert told(recorded) == answered(4)


@each_way
def test_inside_each_other(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: graphs in graphs, called by their nodes; chains in graphs, and graphs in chains."""
    inner: Any = RunnableLambda(lambda _: ASKED) | two(is_async) | (lambda _: QUESTION) | ScriptedChat()
    if is_async:

        async def node(_state: State, config: Any) -> Any:  # pyright: ignore[reportRedeclaration]  # one of two
            await RunnableParallel(one=inner, other=inner).ainvoke(ASKED, config)
            return ASKED
    else:

        def node(_state: State, config: Any) -> Any:  # type: ignore[misc]  # the same, but for the awaiting
            RunnableParallel(one=inner, other=inner).invoke(ASKED, config)
            return ASKED

    node.__annotations__["config"] = "RunnableConfig"
    whole: Any = RunnableLambda(lambda asked: asked) | line(line(node), asking(is_async=is_async))
    invoke(whole, watched, is_async=is_async)
    assert told(recorded) == answered(7)


@needs_context
@each_way
def test_without_a_config(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: nodes need not hand their config on: the context has it, in tasks and threads too."""
    model = ScriptedChat()

    def node(_state: State) -> Any:
        two(is_async=False).invoke(ASKED)
        return {"answers": [model.invoke(QUESTION).content]}

    async def anode(_state: State) -> Any:
        await asyncio.gather(model.ainvoke(QUESTION), asyncio.to_thread(model.invoke, QUESTION))
        return {"answers": [(await asyncio.create_task(model.ainvoke(QUESTION))).content]}

    invoke(line(anode if is_async else node), watched, is_async=is_async)
    assert told(recorded) == answered(3)


@pytest.mark.parametrize("way", BATCHES)
def test_batches(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1: each of a batch of graphs is a run."""
    graph: Any = RunnableLambda(lambda _: ASKED) | two(is_async=False)
    BATCHES[way](graph, watched)
    assert told(recorded) == answered(2) * 3


@each_way
def test_cached_node(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a graph whose nodes LangGraph has cached asks no model, and is no run."""
    graph = StateGraph(State)
    graph.add_node("asks", asking(is_async=is_async), cache_policy=CachePolicy())
    graph.add_edge(START, "asks")
    compiled = graph.compile(cache=InMemoryCache())
    for _ in range(2):
        invoke(compiled, watched, is_async=is_async)
    assert told(recorded) == answered(1)


@needs_context
@each_way
def test_functions(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC17: a graph that is written as functions is one run."""
    model = ScriptedChat()

    @task
    def ask(question: str) -> str:
        return str(model.invoke(question).content)

    @task
    async def aask(question: str) -> str:
        return str((await model.ainvoke(question)).content)

    @entrypoint()
    def work(question: str) -> list[str]:
        return [future.result() for future in [ask(question), ask(question)]]

    @entrypoint()
    async def awork(question: str) -> list[str]:
        return list(await asyncio.gather(aask(question), aask(question)))

    invoke(awork if is_async else work, watched, QUESTION, is_async=is_async)
    assert told(recorded) == answered(2)


@each_way
@pytest.mark.parametrize("mode", ["messages", "updates"])
def test_grouped(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool, mode: str
) -> None:
    """LC1, LC17: a group makes one run of graphs that are invoked and streamed."""
    with handler.run():
        invoke(two(is_async), watched, is_async=is_async)
        stream(two(is_async), watched, is_async=is_async, stream_mode=mode)
        invoke(side_by_side(asking(is_async=is_async), asking(is_async=is_async)), watched, is_async=is_async)
    assert told(recorded) == (read(6) if mode == "messages" else answered(6))


@each_way
def test_streaming_models(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC9: a node that streams its model has a first token, however the graph is called."""
    model = ScriptedChat()

    def node(_state: State, config: Any) -> Any:
        return {"answers": [str(chunk.content) for chunk in model.stream(QUESTION, config)]}

    async def anode(_state: State, config: Any) -> Any:
        return {"answers": [str(chunk.content) async for chunk in model.astream(QUESTION, config)]}

    for each in (node, anode):
        each.__annotations__["config"] = "RunnableConfig"
    invoke(line(anode if is_async else node), watched, is_async=is_async)
    assert told(recorded) == READ
