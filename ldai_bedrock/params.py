"""From an AI Config to the keyword arguments of a Converse call. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ldai_core import AIConfig, AIConfigDefault

__all__ = ["converse_params"]

# Converse's names for what it has for every model, by what they are called elsewhere, in capitals or not, with "_", "-"
# or neither. Where Converse's own spelling is not given, the first of these is taken.
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InferenceConfiguration.html
_INFERENCE = {
    "maxtokens": "maxTokens",
    "maxcompletiontokens": "maxTokens",
    "maxoutputtokens": "maxTokens",
    "stopsequences": "stopSequences",
    "stop": "stopSequences",
    "temperature": "temperature",
    "topp": "topP",
}
_TOOL_CHOICE = {"toolchoice": "toolChoice"}
_CHOICES = {"any": "any", "auto": "auto", "none": "none", "required": "any"}
# What else a request may say. In another spelling these are other APIs' (Anthropic's `output_config`).
# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
_FIELDS = (
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "outputConfig",
    "performanceConfig",
    "projectIdentifier",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
)


def converse_params(config: AIConfig | AIConfigDefault, messages: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """Return the keyword arguments for `converse` and `converse_stream`: model, system, messages, parameters and tools.

    `messages` are appended to the config's own; the content of one is a string or a list of Converse's blocks. Those
    with the role `system` are the `system`, wherever they stand; what then has the same role in a row is one message.

    The parameters that Converse has for every model (`maxTokens`, `temperature`, `topP`, `stopSequences`) make the
    `inferenceConfig`, in whatever spelling, and by OpenAI's names too; Converse's own spelling wins, and a dict
    `inferenceConfig` over it. Fields of the request (`guardrailConfig`) pass in Converse's spelling, as they are; all
    others are the model's own, and go to `additionalModelRequestFields`. Tools and the choice among them are taken in
    the shapes of OpenAI and Anthropic, too. What there is nothing for is left out; the result is the caller's.
    Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    """
    own: dict[str, Any] = (config.to_dict()["model"] or {}).get("parameters") or {}
    spoken = [message.to_dict() for message in config.messages or ()] + list(messages)
    told = [block for message in spoken if message["role"] == "system" for block in _blocks(message["content"])]
    served = _take(own, "system", str, list)  # for a config whose messages say none
    for name in ("messages", "modelId"):
        own.pop(name, None)
    extra = _take(own, "additionalModelRequestFields", dict)
    params = {
        "modelId": config.model and config.model.name,
        "system": _said(told) or _said(_blocks(served or [])),
        "inferenceConfig": _inference_config(own),
        "toolConfig": _tool_config(config, own),
    }
    fields = {name: _take(own, name, object) for name in _FIELDS}
    params["additionalModelRequestFields"] = {**own, **(extra or {})}
    sequence = groupby((each for each in spoken if each["role"] != "system"), lambda message: message["role"])
    return {
        **{name: value for name, value in params.items() if value},
        **{name: value for name, value in fields.items() if value is not None},
        "messages": [
            {"role": role, "content": [block for message in row for block in _blocks(message["content"])]}
            for role, row in sequence
        ],
    }


def _blocks(content: Any) -> list[Any]:
    """Write a message's content as blocks, in a list of its own."""
    return [{"text": content}] if isinstance(content, str) else list(content)


def _said(blocks: list[Any]) -> list[Any]:
    """Leave out blank texts, which Converse refuses."""
    texts = [block.get("text") if isinstance(block, dict) else None for block in blocks]
    return [block for block, text in zip(blocks, texts, strict=True) if not isinstance(text, str) or text.strip()]


def _take(params: dict[str, Any], name: str, *kinds: type) -> Any:
    """Take a parameter out if it is of one of these kinds, or null, which boto3 does not take; None otherwise."""
    value = params.get(name)
    return params.pop(name, None) if value is None or isinstance(value, kinds) else None


def _take_spelled(params: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Take out all that goes by these names in any spelling, Converse's own first, then in the order of the names."""
    plain = {name: name.replace("_", "").replace("-", "").lower() for name in params}
    ranks = {name: rank for rank, name in enumerate(names)}
    found = [name for name in params if plain[name] in names]
    taken: dict[str, Any] = {}
    for name in sorted(found, key=lambda name: (name not in names.values(), ranks[plain[name]])):
        value = params.pop(name)
        if value is not None:
            taken.setdefault(names[plain[name]], value)
    return taken


def _inference_config(own: dict[str, Any]) -> dict[str, Any]:
    """Take out what Converse has for every model, as boto3 wants it: whole tokens, and a list to stop at."""
    nested = _take(own, "inferenceConfig", dict) or {}
    values = {**_take_spelled(own, _INFERENCE), **_take_spelled(nested, _INFERENCE)}
    if nested:  # Nova's `topK`, which it reads there, among the model's own
        own["inferenceConfig"] = nested
    limit, stops = values.get("maxTokens"), values.get("stopSequences")
    if isinstance(limit, float) and limit.is_integer():
        values["maxTokens"] = int(limit)
    if isinstance(stops, (str, list)):
        values["stopSequences"] = [stop for stop in ([stops] if isinstance(stops, str) else stops) if stop != ""]
    return values


def _tool_config(config: AIConfig | AIConfigDefault, own: dict[str, Any]) -> dict[str, Any]:
    """Take out the tools, and the choice among them; a provider's hosted tools stay, for they are the model's own."""
    choice = _choice(_take_spelled(own, _TOOL_CHOICE).get("toolChoice"))
    if config.tools is not None:  # they win over what is among the parameters
        own.pop("toolConfig", None)
        own["tools"] = [{**tool.to_dict(), "type": "function"} for tool in config.tools.values()]
    given, listed = _take(own, "toolConfig", dict), _take(own, "tools", list) or []
    if choice == {"none": {}}:
        return {}
    hosted = [tool for tool in listed if _is_hosted(tool)]
    if hosted:
        own["tools"] = hosted
    tools = [_tool(tool) for tool in listed if not _is_hosted(tool)]
    found = given or ({"tools": tools} if tools else {})
    return {"toolChoice": choice, **found} if found and choice is not None else found


def _choice(given: Any) -> Any:
    """Write a choice among the tools as Converse has it; what no dialect knows passes, for boto3 to say so."""
    kind = given.get("type") if isinstance(given, dict) else given
    if isinstance(kind, str) and kind in _CHOICES:
        return {_CHOICES[kind]: {}}
    name = _named(given).get("name")
    return {"tool": {"name": name}} if name else given


def _is_hosted(tool: Any) -> bool:
    """Say whether a tool is the provider's own, by its type: Converse has no shape for those."""
    return isinstance(tool, dict) and tool.get("type") not in (None, "function", "custom")


def _tool(tool: Any) -> Any:
    """Write a tool of any dialect as Converse has it; what has no name is Converse's own, and passes."""
    function = _named(tool)
    if not function:
        return tool
    schema = function.get("parameters") or function.get("input_schema") or {"type": "object", "properties": {}}
    said = {"name": function["name"], "description": function.get("description")}
    return {"toolSpec": {**{name: text for name, text in said.items() if text}, "inputSchema": {"json": schema}}}


def _named(value: Any) -> dict[str, Any]:
    """Find what has the name in a tool or a choice, which the chat API nests under `function`; {} if nothing has."""
    named = value.get("function", value) if isinstance(value, dict) else None
    return named if isinstance(named, dict) and named.get("name") and isinstance(named["name"], str) else {}
