"""What is no generation passes through a wrapped client: it works, is sent as it is, and records nothing."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_openai import wrap_openai
from tests.openai.expected import ANSWERED, ASKED, told
from tests.servers.forms import FormsServer, text
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream, completion
from tests.servers.responses import response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

FILE = ("hello.txt", b"Hello")
USED = {"prompt_tokens": 9, "completion_tokens": 3, "input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
# A page, an object, a deletion and a usage at once: what any of these requests may be answered with.
ANYTHING: Any = {
    "id": "any_1",
    "object": "list",
    "data": [],
    "has_more": False,
    "deleted": True,
    "status": "completed",
    "usage": USED,
}

# Every request of the API's reference that generates no answer to a prompt, by the name of what it is asked of.
REQUESTS: dict[str, Callable[[Any], Any]] = {
    "embeddings.create": lambda api: api.create(model="m", input="Hi", encoding_format="float"),
    "moderations.create": lambda api: api.create(input="Hi"),
    "files.create": lambda api: api.create(file=FILE, purpose="batch"),
    "files.list": lambda api: api.list(),
    "files.retrieve": lambda api: api.retrieve("file_1"),
    "files.delete": lambda api: api.delete("file_1"),
    "files.content": lambda api: api.content("file_1"),
    "uploads.create": lambda api: api.create(bytes=5, filename="a", mime_type="text/plain", purpose="batch"),
    "uploads.complete": lambda api: api.complete("upload_1", part_ids=["part_1"]),
    "uploads.cancel": lambda api: api.cancel("upload_1"),
    "uploads.parts.create": lambda api: api.create("upload_1", data=b"Hello"),
    "models.list": lambda api: api.list(),
    "models.retrieve": lambda api: api.retrieve("gpt-4o"),
    "models.delete": lambda api: api.delete("ft:gpt-4o"),
    "batches.create": lambda api: api.create(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id="file_1"
    ),
    "batches.retrieve": lambda api: api.retrieve("batch_1"),
    "batches.list": lambda api: api.list(),
    "batches.cancel": lambda api: api.cancel("batch_1"),
    "images.generate": lambda api: api.generate(prompt="A cat"),
    "images.edit": lambda api: api.edit(image=FILE, prompt="A cat"),
    "images.create_variation": lambda api: api.create_variation(image=FILE),
    "audio.transcriptions.create": lambda api: api.create(file=FILE, model="whisper-1"),
    "audio.translations.create": lambda api: api.create(file=FILE, model="whisper-1"),
    "audio.speech.create": lambda api: api.create(input="Hi", model="tts-1", voice="alloy"),
    "vector_stores.create": lambda api: api.create(name="v"),
    "vector_stores.retrieve": lambda api: api.retrieve("vs_1"),
    "vector_stores.list": lambda api: api.list(),
    "vector_stores.search": lambda api: api.search("vs_1", query="Hi"),
    "vector_stores.delete": lambda api: api.delete("vs_1"),
    "vector_stores.files.create": lambda api: api.create("vs_1", file_id="file_1"),
    "vector_stores.file_batches.create": lambda api: api.create("vs_1", file_ids=["file_1"]),
    "fine_tuning.jobs.create": lambda api: api.create(model="gpt-4o", training_file="file_1"),
    "fine_tuning.jobs.retrieve": lambda api: api.retrieve("ftjob_1"),
    "fine_tuning.jobs.list_events": lambda api: api.list_events("ftjob_1"),
    "fine_tuning.jobs.cancel": lambda api: api.cancel("ftjob_1"),
    "chat.completions.list": lambda api: api.list(),
    "chat.completions.retrieve": lambda api: api.retrieve("chatcmpl_1"),
    "chat.completions.update": lambda api: api.update("chatcmpl_1", metadata={"a": "b"}),
    "chat.completions.delete": lambda api: api.delete("chatcmpl_1"),
    "chat.completions.messages.list": lambda api: api.list("chatcmpl_1"),
    "responses.retrieve": lambda api: api.retrieve("resp_1"),
    "responses.cancel": lambda api: api.cancel("resp_1"),
    "responses.delete": lambda api: api.delete("resp_1"),
    "responses.input_items.list": lambda api: api.list("resp_1"),
    "responses.input_tokens.count": lambda api: api.count(model="gpt-4o", input="Hi"),
    "conversations.create": lambda api: api.create(),
    "conversations.items.create": lambda api: api.create("conv_1", items=[]),
    "containers.create": lambda api: api.create(name="c"),
    "containers.files.list": lambda api: api.list("cntr_1"),
    "evals.list": lambda api: api.list(),
    "evals.runs.list": lambda api: api.list("eval_1"),
    "videos.create": lambda api: api.create(prompt="A cat"),
    "videos.retrieve": lambda api: api.retrieve("video_1"),
    "realtime.client_secrets.create": lambda api: api.create(),
    "beta.assistants.create": lambda api: api.create(model="gpt-4o"),
    "beta.threads.create": lambda api: api.create(),
    "beta.threads.messages.create": lambda api: api.create("thread_1", content="Hi", role="user"),
    "beta.threads.runs.create": lambda api: api.create("thread_1", assistant_id="asst_1"),
    "beta.threads.runs.submit_tool_outputs": lambda api: api.submit_tool_outputs(
        "run_1", thread_id="thread_1", tool_outputs=[]
    ),
}


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an API that takes forms, too."""
    with FormsServer() as server:
        yield server


def resource(client: Any, name: str) -> Any:
    """Find what a request is asked of; skip where this release of the SDK has none."""
    *path, method = name.split(".")
    for part in path:
        client = getattr(client, part, None)
    if not hasattr(client, method):
        pytest.skip(f"this release of openai has no {name}")
    return client


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", REQUESTS)
def test_it_passes_through(
    name: str, server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """What is no generation is answered and sent as by the client without us, and records nothing."""
    results = []
    for each in (client, wrap_openai(client, config)):
        server.script(Answer(ANYTHING))
        result = REQUESTS[name](resource(each, name))
        results.append((type(result), str(getattr(result, "content", result))))
    assert results[0] == results[1]
    first, second = server.requests
    assert (first.path, first.body) == (second.path, second.body)
    assert told(recorded) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", list(REQUESTS)[::4])
async def test_it_passes_through_async(
    name: str, server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """What is no generation passes through an async client as well."""
    server.script(Answer(ANYTHING))
    await REQUESTS[name](resource(async_wrapped, name))
    assert len(server.requests) == 1
    assert told(recorded) == []


def test_a_failure_passes_through(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A failure of what is no generation goes on, and is no error of a run; it is not sent again because of us."""
    server.script(Failure(400, "stream_options is unknown"), Failure(500))
    with pytest.raises(openai.BadRequestError):
        wrapped.embeddings.create(model="m", input="Hi")
    with pytest.raises(openai.InternalServerError):
        wrapped.images.generate(prompt="A cat")
    assert len(server.requests) == 2
    assert told(recorded) == []


def test_what_it_brings(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """What is no JSON is the application's too: a text, a sound, a file."""
    server.script(text("Hello."), text(b"\x00\x01", "audio/mpeg"), text(b"{}", "application/octet-stream"))
    assert wrapped.audio.transcriptions.create(file=FILE, model="whisper-1", response_format="text") == "Hello."
    assert wrapped.audio.speech.create(input="Hi", model="tts-1", voice="alloy").content == b"\x00\x01"
    assert wrapped.files.content("file_1").read() == b"{}"
    assert told(recorded) == []


def test_pages(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """Pages are turned by the wrapped client, also those of stored completions."""
    server.script(
        Answer({"object": "list", "data": [completion()], "has_more": True}),
        Answer({"object": "list", "data": [completion()], "has_more": False}),
    )
    assert [each.id for each in wrapped.chat.completions.list()] == ["chatcmpl-1"] * 2
    assert len(server.requests) == 2
    assert told(recorded) == []


async def test_pages_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """Pages: likewise, without an `await` for the first."""
    server.script(
        Answer({"object": "list", "data": [completion()], "has_more": True}),
        Answer({"object": "list", "data": [completion()], "has_more": False}),
    )
    assert [each.id async for each in async_wrapped.chat.completions.list()] == ["chatcmpl-1"] * 2
    assert told(recorded) == []


def test_other_forms(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """Raw and streaming-raw forms, and copies, of what is no generation pass through too."""
    server.script(*[Answer(ANYTHING)] * 3)
    raw = wrapped.embeddings.with_raw_response.create(model="m", input="Hi", encoding_format="float")
    assert raw.parse().usage.total_tokens == 12
    with wrapped.files.with_streaming_response.content("file_1") as content:
        assert b"any_1" in content.read()
    assert wrapped.with_options(timeout=5).with_raw_response.models.list().parse().data == []
    assert told(recorded) == []


def test_streams(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A stream of what is no generation is the SDK's own, and is not asked for its usage."""
    if "stream" not in inspect.signature(wrapped.audio.transcriptions.create).parameters:
        pytest.skip("this release of openai streams no transcriptions")
    server.script(Stream([{"type": "transcript.text.delta", "delta": "Hel"}]))
    stream: Any = wrapped.audio.transcriptions.create(file=FILE, model="gpt-4o-transcribe", stream=True)
    assert type(stream) is openai.Stream
    assert [event.delta for event in stream] == ["Hel"]
    assert told(recorded) == []


def test_a_stored_response_as_a_stream(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A stored response that nobody waits for is no generation, however it is asked for again."""
    server.script(Answer(response()), Answer(response(status="cancelled")), Answer(response(status="failed")))
    wrapped.responses.retrieve("resp_1")
    wrapped.get("/responses/resp_1/cancel", cast_to=object)
    wrapped.post("/responses/resp_1/cancel", cast_to=object)
    assert told(recorded) == []


def test_one_client_for_both(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    """One client serves a retriever and a chat: the chat alone is recorded, and nothing is warned of."""
    server.script(Answer(ANYTHING), Answer(completion()), Answer(ANYTHING))
    with caplog.at_level(logging.WARNING, "ldai_core"):
        wrapped.embeddings.create(model="m", input="Hi", encoding_format="float")
        wrapped.chat.completions.create(**ASKED)
        wrapped.moderations.create(input="Hello")
    assert caplog.records == []
    assert told(recorded) == ANSWERED
