"""The pure readers of the Responses API: documented shapes, odd shapes, and any JSON at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseCompletedEvent, ResponseOutputItemAddedEvent

from ldai_core import Reading, Run, TokenUsage, ToolCall
from ldai_core.reading import NOTHING, OUTPUT
from ldai_openai import read_openai, read_response, read_response_event
from ldai_openai.background import Pending, ResponseCall
from ldai_openai.readings import FAILED, Status, read_status
from tests.servers.responses import events, function_call, hosted_call, message, response

COUNTED = TokenUsage(total=12, input=9, output=3)
CALL = ToolCall("look", "call_1", "0.function_call")


def read_both(body: dict[str, Any]) -> Reading:
    """Read a response as JSON and as the SDK's object, which say the same."""
    reading = read_response(body)
    assert read_response(Response.construct(**body)) == reading
    assert read_openai(body) == reading
    assert read_openai(Response.construct(**body)) == reading
    return reading


@pytest.mark.parametrize(
    ("status", "failed"),
    [("completed", False), ("incomplete", False), ("queued", False), ("failed", True), ("cancelled", True)],
)
def test_status_of_a_response(status: str, failed: bool) -> None:
    """OA8: `failed` and `cancelled` are failures, and no other status is."""
    assert read_both(response(status=status)).failed is failed


@pytest.mark.parametrize(
    ("error", "failed"),
    [({"code": "server_error", "message": "overloaded"}, True), ("overloaded", True), (None, False)],
)
def test_an_error_in_the_place_of_a_response(error: Any, failed: bool) -> None:
    """OA8: an error without a status is a failure; beside the status, which says it better, it is none."""
    assert read_response({"error": error}).failed is failed
    assert read_response({"error": error, "status": "completed"}).failed is False


def test_usage_of_a_response() -> None:
    """OA14: cached and reasoning tokens are counted in those they are a part of, and absent usage is none."""
    usage = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    details = {"input_tokens_details": {"cached_tokens": 8}, "output_tokens_details": {"reasoning_tokens": 2}}
    assert read_both(response(usage=None)) == Reading()
    assert read_both({**response(), "usage": {**usage, **details}}) == Reading(usage=COUNTED)
    assert read_response({**response(), "usage": {"input_tokens": 9}}).usage == TokenUsage(input=9)


def test_tools_of_a_response() -> None:
    """OA13: calls by their names or kinds, each with what tells it from others; nothing else is a call."""
    items = [
        function_call("look"),
        message("Hello"),
        hosted_call("web_search_call", "ws_1"),
        hosted_call("mcp_call", "mcp_1", name="ask", server_label="wiki", arguments="{}"),
        {"type": "function_call_output", "id": "out_1", "call_id": "call_1", "output": "3"},
    ]
    assert read_both(response(*items)).tool_calls == (
        CALL,
        ToolCall("web_search", "ws_1", "2.web_search_call"),
        ToolCall("ask", "mcp_1", "3.mcp_call"),
    )


@pytest.mark.parametrize("body", [None, {}, [], "Hello", 42, {"output": None}, {"output": [None, 1, {}, {"type": 3}]}])
def test_an_odd_response(body: Any) -> None:
    """OA14: what is no response says nothing."""
    assert read_response(body) == Reading()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "delta": "Hi"},
        {"type": "response.refusal.delta", "delta": "No"},
        {"type": "response.reasoning_text.delta", "delta": "Hm"},
        {"type": "response.reasoning_summary_text.delta", "delta": "Hm"},
        {"type": "response.function_call_arguments.delta", "delta": "{"},
        {"type": "response.mcp_call_arguments.delta", "delta": "{"},
        {"type": "response.custom_tool_call_input.delta", "delta": "SELECT"},
        {"type": "response.code_interpreter_call_code.delta", "delta": "1"},
        {"type": "response.audio.delta", "delta": "AA=="},
        {"type": "response.audio.transcript.delta", "delta": "Hi"},
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": "AA=="},
        {"type": "response.output_text.done", "text": "Hi"},
        {"type": "response.refusal.done", "refusal": "No"},
        {"type": "response.function_call_arguments.done", "arguments": "{}"},
        {"type": "response.custom_tool_call_input.done", "input": "SELECT 1"},
        {"type": "response.code_interpreter_call_code.done", "code": "1"},
    ],
    ids=lambda event: event["type"],
)
def test_output(event: dict[str, Any]) -> None:
    """OA5: what the model says, thinks, draws or calls a tool with is output, and costs no object of its own."""
    assert read_response_event(event) is OUTPUT
    assert read_openai(event) is OUTPUT


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_text.delta", "delta": ""},
        {"type": "response.output_text.delta"},
        {"type": "response.output_text.done", "text": ""},
        {"type": "response.output_item.added", "item": {"type": "message", "content": []}},
        {"type": "response.output_item.added", "item": None},
        {"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}},
        {"type": "response.shell_call_output_content.delta", "delta": {"stdout": "a"}},
        {"type": "response.web_search_call.searching"},
        {"type": "response.mcp_list_tools.completed"},
        {"type": "response.of_tomorrow", "item": {"type": "web_search_call"}},
        {"type": "keepalive", "sequence_number": 3},
        {"type": None},
        {"type": 42},
        {},
        None,
        "response.output_text.delta",
    ],
)
def test_no_output(event: Any) -> None:
    """OA5, OA14: the beginning of an item, what a tool answers, and what is unknown say nothing, at no cost."""
    assert read_response_event(event) is NOTHING


def test_events_that_carry_the_response() -> None:
    """OA8: an event that carries a response is read like that; a failure is one by its name as well."""
    completed = events(function_call("look"))[-1]
    assert read_response_event(completed) == Reading(usage=COUNTED, tool_calls=(CALL,))
    assert read_response_event(ResponseCompletedEvent.construct(**completed)) == read_response_event(completed)
    assert read_response_event({"type": "response.failed", "response": None}).failed
    assert read_response_event({"type": "response.incomplete", "response": None}) == Reading()
    assert read_response_event({"type": "error", "message": "overloaded"}) is FAILED
    assert read_openai({"type": "error", "message": "overloaded"}) is FAILED


@pytest.mark.parametrize("kind", ["response.output_item.added", "response.output_item.done"])
def test_events_that_carry_an_item(kind: str) -> None:
    """OA13: a tool call is told of when it begins and when it is done, as the same one, and is output."""
    event: dict[str, Any] = {"type": kind, "item": function_call("look"), "output_index": 0}
    assert read_response_event(event) == Reading(output=True, tool_calls=(CALL,))
    assert read_response_event(ResponseOutputItemAddedEvent.construct(**event)) == read_response_event(event)
    assert read_openai(event) == read_response_event(event)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (response(status="queued"), Status("resp_1", waiting=True, background=True)),
        (Response.construct(**response(status="in_progress")), Status("resp_1", waiting=True, background=True)),
        (response(), Status("resp_1", waiting=False, background=True)),
        (response(id=""), Status(None, waiting=False, background=True)),
        (events(background=True)[0], Status("resp_1", waiting=True, background=True)),
        (events()[0], Status("resp_1", waiting=True, background=False)),
        (ResponseCompletedEvent.construct(**events()[-1]), Status("resp_1", waiting=False, background=False)),
        ({"object": "response", "status": "of tomorrow"}, Status(None, waiting=False, background=True)),
        ({"object": "response", "status": None}, None),
        ({"object": "response"}, None),
        ({"object": "batch", "id": "batch_1", "status": "in_progress"}, None),
        ({"type": "response.output_text.delta", "delta": "Hi"}, None),
        (None, None),
    ],
)
def test_status(item: Any, expected: Status | None) -> None:
    """OA9: a response, or an event that carries one, says how far it is, and whether it is in the background."""
    assert read_status(item) == expected


FIELDS = ["object", "type", "status", "id", "call_id", "name", "usage", "error", "message", "output", "item"]
FIELDS += ["output_index", "response", "background", "delta", "text", "input_tokens", "total_tokens"]
WORDS = ["response", "response.created", "response.completed", "response.failed", "response.output_item.added", "error"]
WORDS += ["function_call", "web_search_call", "queued", "failed", "completed", "response.output_text.delta", "_call"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=25,
)


@given(ANY_JSON)
def test_any_json_is_read(item: Any) -> None:
    """OA14: whatever JSON a service sends, reading it raises nothing, of the SDK's objects neither."""
    fields = item if isinstance(item, dict) else {"output": item, "usage": item, "type": item, "status": item}
    objects = [Response.construct(**fields), ResponseCompletedEvent.construct(**fields)]
    for each in (item, fields, *objects):
        for read in (read_response, read_response_event, read_openai):
            assert isinstance(read(each), Reading)
        assert isinstance(read_status(each), (Status, type(None)))


class Hostile:
    """Raises at every turn."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError(name)


@given(st.lists(ANY_JSON | st.builds(Hostile), max_size=5))
def test_a_call_takes_anything(items: list[Any]) -> None:
    """OA14: neither what a service sends nor an object that cannot be read raises anything through the call."""
    pending = Pending(2)
    call = ResponseCall(Run(lambda: None).call(), pending)  # type: ignore[arg-type, return-value]  # any source
    for item in items:
        for read in (read_response, read_response_event, read_openai):
            assert isinstance(call.read(read, item), Reading)
    call.end()
