"""One tree, one run: what is tried again, and what is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from tests.expected import ANSWERED, FAILED, READ, SUCCESS, duration, tokens, told
from tests.langchain.models import ScriptedChat, Turn
from tests.langchain.ways import (
    BATCHES,
    FRESH,
    QUESTION,
    REFUSED,
    STREAMS,
    WAYS,
    ask,
    chain_of,
    collect,
    each_way,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

TWICE = [duration(), SUCCESS, *tokens(18, 6)]
THREE_TIMES = [duration(), SUCCESS, *tokens(27, 9)]
PROMPTS: Any = [[HumanMessage(QUESTION)]] * 3


FALLBACKS: dict[str, Callable[[Any, Any], Any]] = {
    "of a model": lambda bad, good: bad.with_fallbacks([good]),
    "of a chain": lambda bad, good: chain_of(bad).with_fallbacks([chain_of(good)]),
    "in a chain": lambda bad, good: chain_of(bad.with_fallbacks([good])),
    "of fallbacks": lambda bad, good: bad.with_fallbacks([bad.with_fallbacks([bad, good])]),
    "in a lambda": lambda bad, good: RunnableLambda(lambda _: bad.with_fallbacks([good])),
}


@each_way
def test_retries(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC3: a model that is tried again is one run; the failures before do not count."""
    model = ScriptedChat(turns=(REFUSED, REFUSED, Turn()))
    runnable = chain_of(model.with_retry(wait_exponential_jitter=False))
    assert ask(runnable, watched, is_async=is_async) == "Hello"
    assert told(recorded) == ANSWERED


@each_way
def test_retries_that_cost_tokens(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC3: a chain whose parser refuses twice, and which is tried again, has the tokens of all three answers."""
    parsers: Iterator[Callable[[Any], str]] = iter([refuse, refuse, str])

    def parse(message: Any) -> str:
        return next(parsers)(message)

    runnable = chain_of(ScriptedChat(), parse)
    ask(runnable.with_retry(wait_exponential_jitter=False), watched, is_async=is_async)
    assert told(recorded) == THREE_TIMES


@each_way
def test_retries_in_vain(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a model that is tried again in vain is one error."""
    with pytest.raises(ValueError, match="scripted"):
        ask(ScriptedChat(turns=(REFUSED,)).with_retry(wait_exponential_jitter=False), watched, is_async=is_async)
    assert told(recorded) == FAILED


@pytest.mark.parametrize("fallbacks", FALLBACKS)
@pytest.mark.parametrize("way", WAYS)
def test_fallbacks(watched: Any, recorded: RecordingClient, fallbacks: str, way: str) -> None:
    """LC3: a fallback that answers is a success, in the same run, though LangChain loses its parent."""
    WAYS[way](FALLBACKS[fallbacks](ScriptedChat(turns=(REFUSED,)), ScriptedChat()), watched)
    streamed = way in STREAMS and fallbacks != "in a lambda"
    events = told(recorded)
    assert events in ([READ] if streamed else [ANSWERED, READ])


@pytest.mark.parametrize("way", WAYS)
def test_fallbacks_in_vain(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC3: when all fallbacks fail, that is one error."""
    bad = ScriptedChat(turns=(REFUSED,))
    with pytest.raises(ValueError, match="scripted"):
        WAYS[way](bad.with_fallbacks([bad, bad]), watched)
    assert told(recorded) == FAILED


@each_way
def test_fallback_of_a_refused_answer(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC3: an answer that was refused, and replaced, has its tokens in the run too."""
    runnable = chain_of(ScriptedChat(), refuse).with_fallbacks([chain_of(ScriptedChat())])
    assert ask(runnable, watched, is_async=is_async) == "Hello"
    assert told(recorded) == TWICE


@each_way
def test_a_batch_that_is_given_up(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC1, LC14: of a batch of fallbacks that an exception leaves, LangChain says no end: each is an error."""
    runnable: Any = ScriptedChat(turns=(FRESH,)).with_fallbacks([ScriptedChat()], exceptions_to_handle=(KeyError,))
    try:
        with pytest.raises(LookupError):
            BATCHES["abatch" if is_async else "batch"](runnable, watched)
        collect()
        assert told(recorded) == FAILED * 3
    finally:
        handler.close()
