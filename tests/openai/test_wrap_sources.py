"""The wrapped client: which run a request belongs to, and what happens when the measuring itself fails."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context

from ldai_core import AIClient, AIConfig, Run
from ldai_core.testing import RecordingClient
from ldai_openai import wrap_openai
from tests.openai.conftest import SUPPORT_BOT
from tests.openai.expected import ANSWERED, ASKED, READ, STREAMED, TOOL_CALL, duration, first_token, tokens, told
from tests.openai.expected import SUCCESS as SUCCEEDED
from tests.servers.openai import Answer, ScriptedOpenAI, Stream, chunks, completion, tool_call

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

SEARCH = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    """List what was logged, all of which must be ours, without the exception behind it."""
    assert all(record.name.startswith("ldai_core") for record in caplog.records if record.levelno >= logging.WARNING)
    assert all(record.exc_info is None for record in caplog.records)
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def config_of(recorded: RecordingClient) -> AIConfig:
    """Evaluate the AI Config with a client of the test's own."""
    return AIClient(recorded).completion_config("support-bot", Context.create("user-1"))


def test_a_config(wrapped: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """With a config for a source, each request is a run of its own, of that config."""
    for _ in range(3):
        wrapped.chat.completions.create(**ASKED)
    assert told(recorded) == ANSWERED * 3
    assert len({run.run_id for run in recorded.runs}) == 3
    assert {(run.config_key, run.model_name, run.provider_name) for run in recorded.runs} == {
        (config.key, "gpt-4o", "openai")
    }


def test_a_function(client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A function is asked for a tracker for every request, and for none that is not made."""
    asked = []

    def make_tracker() -> Any:
        asked.append(True)
        return config.create_tracker()

    wrapped = wrap_openai(client, make_tracker)
    assert asked == []
    wrapped.chat.completions.create(**ASKED)
    wrapped.chat.completions.create(**ASKED)
    assert len(asked) == len(recorded.runs) == 2


def test_a_tracker(
    client: OpenAI, config: AIConfig, recorded: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    """R14-R17: with a tracker, the first request is its run; a second works, is warned of, and records nothing."""
    wrapped = wrap_openai(client, config.create_tracker())
    wrapped.chat.completions.create(**ASKED)
    assert warned(caplog) == []
    assert wrapped.chat.completions.create(**ASKED).choices[0].message.content == "Hello"
    assert told(recorded) == ANSWERED
    assert [message.split(":")[0] for message in warned(caplog)] == [
        "Skipping track_duration",
        "Skipping track_success",
        "Skipping track_tokens",
    ]


def test_a_run(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA19: an agent loop: five requests inside one Run, plain and streamed, are one run; tokens are their sum."""
    server.script(
        Answer(completion(None, tool_calls=[SEARCH])), Stream(chunks(*tool_call("look", "{", "}")), usage=(20, 5))
    )
    with Run(config) as run:
        wrapped = wrap_openai(client, run)
        wrapped.chat.completions.create(**ASKED)
        list(wrapped.chat.completions.create(**STREAMED))
        for _ in range(3):
            wrapped.chat.completions.create(**ASKED)
        assert told(recorded) == []
    assert told(recorded) == [duration(), first_token(), SUCCEEDED, *tokens(56, 17), TOOL_CALL, TOOL_CALL]
    assert recorded.run.tool_calls == ("search", "look")


async def test_a_run_async(async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A stream may outlive its Run, which is reported when the stream has ended too."""
    async with Run(config) as run:
        stream = await wrap_openai(async_client, run).chat.completions.create(**STREAMED)
    assert told(recorded) == []
    assert len([chunk async for chunk in stream]) == 4
    assert told(recorded) == [duration(), SUCCEEDED, *tokens(9, 3)]


def test_two_sources_of_one_client(client: OpenAI) -> None:
    """OA12: two wraps of one client keep apart."""
    one, other = (RecordingClient({"support-bot": SUPPORT_BOT}) for _ in range(2))
    first, second = wrap_openai(client, config_of(one)), wrap_openai(client, config_of(other))
    first.chat.completions.create(**ASKED)
    list(second.chat.completions.create(**STREAMED))
    first.chat.completions.create(**ASKED)
    assert (told(one), told(other)) == (ANSWERED * 2, READ)


@pytest.mark.parametrize("copied", [False, True])
def test_a_wrapped_client_is_bound_anew(client: OpenAI, copied: bool) -> None:
    """OA12: wrapping a wrapped client, or a copy of one, binds it to the new source: one record, never two."""
    old, new = (RecordingClient({"support-bot": SUPPORT_BOT}) for _ in range(2))
    first = wrap_openai(client, config_of(old), include_usage=False)
    second = wrap_openai(first.with_options(timeout=9) if copied else first, config_of(new))
    list(second.chat.completions.create(**STREAMED))
    assert (told(old), told(new)) == ([], READ)
    first.chat.completions.create(**ASKED)
    assert (told(old), told(new)) == (ANSWERED, READ)


def test_eight_threads(wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA16: a wrapped client is used from several threads: every request one run, with everything once."""

    def ask(number: int) -> int:
        if number % 2:
            return len(list(wrapped.chat.completions.create(**STREAMED)))
        return len(wrapped.chat.completions.create(**ASKED).choices)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(40))) == [1, 4] * 20
    runs = [[(event.name, event.value) for event in run.events] for run in recorded.runs]
    assert len(told(recorded)) == 20 * len(ANSWERED) + 20 * len(READ)
    assert (runs.count(ANSWERED), runs.count(READ)) == (20, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"client": object()}, "client: expected an openai.OpenAI or openai.AsyncOpenAI client, got"),
        ({"client": None}, "client: expected"),
        ({"source": None}, "source: expected an AI Config .*, got NoneType"),
        ({"source": "support-bot"}, "source: expected .*, got str"),
        ({"include_usage": "yes"}, "include_usage: expected a bool, got"),
        ({"include_usage": None}, "include_usage: expected a bool, got"),
    ],
)
def test_wrong_arguments(client: OpenAI, config: AIConfig, arguments: dict[str, Any], message: str) -> None:
    """An argument of the wrong kind is a TypeError at once, which says what was expected and what came."""
    given: Any = {"client": client, "source": config, **arguments}
    with pytest.raises(TypeError, match=message):
        wrap_openai(**given)


class FailingClient(RecordingClient):
    """Raises whenever it is told anything."""

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Raise."""
        raise ConnectionError("the key was sdk-123")


def broken_factory() -> Any:
    """Raise in place of making a tracker."""
    raise LookupError("the key was sdk-123")


@pytest.mark.parametrize(
    ("broken", "name"), [("client", "ConnectionError"), ("factory", "LookupError"), ("kind", "TypeError")]
)
def test_measuring_fails(client: OpenAI, caplog: pytest.LogCaptureFixture, *, broken: str, name: str) -> None:
    """OA15: tracker or LaunchDarkly's client raised: the call is untouched, at one warning without secrets."""
    ai_config = config_of(FailingClient({"support-bot": SUPPORT_BOT}))
    caplog.clear()
    sources: dict[str, Any] = {"client": ai_config, "factory": broken_factory, "kind": object}
    wrapped = wrap_openai(client, sources[broken])
    answer, unmeasured = wrapped.chat.completions.create(**ASKED), client.chat.completions.create(**ASKED)
    assert answer == unmeasured
    received = [chunk.model_dump() for chunk in wrapped.chat.completions.create(**STREAMED)]
    assert received == [chunk.model_dump() for chunk in client.chat.completions.create(**STREAMED)]
    messages = warned(caplog)
    assert len(messages) == 2
    assert all(name in message and "sdk-123" not in message for message in messages)
