"""Mustache for prompts: compiled once, no HTML escaping, no partials, data only.

A template comes from a flag, so its author is trusted with the prompt and with nothing else: look-ups go
through mappings and indices of sequences, never through attributes or calls, and a template that would take too long is
refused. Source: https://mustache.github.io/mustache.5.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import mstache

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TemplateError", "render"]

LARGEST = 256 * 1024  # bytes of a template, before it is tokenized
DEEPEST = 32  # nested sections: the engine keeps the text of each, the inner ones within the outer
BUDGET = 250_000  # look-ups and loop iterations, weighted by the size of the template
LONGEST = 16 * 1024 * 1024  # bytes of a rendered message

_CACHED = 32 * 1024  # characters of a template worth keeping compiled
_DATA = (type(None), bool, int, float, str, list, tuple, Mapping)
_INDEX_DIGITS = 9
_KINDS = {b"!", b"#", b"&", b"/", b"=", b">", b"^", b"{"}
_MISSING = object()
_CACHE: Any = mstache.LRUCache(256)  # Any: its class does not fit its own protocol


class TemplateError(Exception):
    """A template that is refused: too large, nested too deep, or too expensive."""


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Render `template` with `variables`.

    Raises TemplateError for what is refused, a SyntaxError for what is no Mustache, and whatever the `str` of a value
    raises: callers keep the template as it is then.
    """
    if "{{" not in template:
        return template
    small = len(template) <= _CACHED
    source = _checked_once(template) if small else _checked(template)
    cache: Any = _CACHE if small else {}
    pieces: list[bytes] = []
    size = 0
    for piece in mstache.stream(
        source,
        variables,
        getter=_Lookup(weight=1 + len(source) // 4096),
        stringify=_write,
        escape=_as_it_is,
        lambda_render=None,
        cache=cache,
    ):
        size += len(piece)
        if size > LONGEST:
            raise TemplateError(f"renders to more than {LONGEST} bytes")
        pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "surrogatepass")


def _checked(template: str) -> bytes:
    """Refuse what is too large or nests too deep. Bytes, because UTF-8 has no lone surrogates and JSON has."""
    source = template.encode("utf-8", "surrogatepass")
    if len(source) > LARGEST:
        raise TemplateError(f"larger than {LARGEST} bytes")
    if _depth(source) > DEEPEST:
        raise TemplateError(f"sections nested deeper than {DEEPEST}")
    return source


_checked_once = lru_cache(256)(_checked)


def _depth(source: bytes) -> int:
    """Tell how deep sections nest, reading tags as the engine does, delimiters that change included."""
    opening, closing = b"{{", b"}}"
    depth = deepest = at = 0
    while (tag := source.find(opening, at)) >= 0:
        start = tag + len(opening)
        kind = source[start : start + 1]
        end_mark = {b"{": b"}" + closing, b"=": b"=" + closing}.get(kind, closing)
        end = source.find(end_mark, start + (kind in _KINDS))
        if end < 0:
            break  # the engine says so, with the place
        at = end + len(end_mark)
        if kind in {b"#", b"^"}:
            depth += 1
            deepest = max(deepest, depth)
        elif kind == b"/":
            depth -= 1
        elif kind == b"=":
            opening, closing = [*filter(None, source[start + 1 : end].split(b" ")), opening, closing][:2]
    return deepest


class _Lookup:
    """Finds names in the scopes of one rendering, within a budget: the engine asks it for every tag."""

    def __init__(self, weight: int) -> None:
        self._weight = weight
        self._left = BUDGET

    def __call__(self, scope: Any, scopes: Sequence[Any], name: str | bytes, default: Any = None) -> Any:
        # Any: a scope is whatever the variables hold.
        self._spend(1 + len(name) // 32)
        name = name if isinstance(name, str) else name.decode("utf-8", "surrogatepass")
        found = scope if name == "." else self._find(scope, scopes, name)
        if found is _MISSING:
            return default
        if isinstance(found, (list, tuple)):
            self._spend(len(found) * self._weight)
            return [_data(item) for item in found]
        return _data(found)

    def _find(self, scope: Any, scopes: Sequence[Any], name: str) -> Any:
        first, *rest = name.split(".")
        outward = (_step(candidate, first) for candidate in (scope, *reversed(scopes)))
        found = next((value for value in outward if value is not _MISSING), _MISSING)
        for part in rest:
            found = _step(found, part)
        return found

    def _spend(self, cost: int) -> None:
        self._left -= cost
        if self._left < 0:
            raise TemplateError("takes too many look-ups")


def _step(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(name, _MISSING)
    if isinstance(value, (list, tuple)) and name.isascii() and name.isdigit() and len(name) <= _INDEX_DIGITS:
        index = int(name)
        return value[index] if str(index) == name and index < len(value) else _MISSING
    return _MISSING


def _data(value: Any) -> Any:
    """Turn a value into data: nothing that the engine would call, or loop over unless it is a list."""
    if callable(value):
        return None
    return value if isinstance(value, _DATA) else str(value)


def _write(value: Any, _text: bool) -> bytes:  # noqa: FBT001  # the engine's signature
    """Write a value into the prompt: text as it is, anything else as JSON writes it."""
    if value is None:
        return b""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_write_other)
    return text.encode("utf-8", "surrogatepass")


def _write_other(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return None if callable(value) else str(value)


def _as_it_is(text: bytes) -> bytes:
    """Prompts are not HTML."""
    return text
