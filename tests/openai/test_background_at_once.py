"""OA9: responses in the background that several ask for at once, and those that say little of themselves."""

from __future__ import annotations

import asyncio
import inspect
from threading import Thread
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.resources.responses import Responses

from tests.openai.expected import ANSWERED, READ, SUCCESS, TOKENS, UNREAD, duration, told
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream
from tests.servers.responses import background_stream, events, function_call, response

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, which has not always known `background`.
BACKGROUND: Any = {"model": "gpt-4o", "input": "Hi", "extra_body": {"background": True}}
STREAMED: Any = {**BACKGROUND, "stream": True}

resumes = pytest.mark.skipif(
    "starting_after" not in inspect.signature(Responses.retrieve).parameters,
    reason="this openai cannot resume a stream",
)

QUEUED = Answer(response(status="queued", background=True))
IN_PROGRESS = Answer(response(status="in_progress", background=True))
COMPLETED = Answer(response(function_call("look"), background=True))
FAILED_LATE = Answer({"error": {"message": "overloaded"}}, 500, delay_s=0.3)


def test_two_threads(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA16: several threads that see the end at once make one record, with each tool call once."""
    server.script(QUEUED, *[Answer(COMPLETED.content, delay_s=0.1)] * 8)
    wrapped.responses.create(**BACKGROUND)
    threads = [Thread(target=wrapped.responses.retrieve, args=("resp_1",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(recorded)[:5] == ANSWERED
    assert recorded.run.tool_calls == ("look",)


async def test_two_tasks(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA16: tasks likewise."""
    server.script(QUEUED, *[Answer(COMPLETED.content, delay_s=0.1)] * 8)
    await async_wrapped.responses.create(**BACKGROUND)
    await asyncio.gather(*(async_wrapped.responses.retrieve("resp_1") for _ in range(8)))
    assert told(recorded)[:5] == ANSWERED
    assert recorded.run.tool_calls == ("look",)


def read_to_the_end(stream: Any) -> None:
    """Read as far as the event that ends the response, and no further."""
    while next(stream).type != "response.completed":
        pass


@resumes
def test_an_older_answer(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A response that was seen to end has ended, though an answer from before that is read later."""
    server.script(QUEUED, background_stream(), background_stream())
    wrapped.responses.create(**BACKGROUND)
    first: Any = wrapped.responses.retrieve("resp_1", stream=True)
    second: Any = wrapped.responses.retrieve("resp_1", stream=True)
    read_to_the_end(first)
    next(second)
    assert list(first) == []
    second.close()
    assert told(recorded) == READ


@resumes
def test_a_poll_from_before_the_end(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """Likewise for a poll: it was sent before the end, and answered after it."""
    server.script(background_stream(), Answer(IN_PROGRESS.content, delay_s=0.3), COMPLETED)
    stream: Any = wrapped.responses.create(**STREAMED)
    next(stream)
    poll = Thread(target=wrapped.responses.retrieve, args=("resp_1",))
    poll.start()
    server.wait_for_request(2)
    read_to_the_end(stream)
    poll.join()
    assert list(stream) == []
    assert told(recorded) == READ


def test_a_poll_that_fails_after_the_end(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A poll that fails tells nothing of the response, which another request has seen to complete."""
    server.script(background_stream(), FAILED_LATE, COMPLETED)
    stream: Any = wrapped.responses.create(**STREAMED)
    next(stream)
    raised: list[Exception] = []

    def poll() -> None:
        try:
            wrapped.responses.retrieve("resp_1")
        except openai.InternalServerError as error:
            raised.append(error)

    thread = Thread(target=poll)
    thread.start()
    server.wait_for_request(2)
    read_to_the_end(stream)
    thread.join()
    assert list(stream) == []
    assert len(raised) == 1
    assert told(recorded) == READ


def test_a_stream_beside_the_polls(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """The end that a poll sees is the run's; the stream that goes on tells nothing more, read or dropped."""
    server.script(background_stream(), COMPLETED, COMPLETED)
    stream: Any = wrapped.responses.create(**STREAMED)
    next(stream)
    wrapped.responses.retrieve("resp_1")
    assert told(recorded)[:5] == ANSWERED
    next(stream)
    del stream
    wrapped.responses.retrieve("resp_1")
    assert told(recorded)[:5] == ANSWERED
    assert recorded.run.tool_calls == ("look",)


def without(field: str, events_: Any) -> list[dict[str, Any]]:
    """Leave a field of the response out of all events."""
    return [
        {**event, "response": {name: value for name, value in event["response"].items() if name != field}}
        if "response" in event
        else event
        for event in events_
    ]


def test_no_echo(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A service that does not repeat `background` is asked for it all the same, whole or streamed."""
    body = response(status="queued")
    del body["background"]
    server.script(Stream(without("background", events()), done=False), COMPLETED, Answer(body), COMPLETED)
    for event in wrapped.responses.create(**STREAMED):
        if event.type == "response.in_progress":
            break
    assert told(recorded) == []
    wrapped.responses.retrieve("resp_1")
    assert told(recorded)[:5] == ANSWERED
    wrapped.responses.create(**BACKGROUND)
    assert len(recorded.runs) == 1
    wrapped.responses.retrieve("resp_1")
    assert len(recorded.runs) == 2


@pytest.mark.parametrize("id_", [None, "", 42, "absent"])
def test_no_id(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, id_: Any) -> None:
    """A response without an id cannot be asked for: nothing is recorded, and nothing is waited for."""
    body = {**response(status="queued", background=True), "id": id_}
    if id_ == "absent":
        del body["id"]
    server.script(Answer(body), COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == []


def test_no_id_in_a_stream(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A stream without an id is recorded if it is read to its end, and only then."""
    whole = without("id", background_stream().chunks)
    server.script(Stream(whole, done=False), Stream(whole, done=False))
    for event in wrapped.responses.create(**STREAMED):
        if event.type == "response.in_progress":
            break
    assert told(recorded) == []
    list(wrapped.responses.create(**STREAMED))
    assert told(recorded) == READ


def test_no_status(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A response that says nothing of how far it is has been returned, and is not waited for."""
    server.script(Answer({**response(background=True, usage=None), "status": None}), COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    assert told(recorded) == UNREAD
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == UNREAD


def test_another_id(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A gateway that tells another id than the one it is asked for is asked for the one it told first."""
    server.script(QUEUED, *[Answer(response(status="in_progress", id="resp_raw"))] * 2, Answer(response(id="resp_raw")))
    wrapped.responses.create(**BACKGROUND)
    for _ in range(3):
        assert told(recorded) == []
        wrapped.responses.retrieve("resp_1")
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]


def test_odd_ids(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """An id of any characters is found in the address that it is made a part of."""
    odd = "resp_ä:1+2=3~"
    server.script(Answer(response(status="queued", id=odd)), Answer(response(id=odd)))
    wrapped.responses.create(**BACKGROUND)
    wrapped.responses.retrieve(odd)
    assert told(recorded) == ANSWERED


def test_what_is_not_polling(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """What else can be asked of a response tells nothing of how it ended."""
    items: Any = {"object": "list", "data": [], "has_more": False}
    server.script(QUEUED, Answer(items), Failure(404), COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    list(wrapped.responses.input_items.list("resp_1"))
    with pytest.raises(openai.NotFoundError):
        wrapped.responses.delete("resp_1")
    assert told(recorded) == []
    wrapped.responses.retrieve("resp_1")
    assert told(recorded)[:5] == ANSWERED
