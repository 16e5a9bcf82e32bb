"""The table of endings: streams and answers that fail."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ldai_langchain.outcome import was_left
from tests.expected import (
    ERROR,
    FAILED,
    FAILED_LATE,
    TOKENS,
    duration,
    first_token,
    told,
)
from tests.langchain.models import ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import REFUSED, STREAMS, WAYS, chain_of, refuse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ldai_core.testing import RecordingClient

REFUSED_ANSWER = [duration(), ERROR, *TOKENS]
REFUSED_STREAM = [duration(), first_token(), ERROR, *TOKENS]

KINDS: dict[str, Callable[[Turn], Any]] = {
    "chat": lambda turn: ScriptedChat(turns=(turn,)),
    "text": lambda turn: ScriptedText(turn=turn, tells=True),
    "chain": lambda turn: chain_of(ScriptedChat(turns=(turn,))),
    "text chain": lambda turn: chain_of(ScriptedText(turn=turn, tells=True)),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def text_of(chunk: Any) -> str:
    """Return the text in a chunk of whatever kind."""
    return chunk if isinstance(chunk, str) else str(chunk.content)


@pytest.mark.parametrize("error", [ValueError("scripted"), KeyboardInterrupt("scripted")])
@pytest.mark.parametrize("way", STREAMS)
@each_kind
def test_failed_late(watched: Any, recorded: RecordingClient, kind: str, way: str, error: BaseException) -> None:
    """LC8, LC10: a stream that fails is an error, with the first token that was seen; the same exception goes on."""
    if isinstance(error, KeyboardInterrupt) and (way == "atransform" or "text" in kind) and "a" in way[0]:
        pytest.skip("a loop, or a thread of a pool, is no place for a KeyboardInterrupt")
    with pytest.raises(type(error)) as caught:
        STREAMS[way](KINDS[kind](Turn(error=error)), watched)
    assert caught.value is error
    assert told(recorded) == FAILED_LATE


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_failed_at_once(watched: Any, recorded: RecordingClient, kind: str, way: str) -> None:
    """LC8: what fails before it says anything is an error, and no more."""
    assert REFUSED.error is not None
    with pytest.raises(ValueError, match="scripted") as caught:
        WAYS[way](KINDS[kind](REFUSED), watched)
    assert caught.value is REFUSED.error
    assert told(recorded) == FAILED


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("kind", ["chat", "chain"])
def test_failed_after_its_usage(watched: Any, recorded: RecordingClient, kind: str, way: str) -> None:
    """LC8: a stream that fails when its usage has come has its tokens."""
    with_usage = next(chunk for chunk in Turn().chunks() if chunk.usage_metadata)
    turn = Turn(("Hel", with_usage, "lo"), error=ValueError("scripted"))
    with pytest.raises(ValueError, match="scripted"):
        STREAMS[way](KINDS[kind](turn), watched)
    assert told(recorded) == REFUSED_STREAM


@each_kind
@pytest.mark.parametrize("way", WAYS)
def test_refused_by_a_parser(watched: Any, recorded: RecordingClient, kind: str, way: str) -> None:
    """LC3: a good answer that a parser refuses is an error, with its tokens."""
    with pytest.raises(ValueError, match="scripted"):
        WAYS[way](chain_of(KINDS[kind](Turn()) if "chain" not in kind else ScriptedChat(), refuse), watched)
    assert told(recorded) == (REFUSED_STREAM if way in STREAMS else REFUSED_ANSWER)


class Silent(ScriptedChat):
    """Streams nothing."""

    def _stream(self, *_args: Any, **_kwargs: Any) -> Any:
        return iter(())

    async def _astream(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[Any]:
        for chunk in list[Any]():
            yield chunk


@pytest.mark.parametrize("way", STREAMS)
def test_an_empty_stream(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1: a stream without a chunk is what LangChain takes it for: an error."""
    with pytest.raises(ValueError, match="No generation"):
        STREAMS[way](Silent(), watched)
    assert told(recorded) == FAILED


def test_what_was_left() -> None:
    """LC10: a cancellation is a consumer's leaving only where it reached a stream that waited for its consumer."""
    cancelled = asyncio.CancelledError()
    assert not was_left(cancelled)
    assert not was_left(ValueError())
    with suppress(asyncio.CancelledError):
        raise cancelled
    assert not was_left(cancelled)
