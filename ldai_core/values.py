"""The values that may leave.

One value that JSON cannot carry makes the base SDK drop a whole batch of events, silently; so numbers are
brought into the one form that every receiver reads, or they stay here.
"""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real

__all__ = ["LARGEST", "shown", "whole_count", "whole_ms"]

# The largest integer that every JSON reader carries exactly: https://www.rfc-editor.org/rfc/rfc8259#section-6
LARGEST = 2**53 - 1


def whole_ms(value: object) -> int | None:
    """Round a finite number of milliseconds >= 0 down to whole ones; None for anything else."""
    if type(value) is int:
        return value if 0 <= value <= LARGEST else None
    number = _plain(value)
    return None if number is None else math.floor(number)


def whole_count(value: object) -> int | None:
    """Take a whole number >= 0, of whatever numeric type; None for anything else."""
    if type(value) is int:
        return value if 0 <= value <= LARGEST else None
    number = _plain(value)
    return None if number is None or number != math.floor(number) else math.floor(number)


def shown(value: object) -> str:
    """Show an ordinary number for a log; of anything else the type alone, for it may be a piece of a prompt."""
    ordinary = type(value) in {bool, float} or (type(value) is int and abs(value) <= LARGEST)
    return repr(value) if ordinary else type(value).__name__


def _plain(value: object) -> int | float | Decimal | Fraction | None:
    """Bring a number of whatever class into one of Python's own; None where it is none, or too large."""
    try:
        if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
            return None
        if isinstance(value, Decimal):
            number: int | float | Decimal | Fraction = Decimal(value)
        elif isinstance(value, Integral):
            number = int(value)
        else:
            number = Fraction(value) if isinstance(value, Fraction) else float(value)
        return number if 0 <= number <= LARGEST else None  # noqa: TRY300  # the comparison may raise too
    except Exception:  # noqa: BLE001  # a signalling NaN; and a number class of one's own may do as it likes
        return None
