"""AI Configs: what LaunchDarkly serves, and what the application falls back on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ldai_core.arguments import check_text, check_type

if TYPE_CHECKING:
    from ldai_core.tracker import AIConfigTracker

__all__ = ["AIConfig", "AIConfigDefault", "Message", "ModelConfig", "ProviderConfig", "Tool", "copy_json"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. LaunchDarkly's roles are `system`, `user` and `assistant`."""

    role: str
    content: str

    def __post_init__(self) -> None:
        check_text("role", self.role)
        check_type("content", self.content, str, "a string")

    def to_dict(self) -> dict[str, str]:
        """Write the message as LaunchDarkly does."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The model: its name, the parameters to call it with, and what else a variation says about it.

    `parameters` carry LaunchDarkly's names (`maxTokens`), which each adapter's `*_params` maps to the provider's.
    `custom` is the application's own; no adapter sends it. Source: https://launchdarkly.com/docs/home/ai-configs
    """

    name: str
    parameters: dict[str, Any] | None = None
    custom: dict[str, Any] | None = None
    region: str | None = None

    def __post_init__(self) -> None:
        check_text("name", self.name)

    def to_dict(self) -> dict[str, Any]:
        """Write the model as LaunchDarkly does; `region` only where it is set."""
        model = {
            "name": self.name,
            "parameters": copy_json(self.parameters),
            "custom": copy_json(self.custom),
        }
        return model if self.region is None else {**model, "region": self.region}


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """The provider, by LaunchDarkly's name for it (`openai`, `bedrock`)."""

    name: str

    def __post_init__(self) -> None:
        check_type("name", self.name, str, "a string")

    def to_dict(self) -> dict[str, str]:
        """Write the provider as LaunchDarkly does."""
        return {"name": self.name}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may ask for: `parameters` is a JSON Schema, `custom_parameters` the application's own."""

    name: str
    description: str | None = None
    type: str | None = None
    parameters: dict[str, Any] | None = None
    custom_parameters: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        check_text("name", self.name)

    def to_dict(self) -> dict[str, Any]:
        """Write the tool as LaunchDarkly does, without what is not set."""
        tool = {
            "name": self.name,
            "description": self.description,
            "type": self.type,
            "parameters": copy_json(self.parameters),
            "customParameters": copy_json(self.custom_parameters),
        }
        return {name: value for name, value in tool.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a config and a fallback have in common."""

    enabled: bool = False
    model: ModelConfig | None = None
    provider: ProviderConfig | None = None
    messages: list[Message] | None = None
    tools: dict[str, Tool] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Write the config as LaunchDarkly does: `tools` only where they are set, and no tracker."""
        parts: dict[str, Any] = {
            "_ldMeta": {"enabled": self.enabled},
            "messages": None if self.messages is None else [message.to_dict() for message in self.messages],
            "model": self.model and self.model.to_dict(),
            "provider": self.provider and self.provider.to_dict(),
        }
        if self.tools is not None:
            parts["tools"] = {key: tool.to_dict() for key, tool in self.tools.items()}
        return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class AIConfig(_Parts):
    """A config as `AIClient.completion_config` returns it; constructing one directly is not supported.

    What is not there is None: a disabled config, or one of which LaunchDarkly served a part that could not be read.
    """

    key: str
    tracker_factory: Callable[[], AIConfigTracker] = field(repr=False, compare=False)

    def create_tracker(self) -> AIConfigTracker:
        """Return a new tracker: a new AI run, with a `runId` of its own each time."""
        return self.tracker_factory()


@dataclass(frozen=True, slots=True)
class AIConfigDefault(_Parts):
    """What the application falls back on when LaunchDarkly has no config to serve.

    Without arguments it is disabled. Its messages are interpolated like any others. Raises TypeError for a part of
    the wrong type.
    """

    def __post_init__(self) -> None:
        check_type("enabled", self.enabled, bool, "a bool")
        _check("model", self.model, ModelConfig)
        _check("provider", self.provider, ProviderConfig)
        if self.messages is not None:
            for message in check_type("messages", self.messages, Sequence, "a list of Message"):
                check_type("messages", message, Message, "a list of Message")
        if self.tools is not None:
            for tool in check_type("tools", self.tools, Mapping, "a dict of Tool by key").values():
                check_type("tools", tool, Tool, "a dict of Tool by key")

    @classmethod
    def disabled(cls) -> AIConfigDefault:
        """Return the fallback that disables the config."""
        return cls()


# How deep JSON may nest, so that whoever uses it, from wherever in a program, can do so.
DEEPEST = 100


def copy_json(value: Any, deepest: int = DEEPEST) -> Any:
    """Copy JSON, so that nobody changes what somebody else holds; what is no JSON is shared.

    Raises RecursionError for what nests deeper than that. Any: JSON has no better type that callers could use without
    casts.
    """
    if isinstance(value, (dict, list, tuple)):
        if deepest == 0:
            raise RecursionError(f"nested deeper than {DEEPEST}")
        if isinstance(value, dict):
            return {key: copy_json(item, deepest - 1) for key, item in value.items()}
        return [copy_json(item, deepest - 1) for item in value]
    return value


def copy_model(model: ModelConfig | None) -> ModelConfig | None:
    """Copy a model with its parameters."""
    return model and replace(model, parameters=copy_json(model.parameters), custom=copy_json(model.custom))


def _check(name: str, value: object, kind: type) -> None:
    if value is not None:
        check_type(name, value, kind, f"a {kind.__name__} or None")
