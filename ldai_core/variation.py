"""From whatever a flag serves to the parts of a config. Total: any JSON at all, never an exception.

The payload is described in https://launchdarkly.com/docs/sdk/features/ai-config and in docs/contract.md.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ldai_core.config import DEEPEST, AIConfigDefault, Message, ModelConfig, ProviderConfig, Tool, copy_json, copy_model
from ldai_core.values import LARGEST

__all__ = ["Variation", "fallback_variation", "read_variation"]

T = TypeVar("T")

# The kinds of configs. Source: https://launchdarkly.com/docs/home/ai-configs
MODES = frozenset({"completion", "agent", "judge"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Variation:
    """What all kinds of configs are made of, and what a tracker says about them."""

    enabled: bool = False
    model: ModelConfig | None = None
    provider: ProviderConfig | None = None
    messages: list[Message] | None = None
    tools: dict[str, Tool] | None = None
    variation_key: str = ""
    version: int = 1
    model_key: str | None = None
    model_version: int | None = None


def read_variation(config_key: str, value: object, mode: str = "completion") -> Variation | None:
    """Read what a flag served; None where the caller's default is to be used instead.

    Each bad part degrades alone, to None or by being skipped, with one warning for each value of a wrong type.
    """
    fields = _Fields(config_key)
    variation = fields.mapping("the variation", value)
    if variation is None:
        if value is None:
            fields.warn("the variation", "an object", None)
        return None
    return _read(fields, variation, mode)


def fallback_variation(default: AIConfigDefault) -> Variation:
    """Turn the application's own default into the parts of a config."""
    try:
        model = copy_model(default.model)
    except RecursionError:  # parameters that contain themselves: nothing could copy them
        model = default.model
    return Variation(
        enabled=default.enabled,
        model=model,
        provider=default.provider,
        messages=None if default.messages is None else list(default.messages),
        tools=None if default.tools is None else dict(default.tools),
    )


class _Fields:
    """Reads fields of one config: null is absent, and a value of a wrong type is absent too, with one warning."""

    def __init__(self, config_key: str) -> None:
        self.config_key = config_key
        self.warnings = 0

    def text(self, field: str, value: object) -> str | None:
        return self._typed(field, value, str, "a string")

    def integer(self, field: str, value: object) -> int | None:
        whole = self._typed(field, value, int, "an integer")
        if whole is not None and abs(whole) > LARGEST:
            self.warn(field, f"an integer of at most {LARGEST}", value)
            return None
        return whole

    def boolean(self, field: str, value: object) -> bool | None:
        return self._typed(field, value, bool, "true or false")

    def mapping(self, field: str, value: object) -> Mapping[str, Any] | None:
        if type(value) is dict:  # as JSON has it; asking an abstract class takes ten times as long
            return value
        return self._typed(field, value, Mapping, "an object")  # type: ignore[type-abstract]  # for isinstance

    def json(self, field: str, value: object) -> dict[str, Any] | None:
        """Read an object that is handed on as it is: as a copy, for the base SDK holds the original."""
        mapping = self.mapping(field, value)
        try:
            return None if mapping is None else copy_json(dict(mapping))
        except RecursionError:
            self.warn(field, f"an object nested at most {DEEPEST} deep", value)
            return None

    def items(self, field: str, value: object) -> list[object] | None:
        return self._typed(field, value, list, "a list")

    def warn(self, field: str, expected: str, value: object) -> None:
        self.warnings += 1
        came = "nothing" if value is None else type(value).__name__
        _log.warning("AI Config %r: ignoring %s: expected %s, got %s", self.config_key, field, expected, came)

    def _typed(self, field: str, value: object, kind: type[T], expected: str) -> T | None:
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return value
        if value is not None:
            self.warn(field, expected, value)
        return None


def _read(fields: _Fields, variation: Mapping[str, Any], mode: str) -> Variation | None:
    meta = fields.mapping("_ldMeta", variation.get("_ldMeta")) or {}
    served_mode = fields.text("_ldMeta.mode", meta.get("mode")) or "completion"
    if served_mode != mode:
        served = repr(served_mode) if served_mode in MODES else "unknown"
        _log.warning("AI Config %r: _ldMeta.mode is %s, not %r; using the default", fields.config_key, served, mode)
        return None
    version = fields.integer("_ldMeta.version", meta.get("version"))
    raw_model = fields.mapping("model", variation.get("model"))
    return Variation(
        enabled=fields.boolean("_ldMeta.enabled", meta.get("enabled")) or False,
        model=_read_model(fields, raw_model),
        provider=_read_provider(fields, variation.get("provider")),
        messages=_read_messages(fields, variation.get("messages")),
        tools=_read_tools(fields, variation.get("tools"), raw_model),
        variation_key=fields.text("_ldMeta.variationKey", meta.get("variationKey")) or "",
        version=1 if version is None else version,
        model_key=fields.text("_ldMeta.modelKey", meta.get("modelKey")),
        model_version=fields.integer("_ldMeta.modelVersion", meta.get("modelVersion")),
    )


def _read_model(fields: _Fields, model: Mapping[str, Any] | None) -> ModelConfig | None:
    if model is None:
        return None
    name = model.get("name")
    if not isinstance(name, str) or not name:
        fields.warn("model.name", "a non-empty string", name)
        return None
    return ModelConfig(
        name=name,
        parameters=fields.json("model.parameters", model.get("parameters")),
        custom=fields.json("model.custom", model.get("custom")),
        region=fields.text("model.region", model.get("region")),
    )


def _read_provider(fields: _Fields, value: object) -> ProviderConfig | None:
    provider = fields.mapping("provider", value)
    name = None if provider is None else fields.text("provider.name", provider.get("name"))
    return ProviderConfig(name) if name else None


def _read_messages(fields: _Fields, value: object) -> list[Message] | None:
    items = fields.items("messages", value)
    if items is None:
        return None
    messages = (_read_message(fields, f"messages[{index}]", item) for index, item in enumerate(items))
    return [message for message in messages if message is not None]


def _read_message(fields: _Fields, place: str, value: object) -> Message | None:
    message = fields.mapping(place, value)
    if message is None:
        return None
    warnings = fields.warnings
    role = fields.text(f"{place}.role", message.get("role"))
    content = fields.text(f"{place}.content", message.get("content"))
    if role and content is not None:
        return Message(role, content)
    if fields.warnings == warnings:
        fields.warn(place, "a role and a content", message)
    return None


def _read_tools(fields: _Fields, value: object, model: Mapping[str, Any] | None) -> dict[str, Tool] | None:
    """Read the tools by key; what stands at the root wins over the older list among the model's parameters."""
    if value is None:
        return _read_listed_tools(fields, model)
    tools = fields.mapping("tools", value)
    if tools is None:
        return None
    read = {key: _read_tool(fields, f"tools.{key}", tool, key) for key, tool in tools.items()}
    return {key: tool for key, tool in read.items() if tool is not None}


def _read_listed_tools(fields: _Fields, model: Mapping[str, Any] | None) -> dict[str, Tool] | None:
    parameters = model and model.get("parameters")
    listed = parameters.get("tools") if isinstance(parameters, Mapping) else None
    items = fields.items("model.parameters.tools", listed) or ()
    read = (_read_tool(fields, f"model.parameters.tools[{index}]", item) for index, item in enumerate(items))
    return {tool.name: tool for tool in read if tool is not None} or None


def _read_tool(fields: _Fields, place: str, value: object, key: object = None) -> Tool | None:
    """Read one tool; under its key it may go without a name of its own."""
    tool = fields.mapping(place, value)
    if tool is None:
        return None
    warnings = fields.warnings
    name = fields.text(f"{place}.name", tool.get("name")) or key
    if not isinstance(name, str) or not name:
        if fields.warnings == warnings:
            fields.warn(f"{place}.name", "a non-empty string", name)
        return None
    return Tool(
        name=name,
        description=fields.text(f"{place}.description", tool.get("description")),
        type=fields.text(f"{place}.type", tool.get("type")),
        parameters=fields.json(f"{place}.parameters", tool.get("parameters")),
        custom_parameters=fields.json(f"{place}.customParameters", tool.get("customParameters")),
    )
