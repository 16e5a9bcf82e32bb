"""The tools that a model asks for, over a real socket: each one once, however it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import TokenUsage
from tests.openai.expected import ASKED, READ, STREAMED, TOOL_CALL, read_all, told
from tests.servers.openai import Answer, ScriptedOpenAI, Stream, chunk, chunks, completion, tool_call

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

SEARCH, LOOK = tool_call("search", '{"q"', ': "a"}', id="call_1"), tool_call("look", "{", "}", id="call_2", index=1)
WHOLE = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
ANONYMOUS = [{"tool_calls": [{"index": index, "function": {"name": "search"}}]} for index in (0, 1)]
CUSTOM = {"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "sql", "input": ""}}

STREAMS: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "in fragments": (chunks(*SEARCH), ["search"]),
    "in fragments, one after the other": (chunks(*SEARCH, *LOOK), ["search", "look"]),
    "in fragments, in turns": (
        chunks(*[part for pair in zip(SEARCH, LOOK, strict=True) for part in pair]),
        ["search", "look"],
    ),
    "several in one chunk": (
        chunks({"tool_calls": [*SEARCH[0]["tool_calls"], *LOOK[0]["tool_calls"]]}),
        ["search", "look"],
    ),
    "whole, and again in every chunk": (chunks({"tool_calls": [WHOLE]}, {"tool_calls": [WHOLE]}), ["search"]),
    "without ids": (chunks(*ANONYMOUS), ["search", "search"]),
    "of two choices": ([chunk(delta, index) for index in (0, 1) for delta in ANONYMOUS[:1]], ["search", "search"]),
    "of the older form": (
        chunks(*({"function_call": part} for part in ({"name": "old"}, {"arguments": "{}"}))),
        ["old"],
    ),
    "custom": (chunks({"tool_calls": [CUSTOM]}), ["sql"]),
    "after text": (chunks("Let me see.", *SEARCH), ["search"]),
}


@pytest.mark.parametrize("how", STREAMS)
def test_streamed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, how: str) -> None:
    """OA13: a tool call is reported once, in the order of their beginnings, after the tokens; it is output."""
    sent, names = STREAMS[how]
    server.script(Stream(sent, usage=(9, 3)))
    list(wrapped.chat.completions.create(**STREAMED))
    assert told(recorded) == [*READ, *[TOOL_CALL] * len(names)]
    assert list(recorded.run.tool_calls) == names


async def test_streamed_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA13: a tool call is reported once: likewise."""
    server.script(Stream(chunks(*SEARCH, *LOOK), usage=(9, 3)))
    await read_all(await async_wrapped.chat.completions.create(**STREAMED))
    assert told(recorded) == [*READ, TOOL_CALL, TOOL_CALL]
    assert list(recorded.run.tool_calls) == ["search", "look"]


def test_a_loop_that_is_resumed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: a loop broken off reports the tool calls that were seen; resumed, those that were not, and each once."""
    server.script(Stream(chunks(*SEARCH, *LOOK), usage=(9, 3)))
    stream = wrapped.chat.completions.create(**STREAMED)
    for received in stream:
        if received.choices[0].delta.tool_calls:
            break
    assert list(recorded.run.tool_calls) == ["search"]
    list(stream)
    assert list(recorded.run.tool_calls) == ["search", "look"]
    assert told(recorded) == [*READ[:3], TOOL_CALL, *READ[3:], TOOL_CALL]


def test_beside_text(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: a tool call in the same chunk as text is reported like any other."""
    server.script(Stream(chunks({"content": "Let me see.", "tool_calls": [WHOLE]})))
    list(wrapped.chat.completions.create(**STREAMED))
    assert list(recorded.run.tool_calls) == ["search"]


def test_a_name_in_every_fragment(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: a service that repeats the name in each fragment, but not the id, has made one tool call."""
    server.script(Stream(chunks({"tool_calls": [WHOLE]}, {"tool_calls": [{**WHOLE, "id": None}]})))
    list(wrapped.chat.completions.create(**STREAMED))
    assert list(recorded.run.tool_calls) == ["search"]


def test_an_odd_id(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: an id that is no string costs neither the tool call nor the tokens."""
    server.script(Answer(completion(None, tool_calls=[{**WHOLE, "id": ["call_1"]}])))
    wrapped.chat.completions.create(**ASKED)
    assert list(recorded.run.tool_calls) == ["search"]
    assert recorded.run.tokens == TokenUsage(12, 9, 3)
