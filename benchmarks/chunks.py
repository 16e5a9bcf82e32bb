"""A chunk of a stream of the chat API: what is added to it, and what is kept of it."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from itertools import islice, repeat
from time import sleep, thread_time_ns
from typing import TYPE_CHECKING, Any

from benchmarks.bots import bot
from benchmarks.doubles import CHUNK, MESSAGES, AsyncParsed, Parsed, async_client, client
from benchmarks.measuring import PAUSE_S, Pace, Row, Samples, take_turns
from ldai_core.run import begin_call
from ldai_core.stream import AsyncTrackedStream, TrackedStream
from ldai_openai import read_chat_chunk, wrap_openai

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping

    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig

__all__ = ["measure", "read_all", "tracked"]

CHUNKS = 1_000  # to be parsed
PARSED_CHUNKS = 20_000  # parsed already, of which each costs little
KEPT_AFTER, KEPT_UNTIL = 1_000, 11_000
FRAME = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"
ROUNDS_SHARE = 2  # a round takes long


def measure(pace: Pace) -> list[Row]:
    """Measure chunks, sync and async, and what stays of them."""
    rounds = pace.rounds // ROUNDS_SHARE
    return [*_rows("sync", _sync(rounds)), *_rows("async", _async(rounds)), _kept()]


def _rows(kind: str, samples: Samples) -> list[Row]:
    raw_us = samples.ns("raw") / 1e3
    return [
        samples.row(
            f"streamed chunk already parsed, {kind}",
            "what is added, to a raw chunk with its parsing",
            _added,
            at_most=0.006,
            one=f"{raw_us:.1f} µs",
        ),
        samples.row(
            f"streamed chunk, in-memory transport, {kind}",
            "to raw",
            _to_raw,
            one=f"{raw_us:.1f} µs",
        ),
    ]


def _to_raw(each: Mapping[str, float], name: str) -> float:
    # The loop by hand was not run through the client; what it adds is known.
    return each["ours through the client"] / each["raw"] if name == "ours" else 1 + _added(each, name)


def _added(each: Mapping[str, float], name: str) -> float:
    return (each[name] - each["parsed"]) / each["raw"]


def _sync(rounds: int) -> Samples:
    openai = client(lambda: repeat(FRAME, CHUNKS + 1))
    wrapped = wrap_openai(openai, bot())
    parsed: Callable[[], Any] = lambda: Parsed(PARSED_CHUNKS + 1, openai)  # noqa: E731
    contestants = {
        "raw": lambda: _read(stream(openai), CHUNKS),
        "ours through the client": lambda: _read(stream(wrapped), CHUNKS),
        "parsed": lambda: _read(parsed(), PARSED_CHUNKS),
        "ours": lambda: _read(tracked(parsed(), bot()), PARSED_CHUNKS),
        "official": lambda: _read(_by_hand(parsed()), PARSED_CHUNKS),
    }
    return take_turns(contestants, rounds)


def stream(openai: OpenAI) -> Any:
    """Ask for a stream."""
    return openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)


def tracked(parsed: Any, config: AIConfig) -> Any:
    """Wrap a stream as the adapter does."""
    return TrackedStream(parsed, begin_call(config), read_chat_chunk)


def read_all(chunks: Iterable[object]) -> None:
    """Read to the end, and do nothing with it."""
    for _ in chunks:
        pass


def _read(chunks: Iterable[object], count: int) -> float:
    """Return the cost of a chunk, of all but the last: the end of a stream is not that of a chunk."""
    sleep(PAUSE_S)
    first = islice(chunks, count)
    start_ns = thread_time_ns()
    for _ in first:
        pass
    return (thread_time_ns() - start_ns) / count


def _by_hand(chunks: Iterable[object]) -> Iterator[object]:
    for chunk in chunks:  # noqa: UP028  # as one writes it who looks at each
        yield chunk


def _async(rounds: int) -> Samples:
    async def frames() -> AsyncIterator[bytes]:
        for _ in range(CHUNKS + 1):
            yield FRAME

    openai = async_client(frames)
    wrapped = wrap_openai(openai, bot())

    def parsed() -> Any:
        return AsyncParsed(PARSED_CHUNKS + 1, openai)

    async def of(chunks: Any) -> float:
        return await _read_async(chunks, PARSED_CHUNKS)

    async def through(which: AsyncOpenAI) -> float:
        chunks = await which.chat.completions.create(model="gpt-4o", messages=MESSAGES, stream=True)
        return await _read_async(chunks, CHUNKS)

    loop = asyncio.new_event_loop()

    def in_loop(read: Callable[[], Coroutine[Any, Any, float]]) -> Callable[[], float]:
        return lambda: loop.run_until_complete(read())

    contestants = {
        "raw": in_loop(lambda: through(openai)),
        "ours through the client": in_loop(lambda: through(wrapped)),
        "parsed": in_loop(lambda: of(parsed())),
        "ours": in_loop(lambda: of(AsyncTrackedStream(parsed(), begin_call(bot()), read_chat_chunk))),
        "official": in_loop(lambda: of(_by_hand_async(parsed()))),
    }
    try:
        return take_turns(contestants, rounds)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _read_async(chunks: Any, count: int) -> float:
    await asyncio.sleep(PAUSE_S)
    left = count
    start_ns = thread_time_ns()
    async for _ in chunks:
        left -= 1
        if not left:
            return (thread_time_ns() - start_ns) / count
    raise AssertionError("the stream was too short")


async def _by_hand_async(chunks: Any) -> AsyncIterator[object]:
    async for chunk in chunks:
        yield chunk


def _kept() -> Row:
    openai = client(lambda: repeat(FRAME, KEPT_UNTIL + 1))
    raw = _bytes_kept(stream(openai))
    ours = _bytes_kept(stream(wrap_openai(openai, bot())))
    return Row("streamed chunk", "bytes kept, beyond those of raw", ours - raw, 0.0, 1.0, 0.0, f"{raw:.2f} bytes")


def _bytes_kept(chunks: Any) -> float:
    """Return what is added to memory by a chunk that nobody keeps."""
    tracemalloc.start()
    try:
        read_all(islice(chunks, KEPT_AFTER))
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        read_all(islice(chunks, KEPT_UNTIL - KEPT_AFTER))
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / (KEPT_UNTIL - KEPT_AFTER)
