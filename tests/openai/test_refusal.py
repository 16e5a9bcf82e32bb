"""A backend that refuses `stream_options`: what we added must not cost the user's call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_openai import wrap_openai
from tests.openai.expected import FAILED, READ, STREAMED, told
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream, chunks

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

NAMED = "Unrecognized request argument supplied: stream_options"
CHAT = Stream(chunks("Hel", "lo"), usage=(9, 3))


def asked(server: ScriptedOpenAI) -> list[bool]:
    """Tell which of the requests so far asked for usage."""
    return [request.asks_for_usage for request in server.requests]


@pytest.mark.parametrize(
    "refusal",
    [
        Failure(400, NAMED),
        Failure(422, NAMED),
        Answer({"detail": [{"loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}]}, 422),
    ],
)
def test_it_is_sent_once_more_without(
    refusal: Any, server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: a 400 or 422 that names it: the same request goes once more without: one success; nobody asks again."""
    server.script(refusal, CHAT, CHAT, CHAT, CHAT)
    wrapped = wrap_openai(client, config)
    assert len(list(wrapped.chat.completions.create(**STREAMED))) == 4
    assert asked(server) == [True, False]
    assert told(recorded) == READ[:3]
    for again in (wrapped, wrapped.with_options(timeout=5), wrap_openai(client, config)):
        list(again.chat.completions.create(**STREAMED))
    assert asked(server) == [True, False, False, False, False]


async def test_it_is_sent_once_more_without_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: the async client does the same."""
    server.script(Failure(400, NAMED), CHAT, CHAT)
    for wrapped in (wrap_openai(async_client, config), wrap_openai(async_client, config)):
        assert len([chunk async for chunk in await wrapped.chat.completions.create(**STREAMED)]) == 4
    assert asked(server) == [True, False, False]
    assert len(recorded.runs) == 2


def test_another_model_is_asked(server: ScriptedOpenAI, client: OpenAI, config: AIConfig) -> None:
    """OA4: a refusal counts for its model and its base URL: others behind the same client are asked."""
    server.script(Failure(400, NAMED), CHAT, CHAT, CHAT)
    wrapped = wrap_openai(client, config)
    list(wrapped.chat.completions.create(**STREAMED))
    list(wrapped.chat.completions.create(**{**STREAMED, "model": "other"}))
    list(wrapped.with_options(base_url=server.base_url + "/").chat.completions.create(**STREAMED))
    assert asked(server)[:3] == [True, False, True]


def test_a_refusal_of_the_users_own_request(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: any other 400 is sent once, so is one about `stream_options` of the user's own: the error goes on."""
    server.script(Failure(400, "no such model"))
    wrapped = wrap_openai(client, config)
    with pytest.raises(openai.BadRequestError, match="no such model"):
        wrapped.chat.completions.create(**STREAMED)
    server.script(Failure(400, NAMED))
    with pytest.raises(openai.BadRequestError, match="stream_options"):
        wrapped.chat.completions.create(**STREAMED, stream_options={"include_usage": True})
    assert len(server.requests) == 2
    assert told(recorded) == FAILED * 2


async def test_a_refusal_of_the_users_own_request_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: the async client hands on any other 400 as well."""
    server.script(Failure(400, "no such model"))
    with pytest.raises(openai.BadRequestError, match="no such model"):
        await wrap_openai(async_client, config).chat.completions.create(**STREAMED)
    assert len(server.requests) == 1
    assert told(recorded) == FAILED


def test_a_second_refusal(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA4: when the request without it fails too, that failure is the user's, and the run is one error."""
    server.script(Failure(400, NAMED), Failure(401, "who are you?"))
    with pytest.raises(openai.AuthenticationError, match="who are you"):
        wrap_openai(client, config).chat.completions.create(**STREAMED)
    assert told(recorded) == FAILED


def test_an_error_that_quotes_the_request(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: a 422 about something else that quotes the request, ours with it, is no refusal: later ones are counted."""
    detail = {
        "loc": ["body", "messages"],
        "msg": "Field required",
        "input": {"stream_options": {"include_usage": True}},
    }
    server.script(*[Answer({"detail": [detail]}, 422)] * 2, CHAT)
    wrapped = wrap_openai(client, config)
    with pytest.raises(openai.UnprocessableEntityError):
        wrapped.chat.completions.create(**STREAMED)
    server.script(CHAT)
    list(wrapped.chat.completions.create(**STREAMED))
    assert asked(server)[-1]
    assert told(recorded) == [*FAILED, *READ]


class UnhashableOpenAI(openai.OpenAI):
    """A client that an application made comparable, and with it unhashable."""

    __hash__ = None  # type: ignore[assignment]  # as `__eq__` alone brings about

    def __eq__(self, other: object) -> bool:
        return self is other


def test_a_client_that_cannot_be_hashed(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA4: a client of the application's own class that cannot be hashed is measured like any other."""
    server.script(Failure(400, NAMED), CHAT)
    with UnhashableOpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
        assert len(list(wrap_openai(client, config).chat.completions.create(**STREAMED))) == 4
    assert asked(server) == [True, False]
    assert told(recorded) == READ[:3]


def test_the_second_failure_stands_alone(server: ScriptedOpenAI, client: OpenAI, config: AIConfig) -> None:
    """OA4: what the request without it raises says nothing of the refusal before, which the user never asked for."""
    server.script(Failure(400, NAMED), Failure(401, "who are you?"))
    with pytest.raises(openai.AuthenticationError) as caught:
        wrap_openai(client, config).chat.completions.create(**STREAMED)
    assert not isinstance(caught.value.__context__, openai.BadRequestError)
