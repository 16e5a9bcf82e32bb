"""Ways to run a runnable, sync and async, and what is run."""

from __future__ import annotations

import asyncio
import gc
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from tests.langchain.models import Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = [
    "BATCHES",
    "FRESH",
    "QUESTION",
    "REFUSED",
    "STREAMS",
    "WAYS",
    "all_of",
    "ask",
    "chain_of",
    "collect",
    "each_way",
    "refuse",
]

QUESTION = "Where is my order?"
REFUSED = Turn((), error=ValueError("scripted"))  # by a provider that says no before it says anything

FRESH = Turn((), error=LookupError)  # type: ignore[arg-type]  # a new one each time, which holds no frames for long

each_way = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def chain_of(model: Any, parser: Any = None) -> Any:
    """Make a chain around a model: a prompt before it, a parser after it."""
    return ChatPromptTemplate.from_messages([("user", "{question}")]) | model | (parser or StrOutputParser())


def refuse(_message: Any) -> str:
    """Like no answer."""
    raise ValueError("scripted")


def ask(runnable: Any, config: Any, *, is_async: bool = False) -> Any:
    """Invoke a runnable, with or without an event loop."""
    return WAYS["ainvoke" if is_async else "invoke"](runnable, config)


@cache
def _leave_out_what_is_loaded() -> None:
    gc.collect()
    gc.freeze()


def collect() -> None:
    """Collect garbage, in no time: what the libraries are made of is not looked at again."""
    _leave_out_what_is_loaded()
    gc.collect()


async def all_of(items: AsyncIterator[Any]) -> list[Any]:
    """List what comes."""
    return [item async for item in items]


async def _questions() -> AsyncIterator[str]:
    yield QUESTION


STREAMS: dict[str, Callable[[Any, Any], Any]] = {
    "stream": lambda runnable, config: list(runnable.stream(QUESTION, config)),
    "astream": lambda runnable, config: asyncio.run(all_of(runnable.astream(QUESTION, config))),
    "transform": lambda runnable, config: list(runnable.transform(iter([QUESTION]), config)),
    "atransform": lambda runnable, config: asyncio.run(all_of(runnable.atransform(_questions(), config))),
}
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda runnable, config: runnable.invoke(QUESTION, config),
    "ainvoke": lambda runnable, config: asyncio.run(runnable.ainvoke(QUESTION, config)),
    "batch": lambda runnable, config: runnable.batch([QUESTION], config),
    "abatch": lambda runnable, config: asyncio.run(runnable.abatch([QUESTION], config)),
    **STREAMS,
}
BATCHES: dict[str, Callable[[Any, Any], Any]] = {
    "batch": lambda runnable, config: runnable.batch([QUESTION] * 3, config),
    "one by one": lambda runnable, config: runnable.batch([QUESTION] * 3, {**config, "max_concurrency": 1}),
    "a config each": lambda runnable, config: runnable.batch([QUESTION] * 3, [config] * 3),
    "abatch": lambda runnable, config: asyncio.run(runnable.abatch([QUESTION] * 3, config)),
    "batch_as_completed": lambda runnable, config: list(runnable.batch_as_completed([QUESTION] * 3, config)),
    "abatch_as_completed": lambda runnable, config: asyncio.run(
        all_of(runnable.abatch_as_completed([QUESTION] * 3, config))
    ),
}
