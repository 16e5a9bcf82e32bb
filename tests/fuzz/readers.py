"""Targets: the pure readers of what providers and LangChain answer."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ldai_bedrock import readings as bedrock
from ldai_langchain import readings as langchain
from ldai_langchain import usage as langchain_usage
from ldai_openai import readings as openai
from ldai_openai.body import Events
from tests.fuzz.checks import as_object, check_reading, check_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import Reading

__all__ = ["fuzz_bedrock", "fuzz_langchain", "fuzz_openai", "fuzz_sse"]

_OPENAI: list[Callable[[Any], Reading]] = [
    openai.read_openai,
    openai.read_chat_completion,
    openai.read_chat_chunk,
    openai.read_completion,
    openai.read_response,
    openai.read_response_event,
]
_BEDROCK: list[Callable[[Any], Reading]] = [
    bedrock.read_converse,
    bedrock.read_converse_event,
    bedrock.read_invoke_body,
    bedrock.read_invoke_chunk,
    bedrock.read_invoke_event,
    bedrock.read_event,
    bedrock.read_headers,
]


def fuzz_openai(data: bytes) -> None:
    """Whatever comes in the place of OpenAI's answers is read, from JSON and from objects."""
    value = json.loads(data)
    items = value if isinstance(value, list) else [value]
    for read in _OPENAI:
        check_run([check_reading(read(item)) for item in items])
        check_run([check_reading(read(as_object(item))) for item in items])
    for item in (*items, value, as_object(value)):
        status = openai.read_status(item)
        assert status is None or {type(status.waiting), type(status.background)} == {bool}
        assert {type(f(item)) for f in (openai.is_event, openai.is_usage_only, openai.was_stopped)} == {bool}
        openai.read_usage(item)


def fuzz_bedrock(data: bytes) -> None:
    """Whatever comes in the place of Bedrock's answers is read, from JSON, from objects, and from bytes in an event."""
    value = json.loads(data)
    items = value if isinstance(value, list) else [value]
    events = [{"chunk": {"bytes": json.dumps(item).encode()}} for item in items]
    for read in _BEDROCK:
        check_run([check_reading(read(item)) for item in items])
        check_run([check_reading(read(as_object(item))) for item in items])
    check_run([check_reading(bedrock.read_event(event)) for event in events])
    for item in (*items, as_object(value)):
        bedrock.read_usage(item)


def fuzz_langchain(data: bytes) -> None:
    """Whatever LangChain hands on is read."""
    value = json.loads(data)
    items = value if isinstance(value, list) else [value]
    readings = [langchain.read_result(SimpleNamespace(generations=value, llm_output=items[0] if items else None))]
    for item in items:
        whole = as_object(item)
        message = SimpleNamespace(**item) if isinstance(item, dict) else item
        candidate = SimpleNamespace(message=message, generation_info=item, text=item)
        readings += [
            langchain.read_result(whole),
            langchain.read_result(SimpleNamespace(generations=[[candidate, whole], item], llm_output=item)),
            langchain.read_token(item, candidate),
            langchain.read_token(item, whole),
            langchain.read_stream_event(item),
            langchain.read_stream_event({"event": "content-block-delta", "delta": item, "content": value}),
        ]
        assert all(isinstance(name, str) for name in langchain.structured_output_tools(item, value))
        langchain_usage.find_usage(item)
    check_run([check_reading(reading) for reading in readings])


def fuzz_sse(data: bytes) -> None:
    """A body of events has the same objects in it, however it is cut into pieces."""
    whole = _objects([data])
    for at in {0, 1, len(data) // 3, len(data) // 2, max(len(data) - 1, 0)}:
        assert _objects([data[:at], data[at:]]) == whole
    assert _objects([data[at : at + 1] for at in range(min(len(data), 2000))] + [data[2000:]]) == whole


def _objects(pieces: list[bytes]) -> list[str]:
    events = Events()
    found = [item for piece in pieces for item in events.feed(piece)] + list(events.finish())
    return [json.dumps(item) for item in found]
