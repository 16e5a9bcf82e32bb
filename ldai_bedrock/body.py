"""The body of `invoke_model`, followed while the application reads it.

The application's `StreamingBody` stays what it is: what is put beneath it forwards everything to the bytes it reads.
"""

from __future__ import annotations

from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING, Any

from ldai_bedrock.readings import read_headers, read_invoke_body
from ldai_core.endings import start
from ldai_core.forwarding import Forwarding
from ldai_core.json_body import Whole
from ldai_core.stream import read_whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from ldai_core import Call

__all__ = ["follow_body", "is_body"]

# How bytes are read: of urllib3's responses, of files, and of aiohttp's streams.
_READS = frozenset(
    {
        "read",
        "read1",
        "read_nowait",
        "readany",
        "readchunk",
        "readexactly",
        "readinto",
        "readline",
        "readlines",
        "readuntil",
    }
)
_ITERATES = frozenset({"iter_any", "iter_chunked", "iter_chunks", "iter_lines", "read_chunked", "stream"})
_CLOSES = frozenset({"aclose", "close", "release"})
# Of these, no size is all there is.
_TO_THE_END = frozenset({"read", "readlines"})
# Of these, nothing is not the end.
_MAY_BE_EMPTY = frozenset({"piece", "read_nowait"})
_END = object()
_SIZES = ("amt", "size", "n", "hint")


def follow_body(call: Call, body: Any, headers: Mapping[str, str]) -> Any:
    """Measure a body to its end, and return what stands for it: mostly itself.

    The headers say how much was used, which holds unless a body that is read to its end says otherwise.
    """
    call.read(read_headers, headers)
    # botocore has its raw stream there; aiobotocore too, and before its release 3 beneath a proxy of wrapt's.
    own: Any = getattr(body, "__dict__", {})
    name = "_raw_stream" if "_raw_stream" in own else "__wrapped__" if hasattr(type(body), "__wrapped__") else None
    if name is None or not _reads_beneath(body):
        progress = _Progress(call, None if name else _length(body, headers))
        if callable(getattr(body, "read", None)):
            return _TrackedBytes(body, progress)
        if isinstance(body, (bytes, bytearray, str)):
            progress.feed(body.encode() if isinstance(body, str) else bytes(body))
        progress.finish()
        return body
    progress = _Progress(call, _length(body, headers))
    raw = getattr(body, name)
    if hasattr(type(raw), "aiter_raw"):  # httpx's response, all of which is read from its stream
        raw.stream = _TrackedBytes(raw.stream, progress)
        return body
    if "content" in getattr(raw, "__dict__", {}):  # aiohttp's response, which leaves the reading to this
        raw.content = _TrackedBytes(raw.content, progress)
    setattr(body, name, _TrackedBytes(raw, progress))
    return body


def is_body(value: Any) -> bool:
    """Tell a body, which is there or has a `read`, from a stream of events."""
    return isinstance(value, (bytes, bytearray, str)) or callable(getattr(value, "read", None))


def _reads_beneath(body: Any) -> bool:
    """Say whether reading a body reads what is beneath it, and not what another instrument has read before."""
    reader = next(kind for kind in (*type(body).__mro__, object) if "read" in vars(kind) or kind is object)
    return reader.__module__.startswith(("botocore.", "aiobotocore."))


def _length(body: Any, headers: Mapping[str, str]) -> int | None:
    """Find how long a body is to be; None where nobody says, or where what is read may not be what was sent."""
    if "content-encoding" in headers:
        return None
    announced = getattr(body, "_content_length", headers.get("content-length"))
    text = str(announced)
    return int(text) if text.isascii() and text.isdigit() else None


class _Progress:
    """How far a body was read; whoever reads it keeps this alive."""

    def __init__(self, call: Call, length: int | None) -> None:
        self._call = call
        self._length = length
        self._seen = 0
        self._whole: Whole | None = Whole()
        start()

    def feed(self, piece: bytes) -> None:
        """Take in a piece; the last one is known by the length that was announced."""
        whole = self._whole  # which another thread may take away by closing
        if whole is not None:
            self._seen += len(piece)
            whole.feed(piece)
            if self._seen == self._length:
                self.finish()

    def finish(self, *, arrived: bool = False) -> None:
        """Learn that there is no more: another length than was announced is a failure, unless it has arrived for all.

        What is left of it then, urllib3 has lost between two ways of reading.
        """
        whole = self._whole
        if whole is None:
            return
        if self._length is not None and self._seen != self._length and not arrived:
            self.end(EOFError())
            return
        for item in whole.finish():
            read_whole(self._call, read_invoke_body, item)
        self.end()

    def lose(self, error: Exception) -> None:
        """Give up the tokens, which could not be read."""
        self._call.lose(error)

    def end(self, error: BaseException | None = None) -> None:
        """Learn that it is over: nothing is kept any more."""
        self._whole = None
        self._call.end(error)

    def __del__(self) -> None:
        self._call.abandon()


class _TrackedBytes(Forwarding):
    """What a body is read from: forwards everything, and tells what was read, when it ends, and how it fails."""

    __slots__ = ("_progress",)

    def __init__(self, stream: Any, progress: _Progress) -> None:
        super().__init__(stream)
        self._progress = progress

    def __getattr__(self, name: str) -> Any:
        if name == "data" and hasattr(type(self._stream), name):  # all of a urllib3 response
            return self._reads("read", lambda: super(_TrackedBytes, self).__getattr__(name))()
        value = super().__getattr__(name)
        if name == "json" and hasattr(type(self._stream), "data"):
            return lambda: (self.data, value())[1]  # which reads it behind us
        if name in _READS:
            return self._reads(name, value)
        if name in _ITERATES and callable(value):
            return lambda *args, **kwargs: self._iterates(value(*args, **kwargs))
        if name in _CLOSES:
            return self._closes(value)
        return value

    def __iter__(self) -> Iterator[Any]:
        return self._pieces(iter(self._stream))

    def __next__(self) -> Any:
        line = self._reads("readline", lambda: next(self._stream, b""))()
        if not line:
            raise StopIteration
        return line

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._apieces(aiter(self._stream))

    def __enter__(self) -> Any:
        self._stream.__enter__()
        return self

    def __exit__(self, *exit_: object) -> Any:
        self._progress.end()
        return self._stream.__exit__(*exit_)

    async def __aenter__(self) -> Any:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *exit_: object) -> Any:
        self._progress.end()
        return await self._stream.__aexit__(*exit_)

    def _closes(self, close: Callable[..., Any]) -> Callable[..., Any]:
        def closes(*args: Any, **kwargs: Any) -> Any:
            self._progress.end()  # before it fails who waits for a piece
            return close(*args, **kwargs)

        return closes

    def _reads(self, name: str, read: Callable[..., Any]) -> Callable[..., Any]:
        def reads(*args: Any, **kwargs: Any) -> Any:
            size = args[0] if args else next((kwargs[each] for each in _SIZES if each in kwargs), None)
            if iscoroutinefunction(read):  # called when it is awaited, which may never be
                return self._awaits(name, size, lambda: read(*args, **kwargs))
            try:
                result = read(*args, **kwargs)
            except BaseException as error:
                self._progress.end(error)
                raise
            if isawaitable(result):
                return self._awaits(name, size, lambda: result)
            self._took(name, size, result)
            return result

        return reads

    async def _awaits(self, name: str, size: Any, read: Callable[[], Any]) -> Any:
        try:
            result = await read()
        except BaseException as error:
            self._progress.end(error)
            raise
        self._took(name, size, result)
        return result

    def _took(self, name: str, size: Any, result: Any) -> None:
        """Take in what was read; what we cannot take in costs the tokens, and not the read."""
        try:
            self._take(name, size, result)
        except Exception as error:  # noqa: BLE001  # our own reading is no reason to break the call
            self._progress.lose(error)

    def _take(self, name: str, size: Any, result: Any) -> None:
        """Take in what was read: bytes, lines, a piece and whether a chunk ends with it, or how many of a buffer."""
        piece, is_over = result, name in _TO_THE_END and (not size if name == "readlines" else size is None or size < 0)
        if result is _END:
            piece, is_over = b"", True
        elif name == "readinto" and isinstance(result, int):
            buffer: Any = size
            piece, size = memoryview(buffer).tobytes()[:result], len(buffer)
        elif isinstance(result, list):
            piece = b"".join(line for line in result if isinstance(line, bytes))
        elif isinstance(result, tuple):
            piece, size = result[0], 0 if result[-1] else None
        if not isinstance(piece, (bytes, bytearray)):
            return  # a stand-in's own idea of a body
        self._progress.feed(bytes(piece))
        at_eof = getattr(self._stream, "at_eof", None)  # aiohttp's
        if is_over or (not piece and size != 0 and name not in _MAY_BE_EMPTY) or (callable(at_eof) and at_eof()):
            self._progress.finish(arrived=getattr(self._stream, "length_remaining", None) == 0)

    def _iterates(self, pieces: Any) -> Any:
        return self._apieces(pieces) if hasattr(pieces, "__aiter__") else self._pieces(pieces)

    def _pieces(self, pieces: Any) -> Iterator[Any]:
        reads = self._reads("piece", lambda: next(pieces, _END))
        while (piece := reads()) is not _END:
            yield piece

    async def _apieces(self, pieces: Any) -> AsyncIterator[Any]:
        reads = self._reads("piece", lambda: anext(pieces, _END))
        while (piece := await reads()) is not _END:
            yield piece
