"""What the tests of this adapter share: how to ask, and what LaunchDarkly is then to be told."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import openai

from tests.expected import (
    ANSWERED,
    ERROR,
    FAILED,
    FAILED_LATE,
    LEFT,
    READ,
    SUCCESS,
    TOKENS,
    TOOL_CALL,
    UNREAD,
    Ms,
    Told,
    duration,
    first_token,
    tokens,
    told,
    told_by_now,
    turns,
)
from tests.servers.openai import FOREVER_S, Answer, Stream, chunk, chunks, completion

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

__all__ = [
    "ANSWERED",
    "ASKED",
    "COUNTING",
    "ERROR",
    "FAILED",
    "FAILED_LATE",
    "LEFT",
    "PROVIDER_ERRORS",
    "READ",
    "SILENT",
    "STALLING",
    "STREAMED",
    "SUCCESS",
    "TOKENS",
    "TOOL_CALL",
    "UNREAD",
    "Ms",
    "Told",
    "duration",
    "first_token",
    "helpers",
    "read_all",
    "tokens",
    "told",
    "told_by_now",
    "turns",
]

# Any: the keyword arguments of `create`, whose overloads tell streams apart by a literal.
ASKED: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
STREAMED: Any = {**ASKED, "stream": True}

SILENT = Answer(completion(), delay_s=FOREVER_S)
STALLING = Stream(chunks("Hel", "lo"), usage=(9, 3), stall_after=2)  # a role, a piece of text, and then nothing
COUNTING = [  # usage in every chunk, counted from the beginning
    chunk({"role": "assistant"}, usage=(9, 0)),
    chunk({"content": "Hel"}, usage=(9, 1)),
    chunk({"content": "lo"}, usage=(9, 2)),
]

# What a broken stream raises: the SDK's own error or, before 3.0, that of the HTTP stack beneath it.
PROVIDER_ERRORS: tuple[type[Exception], ...] = (openai.APIError,)
if openai.__version__ < "3":
    PROVIDER_ERRORS += (import_module("httpx").HTTPError,)


async def read_all(stream: AsyncIterable[Any]) -> list[Any]:
    """Read an async stream to its end."""
    return [item async for item in stream]


def helpers(client: Any) -> Any:
    """Find `parse` and `stream`, which up to 1.91 are in beta alone."""
    completions = client.chat.completions
    return completions if hasattr(completions, "parse") else client.beta.chat.completions
