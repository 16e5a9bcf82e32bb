"""What is read of real integrations' answers, and recorded of them."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from langchain_aws import BedrockLLM
from langchain_core.messages import HumanMessage

from tests.expected import ANSWERED, SUCCESS, UNREAD, duration, first_token, tokens, told
from tests.langchain.models import ScriptedChat, ScriptedText, Turn, usage_of
from tests.langchain.ways import QUESTION, STREAMS, WAYS, ask, each_way
from tests.servers.bedrock import Answer as BedrockAnswer
from tests.servers.bedrock import Body, Events, answer, claude, events, invoke_chunks, invoke_events, metrics_of
from tests.servers.bedrock import usage_of as converse_usage
from tests.servers.openai import Answer, Stream, chunks, completion, text_completion
from tests.servers.responses import response, response_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler
    from tests.servers.bedrock import ScriptedBedrock
    from tests.servers.openai import ScriptedOpenAI

    Make = Callable[..., Any]

# An older langchain-aws leaves the cached tokens out of the input, though not out of the total.
counts_cached = pytest.mark.skipif(version("langchain-aws").startswith("1.0."), reason="it does not count them")
each = pytest.mark.parametrize("way", ["invoke", "ainvoke"])
each_stream = pytest.mark.parametrize("way", ["stream", "astream"])
TITAN = "amazon.titan-text-express-v1"
DETAILED = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2, "accepted_prediction_tokens": 1},
}
CACHED = converse_usage(2, 3, cacheReadInputTokens=4, cacheWriteInputTokens=3)
COUNTED = [("X-Amzn-Bedrock-Input-Token-Count", "9"), ("X-Amzn-Bedrock-Output-Token-Count", "3")]
TITAN_BODY = {"inputTextTokenCount": 9, "results": [{"outputText": "Hello", "tokenCount": 3}]}
TITAN_END = {"inputTextTokenCount": 9, "totalOutputTextTokenCount": 3, "completionReason": "FINISH"}
TITAN_CHUNKS = [
    {"outputText": "Hel", "index": 0},
    {"outputText": "lo", "index": 0, **TITAN_END, "amazon-bedrock-invocationMetrics": metrics_of(9, 3)},
]


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """Collect what the last test has left, likewise."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def candidates(whole: Any, number: int) -> Answer:
    """Answer with more choices."""
    (choice,) = whole["choices"]
    return Answer({**whole, "choices": [{**choice, "index": place} for place in range(number)]})


def body(content: Any) -> Body:
    """Answer with the service's own counts in the headers."""
    return Body(json.dumps(content).encode(), COUNTED)


OPENAI: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "chat": (Answer(completion(usage=DETAILED)), "chat", {}),
    "candidates": (candidates(completion(usage=DETAILED), 3), "chat", {"n": 3}),
    "v1": (Answer(completion()), "chat", {"output_version": "v1"}),
    "streaming": (Stream(chunks("Hi"), DETAILED), "chat", {"streaming": True}),
    "Responses": (Answer(response()), "chat", {"use_responses_api": True}),
    "text": (Answer(text_completion()), "text", {}),
    "text candidates": (candidates(text_completion(), 2), "text", {"n": 2, "best_of": 2}),
}
OPENAI_STREAMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "asked": (Stream(chunks("Hi"), DETAILED), {}),
    "unasked": (Stream(chunks("Hi", usage=DETAILED)), {"stream_usage": False}),
    "Responses": (response_stream(), {"use_responses_api": True}),
}
BEDROCK: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "Converse": (BedrockAnswer(answer()), "nova", {}),
    "Converse, cached": (BedrockAnswer(answer(usage=CACHED)), "nova", {}),
    "InvokeModel": (body(claude()), "claude", {}),
    "InvokeModel, streaming": (invoke_events(invoke_chunks("Hel", "lo")), "claude", {"streaming": True}),
    "Titan": (body(TITAN_BODY), "claude", {"model": TITAN}),
}
BEDROCK_STREAMS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "Converse": (Events(events("Hel", "lo")), "nova", {}),
    "Converse, cached": (Events(events("Hel", "lo", usage=CACHED)), "nova", {}),
    "InvokeModel": (invoke_events(invoke_chunks("Hel", "lo")), "claude", {}),
    "Titan": (invoke_events(TITAN_CHUNKS), "claude", {"model": TITAN}),
}


def _rows() -> Iterator[Any]:
    for rows, ways in ((BEDROCK, ("invoke", "ainvoke")), (BEDROCK_STREAMS, ("stream", "astream"))):
        for name, row in rows.items():
            for way in ways:
                yield pytest.param(row, way, id=f"{name}-{way}", marks=[counts_cached] if "cached" in name else [])


def counted(recorded: RecordingClient) -> list[Any]:
    """List what was told, but for the time to first token, which is not the matter here."""
    return [(name, value) for name, value in told(recorded) if name != first_token()[0]]


@each
@pytest.mark.parametrize("row", OPENAI.values(), ids=OPENAI)
def test_openai(server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, row: Any, way: str) -> None:
    """LC4, LC5: nine tokens in and three out, details and candidates apart, whichever API of OpenAI's is asked."""
    step, kind, options = row
    server.script(step)
    WAYS[way](gpt(kind, **options), watched)
    assert counted(recorded) == ANSWERED


@each_stream
@pytest.mark.parametrize("row", OPENAI_STREAMS.values(), ids=OPENAI_STREAMS)
def test_openai_streams(
    server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, row: Any, way: str
) -> None:
    """LC4: so of a stream, whether its usage was asked for or is sent unasked."""
    step, options = row
    server.script(step)
    STREAMS[way](gpt(**options), watched)
    assert counted(recorded) == ANSWERED


@pytest.mark.parametrize(("row", "way"), list(_rows()))
def test_bedrock(
    bedrock: ScriptedBedrock, nova: Make, claude: Make, watched: Any, recorded: RecordingClient, row: Any, way: str
) -> None:
    """LC4: likewise of Bedrock's, where what was read from and written to its prompt cache is beside the input."""
    step, kind, options = row
    bedrock.script(step)
    WAYS[way]({"nova": nova, "claude": claude}[kind](**options), watched)
    assert counted(recorded) == ANSWERED


@pytest.mark.parametrize("way", ["invoke", "stream", "streaming"])
def test_bedrock_text(
    bedrock: ScriptedBedrock, bedrock_client: Make, watched: Any, recorded: RecordingClient, way: str
) -> None:
    """LC1, LC4: so of its plain text models, though they tell of the end of a whole answer twice."""
    bedrock.script(body(TITAN_BODY) if way == "invoke" else invoke_events(TITAN_CHUNKS))
    client = bedrock_client()
    model = BedrockLLM(model=TITAN, client=client, bedrock_client=client, streaming=way == "streaming")
    WAYS["stream" if way == "stream" else "invoke"](model, watched)
    assert counted(recorded) == ANSWERED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["token_usage", "usage", "tokenUsage", "amazon-bedrock-invocationMetrics"])
def test_in_the_metadata(watched: Any, recorded: RecordingClient, way: str, place: str) -> None:
    """LC4: counts that a message has in its response_metadata alone are recorded, in every way."""
    WAYS[way](ScriptedChat(turns=(Turn(usage=None, metadata={place: usage_of(9, 3)}),)), watched)
    assert counted(recorded) == ANSWERED


@pytest.mark.parametrize("way", WAYS)
def test_of_a_text_model(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC4: so are those of a plain text model: of a whole answer in `llm_output`, of a stream in `generation_info`."""
    WAYS[way](ScriptedText(), watched)
    assert counted(recorded) == ANSWERED


@each_way
@pytest.mark.parametrize("bad", [True, None, -1, "9", 9.5, float("nan")], ids=repr)
def test_what_is_no_count(watched: Any, recorded: RecordingClient, bad: Any, is_async: bool) -> None:
    """LC4, LC7: where there is no count there is no event of it, and there are no zeros."""
    usage: Any = {"input_tokens": bad, "output_tokens": bad, "total_tokens": bad}
    ask(ScriptedChat(turns=(Turn(usage=None, metadata={"usage": usage}),)), watched, is_async=is_async)
    assert told(recorded) == UNREAD


@each_way
@pytest.mark.parametrize("model", [ScriptedChat(), ScriptedText()], ids=["chat", "text"])
def test_prompts(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, model: Any, is_async: bool) -> None:
    """LC5: several prompts of one call are summed; of a text model they come with one usage for all of them."""
    prompts: Any = [QUESTION] * 3 if isinstance(model, ScriptedText) else [[HumanMessage(QUESTION)]] * 3
    with handler.run():
        if is_async:
            asyncio.run(model.agenerate(prompts, callbacks=[handler]))
        else:
            model.generate(prompts, callbacks=[handler])
    counts = tokens(9, 3) if isinstance(model, ScriptedText) else tokens(27, 9)
    assert told(recorded) == [duration(), SUCCESS, *counts]
