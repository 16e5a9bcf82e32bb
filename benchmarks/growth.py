"""How cost grows with what a run, a stream, a handler and a config have to do with."""

from __future__ import annotations

from math import log
from time import sleep, thread_time_ns
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from benchmarks.bots import CONTEXT, VARIABLES, bot, launchdarkly, serve
from benchmarks.chunks import read_all, tracked
from benchmarks.doubles import Bare, Parsed, ask
from benchmarks.measuring import PAUSE_S, by_thread, take_turns
from ldai_core import AIClient, Run
from ldai_langchain import LaunchDarklyCallbackHandler
from ldai_openai import wrap_openai

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from benchmarks.measuring import Pace

__all__ = ["Curve", "measure"]

CALLS = (1, 3, 10, 30, 100, 300, 1_000)
CHUNKS = (10, 100, 1_000, 10_000, 100_000)
ROOTS = (1, 10, 100, 1_000, 10_000)
MESSAGES = (1, 3, 10, 30, 100)
ROUNDS_SHARE = 8
AT_ONCE = 20  # roots that come and go while others stand
EVENTLY = 500  # things that a block is made of, at the least


class Curve(NamedTuple):
    """What so many things cost, in microseconds, and the line that fits best: `start + slope * n`."""

    name: str
    what: str
    unit: str
    points: Sequence[tuple[int, float]]
    start: float
    slope: float

    @property
    def exponent(self) -> float:
        """How steep it is where both axes are logarithmic, from the middle to the end: 0 is flat, 1 is linear."""
        (low, cost_low), (high, cost_high) = self.points[len(self.points) // 2], self.points[-1]
        return log(cost_high / cost_low) / log(high / low)


def measure(pace: Pace) -> list[Curve]:
    """Measure the four of them."""
    rounds = max(3, pace.rounds // ROUNDS_SHARE)
    return [
        _curve("run", "What a run adds to its calls", "calls in the run", _runs(), rounds),
        _curve("stream", "What a stream adds to its chunks", "chunks in the stream", _streams(), rounds),
        _curve("handler", "What one root costs", "concurrent roots of the handler", _roots(), rounds),
        _curve("config", "What completion_config() costs", "messages in the config", _configs(), rounds),
    ]


def _curve(name: str, what: str, unit: str, costs: dict[int, dict[str, Callable[[], float]]], rounds: int) -> Curve:
    points = []
    for count, contestants in costs.items():
        samples = take_turns(contestants, rounds)
        points.append((count, samples.ratio(lambda each, _: (each["ours"] - each.get("raw", 0.0)) / 1e3)))
    start, slope = _line(points)
    return Curve(name, what, unit, points, start, slope)


def _line(points: Sequence[tuple[int, float]]) -> tuple[float, float]:
    """Fit a line by least squares of the relative errors, so that the small count as much as the large."""
    weights = [1 / cost**2 for _, cost in points]
    weight = sum(weights)
    x = sum(w * n for w, (n, _) in zip(weights, points, strict=True)) / weight
    y = sum(w * cost for w, (_, cost) in zip(weights, points, strict=True)) / weight
    over = sum(w * (n - x) * (cost - y) for w, (n, cost) in zip(weights, points, strict=True))
    slope = over / sum(w * (n - x) ** 2 for w, (n, _) in zip(weights, points, strict=True))
    return y - slope * x, slope


def _runs() -> dict[int, dict[str, Callable[[], float]]]:
    openai, config = Bare(api_key="any"), bot()

    def raw(calls: int) -> Callable[[], None]:
        return lambda: read_all(ask(openai) for _ in range(calls))

    def ours(calls: int) -> Callable[[], None]:
        def run_of_calls() -> None:
            with Run(config) as run:
                wrapped = wrap_openai(openai, run)
                read_all(ask(wrapped) for _ in range(calls))

        return run_of_calls

    return {
        calls: {
            "raw": by_thread(raw(calls), max(1, EVENTLY // calls)),
            "ours": by_thread(ours(calls), max(1, EVENTLY // calls)),
        }
        for calls in CALLS
    }


def _streams() -> dict[int, dict[str, Callable[[], float]]]:
    openai, config = Bare(api_key="any"), bot()

    def costs(chunks: int) -> dict[str, Callable[[], float]]:
        times = max(1, 20 * EVENTLY // chunks) if chunks > EVENTLY else EVENTLY // 5
        return {
            "raw": by_thread(lambda: read_all(Parsed(chunks, openai)), times),
            "ours": by_thread(lambda: read_all(tracked(Parsed(chunks, openai), config)), times),
        }

    return {chunks: costs(chunks) for chunks in CHUNKS}


def _roots() -> dict[int, dict[str, Callable[[], float]]]:
    """Measure roots that come and go, each with a model's call in it, while all others stand."""

    def costs(roots: int) -> Callable[[], float]:
        def cost() -> float:
            handler = LaunchDarklyCallbackHandler(bot(), max_open_runs=2 * roots)
            standing = [(uuid4(), uuid4()) for _ in range(roots - 1)]
            for root, call in standing:
                _begin(handler, root, call)
            coming = [(uuid4(), uuid4()) for _ in range(AT_ONCE)]
            sleep(PAUSE_S)
            start_ns = thread_time_ns()
            for root, call in coming:
                _begin(handler, root, call)
                _end(handler, root, call)
            took_ns = thread_time_ns() - start_ns
            for root, call in standing:
                _end(handler, root, call)
            return took_ns / AT_ONCE

        return cost

    return {roots: {"ours": costs(roots)} for roots in ROOTS}


def _begin(handler: LaunchDarklyCallbackHandler, root: UUID, call: UUID) -> None:
    handler.on_chain_start({}, {}, run_id=root)
    handler.on_chat_model_start({}, [], run_id=call, parent_run_id=root)


def _end(handler: LaunchDarklyCallbackHandler, root: UUID, call: UUID) -> None:
    handler.on_llm_end(None, run_id=call)
    handler.on_chain_end({}, run_id=root)


def _configs() -> dict[int, dict[str, Callable[[], float]]]:
    client = AIClient(launchdarkly())

    def evaluate(key: str) -> Callable[[], object]:
        return lambda: client.completion_config(key, CONTEXT, variables=VARIABLES)

    costs = {}
    for messages in MESSAGES:
        serve(f"bot-{messages}", messages)
        costs[messages] = {"ours": by_thread(evaluate(f"bot-{messages}"), max(5, EVENTLY // messages // 5))}
    return costs
