"""Mustache for prompts: compiled once, no HTML escaping, no partials, data only.

A template comes from a flag, so its author is trusted with the prompt and with nothing else: look-ups go
through mappings and indices of sequences, never through attributes or calls, and a template that would take too long is
refused. Source: https://mustache.github.io/mustache.5.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from threading import RLock
from typing import TYPE_CHECKING, Any

import mstache

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Allowance", "TemplateError", "render"]

LARGEST = 256 * 1024  # bytes of a template, before it is tokenized
DEEPEST = 32  # nested sections: the engine keeps the text of each, the inner ones within the outer
BUDGET = 250_000  # look-ups, and loop iterations weighted by the tags of the template
LONGEST = 16 * 1024 * 1024  # bytes of all messages rendered with one allowance

_KEPT = 256 * 1024  # characters of all templates that are kept compiled, which take up to 140 bytes each
_DATA = (type(None), bool, int, float, str, list, tuple, Mapping)
_INDEX_DIGITS = 9
_KINDS = {b"!", b"#", b"&", b"/", b"=", b">", b"^", b"{"}
_MISSING = object()
_TAGS_A_UNIT = 16  # of the budget
_CHARACTERS_A_UNIT = 64  # of a text that an object of the application's is asked for
# A variable, as most templates have them and nothing else.
_VARIABLE = re.compile(r"(?<!\{)\{\{ *([\w-]+(?:\.[\w-]+)*) *\}\}")


class TemplateError(Exception):
    """A template that is refused: too large, nested too deep, or too expensive."""


class Allowance:
    """How much the messages of one config may take together, and how much of it is left."""

    __slots__ = ("_length", "_lookups")

    def __init__(self) -> None:
        self._lookups = BUDGET
        self._length = LONGEST

    def spend(self, cost: int) -> None:
        """Spend look-ups."""
        self._lookups -= cost
        if self._lookups < 0:
            raise TemplateError("takes too many look-ups")

    def write(self, piece: bytes | str) -> None:
        """Spend the length of a piece that is written."""
        self._length -= len(piece)
        if self._length < 0:
            raise TemplateError(f"renders to more than {LONGEST} bytes")


def render(template: str, variables: Mapping[str, Any], allowance: Allowance | None = None) -> str:
    """Render `template` with `variables`, within what is left of `allowance`.

    Raises TemplateError for what is refused, a SyntaxError for what is no Mustache, and whatever the `str` of a value
    raises: callers keep the template as it is then.
    """
    if "{{" not in template:
        return template
    allowance = allowance or Allowance()
    compiled = _compiled(template)
    if compiled.pieces is not None:
        return _fill(compiled.pieces, variables, allowance)
    rendered: list[bytes] = []
    for piece in mstache.stream(
        compiled.source,
        variables,
        getter=_Lookup(allowance, weight=1 + compiled.tags // _TAGS_A_UNIT),
        stringify=_write,
        escape=_as_it_is,
        lambda_render=None,
        cache=compiled.tokens,
    ):
        allowance.write(piece)
        rendered.append(piece)
    return b"".join(rendered).decode("utf-8", "surrogatepass")


class _Compiled:
    """A template that has been looked at, and is kept as long as there is room."""

    __slots__ = ("pieces", "source", "tags", "tokens")

    def __init__(self, template: str) -> None:
        self.source, self.tags = _checked(template)
        pieces = _VARIABLE.split(template)
        # Of variables alone, as most are, it is texts and names by turns, and needs no engine, which takes eight times
        # as long.
        self.pieces = None if any("{{" in text for text in pieces[::2]) else pieces
        self.tokens: Any = {}  # the engine's. Any: a dict does not fit its protocol


_kept: dict[str, _Compiled] = {}
_kept_lock = RLock()  # reentrant, for a collection inside it may run a finaliser that renders


def _compiled(template: str) -> _Compiled:
    """Compile a template once, as long as all that are kept fit; those that came first go first."""
    compiled = _kept.get(template)
    if compiled is None:
        compiled = _Compiled(template)
        with _kept_lock:
            _kept[template] = compiled
            while sum(map(len, _kept)) > _KEPT:
                del _kept[next(iter(_kept))]
    return compiled


def _fill(pieces: list[str], variables: Mapping[str, Any], allowance: Allowance) -> str:
    look_up = _Lookup(allowance, weight=1)
    rendered = pieces.copy()
    for place in range(1, len(pieces), 2):
        rendered[place] = _text(look_up(variables, (), pieces[place]))
        allowance.write(rendered[place])
    return "".join(rendered)


def _checked(template: str) -> tuple[bytes, int]:
    """Refuse what is too large or nests too deep, and count the tags.

    Bytes, because UTF-8 has no lone surrogates and JSON has.
    """
    source = template.encode("utf-8", "surrogatepass")
    if len(source) > LARGEST:
        raise TemplateError(f"larger than {LARGEST} bytes")
    deepest, tags = _depth(source)
    if deepest > DEEPEST:
        raise TemplateError(f"sections nested deeper than {DEEPEST}")
    return source, tags


def _depth(source: bytes) -> tuple[int, int]:
    """Tell how deep sections nest, and how many tags there are, delimiters that change included, as the engine does."""
    opening, closing = b"{{", b"}}"
    depth = deepest = at = tags = 0
    while (tag := source.find(opening, at)) >= 0:
        start = tag + len(opening)
        kind = source[start : start + 1]
        end_mark = {b"{": b"}" + closing, b"=": b"=" + closing}.get(kind, closing)
        end = source.find(end_mark, start + (kind in _KINDS))
        if end < 0:
            break  # the engine says so, with the place
        at = end + len(end_mark)
        tags += 1
        if kind in {b"#", b"^"}:
            depth += 1
            deepest = max(deepest, depth)
        elif kind == b"/":
            depth -= 1
        elif kind == b"=":
            opening, closing = [*filter(None, source[start + 1 : end].split(b" ")), opening, closing][:2]
            if len((opening + closing).split()) > 1 or (opening + closing).strip() != opening + closing:
                raise TemplateError("delimiters with white space in them")  # of which ends of lines take some along
    return deepest, tags


class _Lookup:
    """Finds names in the scopes of one rendering, within an allowance: the engine asks it for every tag."""

    def __init__(self, allowance: Allowance, weight: int) -> None:
        self._spend = allowance.spend
        self._weight = weight

    def __call__(self, scope: Any, scopes: Sequence[Any], name: str | bytes, default: Any = None) -> Any:
        # Any: a scope is whatever the variables hold.
        self._spend(1 + len(name) // 32)
        name = name if isinstance(name, str) else name.decode("utf-8", "surrogatepass")
        found = scope if name == "." else _find(scope, scopes, name)
        if found is _MISSING:
            return default
        if isinstance(found, (list, tuple)):
            self._spend(len(found) * self._weight)
            return [self._data(item) for item in found]
        return self._data(found)

    def _data(self, value: Any) -> Any:
        """Turn a value into data: nothing that the engine would call, or loop over unless it is a list."""
        if type(value) is str:
            return value
        if callable(value):
            return None
        if isinstance(value, _DATA):
            return value
        text = str(value)
        self._spend(len(text) // _CHARACTERS_A_UNIT)
        return text


def _find(scope: Any, scopes: Sequence[Any], name: str) -> Any:
    first, dot, rest = name.partition(".")
    found = _step(scope, first)
    outward = iter(reversed(scopes))
    while found is _MISSING and (candidate := next(outward, _MISSING)) is not _MISSING:
        found = _step(candidate, first)
    for part in rest.split(".") if dot else ():
        found = _step(found, part)
    return found


def _step(value: Any, name: str) -> Any:
    if isinstance(value, (dict, Mapping)):  # most are dicts, which are told sooner
        return value.get(name, _MISSING)
    if isinstance(value, (list, tuple)) and name.isascii() and name.isdigit() and len(name) <= _INDEX_DIGITS:
        index = int(name)
        return value[index] if str(index) == name and index < len(value) else _MISSING
    return _MISSING


def _write(value: Any, _is_text: bool) -> bytes:  # noqa: FBT001  # the engine's signature
    return _text(value).encode("utf-8", "surrogatepass")


def _text(value: Any) -> str:
    """Write a value into the prompt: text as it is, anything else as JSON writes it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=_write_other)


def _write_other(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return None if callable(value) else str(value)


def _as_it_is(text: bytes) -> bytes:
    """Prompts are not HTML."""
    return text
