"""Readings of what Bedrock answers. Pure: facts in, facts out, from boto3's dicts, from JSON, and from objects.

`Converse` has one shape for all models. `InvokeModel` hands on whatever a model's maker has thought of, so that its
answers are read by their shape and never by a model's name: any field may be absent, null, or of another type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ldai_core import Reading, TokenUsage, ToolCall
from ldai_core.json_body import from_json
from ldai_core.reading import NOTHING, OUTPUT
from ldai_core.values import whole_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "read_converse",
    "read_converse_event",
    "read_headers",
    "read_invoke_body",
    "read_invoke_chunk",
    "read_invoke_event",
    "read_usage",
]

FAILED = Reading(failed=True)

# Ends that are the model's failure; what stops at a limit, a filter or a guardrail is an answer like any other.
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax
# and, for Cohere's ERROR and the OpenAI-like `error`, the parameters of the models:
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
_FAILURES = frozenset({"malformed_model_output", "malformed_tool_use", "ERROR", "error"})
_STOPS = ("stopReason", "stop_reason", "finish_reason")

# Bedrock's own account of an invocation, in the last chunk of a stream, whatever the model.
# Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html
_METRICS = "amazon-bedrock-invocationMetrics"

# The names of counts, of which the first that is there holds. Converse, Nova and Anthropic leave the cached tokens out
# of their input, and give them beside it; everyone else has them in it.
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html ,
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
_UNCACHED = ("inputTokens", "input_tokens", "inputTokenCount")
_CACHED = (
    ("cacheReadInputTokens", "cache_read_input_tokens", "cacheReadInputTokenCount"),
    ("cacheWriteInputTokens", "cache_write_input_tokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens"),
)
_INPUT = ("prompt_tokens", "prompt_token_count", "inputTextTokenCount")
_OUTPUT = (
    "outputTokens",
    "output_tokens",
    "outputTokenCount",
    "completion_tokens",
    "generation_token_count",
    "totalOutputTextTokenCount",
    "response_tokens",
)
_TOTAL = ("totalTokens", "total_tokens")

# Where a body or a chunk has its usage: the first of these in which there are counts. The last is itself.
_USAGES = (("usage",), ("metadata", "usage"), ("meta", "tokens"), ("meta", "billed_units"), ("token_count",), ())

# Where the chunks of models that are not told apart have their output.
_TEXTS = (
    "text",
    "outputText",
    "completion",
    "generation",
    "content",
    "delta",
    "message",
    "choices",
    "outputs",
    "results",
    "generations",
    "reasoning_content",
    "reasoning",
    "thinking",
    "refusal",
    "tool_calls",
    "token",
    "generated_text",
    "output_text",
    "output",
    "response",
)
_DEPTH = 6  # of `choices`, in which a `message`, in which `content`, in which `text`

_NUMBER = re.compile("[0-9]{1,16}")
_HEADERS = {
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokenCount": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokenCount": "x-amzn-bedrock-cache-write-input-token-count",
}


def read_converse(response: Any) -> Reading:
    """Read a response of `converse`: its usage, whether it failed, and the tools that it asks for.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_ResponseSyntax
    """
    return Reading(
        usage=read_usage(_get(response, "usage")),
        failed=_has_failed(response),
        tool_calls=tuple(_tool_uses(_get(_get(response, "output"), "message"))),
    )


def read_converse_event(event: Any) -> Reading:
    """Read one event of `converse_stream`; most say no more than that there is output, or not even that.

    Text, reasoning, and a fragment of a tool's input are output. Usage comes in `metadata`, at the end.
    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html#API_runtime_ConverseStream_ResponseSyntax
    """
    delta = _get(event, "contentBlockDelta")
    if delta is not None:
        block = _get(delta, "delta")
        has_tool_use = _get(block, "toolUse") is not None
        return OUTPUT if has_tool_use or _get(block, "text") or _get(block, "reasoningContent") else NOTHING
    start = _get(event, "contentBlockStart")
    if start is not None:
        tool_call = _tool_use(_get(_get(start, "start"), "toolUse"), _get(start, "contentBlockIndex"))
        return NOTHING if tool_call is None else Reading(tool_calls=(tool_call,))
    if _has_failed(_get(event, "messageStop")):
        return FAILED
    usage = read_usage(_get(_get(event, "metadata"), "usage"))
    return NOTHING if usage is None else Reading(usage=usage)


def read_invoke_body(body: Any) -> Reading:
    """Read the body of `invoke_model`, of whatever model: its usage, whether it failed, and the tools that it asks for.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
    """
    output, choices = _get(body, "output"), _items(body, "choices")
    tool_calls = (
        *_tool_uses(_get(output, "message")),
        *_anthropic_tool_uses(body),
        *(call for at, choice in enumerate(choices) for call in _openai_tool_calls(_get(choice, "message"), at)),
    )
    has_failed = _has_failed(body) or any(map(_has_failed, choices)) or _has_error(body)
    return _with_metrics(body, Reading(_usage_in(body), failed=has_failed, tool_calls=tool_calls))


def read_invoke_chunk(chunk: Any) -> Reading:
    """Read one chunk of `invoke_model_with_response_stream`, parsed, of whatever model.

    `amazon-bedrock-invocationMetrics`, which comes in one of the chunks, is the service's own count, and holds whatever
    the model says.
    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
    """
    kind = _get(chunk, "type")
    read = _ANTHROPIC.get(kind) if isinstance(kind, str) else None
    if read is not None:
        reading = read(chunk)
    elif any(_get(chunk, name) is not None for name in _CONVERSE_EVENTS):
        reading = read_converse_event(chunk)
    else:
        reading = _read_any_chunk(chunk)
    return _with_metrics(chunk, reading)


def read_invoke_event(event: Any) -> Reading:
    """Read one event of `invoke_model_with_response_stream`, in which a chunk is JSON in `chunk.bytes`.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
    """
    chunk = _get(_get(event, "chunk"), "bytes")
    return read_invoke_chunk(from_json(chunk)) if isinstance(chunk, (bytes, str)) else NOTHING


def read_headers(headers: Any) -> Reading:
    """Read the token counts in the headers of `invoke_model`, whose names are in lower case.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html
    """
    texts = {name: _get(headers, header) for name, header in _HEADERS.items()}
    counts = {name: int(text) for name, text in texts.items() if isinstance(text, str) and _NUMBER.fullmatch(text)}
    usage = read_usage(counts)
    return NOTHING if usage is None else Reading(usage=usage)


def read_usage(usage: Any) -> TokenUsage | None:
    """Read a usage in the spelling of Converse or of any model; None where there are no counts.

    The input includes the tokens read from and written to a cache, which Bedrock's `inputTokens` leaves out, so that
    variations compare with those of other providers. An absent count is unknown; the total is as the service says.
    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    uncached = _get(usage, *_UNCACHED)
    input_ = _get(usage, *_INPUT) if uncached is None else _with_cached(uncached, usage)
    output = _get(usage, *_OUTPUT)
    total = _get(usage, *_TOTAL)
    if input_ is None and output is None and total is None:
        return None
    return TokenUsage(total=total, input=input_, output=output)


def _with_cached(uncached: Any, usage: Any) -> Any:
    if whole_count(uncached) is None:
        return uncached  # which is then no count, and dropped
    return uncached + sum(whole_count(_get(usage, *names)) or 0 for names in _CACHED)


def _usage_in(body: Any) -> TokenUsage | None:
    """Find the usage in a body or a chunk of whatever model."""
    for path in _USAGES:
        found = body
        for name in path:
            found = _get(found, name)
        usage = read_usage(found)
        if usage is not None:
            return _with_results(usage, body)
    return None


def _with_results(usage: TokenUsage, body: Any) -> TokenUsage:
    """Add up the output of Titan's results, which count their own."""
    counts = [_get(result, "tokenCount") for result in _items(body, "results")]
    known = [count for count in counts if whole_count(count) is not None]
    return replace(usage, output=sum(known)) if known and usage.output is None else usage


def _with_metrics(item: Any, reading: Reading) -> Reading:
    usage = read_usage(_get(item, _METRICS))
    return reading if usage is None else replace(reading, usage=usage, final=True)


def _read_any_chunk(chunk: Any) -> Reading:
    """Read a chunk of a model that has one text in each, under a name of its own."""
    usage = _usage_in(chunk)
    choices = _items(chunk, "choices")
    output = _has_text(chunk, _DEPTH)
    failed = _has_failed(chunk) or any(map(_has_failed, choices)) or _has_error(chunk)
    tool_calls = tuple(
        call for at, choice in enumerate(choices) for call in _openai_tool_calls(_get(choice, "delta"), at)
    )
    if usage is None and not failed and not tool_calls:
        return OUTPUT if output else NOTHING
    return Reading(usage, output, failed, tool_calls)


def _has_text(value: Any, depth: int) -> bool:
    if isinstance(value, str):
        return value != ""
    if not depth:
        return False
    if isinstance(value, list):
        return any(_has_text(item, depth) for item in value[:8])
    return isinstance(value, dict) and any(_has_text(value[name], depth - 1) for name in _TEXTS if name in value)


def _read_anthropic_start(event: Any) -> Reading:
    usage = read_usage(_get(_get(event, "message"), "usage"))
    return NOTHING if usage is None else Reading(usage=usage)


def _read_anthropic_block(event: Any) -> Reading:
    tool_call = _anthropic_tool_use(_get(event, "content_block"), _get(event, "index"))
    return NOTHING if tool_call is None else Reading(tool_calls=(tool_call,))


def _read_anthropic_delta(event: Any) -> Reading:
    delta = _get(event, "delta")
    return OUTPUT if any(_get(delta, name) for name in _DELTAS) or _get(delta, "partial_json") is not None else NOTHING


def _read_anthropic_end(event: Any) -> Reading:
    usage, failed = read_usage(_get(event, "usage")), _has_failed(_get(event, "delta"))
    return NOTHING if usage is None and not failed else Reading(usage=usage, failed=failed)


def _read_nothing(_event: Any) -> Reading:
    return NOTHING


def _read_failure(_event: Any) -> Reading:
    return FAILED


# The events of Anthropic's streams: https://docs.anthropic.com/en/docs/build-with-claude/streaming
_ANTHROPIC = {
    "message_start": _read_anthropic_start,
    "content_block_start": _read_anthropic_block,
    "content_block_delta": _read_anthropic_delta,
    "content_block_stop": _read_nothing,
    "message_delta": _read_anthropic_end,
    "message_stop": _read_nothing,
    "ping": _read_nothing,
    "error": _read_failure,
}
_DELTAS = ("text", "thinking", "signature", "data")
_CONVERSE_EVENTS = (
    "contentBlockDelta",
    "messageStart",
    "contentBlockStart",
    "contentBlockStop",
    "messageStop",
    "metadata",
)


def _has_failed(item: Any) -> bool:
    stop = _get(item, *_STOPS)
    return isinstance(stop, str) and stop in _FAILURES


def _has_error(body: Any) -> bool:
    """Say whether there is an error in the place of an answer."""
    return isinstance(_get(body, "error"), (dict, str)) and bool(_get(body, "error"))


def _tool_uses(message: Any) -> Iterator[ToolCall]:
    """Go through the tools that a message in Converse's shape asks for."""
    blocks = enumerate(_items(message, "content"))
    return _known(_tool_use(_get(block, "toolUse", "tool_use"), at) for at, block in blocks)


def _tool_use(tool_use: Any, place: object) -> ToolCall | None:
    """Read one of them. A tool that the service calls by itself is not the application's call."""
    if tool_use is None or _get(tool_use, "type") == "server_tool_use":
        return None
    return _tool_call(_get(tool_use, "name"), _get(tool_use, "toolUseId", "tool_use_id"), place)


def _anthropic_tool_uses(message: Any) -> Iterator[ToolCall]:
    return _known(_anthropic_tool_use(block, at) for at, block in enumerate(_items(message, "content")))


def _anthropic_tool_use(block: Any, place: object) -> ToolCall | None:
    """Read a block of Anthropic's; what its servers call has types of its own, such as `server_tool_use`."""
    if _get(block, "type") != "tool_use":
        return None
    return _tool_call(_get(block, "name"), _get(block, "id"), place)


def _openai_tool_calls(message: Any, choice: object) -> Iterator[ToolCall]:
    """Go through the tool calls of a message, or a delta, in OpenAI's shape, which many models have."""
    return _known(
        _tool_call(
            _get(_get(call, "function"), "name"),
            _get(call, "id"),
            f"{choice}.{at if _get(call, 'index') is None else _get(call, 'index')}",
        )
        for at, call in enumerate(_items(message, "tool_calls"))
    )


def _tool_call(name: Any, id_: Any, place: object) -> ToolCall | None:
    if not isinstance(name, str) or not name:
        return None
    return ToolCall(name, id_ if isinstance(id_, str) and id_ else None, str(place))


def _known(tool_calls: Iterable[ToolCall | None]) -> Iterator[ToolCall]:
    return (tool_call for tool_call in tool_calls if tool_call is not None)


def _items(value: Any, name: str) -> list[Any]:
    items = _get(value, name)
    return items if isinstance(items, list) else []


def _get(value: Any, *names: str) -> Any:
    """Find a field by the first of its names under which there is anything."""
    for name in names:
        found = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
        if found is not None:
            return found
    return None
