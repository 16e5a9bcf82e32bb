"""`track_bedrock_converse_metrics` with what stands for a response, as it does in the tests of applications."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from ldai_bedrock import track_bedrock_converse_metrics, track_bedrock_converse_metrics_async
from tests.expected import (
    ANSWERED,
    ERROR,
    FAILED,
    READ,
    TOKENS,
    UNREAD,
    duration,
    first_token,
    told,
    told_by_now,
)
from tests.servers.bedrock import answer, claude, events

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

CAMEL = {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}
SNAKE = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
EVENTS = [{name: content} for name, content in events("Hel", "lo")]


@pytest.fixture
def track(config: AIConfig) -> Callable[..., Any]:
    """Measure with a tracker of its own."""
    return lambda func: track_bedrock_converse_metrics(config.create_tracker(), func)


STAND_INS: dict[str, Any] = {
    "Mock": Mock(usage=Mock(**CAMEL)),
    "MagicMock": MagicMock(usage=MagicMock(**CAMEL)),
    "AsyncMock": AsyncMock(usage=Mock(**CAMEL)),
    "Mock of a namespace": Mock(usage=SimpleNamespace(**CAMEL)),
    "Mock of a dict": Mock(usage=CAMEL),
    "Mock in snake case": Mock(usage=Mock(**SNAKE)),
    "MagicMock in snake case": MagicMock(usage=MagicMock(**SNAKE)),
    "Mock with a spec": Mock(usage=Mock(spec_set=list(SNAKE), **SNAKE)),
    "dict of a Mock": {"usage": Mock(**CAMEL)},
    "dict of a Mock in snake case": {"usage": Mock(**SNAKE)},
    "SimpleNamespace": SimpleNamespace(usage=SimpleNamespace(**CAMEL)),
    "dict": {"usage": CAMEL},
    "body": {"usage": SNAKE},
    "response": answer(),
}
WITHOUT_USAGE: dict[str, Any] = {
    "None": None,
    "Mock": Mock(usage=None),
    "MagicMock": MagicMock(usage=None),
    "AsyncMock": AsyncMock(usage=None),
    "Mock without any": Mock(),
    "MagicMock without any": MagicMock(),
    "Mock of a dict": Mock(spec=dict),
    "object": object(),
    "empty dict": {},
    "dict without usage": {"output": {}, "stopReason": "end_turn", "usage": None},
    "nulls": {"stream": None, "body": None, "ResponseMetadata": None},
    "odd": {"output": 7, "stopReason": [], "usage": {"inputTokens": {}}},
    "list": [],
    "number": 7,
    "text": "Hello",
    "bytes": b"Hello",
    "class": int,
    "function": len,
}


@pytest.mark.parametrize("name", STAND_INS)
async def test_with_usage(name: str, config: AIConfig, recorded: RecordingClient) -> None:
    """R29: what stands for a response and has a usage is a success with its tokens, and is handed on itself."""
    stand_in = STAND_INS[name]
    assert track_bedrock_converse_metrics(config.create_tracker(), lambda: stand_in) is stand_in
    assert told_by_now(recorded) == ANSWERED
    ask = AsyncMock(return_value=stand_in)
    assert await track_bedrock_converse_metrics_async(config.create_tracker(), ask) is stand_in
    assert told_by_now(recorded) == ANSWERED + ANSWERED


@pytest.mark.parametrize("name", WITHOUT_USAGE)
def test_without_usage(name: str, config: AIConfig, recorded: RecordingClient) -> None:
    """R29: what stands for a response and has no usage is a success without tokens, and is handed on itself."""
    stand_in = WITHOUT_USAGE[name]
    assert track_bedrock_converse_metrics(config.create_tracker(), lambda: stand_in) is stand_in
    assert told(recorded) == UNREAD


def test_a_mock_for_the_function(track: Any, recorded: RecordingClient) -> None:
    """R29: a mock may stand for the function too, and is called once; what it raises goes on."""
    error = RuntimeError("scripted")
    for ask in (Mock(return_value=answer()), MagicMock(return_value=answer())):
        assert track(ask) == answer()
        ask.assert_called_once_with()
    with pytest.raises(RuntimeError) as caught:
        track(Mock(side_effect=error))
    assert caught.value is error
    assert told_by_now(recorded) == [*ANSWERED, *ANSWERED, *FAILED]


@pytest.mark.parametrize("kind", [Mock, MagicMock])
def test_a_mock_costs_no_warning(kind: Any, track: Any, recorded: Any, caplog: pytest.LogCaptureFixture) -> None:
    """R29: a mock that has everything has counts that are none beside the ones that it is given; nobody is warned."""
    with caplog.at_level(logging.WARNING):
        track(lambda: kind(usage=kind(**CAMEL)))
    assert caplog.records == []
    assert told_by_now(recorded) == ANSWERED


def test_a_mock_for_a_stream(track: Any, recorded: RecordingClient) -> None:
    """R29: a MagicMock that is iterated stands for its items: no event is lost."""
    stand_in = MagicMock()
    stand_in.__iter__.return_value = iter(EVENTS)
    assert list(track(lambda: {"stream": stand_in})["stream"]) == EVENTS
    assert recorded.run.success


def test_a_body_for_a_response(track: Any, recorded: RecordingClient) -> None:
    """R29: the parsed body of a model of Anthropic's has its usage in snake case, and its tool calls."""
    block = {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}}
    assert track(lambda: claude(block)) == claude(block)
    assert told_by_now(recorded)[:5] == ANSWERED


def test_namespaces_for_events(track: Any, recorded: RecordingClient) -> None:
    """R29: events that are namespaces or mocks are read by the names of boto3's."""
    text = SimpleNamespace(contentBlockDelta=SimpleNamespace(delta=SimpleNamespace(text="Hello")))
    last = SimpleNamespace(metadata=SimpleNamespace(usage=Mock(**CAMEL)))
    assert list(track(lambda: iter([text, last]))) == [text, last]
    assert told_by_now(recorded) == READ


def test_a_failure_in_a_stream(track: Any, recorded: RecordingClient) -> None:
    """R29, BR9: a stream that stops with malformed output is an error, with its tokens."""
    made = events("Hello", stop_reason="malformed_model_output")
    list(track(lambda: ({name: content} for name, content in made)))
    assert told_by_now(recorded) == [duration(), first_token(), ERROR, *TOKENS]
