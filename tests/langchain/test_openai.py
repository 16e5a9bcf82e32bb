"""`ChatOpenAI` on a real socket: what is recorded of its answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache

from tests.expected import ANSWERED, READ, SUCCESS, TOOL_CALL, UNREAD, duration, first_token, tokens, told
from tests.langchain.ways import BATCHES, QUESTION, STREAMS, WAYS, ask, chain_of, each_way
from tests.langchain.wires import ASKS, two_tools
from tests.servers.openai import Answer, Failure, Stream, chunk, chunks, completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

    Gpt = Callable[..., Any]

each = pytest.mark.parametrize("way", WAYS)
each_stream = pytest.mark.parametrize("way", STREAMS)
around = pytest.mark.parametrize("around", [lambda model: model, chain_of], ids=["model", "chain"])
DETAILED = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


@each
@around
def test_answers(gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str) -> None:
    """LC1, LC4, LC17: an answer has its tokens, and one that is streamed a time to first token too."""
    WAYS[way](around(gpt()), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@pytest.mark.parametrize("way", BATCHES)
def test_batches(gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1, LC17: each of a batch is a run."""
    BATCHES[way](gpt(), watched)
    assert told(recorded) == ANSWERED * 3


@each_stream
@around
def test_times(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str
) -> None:
    """LC9: the clock starts before the request; the role is no output, and a text that follows later does not count."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3), delay_s=0.03, pauses_s={1: 0.05, 2: 0.06}))
    STREAMS[way](around(gpt()), watched)
    assert told(recorded) == [duration(140), first_token(80), SUCCESS, *tokens(9, 3)]
    run = recorded.run
    assert (run.time_to_first_token_ms or 0) <= (run.duration_ms or 0) - 30  # of 60


@each_way
def test_waits(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: the duration of an answer is that of the request."""
    server.script(Answer(completion(), delay_s=0.08))
    ask(gpt(), watched, is_async=is_async)
    assert told(recorded) == [duration(80), *ANSWERED[1:]]
    assert (recorded.run.duration_ms or 0) < 2_000


@each_way
@pytest.mark.parametrize("kind", ["model", "chain"])
def test_streaming_models(gpt: Gpt, watched: Any, recorded: RecordingClient, kind: str, is_async: bool) -> None:
    """LC9: a model that streams although it is invoked has a time to first token; the handler makes none stream."""
    for streaming in (True, False):
        model = gpt(streaming=streaming)
        ask(model if kind == "model" else chain_of(model), watched, is_async=is_async)
    assert told(recorded) == [*READ, *ANSWERED]


@each
def test_details(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC4: the cached and the reasoning tokens are parts of the counts."""
    server.script(Stream(chunks("Hi"), usage=DETAILED) if way in STREAMS else Answer(completion(usage=DETAILED)))
    WAYS[way](gpt(), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each_stream
def test_usage_again_and_again(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC4: what LangChain itself makes of a stream is what is recorded, here of one whose usage comes unasked."""
    server.script(Stream(chunks("Hi", usage=(9, 3))))
    STREAMS[way](gpt(stream_usage=False), watched)
    assert told(recorded) == READ


@each
def test_candidates(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC5: two candidates have one usage."""
    whole = completion()
    candidates = Answer({**whole, "choices": [whole["choices"][0], {**whole["choices"][0], "index": 1}]})
    pieces = [chunk({"content": text}, index) for text in ("Hel", "lo") for index in (0, 1)]
    server.script(Stream(pieces, usage=(9, 3)) if way in STREAMS else candidates)
    WAYS[way](gpt(n=2), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each_way
def test_prompts(gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC5: of several prompts in one `generate` each is a request, and a run."""
    prompts = [[("user", QUESTION)]] * 2
    model = gpt()
    messages = [model._convert_input(prompt).to_messages() for prompt in prompts]
    if is_async:
        asyncio.run(model.agenerate(messages, **watched))
    else:
        model.generate(messages, **watched)
    assert told(recorded) == ANSWERED * 2


@each
def test_tool_calls(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC9, LC13: tools that come in fragments count once each, and their first fragment is the first output."""
    asked = [ASKS, {"id": "call_2", "type": "function", "function": {"name": "lookup", "arguments": "{"}}]
    server.script(two_tools() if way in STREAMS else Answer(completion(None, tool_calls=asked)))
    WAYS[way](gpt(), watched)
    assert told(recorded) == [*(READ if way in STREAMS else ANSWERED), TOOL_CALL, TOOL_CALL]
    assert recorded.run.tool_calls == ("search", "lookup")


@each_stream
def test_time_of_a_tool_call(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC9: the fragment that names the tool is output already, before any of its arguments."""
    script = two_tools()
    server.script(Stream(script.chunks, usage=(9, 3), pauses_s={1: 0.04, 2: 0.08}))
    STREAMS[way](gpt(), watched)
    assert told(recorded)[:2] == [duration(120), first_token(40)]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 40  # of 80


@each_way
@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_structured_output(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, method: Any, is_async: bool
) -> None:
    """LC13: the tool by which `with_structured_output` gets its form is none, whichever way it takes."""
    schema = {"title": "Order", "description": "An order", "type": "object", "properties": {"id": {"type": "string"}}}
    call = {"id": "call_1", "type": "function", "function": {"name": "Order", "arguments": '{"id": "1"}'}}
    whole = completion(None, tool_calls=[call]) if method == "function_calling" else completion('{"id": "1"}')
    server.script(Answer(whole))
    assert ask(gpt().with_structured_output(schema, method=method), watched, is_async=is_async) == {"id": "1"}
    assert told(recorded) == ANSWERED


@each_way
def test_bound_tool_of_that_name(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: a tool that is bound as any other is one."""
    server.script(Answer(completion(None, tool_calls=[ASKS])))
    schema = {"title": "search", "description": "Searches", "type": "object", "properties": {}}
    ask(gpt().bind_tools([schema], tool_choice="search"), watched, is_async=is_async)
    assert told(recorded) == [*ANSWERED, TOOL_CALL]


@each_way
def test_cache(gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool, server: ScriptedOpenAI) -> None:
    """LC6: an answer that LangChain has cached is a run without tokens."""
    model = gpt(cache=InMemoryCache())
    for _ in range(2):
        ask(model, watched, is_async=is_async)
    assert told(recorded) == [*ANSWERED, *UNREAD]
    assert len(server.requests) == 1


@each
def test_client_retries(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1: what the client tries again by itself is one call, and the wait is in its duration."""
    server.script(Failure(429, headers=[("retry-after-ms", "30")]))
    WAYS[way](gpt(max_retries=2), watched)
    assert len(server.requests) == 2
    assert told(recorded) == [duration(30), *(READ if way in STREAMS else ANSWERED)[1:]]


@each
def test_retries(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1, LC3: tried again by LangChain, or replaced by a fallback, it is one run; tokens are those of the answer."""
    model = gpt()
    retrying = model.with_retry(wait_exponential_jitter=False)
    for runnable in (retrying, model.with_fallbacks([gpt()]), model.with_fallbacks([chain_of(gpt())])):
        if runnable is retrying and way in STREAMS:
            continue  # a retry does not go for streams
        server.script(Failure(500))
        WAYS[way](runnable, watched)
    runs = 2 if way in STREAMS else 3
    assert told(recorded) == (READ if way in STREAMS else ANSWERED) * runs
