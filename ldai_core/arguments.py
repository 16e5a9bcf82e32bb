"""Checks of what the application hands in: a wrong argument is told at once, with what was expected and what came."""

from __future__ import annotations

import math
from typing import Any, TypeVar

__all__ = ["check_number", "check_text", "check_type"]

T = TypeVar("T")


def check_type(name: str, value: T, kind: Any, expected: str) -> T:
    """Return `value`, or raise the TypeError that says what `name` should have been.

    Any: `kind` is a class, and mypy takes no abstract ones for `type[T]`.
    """
    if isinstance(value, kind):
        return value
    raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")


def check_text(name: str, value: str) -> str:
    """Return a non-empty string, or raise TypeError or ValueError."""
    if type(value) is str and value:
        return value
    if check_type(name, value, str, "a non-empty string"):  # of a class of its own
        return value
    raise ValueError(f"{name}: expected a non-empty string, got {value!r}")


def check_number(name: str, value: Any) -> float:
    """Return a finite number above 0, or raise TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}: expected a number above 0, got {type(value).__name__}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a number above 0, got {value!r}")
    return value
