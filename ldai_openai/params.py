"""From an AI Config to the keyword arguments of an OpenAI call. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ldai_core import AIConfig, AIConfigDefault, Tool

__all__ = ["chat_params"]

# LaunchDarkly's names for parameters, and OpenAI's.
# Source: https://platform.openai.com/docs/api-reference/chat/create
_CHAT = {
    "frequencyPenalty": "frequency_penalty",
    "logitBias": "logit_bias",
    "maxCompletionTokens": "max_completion_tokens",
    "maxTokens": "max_tokens",
    "parallelToolCalls": "parallel_tool_calls",
    "presencePenalty": "presence_penalty",
    "promptCacheKey": "prompt_cache_key",
    "reasoningEffort": "reasoning_effort",
    "responseFormat": "response_format",
    "safetyIdentifier": "safety_identifier",
    "serviceTier": "service_tier",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "streamOptions": "stream_options",
    "toolChoice": "tool_choice",
    "topLogprobs": "top_logprobs",
    "topP": "top_p",
    "webSearchOptions": "web_search_options",
}


def chat_params(config: AIConfig | AIConfigDefault, messages: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the keyword arguments for `chat.completions.create`: model, messages, parameters and tools.

    `messages` are appended to the config's own. Parameters in LaunchDarkly's spelling (`maxTokens`) get OpenAI's
    (`max_tokens`); those that OpenAI knows already, and unknown ones, pass as they are, and where both are given,
    OpenAI's spelling wins. `model` and `tools` are left out where the config has none. The result is the caller's.
    Source: https://platform.openai.com/docs/api-reference/chat/create
    """
    params: dict[str, Any] = {}
    if config.model is not None:
        own: dict[str, Any] = config.to_dict()["model"]["parameters"] or {}
        params = {_CHAT.get(name, name): value for name, value in own.items()} | {
            name: value for name, value in own.items() if name in _CHAT.values()
        }
        params["model"] = config.model.name
    params["messages"] = [message.to_dict() for message in config.messages or ()] + list(messages)
    if config.tools is not None:
        params.pop("tools", None)
    if config.tools:
        params["tools"] = [_chat_tool(tool) for tool in config.tools.values()]
    return params


def _chat_tool(tool: Tool) -> dict[str, Any]:
    """Write a tool in the shape of the chat API: https://platform.openai.com/docs/guides/function-calling ."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.to_dict().get("parameters")}
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}
