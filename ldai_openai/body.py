"""The body of one HTTP response, followed while the application reads it.

Nothing of a class is changed: what is overridden is overridden on this one response, until it is closed.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ldai_core.json_body import from_json
from ldai_core.stream import is_within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator

    from ldai_core.stream import Observer

__all__ = ["Body", "Events", "Parts", "RawBody"]

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Parts(Protocol):
    """Takes the pieces of a body as they come, and gives the JSON objects that are complete with them."""

    def feed(self, piece: bytes) -> Iterable[Any]:
        """Take in one piece."""
        ...

    def finish(self) -> Iterable[Any]:
        """Learn that it was the last one."""
        ...


class Events:
    """A body of server-sent events, whose data are JSON objects; whatever else is sent is passed over.

    What comes after `[DONE]` is not of the stream any more.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._after_cr = self._done = False

    def feed(self, piece: bytes) -> Iterator[Any]:
        """Give the objects of the events that end in this piece; no more than one unfinished event is kept."""
        if not piece or self._done:
            return
        if self._after_cr:  # a line end may be cut in two
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        first, *others = _LINE_END.split(piece)
        self._line.append(first)
        for begun in others:
            item = self._end_line(b"".join(self._line))
            self._line = [begun]
            if item is not None:
                yield item

    def finish(self) -> Iterable[Any]:
        """Give nothing: an event that was not finished is none."""
        return ()

    def _end_line(self, line: bytes) -> Any:
        if line:
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            return None
        data, self._data = b"\n".join(self._data), []
        self._done = self._done or data.startswith(b"[DONE]")
        return None if self._done else from_json(data)


class Body:
    """The body that a stream reads: when its response is closed, the call ends.

    The SDK's `stream()` managers close that alone. What closes it from within its own reading, as the SDK does at the
    end and when it fails, sees for itself how that ends: then `is_read` says yes. The stream is not kept alive by this.
    The response is held, and not by a weak reference: a collection clears those before it lets the SDK's own generators
    close what they hold.
    """

    def __init__(self, response: Any, call: Observer, is_read: Callable[[], bool]) -> None:
        self._call = call
        self._is_read = is_read
        self._response = response
        attributes, overrides = vars(response), self._overrides()
        # What another of ours has overridden before.
        self._overridden = {name: attributes[name] for name in overrides if name in attributes}
        attributes.update(overrides)

    def _overrides(self) -> dict[str, Callable[..., Any]]:
        return {"close": self._close, "aclose": self._aclose}

    def _own(self, name: str) -> Callable[..., Any]:
        """Find what would be called without us."""
        return self._overridden.get(name) or partial(getattr(type(self._response), name), self._response)

    def _close(self) -> None:
        self._closing("close")
        self._own("close")()

    async def _aclose(self) -> None:
        self._closing("aclose")
        await self._own("aclose")()

    def _closing(self, name: str) -> None:
        # Before the body is closed, which fails whoever is waiting in another thread for its next piece.
        if not hasattr(self._response.stream, name):  # a close of the wrong kind, which is refused
            return
        if is_within(self, _READING):  # there may be pieces left to hand on, and another close then ends that
            return
        self._restore()
        if not self._is_read():
            self._call.end()

    def _restore(self) -> None:
        attributes = vars(self._response)
        for name in self._overrides():
            attributes.pop(name, None)
        attributes.update(self._overridden)


class RawBody(Body):
    """The body of a raw response, read along with the application, which gets its bytes untouched.

    `parts` finds the objects in it, and `take` is given each of them.
    """

    def __init__(
        self, response: Any, call: Observer, is_read: Callable[[], bool], parts: Parts, take: Callable[[Any], None]
    ) -> None:
        self._parts = parts
        self._take = take
        self._is_encoded = "content-encoding" in response.headers
        super().__init__(response, call, is_read)

    def _overrides(self) -> dict[str, Callable[..., Any]]:
        return {
            **super()._overrides(),
            **{name: partial(self._pieces, name) for name in ("iter_bytes", "iter_raw")},
            **{name: partial(self._apieces, name) for name in ("aiter_bytes", "aiter_raw")},
        }

    def __del__(self) -> None:
        self._call.abandon()

    def _pieces(self, name: str, *args: Any, **kwargs: Any) -> Iterator[bytes]:
        pieces = self._own(name)(*args, **kwargs)
        if self._is_read() or is_within(self, _READING):  # which sees them, too
            yield from pieces
            return
        try:
            while (piece := self._next(pieces)) is not None:
                self._feed(name, piece)
                yield piece
        except BaseException as error:
            self._end(error)
            raise
        self._finish(name)

    def _next(self, pieces: Iterator[bytes]) -> bytes | None:
        return next(pieces, None)

    async def _apieces(self, name: str, *args: Any, **kwargs: Any) -> AsyncIterator[bytes]:
        pieces = self._own(name)(*args, **kwargs)
        if self._is_read() or is_within(self, _READING):
            async for piece in pieces:
                yield piece
            return
        try:
            while (piece := await self._anext(pieces)) is not None:
                self._feed(name, piece)
                yield piece
        except BaseException as error:
            self._end(error)
            raise
        self._finish(name)

    async def _anext(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        return await anext(pieces, None)

    def _feed(self, name: str, piece: bytes) -> None:
        if self._is_plain(name):
            for item in self._parts.feed(piece):
                self._take(item)

    def _finish(self, name: str) -> None:
        if self._is_plain(name):
            for item in self._parts.finish():
                self._take(item)
        self._end()

    def _is_plain(self, name: str) -> bool:
        """Say whether these bytes are those that were meant, and not those on the wire, compressed."""
        return name.endswith("bytes") or not self._is_encoded

    def _end(self, error: BaseException | None = None) -> None:
        self._restore()
        self._call.end(error)


_READING = frozenset(vars(RawBody)[name].__code__ for name in ("_next", "_anext"))
