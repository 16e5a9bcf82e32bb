"""The other APIs of OpenAI's: Responses, legacy completions, and Azure's."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import openai
import pytest

from tests.expected import (
    ANSWERED,
    FAILED,
    FAILED_LATE,
    READ,
    SUCCESS,
    TOOL_CALL,
    UNREAD,
    duration,
    first_token,
    tokens,
    told,
)
from tests.langchain.ways import QUESTION, STREAMS, WAYS, chain_of, each_way
from tests.langchain.wires import two_tools
from tests.servers.openai import Answer, Failure, Stream, completion, text_completion, texts
from tests.servers.responses import function_call, message, reasoning, response, response_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

    Gpt = Callable[..., Any]

each = pytest.mark.parametrize("way", WAYS)
each_stream = pytest.mark.parametrize("way", STREAMS)
around = pytest.mark.parametrize("around", [lambda model: model, chain_of], ids=["model", "chain"])


@each
@around
def test_responses(gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str) -> None:
    """LC4, LC9, LC17: the Responses API."""
    WAYS[way](around(gpt(use_responses_api=True)), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each
def test_responses_items(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC13: its tool calls count once each, beside reasoning and text."""
    items = [
        reasoning("Let me see"),
        message("Hello"),
        function_call("search", '{"a": ', "1}"),
        function_call("lookup", id="fc_2", call_id="call_2"),
    ]
    server.script(response_stream(*items) if way in STREAMS else Answer(response(*items)))
    WAYS[way](gpt(use_responses_api=True), watched)
    assert told(recorded) == [*(READ if way in STREAMS else ANSWERED), TOOL_CALL, TOOL_CALL]
    assert recorded.run.tool_calls == ("search", "lookup")


@each_stream
@pytest.mark.parametrize(
    "item", [message("Hello"), reasoning("Let me"), function_call("f"), message("No", refusal=True)]
)
def test_responses_first_output(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str, item: Any
) -> None:
    """LC9: text, reasoning, a refusal or a tool call is output; that a response was created, is none."""
    script = response_stream(item, pauses_s={2: 0.05})
    server.script(script)
    STREAMS[way](gpt(use_responses_api=True), watched)
    assert told(recorded)[:3] == [duration(50), first_token(50), SUCCESS]


@each
def test_responses_incomplete(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """A response that stops at its limit is a success."""
    cut: Any = {"status": "incomplete"}
    server.script(
        response_stream(message("Hello"), **cut) if way in STREAMS else Answer(response(message("Hello"), **cut))
    )
    WAYS[way](gpt(use_responses_api=True), watched)
    # The first releases pass over the last event of such a stream, in which the usage is.
    streamed = READ[:3] if version("langchain-openai").startswith("1.0.") else READ
    assert told(recorded) == (streamed if way in STREAMS else ANSWERED)


@each
def test_responses_refused(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: refused, it is an error."""
    server.script(Failure(500))
    with pytest.raises(openai.InternalServerError):
        WAYS[way](gpt(use_responses_api=True), watched)
    assert told(recorded) == FAILED


@each_stream
def test_responses_cut(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: cut off, it is an error with the first token."""
    server.script(response_stream(cut_after=5))
    with pytest.raises(Exception, match=r"peer closed connection|Connection error"):
        STREAMS[way](gpt(use_responses_api=True), watched)
    assert told(recorded) == FAILED_LATE


@each
@around
def test_azure(gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str) -> None:
    """LC17: Azure's OpenAI."""
    WAYS[way](around(gpt("azure")), watched)
    assert told(recorded) == (READ if way in STREAMS else ANSWERED)


@each_stream
def test_azure_filter_chunk(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC9, LC13: what Azure says of the prompt before all is no output, a tool call is."""
    about_the_prompt: Any = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    about_the_prompt["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": {}}]
    server.script(Stream([about_the_prompt, *two_tools().chunks], usage=(9, 3), pauses_s={2: 0.05}))
    STREAMS[way](gpt("azure"), watched)
    assert told(recorded) == [duration(50), first_token(50), *READ[2:], TOOL_CALL, TOOL_CALL]


@each_way
def test_azure_refused(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC8: what Azure's content filter refuses is an error."""
    server.script(Failure(400, "The response was filtered", "content_filter"))
    with pytest.raises(openai.BadRequestError):
        WAYS["ainvoke" if is_async else "invoke"](gpt("azure"), watched)
    assert told(recorded) == FAILED


@each
@around
def test_text(gpt: Gpt, watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str) -> None:
    """LC4, LC9, LC17: a plain text model, whose usage is beside its answer; of its streams LangChain hands on none."""
    WAYS[way](around(gpt("text")), watched)
    assert told(recorded) == ([duration(), first_token(), SUCCESS] if way in STREAMS else ANSWERED)


@each_way
def test_texts(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC5: several prompts in one request have one usage, wherever LangChain puts it: it counts once."""
    choices = [{"index": place, "text": "Hello", "finish_reason": "stop", "logprobs": None} for place in (0, 1)]
    server.script(Answer({**text_completion(usage=(18, 6)), "choices": choices}))
    model = gpt("text")
    if is_async:
        asyncio.run(model.agenerate([QUESTION] * 2, **watched))
    else:
        model.generate([QUESTION] * 2, **watched)
    assert len(server.requests) == 1
    assert told(recorded) == [duration(), SUCCESS, *tokens(18, 6), *UNREAD]


@each
def test_text_candidates(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC5: the best of two is one answer, and its usage counts once."""
    choices = [{"index": place, "text": "Hello", "finish_reason": "stop", "logprobs": None} for place in (0, 1)]
    if way in STREAMS:
        pytest.skip("LangChain streams one candidate")
    server.script(Answer({**text_completion(), "choices": choices}))
    WAYS[way](gpt("text", n=2), watched)
    assert told(recorded) == ANSWERED


@each
def test_text_refused(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: refused, it is an error."""
    server.script(Failure(429))
    with pytest.raises(openai.RateLimitError):
        WAYS[way](gpt("text"), watched)
    assert told(recorded) == FAILED


@each_stream
def test_text_cut(server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC8: cut off, likewise, with the first token."""
    server.script(Stream(texts("Hel", "lo"), cut_after=1))
    with pytest.raises(Exception, match=r"peer closed connection|Connection error"):
        STREAMS[way](gpt("text"), watched)
    assert told(recorded) == FAILED_LATE


@each_way
def test_parsed_at_a_limit(
    server: ScriptedOpenAI, gpt: Gpt, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC8: an answer that the client itself cannot parse, for it was cut at the limit, was paid for nevertheless."""
    schema = {"title": "Order", "description": "An order", "type": "object", "properties": {"id": {"type": "string"}}}
    server.script(Answer(completion('{"id": ', finish_reason="length")))
    model = gpt().with_structured_output(schema, method="json_schema")
    with pytest.raises(openai.LengthFinishReasonError):
        WAYS["ainvoke" if is_async else "invoke"](model, watched)
    assert told(recorded) == [*FAILED, *tokens(9, 3)]
