"""Which exceptions are failures."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from inspect import CO_ASYNC_GENERATOR
from opcode import opmap

__all__ = ["failure_of", "was_left"]


def failure_of(error: BaseException | None) -> BaseException | None:
    """Return what stands for an error that is a failure; None if it is none.

    It is none if the consumer has left, and if it is how LangGraph interrupts a graph, or tells a parent graph what to
    do. The error itself is not kept: its traceback holds the frames of the call, and all that is in them.
    Source: https://reference.langchain.com/python/langgraph/errors/
    """
    if error is None:
        return None
    bubbling = getattr(sys.modules.get("langgraph.errors"), "GraphBubbleUp", None)
    left = isinstance(error, GeneratorExit) or (isinstance(bubbling, type) and isinstance(error, bubbling))
    return None if left else Exception()


def was_left(error: BaseException) -> bool:
    """Say whether a stream was cancelled while it waited for its consumer, and not for what it streams.

    The consumer has left it then, and the event loop comes to its end: `asyncio.run` cancels what still closes itself.
    A stream that is an async generator stands at a `yield` then, and otherwise at an `await`.
    """
    at = error.__traceback__
    if not isinstance(error, CancelledError) or at is None or at.tb_next is not None:
        return False
    code = at.tb_frame.f_code
    return bool(code.co_flags & CO_ASYNC_GENERATOR) and _is_yield(code.co_code, at.tb_lasti)


def _is_yield(code: bytes, at: int) -> bool:
    """Say whether the instruction there gives the control away by a `yield`, and not by an `await`.

    Since Python 3.11 the next one says so, before that it does itself.
    Source: https://docs.python.org/3/library/dis.html#opcode-RESUME
    """
    if "RESUME" not in opmap:  # pragma: no cover  # Python 3.10
        return code[at] == opmap["YIELD_VALUE"]
    resumes = next((place for place in (at, at + 2) if code[place] == opmap["RESUME"]), None)
    return resumes is not None and code[resumes + 1] & 3 == 1
