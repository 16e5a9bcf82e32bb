"""`track_bedrock_converse_metrics` and its async twin: what an application without a wrapped client uses."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from ldai_bedrock import track_bedrock_converse_metrics, track_bedrock_converse_metrics_async
from ldai_core import TokenUsage
from tests.bedrock.expected import ASKED
from tests.expected import (
    ANSWERED,
    ERROR,
    FAILED,
    SUCCESS,
    TOKENS,
    TOOL_CALL,
    duration,
    told,
    told_by_now,
)
from tests.servers.bedrock import Answer, Failure, ScriptedBedrock, answer, usage_of

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

WITHOUT_USAGE: Any = {key: value for key, value in answer().items() if key != "usage"}
CAMEL = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}
SNAKE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}


def test_a_response(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29: duration, success, then tokens if there is usage; the response itself goes through."""
    answered = client.converse(**ASKED)
    assert track_bedrock_converse_metrics(config.create_tracker(), lambda: answered) is answered
    assert told(recorded) == ANSWERED


async def test_a_response_async(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29: the async twin does the same with what it awaits."""
    answered = await track_bedrock_converse_metrics_async(
        config.create_tracker(), lambda: async_client.converse(**ASKED)
    )
    assert answered["output"]["message"]["content"] == [{"text": "Hello"}]
    assert told(recorded) == ANSWERED


def test_a_response_without_usage(config: AIConfig, recorded: RecordingClient) -> None:
    """R29: no usage, no tokens."""
    track_bedrock_converse_metrics(config.create_tracker(), lambda: WITHOUT_USAGE)
    assert told(recorded) == [duration(), SUCCESS]


@pytest.mark.parametrize(
    "response",
    [
        {"usage": CAMEL},
        {"usage": SNAKE},
        {"usage": SimpleNamespace(**CAMEL)},
        {"usage": SimpleNamespace(**SNAKE)},
        SimpleNamespace(usage=CAMEL),
        SimpleNamespace(usage=SNAKE),
        SimpleNamespace(usage=SimpleNamespace(**SNAKE), stop_reason="end_turn"),
    ],
)
def test_both_spellings(config: AIConfig, recorded: RecordingClient, response: Any) -> None:
    """R29: usage is read in boto3's spelling and in snake case, of dicts and of objects."""
    assert track_bedrock_converse_metrics(config.create_tracker(), lambda: response) is response
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (usage_of(9, 3, cacheReadInputTokens=400, cacheWriteInputTokens=20), TokenUsage(432, 429, 3)),
        ({"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 400}, TokenUsage(412, 409, 3)),
        ({"inputTokens": 9, "outputTokens": 3}, TokenUsage(12, 9, 3)),
        ({"input_tokens": 9, "output_tokens": None}, TokenUsage(None, 9, None)),
        ({"totalTokens": 12}, TokenUsage(12, None, None)),
        ({"inputTokens": True, "outputTokens": "3", "totalTokens": 12}, TokenUsage(12, None, None)),
        ({"inputTokens": -9, "outputTokens": 3.0}, TokenUsage(None, None, 3)),
        ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, None),
        ({}, None),
        (None, None),
        ([], None),
        ("12", None),
    ],
)
def test_usages(config: AIConfig, recorded: RecordingClient, usage: Any, expected: TokenUsage | None) -> None:
    """R29, BR6: cached tokens are input; a count that is missing, or none, is not sent, and costs no response."""
    response = {**WITHOUT_USAGE, "usage": usage}
    assert track_bedrock_converse_metrics(config.create_tracker(), lambda: response) is response
    assert recorded.run.tokens == expected
    assert recorded.run.success


def test_an_exception(server: ScriptedBedrock, client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R27: duration and error, no tokens; the same exception goes on."""
    server.script(Failure(400, "ValidationException"))
    raised: list[BaseException] = []

    def ask() -> object:
        try:
            return client.converse(**ASKED)
        except ClientError as error:
            raised.append(error)
            raise

    with pytest.raises(ClientError) as caught:
        track_bedrock_converse_metrics(config.create_tracker(), ask)
    assert caught.value is raised[0]
    assert told(recorded) == FAILED


async def test_an_exception_async(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """R27: the async twin records the failure of what it awaits."""
    server.script(Failure(400, "ValidationException"))
    with pytest.raises(ClientError):
        await track_bedrock_converse_metrics_async(config.create_tracker(), lambda: async_client.converse(**ASKED))
    assert told(recorded) == FAILED


@pytest.mark.parametrize("error", [OSError("a"), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()])
async def test_any_exception(config: AIConfig, recorded: RecordingClient, error: BaseException) -> None:
    """R27: whatever a function raises is an error, and the very object goes on; of either twin."""

    def fail() -> Any:
        raise error

    async def fail_later() -> Any:
        raise error

    with pytest.raises(type(error)) as caught:
        track_bedrock_converse_metrics(config.create_tracker(), fail)
    assert caught.value is error
    for function in (fail, fail_later):
        with pytest.raises(type(error)) as caught:
            await track_bedrock_converse_metrics_async(config.create_tracker(), function)
        assert caught.value is error
    assert told(recorded) == FAILED * 3


def test_malformed_output(server: ScriptedBedrock, client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R29, BR9: what the service reports as failed is an error with its tokens, and the response goes through."""
    server.script(Answer(answer(stop_reason="malformed_tool_use")))
    track_bedrock_converse_metrics(config.create_tracker(), lambda: client.converse(**ASKED))
    assert told(recorded) == [duration(), ERROR, *TOKENS]


def test_a_tool_call(config: AIConfig, recorded: RecordingClient) -> None:
    """R29, BR10: a tool that a response asks for is counted."""
    block = {"toolUse": {"toolUseId": "tooluse_1", "name": "search", "input": {}}}
    track_bedrock_converse_metrics(config.create_tracker(), lambda: answer(block, stop_reason="tool_use"))
    assert told(recorded) == [*ANSWERED, TOOL_CALL]


def test_a_second_call(config: AIConfig, recorded: RecordingClient) -> None:
    """R30: the function runs again, and of what it brings only the tokens are new; a third time nothing is."""
    tracker = config.create_tracker()
    calls = []

    def ask() -> Any:
        calls.append(1)
        return answer()

    track_bedrock_converse_metrics(tracker, lambda: WITHOUT_USAGE)
    assert track_bedrock_converse_metrics(tracker, ask) == answer()
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]
    assert track_bedrock_converse_metrics(tracker, ask) == answer()
    assert len(calls) == 2
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]


def test_a_stream_after_a_response(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R30: a stream brings the time to first token, and the tokens, that a response had not."""
    tracker = config.create_tracker()
    track_bedrock_converse_metrics(tracker, lambda: WITHOUT_USAGE)
    list(track_bedrock_converse_metrics(tracker, lambda: client.converse_stream(**ASKED))["stream"])
    assert [name for name, _ in told_by_now(recorded)] == [
        "$ld:ai:duration:total",
        "$ld:ai:generation:success",
        "$ld:ai:tokens:ttf",
        *(name for name, _ in TOKENS),
    ]


def test_a_success_after_a_failure(config: AIConfig, recorded: RecordingClient) -> None:
    """R31: the first call failed, the second succeeds: the success is dropped, the tokens are emitted."""
    tracker = config.create_tracker()
    with pytest.raises(ZeroDivisionError):
        track_bedrock_converse_metrics(tracker, lambda: 1 // 0)
    track_bedrock_converse_metrics(tracker, answer)
    assert told(recorded) == [duration(), ERROR, *TOKENS]


async def test_a_success_after_a_failure_async(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """R30, R31: with the async twin likewise."""
    tracker = config.create_tracker()
    with pytest.raises(TypeError):
        await track_bedrock_converse_metrics_async(tracker, lambda: async_client.converse(ASKED))
    for _ in range(2):
        await track_bedrock_converse_metrics_async(tracker, lambda: async_client.converse(**ASKED))
    assert told(recorded) == [duration(), ERROR, *TOKENS]


def test_the_docstrings_say_so() -> None:
    """R30: the documentation says what a second call does, and what to call for a new run."""
    text = " ".join(str(track_bedrock_converse_metrics.__doc__).split())
    assert "only what was not yet recorded is emitted" in text
    assert "create_tracker" in text
    assert "like `track_bedrock_converse_metrics`" in str(track_bedrock_converse_metrics_async.__doc__)
