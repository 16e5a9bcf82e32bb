"""Graphs of LangGraph: what fails, or is tried again, inside."""

from __future__ import annotations

import asyncio
import inspect
from threading import Timer
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.errors import GraphRecursionError
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy

from tests.expected import FAILED, FAILED_LATE, duration, tokens, told
from tests.langchain.graphs import ASKED, State, answered, asking, invoke, line, read, side_by_side, stream
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.ways import QUESTION, REFUSED, each_way

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient

AT_ONCE = RetryPolicy(initial_interval=0, jitter=False, retry_on=ValueError)
STAGES = pytest.mark.parametrize("depth", [0, 1, 2])


def fail() -> None:
    """Fail."""
    raise ValueError("scripted")


def nested(graph: Any, depth: int) -> Any:
    """Put a graph into graphs."""
    return graph if depth == 0 else line(nested(graph, depth - 1))


@each_way
@STAGES
def test_node(watched: Any, recorded: RecordingClient, is_async: bool, depth: int) -> None:
    """LC3: a node that fails, however deep, fails the run; what was answered until then counts."""
    graph = nested(line(asking(is_async=is_async), asking(is_async=is_async, then=fail)), depth)
    with pytest.raises(ValueError, match="scripted"):
        invoke(graph, watched, is_async=is_async)
    assert told(recorded) == [*FAILED, *tokens(18, 6)]


@each_way
@STAGES
def test_model(watched: Any, recorded: RecordingClient, is_async: bool, depth: int) -> None:
    """LC3, LC8: so does a model; the same exception goes on."""
    graph = nested(line(asking(is_async=is_async), asking(ScriptedChat(turns=(REFUSED,)), is_async=is_async)), depth)
    with pytest.raises(ValueError, match="scripted") as caught:
        invoke(graph, watched, is_async=is_async)
    assert caught.value is REFUSED.error
    assert told(recorded) == [*FAILED, *tokens(9, 3)]


@each_way
@pytest.mark.parametrize("late", [False, True])
def test_streamed(watched: Any, recorded: RecordingClient, is_async: bool, late: bool) -> None:
    """LC8, LC9: in a stream of messages likewise, with the first token that was seen."""
    turn = Turn(("Hel",), error=ValueError("scripted")) if late else REFUSED
    graph = line(asking(ScriptedChat(turns=(turn,)), is_async=is_async))
    with pytest.raises(ValueError, match="scripted"):
        stream(graph, watched, is_async=is_async, stream_mode="messages")
    assert told(recorded) == (FAILED_LATE if late else FAILED)


@each_way
def test_handled(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: a node that handles what failed inside it is a success."""
    failing = line(asking(is_async=is_async, then=fail))

    def node(_state: State, config: Any) -> Any:
        with pytest.raises(ValueError, match="scripted"):
            failing.invoke(ASKED, config)
        return ASKED

    async def anode(_state: State, config: Any) -> Any:
        with pytest.raises(ValueError, match="scripted"):
            await failing.ainvoke(ASKED, config)
        return ASKED

    for each in (node, anode):
        each.__annotations__["config"] = "RunnableConfig"
    invoke(line(anode if is_async else node), watched, is_async=is_async)
    assert told(recorded) == answered(1)


@each_way
@STAGES
@pytest.mark.parametrize("mode", ["updates", "messages"])
def test_node_tried_again(watched: Any, recorded: RecordingClient, is_async: bool, depth: int, mode: str) -> None:
    """LC1, LC3: a node that LangGraph tries again is part of the one run: all that was answered counts, once."""
    failures = [ValueError("scripted"), ValueError("scripted")]

    def fail_twice() -> None:
        if failures:
            raise failures.pop()

    graph = StateGraph(State)
    graph.add_node("n", asking(is_async=is_async, then=fail_twice), retry_policy=AT_ONCE)
    graph.add_edge(START, "n")
    stream(nested(graph.compile(), depth), watched, is_async=is_async, stream_mode=mode)
    assert told(recorded) == (read(3) if mode == "messages" else answered(3))


@each_way
def test_node_tried_in_vain(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: one that fails each time is one error."""
    graph = StateGraph(State)
    graph.add_node("n", asking(is_async=is_async, then=fail), retry_policy=AT_ONCE)
    graph.add_edge(START, "n")
    with pytest.raises(ValueError, match="scripted"):
        invoke(graph.compile(), watched, is_async=is_async)
    assert told(recorded) == [*FAILED, *tokens(27, 9)]


@each_way
@pytest.mark.parametrize("by", ["retry", "fallback"])
def test_graph_tried_again(watched: Any, recorded: RecordingClient, is_async: bool, by: str) -> None:
    """LC1, LC3: a whole graph that is tried again, or has another graph for a fallback, is one run."""
    failures = iter([fail])

    def fail_once() -> None:
        next(failures, int)()

    graph = line(asking(is_async=is_async, then=fail_once))
    again = graph.with_retry(wait_exponential_jitter=False)
    other = graph.with_fallbacks([line(asking(is_async=is_async))])
    invoke(again if by == "retry" else other, watched, is_async=is_async)
    assert told(recorded) == answered(2)


def test_sibling_that_goes_on(watched: Any, recorded: RecordingClient) -> None:
    """LC3, LC2: LangGraph waits for the threads of the branches beside a failure: their answers count."""
    gate = Gate()

    def fail_beside(_state: State) -> Any:
        gate.reached.wait(5)
        Timer(0.05, gate.open).start()
        fail()

    graph = side_by_side(asking(ScriptedChat(turns=(Turn(gate=gate),))), fail_beside)
    with pytest.raises(ValueError, match="scripted"):
        graph.invoke(ASKED, watched)
    gate.open()
    assert told(recorded) == [duration(50), FAILED[1], *tokens(9, 3)]


def test_sibling_that_is_cancelled(watched: Any, recorded: RecordingClient) -> None:
    """LC3, LC11: async it cancels them, of which their models say nothing: one error, at once."""
    gate = Gate()

    async def fail_beside(_state: State) -> Any:
        await gate.arrival()
        fail()

    graph = side_by_side(asking(ScriptedChat(turns=(Turn(gate=gate),)), is_async=True), fail_beside)
    with pytest.raises(ValueError, match="scripted"):
        invoke(graph, watched, is_async=True)
    assert told(recorded) == FAILED


@each_way
def test_step_timeout(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: a step that takes too long is an error; a thread cannot be stopped, and its answer counts."""
    gate = Gate()
    graph = side_by_side(asking(ScriptedChat(turns=(Turn(gate=gate),)), is_async=is_async), asking(is_async=is_async))
    graph.step_timeout = 0.08
    timer = Timer(0.2, gate.open)
    timer.start()
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        invoke(graph, watched, is_async=is_async)
    timer.join()
    assert told(recorded) == [duration(80), FAILED[1], *tokens(*((9, 3) if is_async else (18, 6)))]


@pytest.mark.skipif("timeout" not in inspect.signature(StateGraph.add_node).parameters, reason="there is none yet")
def test_node_timeout(watched: Any, recorded: RecordingClient) -> None:
    """LC3, LC11: so is a node that takes too long, whose model is cancelled."""
    graph: Any = StateGraph(State)
    graph.add_node("n", asking(ScriptedChat(turns=(Turn(gate=Gate()),)), is_async=True), timeout=0.3)
    graph.add_edge(START, "n")
    with pytest.raises(Exception, match=r"(?i)timeout|timed out|exceeded"):
        invoke(graph.compile(), watched, is_async=True)
    assert told(recorded) == [duration(300), FAILED[1]]


@each_way
def test_recursion_limit(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: a graph that does not come to an end is an error, with the tokens of all its turns."""

    def goto(_state: State) -> Any:
        return Command(goto="again")

    graph: Any = StateGraph(State)
    graph.add_node("again", asking(is_async=is_async))
    graph.add_node("goto", goto)
    graph.add_edge(START, "again")
    graph.add_edge("again", "goto")
    with pytest.raises(GraphRecursionError):
        invoke(graph.compile(), {**watched, "recursion_limit": 5}, is_async=is_async)
    assert told(recorded) == [*FAILED, *tokens(27, 9)]


@each_way
def test_what_follows(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: a graph in a chain whose last step fails is an error with tokens."""

    def refuse(_answers: Any) -> Any:
        fail()

    chain: Any = line(asking(is_async=is_async)) | RunnableLambda(refuse)
    with pytest.raises(ValueError, match="scripted"):
        invoke(chain, watched, is_async=is_async)
    assert told(recorded) == [*FAILED, *tokens(9, 3)]
    assert QUESTION
