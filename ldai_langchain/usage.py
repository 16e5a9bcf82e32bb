"""Token counts, wherever in a message or a result they stand and however they are spelt. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ldai_core import TokenUsage
from ldai_core.metrics import clean_usage
from ldai_core.values import whole_count

__all__ = ["find_usage", "plain_usage", "read_usage"]

# The names of counts, of which the first that is one holds. Where LangChain counts itself the names are the first:
# https://reference.langchain.com/python/langchain_core/messages/#langchain_core.messages.ai.UsageMetadata .
# The others are the providers' own, which integrations hand on in a message's `response_metadata`.
_INPUT = (
    "input_tokens",
    "prompt_tokens",
    "inputTokens",
    "promptTokens",
    "inputTokenCount",
    "prompt_token_count",
    "input_token_count",
    "inputTextTokenCount",
    "prompt_eval_count",
)
_OUTPUT = (
    "output_tokens",
    "completion_tokens",
    "outputTokens",
    "completionTokens",
    "outputTokenCount",
    "candidates_token_count",
    "generated_token_count",
    "generation_token_count",
    "totalOutputTextTokenCount",
    "eval_count",
)
_TOTAL = ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount")

# Anthropic and Bedrock leave these out of an input of these names, and give them beside it. What others give as details
# of their input (`input_token_details`, `prompt_tokens_details`) is a part of it.
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
# and https://docs.claude.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance
_UNCACHED = ("input_tokens", "inputTokens", "inputTokenCount")
_CACHED = (
    ("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount"),
    (
        "cache_creation_input_tokens",
        "cache_write_input_tokens",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
    ),
)

_CACHES = frozenset(name for names in _CACHED for name in names)
_UNUSUAL = _CACHES | {"total_cost"}  # by which LangChain marks what its cache has answered

# Where counts stand in a message's metadata, in generation info and in `llm_output`: the first that has some.
_PLACES = (
    "usage_metadata",
    "token_usage",
    "usage",
    "tokenUsage",
    "amazon-bedrock-invocationMetrics",
    "metrics",
)


def plain_usage(counts: Any) -> TokenUsage | None:
    """Read LangChain's own counts where they are as they should be, and stand for themselves; else None."""
    if type(counts) is not dict or not _UNUSUAL.isdisjoint(counts):
        return None
    total, input_, output = counts.get("total_tokens"), counts.get("input_tokens"), counts.get("output_tokens")
    if type(total) is type(input_) is type(output) is int:
        usage = TokenUsage(total, input_, output)
        return usage if clean_usage(usage)[0] is usage else None
    return None


def find_usage(metadata: object) -> TokenUsage | None:
    """Find the counts in what an integration says beside its answer: in one of the usual places, or right there."""
    if not metadata or not isinstance(metadata, (dict, Mapping)):
        return None
    for place in _PLACES:
        usage = read_usage(metadata.get(place))
        if usage is not None:
            return usage
    # Of an answer that its client refuses to parse, LangChain hands on the body.
    return read_usage(metadata) or find_usage(metadata.get("body"))


def read_usage(counts: object) -> TokenUsage | None:
    """Read counts in whatever spelling; None where there are none."""
    if not counts or not isinstance(counts, (dict, Mapping)):
        return None
    input_ = _first(counts, _INPUT)
    output = _first(counts, _OUTPUT)
    total = _first(counts, _TOTAL)
    if input_ is None and output is None and total is None:
        return None
    # Mostly there are none, which is soon seen.
    if input_ is not None and not _CACHES.isdisjoint(counts) and _first(counts, _UNCACHED) is not None:
        for names in _CACHED:
            input_ += _first(counts, names) or 0
    return TokenUsage(total, input_, output)


def _first(counts: Mapping[Any, Any], names: Sequence[str]) -> int | None:
    for name in names:
        value = counts.get(name)
        if value is not None and (count := _count(value)) is not None:
            return count
    return None


def _count(value: object) -> int | None:
    """Take a count; several of them, one for each chunk that was merged, are summed."""
    if not isinstance(value, (list, tuple)):
        return whole_count(value)
    known = [count for each in value if (count := whole_count(each)) is not None]
    return sum(known) if known else None
