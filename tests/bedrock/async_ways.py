"""The ways in which an application may read the body of `invoke_model` with aiobotocore, and what comes of one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.bedrock.expected import INVOKED, read_all
from tests.servers.bedrock import claude

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


__all__ = ["BODY", "CONTENT", "TO_THE_END", "outcome", "raw_of"]

# In lines, and with other counts than the headers have.
CONTENT = json.dumps(claude(usage={"input_tokens": 12, "output_tokens": 5}), indent=1).encode()


def raw_of(body: Any) -> Any:
    """Find the response of the HTTP stack beneath a body, where this release of aiobotocore has it."""
    return body.raw_stream if hasattr(body, "raw_stream") else body.__wrapped__


async def until(end: object, read: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> list[Any]:
    """Read again and again until there is no more."""
    pieces = []
    while (piece := await read(*args, **kwargs)) != end:
        pieces.append(piece)
    return pieces


async def _again(body: Any) -> list[Any]:
    return [await body.read(), await body.read(), await body.read(5), await body.read(0)]


async def _in_two(body: Any) -> list[Any]:
    return [body.tell(), await body.read(7), body.tell(), await body.read(), body.readable()]


async def _by_nothing(body: Any) -> list[Any]:
    return [await body.read(0), await body.read(7), await body.read(0), await body.read()]


async def _into(body: Any, buffer: Any) -> list[bytes]:
    pieces = []
    while size := await body.readinto(buffer):
        pieces.append(bytes(buffer[:size]))
    return pieces


async def _next(body: Any, name: str) -> list[bytes]:
    pieces = []
    while True:
        try:
            pieces.append(await getattr(body, name)())
        except StopAsyncIteration:
            return pieces


async def _entered(body: Any) -> list[Any]:
    async with body as entered:
        return [type(entered) is type(body), await entered.read()]


async def _entered_and_read_by_itself(body: Any) -> Any:
    async with body:
        return await body.read()


async def _broken_and_resumed(body: Any) -> list[Any]:
    first = []
    async for chunk in body.iter_chunks(20):
        first.append(chunk)
        break
    return [first, await read_all(body.iter_chunks(20))]


async def _while_readable(body: Any) -> bytes:
    pieces = []
    while body.readable():
        pieces.append(await body.read(7))
    return b"".join(pieces)


async def _closed_after(body: Any) -> list[Any]:
    return [await body.read(), body.close(), body.close()]


BODY: dict[str, Any] = {
    "read": lambda body: body.read(),
    "read-none": lambda body: body.read(None),
    "read-amt-none": lambda body: body.read(amt=None),
    "read-all": lambda body: body.read(-1),
    "read-n": lambda body: until(b"", body.read, 7),
    "read-amt": lambda body: until(b"", body.read, amt=7),
    "read-byte": lambda body: until(b"", body.read, 1),
    "read-more": lambda body: until(b"", body.read, 1 << 20),
    "read-again": _again,
    "read-in-two": _in_two,
    "read-by-nothing": _by_nothing,
    "readinto": lambda body: _into(body, bytearray(7)),
    "readinto-more": lambda body: _into(body, bytearray(1 << 16)),
    "readinto-view": lambda body: _into(body, memoryview(bytearray(100))[9:19]),
    "readlines": lambda body: body.readlines(),
    "iter_lines": lambda body: read_all(body.iter_lines()),
    "iter_lines-n": lambda body: read_all(body.iter_lines(7)),
    "iter_lines-keepends": lambda body: read_all(body.iter_lines(chunk_size=7, keepends=True)),
    "iter_chunks": lambda body: read_all(body.iter_chunks()),
    "iter_chunks-n": lambda body: read_all(body.iter_chunks(chunk_size=50)),
    "for": read_all,
    "next": lambda body: _next(body, "__anext__"),
    "method-anext": lambda body: _next(body, "anext"),
    "entered": _entered,
    "entered-body": _entered_and_read_by_itself,
    "resumed": _broken_and_resumed,
    "closed-after": _closed_after,
    "while-readable": _while_readable,
}


async def _content_in_two(raw: Any) -> list[bytes]:
    return [await raw.content.readexactly(5), await raw.content.read()]


async def _exactly(raw: Any) -> list[Any]:
    return [await raw.content.readexactly(len(CONTENT)), raw.content.at_eof()]


async def _nowait(raw: Any) -> bytes:
    pieces = []
    while not raw.content.at_eof():
        pieces.append(await raw.content.read(1))
        pieces.append(raw.content.read_nowait())
    return b"".join(pieces)


async def _whole_in_every_form(raw: Any) -> list[Any]:
    return [await raw.read(), await raw.text(), await raw.json(), await raw.read()]


async def _left(raw: Any) -> list[Any]:
    async with raw as entered:
        return [entered is raw, await entered.read(), raw.closed]


async def _by_chunks(raw: Any) -> bytes:
    return b"".join([piece async for piece, _ in raw.content.iter_chunks()])


async def _about(raw: Any) -> list[Any]:
    return [raw.status, raw.headers["x-amzn-bedrock-input-token-count"], raw.ok, raw.content_type, await raw.read()]


async def _joined(pieces: Any) -> bytes:
    return b"".join(await pieces)


# Of aiohttp's response beneath; where the pieces are as they come, they are joined.
RAW: dict[str, Any] = {
    "content-read": lambda raw: raw.content.read(),
    "content-read-all": lambda raw: raw.content.read(-1),
    "content-read-n": lambda raw: until(b"", raw.content.read, 7),
    "content-read-keyword": lambda raw: until(b"", raw.content.read, n=7),
    "content-in-two": _content_in_two,
    "content-exactly": _exactly,
    "content-nowait": _nowait,
    "content-readany": lambda raw: _joined(until(b"", raw.content.readany)),
    "content-readchunk": lambda raw: _joined_first(until((b"", False), raw.content.readchunk)),
    "content-readline": lambda raw: until(b"", raw.content.readline),
    "content-readuntil": lambda raw: until(b"", raw.content.readuntil, b":"),
    "content-for": lambda raw: read_all(raw.content),
    "content-iter_chunked": lambda raw: _joined(read_all(raw.content.iter_chunked(7))),
    "content-iter_any": lambda raw: _joined(read_all(raw.content.iter_any())),
    "content-iter_chunks": _by_chunks,
    "read": lambda raw: raw.read(),
    "text": lambda raw: raw.text(),
    "text-encoding": lambda raw: raw.text(encoding="latin-1"),
    "json": lambda raw: raw.json(),
    "json-loads": lambda raw: raw.json(loads=json.loads, content_type=None),
    "every-form": _whole_in_every_form,
    "entered": _left,
    "about": _about,
}


async def _joined_first(pairs: Any) -> bytes:
    return b"".join([piece for piece, _ in await pairs])


def beneath(way: Any) -> Any:
    """Make it a way of what is beneath a body."""
    return lambda body: way(raw_of(body))


TO_THE_END = BODY | {f"raw-{name}": beneath(way) for name, way in RAW.items()}


async def outcome(client: Any, way: Any) -> tuple[Any, Any]:
    """Say what a way of reading gives, or which error; and hand out the response, so that it is not dropped yet."""
    response = await client.invoke_model(**INVOKED)
    try:
        return await way(response["body"]), response
    except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
        return (type(error), str(error)), response
