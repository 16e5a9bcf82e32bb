"""Which exceptions are failures."""

from __future__ import annotations

import sys

__all__ = ["failure_of"]


def failure_of(error: BaseException | None) -> BaseException | None:
    """Return the error, unless it is how LangGraph interrupts a graph, or tells a parent graph what to do.

    Source: https://reference.langchain.com/python/langgraph/errors/
    """
    bubbling = getattr(sys.modules.get("langgraph.errors"), "GraphBubbleUp", None)
    return None if isinstance(bubbling, type) and isinstance(error, bubbling) else error
