"""What is needed to cancel at the right moment: requests that stall, and who waits for them."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.bedrock.expected import HELLO, PIECES, REQUESTS, STALLING, STALLING_BODY
from tests.expected import (
    ERROR,
    FAILED_LATE,
    TOKENS,
    duration,
)
from tests.servers.bedrock import ScriptedBedrock, invoke_chunks, invoke_events

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator


__all__ = ["AT_ONCE_S", "RECORDS", "STALLS", "at_once", "begin", "consume", "each_operation", "each_piecemeal"]

AT_ONCE_S = 5.0  # what waited for the service instead would wait for ever
READ_IN_PART = [duration(), ERROR, *TOKENS]  # a body, of which the headers have the tokens
CHUNKS_STALLING = invoke_events(invoke_chunks("Hel", "lo", metrics=None)[2:], stall_after=1)  # without counts
STALLS = {
    "converse_stream": STALLING,
    "invoke_model": STALLING_BODY,
    "invoke_model_with_response_stream": CHUNKS_STALLING,
}
RECORDS = {
    "converse_stream": FAILED_LATE,
    "invoke_model": READ_IN_PART,
    "invoke_model_with_response_stream": FAILED_LATE,
}
each_operation = pytest.mark.parametrize("operation", REQUESTS)
each_piecemeal = pytest.mark.parametrize("operation", PIECES)


@contextmanager
def at_once() -> Iterator[None]:
    """Hold that the block is through at once."""
    begun = time.perf_counter()
    yield
    assert time.perf_counter() - begun < AT_ONCE_S


async def consume(pieces: Any, seen: asyncio.Event, work: asyncio.Event | None = None) -> None:
    """Read what comes in pieces, say when there is output, and be at work on it until `work` is done."""
    if not hasattr(pieces, "get_initial_response"):
        assert await pieces.read(5) == HELLO[:5]
        seen.set()
        await (pieces.read() if work is None else work.wait())
        return
    async for event in pieces:
        if "contentBlockDelta" in event or "chunk" in event:
            seen.set()
            if work is not None:
                await work.wait()


async def begin(server: ScriptedBedrock, client: Any, operation: str) -> Any:
    """Ask for what comes in pieces, and stalls."""
    server.script(STALLS[operation])
    return (await getattr(client, operation)(**REQUESTS[operation]))[PIECES[operation]]
