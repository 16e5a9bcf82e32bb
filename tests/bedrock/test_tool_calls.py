"""The tools that a model asks for, over a real socket: once each, by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from ldai_core import Run
from tests.bedrock.expected import ASKED, INVOKED
from tests.expected import SUCCESS, TOKENS, TOOL_CALL, duration, first_token, told, told_by_now
from tests.servers.bedrock import (
    Answer,
    Body,
    Events,
    ScriptedBedrock,
    answer,
    claude,
    events,
    invoke_events,
    text_delta,
    tool_use,
)
from tests.servers.families import FAMILIES, Family

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

JSON = dict[str, Any]
CALLING = [pytest.param(family, id=family.name) for family in FAMILIES.values() if "tools" in family.parts]


def block(name: str, id_: str | None = None, **fields: Any) -> JSON:
    """Write a block of Converse's that asks for a tool, with its id or without."""
    return {"toolUse": {"name": name, "input": {}, **({} if id_ is None else {"toolUseId": id_}), **fields}}


def begin(name: str, index: int, id_: str | None = None, **fields: Any) -> tuple[str, JSON]:
    """Write the event with which such a block begins."""
    return "contentBlockStart", {"start": block(name, id_, **fields), "contentBlockIndex": index}


def fragment(index: int, text: str = "{}") -> tuple[str, JSON]:
    """Write a piece of what the tool of a block is called with."""
    return "contentBlockDelta", {"delta": {"toolUse": {"input": text}}, "contentBlockIndex": index}


def end(index: int) -> tuple[str, JSON]:
    """Write the event with which a block ends."""
    return "contentBlockStop", {"contentBlockIndex": index}


ANSWERS: dict[str, tuple[list[JSON], list[str]]] = {
    "one": ([block("look", "a")], ["look"]),
    "after text": ([{"text": "Hm"}, block("look", "a")], ["look"]),
    "several": ([block("look", "a"), block("book", "b"), {"text": "Hm"}, block("cook", "c")], ["look", "book", "cook"]),
    "one tool twice": ([block("look", "a"), block("look", "b")], ["look", "look"]),
    "one call twice": ([block("look", "a"), block("look", "a")], ["look"]),
    "without ids": ([block("look"), block("look"), block("book")], ["look", "look", "book"]),
    "with empty ids": ([block("look", ""), block("look", "")], ["look", "look"]),
    "some without": ([block("look", "a"), block("look"), block("look", "b")], ["look", "look", "look"]),
    "ids like places": ([block("look", "1"), block("book", "0"), block("cook")], ["look", "book", "cook"]),
    "ids like places, after text": ([{"text": "Hm"}, block("look", "2"), block("book", "1")], ["look", "book"]),
    "numbered from 1": (
        [{"text": "Hm"}, block("look", "1"), block("book", "2"), block("cook")],
        ["look", "book", "cook"],
    ),
    "without a name": ([block(""), {"toolUse": {"toolUseId": "a", "input": {}}}, block("look", "b")], ["look"]),
    "results": ([{"toolResult": {"toolUseId": "a", "content": [{"text": "1"}]}}], []),
    "none": ([{"text": "Hello"}], []),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_converse(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, case: str) -> None:
    """BR10: each tool call of an answer is told once, by name, in order; without an id each block is one."""
    content, names = ANSWERS[case]
    server.script(Answer(answer(*content, stop_reason="tool_use")))
    wrapped.converse(**ASKED)
    assert told_by_now(recorded) == [duration(), SUCCESS, *TOKENS, *[TOOL_CALL] * len(names)]
    assert list(recorded.run.tool_calls) == names


def in_order(content: list[JSON]) -> list[tuple[str, JSON]]:
    """Write the blocks of an answer as events, one block after the other."""
    made = []
    for at, each in enumerate(content):
        if "toolUse" in each:
            start = {name: value for name, value in each["toolUse"].items() if name != "input"}
            made += [
                ("contentBlockStart", {"start": {"toolUse": start}, "contentBlockIndex": at}),
                fragment(at),
                end(at),
            ]
        else:
            made += [text_delta("Hm", at), end(at)]
    return made


@pytest.mark.parametrize("case", [case for case in ANSWERS if case != "results"])
def test_converse_stream(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, case: str) -> None:
    """BR10: in a stream the same ones are told, their fragments being no calls of their own."""
    content, names = ANSWERS[case]
    server.script(Events(events(in_order(content), stop_reason="tool_use")))
    list(wrapped.converse_stream(**ASKED)["stream"])
    assert told_by_now(recorded) == [duration(), first_token(), SUCCESS, *TOKENS, *[TOOL_CALL] * len(names)]
    assert list(recorded.run.tool_calls) == names


PARALLEL = {
    "with ids": [begin("look", 1, "a"), begin("book", 2, "b")],
    "without ids": [begin("look", 1), begin("book", 2)],
    "of one tool": [begin("look", 1), begin("look", 2)],
    "begun twice": [begin("look", 1, "a"), begin("book", 2, "b"), begin("look", 1, "a"), begin("book", 2)],
    "with ids like places": [begin("look", 1, "2"), begin("book", 2, "1")],
}


@pytest.mark.parametrize("case", PARALLEL)
def test_parallel_blocks(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, case: str) -> None:
    """BR10: blocks that come side by side are told apart by their index, whatever order their fragments come in."""
    mixed = [*PARALLEL[case], fragment(2, ""), fragment(1, '{"a"'), fragment(2), fragment(1, ": 1}"), end(2), end(1)]
    server.script(Events(events("Hm", mixed, stop_reason="tool_use")))
    list(wrapped.converse_stream(**ASKED)["stream"])
    assert list(recorded.run.tool_calls) == ["look", "look" if case == "of one tool" else "book"]


def test_what_the_service_calls_by_itself(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient
) -> None:
    """BR10: a `server_tool_use` is not the application's call, and is not counted, whole or in a stream."""
    if "type" not in client.meta.service_model.shape_for("ToolUseBlock").members:
        pytest.skip("this release of botocore knows no type of a tool use")
    content = [block("search", "a", type="server_tool_use"), block("look", "b")]
    server.script(Answer(answer(*content)), Events(events(in_order(content))))
    wrapped.converse(**ASKED)
    list(wrapped.converse_stream(**ASKED)["stream"])
    assert [run.tool_calls for run in recorded.runs] == [("look",), ("look",)]


@pytest.mark.parametrize("family", CALLING)
def test_families(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family) -> None:
    """BR10: the tool calls of a body and of a stream are told once each by name, a tool twice if it is called twice."""
    tools = ("look", "book", "look")
    server.script(
        Body(json.dumps(family.body("Hm", tools=tools)).encode()), invoke_events(family.chunks("Hm", tools=tools))
    )
    wrapped.invoke_model(**INVOKED)["body"].read()
    list(wrapped.invoke_model_with_response_stream(**INVOKED)["body"])
    assert [run.tool_calls for run in recorded.runs] == [tools, tools]


def test_anthropics_servers(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR10: what Anthropic's servers call is not counted."""
    family = FAMILIES["anthropic"]
    called: Any = {"tools": ("look",), "server_tools": ("web_search", "code_execution")}
    server.script(Body(json.dumps(family.body("Hm", **called)).encode()), invoke_events(family.chunks("Hm", **called)))
    wrapped.invoke_model(**INVOKED)["body"].read()
    list(wrapped.invoke_model_with_response_stream(**INVOKED)["body"])
    assert [run.tool_calls for run in recorded.runs] == [("look",), ("look",)]


def test_a_body_in_part(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR10: a body that is not read to its end tells no tool calls."""
    content = json.dumps(claude({"type": "tool_use", "id": "a", "name": "look", "input": {}})).encode()
    server.script(Body(content))
    wrapped.invoke_model(**INVOKED)["body"].read(len(content) - 1)
    assert told(recorded) == [duration(), SUCCESS]


def test_a_stream_that_is_resumed(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR10: a call that was told at a break is not told again, and one that comes after it is told at the end."""
    server.script(Events(events(tool_use("look", "{}", id="a"), tool_use("book", "{}", id="b", index=2))))
    stream = wrapped.converse_stream(**ASKED)["stream"]
    for event in stream:
        if "contentBlockStart" in event:
            break
    assert told_by_now(recorded) == [duration(), SUCCESS, TOOL_CALL]
    list(stream)
    assert told(recorded) == [duration(), SUCCESS, TOOL_CALL, *TOKENS, TOOL_CALL]
    assert recorded.run.tool_calls == ("look", "book")


def test_an_agent_loop(server: ScriptedBedrock, client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR2, BR10: an id is one call within one request alone: another request's is another call."""
    server.script(Answer(answer(block("look", "a"))), Events(events(tool_use("look", "{}", id="a"))))
    with Run(config) as run:
        wrapped = wrap_bedrock(client, run)
        wrapped.converse(**ASKED)
        list(wrapped.converse_stream(**ASKED)["stream"])
    assert recorded.run.tool_calls == ("look", "look")
