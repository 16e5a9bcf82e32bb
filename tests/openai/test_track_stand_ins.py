"""`track_openai_metrics` with what stands for a result, as it does in the tests of applications."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest

from ldai_core import TokenUsage
from ldai_openai import track_openai_metrics, track_openai_metrics_async
from tests.openai.expected import ANSWERED, FAILED, LEFT, READ, TOKENS, UNREAD, read_all, told, told_by_now
from tests.servers.openai import chunks, completion, text_completion
from tests.servers.responses import response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

CHAT = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
RESPONSES = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}

STAND_INS: dict[str, Any] = {
    "Mock": Mock(usage=Mock(**CHAT)),
    "MagicMock": MagicMock(usage=MagicMock(**CHAT)),
    "AsyncMock": AsyncMock(usage=Mock(**CHAT)),
    "Mock of a namespace": Mock(usage=SimpleNamespace(**CHAT)),
    "Mock of a dict": Mock(usage=CHAT),
    "SimpleNamespace": SimpleNamespace(usage=SimpleNamespace(**CHAT)),
    "SimpleNamespace of a dict": SimpleNamespace(usage=RESPONSES),
    "dict": {"usage": CHAT},
    "dict of a namespace": {"usage": SimpleNamespace(**RESPONSES)},
    "chat completion": completion(),
    "text completion": text_completion(),
    "response": response(),
}
WITHOUT_USAGE: dict[str, Any] = {
    "None": None,
    "Mock": Mock(usage=None),
    "MagicMock": MagicMock(usage=None),
    "Mock without any": Mock(),
    "MagicMock without any": MagicMock(),
    "object": object(),
    "empty dict": {},
    "list": [],
    "number": 7,
    "class": int,
    "function": len,
}


@pytest.mark.parametrize("name", STAND_INS)
def test_with_usage(name: str, config: AIConfig, recorded: RecordingClient) -> None:
    """What stands for a result and has a usage is a success with its tokens, at once, and is handed on itself."""
    stand_in = STAND_INS[name]
    assert track_openai_metrics(config.create_tracker(), lambda: stand_in) is stand_in
    assert told_by_now(recorded) == ANSWERED


@pytest.mark.parametrize("name", STAND_INS)
async def test_with_usage_async(name: str, config: AIConfig, recorded: RecordingClient) -> None:
    """What stands for a result and has a usage: likewise."""
    ask = AsyncMock(return_value=STAND_INS[name])
    assert await track_openai_metrics_async(config.create_tracker(), ask) is STAND_INS[name]
    assert told_by_now(recorded) == ANSWERED


@pytest.mark.parametrize("name", WITHOUT_USAGE)
def test_without_usage(name: str, config: AIConfig, recorded: RecordingClient) -> None:
    """What stands for a result and has no usage is a success without tokens, at once."""
    stand_in = WITHOUT_USAGE[name]
    assert track_openai_metrics(config.create_tracker(), lambda: stand_in) is stand_in
    assert told_by_now(recorded) == UNREAD


def test_a_mock_for_the_function(config: AIConfig, recorded: RecordingClient) -> None:
    """A mock may stand for the function too, and is called once."""
    for ask in (Mock(return_value=completion()), MagicMock(return_value=completion())):
        assert track_openai_metrics(config.create_tracker(), ask) == completion()
        ask.assert_called_once_with()
    assert told_by_now(recorded) == ANSWERED * 2


def test_a_mock_that_raises(config: AIConfig, recorded: RecordingClient) -> None:
    """What a mock raises is an error, and goes on."""
    error = RuntimeError("scripted")
    with pytest.raises(RuntimeError) as caught:
        track_openai_metrics(config.create_tracker(), Mock(side_effect=error))
    assert caught.value is error
    assert told_by_now(recorded) == FAILED


def test_the_official_example(config: AIConfig, recorded: RecordingClient) -> None:
    """The counts of a mock are what is told, also where they do not add up."""
    answer = Mock(usage=Mock(total_tokens=3, prompt_tokens=1, completion_tokens=2))
    assert track_openai_metrics(config.create_tracker(), lambda: answer) is answer
    assert recorded.run.success
    assert recorded.run.tokens == TokenUsage(3, 1, 2)


@pytest.mark.parametrize("kind", [Mock, MagicMock])
def test_a_mock_of_responses(
    kind: Any, config: AIConfig, recorded: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A mock of the Responses API's usage says no `prompt_tokens`, though it has them, as it has everything."""
    with caplog.at_level(logging.WARNING):
        track_openai_metrics(config.create_tracker(), lambda: kind(usage=kind(spec_set=list(RESPONSES), **RESPONSES)))
    assert told_by_now(recorded) == ANSWERED
    assert caplog.records == []


@pytest.mark.parametrize("kind", [Mock, MagicMock])
def test_a_mock_of_responses_that_has_everything(kind: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """A usage that has everything is read for the counts that are counts, by whichever names."""
    track_openai_metrics(config.create_tracker(), lambda: kind(usage=kind(**RESPONSES)))
    assert told_by_now(recorded) == ANSWERED


def test_an_iterator_for_a_stream(config: AIConfig, recorded: RecordingClient) -> None:
    """An iterator stands for a stream, and is measured to its end."""

    def stream() -> Iterator[Any]:
        yield from chunks("Hel", "lo", usage=(9, 3))

    assert list(track_openai_metrics(config.create_tracker(), stream)) == chunks("Hel", "lo", usage=(9, 3))
    assert told_by_now(recorded) == READ


async def test_an_iterator_for_a_stream_async(config: AIConfig, recorded: RecordingClient) -> None:
    """An async iterator likewise."""

    async def stream() -> AsyncIterator[Any]:
        for chunk in chunks("Hel", "lo", usage=(9, 3)):
            yield chunk

    async def ask() -> AsyncIterator[Any]:
        return stream()

    assert len(await read_all(await track_openai_metrics_async(config.create_tracker(), ask))) == 5
    assert told_by_now(recorded) == READ


def test_a_mock_for_a_stream(config: AIConfig, recorded: RecordingClient) -> None:
    """A MagicMock that is iterated stands for its items; it is handed on itself, or is measured: no chunk is lost."""
    stand_in = MagicMock()
    stand_in.__iter__.return_value = iter(chunks("Hel", "lo", usage=(9, 3)))
    stream = track_openai_metrics(config.create_tracker(), lambda: stand_in)
    assert list(stream) == chunks("Hel", "lo", usage=(9, 3))
    assert told(recorded)[:1] == READ[:1]


def test_a_list_for_a_stream(config: AIConfig, recorded: RecordingClient) -> None:
    """A list is no stream: it is handed on itself, a success."""
    listed = chunks("Hel", "lo", usage=(9, 3))
    assert track_openai_metrics(config.create_tracker(), lambda: listed) is listed
    assert told_by_now(recorded) == UNREAD


def test_namespaces_for_chunks(config: AIConfig, recorded: RecordingClient) -> None:
    """Chunks that are namespaces or mocks are read by the names of the SDK's, as far as they say what they are."""
    kind = "chat.completion.chunk"
    first = SimpleNamespace(object=kind, choices=[SimpleNamespace(index=0, delta=SimpleNamespace(content="Hello"))])
    last = Mock(object=kind, choices=[], usage=Mock(**CHAT))
    assert list(track_openai_metrics(config.create_tracker(), lambda: iter([first, last]))) == [first, last]
    assert told_by_now(recorded) == [*LEFT, *TOKENS]
