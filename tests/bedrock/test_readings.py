"""The pure readers: the rules of Converse, headers, odd shapes, and any JSON at all."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldai_bedrock.readings import (
    read_converse,
    read_converse_event,
    read_headers,
    read_invoke_body,
    read_invoke_chunk,
    read_invoke_event,
    read_usage,
)
from ldai_core import Reading, Run, TokenUsage, ToolCall
from ldai_core.reading import NOTHING, OUTPUT, Tally, clean, sum_usages
from tests.bedrock.test_families import run_over
from tests.servers.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}
COUNTED = TokenUsage(total=12, input=9, output=3)
CACHED = {**USAGE, "cacheReadInputTokens": 400, "cacheWriteInputTokens": 20, "totalTokens": 432}
BAD = [True, False, -1, -(2**70), 2**70, "9", "", 9.5, float("nan"), float("inf"), [], [9], {}, {"9": 9}]
READERS = (read_usage, read_headers, read_converse, read_converse_event, read_invoke_body, read_invoke_chunk)

HEADER = "x-amzn-bedrock-{}-token-count"
COUNTING = {HEADER.format("input"): "9", HEADER.format("output"): "3"}
CACHING = {HEADER.format("cache-read-input"): "400", HEADER.format("cache-write-input"): "20"}


def as_objects(value: Any) -> Any:
    """Make objects with attributes of all dicts."""
    if isinstance(value, list):
        return [as_objects(item) for item in value]
    return SimpleNamespace(**{k: as_objects(v) for k, v in value.items()}) if isinstance(value, dict) else value


def told(usage: Any) -> TokenUsage | None:
    """Say which tokens LaunchDarkly is told of a response with this usage; each is a plain whole number."""
    tokens = run_over([{"usage": usage}], read_converse).tokens
    assert tokens is None or {type(count) for count in (tokens.total, tokens.input, tokens.output)} <= {int, type(None)}
    return tokens


def delta(**block: Any) -> dict[str, Any]:
    """Write an event of Converse's with a delta of a block."""
    return {"contentBlockDelta": {"delta": block, "contentBlockIndex": 0}}


def tool_use(name: str | None, id: str | None = "tooluse_1", **fields: Any) -> dict[str, Any]:  # noqa: A002  # its name
    """Write a block of Converse's that calls a tool."""
    return {"toolUse": {"toolUseId": id, "name": name, "input": {}, **fields}}


def start(block: Any, index: int | None = 0) -> dict[str, Any]:
    """Write the event with which a block begins."""
    return {"contentBlockStart": {"start": block, "contentBlockIndex": index}}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (USAGE, COUNTED),
        (CACHED, TokenUsage(432, 429, 3)),
        ({**USAGE, "cacheReadInputTokens": 0, "cacheWriteInputTokens": None}, COUNTED),
        ({**USAGE, "cacheReadInputTokens": 400}, TokenUsage(12, 409, 3)),
        ({**USAGE, "totalTokens": 5}, TokenUsage(5, 9, 3)),
        ({"inputTokens": 9, "outputTokens": 3}, TokenUsage(None, 9, 3)),
        ({"inputTokens": 9, "cacheReadInputTokens": 400}, TokenUsage(None, 409, None)),
        ({"outputTokens": 3}, TokenUsage(output=3)),
        ({"totalTokens": 12}, TokenUsage(total=12)),
        ({"cacheReadInputTokens": 400, "cacheWriteInputTokens": 20, "outputTokens": 3}, TokenUsage(output=3)),
        ({"cacheReadInputTokens": 400, "cacheWriteInputTokens": 20}, None),
        ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, TokenUsage(0, 0, 0)),
        ({"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}, COUNTED),
        ({"input_tokens": 9, "cache_read_input_tokens": 400, "cache_write_input_tokens": 20}, TokenUsage(input=429)),
        ({**USAGE, "cacheDetails": [{"ttl": "5m", "inputTokens": 20}]}, COUNTED),
        ({}, None),
        (None, None),
        ("many", None),
        ([9, 3, 12], None),
        (9, None),
    ],
)
def test_usage(usage: Any, expected: TokenUsage | None) -> None:
    """BR6, R29: input is all of it, cached or not, in either spelling; the total is told; absent is unknown."""
    assert read_usage(usage) == expected
    assert read_usage(as_objects(usage)) == expected
    assert read_converse({"usage": usage}) == Reading(usage=expected)
    assert read_converse_event({"metadata": {"usage": usage, "metrics": {"latencyMs": 5}}}) == Reading(usage=expected)


def test_a_missing_total_follows() -> None:
    """BR6: where the service tells no total, it is input + output, cached tokens among them."""
    assert told({**CACHED, "totalTokens": None}) == TokenUsage(432, 429, 3)
    assert told({"inputTokens": 9}) == TokenUsage(input=9)


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_what_is_no_count(bad: Any) -> None:
    """BR6: what is no count is unknown, and takes neither the other counts nor the sign of any along."""
    assert told({**USAGE, "inputTokens": bad}) == TokenUsage(total=12, output=3)
    assert told({**USAGE, "outputTokens": bad}) == TokenUsage(total=12, input=9)
    assert told({**USAGE, "totalTokens": bad}) == COUNTED
    assert told({**USAGE, "cacheReadInputTokens": bad, "cacheWriteInputTokens": bad}) == COUNTED
    assert told({**CACHED, "inputTokens": bad}) == TokenUsage(total=432, output=3)
    assert told(dict.fromkeys(CACHED, bad)) is None
    assert told(bad) is None


@pytest.mark.parametrize("number", [9, 9.0, Decimal(9), Fraction(9), np.int64(9), np.uint8(9), np.float32(9)])
def test_counts_of_other_types(number: Any) -> None:
    """BR6: a whole number of whatever type is a count, however large the cached ones are that are added to it."""
    assert told({**USAGE, "inputTokens": number, "cacheReadInputTokens": 400}) == TokenUsage(12, 409, 3)
    assert told({**USAGE, "cacheReadInputTokens": number, "totalTokens": None}) == TokenUsage(21, 18, 3)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (COUNTING, TokenUsage(input=9, output=3)),
        ({**COUNTING, **CACHING}, TokenUsage(input=429, output=3)),
        ({**COUNTING, "content-type": "application/json"}, TokenUsage(input=9, output=3)),
        ({HEADER.format("input"): "9"}, TokenUsage(input=9)),
        ({HEADER.format("output"): "0"}, TokenUsage(output=0)),
        ({**CACHING, HEADER.format("output"): "3"}, TokenUsage(output=3)),
        (CACHING, None),
        ({}, None),
        (None, None),
        ([], None),
        ("x-amzn-bedrock-input-token-count: 9", None),
    ],
)
def test_headers(headers: Any, expected: TokenUsage | None) -> None:
    """BR7: the headers count input and output, and what is cached beside the input."""
    reading = read_headers(headers)
    assert reading == Reading(usage=expected)
    assert (reading is NOTHING) is (expected is None)


@pytest.mark.parametrize("bad", ["", "-9", "9.5", "9,3", "nine", "0x9", "1_0", "٩", "9" * 5000, None, True, [], b"9"])
def test_headers_that_are_no_counts(bad: Any) -> None:
    """BR6, BR7: a header that is no count is unknown, and takes no other along."""
    readings = [
        clean(read_headers({**COUNTING, **CACHING, HEADER.format(name): bad}))[0] for name in ("input", "output")
    ]
    assert [reading.usage for reading in readings] == [TokenUsage(output=3), TokenUsage(input=429)]
    assert read_headers({**COUNTING, **dict.fromkeys(CACHING, bad)}).usage == TokenUsage(input=9, output=3)


@pytest.mark.parametrize(
    ("reason", "failed"),
    [
        ("malformed_model_output", True),
        ("malformed_tool_use", True),
        *(
            (reason, False)
            for reason in (
                "guardrail_intervened",
                "content_filtered",
                "max_tokens",
                "model_context_window_exceeded",
                "tool_use",
                "stop_sequence",
                "end_turn",
                "refusal",
                "pause_turn",
                "of_tomorrow",
                "",
                None,
                7,
                ["malformed_tool_use"],
            )
        ),
    ],
)
def test_stop_reasons(reason: Any, failed: bool) -> None:
    """BR9: malformed output is a failure, every other stop an answer; whole or in a stream, whoever spells it."""
    whole, stop = {"stopReason": reason, "usage": USAGE}, {"messageStop": {"stopReason": reason}}
    snake = {"stop_reason": reason, "content": [], "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}}
    message_delta = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    for read, item in (
        (read_converse, whole),
        (read_invoke_body, whole),
        (read_converse, snake),
        (read_invoke_body, snake),
    ):
        assert read(item) == read(as_objects(item)) == Reading(usage=COUNTED, failed=failed)
    for read_one in (read_converse_event, read_invoke_chunk):
        assert read_one(stop) == read_one(as_objects(stop)) == Reading(failed=failed)
    assert read_invoke_chunk(message_delta) == Reading(usage=TokenUsage(output=3), failed=failed)


@pytest.mark.parametrize(
    ("content", "tool_calls"),
    [
        ([{"text": "Hi"}], ()),
        ([{"text": "Hi"}, tool_use("look")], ("look",)),
        ([tool_use("look"), tool_use("find", "tooluse_2"), tool_use("look", "tooluse_3")], ("look", "find", "look")),
        ([tool_use("look"), tool_use("look")], ("look",)),
        ([tool_use("look", None), tool_use("look", None)], ("look", "look")),
        (
            [tool_use("web", type="server_tool_use"), {"toolResult": {"toolUseId": "1"}}, tool_use("find", "2")],
            ("find",),
        ),
        ([tool_use("look", type="tool_use")], ("look",)),
        ([tool_use(None), tool_use(""), {"toolUse": None}, {"toolUse": "look"}, None, "look", 7], ()),
        (None, ()),
        ("look", ()),
    ],
)
def test_tool_calls(content: Any, tool_calls: tuple[str, ...]) -> None:
    """BR10: a tool call is told once by its name, by id or place; what the service calls by itself is not counted."""
    message = {"output": {"message": {"role": "assistant", "content": content}}}
    starts = [start(block, index) for index, block in enumerate(content or ())]
    for items, read in (([message], read_converse), ([message], read_invoke_body), (starts, read_converse_event)):
        assert run_over(items, read).tool_calls == tool_calls
        assert run_over(as_objects(items), read).tool_calls == tool_calls


def test_tool_calls_of_parallel_blocks() -> None:
    """BR10: blocks that come side by side are told apart by their index, where there are no ids, and told once."""
    fragments = [
        {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": n}} for n in (2, 1, 2)
    ]
    events = [
        start(tool_use("look", None), 1),
        start(tool_use("look", None), 2),
        *fragments,
        start(tool_use("look", None), 2),
    ]
    assert run_over(events, read_converse_event).tool_calls == ("look", "look")
    assert read_converse_event(start(tool_use("look"), 1)) == Reading(tool_calls=(ToolCall("look", "tooluse_1", "1"),))


@pytest.mark.parametrize(
    "block",
    [
        {"text": "Hi"},
        {"text": " "},
        {"reasoningContent": {"text": "Hm"}},
        {"reasoningContent": {"redactedContent": b"\x00"}},
        {"reasoningContent": {"signature": "c2ln"}},
        {"SDK_UNKNOWN_MEMBER": {"name": "reasoningContent"}},
        {"toolUse": {"input": '{"for"'}},
        {"toolUse": {"input": ""}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("read", [read_converse_event, read_invoke_chunk])
def test_output(block: dict[str, Any], read: Callable[[Any], Reading]) -> None:
    """BR3: text, reasoning, and a fragment of a tool's input, an empty one too, are output, and cost no object."""
    assert read(delta(**block)) is OUTPUT
    assert read(as_objects(delta(**block))) is OUTPUT


@pytest.mark.parametrize(
    "event",
    [
        {"messageStart": {"role": "assistant"}},
        start({}),
        start({"toolUse": {"toolUseId": "1", "name": "web", "type": "server_tool_use"}}),
        start({"toolResult": {"toolUseId": "1"}}),
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        {"metadata": {"metrics": {"latencyMs": 5}}},
        delta(text=""),
        delta(text=None),
        delta(reasoningContent={"text": ""}),
        delta(reasoningContent={}),
        delta(citation={"title": "any", "sourceContent": [{"text": "any"}]}),
        delta(toolResult=[{"text": "any"}]),
        delta(SDK_UNKNOWN_MEMBER={"name": "citation"}),
        delta(),
        {"contentBlockDelta": None},
        {"SDK_UNKNOWN_MEMBER": {"name": "of_tomorrow"}},
        {},
        None,
        7,
    ],
    ids=repr,
)
@pytest.mark.parametrize("read", [read_converse_event, read_invoke_chunk])
def test_no_output(event: Any, read: Callable[[Any], Reading]) -> None:
    """BR3, BR15: beginnings and ends, citations, what tools answer, and empty texts say nothing, at no cost."""
    assert read(event) is NOTHING
    assert read(as_objects(event)) is NOTHING


NO_CHUNKS: list[Any] = [b"{", b"", b"[1]", b"null", b"\xff\xfe", b'"text"', None, 7, []]
NO_EVENTS: list[Any] = [
    {"chunk": None},
    {"chunk": {}},
    {"internalServerException": {"message": "any"}},
    {},
    None,
    b"{}",
]


@pytest.mark.parametrize("event", [{"chunk": {"bytes": each}} for each in NO_CHUNKS] + NO_EVENTS, ids=repr)
def test_events_that_are_no_chunks(event: Any) -> None:
    """BR15: malformed JSON, and an event without a chunk, say nothing."""
    assert read_invoke_event(event) is NOTHING


@pytest.mark.parametrize("name", FAMILIES)
def test_objects_read_like_dicts(name: str) -> None:
    """R29: objects with attributes say what dicts say, for every family; in an event a chunk is JSON."""
    family = FAMILIES[name]
    parts: Any = {"tools": ("look",)} if "tools" in family.parts else {}
    body = family.body("Hel", "lo", **parts)
    assert read_invoke_body(as_objects(body)) == read_invoke_body(body)
    for chunk in family.chunks("Hel", "lo", **parts) if family.write_chunks else []:
        assert read_invoke_event({"chunk": {"bytes": json.dumps(chunk).encode()}}) == read_invoke_chunk(chunk)
        assert read_invoke_chunk(as_objects(chunk)) == read_invoke_chunk(chunk)


FIELDS = [
    *CACHED,
    "usage",
    "metadata",
    "meta",
    "tokens",
    "billed_units",
    "token_count",
    "results",
    "tokenCount",
    "type",
]
FIELDS += ["input_tokens", "prompt_tokens", "inputTextTokenCount", "inputTokenCount", "outputTokenCount", "completion"]
FIELDS += [
    "amazon-bedrock-invocationMetrics",
    "messageStop",
    "contentBlockDelta",
    "contentBlockStart",
    "start",
    "delta",
]
FIELDS += [
    "output",
    "message",
    "content",
    "content_block",
    "toolUse",
    "toolUseId",
    "tool_calls",
    "function",
    "name",
    "id",
]
FIELDS += ["index", "choices", "outputs", "text", "stopReason", "stop_reason", "error", "reasoningContent", *COUNTING]
WORDS = ["message_start", "message_delta", "content_block_start", "content_block_delta", "error", "tool_use", "9", "-1"]
WORDS += ["malformed_tool_use", "server_tool_use", "look"]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
ANY_JSON = st.recursive(
    LEAVES | st.integers(0, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=30,
)


@given(ANY_JSON)
def test_any_json_is_read(item: Any) -> None:
    """BR6, BR15: whatever JSON comes, reading it raises nothing, and what is left of it may leave."""
    for each in (item, as_objects(item)):
        for read in READERS[1:]:
            reading, _ = clean(read(each))
            assert {type(reading.output), type(reading.failed), type(reading.final)} == {bool}
            assert all(isinstance(call, ToolCall) and call.name for call in reading.tool_calls)
            tally = Tally()
            tally.add(reading)
            known = sum_usages([tally.usage()]) or TokenUsage()
            counts = [count for count in (known.total, known.input, known.output) if count is not None]
            assert all(type(count) is int and count >= 0 for count in counts)
        assert isinstance(read_usage(each), (TokenUsage, type(None)))


@pytest.mark.parametrize("name", ["text", "content", "choices", "usage", "output", "results", "error"])
def test_json_of_any_depth_is_read(name: str) -> None:
    """BR15: JSON may be nested as deeply as its parser allows, and deeper."""
    nested: Any = "Hi"
    for _ in range(5_000):
        nested = [nested]
    for read in READERS:
        read({name: nested})
        read({name: {name: nested}})


class Hostile:
    """Raises at every turn."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError(name)


@given(st.lists(ANY_JSON | st.builds(Hostile) | st.builds(dict, usage=st.builds(Hostile)), max_size=5))
def test_a_call_takes_anything(items: list[Any]) -> None:
    """BR15: neither what a service sends nor an object that cannot be read raises anything through the call."""
    call = Run(lambda: None).call()  # type: ignore[arg-type, return-value]  # any source
    for item in items:
        for read in READERS[1:]:
            assert isinstance(call.read(read, item), Reading)
    call.end()
