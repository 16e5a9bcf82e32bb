"""Bedrock's models on a real socket: `ChatBedrockConverse` and `ChatBedrock`."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks

from tests.expected import ANSWERED, READ, SUCCESS, TOOL_CALL, duration, first_token, tokens, told
from tests.langchain.ways import BATCHES, STREAMS, WAYS, ask, chain_of, each_way
from tests.servers.bedrock import (
    Answer,
    Body,
    Events,
    Failure,
    answer,
    events,
    invoke_chunks,
    invoke_events,
    metrics_of,
    tool_use,
    usage_of,
)
from tests.servers.bedrock import claude as whole_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

    Make = Callable[..., Any]

each = pytest.mark.parametrize("way", WAYS)
each_stream = pytest.mark.parametrize("way", STREAMS)
around = pytest.mark.parametrize("around", [lambda model: model, chain_of], ids=["model", "chain"])
ASKS = {"toolUse": {"toolUseId": "tooluse_1", "name": "search", "input": {"what": "order"}}}
CACHED = usage_of(5, 3, cacheReadInputTokens=3, cacheWriteInputTokens=1)
LLAMA = "meta.llama3-8b-instruct-v1:0"
COUNTS = [("x-amzn-bedrock-input-token-count", "9"), ("x-amzn-bedrock-output-token-count", "3")]


@each
@around
def test_converse(nova: Make, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str) -> None:
    """LC1, LC4, LC9, LC17: Converse, whole and streamed."""
    WAYS[way](around(nova()), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@pytest.mark.parametrize("way", BATCHES)
def test_converse_batches(nova: Make, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1, LC17: each of a batch is a run."""
    BATCHES[way](nova(), watched)
    assert told(recorded) == ANSWERED * 3


@each_stream
@around
def test_converse_times(
    bedrock: ScriptedBedrock,
    nova: Make,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    way: str,
) -> None:
    """LC9: the event of the role is no output; the clock runs from before the request to the last event."""
    bedrock.script(Events(events("Hel", "lo"), delay_s=0.03, pauses_s={1: 0.05, 3: 0.06}))
    STREAMS[way](around(nova()), watched)
    assert told(recorded) == [duration(140), first_token(80), SUCCESS, *tokens(9, 3)]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 30  # of 60


@each
def test_converse_tools(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC9, LC13: a tool counts once, whole or in fragments."""
    asking = [*tool_use("search", '{"wh', 'at": 1}', index=0), *tool_use("lookup", "{}", id="tooluse_2")]
    both = (ASKS, {"toolUse": {"toolUseId": "tooluse_2", "name": "lookup", "input": {}}})
    if way in STREAMS:
        bedrock.script(Events(events(asking, stop_reason="tool_use"), pauses_s={1: 0.05}))
    else:
        bedrock.script(Answer(answer(*both, stop_reason="tool_use")))
    WAYS[way](nova(), watched)
    streamed = [duration(50), first_token(50), *READ[2:]]
    assert told(recorded) == [*(streamed if way in STREAMS else ANSWERED), TOOL_CALL, TOOL_CALL]
    assert recorded.run.tool_calls == ("search", "lookup")


@each_stream
def test_converse_reasoning(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC9: reasoning is output; that a block begins, is none."""
    thinks = ("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm"}}, "contentBlockIndex": 0})
    bedrock.script(Events(events([thinks], "lo"), pauses_s={1: 0.04, 2: 0.08}))
    STREAMS[way](nova(), watched)
    assert told(recorded) == [duration(120), first_token(40), *READ[2:]]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 40  # of 80


@each
def test_converse_cached(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC4: what LangChain counts is what is recorded: the cached tokens once."""
    bedrock.script(Events(events("Hi", usage=CACHED)) if way in STREAMS else Answer(answer(usage=CACHED)))
    result = WAYS[way](nova(), watched)
    messages = result if isinstance(result, list) else [result]
    usage: Any = messages[0].usage_metadata
    if isinstance(messages[0], AIMessageChunk):
        usage = add_ai_message_chunks(messages[0], *messages[1:]).usage_metadata
    # The first releases leave the cached tokens out of the input, though not out of the total.
    counted = 5 if version("langchain-aws").startswith("1.0.") else 9
    assert (usage["input_tokens"], usage["total_tokens"]) == (counted, 12)
    assert told(recorded)[-3:] == [tokens(9, 3)[0], *tokens(counted, 3)[1:]]


@each
@pytest.mark.parametrize("reason", ["guardrail_intervened", "content_filtered", "max_tokens"])
def test_converse_stopped(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str, reason: str
) -> None:
    """An answer that a guardrail, a filter or a limit has stopped is a success."""
    whole, streamed = Answer(answer("No.", stop_reason=reason)), Events(events("No.", stop_reason=reason))
    bedrock.script(streamed if way in STREAMS else whole)
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    WAYS[way](nova(guardrail_config=guard), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)
    assert bedrock.requests[0].body["guardrailConfig"] == guard


@each
def test_converse_tried_again(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC1: what the client tries again by itself is one call."""
    bedrock.script(Failure(429, "ThrottlingException"))
    WAYS[way](nova({"retries": {"total_max_attempts": 2, "mode": "standard"}}), watched)
    assert len(bedrock.requests) == 2
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each_way
def test_converse_structured_output(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: the tool by which `with_structured_output` gets its form is none."""
    schema = {"title": "Order", "description": "An order", "type": "object", "properties": {"id": {"type": "string"}}}
    call = {"toolUse": {"toolUseId": "tooluse_1", "name": "Order", "input": {"id": "1"}}}
    bedrock.script(Answer(answer(call, stop_reason="tool_use")))
    assert ask(nova().with_structured_output(schema), watched, is_async=is_async) == {"id": "1"}
    assert told(recorded) == ANSWERED


@each
@around
def test_invoke_model(
    bedrock: ScriptedBedrock,
    claude: Make,
    watched: Any,
    recorded: RecordingClient,
    around: Callable[[Any], Any],
    way: str,
) -> None:
    """LC4, LC9, LC17: Claude by InvokeModel; LangChain counts by the headers, and in a stream by its last words."""
    chunks = invoke_chunks("Hel", "lo")
    chunks[0] = {**chunks[0], "message": {**chunks[0]["message"], "usage": {"input_tokens": 9, "output_tokens": 1}}}
    chunks[-2] = {**chunks[-2], "usage": {"output_tokens": 3}}
    bedrock.script(invoke_events(chunks) if way in STREAMS else Body(json.dumps(whole_answer()).encode(), COUNTS))
    WAYS[way](around(claude()), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each
def test_invoke_model_of_others(
    bedrock: ScriptedBedrock, claude: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC4: of other models likewise, by the metrics in the last chunk."""
    if way in STREAMS:
        last = {"generation": "", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": metrics_of(9, 3)}
        bedrock.script(invoke_events([{"generation": "Hel"}, {"generation": "lo"}, last]))
    else:
        bedrock.script(Body(json.dumps({"generation": "Hello", "stop_reason": "stop"}).encode(), COUNTS))
    WAYS[way](claude(model=LLAMA), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each
def test_invoke_model_tools(
    bedrock: ScriptedBedrock, claude: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC9, LC13: the tools that Claude asks for count once each, and a stream of nothing else has its first output."""
    names = ("search", "lookup")
    blocks = [{"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}} for name in names]
    if way in STREAMS:
        first, *_, last, stop = invoke_chunks()
        told_in = [
            event
            for index, block in enumerate(blocks)
            for event in (
                {"type": "content_block_start", "index": index, "content_block": block},
                {
                    "type": "content_block_delta",
                    "index": index,
                    "delta": {"type": "input_json_delta", "partial_json": "{}"},
                },
                {"type": "content_block_stop", "index": index},
            )
        ]
        bedrock.script(invoke_events([first, *told_in, last, stop], pauses_s={1: 0.05}))
    else:
        body = json.dumps(whole_answer(*blocks, stop_reason="tool_use")).encode()
        bedrock.script(Body(body, COUNTS))
    WAYS[way](claude().bind_tools([search, lookup]), watched)
    assert recorded.run.tool_calls == names
    assert told(recorded)[: 3 if way in STREAMS else 2] == (
        [duration(50), first_token(50), SUCCESS] if way in STREAMS else ANSWERED[:2]
    )


def search() -> str:
    """Search for the order."""
    return "found"


def lookup() -> str:
    """Look the order up."""
    return "found"
