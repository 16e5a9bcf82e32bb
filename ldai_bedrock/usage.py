"""Token counts in the spelling of whoever sends them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ldai_core import TokenUsage
from ldai_core.values import whole_count

__all__ = ["field", "fields", "find_usage", "first_field", "items", "metrics_in", "read_usage", "usage_in_headers"]

# The names of counts, of which the first that is there holds. Converse, Nova and Anthropic leave the cached tokens out
# of their input, and give them beside it; everyone else has them in it.
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
# and https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
_UNCACHED = ("inputTokens", "input_tokens", "inputTokenCount")
_CACHED = (
    ("cacheReadInputTokens", "cache_read_input_tokens", "cacheReadInputTokenCount"),
    ("cacheWriteInputTokens", "cache_write_input_tokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens"),
)
_CACHES = frozenset(name for names in _CACHED for name in names)
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
_COUNTS = frozenset(_UNCACHED + _INPUT + _OUTPUT + _TOTAL)

# Where a body or a chunk has its usage: the first of these in which there are counts. The last is itself.
_PLACES = (
    ("usage",),
    ("metadata", "usage"),
    ("meta", "tokens"),
    ("meta", "billed_units"),
    ("token_count",),
    ("response", "meta", "tokens"),
    ("response", "meta", "billed_units"),
    ("response", "token_count"),
    (),
)

# Bedrock's own account of an invocation, in one of the chunks of a stream, whatever the model.
# Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html
_METRICS = "amazon-bedrock-invocationMetrics"

# Source: https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html
_HEADERS = {
    "inputTokenCount": "x-amzn-bedrock-input-token-count",
    "outputTokenCount": "x-amzn-bedrock-output-token-count",
    "cacheReadInputTokenCount": "x-amzn-bedrock-cache-read-input-token-count",
    "cacheWriteInputTokenCount": "x-amzn-bedrock-cache-write-input-token-count",
}
_NUMBER = re.compile("[0-9]{1,16}")


def read_usage(usage: Any) -> TokenUsage | None:
    """Read a usage in the spelling of Converse or of any model; None where there are no counts.

    The input includes the tokens read from and written to a cache, which Bedrock's `inputTokens` leaves out, so that
    variations compare with those of other providers. An absent count is unknown; the total is as the service says.
    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    if usage is None or (isinstance(usage, dict) and _COUNTS.isdisjoint(usage)):
        return None
    input_ = _count(usage, _UNCACHED)
    input_ = _count(usage, _INPUT) if input_ is None else _with_cached(input_, usage)
    output, total = _count(usage, _OUTPUT), _count(usage, _TOTAL)
    if input_ is None and output is None and total is None:
        return None
    return TokenUsage(total=total, input=input_, output=output)


def find_usage(body: Any) -> TokenUsage | None:
    """Find the usage in a body or a chunk of whatever model."""
    usage = None
    names = fields(body)
    for place in _PLACES:
        if place and place[0] not in names:
            continue
        found = body
        for name in place:
            found = field(found, name)
        usage = read_usage(found)
        if usage is not None:
            break
    # Titan's results count their own.
    counts = [whole_count(field(result, "tokenCount")) for result in items(body, "results")]
    known = [count for count in counts if count is not None]
    if not known or (usage is not None and usage.output is not None):
        return usage
    return replace(usage or TokenUsage(), output=sum(known))


def metrics_in(item: Any) -> TokenUsage | None:
    """Find Bedrock's own account in a chunk or a body; None where there is none that counts."""
    usage = read_usage(field(item, _METRICS))
    if usage is None or (isinstance(usage, dict) and _COUNTS.isdisjoint(usage)):
        return None
    usage = TokenUsage(input=whole_count(usage.input), output=whole_count(usage.output))
    return None if usage == TokenUsage() else usage


def usage_in_headers(headers: Any) -> TokenUsage | None:
    """Find the counts in the headers of a response, whose names are in lower case."""
    texts = {name: field(headers, header) for name, header in _HEADERS.items()}
    return read_usage(
        {name: int(text) for name, text in texts.items() if isinstance(text, str) and _NUMBER.fullmatch(text)}
    )


def field(value: Any, name: str) -> Any:
    """Find a field of a dict or an object."""
    if value is None:
        return None
    # Most are dicts, which are told sooner.
    return value.get(name) if isinstance(value, (dict, Mapping)) else getattr(value, name, None)


def first_field(value: Any, *names: str) -> Any:
    """Find a field by the first of its names under which there is anything."""
    for name in names:
        found = field(value, name)
        if found is not None:
            return found
    return None


def fields(value: Any) -> dict[str, Any]:
    """List the fields of a dict or an object by their names; of anything else none."""
    found = value if isinstance(value, dict) else getattr(value, "__dict__", None)
    return found if isinstance(found, dict) else {}


def items(value: Any, name: str) -> list[Any]:
    """Find a list; an empty one where there is anything else."""
    found = field(value, name)
    return found if isinstance(found, list) else []


def _count(usage: Any, names: tuple[str, ...]) -> Any:
    """Find a count by one of its names: one that is a number, or else whatever is there."""
    first = None
    for name in names:
        found = field(usage, name)
        if found is not None:
            if whole_count(found) is not None:
                return found
            first = found if first is None else first
    return first


def _with_cached(uncached: Any, usage: Any) -> Any:
    count = whole_count(uncached)
    if count is None:
        return uncached  # which is then no count, and dropped
    if isinstance(usage, dict) and _CACHES.isdisjoint(usage):
        return count
    return count + sum(whole_count(first_field(usage, *names)) or 0 for names in _CACHED)
