"""Makes runs, in threads and in tasks at once, and takes down all that is known of them."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from threading import enumerate as all_threads
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ldclient import Config, LDClient

from ldai_core import AIClient
from ldai_core.endings import settle
from tests.reliability.soaking.account import Expected, Record, Row, faults
from tests.reliability.soaking.case import Case, Kind
from tests.reliability.soaking.census import Census, census
from tests.reliability.soaking.clients import Clients, open_clients

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.reliability.soaking.servers import OtherSide

__all__ = ["TASKS", "THREADS", "Play", "play"]

THREADS = 6
TASKS = 12
PATIENT_S = 20.0
HASTY_S = 0.25


@dataclass
class Play:
    """What is known of runs: by their clients, by LaunchDarkly, and of this process when all runs of a part were over.

    In `going_on` are those that are not over, with the names of their kinds.
    """

    seed: int
    records: list[Record] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    during: list[Census] = field(default_factory=list)
    going_on: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0


def play(other: OtherSide, kinds: Sequence[Kind], done: Play, parts: int = 1) -> None:
    """Make the runs, in so many parts, and compare what was seen and what was received. No client stays open."""
    ld = other.launchdarkly
    config = Config("sdk-key", ld, ld, stream_uri=ld, flush_interval=0.5, diagnostic_opt_out=True)
    threads = set(all_threads())
    with closing(LDClient(config)) as ld_client:
        asyncio.run(_play(other, kinds, done, AIClient(ld_client), parts))
        settle()
    for thread in set(all_threads()) - threads:
        if thread.name != "ldai_core.endings":  # of which there is one, for good
            thread.join(10)
    done.rows += other.received()
    done.faults += faults(done.records, done.rows)


async def _play(other: OtherSide, kinds: Sequence[Kind], done: Play, ai: AIClient, parts: int) -> None:
    def complain(_: object, about: dict[str, Any]) -> None:
        if not about["message"].startswith("Unclosed"):  # as aiohttp has it of a stream that is dropped
            done.faults.append(f"the event loop: {about['message']}: {about.get('exception')!r}")

    asyncio.get_running_loop().set_exception_handler(complain)
    size = -(-len(kinds) // parts)
    numbered = list(enumerate(kinds, 1))
    async with open_clients(other, PATIENT_S) as clients, open_clients(other, HASTY_S) as hasty:
        for start in range(0, len(numbered), size):
            began = perf_counter()
            await _Part(done, ai, clients, hasty).play(numbered[start : start + size])
            done.seconds += perf_counter() - began
            done.during.append(census())
            done.faults += await _left_open(clients, hasty)


class _Part:
    """Some of the runs."""

    def __init__(self, done: Play, ai: AIClient, clients: Clients, hasty: Clients) -> None:
        self._done = done
        self._with = ai, clients, hasty
        self._late: list[tuple[Record, Case]] = []

    async def play(self, numbered: Sequence[tuple[int, Kind]]) -> None:
        """Make them, until all of them are over."""
        for_threads = iter([each for each in numbered if not each[1].is_async])  # which they share
        for_tasks = iter([each for each in numbered if each[1].is_async])
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(THREADS) as pool:
            await asyncio.gather(
                *(loop.run_in_executor(pool, self._in_thread, for_threads) for _ in range(THREADS)),
                *(self._in_task(for_tasks) for _ in range(TASKS)),
            )
        await _quiet()
        for record, case in self._late:
            record.most_ms = case.elapsed_ms()

    def _in_thread(self, numbered: Iterator[tuple[int, Kind]]) -> None:
        for n, kind in numbered:
            case = self._begin(n, kind)
            try:
                self._note(case, kind.play(case))
            except Exception as error:  # noqa: BLE001  # the others go on
                self._fail(case, error)

    async def _in_task(self, numbered: Iterator[tuple[int, Kind]]) -> None:
        for n, kind in numbered:
            case = self._begin(n, kind)
            try:
                self._note(case, await kind.play(case))
            except Exception as error:  # noqa: BLE001  # likewise
                self._fail(case, error)

    def _begin(self, n: int, kind: Kind) -> Case:
        self._done.going_on[n] = kind.name
        return Case(n, kind, self._done.seed, *self._with)

    def _note(self, case: Case, expected: Expected) -> None:
        record = case.record(expected)
        self._done.records.append(record)
        if record.is_late:
            self._late.append((record, case))
        del self._done.going_on[case.n]

    def _fail(self, case: Case, error: Exception) -> None:
        self._done.faults.append(f"run {case.n} ({case.kind.name}): {type(error).__name__}: {error}"[:300])
        del self._done.going_on[case.n]


async def _quiet() -> None:
    """Let what was dropped end: what a collection finds is closed in tasks of this loop, or by core's thread."""
    for _ in range(3):
        gc.collect()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=10)
        await asyncio.to_thread(settle)


async def _left_open(*clients: Clients) -> list[str]:
    """Say what clients hold open for good: what they close by and by is waited for, for some seconds."""
    for _ in range(50):
        if not any(fault for each in clients for fault in _still_open(each)):
            return []
        await asyncio.sleep(0.1)
        await _quiet()
    return [fault for each in clients for fault in _still_open(each)]


def _still_open(clients: Clients) -> Iterator[str]:
    """Say what a client holds open, though all runs are over."""
    if len(clients.shared._trees):
        yield f"{len(clients.shared._trees)} trees of LangChain's are open"
    for client in (clients.openai, clients.async_openai):
        pool: Any = client._client._transport
        placed = len(pool._pool._requests)  # for which there are 1,000 places
        if placed:
            yield f"{placed} requests that are over have a place in the pool of {type(client).__name__}"
