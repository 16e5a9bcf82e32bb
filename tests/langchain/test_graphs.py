"""Graphs of LangGraph, with interrupts, commands, branches and subgraphs."""

from __future__ import annotations

import operator
import sys
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from typing_extensions import TypedDict

from tests.expected import ANSWERED, FAILED, READ, duration, tokens, told
from tests.langchain.models import ScriptedChat, Turn

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

SUCCESS = ANSWERED[1]
QUESTION: Any = {"answers": []}
ways = pytest.mark.parametrize("is_async", [False, *([True] if sys.version_info >= (3, 11) else [])])


class State(TypedDict):
    """What the graphs here pass on."""

    answers: Annotated[list[str], operator.add]


def answering(model: Any = None) -> Any:
    """Make a node that asks a model."""
    asked = model or ScriptedChat()

    def node(state: State) -> State:
        return {"answers": [str(asked.invoke("Where?").content)]}

    return node


def line(*nodes: Any) -> StateGraph[State]:
    """Make a graph of nodes in a row."""
    graph: StateGraph[State] = StateGraph(State)
    for place, node in enumerate(nodes):
        graph.add_node(str(place), node)
        graph.add_edge(str(place - 1) if place else START, str(place))
    return graph


async def invoke(graph: Any, watched: Any, asked: Any = None, *, is_async: bool) -> Any:
    """Invoke either way."""
    asked = QUESTION if asked is None else asked
    config = {**watched, "configurable": {"thread_id": "1"}}
    return await graph.ainvoke(asked, config) if is_async else graph.invoke(asked, config)


@ways
async def test_in_a_row(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC17: a graph is one run of all its models."""
    await invoke(line(answering(), answering(), answering()).compile(), watched, is_async=is_async)
    assert told(recorded) == [duration(), SUCCESS, *tokens(27, 9)]


@ways
async def test_branches(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: branches that run at once, by edges and by Send, belong to one run."""
    graph: StateGraph[State] = StateGraph(State)
    for name in ("a", "b", "c"):
        graph.add_node(name, answering())
    graph.add_edge(START, "a")
    graph.add_edge(START, "b")
    graph.add_conditional_edges("a", lambda _: [Send("c", {"answers": []}), Send("c", {"answers": []})], ["c"])
    result = await invoke(graph.compile(), watched, is_async=is_async)
    assert len(result["answers"]) == 4
    assert told(recorded) == [duration(), SUCCESS, *tokens(36, 12)]


@ways
async def test_interrupted_and_resumed(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC10: an interrupt is no error, and what is resumed is a run of its own."""

    def ask(state: State) -> State:
        return {"answers": [interrupt("Is that right?")]}

    graph = line(answering(), ask, answering()).compile(checkpointer=InMemorySaver())
    assert "__interrupt__" in await invoke(graph, watched, is_async=is_async)
    assert told(recorded) == ANSWERED
    result = await invoke(graph, watched, Command(resume="yes"), is_async=is_async)
    assert result["answers"] == ["Hello", "yes", "Hello"]
    assert told(recorded) == [*ANSWERED, *ANSWERED]


@ways
async def test_interrupted_inside(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC10: so is an interrupt in a graph inside another, also if the inner one alone is seen."""

    def ask(state: State) -> State:
        return {"answers": [interrupt("Is that right?")]}

    inner = line(answering(), ask).compile()
    graph = line(inner.with_config(watched)).compile(checkpointer=InMemorySaver())
    await invoke(graph, {}, is_async=is_async)
    assert told(recorded) == ANSWERED


@ways
async def test_a_command_to_the_parent(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC10: a command for the parent graph is no error, also if the graph that sends it alone is seen."""

    def leave(state: State) -> Any:
        return Command(graph=Command.PARENT, goto="after", update={"answers": ["left"]})

    def after(state: State) -> State:
        return {"answers": ["after"]}

    inner = line(answering(), leave).compile()
    graph: StateGraph[State] = StateGraph(State)
    graph.add_node("inner", inner.with_config(watched))
    graph.add_node("after", after)
    graph.add_edge(START, "inner")
    graph.add_edge("after", END)
    result = await invoke(graph.compile(), {}, is_async=is_async)
    assert result["answers"][-1] == "after"
    assert told(recorded) == ANSWERED


@ways
async def test_a_node_that_fails(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: a node that raises fails the run, which has the tokens of the nodes before it."""

    def fail(state: State) -> State:
        raise ValueError("scripted")

    with pytest.raises(ValueError, match="scripted"):
        await invoke(line(answering(), fail).compile(), watched, is_async=is_async)
    assert told(recorded) == [*FAILED, *tokens(9, 3)]


@ways
async def test_a_node_that_is_tried_again(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC3: a node that LangGraph tries again is a part of one run, a success."""
    model = ScriptedChat(turns=(Turn(error=ConnectionError("scripted")), Turn()))
    graph: StateGraph[State] = StateGraph(State)
    graph.add_node("a", answering(model), retry_policy=RetryPolicy(initial_interval=0.01, jitter=False))
    graph.add_edge(START, "a")
    await invoke(graph.compile(), watched, is_async=is_async)
    assert told(recorded) == ANSWERED


@ways
async def test_a_stream_read_to_its_end(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC9, LC17: a stream of messages has a time to first token."""
    graph = line(answering()).compile()
    if is_async:
        assert [each async for each in graph.astream(QUESTION, watched, stream_mode="messages")]
    else:
        assert list(graph.stream(QUESTION, watched, stream_mode="messages"))
    assert told(recorded) == READ


def test_a_stream_left(watched: Any, recorded: RecordingClient) -> None:
    """LC2, LC10: a stream that is broken off is a success, told when its models have ended."""
    stream: Any = line(answering(), answering()).compile().stream(QUESTION, watched, stream_mode="updates")
    next(stream)
    stream.close()
    assert told(recorded)[:2] == [duration(), SUCCESS]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph's nodes have no context there")
async def test_a_stream_left_async(watched: Any, recorded: RecordingClient) -> None:
    """LC10: likewise, async."""
    stream: Any = line(answering(), answering()).compile().astream(QUESTION, watched, stream_mode="updates")
    await anext(stream)
    await stream.aclose()
    assert told(recorded)[:2] == [duration(), SUCCESS]


@ways
async def test_grouped(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC10: two invocations in a group are one run, an interrupted graph and its resumption, say."""

    def ask(state: State) -> State:
        return {"answers": [interrupt("Is that right?")]}

    graph = line(answering(), ask, answering()).compile(checkpointer=InMemorySaver())
    watched = {"callbacks": [handler]}
    with handler.run():
        await invoke(graph, watched, is_async=is_async)
        await invoke(graph, watched, Command(resume="yes"), is_async=is_async)
    assert told(recorded) == [duration(), SUCCESS, *tokens(18, 6)]


def test_a_graph_without_models(watched: Any, recorded: RecordingClient) -> None:
    """LC1: a graph in which no model is asked records nothing, and takes no tracker."""
    line(lambda _: {"answers": ["none"]}).compile().invoke(QUESTION, watched)
    assert told(recorded) == []
