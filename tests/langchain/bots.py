"""Configs for chat models, and what is written of them."""

from __future__ import annotations

from typing import Any

from ldai_core import AIConfigDefault, Message, ModelConfig, ProviderConfig, Tool
from ldai_langchain.params import chat_model_params

__all__ = ["BODY", "KWARGS", "NO_REST", "SPELLINGS", "bot", "params"]

TOOLS = {"a": Tool("weather", "Tells it")}

# What some classes take, as they are asked for it.
BODY = {"maxtokens": "max_completion_tokens", "stop": "stop", "extrabody": "extra_body", "modelkwargs": "model_kwargs"}
KWARGS = {"maxtokens": "max_tokens", "temperature": "temperature", "modelkwargs": "model_kwargs"}
NO_REST = {"numpredict": "num_predict", "stop": "stop", "model": "model"}

SPELLINGS = {
    "max_tokens": ["max_tokens", "maxTokens", "max-tokens", "MaxTokens", "MAX_TOKENS", "maxCompletionTokens"],
    "stop": ["stop", "Stop", "stopSequences", "stop_sequences", "stop-sequences"],
    "streaming": ["streaming", "stream"],
    "temperature": ["temperature", "Temperature", "TEMPERATURE"],
    "timeout": ["timeout", "requestTimeout", "request_timeout"],
    "max_retries": ["max_retries", "maxRetries", "max-retries"],
    "top_k": ["top_k", "topK", "top-k", "topk"],
    "top_p": ["top_p", "topP", "top-p", "TopP", "TOP_P", "topp"],
    "frequency_penalty": ["frequency_penalty", "frequencyPenalty", "frequency-penalty", "FrequencyPenalty"],
}
SPELLINGS["max_tokens"] += ["max_completion_tokens", "maxOutputTokens", "max_output_tokens", "max_tokens_to_sample"]


def bot(
    name: str = "any",
    provider: str | None = "openai",
    parameters: dict[str, Any] | None = None,
    region: str | None = None,
    **parts: Any,
) -> AIConfigDefault:
    """Make a config with a tool, and a system message if nothing else is said."""
    return AIConfigDefault(
        enabled=True,
        model=ModelConfig(name, parameters, {"own": 1}, region),
        provider=None if provider is None else ProviderConfig(provider),
        **{"messages": [Message("system", "Be brief.")], "tools": TOOLS, **parts},
    )


def params(parameters: dict[str, Any], fields: dict[str, str] | None = None, **overrides: Any) -> dict[str, Any]:
    """Write the arguments of a config of these parameters, without the model and the provider."""
    written = chat_model_params(bot(parameters=parameters, messages=None), overrides, fields)
    assert written.pop("model") == "any"
    assert written.pop("model_provider") == "openai"
    return written
