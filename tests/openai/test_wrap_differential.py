"""Measuring never changes the call: a wrapped client and the same client unwrapped, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.openai.expected import ASKED, COUNTING, PROVIDER_ERRORS, STREAMED, told
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream, chunk, chunks, completion, tool_call

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient
    from tests.servers.openai import Step

SEARCH = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
TWO_AT_ONCE = [chunk(delta, index) for delta in ({"content": "a"}, {"refusal": "b"}) for index in (0, 1)]
ODD: Any = {"object": "chat.completion.chunk"}

SCENARIOS: dict[str, Step] = {
    "plain": Answer(completion()),
    "without usage": Answer(completion(usage=None)),
    "empty": Answer(completion(None)),
    "tool calls": Answer(completion(None, tool_calls=[SEARCH], finish_reason="tool_calls")),
    "refusal": Answer(completion(None, refusal="I would rather not.")),
    "length": Answer(completion("Hel", finish_reason="length")),
    "fields of its own": Answer({**completion(reasoning_content="Hm."), "cost": 0.1}),
    "an error with status 200": Answer({"error": {"message": "overloaded"}}),
    "something else": Answer({"choices": "none", "usage": [1], "answer": 42}),
    "refused": Failure(400),
    "unauthorized": Failure(401, headers=(("x-request-id", "req-1"),)),
    "busy": Failure(429, "Slow down"),
    "broken": Failure(500),
    "stream": Stream(chunks("Hel", "lo")),
    "stream with usage": Stream(chunks("Hel", "lo"), usage=(9, 3)),
    "usage in every chunk": Stream(COUNTING),
    "usage in every chunk and at the end": Stream(COUNTING, usage=(9, 3)),
    "usage beside the finish": Stream([*chunks("Hel")[:2], chunk({}, 0, "stop", usage=(9, 3))]),
    "streamed tool calls": Stream(chunks(*tool_call("search", "{", "}"), *tool_call("look", "{}", id="b", index=1))),
    "two choices": Stream(TWO_AT_ONCE, usage=(9, 3)),
    "reasoning": Stream(chunks({"reasoning_content": "Hm."}, "Hello"), usage=(9, 3)),
    "filter results first": Stream(
        [{**ODD, "choices": [], "prompt_filter_results": [{}]}, *chunks("Hi")], usage=(9, 3)
    ),
    "odd chunks": Stream([{**ODD, "choices": None}, ODD, {**ODD, "choices": [{}]}, {}]),
    "no chunks": Stream([], usage=(9, 3)),
    "an error within": Stream(chunks("Hel"), error={"message": "overloaded", "code": 503}),
    "cut": Stream(chunks("Hel", "lo"), cut_after=2),
    "cut at once": Stream(chunks("Hel", "lo"), cut_after=0),
}
by_scenario = pytest.mark.parametrize("scenario", SCENARIOS)

Outcome = tuple[list[Any], Any]


def written(result: Any) -> Any:
    """Write out what came, fields of the service's own too; a null that came and an absent field are the same."""
    return result.model_dump(warnings=False)


def raised(error: Exception) -> Any:
    """Write out what was raised, and what that came from."""
    about = [getattr(error, name, None) for name in ("status_code", "request_id", "code", "body")]
    return type(error), str(error), type(error.__cause__), about


def outcome(client: OpenAI, step: Step) -> Outcome:
    """Make the request that the step answers, and write down everything that came."""
    received: list[Any] = []
    try:
        if isinstance(step, Stream):
            for item in client.chat.completions.create(**STREAMED):
                received.append(written(item))  # noqa: PERF401  # those before an error count too
        else:
            received.append(written(client.chat.completions.create(**ASKED)))
    except PROVIDER_ERRORS as error:
        return received, raised(error)
    return received, None


async def outcome_async(client: AsyncOpenAI, step: Step) -> Outcome:
    """Make the same request, async."""
    received: list[Any] = []
    try:
        if isinstance(step, Stream):
            async for item in await client.chat.completions.create(**STREAMED):
                received.append(written(item))  # noqa: PERF401  # likewise
        else:
            received.append(written(await client.chat.completions.create(**ASKED)))
    except PROVIDER_ERRORS as error:
        return received, raised(error)
    return received, None


@by_scenario
def test_nothing_changes(
    server: ScriptedOpenAI, client: OpenAI, wrapped: OpenAI, recorded: RecordingClient, scenario: str
) -> None:
    """The result, each chunk and each exception are what they are without measuring; and there is one record."""
    step = SCENARIOS[scenario]
    server.script(step, step)
    unmeasured = outcome(client, step)
    assert told(recorded) == []
    assert outcome(wrapped, step) == unmeasured
    assert recorded.run.success is (unmeasured[1] is None and "error" not in scenario)
    assert told(recorded)


@by_scenario
async def test_nothing_changes_async(
    server: ScriptedOpenAI,
    async_client: AsyncOpenAI,
    async_wrapped: AsyncOpenAI,
    recorded: RecordingClient,
    scenario: str,
) -> None:
    """The result, each chunk and each exception: likewise."""
    step = SCENARIOS[scenario]
    server.script(step, step)
    unmeasured = await outcome_async(async_client, step)
    assert told(recorded) == []
    assert await outcome_async(async_wrapped, step) == unmeasured
    assert recorded.run.success is (unmeasured[1] is None and "error" not in scenario)
    assert told(recorded)
