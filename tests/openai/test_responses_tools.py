"""The tools that a model calls through the Responses API, over a real socket: each call once, however often told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.openai.expected import ANSWERED, LEFT, READ, TOOL_CALL, read_all, told
from tests.servers.openai import Answer, ScriptedOpenAI, Stream
from tests.servers.responses import events, function_call, hosted_call, message, reasoning, response, response_stream

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

ASKED: Any = {"model": "gpt-4o", "input": "Hi"}
STREAMED: Any = {**ASKED, "stream": True}

# Every kind of call in the API's reference, and the name that LaunchDarkly is told.
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "function_call": (function_call("look", "{}"), "look"),
    "custom_tool_call": (
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": "SELECT 1"},
        "sql",
    ),
    "mcp_call": (hosted_call("mcp_call", "mcp_1", name="ask", server_label="wiki", arguments="{}"), "ask"),
    "web_search_call": (hosted_call("web_search_call", action={"type": "search", "query": "fruit"}), "web_search"),
    "file_search_call": (hosted_call("file_search_call", queries=["fruit"], results=None), "file_search"),
    "code_interpreter_call": (
        hosted_call("code_interpreter_call", code="1 + 1", container_id="cntr_1", outputs=None),
        "code_interpreter",
    ),
    "image_generation_call": (hosted_call("image_generation_call", result="AA=="), "image_generation"),
    "computer_call": (
        hosted_call("computer_call", call_id="call_1", action={"type": "screenshot"}, pending_safety_checks=[]),
        "computer",
    ),
    "local_shell_call": (hosted_call("local_shell_call", call_id="call_1", action={"type": "exec"}), "local_shell"),
    "shell_call": (hosted_call("shell_call", call_id="call_1", action={"commands": ["ls"]}), "shell"),
    "apply_patch_call": (
        hosted_call("apply_patch_call", call_id="call_1", operation={"type": "delete_file", "path": "a"}),
        "apply_patch",
    ),
}
# What is no call of a tool: their answers, lists of tools, and questions to the user.
NO_CALLS: list[dict[str, Any]] = [
    *(
        {"type": f"{kind}_output", "id": f"out_{kind}", "call_id": "call_9", "output": "3", "status": "completed"}
        for kind in ("function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call")
    ),
    {"type": "apply_patch_call_output", "id": "out_patch", "call_id": "call_9", "status": "completed"},
    {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "wiki", "tools": [{"name": "ask", "input_schema": {}}]},
    {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "wiki", "name": "ask", "arguments": "{}"},
    reasoning("Hm."),
    message("Hello"),
]


def with_tools(expected: Any, count: int) -> Any:
    """Expect so many tool calls after all else."""
    return [*expected, *[TOOL_CALL] * count]


@pytest.mark.parametrize("kind", CALLS)
def test_whole(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, kind: str) -> None:
    """OA13: a function and a custom or MCP tool is called by its name; a hosted tool is what it is. A success."""
    item, name = CALLS[kind]
    server.script(Answer(response(item)))
    assert wrapped.responses.create(**ASKED).output[0].type == kind
    assert told(recorded) == with_tools(ANSWERED, 1)
    assert recorded.run.tool_calls == (name,)


@pytest.mark.parametrize("kind", CALLS)
def test_streamed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, kind: str) -> None:
    """OA13: once, though it is told of when it begins, when it is done, and in the whole response; it is output."""
    item, name = CALLS[kind]
    server.script(response_stream(item))
    list(wrapped.responses.create(**STREAMED))
    assert told(recorded) == with_tools(READ, 1)
    assert recorded.run.tool_calls == (name,)


async def test_whole_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA13: likewise; all kinds in one response are told in its order."""
    items = [{**item, "id": f"item_{n}", "call_id": f"call_{n}"} for n, (item, _) in enumerate(CALLS.values())]
    server.script(Answer(response(*items)))
    await async_wrapped.responses.create(**ASKED)
    assert recorded.run.tool_calls == tuple(name for _, name in CALLS.values())


async def test_streamed_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA13: likewise."""
    server.script(response_stream(CALLS["web_search_call"][0], function_call("look")))
    await read_all(await async_wrapped.responses.create(**STREAMED))
    assert told(recorded) == with_tools(READ, 2)
    assert recorded.run.tool_calls == ("web_search", "look")


@pytest.mark.parametrize("item", NO_CALLS, ids=[item["type"] for item in NO_CALLS])
def test_no_call(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, item: Any) -> None:
    """OA13: what a tool answers, a list of tools, a question, reasoning and a message are no tool calls."""
    server.script(Answer(response(item)), response_stream(item))
    wrapped.responses.create(**ASKED)
    list(wrapped.responses.create(**STREAMED))
    assert [run.tool_calls for run in recorded.runs] == [(), ()]


TWO = {
    "functions": [
        function_call("look", id="fc_1", call_id="call_1"),
        function_call("look", id="fc_2", call_id="call_2"),
    ],
    "hosted": [hosted_call("web_search_call", "ws_1"), hosted_call("web_search_call", "ws_2")],
    "functions that have no ids": [
        {"type": "function_call", "id": None, "name": "look", "arguments": "{}"},
        {"type": "function_call", "id": None, "name": "look", "arguments": "{}"},
    ],
}


@pytest.mark.parametrize("kind", TWO)
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_two_of_a_kind(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, kind: str, streamed: bool
) -> None:
    """OA13: two calls of the same tool are two, with ids and without."""
    server.script(response_stream(*TWO[kind]) if streamed else Answer(response(*TWO[kind])))
    result: Any = wrapped.responses.create(**(STREAMED if streamed else ASKED))
    _ = list(result) if streamed else result
    assert len(recorded.run.tool_calls) == 2
    assert len(set(recorded.run.tool_calls)) == 1


def test_between_each_other(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: tool calls that come in turns are in the order of their beginnings."""
    told_ = events(function_call("look"), hosted_call("web_search_call"))
    begun = [event for event in told_ if event["type"] == "response.output_item.added"]
    others = [event for event in told_[2:] if event not in begun]
    server.script(Stream([*told_[:2], *begun, *reversed(others[:-1]), others[-1]], done=False))
    list(wrapped.responses.create(**STREAMED))
    assert recorded.run.tool_calls == ("look", "web_search")


@pytest.mark.parametrize("seen", ["response.output_item.added", "response.output_item.done"])
def test_broken_off(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, seen: str) -> None:
    """OA6, OA13: a stream that is broken off tells of the calls that were seen; resumed, of the others."""
    server.script(response_stream(function_call("look"), hosted_call("web_search_call")))
    stream = wrapped.responses.create(**STREAMED)
    for event in stream:
        if event.type == seen:
            break
    assert told(recorded) == with_tools(LEFT, 1)
    list(stream)
    assert recorded.run.tool_calls == ("look", "web_search")
    assert told(recorded) == [*with_tools(LEFT, 1), *READ[3:], TOOL_CALL]


@pytest.mark.parametrize("event", ["added", "done", "whole"])
def test_told_once(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, event: str) -> None:
    """OA13: one of the three places in which a call is told of is enough."""
    whole = events(function_call("look"))
    bare = [{**each, "response": {**each["response"], "output": []}} if "response" in each else each for each in whole]
    kept = whole if event == "whole" else bare
    own = f"response.output_item.{event}"
    server.script(
        Stream([each for each in kept if "output_item" not in each["type"] or each["type"] == own], done=False)
    )
    list(wrapped.responses.create(**STREAMED))
    assert recorded.run.tool_calls == ("look",)


def test_an_answer_of_a_shell_is_no_output(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA5, OA13: what a tool answers in deltas is no output of the model."""
    answered = {"type": "response.shell_call_output_content.delta", "delta": {"stdout": "a"}, "output_index": 0}
    server.script(Stream([*events()[:2], answered, events()[-1]], done=False))
    list(wrapped.responses.create(**STREAMED))
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_failed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, streamed: bool) -> None:
    """OA8, OA13: a response that failed has made its tool calls all the same."""
    fields: dict[str, Any] = {"status": "failed"}
    server.script(
        response_stream(function_call("look"), **fields)
        if streamed
        else Answer(response(function_call("look"), **fields))
    )
    result: Any = wrapped.responses.create(**(STREAMED if streamed else ASKED))
    _ = list(result) if streamed else result
    assert recorded.run.success is False
    assert recorded.run.tool_calls == ("look",)
