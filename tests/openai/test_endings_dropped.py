"""The table of endings, over a real socket: streams that are forgotten."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from tests.openai.expected import LEFT, STREAMED, UNREAD, told, told_by_now

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient


class Holder:
    """Holds a stream, in a circle of references if told to, which only a garbage collection undoes."""

    def __init__(self, stream: Any, *, circular: bool) -> None:
        self.stream = stream
        self.myself = self if circular else None


@pytest.mark.parametrize("circular", [False, True])
def test_dropped(wrapped: OpenAI, recorded: RecordingClient, circular: bool) -> None:
    """OA1: consumer dropped the stream: success, with the first token that was seen."""
    holder = Holder(wrapped.chat.completions.create(**STREAMED), circular=circular)
    assert [next(holder.stream).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("circular", [False, True])
async def test_dropped_async(async_wrapped: AsyncOpenAI, recorded: RecordingClient, circular: bool) -> None:
    """OA1: consumer dropped the stream: likewise."""
    holder = Holder(await async_wrapped.chat.completions.create(**STREAMED), circular=circular)
    assert [(await anext(holder.stream)).choices[0].delta.content for _ in range(2)] == ["", "Hel"]
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == LEFT


def test_a_loop_dropped(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: a loop that hangs in a generator of the consumer's, which is dropped, is reported once."""

    def pieces() -> Any:
        for chunk in wrapped.chat.completions.create(**STREAMED):
            yield chunk.choices[0].delta.content

    holder = Holder(pieces(), circular=True)
    assert [next(holder.stream), next(holder.stream)] == ["", "Hel"]
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == LEFT


@pytest.mark.parametrize("circular", [False, True])
def test_never_iterated_and_dropped(wrapped: OpenAI, recorded: RecordingClient, circular: bool) -> None:
    """OA1: stream never iterated, then dropped: success, and no more."""
    holder = Holder(wrapped.chat.completions.create(**STREAMED), circular=circular)
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == UNREAD


@pytest.mark.parametrize("circular", [False, True])
async def test_never_iterated_and_dropped_async(
    async_wrapped: AsyncOpenAI, recorded: RecordingClient, circular: bool
) -> None:
    """OA1: stream never iterated, then dropped: likewise."""
    holder = Holder(await async_wrapped.chat.completions.create(**STREAMED), circular=circular)
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == UNREAD


def test_never_iterated_and_closed(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1: stream never iterated, then closed: success, and no more, also when it is then dropped."""
    stream = wrapped.chat.completions.create(**STREAMED)
    assert told(recorded) == []
    stream.close()
    assert told_by_now(recorded) == UNREAD
    del stream
    gc.collect()
    assert told(recorded) == UNREAD


async def test_never_iterated_and_closed_async(async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA1: stream never iterated, then closed by leaving its `async with`: likewise."""
    async with await async_wrapped.chat.completions.create(**STREAMED) as stream:
        assert told(recorded) == []
    assert told_by_now(recorded) == UNREAD
    del stream
    gc.collect()
    assert told(recorded) == UNREAD
