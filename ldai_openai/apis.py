"""The APIs that generate, and how a request to one of them is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ldai_openai.readings import (
    read_chat_chunk,
    read_chat_completion,
    read_completion,
    read_openai,
    read_response,
    read_response_event,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import Reading

__all__ = ["ANY", "RESPONSES", "Api", "api_of", "in_body", "response_id_of"]

# A response that is asked for again, or cancelled: https://platform.openai.com/docs/api-reference/responses/get .
_STORED_RESPONSE = re.compile(r"/responses/([^/]+)(/cancel)?")
_METHODS = {None: "get", "/cancel": "post"}


@dataclass(frozen=True, slots=True)
class Api:
    """How the answers of one API are read.

    `asks` says whether its streams must be asked for their usage, and `text` whether an answer may be mere text.
    """

    read: Callable[[Any], Reading]
    read_chunk: Callable[[Any], Reading]
    asks: bool = False
    text: bool = False


ANY = Api(read_openai, read_openai, text=True)
RESPONSES = Api(read_response, read_response_event)

_APIS = {
    "/chat/completions": Api(read_chat_completion, read_chat_chunk, asks=True),
    "/completions": Api(read_completion, read_completion, asks=True),
    "/responses": RESPONSES,
}


def api_of(options: Any) -> Api | None:
    """Find the API that a request asks for a generation; None for whatever else a client is used for."""
    return _api_at(_path(options)) if options.method.lower() == "post" else None


@lru_cache(maxsize=64)
def _api_at(path: str) -> Api | None:
    return next((api for end, api in _APIS.items() if path.endswith(end)), None)


def response_id_of(options: Any) -> str | None:
    """Find the response that a request asks for again, or cancels."""
    match = _STORED_RESPONSE.search(_path(options))
    if match is None or match.end() != len(match.string) or options.method.lower() != _METHODS[match[2]]:
        return None
    return unquote(match[1])


def in_body(options: Any, name: str) -> Any:
    """Find what a request says in its body, of the application's own additions first; None where it says nothing."""
    bodies = (options.extra_json, options.json_data)
    return next((body[name] for body in bodies if isinstance(body, Mapping) and name in body), None)


def _path(options: Any) -> str:
    return str(options.url).partition("?")[0].rstrip("/")
