"""What a wrapped client is: the application's own, but for what is measured."""

from __future__ import annotations

import inspect
import subprocess
import sys
from threading import Thread
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock

import boto3
import pytest
from botocore.stub import Stubber

from ldai_bedrock import wrap_bedrock
from ldai_core import Run
from tests.bedrock.expected import ASKED, GUARDED, INVOKED, REQUESTS
from tests.expected import ANSWERED, READ, SUCCESS, UNREAD, duration, first_token, tokens, told, told_by_now
from tests.servers.bedrock import Answer, Events, ScriptedBedrock, answer, events, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient


def test_the_client_is_as_before(client: Any, wrapped: Any) -> None:
    """BR13: its class, what it knows of the service, its exceptions, and how it is called are the same."""
    assert type(wrapped) is type(client)
    assert isinstance(wrapped, type(client))
    for name in ("meta", "exceptions", "waiter_names"):
        assert getattr(wrapped, name) == getattr(client, name)
    assert dir(client) == [name for name in dir(wrapped) if not name.startswith("_ldai")]
    for name in REQUESTS:
        assert getattr(wrapped, name).__name__ == name
        assert getattr(wrapped, name).__doc__ == getattr(client, name).__doc__
        assert inspect.signature(getattr(wrapped, name)) == inspect.signature(getattr(client, name))
    with pytest.raises(AttributeError, match="has no attribute 'no_such_operation'"):
        _ = wrapped.no_such_operation


def test_the_clients_own_exceptions(server: ScriptedBedrock, wrapped: Any) -> None:
    """BR13: `except client.exceptions.X` works."""
    server.script(Answer({"message": "no"}, 400, [("x-amzn-ErrorType", "ValidationException")]))
    with pytest.raises(wrapped.exceptions.ValidationException):
        wrapped.converse(**ASKED)


@pytest.mark.usefixtures("config")
def test_what_is_no_operation_of_a_model(wrapped: Any, recorded: RecordingClient) -> None:
    """BR13: everything else passes through unrecorded."""
    assert wrapped.apply_guardrail(**GUARDED)["action"] == "NONE"
    assert told(recorded) == []


def test_paginators(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR13: what has pages has them; the operations of a model have none."""
    if not hasattr(wrapped, "list_async_invokes"):
        pytest.skip("this release of boto3 has no operation with pages")
    server.script(Answer({"asyncInvokeSummaries": []}))
    pages = list(wrapped.get_paginator("list_async_invokes").paginate())
    assert [page["asyncInvokeSummaries"] for page in pages] == [[]]
    assert not wrapped.can_paginate("converse")
    assert told(recorded) == []


def test_the_clients_own_is_not_changed(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR13: the client itself stays usable beside, unrecorded, and has got no attribute."""
    before = dict(vars(client))
    wrapped = wrap_bedrock(client, config)
    assert vars(client) == before
    client.converse(**ASKED)
    assert told(recorded) == []
    wrapped.converse(**ASKED)
    assert told(recorded) == ANSWERED


def test_several_sources_over_one_client(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR13: doubles of one client keep apart."""
    trackers = config.create_tracker(), config.create_tracker()
    first, second = (wrap_bedrock(client, tracker) for tracker in trackers)
    first.converse(**ASKED)
    assert [run.run_id for run in recorded.runs] == [trackers[0].run_id]
    second.converse(**ASKED)
    assert [run.run_id for run in recorded.runs] == [tracker.run_id for tracker in trackers]


def test_wrapping_twice(wrapped: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR13: a wrapped client is bound to the new source: one record, never two; the first double keeps its own."""
    tracker = config.create_tracker()
    twice = wrap_bedrock(wrapped, tracker)
    twice.converse(**ASKED)
    assert [run.run_id for run in recorded.runs] == [tracker.run_id]
    wrapped.converse(**ASKED)
    assert told(recorded) == ANSWERED + ANSWERED


def test_a_double_of_the_applications(recorded: RecordingClient, config: AIConfig) -> None:
    """BR13: a client need not be botocore's: a test's stand-in, or one whose operation was replaced, is measured."""

    class Scripted:
        def converse(self, **_asked: Any) -> Any:
            return answer()

    assert wrap_bedrock(Scripted(), config).converse(**ASKED) == answer()
    mock = MagicMock()
    mock.converse.return_value = answer()
    assert wrap_bedrock(mock, config).converse(**ASKED) == answer()
    assert told(recorded) == ANSWERED + ANSWERED


def test_botocores_own_stubs(client: Any, wrapped: Any, recorded: RecordingClient) -> None:
    """BR13: what is stubbed of the client is stubbed of its double."""
    with Stubber(client) as stubber:
        stubber.add_response("converse", answer())
        assert wrapped.converse(**ASKED)["stopReason"] == "end_turn"
    assert told(recorded) == ANSWERED


class Slotted:
    """No client: it has an operation, and no room for another."""

    __slots__ = ()

    def converse(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("wrong", [None, "client", object(), Slotted(), boto3.Session, 5])
def test_a_wrong_client(wrong: Any, config: AIConfig) -> None:
    """BR13: what is no client is refused, and the message says what was expected and what came."""
    with pytest.raises(TypeError, match=f"client: expected a client for .bedrock-runtime.*got {type(wrong).__name__}"):
        wrap_bedrock(wrong, config)


def test_a_client_of_another_service(session: boto3.Session, config: AIConfig) -> None:
    """BR13: the service that manages the models has no model to ask."""
    with pytest.raises(TypeError, match=r"got Bedrock$"):
        wrap_bedrock(session.client("bedrock"), config)


def test_a_wrong_source(client: Any) -> None:
    """BR13: a source of the wrong kind is refused at once."""
    source: Any = "config"
    with pytest.raises(TypeError, match="source: expected an AI Config"):
        wrap_bedrock(client, source)


def test_a_fresh_tracker_for_every_call(wrapped: Any, recorded: RecordingClient) -> None:
    """BR2: N calls with a config are N records."""
    for _ in range(3):
        wrapped.converse(**ASKED)
        list(wrapped.converse_stream(**ASKED)["stream"])
    assert len({run.run_id for run in recorded.runs}) == 6
    assert told(recorded) == (ANSWERED + READ) * 3


def test_a_factory(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR2: a factory is asked for a tracker at every call."""
    made: list[AIConfigTracker] = []

    def make() -> AIConfigTracker:
        made.append(config.create_tracker())
        return made[-1]

    wrapped = wrap_bedrock(client, make)
    wrapped.converse(**ASKED)
    wrapped.invoke_model(**INVOKED)["body"].read()
    assert [run.run_id for run in recorded.runs] == [tracker.run_id for tracker in made]
    assert told(recorded) == ANSWERED + ANSWERED


def test_one_tracker(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR2: of one tracker each metric is recorded once, however many calls there are."""
    wrapped = wrap_bedrock(client, config.create_tracker())
    wrapped.converse(**ASKED)
    wrapped.converse(**ASKED)
    assert told(recorded) == ANSWERED


def test_an_agent_loop(server: ScriptedBedrock, client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR2: inside a Run all calls are one record: tokens summed, first output first."""
    server.script(
        Answer(answer(usage=usage_of(5, 2), stop_reason="tool_use"), delay_s=0.05),
        Events(events("Hel", "lo", usage=usage_of(20, 4))),
    )
    with Run(config) as run:
        wrapped = wrap_bedrock(client, run)
        wrapped.converse(**ASKED)
        list(wrapped.converse_stream(**ASKED)["stream"])
        wrapped.invoke_model(**INVOKED)["body"].read()
        assert told_by_now(recorded) == []
    assert told(recorded) == [duration(50), first_token(50), SUCCESS, *tokens(34, 9)]


def test_many_threads(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR14: eight threads times twenty calls: each record has its own call's numbers."""

    def counted(request: Any) -> Any:
        number = int(request.body["messages"][0]["content"][0]["text"])
        usage = usage_of(1000 + number, 1 + number)
        return Events(events("a", "b", usage=usage)) if request.operation != "converse" else Answer(answer(usage=usage))

    server._otherwise = counted

    def work(thread: int) -> None:
        for turn in range(20):
            number = thread * 20 + turn
            asked = {**ASKED, "messages": [{"role": "user", "content": [{"text": str(number)}]}]}
            response = wrapped.converse_stream(**asked) if number % 2 else wrapped.converse(**asked)
            assert [*response.get("stream", [{"metadata": response}])][-1]["metadata"]["usage"][
                "outputTokens"
            ] == 1 + number

    threads = [Thread(target=work, args=(thread,)) for thread in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    told(recorded)
    counts = sorted((run.tokens.input, run.tokens.output) for run in recorded.runs if run.tokens is not None)
    assert counts == [(1000 + number, 1 + number) for number in range(160)]
    streamed = [run for run in recorded.runs if run.tokens is not None and (run.tokens.output or 0) % 2 == 0]
    assert all((run.time_to_first_token_ms is not None) == (run in streamed) for run in recorded.runs)


def test_interleaved_streams(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR14: streams of one client that are read by turns are each a record of their own."""
    server.script(*(Events(events(*"abcd", usage=usage_of(10 * n, n))) for n in (1, 2, 3)))
    loops = [iter(wrapped.converse_stream(**ASKED)["stream"]) for _ in range(3)]
    for _ in range(9):
        for loop in loops:
            next(loop, None)
    assert [run.tokens and run.tokens.output for run in recorded.runs] == [1, 2, 3]
    assert told(recorded) == [e for n in (1, 2, 3) for e in [duration(), first_token(), SUCCESS, *tokens(10 * n, n)]]


@pytest.mark.usefixtures("config")
def test_a_tracker_that_is_not_made(client: Any, recorded: RecordingClient, caplog: Any) -> None:
    """BR15: a factory that raises costs one warning, and not the call."""

    def refuse() -> Any:
        raise OSError("secret")

    assert wrap_bedrock(client, refuse).converse(**ASKED)["stopReason"] == "end_turn"
    assert told(recorded) == []
    assert [record.message for record in caplog.records] == [
        "Measuring an AI run: its source raised OSError; the run is not recorded."
    ]


def test_no_import() -> None:
    """BR17: the adapter imports neither boto3 nor botocore nor aiobotocore."""
    code = "import sys, ldai_bedrock; print([n for n in sys.modules if n.split('.')[0] in {names}])"
    names = {"boto3", "botocore", "aiobotocore", "aioboto3", "aiohttp", "urllib3.response"}
    command = [sys.executable, "-c", code.format(names=names)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"  # noqa: S603  # ours


def test_wrapping_costs_little(client: Any, make_client: Callable[..., Any], config: AIConfig) -> None:
    """BR13: a double makes no client: it shares the connections, whoever closes them."""
    doubles = [wrap_bedrock(client, config) for _ in range(100)]
    assert {id(double._endpoint) for double in doubles} == {id(client._endpoint)}
    other = make_client()
    assert wrap_bedrock(other, config)._endpoint is not client._endpoint


def test_unread(wrapped: Any, recorded: RecordingClient) -> None:
    """BR1: what is never read is a success when it is dropped: nothing was wrong with the model."""
    del wrapped.converse_stream(**ASKED)["stream"]
    assert told(recorded) == UNREAD
