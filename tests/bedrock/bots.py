"""Configs for Bedrock, and what is written of them."""

from __future__ import annotations

from typing import Any

from ldai_bedrock import converse_params
from ldai_core import AIConfigDefault, ModelConfig, Tool

__all__ = ["FIELDS", "NOVA", "NOW", "NO_SCHEMA", "SCHEMA", "TOOLS", "WEATHER", "bot", "params", "said"]

NOVA = "amazon.nova-lite-v1:0"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
NO_SCHEMA = {"type": "object", "properties": {}}
WEATHER = {"toolSpec": {"name": "weather", "description": "Tells it", "inputSchema": {"json": SCHEMA}}}
NOW = {"toolSpec": {"name": "now", "inputSchema": {"json": NO_SCHEMA}}}
TOOLS = {"a": Tool("weather", "Tells it", "function", SCHEMA, {"timeout": 3}), "b": Tool("now", "")}
FIELDS = {
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "guardrailConfig": {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
    "outputConfig": {"effort": "low"},
    "performanceConfig": {"latency": "optimized"},
    "projectIdentifier": "any",
    "promptVariables": {"city": {"text": "Oslo"}},
    "requestMetadata": {"team": "support"},
    "serviceTier": {"type": "flex"},
}


def bot(parameters: dict[str, Any] | None = None, **parts: Any) -> AIConfigDefault:
    """Make a config with these parameters."""
    return AIConfigDefault(enabled=True, model=ModelConfig(NOVA, parameters), **parts)


def params(parameters: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """Write the keyword arguments of a config with these parameters, without its model and messages."""
    written = converse_params(bot(parameters, **parts))
    assert written.pop("modelId") == NOVA
    assert written.pop("messages") == []
    return written


def said(*texts: str) -> list[dict[str, str]]:
    """Write texts as blocks."""
    return [{"text": text} for text in texts]
