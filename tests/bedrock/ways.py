"""The ways in which an application may read the body of `invoke_model`, and what comes of one."""

from __future__ import annotations

import codecs
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from tests.bedrock.expected import INVOKED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BODY", "NEEDS_READINTO", "RAW", "TO_THE_END", "Answering", "outcome", "until", "within"]


class Answering:
    """A client of an application's own tests, whose `invoke_model` returns what it is made with."""

    def __init__(self, body: Any, **fields: Any) -> None:
        self.response = {"body": body, **fields}

    def invoke_model(self, **_asked: Any) -> Any:
        """Answer."""
        return self.response


NEEDS_READINTO = pytest.mark.skipif(
    not hasattr(StreamingBody, "readinto"), reason="the body of this release of botocore has no readinto"
)


def within(way: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make it a way of what `with body` gives, which is urllib3's response."""

    def read(body: Any) -> Any:
        with body as raw:
            return way(raw)

    return read


def until(end: object, read: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Any]:
    """Read again and again until there is no more."""
    return list(iter(lambda: read(*args, **kwargs), end))


def _read_into(stream: Any, buffer: Any) -> list[bytes]:
    pieces = []
    while size := stream.readinto(buffer):
        pieces.append(bytes(buffer[:size]))
    return pieces


def _next(stream: Any) -> list[bytes]:
    pieces = []
    while True:
        try:
            pieces.append(next(stream))
        except StopIteration:
            return pieces


def _copied(stream: Any) -> bytes:
    target = io.BytesIO()
    shutil.copyfileobj(stream, target, 7)
    return target.getvalue()


def _entered(raw: Any) -> list[Any]:
    with raw as entered:
        return [entered is raw, entered.read(), raw.closed]


# Of the body, and of the raw response in it.
_BOTH: dict[str, Callable[[Any], Any]] = {
    "read": lambda stream: stream.read(),
    "read-none": lambda stream: stream.read(None),
    "read-all": lambda stream: stream.read(-1),
    "read-amt-none": lambda stream: stream.read(amt=None),
    "read-n": lambda stream: until(b"", stream.read, 7),
    "read-amt": lambda stream: until(b"", stream.read, amt=7),
    "read-byte": lambda stream: until(b"", stream.read, 1),
    "read-more": lambda stream: until(b"", stream.read, 1 << 20),
    "read-n-and-all": lambda stream: [stream.read(7), stream.read()],
    "read-again": lambda stream: [stream.read(), stream.read(), stream.read(5), stream.read(0)],
    "read-nothing": lambda stream: [stream.read(0), stream.read(7), stream.read(0), stream.read(), stream.read(0)],
    "readinto": lambda stream: _read_into(stream, bytearray(7)),
    "readinto-view": lambda stream: _read_into(stream, memoryview(bytearray(700))[9:99]),
    "readinto-strided": lambda stream: _read_into(stream, memoryview(bytearray(14))[::2]),
    "readinto-nothing": lambda stream: [stream.readinto(bytearray()), stream.read()],
    "readline": lambda stream: until(b"", stream.readline),
    "readline-n": lambda stream: until(b"", stream.readline, 5),
    "readlines": lambda stream: stream.readlines(),
    "for": list,
    "next": _next,
    "json": json.load,
    "text": lambda stream: io.TextIOWrapper(stream, encoding="utf-8").read(),
    "text-lines": lambda stream: list(io.TextIOWrapper(stream, encoding="utf-8")),
    "buffered": lambda stream: io.BufferedReader(stream).read(),
    "buffered-lines": lambda stream: list(io.BufferedReader(stream, 11)),
    "codec": lambda stream: codecs.getreader("utf-8")(stream).read(),
    "copyfileobj": _copied,
    "close-twice": lambda stream: [stream.read(), stream.close(), stream.close()],
    "asked-about": lambda stream: [stream.readable(), stream.tell(), stream.read(7), stream.tell(), stream.read()],
}
BODY: dict[str, Callable[[Any], Any]] = {
    **_BOTH,
    "iter_chunks": lambda body: list(body.iter_chunks()),
    "iter_chunks-1": lambda body: list(body.iter_chunks(1)),
    "iter_chunks-n": lambda body: list(body.iter_chunks(chunk_size=50)),
    "iter_chunks-more": lambda body: list(body.iter_chunks(1 << 20)),
    "iter_lines": lambda body: list(body.iter_lines()),
    "iter_lines-n": lambda body: list(body.iter_lines(7)),
    "iter_lines-keepends": lambda body: list(body.iter_lines(chunk_size=7, keepends=True)),
    "method-next": lambda body: [body.next(), body.read()],
    "socket-timeout": lambda body: [body.set_socket_timeout(5), body.read()],
}
RAW: dict[str, Callable[[Any], Any]] = {
    **_BOTH,
    "read-positional": lambda raw: raw.read(None, False),
    "read-decoded": lambda raw: raw.read(decode_content=True),
    "read-cached": lambda raw: [raw.read(cache_content=True), raw.data],
    "read-n-decoded": lambda raw: until(b"", raw.read, decode_content=False, amt=7),
    "read1": lambda raw: b"".join(until(b"", raw.read1)),  # in pieces as they come
    "read1-n": lambda raw: b"".join(until(b"", raw.read1, 7)),
    "readlines-0": lambda raw: raw.readlines(0),
    "stream": lambda raw: list(raw.stream()),
    "stream-n": lambda raw: list(raw.stream(7)),
    "stream-decoded": lambda raw: list(raw.stream(7, decode_content=True)),
    "data": lambda raw: raw.data,
    "data-twice": lambda raw: [raw.data, raw.data, raw.read()],
    "raw-json": lambda raw: raw.json(),
    "entered": _entered,
    "headers": lambda raw: [raw.status, raw.headers["x-amzn-bedrock-input-token-count"], raw.data],
}
TO_THE_END = BODY | {f"raw-{name}": within(way) for name, way in RAW.items()}


def outcome(client: Any, way: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Say what a way of reading gives, or which error; and hand out the response, so that it is not dropped yet."""
    response = client.invoke_model(**INVOKED)
    try:
        return way(response["body"]), response
    except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
        return type(error), response
