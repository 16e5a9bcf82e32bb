"""Agents: real ones, that ask a scripted OpenAI API by ChatOpenAI."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langgraph.errors import GraphRecursionError

from tests.expected import ANSWERED, FAILED, LEFT, READ, TOOL_CALL, duration, first_token, tokens, told
from tests.langchain.models import Gate
from tests.langchain.wires import ASKS
from tests.servers.openai import Answer, Stream, chunks, completion, tool_call

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler
    from tests.servers.openai import ScriptedOpenAI

    Gpt = Callable[..., Any]

QUESTION: Any = {"messages": [("user", "Where is my order?")]}
SUCCESS = ANSWERED[1]
TWICE = [duration(), SUCCESS, *tokens(18, 6), TOOL_CALL]
TWICE_READ = [duration(), first_token(), SUCCESS, *tokens(18, 6), TOOL_CALL]
# On Python 3.10 LangGraph's nodes are not in the context of an async call.
ways = pytest.mark.parametrize("is_async", [False, *([True] if sys.version_info >= (3, 11) else [])])


def search(what: str = "order") -> str:
    """Search for something."""
    return f"found {what}"


def broken(what: str = "order") -> str:
    """Search for something, in vain."""
    raise LookupError(what)


def asks(name: str = "search") -> Answer:
    """Make an answer that asks for a tool."""
    call = {**ASKS, "function": {"name": name, "arguments": '{"what": "it"}'}}
    return Answer(completion(None, tool_calls=[call], finish_reason="tool_calls"))


async def invoke(runnable: Any, watched: Any, *, is_async: bool, **config: Any) -> Any:
    """Invoke either way."""
    asked = {**watched, **config}
    return await runnable.ainvoke(QUESTION, asked) if is_async else runnable.invoke(QUESTION, asked)


async def stream(runnable: Any, watched: Any, mode: Any, *, is_async: bool) -> list[Any]:
    """Stream either way, to the end."""
    if is_async:
        return [each async for each in runnable.astream(QUESTION, watched, stream_mode=mode)]
    return list(runnable.stream(QUESTION, watched, stream_mode=mode))


@ways
async def test_one_run(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC1, LC13, LC17: an agent that uses a tool is one run: tokens of both calls, and the tool."""
    server.script(asks())
    result = await invoke(create_agent(gpt(), [search]), watched, is_async=is_async)
    assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
    assert len(server.requests) == 2
    assert told(recorded) == TWICE


@ways
@pytest.mark.parametrize("mode", ["values", "updates", "messages", ["messages", "updates"]])
async def test_streamed(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool, mode: Any
) -> None:
    """LC1, LC9, LC17: so is one that is streamed; where the stream is of messages, there is a time to first token."""
    if "messages" in mode:
        asking = chunks(*tool_call("search", '{"what": ', '"it"}'), finish_reason="tool_calls")
        server.script(Stream(asking, usage=(9, 3)))
    else:
        server.script(asks())
    assert await stream(create_agent(gpt(), [search]), watched, mode, is_async=is_async)
    assert told(recorded) == (TWICE_READ if "messages" in mode else TWICE)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph's nodes have no context there")
async def test_events(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient) -> None:
    """LC9, LC17: the events of an agent are one run with a time to first token."""
    server.script(Stream(chunks(*tool_call("search", "{}"), finish_reason="tool_calls"), usage=(9, 3)))
    agent: Any = create_agent(gpt(), [search])
    kinds = {event["event"] async for event in agent.astream_events(QUESTION, watched, version="v2")}
    assert {"on_chat_model_stream", "on_tool_end"} <= kinds
    assert told(recorded) == TWICE_READ


@ways
async def test_a_tool_that_raises(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC3: a tool that raises fails the agent, and so the run; the tokens of the call before it count."""
    server.script(asks("broken"))
    with pytest.raises(LookupError):
        await invoke(create_agent(gpt(), [broken]), watched, is_async=is_async)
    assert told(recorded) == [*FAILED, *tokens(9, 3), TOOL_CALL]


@ways
async def test_a_tool_that_asks_a_model(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC1: a model that is asked inside a tool is a part of the run, by LangChain's context."""
    inner = gpt()

    def search() -> str:
        """Search by a model."""
        return str(inner.invoke("Where?").content)

    server.script(asks())
    await invoke(create_agent(gpt(), [search]), watched, is_async=is_async)
    assert len(server.requests) == 3
    assert told(recorded) == [duration(), SUCCESS, *tokens(27, 9), TOOL_CALL]


@ways
async def test_too_many_turns(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC3: an agent that is stopped for its length is an error with tokens."""
    server.script(*[asks() for _ in range(9)])
    with pytest.raises(GraphRecursionError):
        await invoke(create_agent(gpt(), [search]), watched, is_async=is_async, recursion_limit=4)
    asked = len(server.requests)
    assert told(recorded) == [*FAILED, *tokens(9 * asked, 3 * asked), *[TOOL_CALL] * asked]


async def test_cancelled_in_a_tool(
    server: ScriptedOpenAI, gpt: Gpt, handler: LaunchDarklyCallbackHandler, recorded: RecordingClient
) -> None:
    """LC10, LC11: an agent that is cancelled while its tool works is an error, with the tokens so far."""
    gate = Gate()

    async def search() -> str:
        """Search for ever."""
        await gate.await_()
        return "never"

    server.script(asks())
    agent = create_agent(gpt(callbacks=[handler]), [search])

    async def call() -> None:
        async with handler.run():
            await agent.ainvoke(QUESTION, {"callbacks": [handler]})

    task = asyncio.create_task(call())
    await gate.arrival()
    task.cancel()
    await asyncio.wait([task])
    gc.collect()
    assert told(recorded) == [*FAILED, *tokens(9, 3), TOOL_CALL]


def test_left(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient) -> None:
    """LC2, LC10: an agent's stream that is broken off is a success."""
    agent: Any = create_agent(gpt(), [search])
    for _ in agent.stream(QUESTION, watched, stream_mode="messages"):
        break
    gc.collect()
    assert told(recorded) in (LEFT, READ)
