"""OA9: responses in the background without a wrapped client, and in raw streams."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from openai.resources.responses import Responses

from ldai_openai import track_openai_metrics, track_openai_metrics_async
from tests.openai.expected import ANSWERED, LEFT, READ, TOKENS, told
from tests.servers.openai import Answer, ScriptedOpenAI, Stream
from tests.servers.responses import background_stream, function_call, response

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, which has not always known `background`.
ASKED: Any = {"model": "gpt-4o", "input": "Hi"}
BACKGROUND: Any = {**ASKED, "extra_body": {"background": True}}
STREAMED: Any = {**BACKGROUND, "stream": True}

resumes = pytest.mark.skipif(
    "starting_after" not in inspect.signature(Responses.retrieve).parameters,
    reason="this openai cannot resume a stream",
)

QUEUED = Answer(response(status="queued", background=True))
COMPLETED = Answer(response(background=True))


def test_track(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """`track_openai_metrics` reports nothing of a response in the background, and completes with one that is over."""
    tracker = config.create_tracker()
    calls = [function_call("look")]
    server.script(QUEUED, QUEUED, Answer(response(*calls, background=True)))
    assert track_openai_metrics(tracker, lambda: client.responses.create(**BACKGROUND)).status == "queued"
    track_openai_metrics(tracker, lambda: client.responses.retrieve("resp_1"))
    assert told(recorded) == []
    track_openai_metrics(tracker, lambda: client.responses.retrieve("resp_1"))
    assert told(recorded)[:5] == ANSWERED
    assert recorded.run.tool_calls == ("look",)


async def test_track_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """The async twin likewise."""
    tracker = config.create_tracker()
    server.script(QUEUED, COMPLETED)
    await track_openai_metrics_async(tracker, lambda: async_client.responses.create(**BACKGROUND))
    assert told(recorded) == []
    await track_openai_metrics_async(tracker, lambda: async_client.responses.retrieve("resp_1"))
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("background", [False, True])
def test_track_a_stream(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient, background: bool
) -> None:
    """A stream that is broken off is a success, unless it says that its response is in the background."""
    tracker = config.create_tracker()
    server.script(background_stream() if background else background_stream(background=False), COMPLETED)
    for event in track_openai_metrics(tracker, lambda: client.responses.create(**ASKED, stream=True)):
        if event.type == "response.output_text.delta":
            break
    assert told(recorded) == ([] if background else LEFT)
    track_openai_metrics(tracker, lambda: client.responses.retrieve("resp_1"))
    assert told(recorded) == (ANSWERED if background else [*LEFT, *TOKENS])


@pytest.mark.parametrize("parsed", [False, True], ids=["lines", "parsed"])
@pytest.mark.parametrize("broken_off", [False, True], ids=["read", "broken off"])
def test_raw_stream(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, parsed: bool, broken_off: bool
) -> None:
    """OA10: a raw stream is measured to the end of its response, and left before that the response is pending."""
    server.script(background_stream(), COMPLETED)
    with wrapped.responses.with_streaming_response.create(**STREAMED) as raw:
        for part in raw.parse() if parsed else raw.iter_lines():
            if broken_off and "output_text.delta" in str(part):
                break
    assert told(recorded) == ([] if broken_off else READ)
    wrapped.responses.retrieve("resp_1")
    assert told(recorded)[-4:] == READ[-4:]
    assert len(recorded.runs) == 1


@resumes
@pytest.mark.parametrize("cut", [False, True], ids=["an error in the place of an event", "cut"])
def test_raw_stream_fails(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, cut: bool) -> None:
    """OA10: a raw stream that fails before it tells the end leaves the response pending, like any other."""
    begun = background_stream().chunks[:6]
    failing = Stream(background_stream().chunks, done=False, cut_after=6) if cut else None
    server.script(QUEUED, failing or Stream(begun, done=False, error={"message": "overloaded"}), COMPLETED)
    responses: Any = wrapped.responses
    responses.create(**BACKGROUND)
    with responses.with_streaming_response.retrieve("resp_1", stream=True) as raw:
        try:
            list(raw.iter_lines())
        except Exception:  # noqa: BLE001  # whichever the HTTP stack raises
            assert cut
    assert told(recorded) == []
    responses.retrieve("resp_1")
    assert told(recorded)[-4:] == READ[-4:]
