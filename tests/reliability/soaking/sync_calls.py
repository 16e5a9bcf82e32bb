"""Runs of one request that a thread makes. Each function plays the client, and tells what is to be recorded of it."""

from __future__ import annotations

from contextlib import suppress
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from ldai_core import FeedbackKind, Run
from tests.reliability.soaking.account import NOTHING, Expected
from tests.reliability.soaking.answers import CUT, FAIL, HANG, REFUSE, STALL
from tests.reliability.soaking.case import Case, ConsumerFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.reliability.soaking.clients import Api

__all__ = [
    "answered",
    "broken",
    "closed",
    "commended",
    "cut",
    "dropped",
    "failed",
    "failed_oneself",
    "fails",
    "outlived",
    "read",
    "refused",
    "resumed",
    "stalled",
    "timed_out",
    "unread",
]


def _read(case: Case, api: Api, chunks: Iterable[Any]) -> None:
    for chunk in chunks:
        case.see(api, chunk)


def _read_enough(case: Case, api: Api, chunks: Iterable[Any]) -> None:
    for chunk in chunks:
        case.see(api, chunk)
        if case.has_enough:
            break


def _take_enough(case: Case, api: Api, stream: Any) -> Any:
    """Take chunk by chunk, and return what is left."""
    chunks = stream if hasattr(type(stream), "__next__") and case.n % 2 else iter(stream)
    while not case.has_enough:
        case.see(api, next(chunks))
    return chunks


def fails(func: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Take the exception that is to come."""
    try:
        func(*args, **kwargs)
    except Exception:  # noqa: BLE001  # each provider has its own
        return
    raise AssertionError("no failure came")


def answered(case: Case, api: Api) -> Expected:
    """Get a whole answer."""
    asked = case.asked()
    case.ask(api, asked)
    return Expected.of(asked)


def commended(case: Case, api: Api) -> Expected:
    """Get a whole answer, and say by its token that it was a good one."""
    asked, tracker = case.asked(), case.create_tracker()
    case.ask(api, asked, tracker)
    case.ai.create_tracker(tracker.resumption_token, case.context).track_feedback(FeedbackKind.POSITIVE)
    return Expected.of(asked, feedback=True)


def read(case: Case, api: Api) -> Expected:
    """Read a stream to its end."""
    asked = case.asked()
    _read(case, api, case.stream(api, asked))
    return Expected.of(asked, first_token=True)


def broken(case: Case, api: Api) -> Expected:
    """Break out of a loop."""
    asked = case.asked()
    stream = case.stream(api, asked)
    _read_enough(case, api, stream)
    return case.stopped(api, asked, success=True)


def resumed(case: Case, api: Api) -> Expected:
    """Break out of a loop, and read on in another: what was told at the break is not told again."""
    asked = case.asked()
    stream = case.stream(api, asked)
    _read_enough(case, api, stream)
    list(stream)
    tokens = asked.first_usage if api.tells_at_once else asked.usage
    return Expected(True, tokens, first_token=True, tools=asked.tools)


def closed(case: Case, api: Api) -> Expected:
    """Close a stream halfway."""
    asked = case.asked()
    stream = case.stream(api, asked)
    _take_enough(case, api, stream)
    stream.close()
    return case.stopped(api, asked, success=True)


def dropped(case: Case, api: Api) -> Expected:
    """Drop a stream halfway."""
    asked = case.asked()
    stream = case.stream(api, asked)
    response = getattr(stream, "response", None)
    chunks = _take_enough(case, api, stream)
    del stream, chunks
    _disconnect(response)
    return case.stopped(api, asked, success=True)


def unread(case: Case, api: Api) -> Expected:
    """Ask for a stream, and close or drop it unread."""
    stream = case.stream(api, case.asked())
    response = getattr(stream, "response", None)
    if case.n % 2:
        stream.close()
    del stream
    _disconnect(response)
    return NOTHING if api.lazy else Expected(success=True)


def _disconnect(response: Any) -> None:
    """Close the response of a stream that is gone, or openai keeps the connection; past what sees a closing."""
    if response is not None:
        type(response).close(response)


def failed_oneself(case: Case, api: Api) -> Expected:
    """Leave `with stream:` by an exception of the application's."""
    asked = case.asked()
    with suppress(ConsumerFailed), case.stream(api, asked) as stream:
        _take_enough(case, api, stream)
        raise ConsumerFailed
    return case.stopped(api, asked, success=True)


def refused(case: Case, api: Api) -> Expected:
    """Get an error instead of an answer."""
    ask = case.random.choice((case.ask, lambda *asked: list(case.stream(*asked))))
    fails(ask, api, case.asked(REFUSE))
    return Expected(success=False)


def cut(case: Case, api: Api, what: str = CUT, *, hasty: bool = False) -> Expected:
    """Lose the connection in a stream."""
    asked = case.asked(what)
    fails(lambda: _read(case, api, case.stream(api, asked, hasty=hasty)))
    return case.stopped(api, asked, success=False)


def failed(case: Case, api: Api) -> Expected:
    """Be told in a stream that it failed, where some APIs have told the tokens before."""
    asked = case.asked(FAIL)
    if api.name == "responses":  # which raises nothing
        _read(case, api, case.stream(api, asked))
    else:
        fails(lambda: _read(case, api, case.stream(api, asked)))
    if api.tells_before:
        return Expected.of(asked, success=False, first_token=True)
    return case.stopped(api, asked, success=False)


def timed_out(case: Case, api: Api) -> Expected:
    """Wait for an answer for too long."""
    fails(case.ask, api, case.asked(HANG), hasty=True)
    return Expected(success=False)


def stalled(case: Case, api: Api) -> Expected:
    """Wait for the next chunk for too long."""
    return cut(case, api, STALL, hasty=True)


def outlived(case: Case, api: Api) -> Expected:
    """Read a stream when its run is closed: it has no first token, for that was no part of it."""
    asked = case.asked()
    with Run(case) as run:
        since_ns = perf_counter_ns()
        stream = case.stream(api, asked, run)
        case.inside(since_ns)
    list(stream)
    return Expected.of(asked)
