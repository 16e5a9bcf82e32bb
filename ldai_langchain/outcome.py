"""Which exceptions are failures."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from inspect import CO_ASYNC_GENERATOR

__all__ = ["failure_of"]


def failure_of(error: BaseException | None) -> BaseException | None:
    """Return what stands for an error that is a failure; None if it is none.

    It is none if the consumer has left, and if it is how LangGraph interrupts a graph, or tells a parent graph what to
    do. The error itself is not kept: its traceback holds the frames of the call, and all that is in them.
    Source: https://reference.langchain.com/python/langgraph/errors/
    """
    bubbling = getattr(sys.modules.get("langgraph.errors"), "GraphBubbleUp", None)
    if error is None or isinstance(error, GeneratorExit) or _was_left(error):
        return None
    return None if isinstance(bubbling, type) and isinstance(error, bubbling) else Exception()


def _was_left(error: BaseException) -> bool:
    """Say whether a stream was cancelled while it waited for its consumer, and not for what it streams.

    The consumer has left it then, and the event loop comes to its end: `asyncio.run` cancels what still closes itself.
    Where a stream waits for a model, or for the next step of a chain, there are more frames below its own.
    """
    at = error.__traceback__
    if not isinstance(error, CancelledError) or at is None or at.tb_next is not None:
        return False
    return bool(at.tb_frame.f_code.co_flags & CO_ASYNC_GENERATOR)
