"""The public types, held by mypy and pyright; running this shows that the names are there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from openai import AsyncOpenAI, AzureOpenAI, OpenAI
from typing_extensions import assert_type

import ldai_bedrock
import ldai_core
import ldai_langchain
import ldai_openai
from ldai_core import (
    AIClient,
    AIConfig,
    AIConfigTracker,
    AsyncTrackedStream,
    MetricSummary,
    Reading,
    Run,
    TrackedStream,
    track_metrics_of,
    track_metrics_of_async,
)
from ldai_langchain import LaunchDarklyCallbackHandler, create_chat_model, to_messages
from ldai_openai import track_openai_metrics, track_openai_metrics_async, wrap_openai

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from ldclient import Context, LDClient


def test_every_public_name_is_there_and_sorted() -> None:
    """Each package's `__all__` is sorted, as capitals before small letters, and names what is there."""
    for package in (ldai_core, ldai_openai, ldai_bedrock, ldai_langchain):
        assert [*package.__all__] == sorted(package.__all__)
        for name in package.__all__:
            assert hasattr(package, name)


def wrapping_keeps_the_type(sync: OpenAI, asynchronous: AsyncOpenAI, azure: AzureOpenAI, config: AIConfig) -> None:
    """OA12: a client comes back as what it was, and any kind of source is taken."""
    assert_type(wrap_openai(sync, config), OpenAI)
    assert_type(wrap_openai(asynchronous, config.create_tracker()), AsyncOpenAI)
    assert_type(wrap_openai(azure, config.create_tracker), AzureOpenAI)
    assert_type(wrap_openai(sync, Run(config), include_usage=False), OpenAI)


async def the_handler_is_typed(config: AIConfig) -> None:
    """LC1, LC18: any kind of source is taken, a group gives its run, and LangChain gets its own types."""
    handler = LaunchDarklyCallbackHandler(config.create_tracker, max_open_runs=10, max_idle_s=0.5)
    callbacks: list[BaseCallbackHandler] = [handler, LaunchDarklyCallbackHandler(Run(config))]
    assert callbacks
    with handler.run() as run:
        assert_type(run, Run)
    async with handler.run() as joined:
        assert_type(joined, Run)
    assert_type(handler.close(), None)
    assert_type(to_messages(config), list[BaseMessage])
    assert_type(create_chat_model(config, temperature=0), BaseChatModel)


def core_is_typed(ld_client: LDClient, context: Context) -> None:
    """A real LDClient is taken, and what comes out has its own types."""
    ai = AIClient(ld_client)
    assert_type(ai.completion_config("key", context, variables={"name": "Ann"}), AIConfig)
    tracker = ai.create_tracker("token", context)
    assert_type(tracker, AIConfigTracker)
    assert_type(tracker.summary, MetricSummary)
    assert_type(tracker.track_duration_of(lambda: 1), int)
    with Run(tracker) as run:
        assert_type(run, Run)


async def helpers_hand_through(
    tracker: AIConfigTracker, read: Callable[[object], Reading], func: Callable[[], Awaitable[bytes]]
) -> None:
    """What the function returns is what comes back."""
    assert_type(track_metrics_of(tracker, read, lambda: "answer"), str)
    assert_type(await track_metrics_of_async(tracker, read, func), bytes)
    assert_type(track_openai_metrics(tracker, lambda: "answer"), str)
    assert_type(await track_openai_metrics_async(tracker, func), bytes)


async def streams_are_iterators(sync: TrackedStream[int], asynchronous: AsyncTrackedStream[int]) -> None:
    """A tracked stream is an iterator of its chunks."""
    assert_type(iter(sync), Iterator[int])
    assert_type(next(sync), int)
    assert_type(aiter(asynchronous), AsyncIterator[int])
    assert_type(await anext(asynchronous), int)
    with sync as entered:
        assert_type(entered, TrackedStream[int])
