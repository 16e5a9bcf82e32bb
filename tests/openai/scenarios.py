"""What a server of OpenAI's APIs may answer, and every form of call in which an application may ask for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from tests.openai.expected import ASKED, COUNTING, helpers
from tests.servers.openai import (
    Answer,
    Failure,
    Step,
    Stream,
    chunk,
    chunks,
    completion,
    text_completion,
    texts,
    tool_call,
)
from tests.servers.responses import function_call, hosted_call, message, reasoning, response, response_stream

__all__ = ["ASYNC_FORMS", "FORMS", "SCENARIOS", "Form"]

SEARCH = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
SEARCHED = hosted_call("web_search_call", action={"type": "search", "query": "fruit"})
TWO_AT_ONCE = [chunk(delta, index) for delta in ({"content": "a"}, {"refusal": "b"}) for index in (0, 1)]
ODD: Any = {"object": "chat.completion.chunk"}

FAILURES: dict[str, Step] = {
    "refused": Failure(400),
    "unauthorized": Failure(401, headers=(("x-request-id", "req-1"),)),
    "busy": Failure(429, "Slow down"),
    "broken": Failure(500),
}
CHAT: dict[str, Step] = {
    **FAILURES,
    "plain": Answer(completion()),
    "without usage": Answer(completion(usage=None)),
    "empty": Answer(completion(None)),
    "tool calls": Answer(completion(None, tool_calls=[SEARCH], finish_reason="tool_calls")),
    "refusal": Answer(completion(None, refusal="I would rather not.")),
    "length": Answer(completion("Hel", finish_reason="length")),
    "fields of its own": Answer({**completion(reasoning_content="Hm."), "cost": 0.1}),
    "an error with status 200": Answer({"error": {"message": "overloaded"}}),
    "something else": Answer({"choices": "none", "usage": [1], "answer": 42}),
    "stream": Stream(chunks("Hel", "lo")),
    "stream with usage": Stream(chunks("Hel", "lo"), usage=(9, 3)),
    "usage in every chunk": Stream(COUNTING),
    "usage in every chunk and at the end": Stream(COUNTING, usage=(9, 3)),
    "usage beside the finish": Stream([*chunks("Hel")[:2], chunk({}, 0, "stop", usage=(9, 3))]),
    "streamed tool calls": Stream(chunks(*tool_call("search", "{", "}"), *tool_call("look", "{}", id="b", index=1))),
    "two choices": Stream(TWO_AT_ONCE, usage=(9, 3)),
    "reasoning": Stream(chunks({"reasoning_content": "Hm."}, "Hello"), usage=(9, 3)),
    "filter results first": Stream(
        [{**ODD, "choices": [], "prompt_filter_results": [{}]}, *chunks("Hi")], usage=(9, 3)
    ),
    "odd chunks": Stream([{**ODD, "choices": None}, ODD, {**ODD, "choices": [{}]}, {}]),
    "no chunks": Stream([], usage=(9, 3)),
    "an error within": Stream(chunks("Hel"), error={"message": "overloaded", "code": 503}),
    "cut": Stream(chunks("Hel", "lo"), cut_after=2),
    "cut at once": Stream(chunks("Hel", "lo"), cut_after=0),
}
COMPLETIONS: dict[str, Step] = {
    **FAILURES,
    "plain": Answer(text_completion()),
    "without usage": Answer(text_completion(usage=None)),
    "length": Answer(text_completion("Hel", finish_reason="length")),
    "an error with status 200": Answer({"error": {"message": "overloaded"}}),
    "stream": Stream(texts("Hel", "lo")),
    "stream with usage": Stream(texts("Hel", "lo"), usage=(9, 3)),
    "an error within": Stream(texts("Hel"), error={"message": "overloaded"}),
    "cut": Stream(texts("Hel", "lo"), cut_after=2),
}
RESPONSES: dict[str, Step] = {
    **FAILURES,
    "plain": Answer(response()),
    "without usage": Answer(response(usage=None)),
    "tool calls": Answer(response(function_call("search", "{}"), SEARCHED)),
    "refusal": Answer(response(message("I would rather not.", refusal=True))),
    "incomplete": Answer(response(message("Hel"), status="incomplete")),
    "an error: failed": Answer(response(status="failed")),
    "an error: cancelled": Answer(response(status="cancelled")),
    "an error with status 200": Answer({"error": {"message": "overloaded"}}),
    "something else": Answer({"output": "none", "usage": [1], "status": 42}),
    "stream": response_stream(),
    "streamed tool calls": response_stream(reasoning("Hm."), function_call("search", "{}"), SEARCHED, message("Hi")),
    "streamed refusal": response_stream(message("I would rather not.", refusal=True)),
    "streamed, incomplete": response_stream(status="incomplete"),
    "streamed, an error: failed": response_stream(status="failed"),
    "unknown events": Stream(
        [*response_stream().chunks[:2], {"type": "response.sung", "sequence_number": 2}, *response_stream().chunks[2:]],
        done=False,
    ),
    "an error event": Stream(
        [*response_stream().chunks[:5], {"type": "error", "code": "x", "message": "overloaded", "sequence_number": 5}],
        done=False,
    ),
    "an error within": response_stream(error={"message": "overloaded"}),
    "cut": response_stream(cut_after=6),
}
SCENARIOS = {"chat": CHAT, "completions": COMPLETIONS, "responses": RESPONSES}

Form = Callable[[Any, str, bool], Iterator[Any]]
AsyncForm = Callable[[Any, str, bool], AsyncIterator[Any]]

# What is asked of each API; the names are those of the SCENARIOS.
REQUESTS: dict[str, dict[str, Any]] = {
    "chat": ASKED,
    "completions": {"model": "gpt-4o", "prompt": "Hi"},
    "responses": {"model": "gpt-4o", "input": "Hi"},
}
# So that the bytes of a stream are the same, asked for by the application or not.
COUNTED: dict[str, Any] = {"stream_options": {"include_usage": True}}


def resource(client: Any, api: str) -> Any:
    """Find where an API has its `create`."""
    return client.chat.completions if api == "chat" else getattr(client, api)


def request(api: str, streamed: bool) -> dict[str, Any]:
    """Write what is asked for."""
    return {**REQUESTS[api], "stream": True} if streamed else REQUESTS[api]


def create(client: Any, api: str, streamed: bool) -> Iterator[Any]:
    """Call `create`."""
    result = resource(client, api).create(**request(api, streamed))
    yield from result if streamed else [result]


def create_by_next(client: Any, api: str, streamed: bool) -> Iterator[Any]:
    """Call `create`, and read a stream by `next` inside its `with`."""
    result = resource(client, api).create(**request(api, streamed))
    if not streamed:
        yield result
        return
    with result as stream:
        while (item := next(stream, None)) is not None:
            yield item


def create_raw(client: Any, api: str, streamed: bool) -> Iterator[Any]:
    """Call `with_raw_response.create`, and parse what comes."""
    raw = resource(client, api).with_raw_response.create(**request(api, streamed))
    yield type(raw), raw.status_code, raw.headers["content-type"], raw.http_request.method
    yield from raw.parse() if streamed else [raw.parse()]


def create_streaming(client: Any, api: str, streamed: bool) -> Iterator[Any]:
    """Call `with_streaming_response.create`, and parse what comes."""
    with resource(client, api).with_streaming_response.create(**request(api, streamed)) as raw:
        yield type(raw), raw.status_code, raw.headers["content-type"], raw.retries_taken
        yield from raw.parse() if streamed else [raw.parse()]


def create_lines(client: Any, api: str, streamed: bool) -> Iterator[Any]:
    """Call `with_streaming_response.create`, and read the lines of what comes."""
    counted = COUNTED if streamed and api != "responses" else {}
    with resource(client, api).with_streaming_response.create(**request(api, streamed), **counted) as raw:
        yield from raw.iter_lines()


def through_a_manager(client: Any, api: str, streamed: bool) -> Iterator[Any]:
    """Call `stream()`, or `parse` where no stream is to come."""
    helper = helpers(client) if api == "chat" else client.responses
    if not streamed:
        yield helper.parse(**REQUESTS[api])
        return
    with helper.stream(**REQUESTS[api]) as events:
        yield from events


async def create_async(client: Any, api: str, streamed: bool) -> AsyncIterator[Any]:
    """Call `create`."""
    result = await resource(client, api).create(**request(api, streamed))
    if not streamed:
        yield result
        return
    async for item in result:
        yield item


async def create_by_anext(client: Any, api: str, streamed: bool) -> AsyncIterator[Any]:
    """Call `create`, and read a stream by `anext` inside its `async with`."""
    result = await resource(client, api).create(**request(api, streamed))
    if not streamed:
        yield result
        return
    async with result as stream:
        while (item := await anext(stream, None)) is not None:
            yield item


async def create_raw_async(client: Any, api: str, streamed: bool) -> AsyncIterator[Any]:
    """Call `with_raw_response.create`, and parse what comes."""
    raw = await resource(client, api).with_raw_response.create(**request(api, streamed))
    yield type(raw), raw.status_code, raw.headers["content-type"], raw.http_request.method
    if not streamed:
        yield raw.parse()
        return
    async for item in raw.parse():
        yield item


async def create_streaming_async(client: Any, api: str, streamed: bool) -> AsyncIterator[Any]:
    """Call `with_streaming_response.create`, and parse what comes."""
    async with resource(client, api).with_streaming_response.create(**request(api, streamed)) as raw:
        yield type(raw), raw.status_code, raw.headers["content-type"], raw.retries_taken
        if not streamed:
            yield await raw.parse()
            return
        async for item in await raw.parse():
            yield item


async def create_lines_async(client: Any, api: str, streamed: bool) -> AsyncIterator[Any]:
    """Call `with_streaming_response.create`, and read the lines of what comes."""
    counted = COUNTED if streamed and api != "responses" else {}
    async with resource(client, api).with_streaming_response.create(**request(api, streamed), **counted) as raw:
        async for line in raw.iter_lines():
            yield line


async def through_a_manager_async(client: Any, api: str, streamed: bool) -> AsyncIterator[Any]:
    """Call `stream()`, or `parse` where no stream is to come."""
    helper = helpers(client) if api == "chat" else client.responses
    if not streamed:
        yield await helper.parse(**REQUESTS[api])
        return
    async with helper.stream(**REQUESTS[api]) as events:
        async for event in events:
            yield event


FORMS: dict[str, Form] = {
    "create": create,
    "next": create_by_next,
    "raw": create_raw,
    "streaming": create_streaming,
    "lines": create_lines,
    "manager": through_a_manager,
}
ASYNC_FORMS: dict[str, AsyncForm] = {
    "create": create_async,
    "next": create_by_anext,
    "raw": create_raw_async,
    "streaming": create_streaming_async,
    "lines": create_lines_async,
    "manager": through_a_manager_async,
}
