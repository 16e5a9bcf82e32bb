"""The rows of the table in docs/langchain.md: what is done to bring each about, sync and async."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.output_parsers import BaseOutputParser, StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt

from tests.expected import turns
from tests.langchain.models import Gate, ScriptedChat, Turn, asks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ldai_langchain import LaunchDarklyCallbackHandler

__all__ = ["CASES", "Bench", "Case"]

EITHER = ("model", "chain")
MODEL, CHAIN = ("model",), ("chain",)
# On Python 3.10 tasks cannot be given a context, and LangGraph's nodes are not in that of their graph:
# https://docs.langchain.com/oss/python/langgraph/streaming#async
IN_CONTEXT = (False, True) if sys.version_info >= (3, 11) else (False,)
ASKED = {"question": "Where is my order?"}
FAILS = Turn(error=ValueError("scripted"))
TOOLS = Turn(pieces=(), tool_calls=asks("search", "lookup"))


class Refusing(BaseOutputParser[str]):
    """A parser that likes nothing."""

    def parse(self, text: str) -> str:
        """Refuse the text."""
        raise ValueError("scripted")


def search() -> str:
    """Search for the order."""
    return "found"


@dataclass
class Bench:
    """What a case works with; its methods do the same sync and async."""

    handler: LaunchDarklyCallbackHandler
    kind: str
    is_async: bool

    @property
    def measured(self) -> Any:
        """The config of a call that is measured."""
        return {"callbacks": [self.handler]}

    def runnable(self, model: Any, parser: Any = None) -> Any:
        """Make a model, or a chain around it."""
        prompt = ChatPromptTemplate.from_messages([("user", "{question}")])
        return model if self.kind == "model" else prompt | model | (parser or StrOutputParser())

    async def invoke(self, runnable: Any, config: Any = None, asked: Any = None) -> Any:
        """Invoke a runnable."""
        asked = asked if asked is not None else ("Where is my order?" if self.kind == "model" else ASKED)
        config = config or self.measured
        return await runnable.ainvoke(asked, config) if self.is_async else runnable.invoke(asked, config)

    async def answer(self, turn: Turn = Turn()) -> None:  # noqa: B008  # frozen
        """Have a model take this turn, and invoke it."""
        await self.invoke(self.runnable(ScriptedChat(turns=(turn,))))

    async def fail(self, runnable: Any) -> None:
        """Invoke what fails."""
        try:
            await self.invoke(runnable)
        except ValueError as error:
            assert "scripted" in str(error)  # noqa: PT017  # a parser's says more than that
        else:
            raise AssertionError("it did not fail")

    async def stream(self, turn: Turn = Turn(), until: Callable[[Any], bool] = lambda _: False) -> None:  # noqa: B008
        """Stream the answer of a model that takes this turn, until a chunk is the last one wanted."""
        runnable = self.runnable(ScriptedChat(turns=(turn,)))
        asked = "Where is my order?" if self.kind == "model" else ASKED
        if self.is_async:
            async for chunk in runnable.astream(asked, self.measured):
                if until(chunk):
                    break
            await turns()
            await asyncio.sleep(0.01)
        else:
            for chunk in runnable.stream(asked, self.measured):
                if until(chunk):
                    break
        gc.collect()


@dataclass(frozen=True)
class Case:
    """What a row stands for: with a model alone, with a chain, or with something of its own."""

    run: Callable[[Bench], Awaitable[None]]
    kinds: Sequence[str] = EITHER
    ways: Sequence[bool] = (False, True)


async def from_cache(bench: Bench) -> None:
    """Ask twice, the first time unmeasured."""
    runnable = bench.runnable(ScriptedChat(cache=InMemoryCache()))
    await bench.invoke(runnable, {"callbacks": []})
    await bench.invoke(runnable)


async def attached_twice(bench: Bench) -> None:
    """Attach it to the runnable, and twice in the call."""
    runnable = bench.runnable(ScriptedChat(callbacks=[bench.handler])).with_config(bench.measured)
    await bench.invoke(runnable, {"callbacks": [bench.handler, bench.handler]})


async def stream_failed(bench: Bench) -> None:
    """Let a stream fail."""
    with suppress(ValueError):
        await bench.stream(Turn(("Hel",), error=ValueError("scripted")))
        raise AssertionError("it did not fail")


async def never_begun(bench: Bench) -> None:
    """Ask for a stream, and drop it."""
    runnable = bench.runnable(ScriptedChat())
    streams = [runnable.astream if bench.is_async else runnable.stream]
    streams[0]("Where is my order?", bench.measured)
    gc.collect()


async def cancelled(bench: Bench) -> None:
    """Cancel a call that waits for its model."""
    gate = Gate()
    task = asyncio.create_task(bench.answer(Turn(gate=gate)))
    await gate.arrival()
    task.cancel()
    await asyncio.wait([task])
    await turns()


async def stream_cancelled(bench: Bench) -> None:
    """Cancel a stream that waits for its second text."""
    gate = Gate()
    task = asyncio.create_task(bench.stream(Turn(gate=gate, gate_at=2)))
    await gate.arrival()
    task.cancel()
    await asyncio.wait([task])
    await turns()


async def side_by_side(bench: Bench) -> None:
    """Ask two models at once."""
    await bench.invoke(RunnableParallel(one=ScriptedChat(), other=ScriptedChat()), asked="Where is my order?")


async def agent(bench: Bench) -> None:
    """Run an agent that asks for a tool, and then answers."""
    model = ScriptedChat(turns=(Turn((), tool_calls=asks("search")), Turn()))
    await bench.invoke(create_agent(model, [search]), asked={"messages": [("user", "Where is my order?")]})


async def interrupted(bench: Bench) -> None:
    """Run a graph that stops to ask a human."""

    def answer(state: MessagesState, config: RunnableConfig) -> Any:
        return {"messages": [ScriptedChat().invoke(state["messages"], config)]}

    def ask(state: MessagesState) -> Any:
        return interrupt("Is that right?")

    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_node("ask", ask)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", "ask")
    config = {**bench.measured, "configurable": {"thread_id": "1"}}
    asked = {"messages": [("user", "Where is my order?")]}
    result = await bench.invoke(graph.compile(checkpointer=InMemorySaver()), config, asked)
    assert "__interrupt__" in result


async def grouped(bench: Bench) -> None:
    """Group two invocations."""
    if bench.is_async:
        async with bench.handler.run():
            await bench.answer()
            await bench.answer()
    else:
        with bench.handler.run():
            await bench.answer()
            await bench.answer()


async def closed(bench: Bench) -> None:
    """Close the handler while a model is asked."""
    gate = Gate()
    if bench.is_async:
        asking = asyncio.create_task(bench.answer(Turn(gate=gate)))
    else:
        runnable = bench.runnable(ScriptedChat(turns=(Turn(gate=gate),)))
        asked = "Where is my order?" if bench.kind == "model" else ASKED
        asking = asyncio.create_task(asyncio.to_thread(runnable.invoke, asked, bench.measured))
    await gate.arrival()
    bench.handler.close()
    gate.open()
    await asking


CASES = {
    "answer returned": Case(lambda bench: bench.answer()),
    "answer returned without usage": Case(lambda bench: bench.answer(Turn(usage=None))),
    "answer from LangChain's cache": Case(from_cache),
    "answer asks for two tools": Case(lambda bench: bench.answer(TOOLS)),
    "handler attached twice": Case(attached_twice),
    "model failed": Case(lambda bench: bench.fail(bench.runnable(ScriptedChat(turns=(FAILS,))))),
    "model failed, and was tried again": Case(
        lambda bench: bench.invoke(
            bench.runnable(ScriptedChat(turns=(FAILS, Turn())).with_retry(wait_exponential_jitter=False))
        )
    ),
    "model failed, and its fallback answered": Case(
        lambda bench: bench.invoke(bench.runnable(ScriptedChat(turns=(FAILS,)).with_fallbacks([ScriptedChat()])))
    ),
    "model failed, and so did its fallback": Case(
        lambda bench: bench.fail(
            bench.runnable(ScriptedChat(turns=(FAILS,)).with_fallbacks([ScriptedChat(turns=(FAILS,))]))
        )
    ),
    "parser refused the answer": Case(lambda bench: bench.fail(bench.runnable(ScriptedChat(), Refusing())), CHAIN),
    "stream read to its end": Case(lambda bench: bench.stream()),
    "stream asks for two tools": Case(lambda bench: bench.stream(TOOLS)),
    "stream never begun": Case(never_begun),
    "stream broken off at its first text": Case(
        lambda bench: bench.stream(until=lambda chunk: chunk.content == "Hel"), MODEL
    ),
    "stream broken off after its usage": Case(
        lambda bench: bench.stream(until=lambda chunk: chunk.usage_metadata is not None), MODEL
    ),
    "stream failed after its first text": Case(stream_failed),
    "call cancelled": Case(cancelled, ways=(True,)),
    "stream cancelled after its first text": Case(stream_cancelled, ways=(True,)),
    "two models side by side": Case(side_by_side, CHAIN),
    "agent that uses a tool": Case(agent, CHAIN, IN_CONTEXT),
    "graph interrupted after its model": Case(interrupted, CHAIN, IN_CONTEXT),
    "`with handler.run()` around two invocations": Case(grouped),
    "handler closed during the call": Case(closed),
    "chain without a model": Case(lambda bench: bench.invoke(RunnableLambda(str)), CHAIN),
}
