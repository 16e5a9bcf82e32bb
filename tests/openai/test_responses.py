"""The Responses API over a real socket: every status, plain and streamed, and every ending of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

from ldai_core import Run
from ldai_openai import wrap_openai
from tests.openai.expected import (
    ANSWERED,
    ERROR,
    FAILED,
    READ,
    SUCCESS,
    TOKENS,
    duration,
    first_token,
    read_all,
    tokens,
    told,
    told_by_now,
)
from tests.servers.openai import FOREVER_S, Answer, Failure, ScriptedOpenAI, Stream
from tests.servers.responses import events, function_call, hosted_call, message, reasoning, response, response_stream

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, whose overloads tell streams apart by a literal.
ASKED: Any = {"model": "gpt-4o", "input": "Hi"}
STREAMED: Any = {**ASKED, "stream": True}

STATUSES: dict[str, tuple[dict[str, Any], list[tuple[str, Any]]]] = {
    "completed": ({}, [SUCCESS, *TOKENS]),
    "incomplete": ({"status": "incomplete"}, [SUCCESS, *TOKENS]),
    "filtered": ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, [SUCCESS, *TOKENS]),
    "failed": ({"status": "failed"}, [ERROR, *TOKENS]),
    "failed, without usage": ({"status": "failed", "usage": None}, [ERROR]),
    "cancelled": ({"status": "cancelled"}, [ERROR, *TOKENS]),
    "cancelled, without usage": ({"status": "cancelled", "usage": None}, [ERROR]),
    "a status of tomorrow": ({"status": "expired"}, [SUCCESS, *TOKENS]),
    "without usage": ({"usage": None}, [SUCCESS]),
}
every_status = pytest.mark.parametrize("name", STATUSES)
every_streamed_status = pytest.mark.parametrize("name", [name for name in STATUSES if "tomorrow" not in name])


@every_status
def test_status(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, name: str) -> None:
    """OA5, OA8: failed and cancelled are errors with their tokens, all else a success with them; no first token."""
    fields, expected = STATUSES[name]
    server.script(Answer(response(**fields)))
    assert wrapped.responses.create(**ASKED).status == fields.get("status", "completed")
    assert told_by_now(recorded) == [duration(), *expected]
    assert told(recorded) == [duration(), *expected]


@every_status
async def test_status_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, name: str
) -> None:
    """OA5, OA8: likewise."""
    fields, expected = STATUSES[name]
    server.script(Answer(response(**fields)))
    assert (await async_wrapped.responses.create(**ASKED)).status == fields.get("status", "completed")
    assert told(recorded) == [duration(), *expected]


@every_streamed_status
def test_status_streamed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, name: str) -> None:
    """OA8: the event that ends a stream says so as well; nothing is told before the application has read it all."""
    fields, expected = STATUSES[name]
    server.script(response_stream(message("Hel"), **fields))
    stream = wrapped.responses.create(**STREAMED)
    while next(stream).type != f"response.{fields.get('status', 'completed')}":
        assert told_by_now(recorded) == []
    assert list(stream) == []
    assert told(recorded) == [duration(), first_token(), *expected]


@every_streamed_status
async def test_status_streamed_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, name: str
) -> None:
    """OA8: likewise."""
    fields, expected = STATUSES[name]
    server.script(response_stream(message("Hel"), **fields))
    await read_all(await async_wrapped.responses.create(**STREAMED))
    assert told(recorded) == [duration(), first_token(), *expected]


@pytest.mark.parametrize("status", ["absent", None, 42])
def test_no_status(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, status: Any) -> None:
    """OA8: a response that says nothing of its status has been returned: a success."""
    body = response()
    body["status"] = status
    if status == "absent":
        del body["status"]
    server.script(Answer(body))
    wrapped.responses.create(**ASKED)
    assert told(recorded) == ANSWERED


# What is sent before the first output, and the item it belongs to.
OUTPUTS: dict[str, tuple[Any, int]] = {
    "text": (message("Hello"), 4),
    "a refusal": (message("No.", refusal=True), 4),
    "reasoning": (reasoning("Hm."), 3),
    "a function call": (function_call("search", '{"q": 1}'), 2),
    "a hosted call": (hosted_call("web_search_call"), 2),
}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_first_token(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, kind: str) -> None:
    """OA5: text, a refusal, reasoning or a tool call is the first token, and nothing before it."""
    item, at = OUTPUTS[kind]
    server.script(response_stream(item, pauses_s={at: 0.1, at + 1: 0.3}))
    list(wrapped.responses.create(**STREAMED))
    assert told(recorded)[:2] == [duration(400), first_token(100)]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 100


def test_no_output(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA5: an item, a part and a text that are empty, and a whole response that comes at the end, are no token."""
    empty = [*events(pieces=("",)), {"type": "response.output_text.delta", "delta": ""}]
    server.script(Stream(empty, done=False))
    list(wrapped.responses.create(**STREAMED))
    assert told(recorded) == ANSWERED


def test_nothing_is_asked_for(server: ScriptedOpenAI, wrapped: OpenAI) -> None:
    """OA2: this API reports usage unasked: what is sent is what the application sends."""
    own = {"include_obfuscation": False}
    server.script(response_stream(), response_stream())
    list(wrapped.responses.create(**STREAMED))
    list(wrapped.responses.create(**STREAMED, extra_body={"stream_options": own}))
    assert [request.body.get("stream_options") for request in server.requests] == [None, own]


@pytest.mark.parametrize("arguments", [ASKED, STREAMED], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
def test_refused(
    server: ScriptedOpenAI,
    wrapped: OpenAI,
    recorded: RecordingClient,
    status: int,
    kind: type[Exception],
    arguments: Any,
) -> None:
    """OA7: an error of the API's is an error without tokens, and asks once."""
    server.script(Failure(status))
    with pytest.raises(kind):
        wrapped.responses.create(**arguments)
    assert told(recorded) == FAILED
    assert len(server.requests) == 1


@pytest.mark.parametrize(("arguments", "expected"), [(ASKED, ANSWERED), (STREAMED, READ)], ids=["plain", "streamed"])
def test_retries(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, arguments: Any, expected: Any
) -> None:
    """OA7: what is tried again is one record, from the first try on."""
    server.script(Failure(503, times=2, headers=(("retry-after-ms", "60"),)))
    result: Any = wrapped.with_options(max_retries=2).responses.create(**arguments)
    _ = list(result) if arguments is STREAMED else result
    assert told(recorded) == [duration(120), *expected[1:]]


async def test_timeout(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA7: a timeout is an error."""
    server.script(Answer(response(), delay_s=FOREVER_S))
    with pytest.raises(openai.APITimeoutError):
        await async_wrapped.responses.create(**ASKED, timeout=0.1)
    assert told(recorded) == [duration(100), ERROR]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_agent_loop(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient, streamed: bool
) -> None:
    """OA19: five requests are one run: tokens summed, each tool call, and the first token from the loop's start."""
    calls = [[function_call("look", call_id=f"call_{n}", id=f"fc_{n}")] for n in range(4)]
    turns_ = [*calls, [message("Done.")]]
    for items in turns_:
        server.script(response_stream(*items) if streamed else Answer(response(*items)))
    with Run(config) as run:
        agent = wrap_openai(client, run)
        for _ in turns_:
            result: Any = agent.responses.create(**(STREAMED if streamed else ASKED))
            _ = list(result) if streamed else result
        assert told_by_now(recorded) == []
    first = [first_token()] if streamed else []
    assert told(recorded)[:-4] == [duration(), *first, SUCCESS, *tokens(45, 15)]
    assert recorded.run.tool_calls == ("look",) * 4
