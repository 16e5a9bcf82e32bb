"""From an AI Config to the keyword arguments of an OpenAI call. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ldai_core import AIConfig, AIConfigDefault, Tool

__all__ = ["chat_params", "responses_params"]

# LaunchDarkly's names for parameters, and OpenAI's.
# Source: https://platform.openai.com/docs/api-reference/chat/create
# and https://platform.openai.com/docs/api-reference/responses/create
_NAMES = {
    "frequencyPenalty": "frequency_penalty",
    "logitBias": "logit_bias",
    "maxCompletionTokens": "max_completion_tokens",
    "maxOutputTokens": "max_output_tokens",
    "maxTokens": "max_tokens",
    "maxToolCalls": "max_tool_calls",
    "parallelToolCalls": "parallel_tool_calls",
    "presencePenalty": "presence_penalty",
    "promptCacheKey": "prompt_cache_key",
    "promptCacheRetention": "prompt_cache_retention",
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
# What the chat API has and the Responses API has not.
_CHAT_ALONE = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "modalities",
        "n",
        "prediction",
        "presence_penalty",
        "reasoning_effort",
        "response_format",
        "seed",
        "stop",
        "verbosity",
        "web_search_options",
    }
)


def chat_params(config: AIConfig | AIConfigDefault, messages: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the keyword arguments for `chat.completions.create`: model, messages, parameters and tools.

    `messages` are appended to the config's own. Parameters in LaunchDarkly's spelling (`maxTokens`) get OpenAI's
    (`max_tokens`); those that OpenAI knows already, and unknown ones, pass as they are, and where both are given,
    OpenAI's spelling wins. `model` and `tools` are left out where the config has none. The result is the caller's.
    Source: https://platform.openai.com/docs/api-reference/chat/create
    """
    params = _parameters(config)
    params["messages"] = [message.to_dict() for message in config.messages or ()] + list(messages)
    if config.tools:
        params["tools"] = [_chat_tool(tool) for tool in config.tools.values()]
    return params


def responses_params(
    config: AIConfig | AIConfigDefault,
    input: str | Iterable[Mapping[str, Any]] = (),  # noqa: A002  # the API's name
) -> dict[str, Any]:
    """Return the keyword arguments for `responses.create`: model, instructions, input, parameters and tools.

    The system messages that a config begins with are the `instructions`, its other messages the beginning of `input`,
    to which what is given is appended; a string is a message of the user's. Parameters, in LaunchDarkly's spelling or
    in that of the chat API, get the names and shapes of the Responses API: `maxTokens` is `max_output_tokens`,
    `reasoningEffort` is `reasoning.effort`, `responseFormat` is `text.format`. Those that only the chat API has, such
    as `seed` and `stop`, are left out; unknown ones pass as they are, and the Responses API's own spelling wins.
    `model`, `instructions` and `tools` are left out where the config has none. The result is the caller's.

    Tools are sent as not strict, as the chat API takes them, whatever their schema; a tool of another type than
    `function` is a hosted one, whose parameters stand beside its type.
    Source: https://platform.openai.com/docs/guides/migrate-to-responses
    """
    params = _parameters(config)
    chat = {name: params.pop(name, None) for name in _CHAT_ALONE}
    limits = [chat[name] for name in ("max_completion_tokens", "max_tokens") if chat[name] is not None]
    if limits:
        params.setdefault("max_output_tokens", limits[0])
    _nest(params, "reasoning", effort=chat["reasoning_effort"])
    _nest(params, "text", format=_flat(chat["response_format"]), verbosity=chat["verbosity"])
    if "tool_choice" in params:
        params["tool_choice"] = _flat(params["tool_choice"])
    messages = [message.to_dict() for message in config.messages or ()]
    leading = next((at for at, message in enumerate(messages) if message["role"] != "system"), len(messages))
    if leading:
        params["instructions"] = "\n\n".join(message["content"] for message in messages[:leading])
    given = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
    params["input"] = messages[leading:] + given
    if config.tools:
        params["tools"] = [_responses_tool(tool) for tool in config.tools.values()]
    elif isinstance(params.get("tools"), list):
        params["tools"] = [_flat(tool) for tool in params["tools"]]
    return params


def _parameters(config: AIConfig | AIConfigDefault) -> dict[str, Any]:
    """Copy the model's parameters under OpenAI's names, its own spelling first, and add the model's name."""
    if config.model is None:
        return {}
    own: dict[str, Any] = config.to_dict()["model"]["parameters"] or {}
    params = {_NAMES.get(name, name): value for name, value in own.items()}
    params |= {name: value for name, value in own.items() if name in _NAMES.values()}
    if config.tools is not None:  # they win over a list among the parameters
        params.pop("tools", None)
    return params | {"model": config.model.name}


def _chat_tool(tool: Tool) -> dict[str, Any]:
    """Write a tool in the shape of the chat API: https://platform.openai.com/docs/guides/function-calling ."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.to_dict().get("parameters")}
    return {"type": "function", "function": {name: value for name, value in function.items() if value is not None}}


def _responses_tool(tool: Tool) -> dict[str, Any]:
    """Write a tool in the shape of the Responses API: https://platform.openai.com/docs/guides/function-calling ."""
    parameters = tool.to_dict().get("parameters")
    if tool.type not in (None, "function"):
        return {**(parameters or {}), "type": tool.type}
    function = {"type": "function", "name": tool.name, "description": tool.description, "parameters": parameters}
    return {**{name: value for name, value in function.items() if value is not None}, "strict": False}


def _flat(nested: Any) -> Any:
    """Move what the chat API nests under the name of its type to the side of the type, as the Responses API has it."""
    kind = nested.get("type") if isinstance(nested, dict) else None
    inner = nested.get(kind) if isinstance(kind, str) else None
    return {"type": kind, **inner} if isinstance(inner, dict) else nested


def _nest(params: dict[str, Any], name: str, **values: Any) -> None:
    """Put what the chat API has beside the other parameters into one of them, under what is there already."""
    known = {key: value for key, value in values.items() if value is not None}
    own = params.get(name, {})
    if known and isinstance(own, dict):
        params[name] = {**known, **own}
