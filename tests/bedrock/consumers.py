"""Every way in which an application may consume what an operation returned, of boto3 and of aiobotocore alike."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.bedrock.expected import PIECES, value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["BODY", "EVENTS", "SYNC_BODY", "Notes", "raised", "written"]

END = object()
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class Notes:
    """Notes all that comes, and what is raised, to go on after it."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    async def do(self, func: Callable[..., Any], *args: Any) -> Any:
        """Call it, and note what comes of it."""
        try:
            result = await value(func(*args))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
            result = raised(error)
        self.items.append(written(result))
        return result

    async def until(self, end: object, func: Callable[..., Any], *args: Any) -> None:
        """Call it again and again, until this comes, or an error."""
        while (result := await self.do(func, *args)) != end and not isinstance(result, tuple):
            pass

    async def loop(self, pieces: Any, most: int | None = None) -> None:
        """Go through it by a loop of the right kind, which is broken off after so many."""
        try:
            if hasattr(pieces, "__aiter__"):
                async for piece in pieces:
                    self.items.append(piece)
                    if most is not None and (most := most - 1) == 0:
                        break
            else:
                for piece in pieces:
                    self.items.append(piece)
                    if most is not None and (most := most - 1) == 0:
                        break
        except Exception as error:  # noqa: BLE001  # likewise
            self.items.append(raised(error))


def raised(error: Exception) -> tuple[Any, ...]:
    """Write out what was raised, and what that came from."""
    text = ADDRESS.sub("", str(error))
    about = [written(getattr(error, name, None)) for name in ("response", "operation_name")]
    return "raised", type(error), text, type(error.__cause__), type(error.__context__), about


def written(received: Any) -> Any:
    """Write out what came, without what is of the moment, and without what comes in pieces."""
    if isinstance(received, dict):
        received = {name: each for name, each in received.items() if name not in PIECES.values()}
        received = [(name, deepcopy(each)) for name, each in received.items()]  # their order is the same too
        for name, each in received:
            if name == "ResponseMetadata":
                each.get("HTTPHeaders", {}).pop("date", None)
    elif hasattr(received, "to_response_dict"):  # a message of botocore's
        return received.to_response_dict()
    return received


def begun(pieces: Any) -> Any:
    """Begin a loop by hand."""
    return aiter(pieces) if hasattr(pieces, "__aiter__") else iter(pieces)


def step(iterator: Any) -> Any:
    """Take one step of it."""
    return anext(iterator, "the end") if hasattr(iterator, "__anext__") else next(iterator, "the end")


def closing(iterator: Any) -> Any:
    """Close a generator."""
    return iterator.aclose() if hasattr(iterator, "aclose") else iterator.close()


async def _loop(stream: Any, notes: Notes) -> None:
    await notes.loop(stream)


async def _loop_again(stream: Any, notes: Notes) -> None:
    for _ in range(4):  # on, after what was raised
        await notes.loop(stream)


async def _resumed(stream: Any, notes: Notes) -> None:
    for _ in range(3):
        await notes.loop(stream, 1)
    await notes.loop(stream)


async def _closed_at_the_end(stream: Any, notes: Notes) -> None:
    await notes.loop(stream)
    await notes.do(stream.close)
    await notes.do(stream.close)
    await notes.loop(stream)


async def _closed_early(stream: Any, notes: Notes) -> None:
    await notes.loop(stream, 2)
    await notes.do(stream.close)
    await notes.do(stream.close)


async def _closed_unread(stream: Any, notes: Notes) -> None:
    await notes.do(stream.close)
    await notes.do(stream.close)


async def _unread(stream: Any, notes: Notes) -> None:
    pass


async def _broken(stream: Any, notes: Notes) -> None:
    await notes.loop(stream, 2)


async def _by_hand(stream: Any, notes: Notes) -> None:
    await notes.until("the end", step, begun(stream))


async def _by_hand_in_part(stream: Any, notes: Notes) -> None:
    iterator = begun(stream)
    await notes.do(step, iterator)
    await notes.do(closing, iterator)
    await notes.do(step, iterator)
    await notes.loop(stream)


async def _two_at_once(stream: Any, notes: Notes) -> None:
    one, other = begun(stream), begun(stream)
    for iterator in (one, other, one):
        await notes.do(step, iterator)
    await notes.loop(other)
    await notes.loop(one)


async def _initial_response(stream: Any, notes: Notes) -> None:
    await notes.do(stream.get_initial_response)
    await notes.loop(stream)
    await notes.do(stream.get_initial_response)


Consumer = Any  # takes what comes in pieces, and Notes
EVENTS: dict[str, Consumer] = {
    "loop": _loop,
    "loop again": _loop_again,
    "resumed": _resumed,
    "closed at the end": _closed_at_the_end,
    "closed early": _closed_early,
    "closed unread": _closed_unread,
    "unread": _unread,
    "broken": _broken,
    "by hand": _by_hand,
    "by hand, in part": _by_hand_in_part,
    "two at once": _two_at_once,
    "initial response": _initial_response,
}


def _calling(name: str, *args: Any) -> Consumer:
    async def consume(body: Any, notes: Notes) -> None:
        await notes.do(getattr(body, name), *args)
        await notes.do(getattr(body, name), *args)

    return consume


def _calling_until(end: object, name: str, *args: Any) -> Consumer:
    async def consume(body: Any, notes: Notes) -> None:
        await notes.until(end, getattr(body, name), *args)

    return consume


def _looping(name: str, *args: Any) -> Consumer:
    async def consume(body: Any, notes: Notes) -> None:
        await notes.loop(getattr(body, name)(*args))

    return consume


async def _read_into(body: Any, notes: Notes) -> None:
    buffer = bytearray(70)

    async def read() -> bytes:
        size = await value(body.readinto(buffer))
        return bytes(buffer[:size])

    await notes.until(b"", read)


async def _within(body: Any, notes: Notes) -> None:
    async with AsyncExitStack() as stack:
        is_async = hasattr(type(body), "__aenter__")
        raw = await stack.enter_async_context(body) if is_async else stack.enter_context(body)
        await notes.do(raw.read)
    await notes.do(body.read)


async def _next(body: Any, notes: Notes) -> None:
    step: Callable[[], Awaitable[bytes] | bytes]
    step = body.__anext__ if hasattr(type(body), "__anext__") else partial(next, body)
    await notes.until(None, step)


async def _body_closed_early(body: Any, notes: Notes) -> None:
    await notes.do(body.read, 10)
    await notes.do(body.close)
    await notes.do(body.close)


async def _read_in_part(body: Any, notes: Notes) -> None:
    await notes.do(body.read, 10)


BODY: dict[str, Consumer] = {
    "read": _calling("read"),
    "read n": _calling_until(b"", "read", 70),
    "read more": _calling_until(b"", "read", 1 << 20),
    "iter_lines": _looping("iter_lines"),
    "iter_lines n": _looping("iter_lines", 7),
    "iter_chunks": _looping("iter_chunks"),
    "iter_chunks n": _looping("iter_chunks", 70),
    "loop": _loop,
    "loop again": _loop_again,
    "broken": _broken,
    "next": _next,
    "with": _within,
    "closed early": _body_closed_early,
    "closed unread": _closed_unread,
    "unread": _unread,
    "read in part": _read_in_part,
}
# What aiobotocore has not, or not in all of its releases.
SYNC_BODY: dict[str, Consumer] = {
    **BODY,
    "readinto": _read_into,
    "readline": _calling_until(b"", "readline"),
    "readlines": _calling("readlines"),
}
