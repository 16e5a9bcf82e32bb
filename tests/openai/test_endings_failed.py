"""The table of endings, over a real socket: what the provider does wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from ldai_openai import wrap_openai
from tests.openai.expected import (
    ASKED,
    COUNTING,
    ERROR,
    FAILED,
    FAILED_LATE,
    PROVIDER_ERRORS,
    STREAMED,
    SUCCESS,
    TOKENS,
    Told,
    duration,
    first_token,
    read_all,
    tokens,
    told,
    told_by_now,
)
from tests.servers.openai import Failure, Stream, chunks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

BROKEN: dict[str, tuple[Stream, Told]] = {
    "cut before the first chunk": (Stream(chunks("Hel"), cut_after=0), FAILED),
    "cut after the role": (Stream(chunks("Hel"), cut_after=1), FAILED),
    "cut after text": (Stream(chunks("Hel"), cut_after=2), FAILED_LATE),
    "cut after usage was seen": (Stream(COUNTING, cut_after=2), [*FAILED_LATE, *tokens(9, 1)]),
    "error within the stream": (Stream(chunks("Hel"), error={"message": "overloaded"}), FAILED_LATE),
}
REFUSALS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
}
WAIT = (("retry-after-ms", "120"),)


class Noted:
    """Notes each exception that leaves the provider's own stream, before it comes to be measured."""

    def __init__(self, stream: Any) -> None:
        self.errors: list[Exception] = []
        note = self._note_async if hasattr(stream, "__aiter__") else self._note
        stream._iterator = note(stream._iterator)

    def _note(self, chunks: Any) -> Iterator[Any]:
        try:
            yield from chunks
        except Exception as error:
            self.errors.append(error)
            raise

    async def _note_async(self, chunks: Any) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        except Exception as error:
            self.errors.append(error)
            raise


@pytest.mark.parametrize("happened", BROKEN)
def test_broken_stream(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, happened: str) -> None:
    """OA1, OA7: provider raised during the stream: error, with what was seen; the same exception object goes on."""
    step, expected = BROKEN[happened]
    server.script(step)
    stream = wrapped.chat.completions.create(**STREAMED)
    noted = Noted(stream)
    with pytest.raises(PROVIDER_ERRORS) as caught:
        list(stream)
    assert caught.value is noted.errors[0]
    assert told_by_now(recorded) == expected
    stream.close()
    assert told(recorded) == expected


@pytest.mark.parametrize("happened", BROKEN)
async def test_broken_stream_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, happened: str
) -> None:
    """OA1, OA7: provider raised during the stream: likewise."""
    step, expected = BROKEN[happened]
    server.script(step)
    stream = await async_wrapped.chat.completions.create(**STREAMED)
    noted = Noted(stream)
    with pytest.raises(PROVIDER_ERRORS) as caught:
        await read_all(stream)
    assert caught.value is noted.errors[0]
    assert told_by_now(recorded) == expected
    await stream.close()
    assert told(recorded) == expected


@pytest.mark.parametrize("asked", [ASKED, STREAMED], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", REFUSALS)
def test_refused(
    server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, *, asked: Any, status: int
) -> None:
    """OA7: provider raised before the stream, or in place of an answer: an error, and the provider's exception."""
    server.script(Failure(status, "not like this", headers=(("x-request-id", "req-1"),)))
    with pytest.raises(REFUSALS[status], match="not like this") as caught:
        wrapped.chat.completions.create(**asked)
    assert caught.value.request_id == "req-1"
    assert len(server.requests) == 1
    assert told_by_now(recorded) == FAILED


@pytest.mark.parametrize("asked", [ASKED, STREAMED], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", REFUSALS)
async def test_refused_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient, *, asked: Any, status: int
) -> None:
    """OA7: provider raised before the stream, or in place of an answer: likewise."""
    server.script(Failure(status, "not like this", headers=(("x-request-id", "req-1"),)))
    with pytest.raises(REFUSALS[status], match="not like this") as caught:
        await async_wrapped.chat.completions.create(**asked)
    assert caught.value.request_id == "req-1"
    assert len(server.requests) == 1
    assert told_by_now(recorded) == FAILED


class FailingOpenAI(OpenAI):
    """A client of the application's own, which raises what it is told."""

    error = LookupError("the application's own")

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """Raise."""
        raise self.error


class FailingAsyncOpenAI(AsyncOpenAI):
    """Same as FailingOpenAI, but async."""

    error = LookupError("the application's own")

    async def request(self, *args: Any, **kwargs: Any) -> Any:
        """Raise."""
        raise self.error


def test_the_same_exception_goes_on(config: AIConfig, recorded: RecordingClient) -> None:
    """OA7: what a client raises is the object that goes on, whatever it is."""
    with FailingOpenAI(api_key="any") as failing, pytest.raises(LookupError) as caught:
        wrap_openai(failing, config).chat.completions.create(**ASKED)
    assert caught.value is FailingOpenAI.error
    assert told_by_now(recorded) == FAILED


async def test_the_same_exception_goes_on_async(config: AIConfig, recorded: RecordingClient) -> None:
    """OA7: what a client raises: likewise."""
    async with FailingAsyncOpenAI(api_key="any") as failing:
        with pytest.raises(LookupError) as caught:
            await wrap_openai(failing, config).chat.completions.create(**ASKED)
    assert caught.value is FailingAsyncOpenAI.error
    assert told_by_now(recorded) == FAILED


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retries(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient, status: int) -> None:
    """OA7: retries that recover are one run, a success, whose duration has the waiting in it."""
    server.script(Failure(status, headers=WAIT, times=2))
    answer = wrapped.with_options(max_retries=2).chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "Hello"
    assert len(server.requests) == 3
    assert told(recorded) == [duration(240), SUCCESS, *TOKENS]


async def test_retries_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA7: retries that recover: likewise; a stream's time to first token has them in it too."""
    server.script(Failure(500, headers=WAIT), Failure(429, headers=WAIT))
    stream = await async_wrapped.with_options(max_retries=2).chat.completions.create(**STREAMED)
    assert len(await read_all(stream)) == 4
    assert len(server.requests) == 3
    assert told(recorded) == [duration(240), first_token(240), SUCCESS, *TOKENS]


def test_retries_that_do_not_recover(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA7: retries that do not recover are one run, an error."""
    server.script(Failure(500, headers=WAIT, times=3))
    with pytest.raises(openai.InternalServerError):
        wrapped.with_options(max_retries=2).chat.completions.create(**ASKED)
    assert len(server.requests) == 3
    assert told(recorded) == [duration(240), ERROR]


async def test_retries_that_do_not_recover_async(
    server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA7: retries that do not recover: likewise."""
    server.script(Failure(500, headers=WAIT, times=3))
    with pytest.raises(openai.InternalServerError):
        await async_wrapped.with_options(max_retries=2).chat.completions.create(**ASKED)
    assert len(server.requests) == 3
    assert told(recorded) == [duration(240), ERROR]
