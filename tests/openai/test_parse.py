"""`parse()`: what is recorded when the answer does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel, ValidationError

from ldai_openai import wrap_openai
from tests.openai.expected import ANSWERED, ASKED, ERROR, TOKENS, duration, helpers, told
from tests.servers.openai import Answer, ScriptedOpenAI, completion

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

LENGTH = openai.LengthFinishReasonError
FILTER = openai.ContentFilterFinishReasonError


class City(BaseModel):
    """What is asked for."""

    name: str


def answer(content: str, finish_reason: str = "stop") -> Answer:
    """Answer with this text, stopped for this reason."""
    body = completion(content)
    body["choices"][0]["finish_reason"] = finish_reason
    return Answer(body)


FITS = answer('{"name": "Oslo"}')
ROWS = [
    (answer('{"name": "Os', "length"), LENGTH, ANSWERED),
    (answer("", "content_filter"), FILTER, ANSWERED),
    (answer('{"size": 7}'), ValidationError, [duration(), ERROR, *TOKENS]),
]


def test_output_that_fits(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA1: `parse()` gives back its object, and is a success with tokens."""
    server.script(FITS)
    parsed: Any = helpers(wrap_openai(client, config)).parse(**ASKED, response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Oslo")
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize(("step", "error", "expected"), ROWS)
def test_output_that_does_not(
    step: Answer,
    error: type[Exception],
    expected: Any,
    server: ScriptedOpenAI,
    client: OpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """OA1: a length or filter stop is a success with tokens, a misfit an error with tokens; both raise."""
    server.script(step)
    with pytest.raises(error):
        helpers(wrap_openai(client, config)).parse(**ASKED, response_format=City)
    assert told(recorded) == expected


@pytest.mark.parametrize(("step", "error", "expected"), ROWS)
async def test_output_that_does_not_async(
    step: Answer,
    error: type[Exception],
    expected: Any,
    server: ScriptedOpenAI,
    async_client: AsyncOpenAI,
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """OA1: the async client is measured alike."""
    server.script(step)
    with pytest.raises(error):
        await helpers(wrap_openai(async_client, config)).parse(**ASKED, response_format=City)
    assert told(recorded) == expected
