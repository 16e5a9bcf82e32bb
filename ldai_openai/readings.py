"""Readings of what the OpenAI API answers. Pure: facts in, facts out, from the SDK's objects and from plain dicts.

Other services speak the same API with less care, so every field may be absent, null, or of another type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ldai_core import Reading, TokenUsage, ToolCall
from ldai_core.reading import NOTHING, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["is_usage_only", "read_chat_chunk", "read_chat_completion", "read_openai", "read_usage"]

# What is output in a chunk's delta, beside its content. Reasoning is no part of OpenAI's own chat API: DeepSeek, vLLM
# and llama.cpp call it `reasoning_content`, OpenRouter calls it `reasoning`.
_OUTPUT = ("refusal", "tool_calls", "function_call", "reasoning_content", "reasoning", "audio")


def read_openai(item: Any) -> Reading:
    """Read whatever a request returned, a response or a chunk, by its own account of what it is.

    Source: https://platform.openai.com/docs/api-reference/chat/streaming#chat_streaming-object
    """
    if _get(item, "object") == "chat.completion.chunk":
        return read_chat_chunk(item)
    return read_chat_completion(item)


def read_chat_completion(response: Any) -> Reading:
    """Read a whole chat completion: its usage, and the tools that it asks for.

    A length stop, a content filter, a refusal and a reply of tool calls alone are answers like any others. An `error`
    in place of choices, as some gateways send with status 200, is a failure.
    Source: https://platform.openai.com/docs/api-reference/chat/object
    """
    choices = _items(response, "choices")
    return Reading(
        usage=read_usage(_get(response, "usage")),
        failed=not choices and bool(_get(response, "error")),
        tool_calls=tuple(
            tool_call
            for place, choice in enumerate(choices)
            for tool_call in _tool_calls(_get(choice, "message"), place)
        ),
    )


def read_chat_chunk(chunk: Any) -> Reading:
    """Read one chunk of a streamed chat completion; most say no more than that there is output, or not even that.

    A tool call comes in fragments, of which the first has the name. Usage, where it was asked for, comes in a last
    chunk without choices; services that send it in every chunk count from the beginning, so that the last one holds.
    Source: https://platform.openai.com/docs/api-reference/chat/streaming
    """
    choices = _items(chunk, "choices")
    usage = read_usage(_get(chunk, "usage"))
    tool_calls: list[ToolCall] = []
    output = False
    for place, choice in enumerate(choices):
        delta = _get(choice, "delta")
        output = output or bool(_get(delta, "content")) or any(_get(delta, field) for field in _OUTPUT)
        if _get(delta, "tool_calls") or _get(delta, "function_call"):
            index = _get(choice, "index")
            tool_calls += _tool_calls(delta, place if index is None else index)
    if usage is None and not tool_calls:
        return OUTPUT if output else NOTHING
    return Reading(usage=usage, output=output, tool_calls=tuple(tool_calls))


def read_usage(usage: Any) -> TokenUsage | None:
    """Read the usage of a chat completion; None where there is none, and a count that is absent is unknown.

    The prompt's count includes the cached tokens, and the completion's the reasoning: details, which are never added.
    Source: https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage
    """
    if usage is None:
        return None
    counts = (_get(usage, name) for name in ("total_tokens", "prompt_tokens", "completion_tokens"))
    total, prompt, completion = counts
    if total is None and prompt is None and completion is None:
        return None
    return TokenUsage(total=total, input=prompt, output=completion)


def is_usage_only(chunk: Any) -> bool:
    """Tell the chunk that `stream_options.include_usage` adds at the end: usage, and no choices."""
    return not _items(chunk, "choices")


def _tool_calls(message: Any, choice: object) -> Iterator[ToolCall]:
    """Go through the tool calls of a message or a delta that have a name; later fragments of a call have none."""
    for at, call in enumerate(_items(message, "tool_calls")):
        # `custom` is a tool that takes free text instead of JSON.
        name = _get(_get(call, "function"), "name") or _get(_get(call, "custom"), "name")
        if name:
            index, call_id = _get(call, "index"), _get(call, "id")
            place = f"{choice}.{at if index is None else index}"
            yield ToolCall(name, call_id if isinstance(call_id, str) and call_id else None, place)
    legacy = _get(_get(message, "function_call"), "name")
    if legacy:
        yield ToolCall(legacy, None, f"{choice}.function_call")


def _items(value: Any, name: str) -> list[Any]:
    items = _get(value, name)
    return items if isinstance(items, list) else []


def _get(value: Any, name: str) -> Any:
    # Any: the SDK's objects, or the JSON they were made of.
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)
