"""`track_openai_metrics` measures the streams of what is no generation: images, transcriptions, sound."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_openai import track_openai_metrics, track_openai_metrics_async
from tests.openai.expected import (
    FAILED,
    FAILED_LATE,
    LEFT,
    PROVIDER_ERRORS,
    READ,
    SUCCESS,
    TOKENS,
    UNREAD,
    duration,
    first_token,
    read_all,
    told,
    told_by_now,
)
from tests.servers.forms import FormsServer
from tests.servers.openai import Failure, ScriptedOpenAI, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

SPEECH = ("hello.wav", b"RIFF")
COUNTS = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}

# https://platform.openai.com/docs/api-reference/images-streaming
PARTIAL = {"type": "image_generation.partial_image", "b64_json": "AA==", "partial_image_index": 0}
COMPLETED = {"type": "image_generation.completed", "b64_json": "AA==", "usage": COUNTS}
EDITED = [{**PARTIAL, "type": "image_edit.partial_image"}, {**COMPLETED, "type": "image_edit.completed"}]
# https://platform.openai.com/docs/api-reference/audio/transcript-text-delta-event
SAID = {"type": "transcript.text.delta", "delta": "Hello."}
WRITTEN = {"type": "transcript.text.done", "text": "Hello.", "usage": {"type": "tokens", **COUNTS}}
SEGMENT = {"type": "transcript.text.segment", "id": "seg_1", "speaker": "A", "start": 0.0, "end": 1.0, "text": "Hello."}
NOT_YET = {"type": "transcript.text.delta", "delta": ""}


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an API that takes forms, too."""
    with FormsServer() as server:
        yield server


def watch(ask: Any, **arguments: Any) -> Any:
    """Ask for a stream; skip where this release of the SDK has none."""
    if "stream" not in inspect.signature(ask).parameters:
        pytest.skip("this release of openai streams nothing of that kind")
    return ask(**arguments, stream=True)


def paint(client: Any) -> Any:
    """Watch an image come."""
    return watch(client.images.generate, prompt="A cat", model="gpt-image-1")


def repaint(client: Any) -> Any:
    """Watch an image change."""
    return watch(client.images.edit, prompt="A cat", image=SPEECH, model="gpt-image-1")


def listen(client: Any) -> Any:
    """Read along with a transcription."""
    return watch(client.audio.transcriptions.create, file=SPEECH, model="gpt-4o-transcribe")


STREAMS = pytest.mark.parametrize(
    ("ask", "events", "expected"),
    [
        (paint, [PARTIAL, COMPLETED], READ),
        (paint, [COMPLETED], READ),
        (repaint, EDITED, READ),
        (listen, [SAID, WRITTEN], READ),
        (listen, [NOT_YET, SAID, WRITTEN], READ),
        (listen, [WRITTEN], READ),
        (listen, [SEGMENT, {**WRITTEN, "usage": None}], LEFT),
        (listen, [SAID, {"type": "transcript.text.done", "text": "Hello."}], LEFT),
        (listen, [{"type": "transcript.something.new"}], UNREAD),
    ],
    ids=[
        "image",
        "image at once",
        "edit",
        "transcription",
        "transcription after nothing",
        "transcription at once",
        "transcription by speakers",
        "transcription without usage",
        "unknown events",
    ],
)


@STREAMS
def test_stream(
    ask: Callable[[Any], Any],
    events: Any,
    expected: Any,
    server: ScriptedOpenAI,
    client: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """A stream of an image or a transcription is measured to its end: its first output, the usage of its last event."""
    server.script(Stream(events))
    stream = track_openai_metrics(config.create_tracker(), lambda: ask(client))
    assert isinstance(stream, openai.Stream)
    assert [event.type for event in stream] == [event["type"] for event in events]
    assert told_by_now(recorded) == expected


@STREAMS
async def test_stream_async(
    ask: Callable[[Any], Any],
    events: Any,
    expected: Any,
    server: ScriptedOpenAI,
    async_client: AsyncOpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """A stream of an image or a transcription: likewise."""
    server.script(Stream(events))
    stream = await track_openai_metrics_async(config.create_tracker(), lambda: ask(async_client))
    assert [event.type for event in await read_all(stream)] == [event["type"] for event in events]
    assert told_by_now(recorded) == expected


# Nothing was said yet at first, text after 150 ms, the end 150 ms later.
SLOW = Stream([NOT_YET, SAID, WRITTEN], pauses_s={1: 0.15, 2: 0.15})


def test_the_first_output(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA5: the first token is the first output, here too, and not the first event."""
    server.script(SLOW)
    list(track_openai_metrics(config.create_tracker(), lambda: listen(client)))
    assert told_by_now(recorded) == [duration(300), first_token(150), SUCCESS, *TOKENS]
    assert (recorded.run.time_to_first_token_ms or 0) < (recorded.run.duration_ms or 0) - 100


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (Failure(500), FAILED),
        (Stream([SAID, WRITTEN], cut_after=1), FAILED_LATE),
        (Stream([SAID], error={"message": "overloaded"}), FAILED_LATE),
    ],
    ids=["500", "cut", "in-band"],
)
def test_failures(
    script: Any,
    expected: Any,
    server: ScriptedOpenAI,
    client: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """OA7: what fails, before or in a stream, is one error, and goes on."""
    server.script(script)
    with pytest.raises(PROVIDER_ERRORS):
        list(track_openai_metrics(config.create_tracker(), lambda: listen(client)))
    assert told(recorded) == expected
