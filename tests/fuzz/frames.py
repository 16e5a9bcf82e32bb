"""Targets on the wire: a wrapped client and the same client unwrapped are sent the same bytes, whatever these are."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

import boto3
from botocore.config import Config
from openai import DefaultHttpxClient, OpenAI

from ldai_bedrock import wrap_bedrock
from ldai_openai import wrap_openai
from tests.fuzz.checks import evaluate, only_run
from tests.servers.http import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["fuzz_bedrock_frames", "fuzz_openai_frames", "stop_servers"]

_QUESTION: list[Any] = [{"role": "user", "content": "Hi"}]
_TURN: list[Any] = [{"role": "user", "content": [{"text": "Hi"}]}]
# A response that goes on in the background is recorded when it is over, for which nobody waits here.
_IN_THE_BACKGROUND = (b'"queued"', b'"in_progress"')
_Outcome = tuple[list[str], tuple[str, ...] | None]


class _RawHandler(Handler):
    disable_nagle_algorithm = True

    def do_POST(self) -> None:  # noqa: N802  # the base class's name
        """Send the bytes in pieces, and cut some of them off before their end: which ones, the bytes say themselves."""
        self.body()
        owner = cast("_Raw", cast("Any", self.server).owner)
        self.begin_chunks(owner.content_type)
        mark = crc32(owner.content)
        piece = 1 + mark % 500
        for at in range(0, len(owner.content), piece):
            self.chunk(owner.content[at : at + piece])
        if mark % 7 == 0:
            self.close_connection = True
        else:
            self.chunk(b"")


class _Raw(Server):
    """Sends the same bytes to whoever asks."""

    handler = _RawHandler
    content = b""
    content_type = ""

    def serve(self, content: bytes, content_type: str) -> None:
        """Send these from now on."""
        self.content, self.content_type = content, content_type


def fuzz_openai_frames(data: bytes) -> None:
    """Whatever comes for a stream of chat completions or of responses, or whole: nothing changes, and one record."""
    server, client = _openai()
    streamed = not data.startswith((b"{", b"["))
    server.serve(data, "text/event-stream" if streamed else "application/json")
    responses = b'"response' in data
    goes_on = any(mark in data for mark in _IN_THE_BACKGROUND)
    _compare(lambda each: _ask_openai(each, responses=responses, stream=streamed), client, wrap_openai, goes_on=goes_on)


def fuzz_bedrock_frames(data: bytes) -> None:
    """Whatever comes for a stream of Converse's or of a model's own, or whole: nothing changes, and one record."""
    server, client = _bedrock()
    whole = data.startswith((b"{", b"["))
    server.serve(data, "application/json" if whole else "application/vnd.amazon.eventstream")
    operation = ("converse" if crc32(data) % 2 else "invoke_model") if whole else "converse_stream"
    if not whole and b":event-type\x07\x00\x05chunk" in data:
        operation = "invoke_model_with_response_stream"
    _compare(lambda each: _ask_bedrock(each, operation), client, wrap_bedrock)


@cache
def _openai() -> tuple[_Raw, OpenAI]:
    server = _Raw().__enter__()
    http_client = DefaultHttpxClient(verify=False)  # loading certificates takes its time
    base_url = f"{server.uri}/v1"
    return server, OpenAI(api_key="any", base_url=base_url, max_retries=0, timeout=20, http_client=http_client)


@cache
def _bedrock() -> tuple[_Raw, Any]:
    server = _Raw().__enter__()
    return server, boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        endpoint_url=server.uri,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
    )


def stop_servers() -> None:
    """Stop the servers that the targets have started."""
    for make in (_openai, _bedrock):
        if make.cache_info().currsize:
            server, client = cast("Callable[[], tuple[_Raw, Any]]", make)()
            client.close()
            server.__exit__(None, None, None)
            make.cache_clear()


def _compare(
    ask: Callable[[Any], list[str]], client: Any, wrap: Callable[[Any, Any], Any], *, goes_on: bool = False
) -> None:
    """Ask both; the wrapped one gives and raises the same, and is recorded once, as a failure if anything is raised."""
    unmeasured = _outcome(ask, client)
    config, recorded = evaluate()
    measured = _outcome(ask, wrap(client, config))
    at_the_edge = any(raised and raised[0] == "RecursionError" for _, raised in (measured, unmeasured))
    assert measured == unmeasured or at_the_edge, (measured, unmeasured)  # of the stack, on which we are a few frames
    if goes_on and not recorded.runs:
        return
    success = only_run(recorded).success
    assert success is not None
    assert not (success and measured[1]), measured[1]


def _outcome(ask: Callable[[Any], list[str]], client: Any) -> _Outcome:
    received: list[str] = []
    try:
        for item in ask(client):
            received.append(item)  # noqa: PERF402  # those before an error count too
    except Exception as error:  # noqa: BLE001  # the same one is expected
        return received, (type(error).__name__, str(error), type(error.__cause__).__name__)
    return received, None


def _ask_openai(client: OpenAI, *, responses: bool, stream: bool) -> Any:
    if responses:
        answer: Any = client.responses.create(model="m", input="Hi", stream=stream)
    else:
        options: Any = {"stream_options": {"include_usage": True}} if stream else {}  # as the wrapped client asks
        answer = client.chat.completions.create(model="m", messages=_QUESTION, stream=stream, **options)
    for item in answer if stream else [answer]:
        yield _written(item)


def _written(item: Any) -> str:
    """Write out what came, or that it cannot be written."""
    try:
        return repr(item.model_dump(warnings=False)) if hasattr(item, "model_dump") else repr(item)
    except Exception as error:  # noqa: BLE001  # pydantic's, for what is not of the type
        return f"{type(item).__name__}: {type(error).__name__}"


def _ask_bedrock(client: Any, operation: str) -> Any:
    if operation.startswith("converse"):
        response = getattr(client, operation)(modelId="m", messages=_TURN)
    else:
        response = getattr(client, operation)(modelId="m", body=json.dumps({"prompt": "Hi"}))
    response.pop("ResponseMetadata")  # which has the date
    pieces = response.pop("body" if operation.startswith("invoke") else "stream", None)
    yield repr(response)
    if operation == "invoke_model":
        yield repr(pieces.read())
    else:
        for event in pieces or ():
            yield repr(event)
