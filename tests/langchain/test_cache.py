"""LangChain's own cache of answers: a hit costs no tokens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import get_llm_cache, set_llm_cache
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig, RunnableLambda

from ldai_core import TokenUsage
from ldai_langchain.readings import read_result
from tests.expected import ANSWERED, READ, SUCCESS, UNREAD, duration, tokens, told
from tests.langchain.models import ScriptedChat, ScriptedText, Turn, usage_of
from tests.langchain.ways import QUESTION, STREAMS, WAYS, all_of, ask, chain_of, each_way
from tests.servers.openai import Answer, completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler
    from tests.servers.openai import ScriptedOpenAI

    Make = Callable[..., Any]

ANSWERS = ("invoke", "ainvoke", "batch", "abatch")
each = pytest.mark.parametrize("way", ANSWERS)
around = pytest.mark.parametrize("around", [lambda model: model, chain_of], ids=["model", "chain"])
NOTHING = TokenUsage(0, 0, 0)


class Streaming(ScriptedChat):
    """A model that streams within its answers."""

    streaming: bool = False


@pytest.fixture
def for_all() -> Iterator[InMemoryCache]:
    """Set a cache for all models."""
    before, cache = get_llm_cache(), InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(before)


def cached(*turns: Turn) -> ScriptedChat:
    """Make a model with a cache of its own."""
    return ScriptedChat(turns=turns or (Turn(),), cache=InMemoryCache())


@each
@around
def test_a_hit(watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], way: str) -> None:
    """LC6: a hit in the cache has a duration and is a success, without tokens; the answer that filled it has some."""
    model = cached()
    for _ in range(3):
        WAYS[way](around(model), watched)
    assert len(model.taken) == 1
    assert told(recorded) == ANSWERED + UNREAD * 2


@each
def test_a_hit_in_the_cache_for_all(watched: Any, recorded: RecordingClient, for_all: InMemoryCache, way: str) -> None:
    """LC6: so in the cache that is set for all models, which a model may be told to leave alone."""
    for model in (ScriptedChat(), ScriptedChat(), ScriptedChat(cache=False)):
        WAYS[way](model, watched)
    assert told(recorded) == [*ANSWERED, *UNREAD, *ANSWERED]


@each_way
@pytest.mark.parametrize("usage", [None, (9, 3)])
@pytest.mark.parametrize("place", ["token_usage", "usage", "amazon-bedrock-invocationMetrics"])
def test_old_counts(watched: Any, recorded: RecordingClient, place: str, usage: Any, is_async: bool) -> None:
    """LC6: the old counts, which also stand in a hit's response_metadata, are not taken from there."""
    model = cached(Turn(usage=usage, metadata={place: usage_of(9, 3)}))
    for _ in range(2):
        ask(model, watched, is_async=is_async)
    assert told(recorded) == ANSWERED + UNREAD


@each_way
@pytest.mark.parametrize("number", [1, 2])
def test_openai(
    server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, number: int, is_async: bool
) -> None:
    """LC6: so of a real model, also of several candidates, each of which has the old counts."""
    whole = completion()
    server.script(Answer({**whole, "choices": whole["choices"] * number}))
    model = gpt(cache=InMemoryCache(), n=number)
    for _ in range(2):
        ask(model, watched, is_async=is_async)
    assert len(server.requests) == 1
    assert told(recorded) == ANSWERED + UNREAD


@each_way
def test_a_hit_beside_a_call(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC6: in a tree the tokens are those of the calls that were made."""
    model = cached(Turn(), Turn(usage=(100, 10)))
    ask(model, watched, is_async=is_async)
    steps: Any = model | RunnableLambda(lambda _: "And then?") | model
    ask(steps, watched, is_async=is_async)
    assert told(recorded) == [*ANSWERED, duration(), SUCCESS, *tokens(100, 10)]


@each_way
def test_a_cache_that_is_cleared(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC6: an answer that the cache has lost costs its tokens again."""
    model = cached()
    for _ in range(2):
        ask(model, watched, is_async=is_async)
        assert isinstance(model.cache, InMemoryCache)
        model.cache.clear()
    assert told(recorded) == ANSWERED * 2


@pytest.mark.parametrize("way", STREAMS)
def test_streams(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC6: a stream is neither taken from the cache nor kept in it, so that it costs its tokens every time."""
    model = cached()
    ask(model, watched)
    for _ in range(2):
        STREAMS[way](model, watched)
    assert told(recorded) == ANSWERED + READ * 2


@each_way
def test_streaming_models(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC6: the answer of a model that streams within is kept, with its tokens, and a hit has no first token."""
    model = Streaming(streaming=True, cache=InMemoryCache())
    for _ in range(2):
        ask(model, watched, is_async=is_async)
    assert len(model.taken) == 1
    assert told(recorded) == READ + UNREAD


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated")
def test_events(watched: Any, recorded: RecordingClient, version: Any) -> None:
    """LC6, LC9: so of a model that streams because somebody reads the events of what it is a part of."""
    model = cached()

    async def answer(question: str, config: RunnableConfig) -> Any:
        return await model.ainvoke(question, config)

    for _ in range(2):
        asyncio.run(all_of(RunnableLambda(answer).astream_events(QUESTION, watched, version=version)))
    assert len(model.taken) == 1
    assert told(recorded) == READ + UNREAD


@each_way
@around
def test_text_models(watched: Any, recorded: RecordingClient, around: Callable[[Any], Any], is_async: bool) -> None:
    """LC6: of a plain text model LangChain tells no callback of a hit: there is no model call, and nothing recorded."""
    model = ScriptedText(cache=InMemoryCache())
    for _ in range(2):
        assert ask(around(model), watched, is_async=is_async) == "Hello"
    assert told(recorded) == ANSWERED


@each_way
def test_text_prompts(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool) -> None:
    """LC6: of several prompts of which some are cached, the others are called, and counted."""
    model = ScriptedText(cache=InMemoryCache())
    callbacks: Any = [handler]
    for prompts in (["A"], ["A", "B"], ["A", "B"]):
        if is_async:
            asyncio.run(model.agenerate(prompts, callbacks=callbacks))
        else:
            model.generate(prompts, callbacks=callbacks)
    assert told(recorded) == ANSWERED * 2


@each_way
def test_prompts(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool) -> None:
    """LC5, LC6: so of a chat model's prompts, of which each is a run."""
    model = cached()
    callbacks: Any = [handler]
    for questions in (["A"], ["A", "B"]):
        prompts: Any = [[HumanMessage(question)] for question in questions]
        if is_async:
            asyncio.run(model.agenerate(prompts, callbacks=callbacks))
        else:
            model.generate(prompts, callbacks=callbacks)
    assert told(recorded)[:7] == ANSWERED + UNREAD
    assert told(recorded)[7:] == ANSWERED


def priced(usage: Any, cost: Any) -> ChatGeneration:
    """Make a candidate with a usage, and a cost that LangChain's types do not know."""
    message: Any = AIMessage("Hello", response_metadata={"usage": usage_of(9, 3)})
    message.usage_metadata = {**usage, "total_cost": cost}
    return ChatGeneration(message=message)


@pytest.mark.parametrize("cost", [0, 0.0, -0.0])
@pytest.mark.parametrize("usage", [{}, usage_of(9, 3)])
def test_the_mark_of_a_hit(usage: Any, cost: float) -> None:
    """LC6: a hit is known by the cost that LangChain sets, whatever else is said, on whichever candidate."""
    hit, other = priced(usage, cost), priced(usage_of(9, 3), None)
    for candidates in ([hit], [hit, other], [other, hit]):
        result = LLMResult(generations=[[*candidates]], llm_output={"token_usage": usage_of(9, 3)})
        assert read_result(result).usage == NOTHING


@pytest.mark.parametrize("cost", [0.25, None, False, "0", [0]])
def test_other_costs(cost: Any) -> None:
    """LC6: a cost that is another, or none, marks no hit."""
    result = LLMResult(generations=[[priced(usage_of(9, 3), cost)]])
    assert read_result(result).usage == TokenUsage(12, 9, 3)
