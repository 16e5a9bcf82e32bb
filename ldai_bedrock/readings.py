"""Readings of what Bedrock answers. Pure: facts in, facts out, from boto3's dicts, from JSON, and from objects.

`Converse` has one shape for all models. `InvokeModel` hands on whatever a model's maker has thought of, so that its
answers are read by their shape and never by a model's name: any field may be absent, null, or of another type.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ldai_bedrock.usage import (
    field,
    fields,
    find_usage,
    first_field,
    items,
    metrics_in,
    read_usage,
    usage_in_headers,
)
from ldai_core import Reading, TokenUsage, ToolCall
from ldai_core.json_body import from_json
from ldai_core.reading import NOTHING, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "read_converse",
    "read_converse_event",
    "read_event",
    "read_headers",
    "read_invoke_body",
    "read_invoke_chunk",
    "read_invoke_event",
    "read_usage",
]

FAILED = Reading(failed=True)

# Ends that are the model's failure; what stops at a limit, a filter or a guardrail is an answer like any other.
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
# and, for Cohere's ERROR and the `error` of OpenAI's shape, the parameters of the models:
# https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
_FAILURES = frozenset({"malformed_model_output", "malformed_tool_use", "ERROR", "error"})
_STOPS = ("stopReason", "stop_reason", "finish_reason")

# Where the chunks of models that are not told apart have their output, one in the other.
_TEXTS = frozenset(
    {
        "choices",
        "completion",
        "content",
        "delta",
        "generated_text",
        "generation",
        "generations",
        "message",
        "output",
        "outputText",
        "output_text",
        "outputs",
        "reasoning",
        "reasoning_content",
        "refusal",
        "response",
        "results",
        "text",
        "thinking",
        "token",
    }
)
_DEPTH = 8  # of a text in the `content` of a `message` in `choices`
_WIDTH = 8
# What is no text in a chunk of a model that was never heard of.
_NO_TEXT = re.compile("^amazon-bedrock|(id|type|role|model|object|version|reason|status|event|stop|tier|fingerprint)$")


def read_converse(response: Any) -> Reading:
    """Read a response of `converse`: its usage, whether it failed, and the tools that it asks for.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    """
    return Reading(
        usage=read_usage(field(response, "usage")),
        failed=_has_failed(response),
        tool_calls=tuple(_tool_uses(field(field(response, "output"), "message"))),
    )


def read_converse_event(event: Any) -> Reading:
    """Read one event of `converse_stream`; most say no more than that there is output, or not even that.

    Text, reasoning, and a fragment of a tool's input are output. Usage comes in `metadata`, at the end.
    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
    """
    delta = field(event, "contentBlockDelta")
    if delta is not None:
        return OUTPUT if _is_output(field(delta, "delta")) else NOTHING
    start = field(event, "contentBlockStart")
    if start is not None:
        tool_call = _tool_use(field(field(start, "start"), "toolUse"), field(start, "contentBlockIndex"))
        return NOTHING if tool_call is None else Reading(tool_calls=(tool_call,))
    if _has_failed(field(event, "messageStop")):
        return FAILED
    return _of_usage(read_usage(field(field(event, "metadata"), "usage")))


def read_invoke_body(body: Any) -> Reading:
    """Read the body of `invoke_model`, of whatever model: its usage, whether it failed, and the tools that it asks for.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
    """
    tool_calls = (
        *_tool_uses(field(field(body, "output"), "message")),
        *_anthropic_tool_uses(body),
        *_openai_tool_calls(body),
    )
    return _with_metrics(body, Reading(find_usage(body), failed=_is_failure(body), tool_calls=tool_calls))


def read_invoke_chunk(chunk: Any) -> Reading:
    """Read one chunk of `invoke_model_with_response_stream`, parsed, of whatever model.

    `amazon-bedrock-invocationMetrics`, which comes in one of the chunks, is the service's own count, and holds whatever
    the model says.
    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
    """
    kind = field(chunk, "type")
    read = _ANTHROPIC.get(kind) if isinstance(kind, str) else None
    if read is not None:
        reading = read(chunk)
    else:
        reading = NOTHING if _CONVERSE.isdisjoint(fields(chunk)) else read_converse_event(chunk)  # which Nova has
        reading = _read_any_chunk(chunk) if reading is NOTHING else reading
    return _with_metrics(chunk, reading)


def read_invoke_event(event: Any) -> Reading:
    """Read one event of `invoke_model_with_response_stream`, in which a chunk is JSON in `chunk.bytes`.

    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html
    """
    chunk = field(field(event, "chunk"), "bytes")
    return read_invoke_chunk(from_json(chunk)) if isinstance(chunk, (bytes, str)) else NOTHING


def read_event(event: Any) -> Reading:
    """Read one event of a stream of either kind."""
    try:  # most events are one piece of text, and cost no more than it takes to see that
        if event["contentBlockDelta"]["delta"]["text"]:
            return OUTPUT
    except (KeyError, TypeError):
        pass
    return read_converse_event(event) if field(event, "chunk") is None else read_invoke_event(event)


def read_headers(headers: Any) -> Reading:
    """Read the token counts in the headers of `invoke_model`, whose names are in lower case.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html
    """
    return _of_usage(usage_in_headers(headers))


def _of_usage(usage: TokenUsage | None) -> Reading:
    return NOTHING if usage is None else Reading(usage=usage)


def _with_metrics(item: Any, reading: Reading) -> Reading:
    """Put the service's own counts in the place of the model's; one that it does not have is the model's."""
    metrics = metrics_in(item)
    if metrics is None:
        return reading
    own = reading.usage or TokenUsage()
    input_ = own.input if metrics.input is None else metrics.input
    output = own.output if metrics.output is None else metrics.output
    return replace(reading, usage=TokenUsage(input=input_, output=output), final=True)


def _is_output(block: Any) -> bool:
    """Say whether a delta of Converse's carries output, of a tool's input an empty piece too, for the tool is named."""
    if field(block, "text") or field(block, "toolUse") is not None:
        return True
    if field(field(block, "SDK_UNKNOWN_MEMBER"), "name") == "reasoningContent":  # all that an old botocore says of it
        return True
    reasoning = field(block, "reasoningContent")
    return any(field(reasoning, name) for name in ("text", "redactedContent", "signature"))


def _read_any_chunk(chunk: Any) -> Reading:
    """Read a chunk of a model that has one text in each, under a name of its own."""
    usage, failed, tool_calls = find_usage(chunk), _is_failure(chunk), tuple(_openai_tool_calls(chunk))
    output = bool(tool_calls) or _has_text(chunk, _DEPTH) or _is_text(chunk)
    if usage is None and not failed and not tool_calls:
        return OUTPUT if output else NOTHING
    return Reading(usage, output, failed, tool_calls)


def _has_text(value: Any, depth: int) -> bool:
    """Look for a text where texts are known to be."""
    if isinstance(value, str):
        return value != ""
    if value is None or not depth:
        return False
    if isinstance(value, list):
        return any(_has_text(item, depth - 1) for item in value[:_WIDTH])
    found = fields(value)
    return bool(items(value, "tool_calls")) or any(
        _has_text(found[name], depth - 1) for name in found if name in _TEXTS
    )


def _is_text(chunk: Any) -> bool:
    """Look for a text under whatever name, in a chunk that has none of the known ones."""
    found = fields(chunk)
    if not _TEXTS.isdisjoint(found):
        return False
    texts = (name for name, value in found.items() if isinstance(value, str) and value)
    return any(_NO_TEXT.search(name) is None for name in texts)


def _read_anthropic_start(event: Any) -> Reading:
    return _of_usage(read_usage(field(field(event, "message"), "usage")))


def _read_anthropic_block(event: Any) -> Reading:
    tool_call = _anthropic_tool_use(field(event, "content_block"), field(event, "index"))
    return NOTHING if tool_call is None else Reading(tool_calls=(tool_call,))


def _read_anthropic_delta(event: Any) -> Reading:
    delta = field(event, "delta")
    is_output = field(delta, "partial_json") is not None or any(field(delta, name) for name in _DELTAS)
    return OUTPUT if is_output else NOTHING


def _read_anthropic_end(event: Any) -> Reading:
    usage, failed = read_usage(field(event, "usage")), _has_failed(field(event, "delta"))
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


_CONVERSE = frozenset({"contentBlockDelta", "contentBlockStart", "messageStop", "metadata"})


def _is_failure(body: Any) -> bool:
    """Say whether a body or a chunk stopped at a failure, or has an error in the place of an answer."""
    error = field(body, "error")
    has_error = bool(error) and isinstance(error, (dict, str))
    return has_error or _has_failed(body) or any(map(_has_failed, items(body, "choices")))


def _has_failed(item: Any) -> bool:
    stop = first_field(item, *_STOPS)
    return isinstance(stop, str) and stop in _FAILURES


def _tool_uses(message: Any) -> Iterator[ToolCall]:
    """Go through the tools that a message in Converse's shape asks for."""
    for at, block in enumerate(items(message, "content")):
        tool_use = first_field(block, "toolUse", "tool_use")
        tool_call = None if tool_use is None else _tool_use(tool_use, at)
        if tool_call is not None:
            yield tool_call


def _tool_use(tool_use: Any, place: object) -> ToolCall | None:
    """Read one of them. A tool that the service calls by itself is not the application's call."""
    if field(tool_use, "type") == "server_tool_use":
        return None
    return _tool_call(field(tool_use, "name"), first_field(tool_use, "toolUseId", "tool_use_id"), place)


def _anthropic_tool_uses(message: Any) -> Iterator[ToolCall]:
    return _known(_anthropic_tool_use(block, at) for at, block in enumerate(items(message, "content")))


def _anthropic_tool_use(block: Any, place: object) -> ToolCall | None:
    """Read a block of Anthropic's; what its servers call has types of its own, such as `server_tool_use`."""
    if field(block, "type") != "tool_use":
        return None
    return _tool_call(field(block, "name"), field(block, "id"), place)


def _openai_tool_calls(item: Any) -> Iterator[ToolCall]:
    """Go through the tool calls of a body, or a chunk, in OpenAI's shape, which many models have."""
    for at, choice in enumerate(items(item, "choices")):
        place = field(choice, "index")
        calls = enumerate(items(first_field(choice, "message", "delta"), "tool_calls"))
        yield from _known(_openai_tool_call(call, at if place is None else place, n) for n, call in calls)


def _openai_tool_call(call: Any, choice: object, at: int) -> ToolCall | None:
    index = field(call, "index")
    place = f"{choice}.{at if index is None else index}"
    return _tool_call(field(field(call, "function"), "name"), field(call, "id"), place)


def _tool_call(name: Any, id_: Any, place: object) -> ToolCall | None:
    if not isinstance(name, str) or not name:
        return None
    return ToolCall(name, id_ if isinstance(id_, str) and id_ else None, str(place))


def _known(tool_calls: Iterable[ToolCall | None]) -> Iterator[ToolCall]:
    return (tool_call for tool_call in tool_calls if tool_call is not None)
