"""The targets by name, each with its seeds, its words, and how its inputs are mutated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ldai_bedrock.readings
import ldai_bedrock.usage
import ldai_core.resumption
import ldai_core.template
import ldai_core.variation
import ldai_langchain.readings
import ldai_langchain.usage
import ldai_openai.readings
from ldai_core.resumption import pack
from tests.fuzz import configs, frames, readers
from tests.fuzz.mutation import mutate_events, mutate_frames, mutate_json, mutate_text, words_of
from tests.servers.bedrock import Events as BedrockEvents
from tests.servers.bedrock import answer, claude, events, invoke_chunks, invoke_events, text_delta, tool_use
from tests.servers.openai import chunks, completion, error_event, text_completion, texts, tool_call
from tests.servers.responses import response, response_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

__all__ = ["ANY", "TARGETS", "Target", "mutation_of", "target_of"]


@dataclass(frozen=True)
class Target:
    """What to give bytes to, and where to get them from. `check` raises if something does not hold."""

    check: Callable[[bytes], None]
    seeds: list[bytes]
    mutate: Callable[[bytes, Random, list[str]], bytes]
    words: list[str]


def _json(*values: Any) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


def _sse(values: Iterable[Any], end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values) + end


def _frames(stream: BedrockEvents) -> bytes:
    return b"".join(stream.frames())


_TOOL = {"name": "search", "description": "Find.", "type": "function", "parameters": {"type": "object"}}
_VARIATIONS = _json(
    {
        "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3, "mode": "completion", "modelVersion": 2},
        "model": {"name": "gpt-4o", "region": "us", "parameters": {"temperature": 0.5, "tools": [_TOOL]}, "custom": {}},
        "provider": {"name": "openai"},
        "messages": [{"role": "system", "content": "Hi {{name}} {{#rows}}{{n}}{{/rows}} {{ldctx.key}}"}],
    },
    {"_ldMeta": {"enabled": True, "modelKey": "k"}, "tools": {"a": {**_TOOL, "customParameters": {"b": 1}}}},
    None,
    [],
)
_VARIABLES = {"a": True, "b": [], "c": [1, "x", {"a": 2.5}], "d": {"a": {"b": "deep"}}, "e": "{{a}}", "f": None}
_MARKS = ["{{", "}}", "{{{", "}}}", "{{#a}}", "{{/a}}", "{{^b}}", "{{/b}}", "{{#c}}", "{{/c}}", "{{.}}", "{{c.2.a}}"]
_MARKS += ["{{=<% %>=}}", "<%={{ }}=%>", "<%a%>", "{{=\n |=}}", "{{> a}}", "{{&d.a.b}}", "{{! c }}", "{{ldctx.key}}"]
_MARKS += ["\n", "\r\n", " ", "\t", "=", ".", "\ud800", "{{e}}", "{{d}}", "__class__", "a", "|", "#", "/", "^"]
_TEMPLATES = _json(
    *(
        {"template": template, "variables": _VARIABLES}
        for template in (
            "Hello {{name}}!",
            "{{#c}}<{{.}}>{{/c}}{{^b}}none{{/b}}",
            "{{#d}}\n  {{#a}}\n{{b}}\n{{/a}}\n{{/d}}\n",
            "{{=<% %>=}}<%a%><%={{ }}=%>{{> p}}{{! c }}{{{e}}}{{&e}}",
            "{{#c}}{{#c}}{{#c}}{{a}}{{/c}}{{/c}}{{/c}}",
        )
    )
)
_RUN = "11111111-1111-4111-8111-111111111111"
_TOKENS = _json(
    {"runId": _RUN, "configKey": "k", "variationKey": "v", "version": 3, "graphKey": "g"},
    {"runId": _RUN, "configKey": "cl\u00e9 \ud800", "version": -1},
    ldai_core.resumption.ResumptionToken(_RUN, "k", 3, "v").encode(),
    "eyJydW5JZCI6I+/=",
)
_ASKS = tool_call("search", '{"q":', '"x"}')
_WHOLE = [
    completion(),
    completion(None, tool_calls=_ASKS[0]["tool_calls"], finish_reason="tool_calls"),
    text_completion(),
    response(),
    error_event(),
]
_CHAT = chunks("Hel", *_ASKS, usage=(9, 3))
_RESPONSES = list(response_stream().chunks)
_LAST = json.dumps(_WHOLE[3])
_CONVERSE = [answer(), answer({"toolUse": {"toolUseId": "1", "name": "search", "input": {}}}, stop_reason="tool_use")]
_CONVERSED = events("Hel", tool_use("search", "{}"))
_INVOKED = invoke_chunks("Hel", "lo")
_COUNTS = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
_MESSAGE = {
    "content": [{"type": "text", "text": "Hello", "index": 0}],
    "tool_calls": [{"name": "search", "args": {}, "id": "1"}],
    "usage_metadata": {**_COUNTS, "total_cost": 1},
    "response_metadata": {"token_usage": _COUNTS, "usage": {"inputTokens": 9, "cacheReadInputTokens": 1}},
    "additional_kwargs": {"function_call": {"name": "search"}, "reasoning_content": "Hm"},
    "tool_call_chunks": [],
}

_openai_words = words_of(ldai_openai.readings)
_bedrock_words = words_of(ldai_bedrock.readings, ldai_bedrock.usage)

TARGETS = {
    "variation": Target(
        configs.fuzz_variation, _VARIATIONS, mutate_json, [*words_of(ldai_core.variation), *_MARKS, "judge", "tools"]
    ),
    "template": Target(configs.fuzz_template, _TEMPLATES, mutate_json, _MARKS),
    "token": Target(
        configs.fuzz_token, _TOKENS, mutate_json, [*words_of(ldai_core.resumption), _RUN, "=", "+", "-", "Zg"]
    ),
    "signed": Target(
        configs.fuzz_signed,
        [configs.SIGNED, pack(configs.SIGNED).encode(), pack(configs.SIGNED).encode() + b"="],
        mutate_text,
        ['"', ",", ".", "=", "-", "+", "/", "\\u0061", " ", "0", '"signature":"', '"runId":"'],
    ),
    "openai": Target(readers.fuzz_openai, _json(*_WHOLE, _CHAT, texts("Hel"), _RESPONSES), mutate_json, _openai_words),
    "bedrock": Target(
        readers.fuzz_bedrock,
        _json(*_CONVERSE, claude(), [{name: each} for name, each in _CONVERSED], _INVOKED, _WHOLE[1], _CHAT),
        mutate_json,
        _bedrock_words,
    ),
    "langchain": Target(
        readers.fuzz_langchain,
        _json(
            {"message": _MESSAGE, "generation_info": {"usage": _COUNTS}},
            {"generations": [[{"message": _MESSAGE}]], "llm_output": {"token_usage": _COUNTS}},
            [{"event": "content-block-delta", "delta": _MESSAGE["content"]}, _MESSAGE],
            {"ls_structured_output_format": {"kwargs": {"method": None}, "schema": {"title": "T"}}, "tools": [_TOOL]},
        ),
        mutate_json,
        words_of(ldai_langchain.readings, ldai_langchain.usage),
    ),
    "sse": Target(
        readers.fuzz_sse,
        [_sse(_CHAT), _sse(_RESPONSES, b""), b'data:{"a":\rdata: 1}\r\r\n: c\n\n'],
        mutate_events,
        ["\r"],
    ),
    "openai_frames": Target(
        frames.fuzz_openai_frames,
        [_sse(_CHAT), _sse([*_CHAT[:2], error_event()]), _sse(_RESPONSES, b""), *_json(_WHOLE[0], _WHOLE[3])],
        mutate_events,
        _openai_words,
    ),
    "bedrock_frames": Target(
        frames.fuzz_bedrock_frames,
        [
            _frames(BedrockEvents(_CONVERSED)),
            _frames(BedrockEvents([text_delta("Hel")], exception=("throttlingException", "No"))),
            _frames(BedrockEvents([text_delta("Hel")], error=("500", "No"))),
            _frames(invoke_events(_INVOKED)),
            *_json(_CONVERSE[0], claude()),
        ],
        mutate_frames,
        _bedrock_words,
    ),
}


def _check_any(data: bytes) -> None:
    name, _, content = data.partition(b"\n")
    if name.decode("ascii", "replace") in TARGETS:
        TARGETS[name.decode()].check(content)


def _mutate_any(data: bytes, random: Random, _words: list[str]) -> bytes:
    name, _, content = data.partition(b"\n")
    target = TARGETS.get(name.decode("ascii", "replace")) or TARGETS["template"]
    return name + b"\n" + mutation_of(target)(content, random)


# All of them in one process, which is quicker begun than ten: an input has its target's name for a first line.
ANY = Target(
    _check_any,
    [f"{name}\n".encode() + seed for name, target in TARGETS.items() for seed in target.seeds],
    _mutate_any,
    [],
)


def mutation_of(target: Target) -> Callable[[bytes, Random], bytes]:
    """Return how to mutate a target's inputs; an answer that is not streamed is JSON, whatever the target."""

    def mutate(data: bytes, random: Random) -> bytes:
        is_json = data.startswith((b"{", b"[")) and target.mutate not in (mutate_text, _mutate_any)
        how = mutate_json if is_json else target.mutate
        return how(data, random, target.words)

    return mutate


def target_of(name: str) -> Target:
    """Find a target by its name."""
    return ANY if name == "any" else TARGETS[name]
