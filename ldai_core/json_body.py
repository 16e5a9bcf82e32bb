"""JSON objects in the bodies of HTTP responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Whole", "from_json"]

_BEGINNINGS = (b"{", b"\xef", b"\xfe", b"\xff")  # of an object, or of the mark of an encoding


class Whole:
    """A body that is one JSON object, or None if it is anything else, of which nothing is kept."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._is_object: bool | None = None  # not known before the first byte that is no space

    def feed(self, piece: bytes) -> Iterable[Any]:
        """Keep the piece: JSON is complete at its end."""
        if self._is_object is None and piece.strip():
            self._is_object = piece.lstrip().startswith(_BEGINNINGS)
        if self._is_object:
            self._pieces.append(piece)
        return ()

    def finish(self) -> Iterable[Any]:
        """Give the object."""
        return (from_json(b"".join(self._pieces)),)


def from_json(text: str | bytes) -> dict[str, Any] | None:
    """Parse a JSON object; None for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
