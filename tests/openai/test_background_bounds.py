"""OA9: what is pending is bounded, is a part of its run, and is given up with the clients that could ask for it."""

from __future__ import annotations

import gc
import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import Run
from ldai_openai import read_response, wrap_openai
from ldai_openai.background import PENDING_LIMIT, Pending, ResponseCall
from tests.openai.expected import (
    ANSWERED,
    ERROR,
    SUCCESS,
    TOKENS,
    duration,
    tokens,
    told,
    told_by_now,
)
from tests.servers.openai import Answer, Failure, ScriptedOpenAI
from tests.servers.responses import background_stream, function_call, response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

# Any: the keyword arguments of `create`, which has not always known `background`.
ASKED: Any = {"model": "gpt-4o", "input": "Hi"}
BACKGROUND: Any = {**ASKED, "extra_body": {"background": True}}
STREAMED: Any = {**BACKGROUND, "stream": True}

QUEUED = Answer(response(status="queued", background=True))
COMPLETED = Answer(response(background=True))


def wait(run: Run, pending: Pending, id_: str) -> ResponseCall:
    """Begin a response in the background, which is queued."""
    call = ResponseCall(run.call(), pending, background=True)
    call.read(read_response, response(status="queued", id=id_))
    call.end()
    return call


def complete(pending: Pending, id_: str) -> None:
    """Poll a response, which has completed."""
    call = pending.get(id_)
    assert call is not None
    call.read(read_response, response(id=id_))
    call.end()


@pytest.fixture
def runs(config: AIConfig) -> Iterator[Run]:
    """Make runs of their own, each closed but for what it waits for."""

    def make() -> Iterator[Run]:
        while True:
            yield Run(config)

    return make()


def test_eviction(runs: Iterator[Run], recorded: RecordingClient, caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the limit the oldest goes, unrecorded, which is said once; the others are recorded as ever."""
    pending = Pending(2)
    for id_ in "abcd":
        run = next(runs)
        wait(run, pending, id_)
        run.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert [pending.get(id_) is None for id_ in "abcd"] == [True, True, False, False]
    assert told(recorded) == []
    complete(pending, "d")
    complete(pending, "c")
    assert told(recorded) == ANSWERED * 2
    assert [pending.get(id_) for id_ in "abcd"] == [None] * 4
    assert len(caplog.records) == 1


def test_the_oldest(runs: Iterator[Run]) -> None:
    """The oldest is the one that was heard of the longest ago; hearing again of one takes no place of another."""
    pending = Pending(2)
    for id_ in "ab":
        wait(next(runs), pending, id_)
    again = pending.get("a")
    assert again is not None
    again.read(read_response, response(status="in_progress", id="a"))
    wait(next(runs), pending, "c")
    assert [pending.get(id_) is None for id_ in "abc"] == [False, True, False]


def test_what_was_given_up_stays_so(
    runs: Iterator[Run], recorded: RecordingClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream of a response that was given up takes nobody's place when it is read on, and records nothing."""
    pending = Pending(1)
    old = wait(next(runs), pending, "a")
    wait(run := next(runs), pending, "b")
    run.close()
    old.read(read_response, response(status="in_progress", id="a"))
    assert pending.get("a") is None
    old.read(read_response, response(id="a"))
    old.end()
    assert told(recorded) == []
    complete(pending, "b")
    assert told(recorded) == ANSWERED
    assert len(caplog.records) == 1


def test_an_end_forgets_every_id(runs: Iterator[Run]) -> None:
    """A response that was told of by two ids, as some gateways do, keeps no place after its end."""
    pending = Pending()
    call = wait(next(runs), pending, "a")
    call.read(read_response, response(status="in_progress", id="raw"))
    complete(pending, "a")
    assert [pending.get(id_) for id_ in ("a", "raw")] == [None, None]


def test_a_run_whose_call_is_evicted(runs: Iterator[Run], recorded: RecordingClient) -> None:
    """A run waits for its responses, and is reported without those that are given up, whatever comes of them."""
    pending = Pending(1)
    with next(runs) as run:
        answered = run.call()
        answered.observe(read_response(response()))
        answered.end()
        old = wait(run, pending, "a")
    assert told(recorded) == []
    wait(next(runs), pending, "b")
    assert told(recorded) == ANSWERED
    old.read(read_response, response(function_call("look"), id="a"))
    old.end()
    assert told(recorded) == ANSWERED


def test_the_real_limit(client: OpenAI, server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A thousand may be pending over one client; one more, and the first is not waited for any longer."""
    numbers = count()
    server._otherwise = lambda request: (
        Answer(response(id=request.path.rpartition("/")[2]))
        if request.body is None
        else Answer(response(status="queued", id=f"resp_{next(numbers)}"))
    )
    wrapped = wrap_openai(client, config)
    for _ in range(PENDING_LIMIT + 1):
        wrapped.responses.create(**BACKGROUND)
    wrapped.responses.retrieve("resp_0")
    assert told(recorded) == []
    wrapped.responses.retrieve("resp_1")
    wrapped.responses.retrieve(f"resp_{PENDING_LIMIT}")
    assert told(recorded) == ANSWERED * 2


def test_a_run(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA19: a run waits for the response it began, then sums up all its calls; its duration is its own."""
    server.script(QUEUED, Answer(response()), Answer(COMPLETED.content, delay_s=1), COMPLETED)
    with Run(config) as run:
        wrapped = wrap_openai(client, run)
        wrapped.responses.create(**BACKGROUND)
        wrapped.responses.create(**ASKED)
    assert told(recorded) == []
    for _ in range(2):
        wrapped.responses.retrieve("resp_1")
        assert told(recorded) == [duration(), SUCCESS, *tokens(18, 6)]
    assert (recorded.run.duration_ms or 0) < 1_000


def test_a_run_that_polls(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA19: polling inside a run is no call of its own, and one that fails is no failure of the run."""
    server.script(QUEUED, QUEUED, Failure(404), COMPLETED, COMPLETED)
    with Run(config) as run:
        wrapped = wrap_openai(client, run)
        wrapped.responses.create(**BACKGROUND)
        for _ in range(4):
            try:
                wrapped.responses.retrieve("resp_1")
            except Exception:  # noqa: BLE001, S112  # an application that tries again
                continue
        assert told_by_now(recorded) == []
    assert told(recorded) == ANSWERED


def test_a_first_token_after_the_run(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA5: output that is first seen after the closing sets no time to first token."""
    server.script(background_stream())
    with Run(config) as run:
        stream = wrap_openai(client, run).responses.create(**STREAMED)
    list(stream)
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("error", [None, ZeroDivisionError()])
def test_clients_are_garbage(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient, error: Exception | None
) -> None:
    """When no wrapped client is left, and the application's is gone, nobody will see the end: the run is reported."""
    server.script(Answer(response()), QUEUED)
    owned = client.copy()
    run = Run(config)
    wrapped = wrap_openai(owned, run)
    wrapped.responses.create(**ASKED)
    wrapped.responses.create(**BACKGROUND)
    run.close(error)
    gc.collect()
    assert told(recorded) == []
    del wrapped, owned
    for _ in range(2):  # the clients, and then what they shared
        gc.collect()
    assert told(recorded) == [duration(), SUCCESS if error is None else ERROR, *TOKENS]


def test_one_wrapped_client_is_garbage(
    server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """Wrapping for each request is a normal thing to do: what one began is pending while the application's is there."""
    server.script(QUEUED, COMPLETED)
    wrap_openai(client, config).responses.create(**BACKGROUND)
    gc.collect()
    wrap_openai(client, config).responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED


def test_one_id_twice(server: ScriptedOpenAI, client: OpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """A response that two requests brought, by an idempotency key say, is waited for once: no run waits for ever."""
    server.script(QUEUED, QUEUED, COMPLETED)
    with Run(config) as run:
        wrapped = wrap_openai(client, run)
        wrapped.responses.create(**BACKGROUND)
        wrapped.responses.create(**BACKGROUND)
        wrapped.responses.retrieve("resp_1")
    assert told(recorded) == ANSWERED
