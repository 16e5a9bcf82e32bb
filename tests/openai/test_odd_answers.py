"""Answers that are not what was asked for, and streams that are read in odd ways: what is recorded all the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import OpenAI

from ldai_openai import track_openai_metrics, wrap_openai
from tests.openai.expected import (
    ANSWERED,
    ASKED,
    ERROR,
    FAILED,
    LEFT,
    PROVIDER_ERRORS,
    READ,
    STREAMED,
    SUCCESS,
    TOKENS,
    duration,
    first_token,
    helpers,
    told,
    told_by_now,
)
from tests.servers.forms import FormsServer, text
from tests.servers.openai import Answer, ScriptedOpenAI, Stream, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

PAGE = text("<html>Bad gateway</html>", "text/html; charset=utf-8")


class NamelessModel:
    """A model of the application's own, which cannot be written."""

    def __str__(self) -> str:
        raise ValueError


@pytest.fixture
def pages() -> Iterator[FormsServer]:
    """Start a server that answers with pages, too."""
    with FormsServer() as server:
        yield server


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_a_page(
    pages: FormsServer, client: OpenAI, config: AIConfig, recorded: RecordingClient, streamed: bool, raw: bool
) -> None:
    """A page of some proxy is no answer and no stream, whatever its status says: an error."""
    pages.script(PAGE)
    completions: Any = wrap_openai(client, config).with_options(base_url=pages.base_url).chat.completions
    answer = (completions.with_raw_response if raw else completions).create(**(STREAMED if streamed else ASKED))
    if raw:
        answer = answer.parse()
    assert answer == "<html>Bad gateway</html>" if not streamed else list(answer) == []
    assert told(recorded) == FAILED


@pytest.mark.parametrize("raw", [False, True])
def test_a_list(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, raw: bool) -> None:
    """JSON that is no object is no answer either, in whichever form it was asked for."""
    server.script(Answer([1, 2]))
    completions: Any = wrapped.chat.completions
    (completions.with_raw_response if raw else completions).create(**ASKED)
    assert told(recorded) == FAILED


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_events_that_the_sdk_did_not_expect(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, raw: bool, fails: bool
) -> None:
    """A stream that is asked for behind the SDK's back comes whole, as text, and is read for its tokens and errors."""
    server.script(
        Stream(chunks("Hel"), error={"message": "overloaded"}) if fails else Stream(chunks("Hel", "lo", usage=(9, 3)))
    )
    completions: Any = wrapped.chat.completions
    (completions.with_raw_response if raw else completions).create(**ASKED, extra_body={"stream": True})
    assert told(recorded) == (FAILED if fails else ANSWERED)


def test_a_body_that_was_read_before(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A raw stream whose body a hook of the application's has read is over when the request returns."""
    http_client = openai.DefaultHttpxClient(event_hooks={"response": [lambda response: response.read()]})
    with OpenAI(api_key="any", base_url=server.base_url, http_client=http_client) as client:
        raw = wrap_openai(client, config).chat.completions.with_raw_response.create(**STREAMED)
        assert told_by_now(recorded) == READ
        assert len(list(raw.parse())) == 4
    assert told(recorded) == READ


def test_a_response_unlike_any(config: AIConfig, recorded: RecordingClient, caplog: pytest.LogCaptureFixture) -> None:
    """OA14: what has an HTTP response that is none is handed on, a success without tokens, and costs one warning."""
    odd = SimpleNamespace(http_response=SimpleNamespace())
    assert track_openai_metrics(config, lambda: odd) is odd
    assert told(recorded) == [duration(), SUCCESS]
    assert len(caplog.records) == 1


def test_chunks_that_do_not_say_so(config: AIConfig, recorded: RecordingClient) -> None:
    """OA5: a chunk that does not say that it is one is known by its delta."""
    parts = [{"choices": [{"index": 0, "delta": delta}]} for delta in ({"role": "assistant"}, {"content": "Hello"})]
    assert list(track_openai_metrics(config, lambda: iter(parts))) == parts
    assert told(recorded) == LEFT


def test_two_loops(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: of two loops over one stream the older one goes on, and sees the stream fail: an error."""
    server.script(Stream(chunks("Hel", "lo"), error={"message": "overloaded"}))
    stream = wrapped.chat.completions.create(**STREAMED)
    older, newer = iter(stream), iter(stream)
    with pytest.raises(PROVIDER_ERRORS):
        list(older)
    assert told_by_now(recorded) == [duration(), first_token(), ERROR]
    assert list(newer) == []
    assert len(recorded.runs) == 1


def test_a_model_that_cannot_be_written(client: OpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: what the SDK says of an argument is what its user sees."""
    raised = []
    for each in (client, wrapped):
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whichever the SDK raises
            each.chat.completions.create(model=NamelessModel(), messages=[], stream=True)  # type: ignore[call-overload]
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]
    assert told(recorded) == FAILED


def test_a_manager_is_no_request(
    server: ScriptedOpenAI,
    client: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """OA11: `track_openai_metrics` of a `stream()` manager records nothing: no request is made yet. It says so."""
    tracker = config.create_tracker()
    managers = [
        track_openai_metrics(tracker, lambda: helpers(client).stream(**ASKED)),
        track_openai_metrics(tracker, lambda: client.chat.completions.with_streaming_response.create(**ASKED)),
    ]
    assert server.requests == []
    assert told(recorded) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert type(managers[0]).__name__ == "ChatCompletionStreamManager"
    track_openai_metrics(tracker, lambda: client.chat.completions.create(**ASKED))
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]
