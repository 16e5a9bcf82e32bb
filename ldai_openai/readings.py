"""Readings of what the OpenAI API answers. Pure: facts in, facts out, from the SDK's objects and from plain dicts.

Other services speak the same API with less care, so every field may be absent, null, or of another type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ldai_core import Reading, TokenUsage, ToolCall
from ldai_core.reading import NOTHING, OUTPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FAILED",
    "Status",
    "is_event",
    "is_usage_only",
    "read_chat_chunk",
    "read_chat_completion",
    "read_completion",
    "read_openai",
    "read_response",
    "read_response_event",
    "read_status",
    "read_usage",
    "was_stopped",
]

FAILED = Reading(failed=True)

# What is output in a chunk's delta, beside its content. Reasoning is no part of OpenAI's own chat API: DeepSeek, vLLM
# and llama.cpp call it `reasoning_content`, OpenRouter calls it `reasoning`.
_OUTPUT = ("refusal", "tool_calls", "function_call", "reasoning_content", "reasoning", "audio")

# The states of a response that are failures, and the events that are named after them; those in which it goes on.
_FAILURES = frozenset({"failed", "cancelled"})
_FAILING = frozenset(f"response.{state}" for state in _FAILURES)
_WAITING = frozenset({"queued", "in_progress"})
# What is output in the events of a transcription, of speech, or of an image.
_MEDIA = ("delta", "text", "audio", "b64_json")
# What the end of a part brings, all at once where it did not come in deltas.
_DONE = ("text", "refusal", "arguments", "input", "code")


def read_openai(item: Any) -> Reading:
    """Read whatever a request returned, a response or an item of a stream, by its own account of what it is.

    Chat completions, legacy completions, the Responses API, and everything else that has a `usage`: embeddings,
    images, transcriptions, and the events of their streams. A `status` of `failed` is a failure, of a video say.
    Source: https://platform.openai.com/docs/api-reference
    """
    kind, event = _get(item, "object"), _get(item, "type")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is not None:
        return read(item)
    choices = _items(item, "choices")
    if choices and _get(choices[0], "delta"):  # a chunk of a service that does not say so
        return read_chat_chunk(item)
    if not isinstance(event, str):
        reading = read_chat_completion(item)
        return replace(reading, failed=True) if _get(item, "status") == "failed" else reading
    if event.startswith("response.") or event == "error":
        return read_response_event(item)
    return Reading(usage=read_usage(_get(item, "usage")), output=any(_get(item, field) for field in _MEDIA))


def read_chat_completion(response: Any) -> Reading:
    """Read a whole chat completion: its usage, and the tools that it asks for.

    A length stop, a content filter, a refusal and a reply of tool calls alone are answers like any others. An `error`
    in place of choices, as some gateways send with status 200, is a failure, and so is a choice that ends with
    `error`, as OpenRouter has it.
    Source: https://platform.openai.com/docs/api-reference/chat/object
    """
    try:  # most are one text and its usage, and cost no more than it takes to see that
        (choice,) = response.choices
        message, usage = choice.message, response.usage
        prompt, completion = usage.prompt_tokens, usage.completion_tokens
        if (
            type(prompt) is type(completion) is int
            and choice.finish_reason != "error"
            and message.tool_calls is None
            and message.function_call is None
        ):
            return Reading(TokenUsage(usage.total_tokens, prompt, completion))
    except (AttributeError, TypeError, ValueError):
        pass
    choices = _items(response, "choices")
    return Reading(
        usage=read_usage(_get(response, "usage")),
        failed=_has_failed(response, choices),
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
    try:  # most chunks are one piece of text, and cost no more than it takes to see that
        (choice,) = chunk.choices
        delta = choice.delta
        if (
            delta.content
            and chunk.usage is None
            and choice.finish_reason is None
            and delta.tool_calls is None
            and delta.function_call is None
        ):
            return OUTPUT
    except (AttributeError, TypeError, ValueError):
        pass
    choices = _items(chunk, "choices")
    usage = read_usage(_get(chunk, "usage"))
    tool_calls: list[ToolCall] = []
    output = failed = False
    for place, choice in enumerate(choices):
        delta = _get(choice, "delta")
        output = output or bool(_get(delta, "content")) or any(_get(delta, field) for field in _OUTPUT)
        failed = failed or _get(choice, "finish_reason") == "error"
        if _get(delta, "tool_calls") or _get(delta, "function_call"):
            index = _get(choice, "index")
            tool_calls += _tool_calls(delta, place if index is None else index)
    if usage is None and not tool_calls and not failed:
        return OUTPUT if output else NOTHING
    return Reading(usage, output, failed, tuple(tool_calls))


def read_completion(item: Any) -> Reading:
    """Read a legacy completion, whole or one chunk of a stream, which have the same shape.

    Source: https://platform.openai.com/docs/api-reference/completions/object
    """
    choices = _items(item, "choices")
    usage = read_usage(_get(item, "usage"))
    output = any(_get(choice, "text") for choice in choices)
    return Reading(usage, output, _has_failed(item, choices))


def read_response(response: Any) -> Reading:
    """Read a response of the Responses API: its usage, whether it failed, and the tools that were called.

    `failed` and `cancelled` are failures; `incomplete`, which is a stop at a limit or a filter, is none.
    Source: https://platform.openai.com/docs/api-reference/responses/object
    """
    status = _get(response, "status")
    return Reading(
        usage=read_usage(_get(response, "usage")),
        failed=status in _FAILURES if isinstance(status, str) else _has_error(response),
        tool_calls=tuple(
            tool_call
            for place, item in enumerate(_items(response, "output"))
            for tool_call in _tool_calls_of_item(item, place)
        ),
    )


def read_response_event(event: Any) -> Reading:
    """Read one event of a streamed response; most say no more than that there is output, or not even that.

    Text, a refusal, reasoning and what a tool is called with are output; so is the beginning of a tool call.
    Source: https://platform.openai.com/docs/api-reference/responses-streaming
    """
    kind = _get(event, "type")
    if not isinstance(kind, str):  # the first releases of the SDK with this API wrap an error in an event of their own
        return FAILED if _get(event, "event") == "error" else NOTHING
    if kind.endswith(".delta"):  # what a shell answers is no output of the model
        return OUTPUT if _get(event, "delta") and "call_output" not in kind else NOTHING
    if kind in ("response.output_item.added", "response.output_item.done"):
        tool_calls = tuple(_tool_calls_of_item(_get(event, "item"), _get(event, "output_index")))
        return Reading(output=True, tool_calls=tool_calls) if tool_calls else NOTHING
    if kind == "error":
        return FAILED
    response = _get(event, "response")
    if response is not None or kind in _FAILING:  # created, in progress, completed, and so on
        reading = read_response(response)
        return replace(reading, failed=True) if kind in _FAILING else reading
    done = kind.endswith(".done") and any(_get(event, field) for field in _DONE)
    return OUTPUT if done or kind.endswith(".partial_image") else NOTHING


@dataclass(frozen=True, slots=True)
class Status:
    """How far a response of the Responses API is, and whether it goes on without the request that reads it."""

    id: str | None
    waiting: bool
    background: bool


def read_status(item: Any) -> Status | None:
    """Read how far a response is, from itself or from an event that carries it; None where nothing is said of that.

    One that is returned while it is `queued` or `in_progress` is in the background, for there is no more to come; one
    that is streamed says so by its field `background`.
    Source: https://platform.openai.com/docs/guides/background
    """
    kind = _get(item, "object")
    if kind != "response" and isinstance(kind, str):  # any other API's
        return None
    response = item if kind == "response" else _get(item, "response")
    status = _get(response, "status")
    if not isinstance(status, str):
        return None
    return Status(
        id=_text(_get(response, "id")),
        waiting=status in _WAITING,
        background=response is item or _get(response, "background") is True,
    )


def is_event(item: Any) -> bool:
    """Tell an event of a streamed response from what is returned whole."""
    return isinstance(_get(item, "type"), str)


def was_stopped(response: Any) -> bool:
    """Tell a response of the Responses API that ends at a limit or a filter, so that it need not fit what was asked.

    Source: https://platform.openai.com/docs/api-reference/responses/object#responses/object-incomplete_details
    """
    return bool(_get(response, "status") == "incomplete")


def read_usage(usage: Any) -> TokenUsage | None:
    """Read a usage; None where there is none, or none in tokens, and a count that is absent is unknown.

    The prompt's count includes the cached tokens, and the completion's the reasoning: details, which are never added.
    Source: https://platform.openai.com/docs/api-reference/chat/object#chat/object-usage for `prompt_tokens` and
    `completion_tokens`; the Responses API, images and transcriptions say `input_tokens` and `output_tokens`:
    https://platform.openai.com/docs/api-reference/responses/object#responses/object-usage
    """
    if usage is None:
        return None
    total = _get(usage, "total_tokens")
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    completion = _count(usage, "completion_tokens", "output_tokens")
    if total is None and prompt is None and completion is None:
        return None
    return TokenUsage(total=total, input=prompt, output=completion)


def is_usage_only(chunk: Any) -> bool:
    """Tell the chunk that `stream_options.include_usage` adds at the end: usage, and no choices."""
    return not _items(chunk, "choices")


def _count(usage: Any, *names: str) -> Any:
    """Find a count by one of its names: one that is a number, or else whatever is there."""
    first = None
    for name in names:  # what is asked for in vain takes long
        value = _get(usage, name)
        if isinstance(value, int):
            return value
        first = value if first is None else first
    return first


def _has_failed(response: Any, choices: list[Any]) -> bool:
    if not choices:
        return _has_error(response)
    return "error" in [_get(choice, "finish_reason") for choice in choices]


def _has_error(response: Any) -> bool:
    error = _get(response, "error")
    return bool(error) and (isinstance(error, (dict, str)) or isinstance(_get(error, "message"), str))


def _tool_calls(message: Any, choice: object) -> Iterator[ToolCall]:
    """Go through the tool calls of a message or a delta that have a name; later fragments of a call have none."""
    for at, call in enumerate(_items(message, "tool_calls")):
        # `custom` is a tool that takes free text instead of JSON.
        name = _get(_get(call, "function"), "name") or _get(_get(call, "custom"), "name")
        if name:
            index = _get(call, "index")
            yield ToolCall(name, _text(_get(call, "id")), f"{choice}.{at if index is None else index}")
    legacy = _get(_get(message, "function_call"), "name")
    if legacy:
        yield ToolCall(legacy, None, f"{choice}.function_call")


def _tool_calls_of_item(item: Any, place: object) -> Iterator[ToolCall]:
    """Give the tool call that an item of a response's output is, if it is one.

    A function, a custom tool and a tool of an MCP server are called by their names; a hosted tool is what it is:
    `web_search_call` is a call of `web_search`. What a tool answers is another item.
    """
    kind = _get(item, "type")
    if isinstance(kind, str) and kind.endswith("_call"):
        name = _text(_get(item, "name")) or kind.removesuffix("_call")
        yield ToolCall(name, _text(_get(item, "call_id")) or _text(_get(item, "id")), f"{place}.{kind}")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _items(value: Any, name: str) -> list[Any]:
    items = _get(value, name)
    return items if isinstance(items, list) else []


def _get(value: Any, name: str) -> Any:
    # Any: the SDK's objects, or the JSON they were made of.
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


# By what an object says it is.
_READERS = {
    "chat.completion.chunk": read_chat_chunk,
    "response": read_response,
    "text_completion": read_completion,
}
