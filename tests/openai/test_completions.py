"""The legacy completions API, plain and streamed: measured like chat."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

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
    UNREAD,
    duration,
    first_token,
    read_all,
    tokens,
    told,
    told_by_now,
    turns,
)
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream, error_event, text_completion, texts

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, whose overloads tell streams apart by a literal.
PROMPTED: Any = {"model": "babbage-002", "prompt": "Hi"}
STREAMED: Any = {**PROMPTED, "stream": True}

WHOLE = Stream(texts("Hel", "lo"), usage=(9, 3))
CUT = Stream(texts("Hel", "lo"), usage=(9, 3), cut_after=1)
REPORTED = Stream(texts("Hel"), error=error_event()["error"])


def of_choices(*pairs: tuple[int, str]) -> list[dict[str, Any]]:
    """Make chunks that say which of several choices each of them is of."""
    made = [text_completion(text, None, finish_reason=None) for _, text in pairs]
    for chunk, (index, _) in zip(made, pairs, strict=True):
        chunk["choices"][0]["index"] = index
    return made


def test_plain(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A completion at once: duration, success, tokens; the request is the user's own."""
    assert wrapped.completions.create(**PROMPTED).choices[0].text == "Hello"
    assert server.requests[0].body == PROMPTED
    assert told_by_now(recorded) == ANSWERED


async def test_plain_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """A completion at once: likewise."""
    assert (await async_wrapped.completions.create(**PROMPTED)).choices[0].text == "Hello"
    assert server.requests[0].body == PROMPTED
    assert told_by_now(recorded) == ANSWERED


# A chunk without text at once, text after 150 ms, the end 150 ms later.
SLOW = Stream(
    [text_completion("", None, finish_reason=None), *texts("Hello")], usage=(9, 3), pauses_s={1: 0.15, 2: 0.15}
)
SLOWLY = [duration(300), first_token(150), SUCCESS, *TOKENS]


def test_first_token(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA5: the first token is the first text, which an empty chunk is not; it comes before the end."""
    server.script(SLOW)
    assert len(list(wrapped.completions.create(**STREAMED))) == 3
    assert told_by_now(recorded) == SLOWLY
    assert (recorded.run.time_to_first_token_ms or 0) < (recorded.run.duration_ms or 0) - 100


async def test_first_token_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA5: likewise."""
    server.script(SLOW)
    assert len(await read_all(await async_wrapped.completions.create(**STREAMED))) == 3
    assert told_by_now(recorded) == SLOWLY
    assert (recorded.run.time_to_first_token_ms or 0) < (recorded.run.duration_ms or 0) - 100


def test_no_text(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA5: a stream without any text has no first token, and is a success."""
    server.script(Stream(texts(), usage=(9, 0)))
    assert [chunk.choices[0].text for chunk in wrapped.completions.create(**STREAMED)] == [""]
    assert told_by_now(recorded) == [*UNREAD, *tokens(9, 0)[:2]]


def test_break(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA6: a break is a success with what was seen, at once, and only once; resumed, the tokens are sent too."""
    server.script(WHOLE)
    stream: Any = wrapped.completions.create(**STREAMED)
    for chunk in stream:
        assert chunk.choices[0].text == "Hel"
        break
    assert told_by_now(recorded) == LEFT
    assert [chunk.choices[0].text for chunk in stream] == ["lo", ""]
    stream.close()
    del stream
    gc.collect()
    assert told(recorded) == [*LEFT, *TOKENS]


async def test_break_async(server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient) -> None:
    """OA6: likewise, within a few turns of the event loop."""
    server.script(WHOLE)
    stream: Any = await async_wrapped.completions.create(**STREAMED)
    async for chunk in stream:
        assert chunk.choices[0].text == "Hel"
        break
    await turns()
    assert told_by_now(recorded) == LEFT
    await stream.close()
    assert told(recorded) == LEFT


@pytest.mark.parametrize(
    ("script", "expected"),
    [(Failure(500), FAILED), (Failure(401), FAILED), (CUT, FAILED_LATE), (REPORTED, FAILED_LATE)],
    ids=["500", "401", "cut", "in-band"],
)
def test_errors(script: Any, expected: Any, server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA1, OA7: what the provider raises, before or in the stream, is one error, and goes on."""
    server.script(script)
    with pytest.raises(PROVIDER_ERRORS):
        list(wrapped.completions.create(**STREAMED))
    assert told(recorded) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [(Failure(500), FAILED), (CUT, FAILED_LATE), (REPORTED, FAILED_LATE)],
    ids=["500", "cut", "in-band"],
)
async def test_errors_async(
    script: Any, expected: Any, server: ScriptedOpenAI, async_wrapped: AsyncOpenAI, recorded: RecordingClient
) -> None:
    """OA1, OA7: likewise."""
    server.script(script)
    with pytest.raises(PROVIDER_ERRORS):
        await read_all(await async_wrapped.completions.create(**STREAMED))
    assert told(recorded) == expected


def test_an_error_with_status_200(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """A failure that is reported without raising is an error; the answer goes through."""
    server.script(Answer(error_event("overloaded")))
    answer: Any = wrapped.completions.create(**PROMPTED)
    assert answer.error["message"] == "overloaded"
    assert told_by_now(recorded) == [duration(), ERROR]


def test_several_choices(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """OA3: n > 1 is one run, streamed or not; the usage chunk is hidden all the same."""
    whole = text_completion()
    whole["choices"].append({**whole["choices"][0], "index": 1})
    server.script(Answer(whole), Stream(of_choices((0, "a"), (1, "x"), (1, "y"), (0, "b")), usage=(9, 3)))
    assert len(wrapped.completions.create(**PROMPTED, n=2).choices) == 2
    received = list(wrapped.completions.create(**STREAMED, n=2))
    assert [(chunk.choices[0].index, chunk.choices[0].text) for chunk in received] == [
        (0, "a"),
        (1, "x"),
        (1, "y"),
        (0, "b"),
    ]
    assert told_by_now(recorded) == ANSWERED + READ


def test_echo(server: ScriptedOpenAI, wrapped: OpenAI, recorded: RecordingClient) -> None:
    """An echo of the prompt, also with `max_tokens=0`, is an answer like any other, with the counts it comes with."""
    server.script(Answer(text_completion("Hi", (1, 0), finish_reason="length")), Stream(texts("Hi", " there"), (1, 1)))
    assert wrapped.completions.create(**PROMPTED, echo=True, max_tokens=0).choices[0].text == "Hi"
    assert [chunk.choices[0].text for chunk in wrapped.completions.create(**STREAMED, echo=True)] == [
        "Hi",
        " there",
        "",
    ]
    assert told_by_now(recorded) == [*UNREAD, *tokens(1, 0)[:2], *LEFT, *tokens(1, 1)]
