"""Mutations that keep the form, so that what is fuzzed is the reading and not the parsing: JSON, SSE, event streams."""

from __future__ import annotations

import json
import struct
from copy import deepcopy
from types import CodeType
from typing import TYPE_CHECKING, Any
from zlib import crc32

from botocore.eventstream import EventStreamBuffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from random import Random
    from types import ModuleType

__all__ = ["mutate_events", "mutate_frames", "mutate_json", "mutate_text", "words_of"]

# Numbers at the edges, what JSON does not have but Python reads, and texts that are none in UTF-8.
_LEAVES: list[Any] = [None, True, False, 0, 1, -1, 7, 2**53 - 1, 2**53, -(2**63), 10**30, 0.0, -0.0, 1.0, 1.5, 1e300]
_LEAVES += [float("nan"), float("inf"), "", "0", "7", "-1", "\ud800", "é🙂", "\x00", "error", [], {}, [None], [[]]]
_LONGEST = 500  # of what is repeated
_DEEPEST = 700  # within what json.loads takes, and beyond what a reader that calls itself may take


def words_of(*modules: ModuleType) -> list[str]:
    """Find the texts that the code of modules looks for: names of fields, and what may stand in them."""
    found: set[str] = set()
    for module in modules:
        for value in (value for name, value in vars(module).items() if not name.startswith("__")):
            code = getattr(value, "__code__", None)
            found.update(_texts(code.co_consts if isinstance(code, CodeType) else value))
    return sorted(word for word in found if word and len(word) <= 40 and " " not in word)


def mutate_json(text: bytes, random: Random, words: list[str]) -> bytes:
    """Change one to three places of a document; what cannot be read is begun anew."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {}
    try:
        for _ in range(random.choice((1, 1, 2, 3))):
            value = _mutated(value, random, words)
        return json.dumps(value).encode()
    except (ValueError, RecursionError):  # it has become too deep
        return text


def mutate_text(text: bytes, random: Random, words: list[str]) -> bytes:
    """Leave a piece out, put it in twice, or put a word in its place."""
    begin, end = sorted((random.randrange(len(text) + 1), random.randrange(len(text) + 1)))
    end = min(end, begin + random.choice((1, 2, 40)))
    new = random.choice((b"", 2 * text[begin:end], random.choice(words).encode("utf-8", "replace")))
    return text[:begin] + new + text[end:]


def mutate_events(text: bytes, random: Random, words: list[str]) -> bytes:
    """Change the events of a stream of server-sent events: one is left out, doubled, moved, or has its data changed."""
    events = text.split(b"\n\n")
    at = random.randrange(len(events))
    how = random.randrange(6)
    if how == 0:
        del events[at]
    elif how == 1:
        events.insert(random.randrange(len(events) + 1), events[at])
    elif how == 2:
        events[at] = events[at].replace(b"data: ", random.choice((b"data:", b"", b"event: ", b"data: \ndata: ")), 1)
    else:
        head, mark, data = events[at].rpartition(b"data: ")
        events[at] = head + (mark or b"data: ") + mutate_json(data, random, words)
    return b"\n\n".join(events)


def mutate_frames(data: bytes, random: Random, words: list[str]) -> bytes:
    """Change the frames of an event stream, with checksums that are right: likewise, or a header is changed."""
    frames = list(_frames(data))
    if not frames:
        return data
    at = random.randrange(len(frames))
    headers, payload = frames[at]
    how = random.randrange(7)
    if how == 0:
        del frames[at]
    elif how == 1:
        frames.insert(random.randrange(len(frames) + 1), frames[at])
    elif how == 2 and headers:
        name = random.choice(sorted(headers))
        kinds = ["event", "exception", "error", *words]
        frames[at] = ({**headers, name: random.choice(kinds)}, payload)
    elif how == 3 and headers:
        frames[at] = ({name: value for name, value in headers.items() if random.random() < 0.7}, payload)
    else:
        frames[at] = (headers, mutate_json(payload, random, words))
    return b"".join(_frame(*each) for each in frames)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, CodeType):
        yield from _texts(value.co_consts)
    elif isinstance(value, (tuple, list, set, frozenset, dict)):
        for each in value:
            yield from _texts(each)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Go through the places in a document, each a container and a key or an index, without calling itself."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        keys: Iterable[Any] = container if isinstance(container, dict) else range(len(container))
        for key in keys:
            yield container, key
            if isinstance(container[key], (dict, list)):
                waiting.append(container[key])


def _mutated(value: Any, random: Random, words: list[str]) -> Any:
    places = list(_places([value]))
    root, _ = places[0]
    container, key = random.choice(places)
    random.choice(_CHANGES)(container, key, random, words, places)
    return root[0] if root else None


def _put_leaf(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    container[key] = deepcopy(random.choice(_LEAVES)) if random.random() < 0.6 else random.choice(words)


def _put_other(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    other, at = random.choice(places)
    container[key] = json.loads(json.dumps(other[at]))


def _leave_out(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    if container is not places[0][0]:
        del container[key]


def _add(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    inner = container[key]
    new = deepcopy(random.choice([*_LEAVES, random.choice(words)]))
    if isinstance(inner, dict):
        inner[random.choice(words)] = new
    elif isinstance(inner, list):
        inner.insert(random.randrange(len(inner) + 1), new)


def _rename(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    if isinstance(container, dict):
        container[random.choice(words)] = container.pop(key)


def _wrap(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    name = random.choice(words)
    deep = random.choice((1, 1, 1, 2, 40, _DEEPEST))
    in_list = random.random() < 0.5
    for _ in range(deep):
        container[key] = [container[key]] if in_list else {name: container[key]}


def _repeat(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    inner = container[key]
    if isinstance(inner, (list, str)) and len(json.dumps(inner)) < _LONGEST:
        container[key] = inner * random.choice((2, 3, 20))


def _splice(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    """Put a word into a text, or cut a piece out of it."""
    inner = container[key]
    if isinstance(inner, str):
        begin, end = sorted((random.randrange(len(inner) + 1), random.randrange(len(inner) + 1)))
        container[key] = inner[:begin] + random.choice(words) + inner[begin if random.random() < 0.7 else end :]


def _count(container: Any, key: Any, random: Random, words: list[str], places: Any) -> None:
    if isinstance(container[key], (int, float)):
        container[key] = random.choice((-1, 1)) * random.getrandbits(random.choice((1, 4, 31, 53, 64, 200)))


_CHANGES: list[Callable[[Any, Any, Random, list[str], Any], None]]
_CHANGES = [_put_leaf, _put_leaf, _put_other, _leave_out, _add, _add, _rename, _wrap, _repeat, _splice, _splice, _count]


def _frames(data: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Take valid frames apart, up to the first that is not."""
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    try:
        for message in buffer:
            yield message.headers, message.payload
    except Exception:  # noqa: BLE001  # botocore's parser raises whatever it likes for what is no frame
        return


def _frame(headers: dict[str, Any], payload: bytes) -> bytes:
    """Put a frame together, all of its headers being texts."""
    head = b""
    for name, value in headers.items():
        text = str(value).encode("utf-8", "replace")
        head += struct.pack(">B", len(name.encode())) + name.encode() + struct.pack(">BH", 7, len(text)) + text
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return message + struct.pack(">I", crc32(message))
