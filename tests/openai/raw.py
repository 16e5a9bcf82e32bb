"""What the tests of raw responses share: a body sent byte by byte as it is told, and both kinds of client at once."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import pytest
from openai import AsyncOpenAI, OpenAI

from ldai_openai import wrap_openai
from tests.servers.openai import FOREVER_S, Answer, ScriptedOpenAI, _OpenAIHandler, chunks, usage_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from ldai_core import AIConfig

__all__ = [
    "COUNTED_CHAT",
    "Pieces",
    "RawServer",
    "all_of",
    "each",
    "either_fixture",
    "entered",
    "measured_fixture",
    "server_fixture",
    "sse",
    "value",
    "whole",
]

KINDS: Any = {"sync": OpenAI, "async": AsyncOpenAI}
COUNTED_CHAT = [*chunks("Hel", "lo"), {"object": "chat.completion.chunk", "choices": [], "usage": usage_of((9, 3))}]


@dataclass(frozen=True)
class Pieces(Answer):
    """A body, one chunk of the transfer for each of `pieces`; it may be cut, or stall, at its end."""

    content: Mapping[str, object] = field(default_factory=dict)  # `pieces` are the content
    pieces: Sequence[bytes] = ()
    content_type: str = "text/event-stream"
    cut: bool = False
    stall: bool = False


class _RawHandler(_OpenAIHandler):
    def follow(self, step: Any, request: Any) -> None:
        """Send pieces, too."""
        if not isinstance(step, Pieces):
            super().follow(step, request)
            return
        self.send_response(step.status)
        for name, content in {"Content-Type": step.content_type, **dict(step.headers)}.items():
            self.send_header(name, content)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in step.pieces:
            self.chunk(piece)
        if step.stall:
            self.wait(FOREVER_S)
        if step.cut:
            self.close_connection = True
        else:
            self.chunk(b"")


class RawServer(ScriptedOpenAI):
    """The scripted server, which can send `Pieces`, too."""

    handler = _RawHandler


@pytest.fixture(name="server")
def server_fixture() -> Iterator[RawServer]:
    """Start an OpenAI API that sends the very bytes it is told."""
    with RawServer() as server:
        yield server


@pytest.fixture(name="either", params=KINDS)
async def either_fixture(request: pytest.FixtureRequest, server: RawServer) -> AsyncIterator[Any]:
    """Make the application's client, of one kind and of the other."""
    client = KINDS[request.param](api_key="any", base_url=server.base_url, max_retries=0)
    yield client
    await value(client.close())


@pytest.fixture(name="measured")
def measured_fixture(either: Any, config: AIConfig) -> Any:
    """Wrap it."""
    return wrap_openai(either, config)


def sse(*events: Mapping[str, object], done: bool = True) -> bytes:
    """Write events as they are sent."""
    data = [json.dumps(event, ensure_ascii=False) for event in events] + ["[DONE]"] * done
    return "".join(f"data: {each}\n\n" for each in data).encode()


async def value(result: Any) -> Any:
    """Await what the async client gives, and take what the other one gives."""
    return await result if isawaitable(result) else result


async def each(items: Any) -> AsyncIterator[Any]:
    """Go through what either client gives to be gone through."""
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


@asynccontextmanager
async def entered(manager: Any) -> AsyncIterator[Any]:
    """Enter a `with` of either kind."""
    async with AsyncExitStack() as stack:
        if hasattr(manager, "__aenter__"):
            yield await stack.enter_async_context(manager)
        else:
            yield stack.enter_context(manager)


async def all_of(items: Any) -> Any:
    """Put together what is read: a whole, or the pieces or items of one."""
    items = await value(items)
    if isinstance(items, (str, bytes)) or not (hasattr(items, "__aiter__") or hasattr(items, "__next__")):
        return items
    got = [item async for item in each(items)]
    return type(got[0])().join(got) if got and isinstance(got[0], (str, bytes)) else got


def whole(body: Any, **fields: Any) -> Pieces:
    """Send a body of JSON byte by byte, each in a chunk of its own."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Pieces(**{"pieces": [bytes([byte]) for byte in content], "content_type": "application/json", **fields})
