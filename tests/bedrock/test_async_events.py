"""Streams of events with aiobotocore: what they are, when their first token comes, and many of them at once."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from ldai_core import Run
from tests.bedrock.expected import ASKED, INVOKED, read_all
from tests.expected import (
    ANSWERED,
    READ,
    SUCCESS,
    TOKENS,
    TOOL_CALL,
    duration,
    first_token,
    tokens,
    told,
    told_by_now,
)
from tests.servers.bedrock import (
    Answer,
    Body,
    Events,
    ScriptedBedrock,
    answer,
    claude,
    events,
    invoke_chunks,
    invoke_events,
    metrics_of,
    tool_use,
    usage_of,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient

TASKS = 40


async def stream_of(client: Any) -> Any:
    """Ask for a stream of Converse."""
    return (await client.converse_stream(**ASKED))["stream"]


async def test_the_stream_is_an_event_stream(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR12, BR16: the stream is of the type that it is without us, and the response is as it was but for it."""
    plain = await async_client.converse_stream(**ASKED)
    wrapped = await wrap_bedrock(async_client, config).converse_stream(**ASKED)
    assert wrapped.keys() == plain.keys()
    assert type(wrapped) is type(plain)
    stream = wrapped["stream"]
    assert stream.__class__ is type(plain["stream"])
    assert isinstance(stream, type(plain["stream"]))
    assert hasattr(stream, "__aiter__")
    with pytest.raises(NotImplementedError, match="async-for"):  # as botocore's own says it
        iter(stream)
    assert await read_all(stream) == await read_all(plain["stream"])
    assert told(recorded) == READ


async def test_unknown_events(server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: Any) -> None:
    """BR12, BR15, BR16: events that nobody knows, and chunks that are no JSON, are what they are without us."""
    odd = [("somethingNew", {"a": 1}), *events("Hello")]
    chunks: list[Any] = [b"\xff", b"[1]", b"null", b'{"a":', *invoke_chunks("Hello")]
    server.script(Events(odd), Events(odd), invoke_events(chunks), invoke_events(chunks))
    wrapped = wrap_bedrock(async_client, config)
    assert await read_all(await stream_of(async_client)) == await read_all(await stream_of(wrapped))
    streams = [(await c.invoke_model_with_response_stream(**INVOKED))["body"] for c in (async_client, wrapped)]
    assert await read_all(streams[0]) == await read_all(streams[1])
    assert told(recorded) == READ + READ


async def test_the_first_output(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR3, BR16: the first token is the first output, from before the request; `messageStart` does not count."""
    server.script(Events(events("", "Hel", "lo"), delay_s=0.05, pauses_s={2: 0.1, 3: 0.1}))
    await read_all(await stream_of(async_wrapped))
    assert told_by_now(recorded) == [duration(250), first_token(150), SUCCESS, *TOKENS]
    assert (recorded.run.time_to_first_token_ms or 0) <= (recorded.run.duration_ms or 0) - 50  # of 100


async def test_tool_calls(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR10, BR16: tool calls are counted once each, by name, in answers and in streams."""
    calls = tool_use("search", '{"q":', "1}") + tool_use("book", "{}", id="tooluse_2", index=2)
    blocks = [{"toolUse": {"toolUseId": f"t{n}", "name": name, "input": {}}} for n, name in enumerate("ab")]
    server.script(Events(events(calls, stop_reason="tool_use")), Answer(answer(*blocks, stop_reason="tool_use")))
    await read_all(await stream_of(async_wrapped))
    await async_wrapped.converse(**ASKED)
    assert told(recorded) == [*READ, TOOL_CALL, TOOL_CALL, *ANSWERED, TOOL_CALL, TOOL_CALL]
    assert [run.tool_calls for run in recorded.runs] == [("search", "book"), ("a", "b")]


async def test_two_loops_by_turns(async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR12, BR16: two loops over one stream share its events, as they do without us, and are one record."""
    stream = await stream_of(async_wrapped)
    loops = [aiter(stream), aiter(stream)]
    seen = []
    for turn in range(6):
        seen += list(await anext(loops[turn % 2]))
    assert seen == [next(iter(event)) for event in [{name: 0} for name, _ in events("Hel", "lo")]]
    assert [await anext(loop, None) for loop in loops] == [None, None]
    assert told(recorded) == READ


def counted(request: Any) -> Any:
    """Answer with the number that was asked, in the form of the operation: in three ways of counting."""
    if "messages" in request.body and request.operation.startswith("converse"):
        number = int(request.body["messages"][0]["content"][0]["text"])
        usage = usage_of(1000 + number, 1 + number)
        return Answer(answer(usage=usage)) if request.operation == "converse" else Events(events("a", usage=usage))
    number = request.body["number"]
    if request.operation == "invoke":
        usage = {"input_tokens": 1000 + number, "output_tokens": 1 + number}
        return Body(json.dumps(claude(usage=usage)).encode())
    last = {"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics_of(1000 + number, 1 + number)}
    return invoke_events([*invoke_chunks("a", metrics=None)[:-1], last])


async def ask(client: Any, number: int) -> bool:
    """Ask by one of the four operations; say whether there is a first token."""
    asked = {**ASKED, "messages": [{"role": "user", "content": [{"text": str(number)}]}]}
    invoked = {**INVOKED, "body": b'{"number": %d}' % number}
    if number % 4 == 0:
        await client.converse(**asked)
    elif number % 4 == 1:
        async for _ in (await client.converse_stream(**asked))["stream"]:
            await asyncio.sleep(0)
    elif number % 4 == 2:
        async for _ in (await client.invoke_model(**invoked))["body"].iter_chunks(20):
            await asyncio.sleep(0)
    else:
        async for _ in (await client.invoke_model_with_response_stream(**invoked))["body"]:
            await asyncio.sleep(0)
    return number % 2 == 1


async def test_many_tasks(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR14, BR2, BR16: many tasks on one client: as many records, each with its own call's numbers."""
    server._otherwise = counted
    assert sum(await asyncio.gather(*(ask(async_wrapped, n) for n in range(TASKS)))) == TASKS // 2
    told(recorded)
    numbers = {}
    for run in recorded.runs:
        assert run.tokens is not None
        assert run.success
        numbers[(run.tokens.output or 0) - 1] = run
        assert (run.tokens.input or 0) - (run.tokens.output or 0) == 999
        assert run.tokens.total == (run.tokens.input or 0) + (run.tokens.output or 0)
    assert sorted(numbers) == list(range(TASKS))
    assert all((run.time_to_first_token_ms is not None) is (n % 2 == 1) for n, run in numbers.items())
    assert len({run.run_id for run in recorded.runs}) == TASKS


async def test_interleaved(server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient) -> None:
    """BR14, BR16: streams of one client that are read by turns are each a record of their own."""
    server.script(*(Events(events(*"abcd", usage=usage_of(10 * n, n))) for n in (1, 2, 3)))
    loops = [aiter(await stream_of(async_wrapped)) for _ in range(3)]
    for _ in range(9):
        for loop in loops:
            await anext(loop, None)
    assert told(recorded) == [e for n in (1, 2, 3) for e in [duration(), first_token(), SUCCESS, *tokens(10 * n, n)]]


async def test_an_agent_loop(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR2, BR16: inside a Run all calls are one record: tokens summed, first output first."""
    server.script(
        Answer(answer(usage=usage_of(5, 2), stop_reason="tool_use"), delay_s=0.05),
        Events(events("Hel", "lo", usage=usage_of(20, 4))),
    )
    async with Run(config) as run:
        wrapped = wrap_bedrock(async_client, run)
        await wrapped.converse(**ASKED)
        await read_all(await stream_of(wrapped))
        await (await wrapped.invoke_model(**INVOKED))["body"].read()
        assert told_by_now(recorded) == []
    assert told(recorded) == [duration(50), first_token(50), SUCCESS, *tokens(34, 9)]


async def test_tasks_of_a_run(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR14, BR2, BR16: the tasks of a Run are one record; a stream that outlives it is waited for."""
    server._otherwise = counted
    async with Run(config) as run:
        wrapped = wrap_bedrock(async_client, run)
        await asyncio.gather(*(ask(wrapped, number) for number in range(8)))
        last = aiter((await wrapped.converse_stream(**{**ASKED, "messages": _asking(8)}))["stream"])
        await anext(last)
    assert told(recorded) == []
    await read_all(last)
    assert told(recorded) == [duration(), first_token(), SUCCESS, *tokens(9 * 1000 + 36, 9 + 36)]


def _asking(number: int) -> list[Any]:
    return [{"role": "user", "content": [{"text": str(number)}]}]


async def test_a_tracker_for_each_call(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR2, BR16: a factory is asked at every call, when it is awaited; of one tracker each metric is told once."""
    made: list[AIConfigTracker] = []

    def make() -> AIConfigTracker:
        made.append(config.create_tracker())
        return made[-1]

    wrapped = wrap_bedrock(async_client, make)
    later = wrapped.converse(**ASKED)
    assert made == []
    await later
    await read_all(await stream_of(wrapped))
    assert [run.run_id for run in recorded.runs] == [tracker.run_id for tracker in made]
    assert told(recorded) == [*ANSWERED, *READ]
    once = wrap_bedrock(wrapped, made[0])
    await once.converse(**ASKED)
    assert told(recorded) == [*ANSWERED, *READ]


async def test_several_clients(
    make_async_client: Callable[..., Awaitable[Any]], config: AIConfig, recorded: RecordingClient
) -> None:
    """BR13, BR16: several sources over one client keep apart, and so do the doubles of several clients."""
    clients = [await make_async_client() for _ in range(2)]
    trackers = [config.create_tracker() for _ in range(4)]
    doubles = [wrap_bedrock(clients[n // 2], tracker) for n, tracker in enumerate(trackers)]
    await asyncio.gather(*(double.converse(**ASKED) for double in doubles))
    assert {run.run_id for run in recorded.runs} == {tracker.run_id for tracker in trackers}
    assert told(recorded) == ANSWERED * 4
