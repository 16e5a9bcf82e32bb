"""What LangChain hands to its callbacks, read: results, tokens as they come, and events. Pure, and total.

Sources: https://reference.langchain.com/python/langchain_core/outputs/
and https://reference.langchain.com/python/langchain_core/callbacks/
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from ldai_core import Reading, TokenUsage, ToolCall
from ldai_core.reading import NOTHING, OUTPUT, sum_usages
from ldai_langchain.usage import find_usage, plain_usage, read_usage

__all__ = ["is_counted_elsewhere", "read_result", "read_stream_event", "read_token", "structured_output_tools"]

_NO_TOKENS = TokenUsage(0, 0, 0)

# What stands beside the content of a block, and is none.
_MARKS = frozenset(
    {
        "annotations",
        "citations",
        "encoding",
        "encrypted_content",
        "extras",
        "id",
        "index",
        "mime_type",
        "phase",
        "role",
        "signature",
        "status",
        "type",
    }
)
# Where integrations put what has no place in the content.
_BESIDE = ("reasoning_content", "reasoning", "thinking", "refusal", "function_call", "tool_calls", "audio")


def read_result(result: Any, structured: frozenset[str] = frozenset()) -> Reading:
    """Read an `LLMResult`: tokens summed over its prompts, and the tools that its messages ask for.

    `structured` are names of tools that stand for a structured output, and are none.

    Of one prompt the usage is taken once, however many candidates there are, from the first of these that has any: a
    message's `usage_metadata`, `generation_info`, `response_metadata`; and if no prompt has any, from `llm_output`.
    A prompt answered by LangChain's own cache has no tokens. Any: LangChain hands on whatever an integration makes.
    """
    try:  # most are one text and its usage, and cost no more than it takes to see that
        ((generation,),) = result.generations
        message = generation.message
        usage = plain_usage(message.usage_metadata)
        if (
            usage is not None
            and not message.tool_calls
            and not message.invalid_tool_calls
            and not message.additional_kwargs.get("function_call")
        ):
            return Reading(usage)
    except (AttributeError, TypeError, ValueError):
        pass
    usages: list[TokenUsage] = []
    called: list[str | ToolCall] = []
    for prompt in _list(getattr(result, "generations", None)):
        candidates = _list(prompt)
        usage = _prompt_usage(candidates)
        if usage is not None:
            usages.append(usage)
        for candidate in candidates:
            called += _tool_calls(candidate)
    if usages:
        usage = sum_usages(usages) or _NO_TOKENS
    else:
        usage = None if is_counted_elsewhere(result) else find_usage(getattr(result, "llm_output", None))
    if structured:
        called = [call for call in called if (call if isinstance(call, str) else call.name) not in structured]
    return Reading(usage=usage, tool_calls=tuple(called))


def is_counted_elsewhere(result: Any) -> bool:
    """Say whether the usage of these prompts is with another: LangChain puts that of several with the first of them."""
    return bool(_get(getattr(result, "llm_output", None), "token_usage") == {})


def read_token(token: Any, chunk: Any) -> Reading:
    """Read what `on_llm_new_token` brings: text, reasoning, a refusal, or a fragment of a tool call is output.

    A chunk that has a role alone, a usage, or nothing but the mark of the last one, is no output.
    """
    message = getattr(chunk, "message", None)
    if message is None:
        return OUTPUT if _says(token) or _says(getattr(chunk, "text", None)) else NOTHING
    if _says(getattr(message, "content", None)) or _says(getattr(message, "tool_call_chunks", None)):
        return OUTPUT
    beside = getattr(message, "additional_kwargs", None)
    return OUTPUT if any(_says(_get(beside, name)) for name in _BESIDE) else NOTHING


def read_stream_event(event: Any) -> Reading:
    """Read what `on_stream_event` brings: the content of a block, in whichever of its three events it comes first."""
    if not isinstance(event, Mapping) or not str(event.get("event")).startswith("content-block-"):
        return NOTHING
    return OUTPUT if _says(event.get("delta")) or _says(event.get("content")) else NOTHING


def structured_output_tools(options: object, params: object = None) -> frozenset[str]:
    """Name the tool by which `with_structured_output` makes a model answer in a form, if that is how it does.

    LangChain says in a call's `options` that the output is structured, how, and by what schema. The name of the tool is
    the schema's title, or else that of the only tool in the call's `params`.
    """
    form = _get(options, "ls_structured_output_format")
    if form is None or _get(_get(form, "kwargs"), "method") not in (None, "function_calling"):
        return frozenset()
    bound = [_tool_name(tool) for tool in _list(_get(params, "tools"))]
    names = [_get(_get(form, "schema"), "title"), *(bound if len(bound) == 1 else [])]
    return frozenset(name for name in names if isinstance(name, str))


def _tool_name(tool: object) -> Any:
    """Name a tool in the shape of OpenAI, of Converse, or of Anthropic."""
    return _get(_get(tool, "function"), "name") or _get(_get(tool, "toolSpec"), "name") or _get(tool, "name")


def _prompt_usage(candidates: list[Any]) -> TokenUsage | None:
    messages = [getattr(candidate, "message", None) for candidate in candidates]
    counted = [getattr(message, "usage_metadata", None) for message in messages]
    for counts in counted:
        if _is_from_cache(counts):
            return _NO_TOKENS
    infos = (getattr(candidate, "generation_info", None) for candidate in candidates)
    metadata = (getattr(message, "response_metadata", None) for message in messages)
    for usage in chain(map(read_usage, counted), map(find_usage, infos), map(find_usage, metadata)):
        if usage is None:
            continue
        if usage.total is None and usage.input is not None and usage.output is not None:  # here, as prompts are summed
            return TokenUsage(usage.input + usage.output, usage.input, usage.output)
        return usage
    return None


def _is_from_cache(counts: object) -> bool:
    """Tell a hit in LangChain's cache, which leaves the old counts and says that they cost nothing."""
    cost = _get(counts, "total_cost")
    return cost is not None and isinstance(cost, (int, float)) and not isinstance(cost, bool) and cost == 0


def _tool_calls(candidate: Any) -> list[str | ToolCall]:
    """List the tools that a message asks for, also those whose arguments could not be parsed."""
    message = getattr(candidate, "message", None)
    asked = [
        *_list(getattr(message, "tool_calls", None)),
        *_list(getattr(message, "invalid_tool_calls", None)),
    ]
    calls: list[str | ToolCall] = []
    for each in asked:
        name, id_ = _get(each, "name"), _get(each, "id")
        if isinstance(name, str):
            calls.append(ToolCall(name, id_) if isinstance(id_, str) else name)
    # What OpenAI had before tools: https://platform.openai.com/docs/api-reference/chat/object
    function = _get(_get(getattr(message, "additional_kwargs", None), "function_call"), "name")
    return calls or ([function] if isinstance(function, str) else [])


def _get(mapping: object, key: str) -> Any:
    # None, and then dicts, are told sooner.
    return mapping.get(key) if mapping is not None and isinstance(mapping, (dict, Mapping)) else None


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _says(value: Any) -> bool:
    """Say whether there is content in a piece of a message: a text somewhere that is not empty, marks apart."""
    left = [value]  # no recursion, for a provider nests as deep as it likes
    while left:
        piece = left.pop()
        if isinstance(piece, str) and piece != "":
            return True
        if isinstance(piece, Mapping):
            left += [each for name, each in piece.items() if name not in _MARKS]
        elif isinstance(piece, (list, tuple)):
            left += piece
    return False
