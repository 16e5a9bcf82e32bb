"""Parameters, in whatever spelling, by the names that LangChain's chat models share. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["INIT", "SPELLINGS", "TOOLS", "connects", "plain", "shared_name", "spelled_once"]


def plain(name: str) -> str:
    """Write a name in small letters and digits alone, in which all its spellings are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


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
SPELLINGS = {plain(name): names for names in _SYNONYMS for name in names}

# What is the caller's to tell `init_chat_model`.
INIT = frozenset({"config_prefix", "configurable_fields", "model_provider"})
# What is for `bind_tools`.
TOOLS = frozenset({"function_call", "functions", "parallel_tool_calls", "tool_choice", "tool_config", "tools"})
# What has its own place, in a config or in LangChain.
_ELSEWHERE = INIT | TOOLS | {"cls", "messages", "model", "stream_options"}
# Where a client goes, with which key, and through what: the application's to say. Whoever edits a flag is not to learn
# a key by sending it elsewhere.
_CONNECTS = re.compile(
    "apibase|apikey|accesskey|baseurl|callbacks|certificate|credential|endpoint|header|httpasyncclient|httpclient|proxy"
    "|secret|socket|(access|ad|bearer|session)token|^(async)?client$|^(cache|config|transport|url)$"
)


def shared_name(name: str) -> str:
    """Write a parameter by the name that LangChain's chat models share, or in snake_case."""
    snake = re.sub(r"[-\s]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()
    return SPELLINGS.get(plain(name), (snake,))[0]


def connects(name: str) -> bool:
    """Say whether a parameter is about the connection, and not the model's."""
    return _CONNECTS.search(plain(name)) is not None


def spelled_once(params: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out nulls, what is not for a model, and all spellings but one: LangChain's own, then by its order."""
    spelled = {plain(name): name for name in params}
    nested, options = (params.get(spelled.get(name, "")) for name in ("modelkwargs", "streamoptions"))
    own = {name: value for name, value in params.items() if value is not None}
    if isinstance(nested, dict):  # parameters like the others, but said on purpose
        meant = {shared_name(name) for name in nested}
        own = {name: value for name, value in own.items() if shared_name(name) not in {*meant, "model_kwargs"}}
        own |= {name: value for name, value in nested.items() if value is not None}
    taken: dict[str, str] = {}
    for name in sorted(own, key=_rank):
        taken.setdefault(plain(shared_name(name)), name)
    once = {
        name: own[name]
        for name in own
        if name in taken.values() and shared_name(name) not in _ELSEWHERE and not connects(name)
    }
    usage = options.get("include_usage") if isinstance(options, dict) else None
    return once if usage is None or "streamusage" in taken else {**once, "stream_usage": usage}


def _rank(name: str) -> tuple[bool, int, bool]:
    spellings = [plain(each) for each in SPELLINGS.get(plain(name), (name,))]
    return name != shared_name(name), spellings.index(plain(name)), "_" not in name
