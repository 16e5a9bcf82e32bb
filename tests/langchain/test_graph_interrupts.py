"""Graphs of LangGraph that stop to ask a human, or tell their parents what to do: never errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph import errors
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from tests.expected import FAILED, UNREAD, tokens, told
from tests.langchain.graphs import (
    ASKED,
    State,
    answered,
    asking,
    heard_inside,
    invoke,
    line,
    needs_context,
    read,
    side_by_side,
    stream,
)
from tests.langchain.models import ScriptedChat
from tests.langchain.ways import QUESTION, each_way

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

RESUME: Any = Command(resume="yes")


def stop(_state: State) -> Any:
    """Ask a human."""
    return {"answers": [interrupt("Is that right?")]}


async def astop(_state: State) -> Any:
    """Ask a human."""
    return {"answers": [interrupt("Is that right?")]}


def kept(*nodes: Any) -> Any:
    """Make a graph of nodes in a row that can be resumed."""
    return line(*nodes, checkpointer=InMemorySaver())


def asks_first(is_async: bool) -> Any:
    """Make a node that asks a model, and then a human; when it is resumed, it begins anew."""
    return asking(is_async=is_async, then=lambda: interrupt("Is that right?"))


@needs_context
@each_way
@pytest.mark.parametrize("mode", [None, "updates", "messages"])
def test_resumed(watched: Any, recorded: RecordingClient, is_async: bool, mode: str | None) -> None:
    """LC10: a graph that is interrupted is a success with the tokens so far; that it is resumed is a run of its own."""
    graph = kept(asking(is_async=is_async), astop if is_async else stop, asking(is_async=is_async))
    for asked in (ASKED, RESUME):
        if mode is None:
            result = invoke(graph, watched, asked, is_async=is_async)
            assert ("__interrupt__" in result) == (asked is ASKED)
        else:
            stream(graph, watched, asked, is_async=is_async, stream_mode=mode)
    assert told(recorded) == (read(1) * 2 if mode == "messages" else answered(1) * 2)


@needs_context
@each_way
def test_again_and_again(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC10: a node that asks its model before the human does so again: each time counts, in its own run."""
    graph = kept(asks_first(is_async), asks_first(is_async))
    for asked in (ASKED, RESUME, RESUME):
        invoke(graph, watched, asked, is_async=is_async)
    assert told(recorded) == [*answered(1), *answered(2), *answered(1)]


@needs_context
@each_way
def test_nothing_left_to_ask(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC10: resumed where no model is asked any more, it is no run."""
    graph = kept(asking(is_async=is_async), stop)
    for asked in (ASKED, RESUME):
        invoke(graph, watched, asked, is_async=is_async)
    assert told(recorded) == answered(1)


@needs_context
@each_way
def test_resumed_to_fail(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3, LC10: what fails after it is resumed is an error of that run alone."""

    def fail() -> None:
        raise ValueError("scripted")

    graph = kept(asking(is_async=is_async), stop, asking(is_async=is_async, then=fail))
    invoke(graph, watched, is_async=is_async)
    with pytest.raises(ValueError, match="scripted"):
        invoke(graph, watched, RESUME, is_async=is_async)
    assert told(recorded) == [*answered(1), *FAILED, *tokens(9, 3)]


@needs_context
@each_way
def test_beside_a_branch(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC10: a branch beside the interrupted one comes to its end, and counts."""
    graph = side_by_side(asks_first(is_async), asking(is_async=is_async), stop, checkpointer=InMemorySaver())
    invoke(graph, watched, is_async=is_async)
    assert told(recorded) == answered(2)


@each_way
@pytest.mark.parametrize("when", ["interrupt_before", "interrupt_after"])
def test_by_a_breakpoint(watched: Any, recorded: RecordingClient, is_async: bool, when: str) -> None:
    """LC10: breakpoints, before and after nodes, likewise."""
    graph = line(
        *[asking(is_async=is_async) for _ in range(2)],
        checkpointer=InMemorySaver(),
        **{when: ["n1" if when == "interrupt_before" else "n0"]},
    )
    resume: Any = Command(resume=True)
    for asked in (ASKED, resume):
        invoke(graph, watched, asked, is_async=is_async)
    assert told(recorded) == answered(1) * 2


SEEN: dict[str, Callable[[Any, Any, bool], tuple[Any, Any]]] = {
    "all": lambda inner, watched, is_async: (kept(asking(is_async=is_async), line(inner)), watched),
    "the inner graph": lambda inner, watched, is_async: (
        kept(asking(is_async=is_async), line(inner.with_config(watched))),
        {},
    ),
    "a chain in a graph": lambda inner, watched, is_async: (
        kept(asking(is_async=is_async), (RunnableLambda(lambda _: ASKED) | inner).with_config(watched)),
        {},
    ),
    "a fallback's chain": lambda inner, watched, is_async: (
        kept(
            asking(is_async=is_async),
            inner.with_config(watched).with_fallbacks([inner], exceptions_to_handle=(ValueError,)),
        ),
        {},
    ),
}
GRAPHS = ("the inner graph", "a fallback's chain")


@needs_context
@each_way
@pytest.mark.parametrize(
    "seen",
    [pytest.param(seen, marks=heard_inside) if seen in GRAPHS else seen for seen in SEEN],
)
def test_inside(watched: Any, recorded: RecordingClient, is_async: bool, seen: str) -> None:
    """LC10: an interrupt that goes through graphs and chains, of which it is the exception, is no error of any."""
    inner = line(asking(is_async=is_async), astop if is_async else stop, asking(is_async=is_async))
    graph, config = SEEN[seen](inner, watched, is_async)
    invoke(graph, config, is_async=is_async)
    invoke(graph, config, RESUME, is_async=is_async)
    first = answered(2 if seen == "all" else 1)
    assert told(recorded)[: len(first)] == first
    assert [run.success for run in recorded.runs] == [True, True]


@needs_context
@each_way
def test_on_the_model(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool) -> None:
    """LC10, LC17: a handler that is on the model alone sees models alone."""
    node = asking(ScriptedChat(callbacks=[handler]), is_async=is_async, then=lambda: interrupt("Is that right?"))
    graph = kept(node)
    for asked in (ASKED, RESUME):
        invoke(graph, {}, asked, is_async=is_async)
    assert told(recorded) == answered(1) * 2


class Human(ScriptedChat):
    """A model that is a human."""

    def _generate(self, *_args: Any, **_kwargs: Any) -> Any:
        return interrupt("What should I say?")

    async def _agenerate(self, *_args: Any, **_kwargs: Any) -> Any:
        return interrupt("What should I say?")


@needs_context
@each_way
@pytest.mark.parametrize("where", ["call", "model"])
def test_in_a_model(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool, where: str
) -> None:
    """LC10: an interrupt inside a model is no error of it either."""
    model = Human(callbacks=[handler] if where == "model" else None)
    graph = kept(asking(model, is_async=is_async))
    assert "__interrupt__" in invoke(graph, watched if where == "call" else {}, is_async=is_async)
    assert told(recorded) == UNREAD


@heard_inside
@pytest.mark.filterwarnings("ignore:NodeInterrupt is deprecated")
@each_way
def test_raised(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC10: the older way to interrupt a node likewise."""

    def interrupt() -> None:
        raise errors.NodeInterrupt("Is that right?")

    inner = line(asking(is_async=is_async, then=interrupt))
    invoke(kept(inner.with_config(watched)), {}, is_async=is_async)
    assert told(recorded) == answered(1)


@each_way
@pytest.mark.parametrize("seen", ["all", pytest.param("the inner graph", marks=heard_inside)])
@pytest.mark.parametrize("depth", [1, 2])
def test_command_to_the_parent(watched: Any, recorded: RecordingClient, is_async: bool, seen: str, depth: int) -> None:
    """LC10: a command to the parent graph, which is an exception until it gets there, is no error."""

    def leave(_state: State) -> Any:
        return Command(graph=Command.PARENT, goto="after", update={"answers": ["left"]})

    inner = line(asking(is_async=is_async), leave)
    for _ in range(depth - 1):
        between: Any = StateGraph(State)
        between.add_node("inner", inner.with_config(watched) if seen != "all" and inner.name != "x" else inner)
        between.add_node("after", leave)
        between.add_edge(START, "inner")
        inner = between.compile()
    outer = StateGraph(State)
    outer.add_node("inner", inner.with_config(watched) if seen == "the inner graph" else inner)
    outer.add_node("after", asking(is_async=is_async))
    outer.add_edge(START, "inner")
    result = invoke(outer.compile(), watched if seen == "all" else {}, is_async=is_async)
    assert result["answers"][-1] == "Hello"
    assert told(recorded) == answered(2 if seen == "all" else 1)


@needs_context
@each_way
@pytest.mark.parametrize("streams", [False, True])
def test_grouped(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool, streams: bool
) -> None:
    """LC1, LC10: a group makes one run of a graph and of its resumption."""
    graph = kept(asking(is_async=is_async), astop if is_async else stop, asking(is_async=is_async))
    with handler.run():
        for asked in (ASKED, RESUME):
            if streams:
                stream(graph, watched, asked, is_async=is_async, stream_mode="messages")
            else:
                invoke(graph, watched, asked, is_async=is_async)
    assert told(recorded) == (read(2) if streams else answered(2))


@needs_context
@each_way
def test_that_leaves_a_group(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC10: an interrupt that leaves a group of invocations is no error of it."""
    model = ScriptedChat()

    def node(_state: State) -> Any:
        with handler.run():
            model.invoke(QUESTION, watched)
            return {"answers": [interrupt("Is that right?")]}

    async def anode(_state: State) -> Any:
        async with handler.run():
            await model.ainvoke(QUESTION, watched)
            return {"answers": [interrupt("Is that right?")]}

    invoke(kept(anode if is_async else node), {}, is_async=is_async)
    assert told(recorded) == answered(1)


def test_left_after_an_interrupt(watched: Any, recorded: RecordingClient) -> None:
    """LC10: a stream that is left when it tells of its interrupt is a success."""
    graph = kept(asking(), stop)
    stream: Any = graph.stream(
        ASKED, {**watched, "configurable": {"thread_id": "1"}}, stream_mode=["messages", "updates"]
    )
    while "__interrupt__" not in next(stream)[1]:
        pass
    stream.close()
    assert told(recorded) == read(1)
