"""From an AI Config to LangChain's messages, and to a chat model. Pure, but for the construction."""

from __future__ import annotations

import math
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage, ChatMessage, convert_to_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from langchain_core.language_models import BaseChatModel

    from ldai_core import AIConfig, AIConfigDefault

__all__ = ["chat_model_params", "create_chat_model", "to_messages"]

_ROLES = frozenset({"ai", "assistant", "developer", "human", "system", "user"})

# LangChain's names for providers, by what else they are called, in small letters alone.
# Source: https://reference.langchain.com/python/langchain/chat_models/base/init_chat_model
_PROVIDERS = {
    **dict.fromkeys(("amazon", "amazonbedrock", "aws", "awsbedrock", "bedrock"), "bedrock_converse"),
    **dict.fromkeys(("azure", "azureopenai", "microsoftazure", "microsoftazureopenai"), "azure_openai"),
    **dict.fromkeys(("gemini", "google", "googleai", "googleaistudio", "googlegemini"), "google_genai"),
    **dict.fromkeys(("googlegenai", "googlegenerativeai"), "google_genai"),
    **dict.fromkeys(("googlevertex", "googlevertexai", "vertex", "vertexai"), "google_vertexai"),
    **dict.fromkeys(("ibmwatsonx", "ibmwatsonxai", "watsonx", "watsonxai"), "ibm"),
    **dict.fromkeys(("mistral", "mistralai"), "mistralai"),
    **{name: name for name in ("deepseek", "huggingface", "openai", "openrouter", "xai")},
    "fireworksai": "fireworks",
    "grok": "xai",
    "nvidianim": "nvidia",
    "perplexityai": "perplexity",
    "togetherai": "together",
}
# Where the classes are that LangChain makes of them, to be asked what they take.
_CLASSES = {
    "anthropic": "langchain_anthropic.ChatAnthropic",
    "azure_openai": "langchain_openai.AzureChatOpenAI",
    "bedrock": "langchain_aws.ChatBedrock",
    "bedrock_converse": "langchain_aws.ChatBedrockConverse",
    "cohere": "langchain_cohere.ChatCohere",
    "deepseek": "langchain_deepseek.ChatDeepSeek",
    "fireworks": "langchain_fireworks.ChatFireworks",
    "google_genai": "langchain_google_genai.ChatGoogleGenerativeAI",
    "google_vertexai": "langchain_google_vertexai.ChatVertexAI",
    "groq": "langchain_groq.ChatGroq",
    "mistralai": "langchain_mistralai.ChatMistralAI",
    "ollama": "langchain_ollama.ChatOllama",
    "openai": "langchain_openai.ChatOpenAI",
    "together": "langchain_together.ChatTogether",
    "xai": "langchain_xai.ChatXAI",
}
# What LangChain makes of a model without a provider, by how its name begins.
_FAMILIES = {
    **dict.fromkeys(("chatgpt", "gpt-", "o1", "o3", "text-davinci"), "openai"),
    **dict.fromkeys(("amazon.", "anthropic.", "meta."), "bedrock"),
    **dict.fromkeys(("mistral", "mixtral"), "mistralai"),
    "claude": "anthropic",
    "command": "cohere",
    "deepseek": "deepseek",
    "gemini": "google_vertexai",
    "grok": "xai",
}
# What goes by several names. The first is LangChain's, the others are in the order in which they are taken.
_SYNONYMS = (
    ("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample", "num_predict"),
    ("model", "model_id", "model_name"),
    ("stop", "stop_sequences"),
    ("streaming", "stream"),
    ("temperature",),
    ("timeout", "request_timeout", "timeout_seconds"),
    ("top_k",),
    ("top_p",),
)
_SPELLINGS = {name.replace("_", ""): names for names in _SYNONYMS for name in names}
# What has its own place in a config, or goes to `bind_tools`, or is for `init_chat_model` to be told by the caller.
_ELSEWHERE = {"model", "modelprovider", "messages", "configurablefields", "configprefix", "cls"} | {
    *("functioncall", "functions", "paralleltoolcalls", "toolchoice", "toolconfig", "tools")
}
# What is said to the client, not to the model, and is therefore nothing for a request's body.
_CLIENTS = frozenset({"max_retries", "stream_usage", "streaming", "timeout"})
# What the chat API's client takes by name, and LangChain's class does not; so that a call can say otherwise.
# Source: https://platform.openai.com/docs/api-reference/chat/create
_CREATE = frozenset(
    {
        "audio",
        "modalities",
        "prediction",
        "previous_response_id",
        "prompt_cache_key",
        "response_format",
        "safety_identifier",
        "text",
        "user",
        "web_search_options",
    }
)
_BAGS = ("extra_body", "model_kwargs", "additional_model_request_fields")


def to_messages(config: AIConfig | AIConfigDefault) -> list[BaseMessage]:
    """Return the config's messages as LangChain's; [] if it has none. The result is the caller's.

    Messages of a role that LangChain has no class for are `ChatMessage`. No content is taken for a template.
    """
    return [_message(message.role, message.content) for message in config.messages or ()]


def create_chat_model(config: AIConfig | AIConfigDefault, /, **overrides: Any) -> BaseChatModel:
    """Make the chat model that a config asks for, by LangChain's `init_chat_model`.

    Needs the `langchain` package and the provider's own (`langchain-openai`), and raises ImportError where one is
    missing. Raises ValueError for a config without a model, unless there is a `model` among the `overrides`: keyword
    arguments of `init_chat_model`, by LangChain's names, which win over everything.

    The provider is LaunchDarkly's (`bedrock:anthropic`, `gemini`) by LangChain's name; if there is none, LangChain
    infers it from the model's name. So do parameters get the names that the provider's class has for them. What it
    has none for goes where it takes such: to `model_kwargs`, `extra_body` or `additional_model_request_fields`. What
    is said to the client (`timeout`) is left out where a class has no name for it, and so are nulls.

    Tools, and what is said about them (`tool_choice`), are not bound: agents want a model without, and everybody else
    has `bind_tools`. Neither are messages, for which there is `to_messages`.
    Source: https://reference.langchain.com/python/langchain/chat_models/base/init_chat_model
    """
    try:
        from langchain.chat_models import init_chat_model  # noqa: PLC0415  # not part of the extra
    except ImportError as error:
        raise ImportError("create_chat_model needs the langchain package: pip install langchain") from error
    params = chat_model_params(config, overrides)
    names = _names(params["model"], params.get("model_provider"))
    params = chat_model_params(config, overrides, names)
    return init_chat_model(params.pop("model"), **params)


def chat_model_params(
    config: AIConfig | AIConfigDefault,
    overrides: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the keyword arguments for `init_chat_model`, as `create_chat_model` says.

    `names` are those that the provider's class takes, by themselves in small letters alone; without them, parameters
    get the names that LangChain's chat models share, and unknown ones are in snake_case. The result is the caller's.
    """
    overrides = overrides or {}
    asked = next((overrides[name] for name in overrides if _shared(name) == "model"), None)
    if asked is None and config.model is None:
        raise ValueError(
            "expected a config with a model, got one with model=None: check `config.enabled`, or pass `model=`"
        )
    own = _own(config, asked, overrides)
    told = [name for bag in _BAGS if isinstance(overrides.get(bag), dict) for name in overrides[bag]]
    said = {_meaning(name, names) for name in (*overrides, *told)}
    own = {name: value for name, value in own.items() if _meaning(name, names) not in said}
    if names is None:
        return {**{_shared(name): value for name, value in own.items()}, **overrides, "model": own.get("model", asked)}
    placed, over = _place(own, names), _place(overrides, names)
    bags = [bag for bag in _BAGS if isinstance(placed.get(bag), dict) and isinstance(over.get(bag), dict)]
    return {**placed, **over, **{bag: {**placed[bag], **over[bag]} for bag in bags}}


def _message(role: str, content: str) -> BaseMessage:
    known = role.lower()
    if known not in _ROLES:
        return ChatMessage(role=role, content=content)
    return convert_to_messages([{"role": known, "content": content}])[0]


def _plain(name: str) -> str:
    """Write a name in small letters and digits alone, in which all its spellings are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _snake(name: str) -> str:
    return re.sub(r"[-\s]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()


def _shared(name: str) -> str:
    """Write a parameter by the name that LangChain's chat models share, or in snake_case."""
    return _SPELLINGS.get(_plain(name), (_snake(name),))[0]


def _taken(name: str, names: Mapping[str, str]) -> str | None:
    """Find what a class takes this parameter by; None if it does not."""
    spellings = (name, *_SPELLINGS.get(_plain(name), ()))
    return next((names[_plain(each)] for each in spellings if _plain(each) in names), None)


def _meaning(name: str, names: Mapping[str, str] | None) -> str:
    return _plain(_taken(name, names or {}) or _shared(name))


def _provider(name: str) -> str | None:
    """Write LaunchDarkly's name for a provider as LangChain does; an unknown one in its manner."""
    known = _PROVIDERS.get(_plain(name)) or _PROVIDERS.get(_plain(name.partition(":")[0]))
    return known or re.sub(r"[-\s]+", "_", name.strip().lower()) or None


def _family(model: str, provider: str | None) -> str:
    """Say what LangChain calls the provider, given or inferred; nothing if it is none that we know."""
    if provider is not None:
        return provider.replace("-", "_").lower()
    prefix = model.partition(":")[0]
    families = (family for start, family in _FAMILIES.items() if model.lower().startswith(start))
    return prefix if prefix in _CLASSES else next(families, "")


def _names(model: str, provider: str | None) -> dict[str, str] | None:
    """Ask the provider's class what it takes; None if there is nobody to ask, which LangChain will say better."""
    module, _, name = _CLASSES.get(_family(model, provider), "").rpartition(".")
    try:
        fields = getattr(import_module(module), name).model_fields if module else None
    except (AttributeError, ImportError):
        return None
    if fields is None:
        return None
    spoken = {name: field.alias or name for name, field in fields.items()}
    return {_plain(name): alias for name, alias in spoken.items()} | {_plain(name): name for name in spoken.values()}


def _own(config: AIConfig | AIConfigDefault, asked: str | None, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Read what the config says, each thing once, still in its own spelling, beside the model and the provider."""
    model: dict[str, Any] = config.to_dict()["model"] or {}
    named = config.provider.name if config.provider else ""
    provider = overrides.get("model_provider") or _provider(named)
    if asked is not None and "model_provider" not in overrides and _is_provider(asked.partition(":")[0]):
        provider = None  # the caller's model brings its own
    name = asked or model["name"]
    own = _once(model.get("parameters") or {})
    bedrock = "bedrock" in _family(name, provider)
    if bedrock:
        own |= _inference(own)
        if model.get("region"):
            own = {name: value for name, value in own.items() if _plain(name) not in ("region", "regionname")}
            own["region_name"] = model["region"]
        kind = named.partition(":")[2].strip().lower()
        if name.startswith("arn:") and kind:  # whose models have no other sign of who made them
            own.setdefault("provider", kind)
    if any(message.role.lower() == "system" for message in config.messages or ()):
        own.pop("system", None)  # which the messages say
    return {"model": name, **({"model_provider": provider} if provider else {}), **own}


def _is_provider(prefix: str) -> bool:
    return prefix in _CLASSES or prefix in _PROVIDERS.values()


def _once(params: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what is not for a model or is null, and all but one spelling: LangChain's own, then by its order."""
    nested = [value for name, value in params.items() if _plain(name) == "modelkwargs" and isinstance(value, dict)]
    given = {name: value for name, value in params.items() if value is not None and value not in nested}
    for each in nested:  # are parameters as the others, and said on purpose
        meant = {_shared(name) for name in each}
        given = {name: value for name, value in given.items() if _shared(name) not in meant} | each
    found = [name for name in given if given[name] is not None and not {_plain(name), _shared(name)} & _ELSEWHERE]
    once: dict[str, str] = {}
    for name in sorted(found, key=_rank):
        once.setdefault(_plain(_shared(name)), name)
    own = {name: given[name] for name in given if name in once.values()}
    options = own.pop(once.get("streamoptions", ""), None)
    usage = options.get("include_usage") if isinstance(options, dict) else None
    return own if usage is None or "streamusage" in once else {**own, "stream_usage": usage}


def _rank(name: str) -> tuple[bool, int, bool]:
    names = _SPELLINGS.get(_plain(name), (_snake(name),))
    places = {each.replace("_", ""): place for place, each in enumerate(names)}
    return name != names[0], places.get(_plain(name), 0), name != _snake(name)


def _inference(own: dict[str, Any]) -> dict[str, Any]:
    """Take out of Converse's `inferenceConfig` what LangChain has beside it, which wins; Nova's `topK` stays."""
    spelled = next((name for name in own if _plain(name) == "inferenceconfig" and isinstance(own[name], dict)), None)
    nested = own.pop(spelled) if spelled else {}
    known = {name: _shared(name) for name in _once(nested)}
    shared = {
        known[name]: nested[name] for name in known if known[name] in ("max_tokens", "stop", "temperature", "top_p")
    }
    for name in [name for name in own if _shared(name) in shared]:
        del own[name]
    rest = {name: value for name, value in nested.items() if _shared(name) not in shared and value is not None}
    return {**shared, **({"inferenceConfig": rest} if rest else {})}


def _place(params: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Put parameters where a class takes them: by its own names, and the others where it takes such."""
    aws = "basemodelid" in names
    bag = next((bag for bag in _BAGS if _plain(bag) in names), None)
    placed: dict[str, Any] = {}
    loose: dict[str, dict[str, Any]] = {}
    given: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        shared, taken = _shared(name), _taken(name, names)
        if isinstance(value, dict) and shared in _BAGS and (taken or bag):
            given.setdefault(taken or str(bag), {}).update(value)
        elif taken and not (aws and _is_anthropics(shared, value)):
            placed[taken] = _shaped(shared, value, aws=aws)
        elif shared in ("model_provider", "configurable_fields", "config_prefix") or bag is None:
            placed[shared] = value
        elif value is not None and shared not in _CLIENTS:
            # What AWS passes on is the model's own, in whose spelling it is; all other APIs speak snake_case.
            own = name if aws and _plain(name) not in _SPELLINGS else shared
            where = "model_kwargs" if bag == "extra_body" and own in _CREATE else bag
            loose.setdefault(where, {})[own] = _shaped(shared, value, aws=aws)
    return placed | {bag: {**loose.get(bag, {}), **given.get(bag, {})} for bag in {**loose, **given}}


def _is_anthropics(shared: str, value: Any) -> bool:
    """Say whether this is the Messages API's `output_config`, not Converse's `outputConfig`."""
    return shared == "output_config" and isinstance(value, dict) and "effort" in value


def _shaped(shared: str, value: Any, *, aws: bool) -> Any:
    """Write a value as every class takes it: lists to stop at; and for AWS, whole seconds and the name of a tier."""
    if shared in ("stop", "system") and isinstance(value, (str, list)):
        return [each for each in _listed(value) if each != ""]
    if aws and shared == "timeout" and isinstance(value, float):
        return math.ceil(value)
    if aws and shared == "service_tier" and isinstance(value, dict):
        return value.get("type")
    return value


def _listed(value: str | list[Any]) -> Iterable[Any]:
    return [value] if isinstance(value, str) else value
