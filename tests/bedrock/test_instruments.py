"""Beside other instruments, which put proxies, generators and bodies of their own between us and botocore."""

from __future__ import annotations

import io
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from ldai_bedrock import wrap_bedrock
from ldai_core.forwarding import Forwarding
from tests.bedrock.expected import ASKED, HEADERS, HELLO, INVOKED, PIECES, REQUESTS
from tests.expected import ANSWERED, READ, SUCCESS, TOKENS, UNREAD, duration, told, told_by_now
from tests.servers.bedrock import Body, ScriptedBedrock, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

STREAMED = ("converse_stream", "invoke_model_with_response_stream")


class BothWays(Forwarding):
    """A proxy for streams of either kind, which can be looped over in either way as far as its class says."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._stream)

    def __aiter__(self) -> AsyncIterator[Any]:
        return aiter(self._stream)


def generated(stream: Any) -> Iterator[Any]:
    """Hand on a stream's events."""
    yield from stream


class Plain:
    """A class of somebody's own, which can be looped over once, and no more."""

    def __init__(self, stream: Any) -> None:
        self._events = stream

    def __iter__(self) -> Iterator[Any]:
        return iter(self._events)


class PlainAsync:
    """Likewise, async."""

    def __init__(self, stream: Any) -> None:
        self._events = stream

    def __aiter__(self) -> AsyncIterator[Any]:
        return aiter(self._events)


class Buffered(StreamingBody):  # type: ignore[misc]  # which has no types
    """A body that was read before the application reads it."""

    def __init__(self, body: Any) -> None:
        super().__init__(io.BytesIO(), 0)
        self._buffer = io.BytesIO(body.read())

    def read(self, amt: int | None = None) -> bytes:
        """Read what is left."""
        return self._buffer.read(-1 if amt is None else amt)


class Instrumented:
    """A client whose responses an instrument has put something of its own into."""

    def __init__(self, client: Any, replace: Callable[[Any], Any]) -> None:
        self._client = client
        self._replace = replace

    def __getattr__(self, name: str) -> Any:
        if name not in REQUESTS:
            raise AttributeError(name)

        def call(**asked: Any) -> Any:
            response = getattr(self._client, name)(**asked)
            return {**response, PIECES[name]: self._replace(response[PIECES[name]])}

        return call


@pytest.mark.parametrize("operation", STREAMED)
@pytest.mark.parametrize("replace", [BothWays, generated, Plain], ids=lambda replace: replace.__name__)
def test_streams(client: Any, config: AIConfig, recorded: RecordingClient, operation: str, replace: Any) -> None:
    """BR12: a stream of any class, that can be looped over, is measured like botocore's own."""
    wrapped = wrap_bedrock(Instrumented(client, replace), config)
    stream = getattr(wrapped, operation)(**REQUESTS[operation])[PIECES[operation]]
    expected = list(getattr(client, operation)(**REQUESTS[operation])[PIECES[operation]])
    assert list(stream) == expected
    assert told_by_now(recorded) == READ


@pytest.mark.parametrize("operation", STREAMED)
@pytest.mark.parametrize("replace", [BothWays, PlainAsync], ids=lambda replace: replace.__name__)
async def test_streams_async(
    async_client: Any, config: AIConfig, recorded: RecordingClient, operation: str, replace: Any
) -> None:
    """BR12, BR16: likewise, async."""

    class Client:
        async def converse_stream(self, **asked: Any) -> Any:
            response = await async_client.converse_stream(**asked)
            return {**response, "stream": replace(response["stream"])}

        async def invoke_model_with_response_stream(self, **asked: Any) -> Any:
            response = await async_client.invoke_model_with_response_stream(**asked)
            return {**response, "body": replace(response["body"])}

    wrapped = wrap_bedrock(Client(), config)
    response = await getattr(wrapped, operation)(**REQUESTS[operation])
    assert len([event async for event in response[PIECES[operation]]]) > 2
    assert told_by_now(recorded) == READ


@pytest.mark.parametrize("operation", STREAMED)
def test_all_events_at_once(client: Any, config: AIConfig, recorded: RecordingClient, operation: str) -> None:
    """BR12: a list of events stays one: it is read at once, and has no time to first token."""
    wrapped = wrap_bedrock(Instrumented(client, list), config)
    events = getattr(wrapped, operation)(**REQUESTS[operation])[PIECES[operation]]
    assert type(events) is list
    assert told_by_now(recorded) == ANSWERED


@pytest.mark.parametrize("odd", [5, "abc", object()])
def test_what_is_no_stream(client: Any, config: AIConfig, recorded: RecordingClient, odd: Any) -> None:
    """BR15: what cannot be looped over is handed on as it is."""
    wrapped = wrap_bedrock(Instrumented(client, lambda stream: (stream.close(), odd)[1]), config)
    assert wrapped.converse_stream(**ASKED)["stream"] is odd
    assert told_by_now(recorded) == UNREAD


@pytest.mark.parametrize("read", ["read", "iter_chunks", "iter_lines"])
def test_a_body_that_was_read_before(
    server: ScriptedBedrock, client: Any, config: AIConfig, recorded: RecordingClient, read: str
) -> None:
    """BR11: a body with a reading of its own is followed where it is read, and not beneath."""
    server.script(Body(HELLO))
    body = wrap_bedrock(Instrumented(client, Buffered), config).invoke_model(**INVOKED)["body"]
    assert isinstance(body, Buffered)
    result = getattr(body, read)()
    assert (result if read == "read" else b"".join(result)) == HELLO
    assert told_by_now(recorded) == ANSWERED


def test_an_operation_that_is_replaced_later(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR13: what an instrument puts in the place of the client's operation after wrapping is what is called."""
    wrapped = wrap_bedrock(client, config)
    client.converse = lambda **_asked: answer("replaced")
    assert wrapped.converse(**ASKED)["output"]["message"]["content"] == [{"text": "replaced"}]
    assert told_by_now(recorded) == ANSWERED


def test_a_client_behind_a_proxy(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """BR13: a proxy for a client is wrapped as what it stands for."""
    wrapped = wrap_bedrock(Forwarding(client), config)
    assert type(wrapped) is type(client)
    wrapped.converse(**ASKED)
    assert told_by_now(recorded) == ANSWERED


class Unmakeable(dict[str, Any]):
    """No client, though it has an operation: nothing can be made of its class without its help."""

    def converse(self) -> None:
        """Do nothing."""


def test_a_client_of_which_no_double_can_be_made(config: AIConfig) -> None:
    """BR13: that is refused, too."""
    with pytest.raises(TypeError, match=r"client: expected a client .* got Unmakeable"):
        wrap_bedrock(Unmakeable(), config)


class Hostile(dict[str, Any]):
    """A response that cannot be looked into."""

    def get(self, *_args: Any) -> Any:
        """Fail."""
        raise ValueError("private")


@pytest.mark.parametrize("operation", REQUESTS)
def test_a_response_that_cannot_be_read(
    config: AIConfig, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    """BR15: a fault of our own reading costs the tokens and one warning; the response is what it was."""
    caplog.set_level(logging.WARNING)
    response = Hostile()

    class Client:
        def __getattr__(self, name: str) -> Any:
            if name != operation:
                raise AttributeError(name)
            return lambda **_asked: response

    assert getattr(wrap_bedrock(Client(), config), operation)(**REQUESTS[operation]) is response
    assert told_by_now(recorded) == UNREAD
    assert [record.message for record in caplog.records] == [
        "Measuring an AI run: reading what the provider sent raised ValueError; its tokens are lost."
    ]


@pytest.mark.parametrize("response", [{}, {"stream": None}, None, "nothing"])
def test_a_response_without_a_stream(config: AIConfig, recorded: RecordingClient, response: Any) -> None:
    """BR15: a response without what it should have is over when it is there."""

    class Client:
        def converse_stream(self, **_asked: Any) -> Any:
            return response

    assert wrap_bedrock(Client(), config).converse_stream(**ASKED) is response
    assert told_by_now(recorded) == UNREAD


@pytest.mark.parametrize("frozen", [MappingProxyType, dict], ids=["frozen", "dict"])
def test_mappings(client: Any, config: AIConfig, recorded: RecordingClient, frozen: Any) -> None:
    """BR12: a response may be any mapping."""

    class Client:
        def converse_stream(self, **asked: Any) -> Any:
            return frozen(client.converse_stream(**asked))

        def converse(self, **asked: Any) -> Any:
            return frozen(client.converse(**asked))

    wrapped = wrap_bedrock(Client(), config)
    list(wrapped.converse_stream(**ASKED)["stream"])
    wrapped.converse(**ASKED)
    assert told_by_now(recorded) == READ + ANSWERED


class Odd:
    """A body that reads into what is no buffer."""

    def read(self) -> bytes:
        """Read nothing."""
        return b""

    def readinto(self, target: list[int]) -> int:
        """Read into a list."""
        target[:3] = b"abc"
        return 3


def test_a_read_that_cannot_be_followed(
    client: Any, server: ScriptedBedrock, config: AIConfig, recorded: RecordingClient, caplog: Any
) -> None:
    """BR15: a way of reading that we do not understand costs the tokens, and not the read."""
    server.script(Body(HELLO, HEADERS))

    def odd(body: Any) -> Odd:
        body.close()
        return Odd()

    body = wrap_bedrock(Instrumented(client, odd), config).invoke_model(**INVOKED)["body"]
    target = [0] * 4
    assert (body.readinto(target), target) == (3, [97, 98, 99, 0])
    del body
    assert told(recorded) == [duration(), SUCCESS]
    assert "TypeError" in caplog.text
    assert TOKENS
