"""The table of all kinds of runs, and how often each is drawn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.reliability.soaking import async_calls, async_runs, sync_calls, sync_runs
from tests.reliability.soaking.case import Case, Kind
from tests.reliability.soaking.clients import ASYNC_APIS, SYNC_APIS, Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["KINDS"]

Which = tuple[list[Api], list[Api]]

_ALL: Which = (SYNC_APIS, ASYNC_APIS)
_EAGER: Which = ([api for api in SYNC_APIS if not api.lazy], [api for api in ASYNC_APIS if not api.lazy])
_MANAGED: Which = ([api for api in SYNC_APIS if api.managed], [api for api in ASYNC_APIS if api.managed])

# The weight, which the APIs share; what a thread does, and a task; of which APIs.
_CALLS: list[tuple[float, Any, Any, Which]] = [
    (14, sync_calls.answered, async_calls.answered, _ALL),
    (4, sync_calls.commended, async_calls.commended, _ALL),
    (14, sync_calls.read, async_calls.read, _ALL),
    (8, sync_calls.broken, async_calls.broken, _ALL),
    (4, sync_calls.resumed, async_calls.resumed, _EAGER),
    (5, sync_calls.closed, async_calls.closed, _ALL),
    (5, sync_calls.dropped, async_calls.dropped, _ALL),
    (3, sync_calls.unread, async_calls.unread, _ALL),
    (4, sync_calls.failed_oneself, async_calls.failed_oneself, _MANAGED),
    (6, sync_calls.refused, async_calls.refused, _ALL),
    (4, sync_calls.cut, async_calls.cut, _ALL),
    (4, sync_calls.failed, async_calls.failed, _ALL),
    (3, sync_calls.timed_out, async_calls.timed_out, _ALL),
    (3, sync_calls.stalled, async_calls.stalled, _ALL),
    (3, sync_calls.outlived, async_calls.outlived, _EAGER),
    (3, None, async_calls.waited, _ALL),
    (6, None, async_calls.cancelled, _ALL),
    (6, None, async_calls.cancelled_late, _ALL),
]
_RUNS: list[tuple[float, Any, Any]] = [
    (6, sync_runs.agent, async_runs.agent),
    (2, sync_runs.agent_at_once, async_runs.agent_at_once),
    (3, sync_runs.agent_failed, async_runs.agent_failed),
    (2, sync_runs.agent_recovered, None),
    (1, sync_runs.agent_idle, None),
    (3, None, async_runs.agent_cancelled),
    (2, sync_runs.group, async_runs.group),
]


def _kinds() -> Iterator[Kind]:
    for weight, in_thread, in_task, (sync_apis, async_apis) in _CALLS:
        if in_thread is not None:
            yield from (_of_api("", api, in_thread, weight / len(sync_apis)) for api in sync_apis)
        yield from (_of_api("async ", api, in_task, weight / len(async_apis)) for api in async_apis)
    for weight, in_thread, in_task in _RUNS:
        if in_thread is not None:
            yield Kind(in_thread.__name__, weight, in_thread)
        if in_task is not None:
            yield Kind(f"async {in_task.__name__}", weight, in_task, is_async=True)


def _of_api(mark: str, api: Api, play: Callable[[Case, Api], Any], weight: float) -> Kind:
    return Kind(f"{mark}{api.name} {play.__name__}", weight, partial(_play, play, api), is_async=bool(mark))


def _play(play: Callable[[Case, Api], Any], api: Api, case: Case) -> Any:
    return play(case, api)


KINDS = list(_kinds())
