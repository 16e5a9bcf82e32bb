"""`track_openai_metrics` measures what is no generation, too: embeddings, images, transcriptions, sound, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ldai_openai import track_openai_metrics, track_openai_metrics_async
from tests.openai.expected import (
    ANSWERED,
    READ,
    UNREAD,
    tokens,
    told_by_now,
)
from tests.servers.forms import FormsServer, text
from tests.servers.openai import Answer, ScriptedOpenAI, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

SPEECH = ("hello.wav", b"RIFF")
COUNTS = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}

# https://platform.openai.com/docs/api-reference/embeddings/object
EMBEDDED = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "model": "m",
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}
# https://platform.openai.com/docs/api-reference/images/object
PAINTED = {
    "created": 1,
    "data": [{"b64_json": "AA=="}],
    "usage": {**COUNTS, "input_tokens_details": {"text_tokens": 9}},
}
# https://platform.openai.com/docs/api-reference/audio/json-object
BY_TOKENS = {"text": "Hello.", "usage": {"type": "tokens", **COUNTS, "input_token_details": {"audio_tokens": 9}}}
BY_SECONDS = {"text": "Hello.", "usage": {"type": "duration", "seconds": 9.5}}
# https://platform.openai.com/docs/api-reference/moderations/object
MODERATED = {"id": "modr_1", "model": "m", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]}

EMBEDDING = tokens(9, 0)[:2]


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an API that takes forms, too."""
    with FormsServer() as server:
        yield server


# What is asked, of a client of either kind.
ASKS: dict[str, Any] = {
    "embed": lambda client: client.embeddings.create(model="m", input="Hi", encoding_format="float"),
    "paint": lambda client: client.images.generate(prompt="A cat", model="gpt-image-1"),
    "repaint": lambda client: client.images.edit(prompt="A cat", image=SPEECH, model="gpt-image-1"),
    "write down": lambda client: client.audio.transcriptions.create(file=SPEECH, model="gpt-4o-transcribe"),
    "translate": lambda client: client.audio.translations.create(file=SPEECH, model="whisper-1"),
    "moderate": lambda client: client.moderations.create(input="Hi"),
}

AT_ONCE = pytest.mark.parametrize(
    ("ask", "answer", "expected"),
    [
        (ASKS["embed"], EMBEDDED, [*UNREAD, *EMBEDDING]),
        (ASKS["paint"], PAINTED, ANSWERED),
        (ASKS["repaint"], PAINTED, ANSWERED),
        (ASKS["paint"], {"created": 1, "data": [{"url": "https://image"}]}, UNREAD),
        (ASKS["write down"], BY_TOKENS, ANSWERED),
        (ASKS["write down"], BY_SECONDS, UNREAD),
        (ASKS["write down"], {"text": "Hello."}, UNREAD),
        (ASKS["write down"], {"text": "Hello.", "usage": None}, UNREAD),
        (ASKS["translate"], {"text": "Hello."}, UNREAD),
        (ASKS["moderate"], MODERATED, UNREAD),
    ],
    ids=[
        "embedding",
        "image",
        "edit",
        "image by url",
        "transcription by tokens",
        "transcription by seconds",
        "transcription",
        "transcription without usage",
        "translation",
        "moderation",
    ],
)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@AT_ONCE
def test_whole(
    ask: Any,
    answer: Any,
    expected: Any,
    server: ScriptedOpenAI,
    client: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """What is answered at once has a duration, a success, and its tokens where there are any; seconds are none."""
    server.script(Answer(answer), Answer(answer))
    made = ask(client)
    assert type(track_openai_metrics(config.create_tracker(), lambda: ask(client))) is type(made)
    assert told_by_now(recorded) == expected


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@AT_ONCE
async def test_whole_async(
    ask: Any,
    answer: Any,
    expected: Any,
    server: ScriptedOpenAI,
    async_client: AsyncOpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """What is answered at once: likewise."""
    server.script(Answer(answer))
    await track_openai_metrics_async(config.create_tracker(), lambda: ask(async_client))
    assert told_by_now(recorded) == expected


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
@AT_ONCE
def test_whole_and_raw(
    ask: Any,
    answer: Any,
    expected: Any,
    server: ScriptedOpenAI,
    client: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """OA10: a raw response of any kind is read as well, and parses."""
    server.script(Answer(answer))
    raw = track_openai_metrics(config.create_tracker(), lambda: ask(client.with_raw_response))
    assert raw.http_response.status_code == 200
    assert type(raw.parse()).__module__.startswith("openai.types")
    assert told_by_now(recorded) == expected


@pytest.mark.parametrize(
    "spoken",
    [
        "Hello.",
        "",
        "12",
        "1\n00:00:00,000 --> 00:00:01,000\nHello.\n",
        '{"error": "no such file"}',
        '{"type": "error"}',
    ],
)
def test_text(spoken: str, server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A text is a success without tokens, whatever it says: what the model wrote tells nothing of the request."""
    server.script(text(spoken))
    written = track_openai_metrics(
        config.create_tracker(),
        lambda: client.audio.transcriptions.create(file=SPEECH, model="whisper-1", response_format="text"),
    )
    assert written == spoken
    assert told_by_now(recorded) == UNREAD


@pytest.mark.parametrize(
    "written", ['{"error": "I do not know"}', '{"usage": {"total_tokens": 12}}', '{"type": "error"}']
)
def test_the_content_alone(written: str, config: AIConfig, recorded: RecordingClient) -> None:
    """A function that returns the answer's content alone is a success: JSON that the model wrote is its own words."""
    assert track_openai_metrics(config.create_tracker(), lambda: written) == written
    assert told_by_now(recorded) == UNREAD


async def test_text_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """A text: likewise."""
    server.script(text("Hello."))
    written = await track_openai_metrics_async(
        config.create_tracker(),
        lambda: async_client.audio.transcriptions.create(file=SPEECH, model="whisper-1", response_format="text"),
    )
    assert written == "Hello."
    assert told_by_now(recorded) == UNREAD


def test_speech(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A sound is a success without tokens, and is the SDK's own object."""
    server.script(text(b"\x00\x01", "audio/mpeg"))
    sound = track_openai_metrics(
        config.create_tracker(), lambda: client.audio.speech.create(input="Hi", model="tts-1", voice="alloy")
    )
    assert sound.read() == b"\x00\x01"
    assert type(sound).__name__ == "HttpxBinaryResponseContent"
    assert told_by_now(recorded) == UNREAD


def test_speech_as_it_comes(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA10: a sound that the application reads as it comes is over when it is read, and its bytes are untouched."""
    server.script(text(b"\x00\x01" * 1000, "audio/mpeg"))
    with client.audio.speech.with_streaming_response.create(input="Hi", model="tts-1", voice="alloy") as sound:
        assert track_openai_metrics(config.create_tracker(), lambda: sound) is sound
        assert told_by_now(recorded) == []
        assert b"".join(sound.iter_bytes(100)) == b"\x00\x01" * 1000
    assert told_by_now(recorded) == UNREAD


def test_speech_in_events(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA10: a sound that comes in events tells its first token and its usage in these."""
    server.script(
        Stream([{"type": "speech.audio.delta", "audio": "AAE="}, {"type": "speech.audio.done", "usage": COUNTS}])
    )
    with client.audio.speech.with_streaming_response.create(
        input="Hi", model="gpt-4o-mini-tts", voice="alloy", extra_body={"stream_format": "sse"}
    ) as sound:
        track_openai_metrics(config.create_tracker(), lambda: sound)
        assert b"speech.audio.done" in sound.read()
    assert told_by_now(recorded) == READ
