"""Which exceptions are failures."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from inspect import CO_ASYNC_GENERATOR

__all__ = ["failure_of", "was_left"]


def failure_of(error: BaseException | None) -> BaseException | None:
    """Return what stands for an error that is a failure; None if it is none.

    It is none if the consumer has left, and if it is how LangGraph interrupts a graph, or tells a parent graph what to
    do. The error itself is not kept: its traceback holds the frames of the call, and all that is in them.
    Source: https://reference.langchain.com/python/langgraph/errors/
    """
    bubbling = getattr(sys.modules.get("langgraph.errors"), "GraphBubbleUp", None)
    left = isinstance(error, GeneratorExit) or (isinstance(bubbling, type) and isinstance(error, bubbling))
    return None if error is None or left else Exception()


def was_left(error: BaseException, *, of_chain: bool = False) -> bool:
    """Say whether a stream was cancelled while it waited for its consumer, and not for what it streams.

    The consumer has left it then, and the event loop comes to its end: `asyncio.run` cancels what still closes itself.
    Where a stream waits for a model, or for the next step of a chain, there are more frames below its own; but for
    chains before Python 3.11, where LangChain can give its tasks no context, and makes none for a step.
    """
    if of_chain and sys.version_info < (3, 11):
        return False
    at = error.__traceback__
    if not isinstance(error, CancelledError) or at is None or at.tb_next is not None:
        return False
    return bool(at.tb_frame.f_code.co_flags & CO_ASYNC_GENERATOR)
