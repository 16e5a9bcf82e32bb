"""Runs of one request that a task of asyncio's makes: those of the threads, and what only a task can do."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ldai_core import FeedbackKind, Run
from tests.expected import turns
from tests.reliability.soaking.account import NOTHING, Expected
from tests.reliability.soaking.answers import CUT, FAIL, HANG, REFUSE, STALL
from tests.reliability.soaking.case import Case, ConsumerFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine

    from tests.reliability.soaking.answers import Asked
    from tests.reliability.soaking.clients import Api

__all__ = [
    "answered",
    "broken",
    "cancelled",
    "cancelled_late",
    "closed",
    "commended",
    "cut",
    "dropped",
    "failed",
    "failed_oneself",
    "is_cancelled",
    "outlived",
    "read",
    "refused",
    "resumed",
    "stalled",
    "timed_out",
    "unread",
    "waited",
]


async def _read(case: Case, api: Api, asked: Asked, *, hasty: bool = False) -> None:
    stream = await case.stream(api, asked, hasty=hasty)
    try:
        async for chunk in stream:
            case.see(api, chunk)
    except BaseException:
        if not api.lazy:
            await _close(stream)  # or aiobotocore keeps the connection
        raise


async def _read_enough(case: Case, api: Api, stream: Any) -> None:
    case.is_late = True  # the event loop closes what is left of the loop
    async for chunk in stream:
        case.see(api, chunk)
        if case.has_enough:
            break


async def _take_enough(case: Case, api: Api, stream: Any) -> Any:
    """Take chunk by chunk, and return what is left."""
    chunks = stream if hasattr(type(stream), "__anext__") and case.n % 2 else aiter(stream)
    while not case.has_enough:
        case.see(api, await anext(chunks))
    return chunks


async def _close(closable: Any) -> None:
    """Close a stream or a response, whose ways to do so are many."""
    close = getattr(closable, "aclose", None) or closable.close
    closing = close()
    if closing is not None:
        await closing


async def _fails(awaited: Awaitable[Any]) -> None:
    try:
        await awaited
    except Exception:  # noqa: BLE001  # each provider has its own
        return
    raise AssertionError("no failure came")


async def is_cancelled(case: Case, doing: Coroutine[Any, Any, Any], when: asyncio.Event) -> None:
    """Do it in a task of its own, and cancel that at some time after the event."""
    task = asyncio.create_task(doing)
    waiting = asyncio.create_task(when.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if case.n % 2:
        await asyncio.wait([task], timeout=case.random.random() * 0.02)
    while not task.done():  # before Python 3.11, openai's client swallows one now and then
        task.cancel()
        await asyncio.wait([task], timeout=1)
    waiting.cancel()
    assert task.cancelled(), "it was not cancelled"


async def answered(case: Case, api: Api) -> Expected:
    """Get a whole answer."""
    asked = case.asked()
    await case.ask(api, asked)
    return Expected.of(asked)


async def commended(case: Case, api: Api) -> Expected:
    """Get a whole answer, and say by its token that it was a good one."""
    asked, tracker = case.asked(), case.create_tracker()
    await case.ask(api, asked, tracker)
    case.ai.create_tracker(tracker.resumption_token, case.context).track_feedback(FeedbackKind.POSITIVE)
    return Expected.of(asked, feedback=True)


async def read(case: Case, api: Api) -> Expected:
    """Read a stream to its end."""
    asked = case.asked()
    await _read(case, api, asked)
    return Expected.of(asked, first_token=True)


async def broken(case: Case, api: Api) -> Expected:
    """Break out of a loop."""
    asked = case.asked()
    stream = await case.stream(api, asked)
    await _read_enough(case, api, stream)
    return case.stopped(api, asked, success=True)


async def resumed(case: Case, api: Api) -> Expected:
    """Break out of a loop, and read on in another: what was told at the break is not told again."""
    asked = case.asked()
    stream = await case.stream(api, asked)
    await _read_enough(case, api, stream)
    await turns()  # in which the break is seen
    async for _ in stream:
        pass
    tokens = asked.first_usage if api.tells_at_once else asked.usage
    return Expected(True, tokens, first_token=True, tools=asked.tools)


async def closed(case: Case, api: Api) -> Expected:
    """Close a stream halfway."""
    asked = case.asked()
    stream = await case.stream(api, asked)
    await _take_enough(case, api, stream)
    case.is_late = api.lazy  # LangChain leaves what is inside to the event loop
    await _close(stream)
    return case.stopped(api, asked, success=True)


async def dropped(case: Case, api: Api) -> Expected:
    """Drop a stream halfway."""
    asked = case.asked()
    case.is_late = True
    stream = await case.stream(api, asked)
    response = getattr(stream, "response", None)
    chunks = await _take_enough(case, api, stream)
    del stream, chunks
    await _disconnect(response)
    return case.stopped(api, asked, success=True)


async def unread(case: Case, api: Api) -> Expected:
    """Ask for a stream, and close or drop it unread."""
    stream = await case.stream(api, case.asked())
    response = getattr(stream, "response", None)
    if case.n % 2:
        await _close(stream)
    del stream
    await _disconnect(response)
    return NOTHING if api.lazy else Expected(success=True)


async def _disconnect(response: Any) -> None:
    """Close the response of a stream that is gone, or openai keeps the connection; past what sees a closing."""
    if response is not None:
        await type(response).aclose(response)


async def failed_oneself(case: Case, api: Api) -> Expected:
    """Leave `async with stream:` by an exception of the application's."""
    asked = case.asked()
    with suppress(ConsumerFailed):
        async with await case.stream(api, asked) as stream:
            await _take_enough(case, api, stream)
            raise ConsumerFailed
    return case.stopped(api, asked, success=True)


async def refused(case: Case, api: Api) -> Expected:
    """Get an error instead of an answer."""
    asked = case.asked(REFUSE)
    await _fails(case.ask(api, asked) if case.random.random() < 0.5 else _read(case, api, asked))
    return Expected(success=False)


async def cut(case: Case, api: Api, what: str = CUT, *, hasty: bool = False) -> Expected:
    """Lose the connection in a stream."""
    asked = case.asked(what)
    await _fails(_read(case, api, asked, hasty=hasty))
    return case.stopped(api, asked, success=False)


async def failed(case: Case, api: Api) -> Expected:
    """Be told in a stream that it failed, where some APIs have told the tokens before."""
    asked = case.asked(FAIL)
    reading = _read(case, api, asked)
    await (reading if api.name == "responses" else _fails(reading))  # which raises nothing
    if api.tells_before:
        return Expected.of(asked, success=False, first_token=True)
    return case.stopped(api, asked, success=False)


async def timed_out(case: Case, api: Api) -> Expected:
    """Wait for an answer for too long, by the client's clock."""
    await _fails(case.ask(api, case.asked(HANG), hasty=True))
    return Expected(success=False)


async def waited(case: Case, api: Api) -> Expected:
    """Wait for an answer for too long, by asyncio's clock."""
    asking = asyncio.ensure_future(case.ask(api, case.asked(HANG)))
    await case.began.wait()
    await _fails(asyncio.wait_for(asking, 0.02 + case.random.random() * 0.1))
    return Expected(success=False)


async def stalled(case: Case, api: Api) -> Expected:
    """Wait for the next chunk for too long."""
    return await cut(case, api, STALL, hasty=True)


async def cancelled(case: Case, api: Api) -> Expected:
    """Be cancelled while waiting for an answer."""

    async def ask() -> None:
        await case.ask(api, case.asked(HANG))

    await is_cancelled(case, ask(), case.began)
    return Expected(success=False)


async def cancelled_late(case: Case, api: Api) -> Expected:
    """Be cancelled while waiting for the next chunk."""
    asked = case.asked(STALL)
    await is_cancelled(case, _read(case, api, asked), case.sees_output)
    return case.stopped(api, asked, success=False)


async def outlived(case: Case, api: Api) -> Expected:
    """Read a stream when its run is closed: it has no first token, for that was no part of it."""
    asked = case.asked()
    async with Run(case) as run:
        since_ns = perf_counter_ns()
        stream = await case.stream(api, asked, run)
        case.inside(since_ns)
    async for _ in stream:
        pass
    return Expected.of(asked)
