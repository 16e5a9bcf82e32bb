"""The pure readers: documented shapes, odd shapes, and any JSON at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ldai_core import Reading, TokenUsage, ToolCall
from ldai_core.reading import NOTHING, OUTPUT
from ldai_openai import read_chat_chunk, read_chat_completion, read_openai, read_usage

USAGE = {"total_tokens": 12, "prompt_tokens": 9, "completion_tokens": 3}
COUNTED = TokenUsage(total=12, input=9, output=3)


def message(**fields: Any) -> dict[str, Any]:
    """Write a completion of one choice whose message has these fields."""
    return {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", **fields}}]}


def delta(**fields: Any) -> dict[str, Any]:
    """Write a chunk of one choice whose delta has these fields."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]}


def function(name: str | None, *, id: str | None = "call_1", index: int | None = None) -> dict[str, Any]:  # noqa: A002
    """Write a tool call, or, with an index, a fragment of one."""
    call: dict[str, Any] = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return call if index is None else {**call, "index": index}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, COUNTED),
        ({"prompt_tokens": 9}, TokenUsage(input=9)),
        ({"completion_tokens": 0, "prompt_tokens": 0, "total_tokens": 0}, TokenUsage(0, 0, 0)),
        ({**USAGE, "prompt_tokens_details": {"cached_tokens": 8}}, COUNTED),
        ({**USAGE, "completion_tokens_details": {"reasoning_tokens": 2}}, COUNTED),
        (None, None),
        ({}, None),
        ({"total_tokens": None}, None),
        ("many", None),
        ([1, 2], None),
    ],
)
def test_usage(usage: Any, expected: TokenUsage | None) -> None:
    """R28: usage is total, prompt and completion tokens; details are never added, and what is absent is unknown."""
    assert read_usage(usage) == expected


def test_objects_read_like_dicts() -> None:
    """R28: the SDK's objects and the JSON that they were made of say the same."""
    whole = {"id": "1", "created": 1, "model": "m", **message(content="Hi", tool_calls=[function("search")])}
    whole["choices"][0]["finish_reason"] = "tool_calls"
    whole["usage"] = USAGE
    assert read_chat_completion(ChatCompletion.model_validate(whole)) == read_chat_completion(whole)
    chunk = {"id": "1", "created": 1, "model": "m", "usage": USAGE, **delta(tool_calls=[function("search", index=0)])}
    assert read_chat_chunk(ChatCompletionChunk.model_validate(chunk)) == read_chat_chunk(chunk)


@pytest.mark.parametrize(
    ("fields", "tool_calls"),
    [
        ({"content": "Hi"}, ()),
        ({"refusal": "No."}, ()),
        (
            {"tool_calls": [function("a"), function("b", id="call_2")]},
            (ToolCall("a", "call_1", "0.0"), ToolCall("b", "call_2", "0.1")),
        ),
        (
            {"tool_calls": [function("a", id=None), function("a", id=None)]},
            (ToolCall("a", None, "0.0"), ToolCall("a", None, "0.1")),
        ),
        ({"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql"}}]}, (ToolCall("sql", "c", "0.0"),)),
        ({"function_call": {"name": "old", "arguments": ""}}, (ToolCall("old", None, "0.function_call"),)),
        ({"tool_calls": [{"id": "c"}, "nonsense", None]}, ()),
        ({"tool_calls": None, "function_call": None}, ()),
    ],
)
def test_tool_calls_of_a_message(fields: dict[str, Any], tool_calls: tuple[ToolCall, ...]) -> None:
    """OA13: tools are named in the order of the message, functions and custom ones; a reply without any names none."""
    assert read_chat_completion(message(**fields)) == Reading(tool_calls=tool_calls)


def test_several_choices_are_one_completion() -> None:
    """OA13: several choices, n > 1: the tools of all choices are named, and two without ids are two."""
    choices = [{"message": {"tool_calls": [function("a", id=None)]}}] * 2
    calls = (ToolCall("a", None, "0.0"), ToolCall("a", None, "1.0"))
    assert read_chat_completion({"choices": choices, "usage": USAGE}) == Reading(usage=COUNTED, tool_calls=calls)


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ({"error": {"message": "overloaded"}}, True),
        ({"choices": [], "error": "overloaded"}, True),
        ({"choices": None, "error": None}, False),
        ({**message(content="Hi"), "error": {}}, False),
        ({}, False),
    ],
)
def test_a_failure_that_is_not_raised(body: dict[str, Any], failed: bool) -> None:
    """An error in the place of the choices is a failure; nothing else is."""
    assert read_chat_completion(body).failed is failed


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "Hi"},
        {"refusal": "No"},
        {"reasoning_content": "Hm"},
        {"reasoning": "Hm"},
        {"audio": {"data": "AA=="}},
        {"tool_calls": [function(None, id=None, index=0)]},
        {"function_call": {"arguments": "{"}},
    ],
)
def test_output(fields: dict[str, Any]) -> None:
    """OA5: text, a refusal, reasoning, sound and a fragment of a tool call are output, and cost no object."""
    assert read_chat_chunk(delta(**fields)) is OUTPUT


@pytest.mark.parametrize(
    "chunk",
    [
        delta(),
        delta(role="assistant"),
        delta(role="assistant", content=""),
        delta(content=None, tool_calls=[]),
        {"choices": []},
        {"choices": None, "usage": None},
        {"choices": [], "prompt_filter_results": [{}]},
        {"choices": [{"index": 0}]},
        {"choices": [{"delta": None}]},
        {"choices": ["nonsense"]},
        {},
        None,
    ],
)
def test_no_output(chunk: Any) -> None:
    """OA5: a role alone, an empty text, an empty chunk and nonsense are no output, and cost no object of their own."""
    assert read_chat_chunk(chunk) is NOTHING


def test_output_of_any_choice() -> None:
    """OA5: several choices, n > 1: output of any choice is output."""
    assert read_chat_chunk({"choices": [{"delta": {}}, {"delta": {"content": "Hi"}}, {"delta": {}}]}) is OUTPUT


@pytest.mark.parametrize(
    ("chunk", "usage", "output"),
    [({"choices": [], "usage": USAGE}, COUNTED, False), ({**delta(content="Hi"), "usage": USAGE}, COUNTED, True)],
)
def test_usage_of_a_chunk(chunk: dict[str, Any], usage: TokenUsage, output: bool) -> None:
    """OA14: usage is read wherever it comes: in a chunk of its own, or in every one."""
    assert read_chat_chunk(chunk) == Reading(usage=usage, output=output)


@pytest.mark.parametrize(
    ("fragment", "call"),
    [
        (function("a", id="call_1", index=0), ToolCall("a", "call_1", "0.0")),
        (function("a", id=None, index=2), ToolCall("a", None, "0.2")),
        (function("a", id=""), ToolCall("a", None, "0.0")),
    ],
)
def test_a_fragment_with_a_name(fragment: dict[str, Any], call: ToolCall) -> None:
    """OA13: the fragment that has the name names the tool, once: by its id or, without one, by its place."""
    assert read_chat_chunk(delta(tool_calls=[fragment])) == Reading(output=True, tool_calls=(call,))


def test_an_item_is_read_by_its_own_account() -> None:
    """What a request returned is read as a chunk if it says that it is one, else as a completion."""
    assert read_openai(delta(content="Hi")) is OUTPUT
    assert read_openai({**message(content="Hi"), "usage": USAGE}) == Reading(usage=COUNTED)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "usage",
                    "delta",
                    "message",
                    "tool_calls",
                    "function",
                    "name",
                    "id",
                    "index",
                    "content",
                    "error",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANY_JSON)
def test_any_json_is_read(item: Any) -> None:
    """OA14: whatever JSON a service sends, reading it raises nothing and gives a Reading."""
    for read in (read_chat_chunk, read_chat_completion, read_openai):
        assert isinstance(read(item), Reading)


@given(ANY_JSON)
def test_any_object_is_read(item: Any) -> None:
    """OA14: the SDK makes objects of any JSON, unchecked; reading them gives what reading the JSON gives."""
    fields = item if isinstance(item, dict) else {"choices": item, "usage": item}
    chunk, whole = ChatCompletionChunk.construct(**fields), ChatCompletion.construct(**fields)
    assert read_chat_chunk(chunk) == read_chat_chunk(fields)
    assert read_chat_completion(whole) == read_chat_completion(fields)
