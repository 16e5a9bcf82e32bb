"""What a legacy completion is asked for its usage, and what of that the application sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_openai import wrap_openai
from tests.openai.expected import FAILED, LEFT, READ, read_all, told, told_by_now
from tests.servers.openai import Failure, ScriptedOpenAI, Stream, text_completion, texts

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

STREAMED: Any = {"model": "babbage-002", "prompt": "Hi", "stream": True}  # Any: as in `create`'s overloads
COUNTED = {"include_usage": True}

WHOLE = Stream(texts("Hel", "lo"), usage=(9, 3))
NAMED = "Unrecognized request argument supplied: stream_options"


@pytest.mark.parametrize("options", [None, {}, {"include_obfuscation": False}], ids=str)
def test_usage_is_asked_for(
    options: dict[str, Any] | None, server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient
) -> None:
    """OA2, OA3: usage is asked for in a copy of what the user gave, and the chunk that this brings is hidden."""
    server.script(WHOLE)
    untouched = None if options is None else dict(options)
    given: Any = {} if options is None else {"stream_options": options}
    received = list(wrapped.completions.create(**STREAMED, **given))
    assert [chunk.choices[0].text for chunk in received] == ["Hel", "lo", ""]
    assert options == untouched
    assert server.requests[0].body == {**STREAMED, "stream_options": {**(options or {}), **COUNTED}}
    assert told_by_now(recorded) == READ


async def test_usage_is_asked_for_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA2, OA3: likewise."""
    server.script(WHOLE)
    options: Any = {"include_obfuscation": False}
    received = await read_all(await async_wrapped.completions.create(**STREAMED, stream_options=options))
    assert [chunk.choices[0].text for chunk in received] == ["Hel", "lo", ""]
    assert options == {"include_obfuscation": False}
    assert server.requests[0].body["stream_options"] == {**options, **COUNTED}
    assert told_by_now(recorded) == READ


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("where", ["stream_options", "extra_body"])
def test_the_users_own_wish(
    where: str, include: bool, server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient
) -> None:
    """OA2, OA3: a user's own True or False is what is sent, and the chunk that the user asked for is handed on."""
    server.script(WHOLE)
    wish = {"include_usage": include}
    given: Any = {where: wish if where == "stream_options" else {"stream_options": wish}}
    received = list(wrapped.completions.create(**STREAMED, **given))
    assert server.requests[0].body == {**STREAMED, "stream_options": wish}
    assert [chunk.usage is not None for chunk in received] == [False] * 3 + [True] * include
    assert told_by_now(recorded) == (READ if include else LEFT)


def test_usage_is_not_asked_for(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: `include_usage=False` leaves the request as it is; what is sent unasked is read, and handed on."""
    server.script(WHOLE, Stream([*texts("Hel"), {**text_completion(), "choices": []}]))
    wrapped = wrap_openai(client, config, include_usage=False)
    assert len(list(wrapped.completions.create(**STREAMED))) == 3
    assert len(list(wrapped.completions.create(**STREAMED))) == 3
    assert [request.body for request in server.requests] == [STREAMED, STREAMED]
    assert told(recorded) == LEFT + READ


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal(
    status: int, server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: a refusal of `stream_options` is met by the same request without it, once, and nobody asks again."""
    server.script(Failure(status, NAMED), WHOLE, WHOLE)
    for wrapped in (wrap_openai(client, config), wrap_openai(client, config)):
        assert len(list(wrapped.completions.create(**STREAMED))) == 3
    assert [request.asks_for_usage for request in server.requests] == [True, False, False]
    assert server.requests[1].body == STREAMED
    assert told(recorded) == LEFT * 2


async def test_a_refusal_async(
    server: ScriptedOpenAI, async_client: AsyncOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA4: likewise."""
    server.script(Failure(400, NAMED), WHOLE, WHOLE)
    for wrapped in (wrap_openai(async_client, config), wrap_openai(async_client, config)):
        assert len(await read_all(await wrapped.completions.create(**STREAMED))) == 3
    assert [request.asks_for_usage for request in server.requests] == [True, False, False]
    assert told(recorded) == LEFT * 2


def test_another_refusal(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA4: any other 400 is sent once, and is an error."""
    server.script(Failure(400, "This is a chat model"))
    with pytest.raises(openai.BadRequestError, match="chat model"):
        wrapped.completions.create(**STREAMED)
    assert len(server.requests) == 1
    assert told_by_now(recorded) == FAILED


def test_usage_beside_the_last_text(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA3, OA14: usage that comes in chunks with text is read, the last one counts, and no text is hidden."""
    server.script(Stream([text_completion("Hel", (9, 1), finish_reason=None), text_completion("lo", (9, 3))]))
    assert [chunk.choices[0].text for chunk in wrapped.completions.create(**STREAMED)] == ["Hel", "lo"]
    assert told_by_now(recorded) == READ


@pytest.mark.parametrize("odd", [{"choices": None}, {"choices": []}, {"usage": None}, {}], ids=str)
def test_odd_chunks(odd: Any, server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA14: a chunk without choices or usage is no exception, and is handed on: we did not ask for it."""
    first = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", **odd}
    server.script(Stream([first, *texts("Hello")], usage=(9, 3)))
    received = list(wrapped.completions.create(**STREAMED))
    assert [chunk.choices[0].text for chunk in received[1:]] == ["Hello", ""]
    assert told_by_now(recorded) == READ
