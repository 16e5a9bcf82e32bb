"""The table of endings, over a real socket: what a consumer brings about."""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from tests.bedrock.expected import ASKED, HEADERS, HELLO, INVOKED, STALLING
from tests.bedrock.scenarios import STREAMED, begin, stream_of, text_of
from tests.expected import (
    ANSWERED,
    LEFT,
    READ,
    SUCCESS,
    TOKENS,
    TOOL_CALL,
    UNREAD,
    duration,
    first_token,
    tokens,
    told,
    told_by_now,
)
from tests.servers.bedrock import Answer, Body, ScriptedBedrock, answer, invoke_chunks, invoke_events, tool_use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core.testing import RecordingClient

TEXTS = ["", "Hel", "lo", "", "", ""]


class ConsumerError(Exception):
    """The application's own."""


@pytest.fixture(params=STREAMED)
def operation(request: pytest.FixtureRequest) -> str:
    """Go through the operations that stream."""
    return str(request.param)


@pytest.fixture
def stream(server: ScriptedBedrock, wrapped: Any, operation: str) -> Any:
    """Begin a stream of six events for the consumer: the role, two pieces of text, and three that end it."""
    server.script(stream_of(operation, "Hel", "lo"))
    return begin(wrapped, operation)


def read_text(stream: Any, error: BaseException | None = None) -> None:
    """Break off at the first text, or raise there."""
    for event in stream:
        if text_of(event):
            if error is not None:
                raise error
            break


def test_response_returned(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1, BR3: response returned: duration from before the request, success, tokens; no time to first token."""
    server.script(Answer(answer(), delay_s=0.1), Body(HELLO, HEADERS, delay_s=0.1))
    assert wrapped.converse(**ASKED)["stopReason"] == "end_turn"
    assert told_by_now(recorded) == [duration(100), SUCCESS, *TOKENS]
    assert wrapped.invoke_model(**INVOKED)["body"].read() == HELLO
    assert told(recorded) == [duration(100), SUCCESS, *TOKENS] * 2


def test_stream_read_to_its_end(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR1, BR3: stream read to its end: one report, there; its first token is the first output, which a role is not."""
    # The headers come after 100 ms, and the role with them; text 150 ms later, and what ends it 100 ms after that.
    server.script(stream_of(operation, "Hello", delay_s=0.1, pauses_s={1: 0.15, 2: 0.1}))
    slowly = [duration(350), first_token(250), SUCCESS, *TOKENS]
    stream = begin(wrapped, operation)
    assert [text_of(event) for event in stream] == ["", "Hello", "", "", ""]
    assert told_by_now(recorded) == slowly
    assert (recorded.run.time_to_first_token_ms or 0) + 50 <= (recorded.run.duration_ms or 0)  # of 100
    assert list(stream) == []
    stream.close()
    stream.close()
    assert list(stream) == []
    del stream
    assert told(recorded) == slowly


def test_a_response_kept_for_long(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR3: output sets the first token when the consumer reads it, and the duration ends at the last event."""
    server.script(stream_of("converse_stream", "Hello", pauses_s={1: 0.1}))
    stream = begin(wrapped, "converse_stream")
    for event in stream:
        if text_of(event):
            assert told(recorded) == []
    assert told_by_now(recorded) == [duration(100), first_token(100), SUCCESS, *TOKENS]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        ([("contentBlockDelta", {"delta": {"reasoningContent": {"text": "Hm."}}, "contentBlockIndex": 0})], True),
        (tool_use("search", '{"q"')[1:], True),
        ([("contentBlockDelta", {"delta": {"text": ""}, "contentBlockIndex": 0})], False),
        ([("messageStart", {"role": "assistant"})], False),
    ],
    ids=["reasoning", "tool-use", "empty", "role"],
)
def test_what_is_output(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str, piece: Any, expected: bool
) -> None:
    """BR3: reasoning and a piece of a tool's input are output; an empty text and a role are none."""
    server.script(stream_of(operation, piece, pauses_s={1: 0.05}))
    list(begin(wrapped, operation))
    assert told(recorded) == [duration(50), *([first_token(50)] if expected else []), SUCCESS, *TOKENS]


def test_break(stream: Any, recorded: RecordingClient) -> None:
    """BR1: consumer broke out: reported at the break, also while the stream is still referenced, and once."""
    assert told(recorded) == []
    read_text(stream)
    assert told_by_now(recorded) == LEFT
    stream.close()
    del stream
    assert told(recorded) == LEFT


def test_break_before_any_output(stream: Any, recorded: RecordingClient) -> None:
    """BR1: consumer broke out before there was output: no time to first token, also if the loop is resumed."""
    for _event in stream:
        break
    assert told_by_now(recorded) == UNREAD
    assert [text_of(event) for event in stream] == TEXTS[1:]
    assert told(recorded) == [*UNREAD, *TOKENS]


def test_resumed(stream: Any, recorded: RecordingClient) -> None:
    """BR1, BR12: a loop that is resumed goes on where it stopped; tokens not yet sent are sent then, nothing else."""
    read_text(stream)
    read_text(stream)
    assert told_by_now(recorded) == LEFT
    assert [text_of(event) for event in stream] == TEXTS[3:]
    assert told_by_now(recorded) == [*LEFT, *TOKENS]
    assert list(stream) == []
    stream.close()
    del stream
    assert told(recorded) == [*LEFT, *TOKENS]


def test_resumed_for_a_tool_call(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR1: if the loop is resumed, tool calls not yet sent are sent at its second end."""
    search, look = (tool_use(name, "{}", id=name, index=index) for index, name in enumerate(["search", "look"], 1))
    server.script(stream_of(operation, search, "Hm.", look))
    stream = begin(wrapped, operation)
    read_text(stream)
    assert told_by_now(recorded) == [*LEFT, TOOL_CALL]
    assert len(list(stream)) == 6
    assert told_by_now(recorded) == [*LEFT, TOOL_CALL, *TOKENS, TOOL_CALL]
    assert recorded.run.tool_calls == ("search", "look")


def test_tokens_seen_at_the_break(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1: tokens that were seen at the break are sent then, and no others later."""
    server.script(invoke_events(invoke_chunks("Hel", "lo")))
    stream = begin(wrapped, STREAMED[1])
    assert len(list(islice(stream, 3))) == 3
    assert told_by_now(recorded) == [*LEFT, *tokens(90, 1)]
    assert len(list(stream)) == 4
    assert told(recorded) == [*LEFT, *tokens(90, 1)]


def test_close(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1: consumer closed the stream: reported at the closing, which reaches the service; a second does nothing."""
    server.script(STALLING)
    stream = begin(wrapped, "converse_stream")
    events = iter(stream)
    assert [text_of(next(events)) for _ in range(2)] == ["", "Hel"]
    assert told(recorded) == []
    stream.close()
    assert told_by_now(recorded) == LEFT
    assert server.requests[0].gone.wait(5)
    stream.close()
    del stream, events
    assert told(recorded) == LEFT


def test_closing(stream: Any, recorded: RecordingClient) -> None:
    """BR1: a stream inside `contextlib.closing` is reported when that is left, or at its end if that comes first."""
    with closing(stream) as entered:
        events = iter(entered)
        assert [text_of(next(events)) for _ in range(2)] == ["", "Hel"]
        assert told(recorded) == []
    assert told_by_now(recorded) == LEFT


def test_close_unread(stream: Any, recorded: RecordingClient) -> None:
    """BR1: stream never iterated, then closed: success, and no more."""
    assert told(recorded) == []
    stream.close()
    assert told_by_now(recorded) == UNREAD
    stream.close()
    del stream
    assert told(recorded) == UNREAD


@pytest.mark.parametrize("error", [ConsumerError(), KeyboardInterrupt(), SystemExit(1), GeneratorExit(), OSError()])
def test_own_exception(stream: Any, recorded: RecordingClient, error: BaseException) -> None:
    """BR1: what is raised in the loop by the consumer is a success, at once, whatever it is, and goes on."""
    with pytest.raises(type(error)) as caught:
        read_text(stream, error)
    assert caught.value is error
    assert told_by_now(recorded) == LEFT


def test_a_generator_closed(stream: Any, recorded: RecordingClient) -> None:
    """BR1: a generator of the consumer's over the stream that is closed is a break."""

    def texts() -> Iterator[str]:
        for event in stream:
            yield text_of(event)

    generator = texts()
    assert [next(generator), next(generator)] == ["", "Hel"]
    assert told(recorded) == []
    generator.close()  # type: ignore[attr-defined]  # a generator, for a caller an iterator
    assert told_by_now(recorded) == LEFT


def test_by_hand(stream: Any, recorded: RecordingClient) -> None:
    """BR1: a loop by `iter` and `next` is reported when `next` meets the end, and once."""
    events = iter(stream)
    assert [text_of(next(events)) for _ in range(6)] == TEXTS
    assert told(recorded) == []
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(events)
        assert told_by_now(recorded) == READ


def test_by_hand_and_given_up(stream: Any, recorded: RecordingClient) -> None:
    """BR1: an iterator that is given up is a break; one that was never begun is nothing."""
    assert iter(stream)
    assert told(recorded) == []
    events = iter(stream)
    assert [text_of(next(events)) for _ in range(2)] == ["", "Hel"]
    del events
    assert told_by_now(recorded) == LEFT


def test_two_iterators(stream: Any, recorded: RecordingClient) -> None:
    """BR1, BR12: two iterators over one stream share its events, as without measuring, and make one record."""
    one, other = iter(stream), iter(stream)
    assert [text_of(next(each)) for each in (one, other)] == ["", "Hel"]
    assert [text_of(event) for event in other] == TEXTS[2:]
    assert told_by_now(recorded) == READ
    assert list(one) == []
    assert told(recorded) == READ


def test_the_wrapped_client_goes_on(stream: Any, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1: a stream that was left is reported once, and so is each request after it."""
    read_text(stream)
    wrapped.converse(**ASKED)
    del stream
    assert told(recorded) == [*LEFT, *ANSWERED]
