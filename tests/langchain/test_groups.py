"""`with handler.run():` several invocations, one run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ldai_langchain import LaunchDarklyCallbackHandler
from tests.expected import ANSWERED, ERROR, SUCCESS, TOKENS, duration, first_token, tokens, told, told_by_now
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.ways import QUESTION, REFUSED, WAYS, ask, chain_of, each_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient

TWICE = [duration(), SUCCESS, *tokens(18, 6)]
THREE_TIMES = [duration(), SUCCESS, *tokens(27, 9)]


def fail() -> None:
    """Fail."""
    raise LookupError


def in_group(handler: LaunchDarklyCallbackHandler, *works: Callable[[], Any], is_async: bool) -> None:
    """Do these works in a group."""

    async def main() -> None:
        async with handler.run():
            for work in works:
                await asyncio.to_thread(work)

    def in_this_thread() -> None:
        with handler.run():
            for work in works:
                work()

    asyncio.run(main()) if is_async else in_this_thread()


@each_way
@pytest.mark.parametrize("way", WAYS)
def test_invocations(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, way: str, is_async: bool
) -> None:
    """LC1: what is invoked in a group is one run, told when the group is left."""

    def work() -> None:
        WAYS[way](chain_of(ScriptedChat()), watched)
        assert told_by_now(recorded) == []

    in_group(handler, work, work, is_async=is_async)
    streamed = [first_token()] if "stream" in way or "transform" in way else []
    assert told(recorded) == [duration(), *streamed, SUCCESS, *tokens(18, 6)]
    ask(ScriptedChat(), watched)
    assert told(recorded)[-len(ANSWERED) :] == ANSWERED


async def test_tasks(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC1: the tasks that are started inside belong to it, those beside it do not."""
    gate = Gate()
    beside = asyncio.create_task(ScriptedChat(turns=(Turn(gate=gate),)).ainvoke(QUESTION, watched))
    async with handler.run():
        await asyncio.gather(*[ScriptedChat().ainvoke(QUESTION, watched) for _ in range(2)])
        await asyncio.create_task(chain_of(ScriptedChat()).ainvoke(QUESTION, watched))
        gate.open()
        await beside
    assert told(recorded) == [*ANSWERED, *THREE_TIMES]


@each_way
def test_a_failure_inside(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC3: an invocation that failed, and was handled, does not fail the group; an exception that leaves it does."""

    def fail() -> None:
        with pytest.raises(ValueError, match="scripted"):
            ask(ScriptedChat(turns=(REFUSED,)), watched)

    def leave() -> None:
        ask(ScriptedChat(), watched)
        raise LookupError

    in_group(handler, fail, lambda: ask(ScriptedChat(), watched), is_async=is_async)
    assert told(recorded) == ANSWERED
    with pytest.raises(LookupError):
        in_group(handler, leave, is_async=is_async)
    assert told(recorded) == [*ANSWERED, duration(), ERROR, *TOKENS]


def test_left_by_generator_exit(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC10: a generator that is left inside a group is a success."""

    def answers() -> Iterator[Any]:
        with handler.run():
            while True:
                yield ask(ScriptedChat(), watched)

    for _, _ in zip(answers(), range(2), strict=False):
        pass
    assert told(recorded) in (TWICE, THREE_TIMES)


@each_way
def test_an_empty_group(config: AIConfig, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a group without a model call takes no tracker, and tells nothing."""
    made: list[AIConfigTracker] = []

    def make() -> AIConfigTracker:
        made.append(config.create_tracker())
        return made[-1]

    handler = LaunchDarklyCallbackHandler(make)
    in_group(handler, lambda: chain_of(str), is_async=is_async)
    with pytest.raises(LookupError):
        in_group(handler, fail, is_async=is_async)
    assert (made, told(recorded)) == ([], [])
    in_group(handler, *[lambda: ask(ScriptedChat(), {"callbacks": [handler]})] * 2, is_async=is_async)
    assert (len(made), told(recorded)) == (1, TWICE)


@each_way
def test_nested(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC3: a group in a group joins it; its outcome is the outer one's."""

    def work() -> None:
        ask(ScriptedChat(), watched)

    def nest() -> None:
        in_group(handler, work, work, is_async=is_async)
        assert told_by_now(recorded) == []

    def nest_a_failure() -> None:
        with pytest.raises(LookupError):
            in_group(handler, fail, is_async=is_async)

    in_group(handler, nest, nest_a_failure, work, is_async=is_async)
    assert told(recorded) == THREE_TIMES


async def test_nested_in_one_task(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient
) -> None:
    """LC1: likewise in one task, side by side."""
    async with handler.run():
        async with handler.run(), handler.run():
            await ScriptedChat().ainvoke(QUESTION, watched)
        async with handler.run():
            await ScriptedChat().ainvoke(QUESTION, watched)
        await ScriptedChat().ainvoke(QUESTION, watched)
        assert told_by_now(recorded) == []
    assert told(recorded) == THREE_TIMES
