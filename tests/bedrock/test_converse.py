"""What an answer of Converse says of itself, over a real socket: why it stopped, and its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.bedrock.expected import ASKED
from tests.expected import ERROR, SUCCESS, TOKENS, Told, duration, first_token, told
from tests.servers.bedrock import Answer, Events, ScriptedBedrock, answer, events, usage_of

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient

JSON = dict[str, Any]
STOPS = {
    "malformed_model_output": ERROR,
    "malformed_tool_use": ERROR,
    "guardrail_intervened": SUCCESS,
    "content_filtered": SUCCESS,
    "max_tokens": SUCCESS,
    "model_context_window_exceeded": SUCCESS,
    "tool_use": SUCCESS,
    "stop_sequence": SUCCESS,
    "end_turn": SUCCESS,
    "something_new": SUCCESS,
}


@pytest.mark.parametrize("reason", STOPS)
def test_stop_reasons(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, reason: str) -> None:
    """BR9: malformed output is an error, with its tokens; whatever else stopped the model is a success."""
    server.script(Answer(answer(stop_reason=reason)), Events(events("Hello", stop_reason=reason)))
    assert wrapped.converse(**ASKED)["stopReason"] == reason
    assert len(list(wrapped.converse_stream(**ASKED)["stream"])) == 5
    streamed = [duration(), first_token(), STOPS[reason], *TOKENS]
    assert told(recorded) == [duration(), STOPS[reason], *TOKENS, *streamed]


def counts(total: int | None, input_: int | None, output: int | None) -> Told:
    """Expect these counts, of which None is not told."""
    names = ("total", "input", "output")
    return [
        (f"$ld:ai:tokens:{name}", count) for name, count in zip(names, (total, input_, output), strict=True) if count
    ]


# Numbers alone, for botocore makes whole ones of whatever comes.
USAGES: list[tuple[JSON | None, Told]] = [
    (usage_of(9, 3), counts(12, 9, 3)),
    (usage_of(9, 3, cacheReadInputTokens=400, cacheWriteInputTokens=20), counts(432, 429, 3)),
    ({"inputTokens": 9, "outputTokens": 3, "cacheReadInputTokens": 400}, counts(412, 409, 3)),
    ({"inputTokens": 0, "outputTokens": 3, "totalTokens": 403, "cacheReadInputTokens": 400}, counts(403, 400, 3)),
    ({"inputTokens": 9, "outputTokens": 3, "totalTokens": 99}, counts(99, 9, 3)),
    ({"inputTokens": 9, "outputTokens": 3, "totalTokens": None}, counts(12, 9, 3)),
    ({"inputTokens": 9, "totalTokens": 12}, counts(12, 9, None)),
    ({"outputTokens": 3}, counts(None, None, 3)),
    ({"totalTokens": 12}, counts(12, None, None)),
    ({"inputTokens": 9, "outputTokens": 3, "cacheReadInputTokens": -400}, counts(12, 9, 3)),
    ({"inputTokens": -9, "outputTokens": 3, "cacheReadInputTokens": 400}, counts(None, None, 3)),
    ({"inputTokens": 9, "outputTokens": 3, "totalTokens": -12}, counts(12, 9, 3)),
    ({"inputTokens": 2**53, "outputTokens": 3}, counts(None, None, 3)),
    ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, []),
    ({}, []),
    (None, []),
]


@pytest.mark.parametrize(("usage", "expected"), USAGES, ids=str)
def test_tokens(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, usage: JSON | None, expected: Told
) -> None:
    """BR6: input is all of it, cached or not; the service tells the total; what is no count is not told."""
    if usage and not usage.keys() <= wrapped.meta.service_model.shape_for("TokenUsage").members.keys():
        pytest.skip("this release of botocore leaves out the tokens of caches, which it does not know")
    plain, streamed = answer(), events("Hello")
    plain["usage"] = streamed[-1][1]["usage"] = usage
    server.script(Answer(plain), Events(streamed))
    wrapped.converse(**ASKED)
    list(wrapped.converse_stream(**ASKED)["stream"])
    assert told(recorded) == [duration(), SUCCESS, *expected, duration(), first_token(), SUCCESS, *expected]
