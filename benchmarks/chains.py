"""LangChain: a call of a model, and a chunk of its stream, with this handler and with one that does nothing."""

from __future__ import annotations

from itertools import islice
from time import sleep, thread_time_ns
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from benchmarks.bots import bot, five_tracks
from benchmarks.measuring import PAUSE_S, Pace, Row, by_thread, overhead_to_floor, take_turns
from ldai_langchain import LaunchDarklyCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["measure"]

CALLS = 40
CHUNKS = 1_000
QUESTION = [HumanMessage("Where is my order?")]
USAGE: Any = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}


class Model(BaseChatModel):
    """A model that takes no time."""

    @property
    def _llm_type(self) -> str:
        return "benchmark"

    def _generate(self, *_args: Any, **_kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("It comes tomorrow.", usage_metadata=USAGE))])

    def _stream(self, *_args: Any, **_kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for _ in range(CHUNKS + 1):
            yield ChatGenerationChunk(message=AIMessageChunk(content="Hello"))


class Nothing(BaseCallbackHandler):
    """A handler that does nothing."""


def measure(pace: Pace) -> list[Row]:
    """Measure both."""
    model, five = Model(), five_tracks()
    without: Any = {}
    nothing: Any = {"callbacks": [Nothing()]}
    ours: Any = {"callbacks": [LaunchDarklyCallbackHandler(bot())]}

    def floor() -> None:
        model.invoke(QUESTION, nothing)
        five()

    ways: dict[str, Callable[[], object]] = {
        "raw": lambda: model.invoke(QUESTION, without),
        "floor": floor,
        "ours": lambda: model.invoke(QUESTION, ours),
    }
    calls = take_turns({name: by_thread(way, CALLS) for name, way in ways.items()}, pace.rounds)
    configs = {"raw": without, "floor": nothing, "ours": ours}
    chunks = take_turns({name: _reading(model, config) for name, config in configs.items()}, pace.rounds)
    return [
        overhead_to_floor(
            calls,
            "LangChain invoke",
            "overhead to that of a do-nothing handler and five tracks",
            at_most=1.35,
            one=f"{calls.added('floor')[0] / 1e3:.1f} µs",
        ),
        overhead_to_floor(
            chunks,
            "LangChain streamed chunk",
            "overhead to that of a do-nothing handler",
            at_most=1.35,
            one=f"{chunks.added('floor')[0] / 1e3:.2f} µs",
        ),
    ]


def _reading(model: Model, config: Any) -> Callable[[], float]:
    def cost() -> float:
        sleep(PAUSE_S)
        chunks = model.stream(QUESTION, config)
        next(chunks)
        start_ns = thread_time_ns()
        for _ in islice(chunks, CHUNKS - 1):
            pass
        return (thread_time_ns() - start_ns) / (CHUNKS - 1)

    return cost
