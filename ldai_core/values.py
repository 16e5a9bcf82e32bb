"""The values that may leave.

One value that JSON cannot carry makes the base SDK drop a whole batch of events, silently; so numbers are
brought into the one form that every receiver reads, or they stay here.
"""

from __future__ import annotations

import math
from decimal import Decimal
from numbers import Real
from typing import cast

__all__ = ["whole_count", "whole_ms"]

# The largest integer that every JSON reader carries exactly: https://www.rfc-editor.org/rfc/rfc8259#section-6
LARGEST = 2**53 - 1


def whole_ms(value: object) -> int | None:
    """Round a finite number of milliseconds >= 0 down to whole ones; None for anything else."""
    if type(value) is int:
        return value if 0 <= value <= LARGEST else None
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        return None
    try:
        number = cast("float", value)
        return math.floor(number) if 0 <= number <= LARGEST else None
    except Exception:  # noqa: BLE001  # a signalling NaN; and a number class of one's own may do as it likes
        return None


def whole_count(value: object) -> int | None:
    """Take a whole number >= 0, of whatever numeric type; None for anything else."""
    count = whole_ms(value)
    return count if count == value else None
