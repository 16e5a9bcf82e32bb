"""From an AI Config to LangChain's messages, and to a chat model. Pure, but for the construction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, ChatMessage, convert_to_messages

from ldai_langchain.providers import fields_of, is_provider, langchain_provider, provider_of
from ldai_langchain.spelling import INIT, SPELLINGS, TOOLS, plain, shared_name, spelled_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_core.language_models import BaseChatModel

    from ldai_core import AIConfig, AIConfigDefault

__all__ = ["chat_model_params", "create_chat_model", "to_messages"]

_ROLES = frozenset({"ai", "assistant", "developer", "human", "system", "user"})

# What is said to a client, and is nothing for the body of a request.
_CLIENTS = frozenset({"max_retries", "stream_usage", "streaming", "timeout"})
# What classes take the rest by, which has no name of its own; and what in that OpenAI's client takes by name, so that
# it can be said anew with a call. Source: https://platform.openai.com/docs/api-reference/chat/create
_RESTS = ("extra_body", "model_kwargs", "additional_model_request_fields")
_CREATE = frozenset(
    {
        "audio",
        "modalities",
        "prediction",
        "prompt_cache_key",
        "response_format",
        "safety_identifier",
        "text",
        "user",
        "web_search_options",
    }
)


def to_messages(config: AIConfig | AIConfigDefault) -> list[BaseMessage]:
    """Return the config's messages as LangChain's; [] if it has none. The result is the caller's.

    Those of a role that LangChain has no class for are a `ChatMessage`. What they say is never taken for a template.
    """
    return [_message(message.role, message.content) for message in config.messages or ()]


def create_chat_model(config: AIConfig | AIConfigDefault, /, **overrides: Any) -> BaseChatModel:
    """Make the chat model that a config asks for, by LangChain's `init_chat_model`.

    Needs the `langchain` package and the provider's (`langchain-openai`): ImportError says which is missing. Raises
    ValueError for a config without a model, unless there is one among the `overrides`, which are keyword arguments of
    `init_chat_model` and win over everything.

    LaunchDarkly's provider (`bedrock:anthropic`, `gemini`) gets LangChain's name; without one, LangChain infers it from
    the model's name. Parameters, in any spelling, get the names that the provider's class has for them; what it has
    none for, it gets as `model_kwargs`, `extra_body` or `additional_model_request_fields`. What is for the client
    (`timeout`) and has no name there is left out, and so are nulls. For Bedrock, the model's region is `region_name`.

    Where a client goes and with which key (`base_url`, `api_key`, headers, ...) is not taken from a config, for whoever
    edits a flag could send the application's key elsewhere: that is for the overrides, and the environment.

    Tools, and what is said of them (`tool_choice`), are not bound, as `create_agent` wants a model without: that is for
    `bind_tools`. Messages are for `to_messages`.
    Source: https://reference.langchain.com/python/langchain/chat_models/base/init_chat_model
    """
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  # not part of our extra
    except ImportError as error:
        raise ImportError("create_chat_model needs the package langchain: pip install langchain") from error
    asked = chat_model_params(config, overrides)
    fields = fields_of(provider_of(asked["model"], asked.get("model_provider")))
    params = chat_model_params(config, overrides, fields)
    model: BaseChatModel = init_chat_model(params.pop("model"), **params)
    return model


def chat_model_params(
    config: AIConfig | AIConfigDefault,
    overrides: Mapping[str, Any] | None = None,
    fields: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments for `init_chat_model`, as `create_chat_model` says.

    `fields` are the names of what the provider's class takes, by those names in small letters and digits alone.
    Without them parameters have the names that LangChain's chat models share, unknown ones are in snake_case, and the
    overrides stay as they are. The result is the caller's.
    """
    told = {name: value for name, value in (overrides or {}).items() if shared_name(name) != "model"}
    models = [value for name, value in (overrides or {}).items() if shared_name(name) == "model" and value]
    model, provider = _asked(config, models, told)
    own = _own(config, provider_of(model, provider), arn=model.startswith("arn:"))
    nested = [name for rest in _RESTS if isinstance(told.get(rest), dict) for name in told[rest]]
    said = {_meaning(name, fields) for name in (*told, *nested)}
    own = {name: value for name, value in own.items() if _meaning(name, fields) not in said}
    names = {"model": model, "model_provider": provider}
    if fields is None:
        written = {**{shared_name(name): value for name, value in own.items()}, **told}
    else:
        own = {name: own[name] for name in own if shared_name(name) not in _CLIENTS or _field(name, fields)}
        written = _merge(_place(own, fields), _place(told, fields))
    return {**{name: value for name, value in names.items() if value}, **written}


def _message(role: str, content: str) -> BaseMessage:
    known = role.lower()
    if known not in _ROLES:  # among them `tool`, for LangChain's message wants the id of a call
        return ChatMessage(role=role, content=content)
    return convert_to_messages([{"role": known, "content": content}])[0]


def _field(name: str, fields: Mapping[str, str]) -> str | None:
    """Find the name by which a class takes a parameter; None if it does not."""
    spellings = map(plain, (name, *SPELLINGS.get(plain(name), ())))
    return next((fields[each] for each in spellings if each in fields), None)


def _meaning(name: str, fields: Mapping[str, str] | None) -> str:
    return plain(_field(name, fields or {}) or shared_name(name))


def _asked(config: AIConfig | AIConfigDefault, models: list[str], told: Mapping[str, Any]) -> tuple[str, str | None]:
    """Say which model is asked for, and of which provider, where that is said."""
    if not models and config.model is None:
        raise ValueError("expected a config with a model, got one without: see its `enabled`, or pass `model=`")
    provider = langchain_provider(config.provider.name) if config.provider else None
    if models and is_provider(models[0].partition(":")[0]):
        provider = None  # the caller's model names its own
    model = models[0] if models else config.model.name if config.model else ""
    return model, told.get("model_provider", provider)


def _own(config: AIConfig | AIConfigDefault, provider: str, *, arn: bool) -> dict[str, Any]:
    """Read the config's parameters, each in the spelling that counts, with what else a config knows of a model."""
    model: dict[str, Any] = config.to_dict()["model"] or {}
    own = spelled_once(model.get("parameters") or {})
    if any(message.role.lower() == "system" for message in config.messages or ()):
        own = {name: value for name, value in own.items() if shared_name(name) != "system"}  # which the messages say
    if "bedrock" not in provider:
        return own
    regions = {name: own.pop(name) for name in list(own) if shared_name(name) in ("region", "region_name")}
    region = model.get("region") or next(iter(regions.values()), None)
    maker = config.provider.name.partition(":")[2].strip().lower() if config.provider else ""
    known = {"region_name": region, "provider": maker if arn else None}  # an ARN does not say who made the model
    return {**{name: value for name, value in known.items() if value}, **_flat(own)}


def _flat(own: dict[str, Any]) -> dict[str, Any]:
    """Take out of Converse's `inferenceConfig` what LangChain has beside it, which wins; Nova's `topK` stays."""
    nested = next((own[name] for name in own if shared_name(name) == "inference_config"), None)
    if not isinstance(nested, dict):
        return own
    values = spelled_once(nested)
    shared = [name for name in values if shared_name(name) in ("max_tokens", "stop", "temperature", "top_p")]
    meant = {shared_name(name) for name in shared} | {"inference_config"}
    rest = {name: value for name, value in values.items() if name not in shared}
    return {
        **{name: value for name, value in own.items() if shared_name(name) not in meant},
        **{name: values[name] for name in shared},
        **({"inferenceConfig": rest} if rest else {}),
    }


def _place(params: Mapping[str, Any], fields: Mapping[str, str]) -> dict[str, Any]:
    """Put parameters where a class takes them: by its own names, and the others with the rest."""
    aws = "basemodelid" in fields
    rest = next((name for name in _RESTS if plain(name) in fields), None)
    placed: dict[str, Any] = {}
    loose: dict[str, dict[str, Any]] = {}
    given: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        shared, field = shared_name(name), _field(name, fields)
        if rest and shared in _RESTS and isinstance(value, dict):
            given.setdefault(field or rest, {}).update(value)
        elif field and not (aws and _is_anthropics(shared, value)):
            placed[field] = _shaped(shared, value, aws=aws)
        elif rest is None or shared in INIT:
            placed[shared] = value
        elif value is not None:
            # What AWS passes on is the model's own, in the spelling of the model; elsewhere APIs write snake_case.
            own = name if aws and not field and plain(name) not in SPELLINGS else shared
            where = "model_kwargs" if own in _CREATE | TOOLS and "modelkwargs" in fields else rest
            loose.setdefault(where, {})[own] = value
    return placed | _merge(loose, given)


def _merge(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Lay parts over each other, and within what takes the rest, too."""
    merged: dict[str, Any] = {}
    for name, value in (each for part in parts for each in part.items()):
        both = name in _RESTS and isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = {**merged[name], **value} if both else value
    return merged


def _is_anthropics(shared: str, value: Any) -> bool:
    """Say whether this is the `output_config` of Anthropic's API, and not the `outputConfig` of Converse."""
    return shared == "output_config" and isinstance(value, dict) and "effort" in value


def _shaped(shared: str, value: Any, *, aws: bool) -> Any:
    """Write a value as every class takes it: lists; and for AWS, whole seconds, and a tier by its name."""
    if shared in ("stop", "system") and isinstance(value, (str, list)):
        return [each for each in _listed(value) if each != ""]
    if aws and shared == "timeout" and isinstance(value, float):
        return math.ceil(value)
    if aws and shared == "service_tier" and isinstance(value, dict):
        return value.get("type")
    return value


def _listed(value: str | list[Any]) -> Iterable[Any]:
    return [value] if isinstance(value, str) else value
