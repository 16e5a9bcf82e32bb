"""JSON objects in the bodies of HTTP responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Whole", "from_json"]

_BEGINNINGS = (b"{", b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")  # of an object, or the mark of an encoding


class Whole:
    """A body that is one JSON object, or None if it is anything else, of which nothing is kept."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._beginning = b""  # as long as it does not tell
        self._is_object: bool | None = None

    def feed(self, piece: bytes) -> Iterable[Any]:
        """Keep the piece: JSON is complete at its end."""
        if self._is_object is None:
            piece = self._beginning = (self._beginning + piece).lstrip()
            if piece.startswith(_BEGINNINGS):
                self._is_object = True
            elif not any(each.startswith(piece) for each in _BEGINNINGS):
                self._is_object = False
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
