"""Which exceptions are failures."""

from __future__ import annotations

import sys

__all__ = ["failure_of"]


def failure_of(error: BaseException | None) -> BaseException | None:
    """Return what stands for an error that is a failure; None if it is none.

    It is none if the consumer has left, and if it is how LangGraph interrupts a graph, or tells a parent graph what to
    do. The error itself is not kept: its traceback holds the frames of the call, and all that is in them.
    Source: https://reference.langchain.com/python/langgraph/errors/
    """
    bubbling = getattr(sys.modules.get("langgraph.errors"), "GraphBubbleUp", None)
    left = isinstance(error, GeneratorExit) or (isinstance(bubbling, type) and isinstance(error, bubbling))
    return None if error is None or left else Exception()
