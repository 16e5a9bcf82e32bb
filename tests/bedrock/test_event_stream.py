"""The stream stays an `EventStream`, of botocore or of aiobotocore."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.eventstream import EventStream, NoInitialResponseError
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as PoolTimeoutError

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import PIECES, REQUESTS, drain, value
from tests.bedrock.scenarios import STREAMED, Frames, begin, stream_of, text_of
from tests.expected import ERROR, FAILED, LEFT, READ, SUCCESS, TOKENS, UNREAD, duration, told, told_by_now, turns
from tests.servers.bedrock import Events, ScriptedBedrock, events, frame, text_delta

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

every_stream = pytest.mark.parametrize("operation", STREAMED)
HEADERS = {":content-type": "application/json", ":message-type": "event"}
INITIAL = frame({":event-type": "initial-response", ":message-type": "event"}, {})


async def begin_async(client: Any, operation: str) -> Any:
    """Ask, and take the stream."""
    return (await getattr(client, operation)(**REQUESTS[operation]))[PIECES[operation]]


@every_stream
def test_its_class(client: Any, wrapped: Any, operation: str) -> None:
    """BR12: it passes for what it stands for, and can no more and no less."""
    ours, theirs = begin(wrapped, operation), begin(client, operation)
    assert all(isinstance(each, EventStream) for each in (ours, theirs))
    assert ours.__class__ is type(theirs) is EventStream
    for name in {*dir(EventStream), *vars(theirs), "__next__", "__enter__", "__exit__", "__len__", "read", "closed"}:
        assert hasattr(ours, name) == hasattr(theirs, name), name
    with pytest.raises(TypeError):
        next(ours)
    with pytest.raises((TypeError, AttributeError)):
        ours.__enter__()
    assert bool(ours) is bool(theirs) is True
    assert weakref.ref(ours)() == ours
    assert repr(ours).startswith("<botocore.eventstream.EventStream object")
    assert {ours: 1}[ours] == 1
    with pytest.raises(AttributeError, match="'EventStream' object has no attribute 'song'"):
        _ = ours.song
    ours.song = "la"
    assert ours.song == "la"
    del ours.song
    assert not hasattr(ours, "song")
    ours.close()
    theirs.close()


async def test_its_class_async(async_client: Any, async_wrapped: Any) -> None:
    """BR12, BR16: likewise."""
    ours, theirs = [await begin_async(each, STREAMED[0]) for each in (async_wrapped, async_client)]
    assert isinstance(ours, EventStream)
    assert isinstance(ours, type(theirs))
    for name in {*dir(EventStream), *vars(theirs), "__aiter__", "__anext__", "__aenter__", "__len__", "read"}:
        assert hasattr(ours, name) == hasattr(theirs, name), name
    await value(ours.close())
    await value(theirs.close())


async def test_iterated_the_wrong_way(async_client: Any, async_wrapped: Any) -> None:
    """BR12, BR16: `for` instead of `async for` is refused as it is without us."""
    messages = []
    for client in (async_client, async_wrapped):
        stream = await begin_async(client, STREAMED[0])
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever it is, it is to be the same
            list(stream)
        messages.append((caught.type, str(caught.value)))
        await value(stream.close())
    assert messages[0] == messages[1]


@every_stream
def test_the_response_around_it(client: Any, wrapped: Any, operation: str) -> None:
    """BR12: nothing else in the response is changed, and the same client's own streams stay their own."""
    ours, theirs = (getattr(each, operation)(**REQUESTS[operation]) for each in (wrapped, client))
    assert type(ours) is type(theirs)
    assert list(ours) == list(theirs)
    assert type(theirs[PIECES[operation]]) is EventStream
    for response in (ours, theirs):
        response.pop(PIECES[operation]).close()
        response["ResponseMetadata"]["HTTPHeaders"].pop("date")
    assert ours == theirs


@every_stream
def test_the_very_events(server: ScriptedBedrock, wrapped: Any, operation: str) -> None:
    """BR12: the event objects are those that botocore has made."""
    server.script(stream_of(operation, "Hel", [("song", {"la": 1})], "lo"))
    stream = begin(wrapped, operation)
    made: list[Any] = []
    parse = stream._parse_event

    def parse_event(event: Any) -> Any:
        made.append(parse(event))
        return made[-1]

    stream._parse_event = parse_event
    events = list(stream)
    assert events
    assert all(ours is theirs for ours, theirs in zip(events, [each for each in made if each], strict=True))


def test_unknown_events(server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient) -> None:
    """BR12: events of a kind that nobody knows come as they do without us, and cost nothing that is measured."""
    step = Events([("song", {"la": 1}), *events("Hel")[:2], ("song", {}), *events("lo")[1:]])
    server.script(step, step)
    assert list(begin(wrapped, STREAMED[0])) == list(begin(client, STREAMED[0]))
    assert told_by_now(recorded) == READ


@every_stream
def test_resumed(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR12: each loop goes on where the last one stopped, event by event; nothing is lost, or read ahead."""
    server.script(stream_of(operation, "Hel", "lo", stall_after=3))
    stream = begin(wrapped, operation)
    texts = []
    for _ in range(3):
        for event in stream:
            texts.append(text_of(event))
            break
    assert texts == ["", "Hel", "lo"]
    stream.close()
    assert told(recorded) == UNREAD  # the first break came before the first text


@every_stream
async def test_resumed_async(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR12, BR16: likewise."""
    server.script(stream_of(operation, "Hel", "lo", stall_after=3))
    stream = await begin_async(async_wrapped, operation)
    texts = []
    for _ in range(3):
        async for event in stream:
            texts.append(text_of(event))
            break
        await turns()
    assert texts == ["", "Hel", "lo"]
    await value(stream.close())
    assert told(recorded) == UNREAD


@every_stream
def test_close(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR12: `close` closes the connection, taken from the stream beforehand too, and gives what it gives."""
    server.script(stream_of(operation, "Hel", "lo", stall_after=2))
    stream = begin(wrapped, operation)
    close = stream.close
    for event in stream:
        if text_of(event):
            break
    assert not server.requests[0].gone.is_set()
    assert close() is None
    assert server.requests[0].gone.wait(5)
    assert told(recorded) == LEFT


@every_stream
def test_initial_response_absent(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR12: there is none, which raises as without us, takes the first event, and is no failure of the model's."""
    server.script(*[stream_of(operation, "Hel", "lo")] * 2)
    outcomes = []
    for each in (client, wrapped):
        stream = begin(each, operation)
        with pytest.raises(NoInitialResponseError) as caught:
            stream.get_initial_response()
        assert told(recorded) == []
        outcomes.append([str(caught.value), list(stream)])
    assert outcomes[0] == outcomes[1]
    assert [text_of(event) for event in outcomes[1][1]] == ["Hel", "lo", "", "", ""]
    assert told_by_now(recorded) == READ


@every_stream
async def test_initial_response_absent_async(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR12, BR16: likewise."""
    server.script(stream_of(operation, "Hel", "lo"))
    stream = await begin_async(async_wrapped, operation)
    with pytest.raises(NoInitialResponseError):
        await stream.get_initial_response()
    assert told(recorded) == []
    assert [text_of(event) for event in await drain(stream)] == ["Hel", "lo", "", "", ""]
    assert told(recorded) == READ


def test_initial_response(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR12: one that is there is given as it is, and the loop goes on after it."""
    server.script(Frames([], raw=[INITIAL, *(frame({**HEADERS, ":event-type": n}, c) for n, c in events("Hel"))]))
    stream = begin(wrapped, STREAMED[0])
    assert stream.get_initial_response().headers[":event-type"] == "initial-response"
    assert told(recorded) == []
    assert [text_of(event) for event in stream] == ["", "Hel", "", "", ""]
    assert told_by_now(recorded) == READ


def test_initial_response_and_no_more(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR12: a stream of which no more than that was asked is a success, once, when it is closed or dropped."""
    server.script(Events(events("Hel")), Events([]), Events([text_delta("Hel")]))
    streams = [begin(wrapped, STREAMED[0]) for _ in range(3)]
    for stream in streams:
        with pytest.raises(NoInitialResponseError):
            stream.get_initial_response()
        del stream
    assert told(recorded) == []
    streams.pop().close()
    streams.clear()
    assert told(recorded) == UNREAD * 3


@every_stream
def test_initial_response_of_a_broken_stream(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR5, BR12: a connection that breaks there is an error, and once."""
    server.script(stream_of(operation, "Hel", cut_after=0))
    stream = begin(wrapped, operation)
    with pytest.raises(ProtocolError):
        stream.get_initial_response()
    assert told_by_now(recorded) == FAILED
    with pytest.raises(NoInitialResponseError):
        stream.get_initial_response()
    assert list(stream) == []
    stream.close()
    del stream
    assert told(recorded) == FAILED


@every_stream
def test_initial_response_that_does_not_come(
    server: ScriptedBedrock,
    make_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    operation: str,
) -> None:
    """BR5, BR12: one that times out is an error, with the time that was waited."""
    server.script(stream_of(operation, "Hel", stall_after=0))
    stream = begin(wrap_bedrock(make_client(Config(read_timeout=0.5)), config), operation)
    with pytest.raises(PoolTimeoutError):
        stream.get_initial_response()
    assert told_by_now(recorded) == [duration(200), ERROR]


@every_stream
def test_initial_response_after_the_end(wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR12: asked for when all is over, or closed, it raises as without us, and tells nothing."""
    stream = begin(wrapped, operation)
    list(stream)
    expected = told_by_now(recorded)
    assert expected[1:2] == READ[1:2]
    for _ in range(2):
        with pytest.raises(NoInitialResponseError):
            stream.get_initial_response()
        stream.close()
    assert told(recorded) == expected
    closed = begin(wrapped, operation)
    closed.close()
    with pytest.raises(NoInitialResponseError):
        closed.get_initial_response()
    assert told(recorded)[len(expected) :] == [duration(), SUCCESS]
    assert told(recorded)[3:6] == TOKENS
