"""The first output of a stream: what is one, and what is none, in both generations of LangChain's streams. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk

from ldai_langchain.readings import read_stream_event, read_token
from tests.langchain.models import usage_of

# Blocks of content: LangChain's own, Anthropic's, Bedrock's, OpenAI's and Mistral's.
BLOCKS: list[Any] = [
    "Hi",
    " ",
    {"type": "text", "text": "Hi"},
    {"type": "text", "text": "Hi", "index": 0, "annotations": []},
    {"type": "text_delta", "text": "Hi"},
    {"type": "reasoning", "reasoning": "Hm", "extras": {"signature": "abc"}},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm", "index": 0}], "index": 0},
    {"type": "reasoning_content", "reasoning_content": {"text": "Hm"}, "index": 0},
    {"type": "thinking", "thinking": "Hm", "index": 0},
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
    {"type": "refusal", "refusal": "No.", "index": 0},
    {"type": "non_standard", "value": {"type": "refusal", "refusal": "No."}, "index": 0},
    {"type": "tool_use", "id": "t", "name": "search", "input": {}, "index": 1},
    {"type": "tool_use", "input": "{", "index": 1},
    {"type": "input_json_delta", "partial_json": "{", "index": 1},
    {"type": "function_call", "name": "search", "arguments": "", "call_id": "c", "id": "f", "index": 0},
    {"type": "function_call", "arguments": "{", "index": 0},
    {"type": "tool_call_chunk", "id": "c", "name": "search", "args": "", "index": 0},
    {"type": "tool_call_chunk", "id": None, "name": None, "args": "{", "index": 0},
    {"type": "audio", "base64": "QUJD", "mime_type": "audio/wav"},
    {"type": "image", "base64": "QUJD", "mime_type": "image/png"},
    {"type": "executable_code", "executable_code": "1 + 1", "language": "python"},
]
SILENT_BLOCKS: list[Any] = [
    "",
    {},
    {"type": "text", "text": ""},
    {"type": "text", "text": "", "index": 0, "id": "msg_1"},
    {"type": "text", "text": "", "annotations": [{"type": "citation", "url": "any", "title": "any"}], "index": 0},
    {"type": "text", "text": "", "citations": None, "index": 0},
    {"type": "text", "text": "", "phase": "commentary", "index": 0},
    {"type": "reasoning", "reasoning": "", "id": "rs_1"},
    {"type": "reasoning", "id": "rs_1", "summary": [], "index": 0},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "", "index": 0}], "index": 0},
    {"type": "reasoning", "summary": [], "encrypted_content": "abc", "index": 0},
    {"type": "reasoning", "extras": {"signature": "abc"}, "index": 0},
    {"type": "reasoning_content", "reasoning_content": {"signature": "abc"}, "index": 0},
    {"type": "reasoning_content", "reasoning_content": {"text": "", "signature": ""}, "index": 0},
    {"type": "thinking", "thinking": "", "signature": "abc", "index": 0},
    {"type": "refusal", "refusal": "", "index": 0},
    {"type": "non_standard", "value": {"type": "refusal", "refusal": ""}, "index": 0},
    {"type": "audio", "id": "audio_1", "mime_type": "audio/wav"},
    {"type": "input_json_delta", "partial_json": "", "index": 1},
]
BESIDE: list[dict[str, Any]] = [
    {"reasoning_content": "Hm"},
    {"reasoning": {"summary": [{"index": 0, "type": "summary_text", "text": "Hm"}]}},
    {"refusal": "No."},
    {"function_call": {"name": "search", "arguments": ""}},
    {"function_call": {"name": "", "arguments": "{"}},
    {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "search", "arguments": ""}, "type": "function"}]},
    {"tool_calls": [{"index": 0, "id": None, "function": {"name": None, "arguments": "{"}, "type": None}]},
    {"audio": {"id": "audio_1", "data": "QUJD"}},
    {"audio": {"transcript": "Hi"}},
]
SILENT_BESIDE: list[dict[str, Any]] = [
    {},
    {"refusal": None},
    {"role": "assistant"},
    {"reasoning_content": "", "refusal": ""},
    {"reasoning": {"id": "rs_1", "summary": [], "type": "reasoning"}},
    {"function_call": None, "tool_calls": None, "audio": None},
    {"audio": {"id": "audio_1"}},
    {"__openai_function_call_ids__": {"call_1": "fc_1"}},
    {"parsed": {"name": "Bonn"}},
    {"stop_reason": "end_turn", "usage": {"prompt_tokens": 9}},
]


def is_output(chunk: AIMessageChunk) -> bool:
    """Say whether a chunk is output, with the token that LangChain's own callbacks have beside it."""
    generation = ChatGenerationChunk(message=chunk)
    return read_token(generation.text, generation).output


@pytest.mark.parametrize("block", BLOCKS, ids=repr)
def test_content_that_is_output(block: Any) -> None:
    """LC9: text, reasoning, a refusal, a fragment of a tool call, audio: a block with any of it is output."""
    silent = {"type": "text", "text": "", "index": 0}
    assert is_output(AIMessageChunk(content=block if isinstance(block, str) else [block]))
    assert is_output(AIMessageChunk(content=[silent, block]))
    for event, place in (("start", "content"), ("delta", "delta"), ("finish", "content")):
        assert read_stream_event({"event": f"content-block-{event}", "index": 0, place: block}).output


@pytest.mark.parametrize("block", SILENT_BLOCKS, ids=repr)
def test_content_that_is_none(block: Any) -> None:
    """LC9: a block that begins, ends, or has an id, a mark or a signature alone is no output."""
    assert not is_output(AIMessageChunk(content=block if isinstance(block, str) else [block]))
    assert not is_output(AIMessageChunk(content=[block, block]))
    for event, place in (("start", "content"), ("delta", "delta"), ("finish", "content")):
        assert not read_stream_event({"event": f"content-block-{event}", "index": 0, place: block}).output


@pytest.mark.parametrize("beside", BESIDE, ids=repr)
def test_output_beside_the_content(beside: dict[str, Any]) -> None:
    """LC9: so is what integrations put in `additional_kwargs`."""
    assert is_output(AIMessageChunk(content="", additional_kwargs=beside))
    assert is_output(AIMessageChunk(content=[], additional_kwargs=beside))


@pytest.mark.parametrize("beside", SILENT_BESIDE, ids=repr)
def test_none_beside_the_content(beside: dict[str, Any]) -> None:
    """LC9: what else stands there is not."""
    assert not is_output(AIMessageChunk(content="", additional_kwargs=beside))


@pytest.mark.parametrize(
    ("chunk", "output"),
    [
        (AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name="search", args="", id="c", index=0)]), True),
        (AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=None, args="{", id=None, index=0)]), True),
        (AIMessageChunk(content="", tool_call_chunks=[tool_call_chunk(name=None, args="", id=None, index=0)]), False),
        (AIMessageChunk(content="", usage_metadata=usage_of(9, 3)), False),
        (AIMessageChunk(content="", response_metadata={"finish_reason": "stop", "model_name": "any"}), False),
        (AIMessageChunk(content="", id="run-1", chunk_position="last"), False),
        (AIMessageChunk(content=[], chunk_position="last"), False),
        (AIMessageChunk(content="Hi", chunk_position="last"), True),
    ],
)
def test_chunks(chunk: AIMessageChunk, output: bool) -> None:
    """LC9: a role, a usage, the reason of the end, the last chunk that LangChain makes up: none of these is output."""
    assert is_output(chunk) is output


@pytest.mark.parametrize(
    ("token", "chunk", "output"),
    [
        ("Hi", None, True),
        ("", None, False),
        (None, None, False),
        ([{"type": "text", "text": "Hi"}], None, True),
        ([{"type": "text", "text": ""}], None, False),
        ("Hi", GenerationChunk(text="Hi"), True),
        ("", GenerationChunk(text="Hi"), True),
        ("", GenerationChunk(text="", generation_info={"finish_reason": "stop"}), False),
    ],
)
def test_tokens(token: Any, chunk: Any, output: bool) -> None:
    """LC9: of a plain text model, and of an integration that hands on no chunk, it is the text that counts."""
    assert read_token(token, chunk).output is output


@pytest.mark.parametrize(
    "event",
    [
        {"event": "message-start", "role": "ai", "id": "Hi", "metadata": {"provider": "openai"}},
        {"event": "message-finish", "usage": usage_of(9, 3), "metadata": {"finish_reason": "stop"}},
        {"event": "provider", "content": "Hi"},
        {"event": "error", "message": "Hi"},
        {"event": None, "delta": {"text": "Hi"}},
        {"delta": {"type": "text-delta", "text": "Hi"}},
        {"event": "content-block-start", "index": 0, "content": None},
    ],
    ids=repr,
)
def test_other_events(event: dict[str, Any]) -> None:
    """LC9: events that are about the message, its usage or its end are no output."""
    assert not read_stream_event(event).output
