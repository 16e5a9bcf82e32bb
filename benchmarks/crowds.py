"""Many calls at once: 64 tasks, and 16 threads; CPU time of the whole process, the base SDK's thread included."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.bots import bot, five_tracks
from benchmarks.doubles import MESSAGES, ask, async_client, client
from benchmarks.measuring import Pace, Row, Samples, by_process, take_turns
from ldai_openai import wrap_openai

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai import AsyncOpenAI, OpenAI

__all__ = ["measure"]

TASKS, THREADS = 64, 16
EACH = 4  # calls of one task; of a thread four times as many
AT_MOST = 1.05


def measure(pace: Pace) -> list[Row]:
    """Measure both kinds of crowd."""
    return [_row("64 tasks", _tasks(pace.rounds)), _row("16 threads", _threads(pace.rounds))]


def _row(area: str, samples: Samples) -> Row:
    one = f"{samples.ns('floor') / 1e3:.0f} µs"
    return samples.row(
        area, "CPU per call, to floor", lambda each, name: each[name] / each["floor"], at_most=AT_MOST, one=one
    )


def _tasks(rounds: int) -> Samples:
    openai = async_client()
    wrapped, five = wrap_openai(openai, bot()), five_tracks()

    async def asking(which: AsyncOpenAI, then: Callable[[], object] | None) -> None:
        for _ in range(EACH):
            await which.chat.completions.create(model="gpt-4o", messages=MESSAGES)
            if then is not None:
                then()

    async def crowd(which: AsyncOpenAI, then: Callable[[], object] | None) -> None:
        await asyncio.gather(*(asking(which, then) for _ in range(TASKS)))

    loop = asyncio.new_event_loop()
    contestants = {
        "floor": by_process(lambda: loop.run_until_complete(crowd(openai, five)), TASKS * EACH),
        "ours": by_process(lambda: loop.run_until_complete(crowd(wrapped, None)), TASKS * EACH),
    }
    try:
        return take_turns(contestants, rounds)
    finally:
        loop.close()


def _threads(rounds: int) -> Samples:
    openai = client()
    wrapped, five = wrap_openai(openai, bot()), five_tracks()

    def asking(which: OpenAI, then: Callable[[], object] | None) -> None:
        for _ in range(TASKS // THREADS * EACH):
            ask(which)
            if then is not None:
                then()

    with ThreadPoolExecutor(THREADS) as pool:

        def crowd(*how: Any) -> None:
            for done in [pool.submit(asking, *how) for _ in range(THREADS)]:
                done.result()

        contestants = {
            "floor": by_process(lambda: crowd(openai, five), TASKS * EACH),
            "ours": by_process(lambda: crowd(wrapped, None), TASKS * EACH),
        }
        return take_turns(contestants, rounds)
