"""Graphs of LangGraph around models of a few lines."""

from __future__ import annotations

import asyncio
import operator
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig  # noqa: TC002  # LangGraph reads it
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from tests.expected import SUCCESS, TOKENS, duration, first_token, tokens
from tests.langchain.models import ScriptedChat
from tests.langchain.ways import QUESTION
from tests.langchain.wires import settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.expected import Told

__all__ = [
    "ASKED",
    "State",
    "answered",
    "asking",
    "heard_inside",
    "invoke",
    "is_heard_inside",
    "line",
    "needs_context",
    "read",
    "side_by_side",
    "stream",
]

ASKED: Any = {"answers": []}
# On Python 3.10 a task cannot be given a context, so that LangGraph's async nodes have none.
needs_context = pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph's async nodes have no context there")
# The callbacks that a graph got by `with_config` the first releases do not call where it is a node of another.
is_heard_inside = not version("langgraph").startswith("1.0.")
heard_inside = pytest.mark.skipif(not is_heard_inside, reason="it does not call the handlers of a graph inside")


class State(TypedDict):
    """What the graphs here pass on."""

    answers: Annotated[list[str], operator.add]


def asking(model: Any = None, *, is_async: bool = False, then: Callable[[], object] = lambda: None) -> Any:
    """Make a node that asks a model, and then does something that may raise."""
    asked = model or ScriptedChat()

    def node(state: State, config: RunnableConfig) -> State:
        answer = asked.invoke(QUESTION, config)
        then()
        return {"answers": [str(answer.content)]}

    async def anode(state: State, config: RunnableConfig) -> State:
        answer = await asked.ainvoke(QUESTION, config)
        then()
        return {"answers": [str(answer.content)]}

    return anode if is_async else node


def line(*nodes: Any, **options: Any) -> Any:
    """Make a graph of nodes in a row."""
    graph = StateGraph(State)
    for place, node in enumerate(nodes):
        graph.add_node(f"n{place}", node)
        graph.add_edge(f"n{place - 1}" if place else START, f"n{place}")
    return graph.compile(**options)


def side_by_side(*nodes: Any, **options: Any) -> Any:
    """Make a graph of nodes that run at once."""
    graph = StateGraph(State)
    for place, node in enumerate(nodes):
        graph.add_node(f"n{place}", node)
        graph.add_edge(START, f"n{place}")
    return graph.compile(**options)


def invoke(graph: Any, config: Any, asked: Any = None, *, is_async: bool) -> Any:
    """Invoke either way, in the one conversation there is."""
    asked = ASKED if asked is None else asked
    config = {"configurable": {"thread_id": "1"}, **config}
    return asyncio.run(graph.ainvoke(asked, config)) if is_async else graph.invoke(asked, config)


def stream(graph: Any, config: Any, asked: Any = None, *, is_async: bool, **options: Any) -> list[Any]:
    """Stream either way, to the end."""
    asked = ASKED if asked is None else asked
    config = {"configurable": {"thread_id": "1"}, **config}

    async def main() -> list[Any]:
        items = [item async for item in graph.astream(asked, config, **options)]
        await settled()
        return items

    return asyncio.run(main()) if is_async else list(graph.stream(asked, config, **options))


def answered(times: int) -> Told:
    """Expect a success with the tokens of so many answers."""
    return [duration(), SUCCESS, *(tokens(9 * times, 3 * times) if times else [])]


def read(times: int) -> Told:
    """Expect the same, of answers that were streamed."""
    return [duration(), first_token(), SUCCESS, *(tokens(9 * times, 3 * times) if times else [])]


assert answered(1)[2:] == TOKENS
