"""Many runs at once on one handler."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableParallel
from ldclient import Context

from ldai_core import AIClient
from ldai_core.testing import RecordingClient
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.expected import ANSWERED, READ, told, told_by_now
from tests.langchain.conftest import SUPPORT_BOT
from tests.langchain.models import Gate, ScriptedChat, Turn, asks
from tests.langchain.ways import QUESTION, REFUSED, ask, chain_of, refuse

if TYPE_CHECKING:
    from collections.abc import Callable


RUNS = 200
Seen = tuple[bool | None, int | None, bool, tuple[str, ...]]


def _model(number: int, **turn: Any) -> ScriptedChat:
    return ScriptedChat(turns=(Turn(usage=(number, 1), **turn),))


# What is run, and what is to be told of it: success, total tokens, a first token, tool calls. Each has tokens.
KINDS: list[tuple[Callable[[int], Any], Callable[[int], Seen]]] = [
    (_model, lambda number: (True, number + 1, False, ())),
    (lambda number: chain_of(_model(number)), lambda number: (True, number + 1, False, ())),
    (
        lambda number: _model(number, tool_calls=asks("search", "lookup")),
        lambda number: (True, number + 1, False, ("search", "lookup")),
    ),
    (
        lambda number: chain_of(ScriptedChat(turns=(REFUSED,)).with_fallbacks([_model(number)])),
        lambda number: (True, number + 1, False, ()),
    ),
    (lambda number: chain_of(_model(number), refuse), lambda number: (False, number + 1, False, ())),
    (
        lambda number: RunnableParallel(one=_model(number), other=_model(number)),
        lambda number: (True, 2 * number + 2, False, ()),
    ),
]


def run_in_thread(number: int, watched: Any) -> Seen:
    """Run one of them, and return what is to be told of it."""
    make, expect = KINDS[number % len(KINDS)]
    success, total, _, tool_calls = expect(number)
    streams = number % 2 == 0
    with suppress(ValueError):
        if streams:
            list(make(number).stream(QUESTION, watched))
        else:
            make(number).invoke(QUESTION, watched)
    return success, total, streams, tool_calls


async def run_in_task(number: int, watched: Any) -> Seen:
    """Run one of them, likewise."""
    make, expect = KINDS[number % len(KINDS)]
    success, total, _, tool_calls = expect(number)
    streams = number % 2 == 0
    with suppress(ValueError):
        if streams:
            async for _ in make(number).astream(QUESTION, watched):
                await asyncio.sleep(0)
        else:
            await make(number).ainvoke(QUESTION, watched)
    return success, total, streams, tool_calls


async def cancel_one(watched: Any) -> Seen:
    """Cancel one."""
    gate = Gate()
    task = asyncio.create_task(chain_of(ScriptedChat(turns=(Turn(gate=gate),))).ainvoke(QUESTION, watched))
    await gate.arrival()
    task.cancel()
    await asyncio.wait([task])
    return False, None, False, ()


def test_many_at_once(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC15: two hundred mixed runs over threads and tasks on one handler are two hundred exact records."""
    many = range(1000, 1000 + RUNS)

    async def main() -> list[Seen]:
        tasks = [run_in_task(number, watched) for number in many if number % 4 >= 2]
        return list(await asyncio.gather(*tasks, *[cancel_one(watched) for _ in range(10)]))

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(run_in_thread, number, watched) for number in many if number % 4 < 2]
        expected = [*asyncio.run(main()), *[future.result() for future in futures]]
    runs = recorded.runs
    assert len(runs) == len(expected) == RUNS + 10
    seen = [
        (
            run.success,
            run.tokens.total if run.tokens else None,
            run.time_to_first_token_ms is not None,
            run.tool_calls,
        )
        for run in runs
    ]
    assert sorted(seen, key=str) == sorted(expected, key=str)
    assert all(run.repeated == () and run.duration_ms is not None for run in runs)
    assert len({run.run_id for run in runs}) == len(runs)
    assert len(handler._trees) == 0


def test_a_saturated_executor(watched: Any, recorded: RecordingClient) -> None:
    """LC12: a pool of threads that is busy keeps back neither a call nor its times."""
    release = Event()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = [loop.run_in_executor(None, release.wait, 60) for _ in range(2)]
        gate = Gate()
        try:
            stream: Any = ScriptedChat(turns=(Turn(gate=gate, gate_at=2),)).astream(QUESTION, watched)
            await anext(stream)
            await anext(stream)
            await asyncio.sleep(0.05)
            gate.open()
            assert len([chunk async for chunk in stream]) > 0
            assert told_by_now(recorded) == READ  # while the pool is still busy
            await ScriptedChat().ainvoke(QUESTION, watched)
        finally:
            release.set()
            await asyncio.gather(*busy)

    asyncio.run(main())
    assert told(recorded) == [*READ, *ANSWERED]
    first = recorded.runs[0]
    assert (first.time_to_first_token_ms or 0) + 25 <= (first.duration_ms or 0)  # of 50


class Blocking(RecordingClient):
    """A client whose `track` waits at gates."""

    def __init__(self) -> None:
        super().__init__({"support-bot": SUPPORT_BOT})
        self.gates: list[Gate] = []

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Wait, and record it."""
        if self.gates:
            self.gates.pop().wait()
        super().track(event_name, context, data, metric_value)


def test_a_client_that_blocks() -> None:
    """LC12: while LaunchDarkly's client keeps one tree waiting, others begin and end."""
    client, gate = Blocking(), Gate()
    config = AIClient(client).completion_config("support-bot", Context.create("user-1"))
    watched = {"callbacks": [LaunchDarklyCallbackHandler(config)]}
    client.gates.append(gate)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, chain_of(ScriptedChat()), watched)
        assert gate.reached.wait(60)
        ask(chain_of(ScriptedChat()), watched)
        ask(chain_of(ScriptedChat()), watched, is_async=True)
        assert told_by_now(client) == ANSWERED * 2
        gate.open()
        assert waiting.result() == "Hello"
    assert told(client) == ANSWERED * 3
