"""A scripted OpenAI API: what a real model will not do on demand, at a real client's address."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.servers import scripted
from tests.servers.scripted import FOREVER_S, JSON, Answer, Headers, Scripted, ScriptedHandler

__all__ = [
    "FOREVER_S",
    "Answer",
    "Failure",
    "Request",
    "ScriptedOpenAI",
    "Step",
    "Stream",
    "chunk",
    "chunks",
    "completion",
    "error_event",
    "text_completion",
    "texts",
    "tool_call",
    "usage_of",
]

Usage = tuple[int, int] | Mapping[str, object]


@dataclass(frozen=True)
class Failure:
    """An error, `times` times over, in the API's own form."""

    status: int
    message: str = "Scripted failure"
    code: str | None = None
    headers: Headers = ()
    times: int = 1

    def as_answer(self) -> Answer:
        """Describe one of them."""
        return Answer(error_event(self.message, self.code), self.status, self.headers)


@dataclass(frozen=True)
class Stream:
    """An answer of server-sent events: the chunks, then `[DONE]`.

    `usage` is sent in a chunk of its own if the request asks for it with `stream_options.include_usage`; then every
    other chunk without a usage carries `"usage": null`. Waits for `delay_s` before the headers, and for `pauses_s[n]`
    before chunk n, counted from 0. After so many chunks, `cut_after` drops the connection inside the body, and
    `stall_after` says no more until either side hangs up. `error` comes in the place of the end. Without `done` there
    is no `[DONE]`, as in the Responses API.

    Source: https://platform.openai.com/docs/api-reference/chat-streaming
    """

    chunks: Sequence[Mapping[str, object]]
    usage: Usage | None = None
    error: Mapping[str, object] | None = None
    cut_after: int | None = None
    stall_after: int | None = None
    done: bool = True
    delay_s: float = 0
    pauses_s: Mapping[int, float] = field(default_factory=dict)

    def events_for(self, request: Request) -> list[Mapping[str, object]]:
        """Tell what this request gets, before `[DONE]`."""
        events = list(self.chunks)
        if self.usage is not None and request.asks_for_usage:
            events = [{"usage": None, **each} if "choices" in each else each for each in events]
            events.append(_usage_chunk(self.usage))
        return events if self.error is None else [*events, {"error": self.error}]


Step = Answer | Failure | Stream


class Request(scripted.Request):
    """A request to this API."""

    @property
    def streams(self) -> bool:
        """Whether the request asks for a stream."""
        return bool(self.body and self.body.get("stream"))

    @property
    def asks_for_usage(self) -> bool:
        """Whether the request asks for the usage of a stream."""
        return bool(self.body and (self.body.get("stream_options") or {}).get("include_usage"))


def plain_answer(request: Request) -> Answer | Stream:
    """Answer `Hello` with usage, at once or in a stream, as the request asks, in the form of its API."""
    from tests.servers.responses import response, response_stream  # noqa: PLC0415  # which stands on this module

    path = request.path.partition("?")[0]
    if path.endswith("/responses"):
        return response_stream() if request.streams else Answer(response())
    if path.endswith("/completions") and not path.endswith("/chat/completions"):
        return Stream(texts("Hel", "lo"), usage=(9, 3)) if request.streams else Answer(text_completion())
    return Stream(chunks("Hel", "lo"), usage=(9, 3)) if request.streams else Answer(completion())


class _OpenAIHandler(ScriptedHandler):
    request_type = Request

    def follow(self, step: Answer | Stream, request: Request) -> None:
        """Send an answer, or a stream."""
        self.wait(step.delay_s)
        if isinstance(step, Answer):
            self.answer(step.status, step.content, dict(step.headers))
        else:
            self._stream(step, step.events_for(request))

    def _stream(self, step: Stream, events: list[Mapping[str, object]]) -> None:
        self.begin_chunks("text/event-stream")
        for n, event in enumerate(events):
            if n in (step.cut_after, step.stall_after):
                break
            self.wait(step.pauses_s.get(n, 0))
            self._send(json.dumps(event), event.get("type"))
        self._end(step)

    def _end(self, step: Stream) -> None:
        if step.stall_after is not None:
            self.wait(FOREVER_S)
        if step.cut_after is not None:
            self.close_connection = True  # a body without its end, not a reset, which may take sent chunks along
            return
        if step.done and step.error is None:
            self._send("[DONE]")
        self.chunk(b"")

    def _send(self, data: str, name: object = None) -> None:
        self.chunk(((f"event: {name}\n" if name else "") + f"data: {data}\n\n").encode())


class ScriptedOpenAI(Scripted[Answer | Stream, Request]):
    """Follows its script, and answers the other requests with `otherwise`."""

    handler = _OpenAIHandler

    def __init__(self, otherwise: Callable[[Request], Answer | Stream] = plain_answer) -> None:
        super().__init__()
        self._otherwise = otherwise

    def otherwise(self, request: Request) -> Answer | Stream:
        """Answer a request that nothing was scripted for."""
        return self._otherwise(request)

    @property
    def base_url(self) -> str:
        """The `base_url` for a client."""
        return self.uri + "/v1"


def completion(
    content: str | None = "Hello",
    usage: Usage | None = (9, 3),
    *,
    finish_reason: str = "stop",
    **message_fields: object,
) -> JSON:
    """Make a chat completion with one choice; `message_fields` are such as `tool_calls` or `refusal`."""
    message = {"role": "assistant", "content": content, **message_fields}
    choice = {"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}
    whole = _envelope("chat.completion", [choice])
    return whole if usage is None else {**whole, "usage": usage_of(usage)}


def chunk(
    delta: Mapping[str, object], index: int = 0, finish_reason: str | None = None, *, usage: Usage | None = None
) -> JSON:
    """Make a chunk of one choice's delta, with a usage of its own if it is given."""
    choice = {"index": index, "delta": dict(delta), "finish_reason": finish_reason, "logprobs": None}
    made = _envelope("chat.completion.chunk", [choice])
    return made if usage is None else {**made, "usage": usage_of(usage)}


def chunks(
    *pieces: str | Mapping[str, object],
    usage: Usage | None = None,
    role_first: bool = True,
    finish_reason: str = "stop",
) -> list[JSON]:
    """Make the chunks of one choice: the role, the pieces (text or deltas), the finish reason.

    `usage` is a last chunk that is sent unasked, as some providers do; see `Stream` for the one that is asked for.
    """
    deltas = [{"content": piece} if isinstance(piece, str) else piece for piece in pieces]
    role = [chunk({"role": "assistant", "content": ""})] if role_first else []
    end = [chunk({}, finish_reason=finish_reason)]
    return role + [chunk(delta) for delta in deltas] + end + ([] if usage is None else [_usage_chunk(usage)])


def text_completion(text: str = "Hello", usage: Usage | None = (9, 3), *, finish_reason: str | None = "stop") -> JSON:
    """Make a legacy completion with one choice, or a chunk of a streamed one, which has the same form."""
    whole = _envelope("text_completion", [{"index": 0, "text": text, "finish_reason": finish_reason, "logprobs": None}])
    return whole if usage is None else {**whole, "usage": usage_of(usage)}


def texts(*pieces: str) -> list[JSON]:
    """Make the chunks of a streamed legacy completion."""
    return [*(text_completion(piece, None, finish_reason=None) for piece in pieces), text_completion("", None)]


def tool_call(name: str, *arguments: str, id: str = "call_1", index: int = 0) -> list[JSON]:  # noqa: A002 - its name
    """Make the deltas of a tool call whose arguments come in pieces."""
    call = {"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
    rest = [{"index": index, "function": {"arguments": piece}} for piece in arguments]
    return [{"tool_calls": [each]} for each in (call, *rest)]


def error_event(message: str = "Scripted failure", code: str | None = None) -> JSON:
    """Make the error that a stream carries in the place of a chunk, or that is the body of a failure."""
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def usage_of(usage: Usage) -> JSON:
    """Spell out the usage of (prompt, completion) tokens; one that is spelt out stays."""
    if not isinstance(usage, tuple):
        return dict(usage)
    prompt, answer = usage
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _usage_chunk(usage: Usage) -> JSON:
    return {**_envelope("chat.completion.chunk", []), "usage": usage_of(usage)}


def _envelope(kind: str, choices: list[JSON]) -> JSON:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "scripted-model", "choices": choices}
