"""What a Bedrock runtime may answer, right or wrong, to each of the operations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from zlib import crc32

from tests.bedrock.expected import HEADERS, HELLO, PIECES, REQUESTS
from tests.servers.bedrock import (
    Answer,
    Body,
    Events,
    Failure,
    Step,
    answer,
    claude,
    events,
    frame,
    invoke_chunks,
    invoke_events,
    metrics_of,
    text_delta,
    tool_use,
    usage_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["SCENARIOS", "STREAMED", "Frames", "begin", "stream_of", "text_of"]

STREAMED = ("converse_stream", "invoke_model_with_response_stream")
EVENT = {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"}
HI = {"delta": {"text": "Hi"}, "contentBlockIndex": 0}


@dataclass(frozen=True)
class Frames(Events):
    """A stream of bytes as they are, in pieces that need not be frames."""

    raw: Iterable[bytes] = ()

    def frames(self) -> Iterator[bytes]:
        """Give them."""
        yield from self.raw


def stream_of(operation: str, *pieces: Any, usage: Any = None, stop_reason: str = "end_turn", **how: Any) -> Events:
    """Make a stream of either operation: a role, the pieces, and three events that end it, with the same counts.

    `invoke_model_with_response_stream` has the same events in its chunks, as Nova does. `how` is as for `Events`.
    """
    return as_stream(operation, events(*pieces, usage=usage, stop_reason=stop_reason), **how)


def as_stream(operation: str, made: list[tuple[str, Any]], **how: Any) -> Events:
    """Make a stream of either operation of these events."""
    if operation == "converse_stream":
        return Events(made, **how)
    return invoke_events([{name: content} for name, content in made], **how)


def begin(client: Any, operation: str) -> Any:
    """Ask, and take the stream or the body."""
    return getattr(client, operation)(**REQUESTS[operation])[PIECES[operation]]


def text_of(event: Any) -> str:
    """Say which text an event has, of either operation."""
    if "chunk" in event:
        event = json.loads(event["chunk"]["bytes"])
    return str(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""))


def resealed(message: bytes, old: bytes, new: bytes) -> bytes:
    """Put other bytes of the same length into a frame, and make its checksum right again."""
    body = message[:-4].replace(old, new)
    return body + crc32(body).to_bytes(4, "big")


def of_tool(*names: str) -> list[Any]:
    """Make a block for each tool."""
    return [{"toolUse": {"toolUseId": f"tooluse_{name}", "name": name, "input": {"a": 1}}} for name in names]


def failure(status: int, kind: str, **fields: Any) -> Answer:
    """Make an error of the service's, with fields of its own."""
    return Answer({"message": "Not now", **fields}, status, [*Failure(status, kind).as_answer().headers])


FAILURES: dict[str, Step] = {
    "refused": failure(400, "ValidationException"),
    "denied": failure(403, "AccessDeniedException"),
    "not found": failure(404, "ResourceNotFoundException"),
    "timed out": failure(408, "ModelTimeoutException"),
    "the model failed": failure(424, "ModelErrorException", originalStatusCode=500, resourceName="a"),
    "busy": failure(429, "ThrottlingException"),
    "not ready": failure(429, "ModelNotReadyException"),
    "broken": failure(500, "InternalServerException"),
    "unavailable": failure(503, "ServiceUnavailableException"),
    "an error nobody knows": failure(418, "TeapotException"),
    "an error without a type": Answer({"message": "Not now"}, 500),
    "an error without anything": Answer({}, 400),
    "an error of text": Answer("Not now", 502),
    "an error of an array": Answer([1], 400),
}
USAGES: dict[str, Any] = {
    "without usage": {},
    "negative counts": usage_of(-1, 3),
    "no whole numbers": {"inputTokens": 1.5, "outputTokens": "3", "totalTokens": True},
    "counts that are null": {"inputTokens": None, "outputTokens": None, "totalTokens": None},
    "counts of nothing": usage_of(0, 0),
    "counts without end": usage_of(10**30, 10**30),
    "cached": usage_of(9, 3, cacheReadInputTokens=5, cacheWriteInputTokens=2),
    "inconsistent counts": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 1},
    "usage of text": "none",
    "usage of a list": [1],
    "usage that is null": None,
}
STOPS = [
    "guardrail_intervened",
    "content_filtered",
    "max_tokens",
    "model_context_window_exceeded",
    "stop_sequence",
    "new_one",
]
REASONING = {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}}
CONVERSE: dict[str, Step] = {
    **FAILURES,
    **{name: Answer({**answer(), "usage": usage}) for name, usage in USAGES.items()},
    **{stop: Answer(answer("Hel", stop_reason=stop)) for stop in STOPS},
    "plain": Answer(answer()),
    "tools": Answer(answer("Hm.", *of_tool("search", "look"), stop_reason="tool_use")),
    "tools without names": Answer(answer({"toolUse": {}}, {"toolUse": None}, {"toolUse": {"name": ""}})),
    "reasoning": Answer(answer(REASONING, "Hello")),
    "guardrail": Answer(answer(trace={"guardrail": {"inputAssessment": {"g": {}}}})),
    "malformed output": Answer(answer("Hel", stop_reason="malformed_model_output")),
    "malformed tool use": Answer(answer(stop_reason="malformed_tool_use")),
    "a stop reason that is a number": Answer({**answer(), "stopReason": 5}),
    "fields nobody knows": Answer(answer({"song": {"la": 1}}, cost=0.1)),
    "nothing": Answer({}),
    "null": Answer(None),
    "an array": Answer([1]),
    "output that is null": Answer({**answer(), "output": None}),
    "a message of text": Answer({**answer(), "output": {"message": "Hello"}}),
    "content of text": Answer({**answer(), "output": {"message": {"role": "assistant", "content": "Hello"}}}),
    "content of nulls": Answer(answer(*[{"text": None}] * 2)),
    "no JSON": Body(b"<html>Hello</html>"),
    "no UTF-8": Body(b'{"stopReason": "\xff"}'),
    "half of the JSON": Body(json.dumps(answer()).encode()[:50]),
    "no body": Body(b""),
    "a short body": Body(json.dumps(answer()).encode(), length=1000),
    "a body cut": Body(json.dumps(answer()).encode(), length=-1, cut_after=20),
}
ODD_EVENTS: list[tuple[str, Any]] = [
    ("song", {"la": 1}),
    ("messageStart", {}),
    ("contentBlockStart", {}),
    ("contentBlockStart", {"start": {"toolUse": {}}}),
    ("contentBlockStart", {"start": {"toolUse": {"name": None, "toolUseId": None}}, "contentBlockIndex": None}),
    ("contentBlockDelta", {}),
    ("contentBlockDelta", {"delta": {}, "contentBlockIndex": -1}),
    ("contentBlockDelta", {"delta": None}),
    ("contentBlockDelta", {"delta": {"text": ""}, "contentBlockIndex": 0}),
    ("contentBlockDelta", {"delta": {"song": "la"}, "contentBlockIndex": 0}),
    ("messageStop", {}),
    ("messageStop", {"stopReason": None}),
    ("metadata", {}),
    ("metadata", {"usage": None, "metrics": None}),
]
EXCEPTIONS = [
    "internalServerException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "serviceUnavailableException",
    "throttlingException",
    "validationException",
    "nobodyKnowsException",
]


def streams(operation: str) -> dict[str, Step]:
    """List what a stream may be, of either operation."""
    make: Callable[..., Events] = partial(stream_of, operation)
    frames = list(make("Hel", "lo").frames())
    exception = {":message-type": "exception", ":exception-type": "throttlingException"}
    thrown = frame(exception, {"message": "Not now"})
    odd: dict[str, list[bytes]] = {
        "all at once": [b"".join(frames)],
        "byte by byte": [bytes([byte]) for byte in b"".join(frames)],
        "an exception and then more": [*frames[:2], thrown, *frames[2:]],
        "exceptions alone": [thrown] * 3,
        "a frame without an end": [*frames[:2], frames[2][:-3]],
        "no frames": [b"<html>Hello</html>"],
        "a frame without headers": [*frames[:2], frame({}, HI), *frames[2:]],
        "a frame without a name": [*frames[:2], frame({":message-type": "event"}, HI), *frames[2:]],
        "a frame without content": [*frames[:2], frame(EVENT, None), *frames[2:]],
        "a frame of a list": [*frames[:2], frame(EVENT, [1]), *frames[2:]],  # type: ignore[arg-type]  # an odd one
        "a frame of no JSON": [*frames[:2], resealed(frame(EVENT, HI), b'"Hi"', b"<Hi>"), *frames[2:]],
        "a frame of no UTF-8": [*frames[:2], resealed(frame(EVENT, HI), b"Hi", b"\xff\xff"), *frames[2:]],
        "an initial response": [frame({**EVENT, ":event-type": "initial-response"}, {}), *frames],
    }
    return {
        **FAILURES,
        **{name: make("Hello", usage=usage) for name, usage in USAGES.items()},
        **{stop: make("Hel", stop_reason=stop) for stop in STOPS},
        **{name: make("Hel", exception=(name, "Not now")) for name in EXCEPTIONS},
        **{f"cut after {n}": make("Hel", "lo", cut_after=n) for n in (0, 1, 2, 5)},
        **{f"a wrong checksum after {n}": make("Hel", "lo", corrupt_after=n) for n in (0, 2)},
        **{name: Frames([], raw=raw) for name, raw in odd.items()},
        "plain": make("Hel", "lo"),
        "a role alone": make(),
        "no events": as_stream(operation, []),
        "no end": as_stream(operation, events("Hel", "lo")[:3]),
        "tools": make("Hm.", tool_use("search", "{", "}"), tool_use("look", "{}", id="b", index=2)),
        "reasoning": make([("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm."}}})], "Hello"),
        "odd events": as_stream(operation, [*ODD_EVENTS, text_delta("Hi"), *ODD_EVENTS]),
        "malformed output": make("Hel", stop_reason="malformed_model_output"),
        "malformed tool use": make(stop_reason="malformed_tool_use"),
        "an exception at once": as_stream(operation, [], exception=("validationException", "Not now")),
        "an error frame": make("Hel", error=("InternalError", "Not now")),
        "an error frame at once": as_stream(operation, [], error=("InternalError", "")),
        "JSON in place of a stream": Body(json.dumps(answer()).encode()),
        "no body": Body(b""),
        "a body cut": Body(b"".join(frames), length=-1, piece=9, cut_after=100),
    }


def with_all(value: Any, chunk: Any) -> Any:
    """Put a value everywhere in a chunk, but for its type."""
    return {name: each if name == "type" else value for name, each in chunk.items()}


KINDS: list[Any] = [None, 5, [], {}, {"a": 1}, "", "song", metrics_of(-1, 3)]
GARBAGE: dict[str, list[Any]] = {
    "of Anthropic's": invoke_chunks("Hel", "lo"),
    "of Anthropic's, without metrics": invoke_chunks("Hel", "lo", metrics=None),
    "no JSON": [b"Hello", b"{", b"", b"\xff\xfe", b"\x00", b'{"a": NaN}'],
    "no objects": [b"null", b"5", b'"Hello"', b"[1]", b"[[]]", b"true"],
    "types of any kind": [{"type": kind} for kind in KINDS],
    "Anthropic's, empty": [{"type": chunk["type"]} for chunk in invoke_chunks("Hel")],
    "Anthropic's, of nulls": [with_all(None, chunk) for chunk in invoke_chunks("Hel")],
    "Anthropic's, of lists": [with_all([1], chunk) for chunk in invoke_chunks("Hel")],
    "metrics of any kind": [{"amazon-bedrock-invocationMetrics": kind} for kind in KINDS],
    "without end": [b"[" * 100_000, b'{"a":' * 100_000, b'{"usage": {"input_tokens": 1e999}}'],
}
INVOKE_STREAM: dict[str, Step] = {
    **streams(STREAMED[1]),
    **{f"chunks: {name}": invoke_events(chunks) for name, chunks in GARBAGE.items()},
    "chunks without bytes": Events([("chunk", {}), ("chunk", {"bytes": None}), ("chunk", {"bytes": ""})]),
    "bytes that are none": Events([("chunk", {"bytes": "*"}), ("chunk", {"bytes": "SGk"})]),
    "bytes of a number": Events([("chunk", {"bytes": 5})]),
}
CONTENTS: dict[str, bytes] = {
    "plain": HELLO,
    "in lines": json.dumps(claude({"type": "text", "text": "Grüße"}), indent=1, ensure_ascii=False).encode(),
    "empty": b"",
    "no JSON": b"<html>\nHello\r\n</html>\n",
    "no UTF-8": b'{"usage": \xff\xfe}',
    "half of the JSON": HELLO[:30],
    "null": b"null",
    "an array": b"[1, 2]",
    "usage of text": b'{"usage": "none", "content": "none", "output": 5, "results": {}}',
    "of Converse's": json.dumps(answer("Hm.", *of_tool("search"))).encode(),
    "a failure": json.dumps(claude(stop_reason="malformed_tool_use")).encode(),
    "long": json.dumps(claude({"type": "text", "text": "Hello " * 3000})).encode(),
    "without end": b'{"a":' * 5_000,
}
INVOKE: dict[str, Step] = {
    **FAILURES,
    **{name: Body(content) for name, content in CONTENTS.items()},
    **{f"{name}, with counts in the headers": Body(content, HEADERS) for name, content in CONTENTS.items()},
    **{f"{name}, in chunks": Body(content, HEADERS, length=-1, piece=200) for name, content in CONTENTS.items()},
    "odd headers": Body(HELLO, [(name, value) for name, _ in HEADERS for value in ("-1", "many", "")]),
    "short": Body(HELLO, HEADERS, length=len(HELLO) + 5),
    "cut": Body(HELLO, HEADERS, cut_after=30),
    "cut at once": Body(HELLO, HEADERS, cut_after=0),
    "cut in chunks": Body(HELLO, HEADERS, length=-1, piece=9, cut_after=30),
}
SCENARIOS = {
    "converse": CONVERSE,
    "converse_stream": streams("converse_stream"),
    "invoke_model": INVOKE,
    "invoke_model_with_response_stream": INVOKE_STREAM,
}
