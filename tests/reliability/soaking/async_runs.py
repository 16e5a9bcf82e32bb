"""Runs of many requests that a task of asyncio's makes, at whatever APIs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ldai_core import Run
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.reliability.soaking.account import Expected
from tests.reliability.soaking.answers import HANG, REFUSE
from tests.reliability.soaking.async_calls import is_cancelled
from tests.reliability.soaking.case import Case, ConsumerFailed
from tests.reliability.soaking.clients import ASYNC_APIS

if TYPE_CHECKING:
    from tests.reliability.soaking.answers import Asked

__all__ = ["agent", "agent_at_once", "agent_cancelled", "agent_failed", "group"]


async def _turn(case: Case, asked: Asked, run: object) -> bool:
    """Take one turn of an agent's, at any API; tell whether it was a stream."""
    api, streams = case.random.choice(ASYNC_APIS), case.random.random() < 0.5
    if streams:
        async for _ in await case.stream(api, asked, run):
            pass
    else:
        await case.ask(api, asked, run)
    return streams


async def agent(case: Case) -> Expected:
    """Take two to four turns, which are one run."""
    requests = [case.asked(turn=turn) for turn in range(case.random.randint(2, 4))]
    async with Run(case) as run:
        since_ns = perf_counter_ns()
        streams = [await _turn(case, asked, run) for asked in requests]
        case.inside(since_ns)
    return Expected.of(*requests, first_token=any(streams))


async def agent_at_once(case: Case) -> Expected:
    """Take three turns at the same time, in tasks."""
    requests = [case.asked(turn=turn) for turn in range(3)]
    async with Run(case) as run:
        streams = await asyncio.gather(*(_turn(case, asked, run) for asked in requests))
    return Expected.of(*requests, first_token=any(streams))


async def agent_failed(case: Case) -> Expected:
    """Leave a run by an exception, the application's or the provider's, after a turn that was answered."""
    asked, streams = case.asked(), False
    with suppress(Exception):
        async with Run(case) as run:
            streams = await _turn(case, asked, run)
            if case.n % 2:
                await case.ask(ASYNC_APIS[0], case.asked(REFUSE, 1), run)
            raise ConsumerFailed
    return Expected.of(asked, success=False, first_token=streams)


async def agent_cancelled(case: Case) -> Expected:
    """Be cancelled in the second turn of a run."""
    asked = case.asked()
    waits = asyncio.Event()
    streams = []

    async def take_turns() -> None:
        async with Run(case) as run:
            streams.append(await _turn(case, asked, run))
            waits.set()
            await case.ask(case.random.choice(ASYNC_APIS), case.asked(HANG, 1), run)

    await is_cancelled(case, take_turns(), waits)
    return Expected.of(asked, success=False, first_token=any(streams))


async def group(case: Case) -> Expected:
    """Make one run of two invocations and a request beside them."""
    requests = [case.asked(turn=turn) for turn in range(3)]
    handler = LaunchDarklyCallbackHandler(case)
    measured: Any = {"callbacks": [handler]}
    async with handler.run() as run:
        await case.clients.models["chain"].ainvoke({"prompt": requests[0].prompt}, measured)
        async for _ in case.clients.models["gpt"].astream(requests[1].prompt, measured):
            pass
        await case.ask(ASYNC_APIS[0], requests[2], run)
    return Expected.of(*requests, first_token=True)
