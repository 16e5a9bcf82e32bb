"""`track_openai_metrics` and its async twin: what an application without a wrapped client uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_core import TokenUsage
from ldai_openai import track_openai_metrics, track_openai_metrics_async
from tests.openai.expected import ANSWERED, ASKED, ERROR, FAILED, READ, STREAMED, SUCCESS, TOKENS, duration, told
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream, chunks, completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

WITHOUT_USAGE: Any = {key: value for key, value in completion().items() if key != "usage"}
ASKS_FOR_USAGE: Any = {**STREAMED, "stream_options": {"include_usage": True}}


def test_a_response(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """R26: duration, success, then tokens if there is usage; the response itself goes through."""
    answer = client.chat.completions.create(**ASKED)
    assert track_openai_metrics(config.create_tracker(), lambda: answer) is answer
    assert told(recorded) == ANSWERED


async def test_a_response_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """R26: the async twin does the same with what it awaits."""
    answer = await track_openai_metrics_async(
        config.create_tracker(), lambda: async_client.chat.completions.create(**ASKED)
    )
    assert answer.choices[0].message.content == "Hello"
    assert told(recorded) == ANSWERED


def test_a_response_without_usage(config: AIConfig, recorded: RecordingClient) -> None:
    """R26: no usage, no tokens."""
    track_openai_metrics(config.create_tracker(), lambda: WITHOUT_USAGE)
    assert told(recorded) == [duration(), SUCCESS]


def test_an_exception(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """R27: duration and error, no tokens; the same exception goes on."""
    server.script(Failure(401))
    raised: list[BaseException] = []

    def ask() -> object:
        try:
            return client.chat.completions.create(**ASKED)
        except openai.AuthenticationError as error:
            raised.append(error)
            raise

    with pytest.raises(openai.AuthenticationError) as caught:
        track_openai_metrics(config.create_tracker(), ask)
    assert caught.value is raised[0]
    assert told(recorded) == FAILED


async def test_an_exception_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """R27: the async twin records the failure of what it awaits."""
    server.script(Failure(500))
    with pytest.raises(openai.InternalServerError):
        await track_openai_metrics_async(config.create_tracker(), lambda: async_client.chat.completions.create(**ASKED))
    assert told(recorded) == FAILED


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"total_tokens": 12, "prompt_tokens": 9, "completion_tokens": 3}, TokenUsage(12, 9, 3)),
        ({"prompt_tokens": 9, "completion_tokens": 3}, TokenUsage(12, 9, 3)),
        ({"total_tokens": 12}, TokenUsage(12, None, None)),
        ({"prompt_tokens": 9, "completion_tokens": None}, TokenUsage(None, 9, None)),
        ({"total_tokens": True, "prompt_tokens": "9", "completion_tokens": 3}, TokenUsage(None, None, 3)),
        ({"total_tokens": -1, "prompt_tokens": 9.5, "completion_tokens": 3.0}, TokenUsage(None, None, 3)),
        ({"total_tokens": 0, "prompt_tokens": 0, "completion_tokens": 0}, None),
    ],
)
def test_usage_with_a_count_missing(
    usage: dict[str, Any], tokens: TokenUsage | None, config: AIConfig, recorded: RecordingClient
) -> None:
    """R28: a plain dict is read like an object; a missing count is not sent, and never costs the response."""
    answer = {**WITHOUT_USAGE, "usage": usage}
    assert track_openai_metrics(config.create_tracker(), lambda: answer) is answer
    assert recorded.run.tokens == tokens


def test_a_second_call_emits_what_was_not_yet_recorded(config: AIConfig, recorded: RecordingClient) -> None:
    """R30: the function runs again, and of what it brings only the tokens are new."""
    tracker = config.create_tracker()
    track_openai_metrics(tracker, lambda: WITHOUT_USAGE)
    assert track_openai_metrics(tracker, completion) == completion()
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]


def test_a_success_after_a_failure(config: AIConfig, recorded: RecordingClient) -> None:
    """R31: the first call failed, the second succeeds: the success is dropped, the tokens are emitted."""
    tracker = config.create_tracker()
    with pytest.raises(ZeroDivisionError):
        track_openai_metrics(tracker, lambda: 1 // 0)
    track_openai_metrics(tracker, completion)
    assert told(recorded) == [duration(), ERROR, *TOKENS]


def test_the_docstrings_say_so() -> None:
    """R30: the documentation says what a second call does, and what to call for a new run."""
    text = " ".join(str(track_openai_metrics.__doc__).split())
    assert "only what was not yet recorded is emitted" in text
    assert "create_tracker" in text
    assert "like `track_openai_metrics`" in str(track_openai_metrics_async.__doc__)


def test_a_stream(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A stream is measured to its end, and every chunk that the application asked for is its own."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    stream = track_openai_metrics(config.create_tracker(), lambda: client.chat.completions.create(**ASKS_FOR_USAGE))
    assert isinstance(stream, openai.Stream)
    assert recorded.runs == []
    assert [chunk.usage is not None for chunk in stream] == [False, False, False, False, True]
    assert told(recorded) == READ


async def test_a_stream_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """An async stream likewise."""
    server.script(Stream(chunks("Hel", "lo"), usage=(9, 3)))
    stream: Any = await track_openai_metrics_async(
        config.create_tracker(), lambda: async_client.chat.completions.create(**ASKS_FOR_USAGE)
    )
    assert isinstance(stream, openai.AsyncStream)
    assert len([chunk async for chunk in stream]) == 5
    assert told(recorded) == READ


def test_an_error_with_status_200(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """The provider reported a failure without raising: an error, and the response goes through."""
    server.script(Answer({"error": {"message": "overloaded", "code": 502}}))
    answer: Any = track_openai_metrics(config.create_tracker(), lambda: client.chat.completions.create(**ASKED))
    assert answer.error["code"] == 502
    assert told(recorded) == FAILED
