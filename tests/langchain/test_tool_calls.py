"""The tools that a model asks for: whose names are recorded, and how often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from ldai_core import ToolCall
from ldai_core.reading import Tally
from ldai_langchain.readings import read_result
from tests.expected import SUCCESS, told
from tests.langchain.models import ScriptedChat, Turn, asks
from tests.langchain.ways import STREAMS, WAYS
from tests.servers.bedrock import Answer as BedrockAnswer
from tests.servers.bedrock import Events, answer, events, tool_use
from tests.servers.openai import Answer, Stream, chunks, completion, tool_call
from tests.servers.responses import function_call, response, response_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock
    from tests.servers.openai import ScriptedOpenAI

    Make = Callable[..., Any]

each_way = pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream"])
BROKEN = '{"what": '


def result(*messages: Any) -> Any:
    """Make a result of one prompt with these candidates."""
    return LLMResult(generations=[[ChatGeneration(message=message) for message in messages]])


def names(read: Any, structured: frozenset[str] = frozenset()) -> list[str]:
    """List the names of the tools in a result, each id once."""
    tally = Tally()
    tally.add(read_result(read, structured))
    return tally.new_tool_calls()


def message(*calls: Any, **fields: Any) -> AIMessage:
    """Make a message that asks for tools."""
    return AIMessage("", tool_calls=list(calls), **fields)


def call(name: str, id_: str | None = "call_1") -> dict[str, Any]:
    """Make a tool call."""
    return {"name": name, "args": {}, "id": id_, "type": "tool_call"}


def invalid(name: str | None, id_: str | None = "call_2") -> dict[str, Any]:
    """Make a tool call whose arguments could not be parsed."""
    return {"name": name, "args": BROKEN, "id": id_, "error": "any", "type": "invalid_tool_call"}


LEGACY: dict[str, Any] = {"function_call": {"name": "search", "arguments": "{}"}}
RAW: dict[str, Any] = {"tool_calls": [{"id": "call_1", "function": {"name": "search", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([message()], []),
        ([message(call("search"), call("lookup", "call_2"))], ["search", "lookup"]),
        ([message(call("search"), call("search", "call_2"))], ["search", "search"]),
        ([message(call("search"), call("search"))], ["search"]),
        ([message(call("search")), message(call("search"))], ["search"]),
        ([message(call("search")), message(call("lookup", "call_2"))], ["search", "lookup"]),
        ([message(call("search", None), call("search", None))], ["search", "search"]),
        ([message(call("search", ""), call("search", ""))], ["search", "search"]),
        ([message(call("search"), invalid_tool_calls=[invalid("lookup")])], ["search", "lookup"]),
        ([message(call("search"), invalid_tool_calls=[invalid("search", "call_1")])], ["search"]),
        ([message(invalid_tool_calls=[invalid(None), invalid("search", None)])], ["search"]),
        ([message(additional_kwargs=LEGACY)], ["search"]),
        ([message(call("search"), additional_kwargs=LEGACY)], ["search"]),
        ([message(call("search"), additional_kwargs=RAW)], ["search"]),
        ([message(additional_kwargs={"function_call": None})], []),
        ([message(additional_kwargs={"function_call": {"name": None}})], []),
    ],
)
def test_messages(messages: list[AIMessage], expected: list[str]) -> None:
    """LC13: a tool call is told by its name, once for each id, also where its arguments are no JSON."""
    assert names(result(*messages)) == expected


def test_prompts() -> None:
    """LC13: so of several prompts; a text asks for none."""
    several = LLMResult(
        generations=[
            [ChatGeneration(message=message(call("search")))],
            [ChatGeneration(message=message(call("lookup", "call_2")))],
            [Generation(text="search")],
        ]
    )
    assert names(several) == ["search", "lookup"]


@pytest.mark.parametrize(
    "odd", [None, 7, "search", {"name": "search"}, [None, 7, "search", []], [{"name": 7, "id": 7}]]
)
def test_odd_shapes(odd: Any) -> None:
    """LC13, LC16: what is no list of tool calls with names asks for none."""
    odd_message = SimpleNamespace(tool_calls=odd, invalid_tool_calls=odd, additional_kwargs={"function_call": odd})
    found = names(SimpleNamespace(generations=[[SimpleNamespace(message=odd_message)]]))
    assert found == (["search"] if isinstance(odd, dict) else [])  # which is what a legacy call looks like


def test_a_structured_output_beside_tools() -> None:
    """LC13: the tool that stands for a structured output is left out, by its name, in whatever form it comes."""
    both = result(message(call("City"), call("search", "call_2"), invalid_tool_calls=[invalid("City", "call_3")]))
    assert names(both, frozenset({"City"})) == ["search"]
    assert names(result(message(additional_kwargs=LEGACY)), frozenset({"search"})) == []
    assert names(result(message(call("city"))), frozenset({"City"})) == ["city"]
    assert read_result(both).tool_calls == (
        ToolCall("City", "call_1"),
        ToolCall("search", "call_2"),
        ToolCall("City", "call_3"),
    )


@pytest.mark.parametrize("way", WAYS)
def test_scripted(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC13: they are recorded in the order in which the model asks, after all else, in every way."""
    WAYS[way](ScriptedChat(turns=(Turn((), tool_calls=asks("search", "lookup", "search")),)), watched)
    assert recorded.run.tool_calls == ("search", "lookup", "search")
    assert [name for name, _ in told(recorded)][-3:] == ["$ld:ai:tool_call"] * 3


def asked(way: str, *tools: tuple[str, str, str]) -> Any:
    """Answer with tool calls, each a name, its arguments and its id, at once or in a stream."""
    if way in STREAMS:
        fragments = [tool_call(name, args, id=id_, index=place) for place, (name, args, id_) in enumerate(tools)]
        return Stream(
            chunks(*(each for fragment in fragments for each in fragment), finish_reason="tool_calls"), (9, 3)
        )
    functions = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": args}} for name, args, id_ in tools
    ]
    return Answer(completion(None, finish_reason="tool_calls", tool_calls=functions))


@each_way
def test_chat_completions(server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC13: of Chat Completions, also with arguments that are no JSON."""
    server.script(asked(way, ("search", "{}", "call_1"), ("lookup", BROKEN, "call_2"), ("search", "[]", "call_3")))
    WAYS[way](gpt(), watched)
    assert sorted(recorded.run.tool_calls) == ["lookup", "search", "search"]
    assert SUCCESS in told(recorded)


@each_way
def test_legacy_functions(server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC13: of Chat Completions as they were before there were tools, a function is one call, however it comes."""
    pieces = [{"function_call": {"name": "search", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    streamed = Stream(chunks(*pieces, finish_reason="function_call"), (9, 3))
    server.script(streamed if way in STREAMS else Answer(completion(None, **LEGACY)))
    WAYS[way](gpt(), watched)
    assert recorded.run.tool_calls == ("search",)


@each_way
def test_responses(server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC13: of the Responses API likewise."""
    items = [function_call("search"), function_call("lookup", BROKEN, id="fc_2", call_id="call_2")]
    server.script(response_stream(*items) if way in STREAMS else Answer(response(*items)))
    WAYS[way](gpt(use_responses_api=True), watched)
    assert recorded.run.tool_calls == ("search", "lookup")


@each_way
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_converse(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, version: str, way: str
) -> None:
    """LC13: of Converse likewise."""
    uses: list[Any] = [
        {"toolUse": {"toolUseId": f"t_{name}", "name": name, "input": {}}} for name in ("search", "lookup")
    ]
    pieces = [tool_use(name, "{}", id=f"t_{name}", index=place) for place, name in enumerate(("search", "lookup"), 1)]
    streamed = Events(events("Hm", *pieces, stop_reason="tool_use"))
    bedrock.script(streamed if way in STREAMS else BedrockAnswer(answer(*uses, stop_reason="tool_use")))
    WAYS[way](nova(output_version=version), watched)
    assert recorded.run.tool_calls == ("search", "lookup")
