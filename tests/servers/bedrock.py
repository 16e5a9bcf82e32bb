"""A scripted Bedrock runtime: the four model operations on the wire, for an unmodified boto3 or aiobotocore.

Streams are framed as `application/vnd.amazon.eventstream`, with both checksums.
Source: https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zlib import crc32

from tests.servers import scripted
from tests.servers.scripted import FOREVER_S, JSON, Answer, Headers, Scripted, ScriptedHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "FOREVER_S",
    "Answer",
    "Body",
    "Events",
    "Failure",
    "Request",
    "ScriptedBedrock",
    "Step",
    "answer",
    "claude",
    "events",
    "frame",
    "invoke_chunks",
    "invoke_events",
    "metrics_of",
    "text_delta",
    "tool_use",
    "usage_of",
]

METRICS = {"latencyMs": 5}


@dataclass(frozen=True)
class Body:
    """The body of `invoke_model`, any bytes, sent after `delay_s`.

    `length` is what is announced, if that is another length than it has; None is the true one, and -1 is none at all,
    the body being sent in chunks. It is sent in pieces of `piece` bytes; after so many bytes `cut_after` drops the
    connection, and `stall_after` says no more until either side hangs up.
    """

    content: bytes
    headers: Headers = ()
    length: int | None = None
    piece: int = 1 << 20
    cut_after: int | None = None
    stall_after: int | None = None
    delay_s: float = 0


@dataclass(frozen=True)
class Failure:
    """An error, `times` times over, in the service's form: its type in a header, its message in the body."""

    status: int
    type: str
    message: str = "Scripted failure"
    times: int = 1

    def as_answer(self) -> Answer:
        """Describe one of them."""
        return Answer({"message": self.message}, self.status, [("x-amzn-ErrorType", self.type)])


@dataclass(frozen=True)
class Events:
    """A stream: each event a name and its content, in a frame of its own, made when it is sent.

    Waits for `delay_s` before the headers, and for `pauses_s[n]` before event n, counted from 0. After so many events,
    `cut_after` drops the connection inside the body, `stall_after` says no more until either side hangs up, and
    `corrupt_after` sends a frame whose checksum is wrong. `exception` comes in the place of the end, as a frame of the
    type of an exception; `error`, its code and message, as a frame of the type of an error.
    """

    events: Iterable[tuple[str, JSON]]
    exception: tuple[str, str] | None = None
    error: tuple[str, str] | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    corrupt_after: int | None = None
    delay_s: float = 0
    pauses_s: Mapping[int, float] = field(default_factory=dict)
    headers: Headers = ()

    def frames(self) -> Iterator[bytes]:
        """Encode them, one by one as they come."""
        for name, content in self.events:
            yield frame(_event(name), content)
        if self.exception is not None:
            name, message = self.exception
            headers = {":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
            yield frame(headers, {"message": message})
        if self.error is not None:
            code, message = self.error
            yield frame({":message-type": "error", ":error-code": code, ":error-message": message}, None)


Step = Answer | Body | Events


class Request(scripted.Request):
    """A request to this API."""

    @property
    def model_id(self) -> str:
        """The model that is asked."""
        return unquote(self.path.split("/")[2])

    @property
    def operation(self) -> str:
        """What it is asked for, by the last part of the path."""
        return self.path.split("/")[-1]


def plain_answer(request: Request) -> Step:
    """Answer `Hello` with usage, in the form of the operation."""
    if request.operation == "converse":
        return Answer(answer())
    if request.operation == "converse-stream":
        return Events(events("Hel", "lo"))
    if request.operation == "invoke":
        return Body(json.dumps(claude()).encode())
    if request.operation == "invoke-with-response-stream":
        return invoke_events(invoke_chunks("Hel", "lo"))
    return Answer({"action": "NONE"})


class _BedrockHandler(ScriptedHandler):
    request_type = Request

    def follow(self, step: Step, request: Request) -> None:
        """Send an answer, a body, or a stream."""
        self.wait(step.delay_s)
        if isinstance(step, Answer):
            self.answer(step.status, step.content, dict(step.headers))
        elif isinstance(step, Body):
            self._body(step)
        else:
            self._events(step, request)

    def _body(self, step: Body) -> None:
        chunked = step.length == -1
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(step.content) if step.length is None else step.length))
        self._end_headers(step.headers)
        ends = [end for end in (step.cut_after, step.stall_after) if end is not None]
        content = step.content[: min(ends)] if ends else step.content
        for at in range(0, len(content), step.piece):
            piece = content[at : at + step.piece]
            self.chunk(piece) if chunked else self.wfile.write(piece)
        self.wfile.flush()
        if step.stall_after is not None:
            self.wait(FOREVER_S)
        if step.cut_after is not None or step.length not in (None, -1):
            self.close_connection = True  # a body without its end, not a reset, which may take sent bytes along
        elif chunked:
            self.chunk(b"")

    def _events(self, step: Events, request: Request) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.send_header("Transfer-Encoding", "chunked")
        if request.operation.startswith("invoke"):
            self.send_header("X-Amzn-Bedrock-Content-Type", "application/json")
        self._end_headers(step.headers)
        for n, each in enumerate(step.frames()):
            if n in (step.cut_after, step.stall_after, step.corrupt_after):
                break
            self.wait(step.pauses_s.get(n, 0))
            self.chunk(each)
        if step.stall_after is not None:
            self.wait(FOREVER_S)
        if step.corrupt_after is not None:
            self.chunk(frame(_event("messageStop"), {})[:-1] + b"\x00")
        if step.cut_after is not None:
            self.close_connection = True  # likewise
            return
        self.chunk(b"")

    def _end_headers(self, headers: Headers) -> None:
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


class ScriptedBedrock(Scripted[Step, Request]):
    """Follows its script, and answers the other requests with `otherwise`."""

    handler = _BedrockHandler

    def __init__(self, otherwise: Callable[[Request], Step] = plain_answer) -> None:
        super().__init__()
        self._otherwise = otherwise

    def otherwise(self, request: Request) -> Step:
        """Answer a request that nothing was scripted for."""
        return self._otherwise(request)


def frame(headers: Mapping[str, str], content: JSON | None) -> bytes:
    """Encode one message: its lengths and their checksum, headers of strings, the content, the checksum of all."""
    payload = b"" if content is None else json.dumps(content).encode()
    head = b"".join(_sized(">B", name) + b"\x07" + _sized(">H", value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return message + struct.pack(">I", crc32(message))


def _sized(size: str, text: str) -> bytes:
    return struct.pack(size, len(text.encode())) + text.encode()


def _event(name: str) -> dict[str, str]:
    return {":event-type": name, ":content-type": "application/json", ":message-type": "event"}


def usage_of(input_: int, output: int, **cached: int) -> JSON:
    """Spell out a usage of Converse's; `cached` are such as cacheReadInputTokens, which are part of the total."""
    return {
        "inputTokens": input_,
        "outputTokens": output,
        "totalTokens": input_ + output + sum(cached.values()),
        **cached,
    }


def answer(*content: str | JSON, usage: JSON | None = None, stop_reason: str = "end_turn", **fields: object) -> JSON:
    """Make a response of Converse, `Hello` if nothing else is said; content is text or a block."""
    blocks = [{"text": each} if isinstance(each, str) else each for each in content or ("Hello",)]
    return {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": stop_reason,
        "usage": usage_of(9, 3) if usage is None else usage,
        "metrics": METRICS,
        **fields,
    }


def text_delta(text: str, index: int = 0) -> tuple[str, JSON]:
    """Make an event with a piece of text."""
    return "contentBlockDelta", {"delta": {"text": text}, "contentBlockIndex": index}


def tool_use(name: str, *pieces: str, id: str = "tooluse_1", index: int = 1) -> list[tuple[str, JSON]]:  # noqa: A002 - its name
    """Make the events of one tool call, whose input comes in pieces."""
    start = {"start": {"toolUse": {"toolUseId": id, "name": name}}, "contentBlockIndex": index}
    deltas = [{"delta": {"toolUse": {"input": piece}}, "contentBlockIndex": index} for piece in pieces]
    return [
        ("contentBlockStart", start),
        *(("contentBlockDelta", delta) for delta in deltas),
        ("contentBlockStop", {"contentBlockIndex": index}),
    ]


def events(
    *pieces: str | list[tuple[str, JSON]], usage: JSON | None = None, stop_reason: str = "end_turn"
) -> list[tuple[str, JSON]]:
    """Make the events of a stream of Converse: a piece is text, or the events that stand for it."""
    made: list[tuple[str, JSON]] = [("messageStart", {"role": "assistant"})]
    for piece in pieces:
        made += [text_delta(piece)] if isinstance(piece, str) else piece
    return [
        *made,
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": stop_reason}),
        ("metadata", {"usage": usage_of(9, 3) if usage is None else usage, "metrics": METRICS}),
    ]


def claude(*content: JSON, usage: JSON | None = None, stop_reason: str = "end_turn") -> JSON:
    """Make a body of Anthropic's, `Hello` if nothing else is said."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(content) or [{"type": "text", "text": "Hello"}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 3} if usage is None else usage,
    }


def invoke_chunks(*texts: str, metrics: tuple[int, int] | None = (9, 3)) -> list[JSON]:
    """Make the chunks of a stream of Anthropic's, whose own counts are not those of the metrics."""
    last = {} if metrics is None else {"amazon-bedrock-invocationMetrics": metrics_of(*metrics)}
    start = {**claude(usage={"input_tokens": 90, "output_tokens": 1}), "content": [], "stop_reason": None}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 30}},
        {"type": "message_stop", **last},
    ]


def metrics_of(input_: int, output: int, **cached: int) -> JSON:
    """Spell out the service's own account of an invocation."""
    counts = {"inputTokenCount": input_, "outputTokenCount": output, **cached}
    return {**counts, "invocationLatency": 5, "firstByteLatency": 2}


def invoke_events(chunks: Iterable[JSON | bytes], **how: Any) -> Events:
    """Make a stream of chunks, JSON or any bytes; `how` is as for `Events`."""
    encoded = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in chunks)
    return Events([("chunk", {"bytes": base64.b64encode(each).decode()}) for each in encoded], **how)
