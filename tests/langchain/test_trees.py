"""One tree, one run: whatever happens inside."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda, RunnableParallel
from langchain_core.tools import StructuredTool

from tests.expected import ANSWERED, ERROR, FAILED, SUCCESS, TOKENS, UNREAD, duration, tokens, told
from tests.langchain.models import ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import BATCHES, FRESH, QUESTION, REFUSED, ask, chain_of, collect, each_way, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

TWICE = [duration(), SUCCESS, *tokens(18, 6)]
THREE_TIMES = [duration(), SUCCESS, *tokens(27, 9)]
PROMPTS: Any = [[HumanMessage(QUESTION)]] * 3


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("around", [lambda model: model, chain_of, lambda model: model.with_fallbacks([model])])
def test_batches(watched: Any, recorded: RecordingClient, batch: str, around: Callable[[Any], Any]) -> None:
    """LC1, LC17: a batch of three is three runs, each with a tracker of its own."""
    BATCHES[batch](around(ScriptedChat()), watched)
    assert told(recorded) == ANSWERED * 3


@each_way
def test_batch_with_a_failure(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: of a batch each outcome is its own."""
    model = ScriptedChat(turns=(Turn(), REFUSED, Turn()))
    config = {**watched, "max_concurrency": 1}
    questions = [QUESTION] * 3
    if is_async:
        asyncio.run(chain_of(model).abatch(questions, config, return_exceptions=True))
    else:
        chain_of(model).batch(questions, config, return_exceptions=True)
    assert sorted(str(run.success) for run in recorded.runs) == ["False", "True", "True"]
    assert len(told(recorded)) == len(ANSWERED * 2 + FAILED)


@each_way
def test_map(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a batch inside a tree is a part of it."""
    runnable: Any = RunnableLambda(lambda question: [question] * 3) | ScriptedChat().map()
    ask(runnable, watched, is_async=is_async)
    assert told(recorded) == THREE_TIMES


@each_way
def test_parallel(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: branches side by side are one run, with the tokens of all."""
    branches: Any = RunnableParallel(one=ScriptedChat(), other=chain_of(ScriptedChat()), third=ScriptedText())
    ask(branches, watched, is_async=is_async)
    assert told(recorded) == THREE_TIMES


@each_way
def test_nested_lambdas(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: models called by functions, by functions in functions, and by threads of theirs, are in the tree."""
    model = ScriptedChat()

    def inner(question: str, config: RunnableConfig) -> Any:
        thread = Thread(target=model.invoke, args=(question, config))
        thread.start()
        thread.join()
        return model.invoke(question)  # without a config, which the context has

    async def ainner(question: str, config: RunnableConfig) -> Any:
        await asyncio.create_task(model.ainvoke(question, config))
        return await asyncio.gather(model.ainvoke(question, config))

    nested = RunnableLambda(inner, afunc=ainner)

    async def outer(question: str, config: RunnableConfig) -> Any:
        await nested.ainvoke(question, config)
        return await model.ainvoke(question, config)

    whole = RunnableLambda(lambda question: [nested.invoke(question), model.invoke(question)], afunc=outer)
    ask(whole, watched, is_async=is_async)
    assert told(recorded) == THREE_TIMES


class Finder(BaseRetriever):
    """Asks a model what to look for."""

    fails: bool = False

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Any]:
        ScriptedChat().invoke(query, {"callbacks": run_manager.get_child()})
        return [] if not self.fails else [refuse(query)]


def find(question: str, config: RunnableConfig, *, fails: bool = False) -> str:
    """Ask a model."""
    ScriptedChat().invoke(question, config)
    return refuse(question) if fails else "found"


@each_way
@pytest.mark.parametrize("fails", [False, True])
def test_other_roots(watched: Any, recorded: RecordingClient, fails: bool, is_async: bool) -> None:
    """LC1, LC3: tools and retrievers in which models are called are roots as well; their failures are errors."""
    tool = StructuredTool.from_function(find)

    def call_tool() -> Any:
        asked = {"question": QUESTION, "fails": fails}
        return asyncio.run(tool.ainvoke(asked, watched)) if is_async else tool.invoke(asked, watched)

    for call in (call_tool, lambda: ask(Finder(fails=fails), watched, is_async=is_async)):
        if fails:
            with pytest.raises(ValueError, match="scripted"):
                call()
        else:
            call()
    assert told(recorded) == [duration(), ERROR if fails else SUCCESS, *TOKENS] * 2


@each_way
def test_several_prompts(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC5: prompts given to a model at once are roots, each a run; in a tree they are a part of it."""
    model = ScriptedChat()

    def generate(_: object, config: RunnableConfig) -> Any:
        return model.generate(PROMPTS, callbacks=config.get("callbacks"))

    async def agenerate(_: object, config: RunnableConfig) -> Any:
        return await model.agenerate(PROMPTS, callbacks=config.get("callbacks"))

    config: Any = {"callbacks": [handler]}
    if is_async:
        asyncio.run(agenerate(QUESTION, config))
    else:
        generate(QUESTION, config)
    ask(RunnableLambda(generate, afunc=agenerate), config, is_async=is_async)
    assert told(recorded) == [*ANSWERED * 3, *THREE_TIMES]


@each_way
def test_several_prompts_of_text(
    handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool
) -> None:
    """LC1, LC17: likewise with a text model, of which LangChain gives all usage to the first prompt."""
    callbacks: Any = [handler]
    prompts = [QUESTION] * 3
    if is_async:
        asyncio.run(ScriptedText().agenerate(prompts, callbacks=callbacks))
    else:
        ScriptedText().generate(prompts, callbacks=callbacks)
    assert told(recorded) == [*ANSWERED, *UNREAD * 2]


@each_way
@pytest.mark.parametrize("inside", [False, True])
def test_several_prompts_with_a_failure(
    handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, is_async: bool, inside: bool
) -> None:
    """LC1, LC14: when one of several prompts fails, all are over, also those of which LangChain says no end."""
    model = ScriptedChat(turns=(Turn(), FRESH, Turn()))
    config: Any = {"callbacks": [handler]}

    def generate(_: object, config: RunnableConfig) -> Any:
        return model.generate(PROMPTS, callbacks=config.get("callbacks"))

    async def agenerate(_: object, config: RunnableConfig) -> Any:
        return await model.agenerate(PROMPTS, callbacks=config.get("callbacks"))

    with pytest.raises(LookupError):
        if inside:
            ask(RunnableLambda(generate, afunc=agenerate), config, is_async=is_async)
        elif is_async:
            asyncio.run(agenerate(QUESTION, config))
        else:
            generate(QUESTION, config)
    collect()
    outcomes = [run.success for run in recorded.runs]
    left = len(handler._trees)
    handler.close()
    assert left == 0
    assert sorted(outcomes, key=str) == ([False] if inside else [False, True, True] if is_async else [False] * 3)
