"""Ways to ask Bedrock, by boto3 and by aiobotocore."""

from __future__ import annotations

import asyncio
import json
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from ldai_bedrock import wrap_bedrock
from tests.bedrock.conftest import has_aiobotocore
from tests.bedrock.expected import PIECES
from tests.expected import tokens
from tests.reliability.faults import Way
from tests.servers.bedrock import ScriptedBedrock

if TYPE_CHECKING:
    from tests.reliability.faults import Asked

__all__ = ["BEDROCK", "bedrock_client"]

MODEL = "anthropic.claude-sonnet-4-5"
_lock = Lock()


@cache
def _session() -> boto3.Session:
    """Load the service's description once, which takes longer than a test."""
    return boto3.Session()


@cache
def _async_session() -> Any:
    from aiobotocore.session import get_session  # noqa: PLC0415  # not always there

    return get_session()


def _options(asked: Asked) -> dict[str, Any]:
    return {
        "aws_access_key_id": "any",
        "aws_secret_access_key": asked.key,
        "region_name": "us-east-1",
        "endpoint_url": asked.uri,
    }


def _config(asked: Asked) -> dict[str, Any]:
    return {"retries": {"total_max_attempts": 1 + asked.retries}, "read_timeout": asked.timeout_s}


def bedrock_client(asked: Asked) -> Any:
    """Make a client of boto3's; one thread at a time, for sessions are not made for more."""
    with _lock:
        return _session().client("bedrock-runtime", **_options(asked), config=Config(**_config(asked)))


def _request(operation: str, asked: Asked) -> dict[str, Any]:
    if operation.startswith("converse"):
        return {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": asked.prompt}]}]}
    return {"modelId": MODEL, "body": json.dumps({"messages": [{"role": "user", "content": asked.prompt}]})}


def _take(asked: Asked, item: Any) -> None:
    """Take in a response without what differs from one to the next."""
    metadata = item.pop("ResponseMetadata", {}) if isinstance(item, dict) else {}
    asked.take((item, metadata.get("HTTPStatusCode")))


def _ask(operation: str, asked: Asked) -> None:
    client = bedrock_client(asked)
    try:
        asking = client if asked.source is None else wrap_bedrock(client, asked.source)
        response = getattr(asking, operation)(**_request(operation, asked))
        pieces = response.pop(PIECES.get(operation), None)
        _take(asked, response)
        for piece in pieces if "stream" in operation else ():
            _take(asked, piece)
        if operation == "invoke_model":
            _take(asked, pieces.read())
    finally:
        client.close()


async def _ask_async(operation: str, asked: Asked) -> None:
    from aiobotocore.config import AioConfig  # noqa: PLC0415  # likewise

    with _lock:
        making = _async_session().create_client(
            "bedrock-runtime", **_options(asked), config=AioConfig(**_config(asked))
        )
    async with making as client:
        asking = client if asked.source is None else wrap_bedrock(client, asked.source)
        response = await getattr(asking, operation)(**_request(operation, asked))
        pieces = response.pop(PIECES.get(operation), None)
        _take(asked, response)
        if operation == "invoke_model":
            _take(asked, await pieces.read())
        elif pieces is not None:
            async for piece in pieces:
                _take(asked, piece)


def _run_async(operation: str, asked: Asked) -> None:
    asyncio.run(_ask_async(operation, asked))


# The number of events of a stream with the first output, and the tokens that were told by then.
_STREAMS: dict[str, Any] = {"converse_stream": (2, []), "invoke_model_with_response_stream": (3, tokens(90, 1))}
# Half of the head is a head to boto3, and to its parser half of the JSON of a response is an empty response.
_UNNOTICED = {"converse": ["cut in the head", "cut in the body"]}
BEDROCK = [
    Way(
        f"{operation} {'async' if ask is _run_async else 'sync'}",
        ScriptedBedrock,
        partial(ask, operation),
        mark=b":event-type" if "stream" in operation else b"",
        nth=_STREAMS.get(operation, (0, []))[0],
        before=_STREAMS.get(operation, (0, []))[1],
        unnoticed=frozenset(_UNNOTICED.get(operation, ["cut in the head"]) if ask is _ask else ()),
        retried=(operation, ask) in (("converse", _run_async), ("converse_stream", _ask)),
    )
    for operation in ("converse", *PIECES)
    for ask in ((_ask, _run_async) if has_aiobotocore() else (_ask,))
]
