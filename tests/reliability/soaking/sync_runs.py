"""Runs of many requests that a thread makes, at whatever APIs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ldai_core import Run
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.reliability.soaking.account import NOTHING, Expected
from tests.reliability.soaking.answers import REFUSE
from tests.reliability.soaking.case import Case, ConsumerFailed
from tests.reliability.soaking.clients import SYNC_APIS
from tests.reliability.soaking.sync_calls import fails

if TYPE_CHECKING:
    from tests.reliability.soaking.answers import Asked

__all__ = ["agent", "agent_at_once", "agent_failed", "agent_idle", "agent_recovered", "group"]


def _turn(case: Case, asked: Asked, run: object) -> bool:
    """Take one turn of an agent's, at any API; tell whether it was a stream."""
    api, streams = case.random.choice(SYNC_APIS), case.random.random() < 0.5
    if streams:
        list(case.stream(api, asked, run))
    else:
        case.ask(api, asked, run)
    return streams


def agent(case: Case) -> Expected:
    """Take two to four turns, which are one run."""
    requests = [case.asked(turn=turn) for turn in range(case.random.randint(2, 4))]
    with Run(case) as run:
        since_ns = perf_counter_ns()
        streams = [_turn(case, asked, run) for asked in requests]
        case.inside(since_ns)
    return Expected.of(*requests, first_token=any(streams))


def agent_at_once(case: Case) -> Expected:
    """Take three turns at the same time, in threads."""
    requests = [case.asked(turn=turn) for turn in range(3)]
    with Run(case) as run, ThreadPoolExecutor(3) as pool:
        streams = list(pool.map(lambda asked: _turn(case, asked, run), requests))
    return Expected.of(*requests, first_token=any(streams))


def agent_failed(case: Case) -> Expected:
    """Leave a run by an exception, the application's or the provider's, after a turn that was answered."""
    asked, streams = case.asked(), False
    with suppress(Exception), Run(case) as run:
        streams = _turn(case, asked, run)
        if case.n % 2:
            case.ask(SYNC_APIS[0], case.asked(REFUSE, 1), run)
        raise ConsumerFailed
    return Expected.of(asked, success=False, first_token=streams)


def agent_recovered(case: Case) -> Expected:
    """Be refused one turn of a run, and go on."""
    asked = case.asked(turn=1)
    with Run(case) as run:
        fails(_turn, case, case.asked(REFUSE), run)
        streams = _turn(case, asked, run)
    return Expected.of(asked, first_token=streams)


def agent_idle(case: Case) -> Expected:
    """Open a run, and ask nothing."""
    with Run(case):
        return NOTHING


def group(case: Case) -> Expected:
    """Make one run of two invocations and a request beside them."""
    requests = [case.asked(turn=turn) for turn in range(3)]
    handler = LaunchDarklyCallbackHandler(case)
    measured: Any = {"callbacks": [handler]}
    with handler.run() as run:
        case.clients.models["chain"].invoke({"prompt": requests[0].prompt}, measured)
        list(case.clients.models["gpt"].stream(requests[1].prompt, measured))
        case.ask(SYNC_APIS[0], requests[2], run)
    return Expected.of(*requests, first_token=True)
