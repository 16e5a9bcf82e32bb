"""The table of endings, over a real socket: streams that are forgotten."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from tests.bedrock.expected import PIECES, REQUESTS
from tests.bedrock.scenarios import STREAMED, begin, stream_of, text_of
from tests.expected import LEFT, READ, UNREAD, told, told_by_now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

each_way = pytest.mark.parametrize("circular", [False, True])


class Holder:
    """Holds something, in a circle of references if told to, which only a garbage collection undoes."""

    def __init__(self, held: Any, *, circular: bool) -> None:
        self.held = held
        self.myself = self if circular else None


@pytest.fixture(params=STREAMED)
def operation(request: pytest.FixtureRequest, server: ScriptedBedrock) -> str:
    """Go through the operations that stream, and script six events: the role, text, and three that end it."""
    server.script(*[stream_of(request.param, "Hel", "lo")] * 2)
    return str(request.param)


@each_way
def test_dropped(wrapped: Any, recorded: RecordingClient, operation: str, circular: bool) -> None:
    """BR1: consumer dropped the stream in the midst of a loop by hand: success, with the first token that was seen."""
    holder = Holder(iter(begin(wrapped, operation)), circular=circular)
    assert [text_of(next(holder.held)) for _ in range(2)] == ["", "Hel"]
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == LEFT


@each_way
def test_a_loop_dropped(wrapped: Any, recorded: RecordingClient, operation: str, circular: bool) -> None:
    """BR1: a loop that hangs in a generator of the consumer's, which is dropped, is reported once."""

    def texts() -> Iterator[str]:
        for event in begin(wrapped, operation):
            yield text_of(event)

    holder = Holder(texts(), circular=circular)
    assert [next(holder.held), next(holder.held)] == ["", "Hel"]
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == LEFT


@each_way
def test_never_iterated_and_dropped(wrapped: Any, recorded: RecordingClient, operation: str, circular: bool) -> None:
    """BR1: response never looked into, then dropped: success, and no more."""
    holder = Holder(getattr(wrapped, operation)(**REQUESTS[operation]), circular=circular)
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == UNREAD


def test_never_taken(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1: response that nobody takes: likewise, at once."""
    getattr(wrapped, operation)(**REQUESTS[operation])
    assert told(recorded) == UNREAD


def test_stream_dropped_before_its_response(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1: a stream lives as long as the response that has it, and is reported when both are gone."""
    response = getattr(wrapped, operation)(**REQUESTS[operation])
    stream = response[PIECES[operation]]
    del stream
    gc.collect()
    assert told(recorded) == []
    response.clear()
    assert told(recorded) == UNREAD


def test_response_dropped_before_its_stream(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1: a stream outlives its response, is read as ever, and reported at its end."""
    stream = begin(wrapped, operation)
    gc.collect()
    assert told(recorded) == []
    assert len(list(stream)) == 6
    assert told_by_now(recorded) == READ
    del stream
    assert told(recorded) == READ


def test_iterator_kept(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1: an iterator keeps its stream alive, begun or not."""
    events = iter(begin(wrapped, operation))
    gc.collect()
    assert told(recorded) == []
    assert len(list(events)) == 6
    assert told_by_now(recorded) == READ


@pytest.mark.parametrize("begun", [False, True])
def test_closed_and_dropped(wrapped: Any, recorded: RecordingClient, operation: str, begun: bool) -> None:
    """BR1: a stream that was closed is not reported again when it is dropped."""
    holder = Holder(begin(wrapped, operation), circular=True)
    if begun:
        assert [text_of(event) for event, _ in zip(holder.held, range(2), strict=False)] == ["", "Hel", "lo"][:2]
    holder.held.close()
    expected = told_by_now(recorded)
    assert expected == (LEFT if begun else UNREAD)
    del holder
    gc.collect()
    assert told(recorded) == expected


def test_resumed_and_dropped(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1: a loop that was broken off, resumed, and is dropped before there is anything new tells nothing new."""
    stream = begin(wrapped, operation)
    for event in stream:
        if text_of(event):
            break
    events = iter(stream)
    assert text_of(next(events)) == "lo"
    del stream, events
    gc.collect()
    assert told(recorded) == LEFT


def test_many_at_once(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1: streams that are collected together are each reported once."""
    holder = Holder([begin(wrapped, operation), begin(wrapped, operation)], circular=True)
    assert told(recorded) == []
    del holder
    gc.collect()
    assert told(recorded) == UNREAD * 2
