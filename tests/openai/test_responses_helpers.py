"""`responses.parse` and `responses.stream`, over a real socket."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel, ValidationError

from tests.openai.expected import (
    ANSWERED,
    ERROR,
    FAILED,
    FAILED_LATE,
    LEFT,
    PROVIDER_ERRORS,
    READ,
    SUCCESS,
    TOKENS,
    duration,
    first_token,
    told,
    told_by_now,
)
from tests.servers.openai import Answer, Failure, ScriptedOpenAI
from tests.servers.responses import message, response, response_stream

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

ASKED: Any = {"model": "gpt-4o", "input": "Hi"}


class City(BaseModel):
    """What is asked for."""

    name: str


class OwnError(Exception):
    """The application's own."""


FITS = Answer(response(message('{"name": "Oslo"}')))
FILTERED = response(message('{"na'), status="incomplete", incomplete_details={"reason": "content_filter"})
STOPPED = {"at its limit": response(message('{"name": "Os'), status="incomplete"), "by a filter": FILTERED}


def test_output_that_fits(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA5: `parse()` gives back its object, and is a success with tokens."""
    server.script(FITS)
    assert wrapped.responses.parse(**ASKED, text_format=City).output_parsed == City(name="Oslo")
    assert told_by_now(recorded) == ANSWERED


async def test_output_that_fits_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA1, OA5: likewise."""
    server.script(FITS)
    assert (await async_wrapped.responses.parse(**ASKED, text_format=City)).output_parsed == City(name="Oslo")
    assert told_by_now(recorded) == ANSWERED


def test_output_that_does_not(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA7: output that does not fit is an error with its tokens; the exception goes on."""
    server.script(Answer(response(message('{"size": 7}'))))
    with pytest.raises(ValidationError):
        wrapped.responses.parse(**ASKED, text_format=City)
    assert told(recorded) == [duration(), ERROR, *TOKENS]


@pytest.mark.parametrize("how", STOPPED)
def test_output_that_was_stopped(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, how: str) -> None:
    """OA8: a length or filter stop is a success with its tokens, though what there is of it does not fit."""
    server.script(Answer(STOPPED[how]))
    with pytest.raises(ValidationError):
        wrapped.responses.parse(**ASKED, text_format=City)
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("how", STOPPED)
async def test_output_that_was_stopped_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, how: str
) -> None:
    """OA8: likewise."""
    server.script(Answer(STOPPED[how]))
    with pytest.raises(ValidationError):
        await async_wrapped.responses.parse(**ASKED, text_format=City)
    assert told(recorded) == ANSWERED


def test_parse_is_refused(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: an error of the API's is an error."""
    server.script(Failure(400))
    with pytest.raises(openai.BadRequestError):
        wrapped.responses.parse(**ASKED, text_format=City)
    assert told(recorded) == FAILED


def test_manager(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a manager left at its end is one success with tokens; `get_final_response` is the application's own."""
    server.script(response_stream())
    with wrapped.responses.stream(**ASKED) as stream:
        assert stream.get_final_response().output_text == "Hello"
        assert told_by_now(recorded) == READ
    assert told(recorded) == READ


async def test_manager_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA11: likewise."""
    server.script(response_stream())
    async with async_wrapped.responses.stream(**ASKED) as stream:
        assert (await stream.get_final_response()).output_text == "Hello"
    assert told(recorded) == READ


def test_manager_broken_off(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA6, OA11: a manager that is broken off is reported when its `with` ends, while all is still referenced."""
    server.script(response_stream())
    with wrapped.responses.stream(**ASKED) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
        assert told_by_now(recorded) == []
    assert told_by_now(recorded) == LEFT
    assert stream is not None


async def test_manager_broken_off_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA6, OA11: likewise."""
    server.script(response_stream())
    async with async_wrapped.responses.stream(**ASKED) as stream:
        async for event in stream:
            if event.type == "response.output_text.delta":
                break
    assert told_by_now(recorded) == LEFT


def test_manager_left_by_an_exception(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA11: the application's own exception is a success: the model did not fail."""
    server.script(response_stream())
    with pytest.raises(OwnError), wrapped.responses.stream(**ASKED) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                raise OwnError
    assert told_by_now(recorded) == LEFT


def test_manager_never_entered(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA11: a manager that is never entered makes no request."""
    wrapped.responses.stream(**ASKED)
    gc.collect()
    assert told(recorded) == []
    assert server.requests == []


def test_manager_cut(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA11: a connection cut inside a manager is an error."""
    server.script(response_stream(cut_after=6))
    with pytest.raises(PROVIDER_ERRORS), wrapped.responses.stream(**ASKED) as stream:
        list(stream)
    assert told(recorded) == FAILED_LATE


def test_manager_refused(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7, OA11: what is raised on entering is an error."""
    server.script(Failure(401))
    with pytest.raises(openai.AuthenticationError), wrapped.responses.stream(**ASKED):
        pass
    assert told(recorded) == FAILED


@pytest.mark.parametrize(("status", "outcome"), [("incomplete", SUCCESS), ("failed", ERROR)])
def test_manager_status(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, status: str, outcome: Any
) -> None:
    """OA8, OA11: incomplete is a success and failed an error, both with their tokens."""
    server.script(response_stream(status=status))
    with wrapped.responses.stream(**ASKED) as stream:
        assert list(stream)[-1].type == f"response.{status}"
    assert told(recorded) == [duration(), first_token(), outcome, *TOKENS]


def test_manager_clock(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA5, OA11: the clock starts when the manager is entered, and the first delta is the first token."""
    server.script(response_stream(delay_s=0.1, pauses_s={4: 0.1, 5: 0.3}))
    with wrapped.responses.stream(**ASKED) as stream:
        list(stream)
    assert told(recorded) == [duration(500), first_token(200), SUCCESS, *TOKENS]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 100
