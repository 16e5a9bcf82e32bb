"""OA9: responses in the background: what asks for them again records how they ended, once."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from openai.resources.responses import Responses

from ldai_core import AIClient
from ldai_core.testing import RecordingClient
from ldai_openai import wrap_openai
from tests.openai.conftest import SUPPORT_BOT
from tests.openai.expected import ANSWERED, ERROR, READ, SUCCESS, TOKENS, duration, first_token, read_all, told
from tests.servers.openai import Answer, ScriptedOpenAI
from tests.servers.responses import background_stream, function_call, hosted_call, response

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig

CREATE = inspect.signature(Responses.create).parameters
RETRIEVE = inspect.signature(Responses.retrieve).parameters
# Any: the keyword arguments of `create`, which has not always known `background`.
ASKED: Any = {"model": "gpt-4o", "input": "Hi"}
BACKGROUND: Any = {
    **ASKED,
    **({"background": True} if "background" in CREATE else {"extra_body": {"background": True}}),
}
STREAMED: Any = {**BACKGROUND, "stream": True}

cancels = pytest.mark.skipif(not hasattr(Responses, "cancel"), reason="this openai cannot cancel a response")
resumes = pytest.mark.skipif("starting_after" not in RETRIEVE, reason="this openai cannot resume a stream")

ENDS: dict[str, Any] = {
    "completed": [SUCCESS, *TOKENS],
    "incomplete": [SUCCESS, *TOKENS],
    "failed": [ERROR, *TOKENS],
    "cancelled": [ERROR, *TOKENS],
    "of tomorrow": [SUCCESS, *TOKENS],
}


def state(*output: Any, status: str = "completed", **fields: Any) -> Answer:
    """Answer with the background response as it is now."""
    return Answer(response(*output, status=status, background=True, **fields))


QUEUED, IN_PROGRESS, COMPLETED = state(status="queued"), state(status="in_progress"), state()


@pytest.mark.parametrize("end", ENDS)
def test_polled(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, end: str) -> None:
    """What is queued or in progress reports nothing; the first that sees the end does, and nothing after it does."""
    server.script(QUEUED, QUEUED, IN_PROGRESS, state(status=end), state(status=end))
    wrapped.responses.create(**BACKGROUND)
    for _ in range(2):
        wrapped.responses.retrieve("resp_1")
        assert told(recorded) == []
    assert wrapped.responses.retrieve("resp_1").status == end
    assert told(recorded) == [duration(), *ENDS[end]]
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == [duration(), *ENDS[end]]


@pytest.mark.parametrize("end", ENDS)
async def test_polled_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, end: str
) -> None:
    """The async client likewise."""
    server.script(QUEUED, IN_PROGRESS, state(status=end), state(status=end))
    await async_wrapped.responses.create(**BACKGROUND)
    await async_wrapped.responses.retrieve("resp_1")
    assert told(recorded) == []
    for _ in range(2):
        await async_wrapped.responses.retrieve("resp_1")
        assert told(recorded) == [duration(), *ENDS[end]]


def test_duration(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """The duration spans from `create` to the answer that tells the end."""
    server.script(state(status="queued", id="resp_1"), IN_PROGRESS, Answer(COMPLETED.content, delay_s=0.1))
    server.script(COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    for _ in range(3):
        wrapped.responses.retrieve("resp_1")
    assert told(recorded) == [duration(100), SUCCESS, *TOKENS]


@pytest.mark.parametrize("end", ["completed", "incomplete", "failed"])
def test_over_at_once(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, end: str) -> None:
    """A response that has ended when `create` returns is recorded there."""
    server.script(state(status=end), state(status=end))
    wrapped.responses.create(**BACKGROUND)
    assert told(recorded) == [duration(), *ENDS[end]]
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == [duration(), *ENDS[end]]


def test_parsed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """`parse` begins a response in the background just as well."""
    server.script(QUEUED, COMPLETED)
    wrapped.responses.parse(**ASKED, extra_body={"background": True})
    assert told(recorded) == []
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


def clients(wrapped: OpenAI, client: OpenAI, config: AIConfig) -> dict[str, OpenAI]:
    """List the clients that all ask for the responses of one application's client."""
    return {
        "copy": wrapped.copy(),
        "with_options": wrapped.with_options(timeout=5),
        "copy of a copy": wrapped.copy().with_options(max_retries=1),
        "another wrap": wrap_openai(client, config),
        "another wrap's copy": wrap_openai(client, config).copy(),
        "wrap of the wrapped": wrap_openai(wrapped, config),
    }


NAMES = ["copy", "with_options", "copy of a copy", "another wrap", "another wrap's copy", "wrap of the wrapped"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("begun_by", ["wrapped", "other"])
def test_another_client(
    server: ScriptedOpenAI,
    client: OpenAI,
    wrapped: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
    name: str,
    begun_by: str,
) -> None:
    """Any copy and any wrap of the same client sees what another one began."""
    other = clients(wrapped, client, config)[name]
    begins, polls = (wrapped, other) if begun_by == "wrapped" else (other, wrapped)
    server.script(QUEUED, COMPLETED, COMPLETED)
    begins.responses.create(**BACKGROUND)
    polls.responses.retrieve("resp_1")
    begins.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


def test_the_run_is_that_of_create(
    server: ScriptedOpenAI, client: OpenAI, wrapped: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """A wrap with another source that sees the end records it for the source that the response was begun for."""
    others = RecordingClient({"support-bot": SUPPORT_BOT})
    other = wrap_openai(client, AIClient(others).completion_config("support-bot", config.create_tracker().context))
    server.script(QUEUED, COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    other.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED
    assert told(others) == []


def test_clients_that_have_nothing_to_do_with_it(
    server: ScriptedOpenAI, client: OpenAI, wrapped: OpenAI, recorded: RecordingClient
) -> None:
    """The application's own client is no part of it; nor is a response that nobody waits for ever recorded."""
    server.script(QUEUED, COMPLETED, state(id="resp_2"), COMPLETED)
    wrapped.responses.create(**BACKGROUND)
    client.responses.retrieve("resp_1")
    wrapped.responses.retrieve("resp_2")
    assert told(recorded) == []
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


@cancels
@pytest.mark.parametrize(("status", "expected"), [("cancelled", ENDS["failed"]), ("completed", ENDS["completed"])])
def test_cancelled(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, status: str, expected: Any
) -> None:
    """`cancel` tells the end, which it may be too late to change."""
    server.script(QUEUED, state(status=status), state(status=status))
    wrapped.responses.create(**BACKGROUND)
    assert wrapped.responses.cancel("resp_1").status == status
    assert told(recorded) == [duration(), *expected]
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == [duration(), *expected]


@cancels
async def test_cancelled_later(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """A `cancel` that is not through yet reports nothing."""
    server.script(QUEUED, IN_PROGRESS, state(status="cancelled", usage=None))
    await async_wrapped.responses.create(**BACKGROUND)
    await async_wrapped.responses.cancel("resp_1")
    assert told(recorded) == []
    await async_wrapped.responses.retrieve("resp_1")
    assert told(recorded) == [duration(), ERROR]


def test_tool_calls(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA13: tool calls that were seen in several answers are counted once, in the order of the response."""
    items = [function_call("look"), hosted_call("web_search_call", "ws_1"), hosted_call("web_search_call", "ws_2")]
    server.script(QUEUED, *(state(*items[:n], status="in_progress") for n in (1, 2, 3)), state(*items))
    wrapped.responses.create(**BACKGROUND)
    for _ in range(4):
        assert told(recorded) == []
        wrapped.responses.retrieve("resp_1")
    assert recorded.run.tool_calls == ("look", "web_search", "web_search")


def test_streamed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A stream that is read to its end tells it all, the first token too."""
    server.script(background_stream(), COMPLETED)
    stream = wrapped.responses.create(**STREAMED)
    assert next(stream).type == "response.created"
    list(stream)
    assert told(recorded) == READ
    wrapped.responses.retrieve("resp_1")
    assert told(recorded) == READ


@resumes
@pytest.mark.parametrize("start", [{}, {"starting_after": 5}])
def test_resumed(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, start: Any) -> None:
    """A stream that is broken off and taken up again is one run: its first token is the first that was seen."""
    whole = background_stream()
    server.script(whole, background_stream() if not start else type(whole)(whole.chunks[6:], done=False))
    for event in wrapped.responses.create(**STREAMED):
        if event.type == "response.output_text.delta":
            break
    assert told(recorded) == []
    resumed: Any = wrapped.responses.retrieve("resp_1", stream=True, **start)
    assert [event.type for event in resumed][-1] == "response.completed"
    assert server.requests[1].path.startswith("/v1/responses/resp_1?")
    assert told(recorded) == READ


@resumes
async def test_resumed_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """The async client likewise; the first token may come with the resumed stream."""
    whole = background_stream()
    server.script(QUEUED, type(whole)(whole.chunks[2:], done=False, pauses_s={0: 0.1}))
    await async_wrapped.responses.create(**BACKGROUND)
    await read_all(await async_wrapped.responses.retrieve("resp_1", stream=True, starting_after=1))
    assert told(recorded) == [duration(100), first_token(100), SUCCESS, *TOKENS]
