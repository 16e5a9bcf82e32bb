"""What the tests of this adapter share: how to ask, and what came."""

from __future__ import annotations

import json
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from tests.servers.bedrock import FOREVER_S, Answer, Body, Events, answer, claude, events

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

# Any: boto3 has no types.
ASKED: Any = {"modelId": "anthropic.claude-sonnet-4-5", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
INVOKED: Any = {"modelId": "anthropic.claude-sonnet-4-5", "body": b'{"messages": []}'}
REQUESTS: dict[str, Any] = {
    "converse": ASKED,
    "converse_stream": ASKED,
    "invoke_model": INVOKED,
    "invoke_model_with_response_stream": INVOKED,
}
GUARDED: Any = {"guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT", "content": []}
# Where an operation's response has what comes in pieces.
PIECES = {"converse_stream": "stream", "invoke_model": "body", "invoke_model_with_response_stream": "body"}

HEADERS = [("x-amzn-bedrock-input-token-count", "9"), ("x-amzn-bedrock-output-token-count", "3")]
HELLO = json.dumps(claude()).encode()
SILENT = Answer(answer(), delay_s=FOREVER_S)
STALLING = Events(events("Hel", "lo"), stall_after=2)  # a role, a piece of text, and then nothing
STALLING_BODY = Body(HELLO, HEADERS, stall_after=10)


async def value(result: Any) -> Any:
    """Wait for what an async client returns, and take what the other one does."""
    return await result if isawaitable(result) else result


async def read_all(stream: AsyncIterable[Any]) -> list[Any]:
    """Read an async stream to its end."""
    return [item async for item in stream]


async def drain(stream: Any) -> list[Any]:
    """Read a stream of either kind to its end by a loop."""
    return await read_all(stream) if hasattr(stream, "__aiter__") else list(stream)
