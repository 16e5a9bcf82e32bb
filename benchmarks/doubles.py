"""Clients of the `openai` package that reach no network: real ones on a transport in memory, and one without any."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ldai.providers.types import LDAIMetrics
from ldai.tracker import TokenUsage
from openai import AsyncOpenAI, AsyncStream, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = [
    "CHUNK",
    "MESSAGES",
    "AsyncParsed",
    "Bare",
    "Parsed",
    "ask",
    "ask_bare",
    "async_client",
    "client",
    "official_metrics",
]

MESSAGES: Any = [{"role": "system", "content": "You help Ann."}, {"role": "user", "content": "Where is my order?"}]
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "It is on its way, and comes tomorrow.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    },
}
CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "gpt-4o-2024-08-06",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None}],
    "usage": None,
}

# httpx2 since openai 3, httpx before: the clients that openai makes come from it, and so must the transport.
_http: Any = sys.modules[DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]


def _answering(frames: Callable[[], Any] | None) -> Any:
    def answer(_request: object) -> Any:
        if frames is None:
            return _http.Response(200, json=ANSWER)
        return _http.Response(200, headers={"content-type": "text/event-stream"}, content=frames())

    return _http.MockTransport(answer)


def client(frames: Callable[[], Iterator[bytes]] | None = None) -> OpenAI:
    """Make a client that is answered from memory, by a stream of these frames if there are any."""
    http_client = DefaultHttpxClient(transport=_answering(frames))
    return OpenAI(api_key="any", base_url="http://memory.invalid/v1", max_retries=0, http_client=http_client)


def async_client(frames: Callable[[], AsyncIterator[bytes]] | None = None) -> AsyncOpenAI:
    """Make an async client likewise."""
    http_client = DefaultAsyncHttpxClient(transport=_answering(frames))
    return AsyncOpenAI(api_key="any", base_url="http://memory.invalid/v1", max_retries=0, http_client=http_client)


class Bare(OpenAI):
    """A client without transport and parsing: an answer is there already."""

    answer = ChatCompletion.model_validate(ANSWER)

    def request(self, _cast_to: Any, options: Any, **_how: Any) -> Any:  # type: ignore[override]
        """Answer, by way of the parser that the options carry, as the real one does."""
        return options.post_parser(self.answer) if callable(options.post_parser) else self.answer


class Parsed(Stream[ChatCompletionChunk]):
    """A stream of one chunk, parsed already, so many times."""

    def __init__(self, chunks: int, http: OpenAI) -> None:
        self._chunks = [ChatCompletionChunk.model_validate(CHUNK)] * chunks
        super().__init__(cast_to=ChatCompletionChunk, response=_http.Response(200), client=http)

    def __stream__(self) -> Iterator[ChatCompletionChunk]:
        yield from self._chunks


class AsyncParsed(AsyncStream[ChatCompletionChunk]):
    """The same, async."""

    def __init__(self, chunks: int, http: AsyncOpenAI) -> None:
        self._chunks = [ChatCompletionChunk.model_validate(CHUNK)] * chunks
        super().__init__(cast_to=ChatCompletionChunk, response=_http.Response(200), client=http)

    async def __stream__(self) -> AsyncIterator[ChatCompletionChunk]:
        for chunk in self._chunks:
            yield chunk


def ask(openai: OpenAI) -> ChatCompletion:
    """Ask for a whole answer."""
    return openai.chat.completions.create(model="gpt-4o", messages=MESSAGES)


def ask_bare(openai: OpenAI) -> ChatCompletion:
    """Ask for it by the method that `create` comes to, which is spared the checks of its arguments."""
    return openai.post("/chat/completions", cast_to=ChatCompletion, body={"model": "gpt-4o", "messages": MESSAGES})


def official_metrics(response: ChatCompletion) -> LDAIMetrics:
    """Read an answer for LaunchDarkly's own SDK, by hand."""
    usage = response.usage
    tokens = TokenUsage(usage.total_tokens, usage.prompt_tokens, usage.completion_tokens) if usage else None
    return LDAIMetrics(success=True, tokens=tokens)
