"""The body of `invoke_model` that fails while it is read: at the user's own read, with the tokens of the headers."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from botocore.response import StreamingBody
from urllib3.exceptions import ReadTimeoutError as PoolTimeoutError

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import HEADERS, HELLO, INVOKED, STALLING_BODY
from tests.bedrock.test_bodies_read import CONTENT, HEADERS_ALONE
from tests.bedrock.ways import NEEDS_READINTO, TO_THE_END, Answering, outcome, until, within
from tests.expected import ERROR, SUCCESS, TOKENS, duration, tokens, told, told_by_now
from tests.servers.bedrock import Body, ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

FAILED_AT_A_READ = [duration(), ERROR, *TOKENS]
BROKEN = {
    "short": Body(CONTENT, HEADERS, length=len(CONTENT) + 5),
    "cut": Body(CONTENT, HEADERS, piece=7, cut_after=50),
    "cut-at-once": Body(CONTENT, HEADERS, cut_after=0),
    "cut-before-its-end": Body(CONTENT, HEADERS, cut_after=len(CONTENT) - 1),
    "chunked-and-cut": Body(CONTENT, HEADERS, length=-1, piece=7, cut_after=50),
    "chunked-and-without-end": Body(CONTENT, HEADERS, length=-1, cut_after=len(CONTENT)),
}
# The two that the HTTP stack beneath has for it, and what botocore makes of them.
MISMATCHES = (IncompleteReadError, ResponseStreamingError)


@pytest.mark.parametrize("way", TO_THE_END)
def test_a_body_that_breaks_off(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, way: str
) -> None:
    """BR5, BR11: what fails at the user's read fails as it does without us, and is one error, told at once."""
    for times, broken in enumerate(BROKEN.values(), 1):
        server.script(broken, broken)
        expected, _ = outcome(client, TO_THE_END[way])
        result, response = outcome(wrapped, TO_THE_END[way])
        assert repr(result) == repr(expected)
        if expected is AttributeError:
            pytest.skip("this release of urllib3 cannot")
        assert told_by_now(recorded) == FAILED_AT_A_READ * times
        del response
        assert told(recorded) == FAILED_AT_A_READ * times


READS: list[Any] = [
    pytest.param(lambda body: body.read(), id="read"),
    pytest.param(list, id="for"),
    pytest.param(lambda body: until(b"", body.read, 9), id="read-n"),
    pytest.param(lambda body: until(0, body.readinto, bytearray(9)), id="readinto", marks=NEEDS_READINTO),
]


@pytest.mark.parametrize("read", READS)
def test_fewer_bytes_than_announced(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, read: Callable[[Any], Any]
) -> None:
    """BR11: a content-length mismatch raises at the user's own read: not at the request, nor at what comes before."""
    server.script(BROKEN["short"])
    body = wrapped.invoke_model(**INVOKED)["body"]
    assert body.read(10) == CONTENT[:10]
    assert told(recorded) == []
    with pytest.raises(MISMATCHES):
        read(body)
    assert told_by_now(recorded) == FAILED_AT_A_READ


def test_a_mismatch_that_nobody_reads(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR11: who closes before the mismatch never meets it: a success."""
    server.script(BROKEN["short"])
    body = wrapped.invoke_model(**INVOKED)["body"]
    body.read(10)
    body.close()
    assert told_by_now(recorded) == HEADERS_ALONE


def test_more_bytes_than_announced(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient
) -> None:
    """BR11: what goes beyond the announced length is no part of the body, with us as without."""
    server.script(*[Body(HELLO + b"more", [*HEADERS, ("connection", "close")], length=len(HELLO))] * 2)
    assert client.invoke_model(**INVOKED)["body"].read() == HELLO
    assert wrapped.invoke_model(**INVOKED)["body"].read() == HELLO
    assert told_by_now(recorded) == HEADERS_ALONE


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda body: body.read(), ReadTimeoutError),
        (lambda body: list(body.iter_chunks(8)), ReadTimeoutError),
        pytest.param(lambda body: body.readinto(bytearray(20)), ReadTimeoutError, marks=NEEDS_READINTO),
        (within(lambda raw: raw.read()), PoolTimeoutError),
        (within(lambda raw: list(raw.stream(8))), PoolTimeoutError),
        (within(lambda raw: raw.data), PoolTimeoutError),
    ],
    ids=["read", "iter_chunks", "readinto", "raw-read", "raw-stream", "raw-data"],
)
def test_a_stall(
    server: ScriptedBedrock,
    make_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    read: Callable[[Any], Any],
    error: type[Exception],
) -> None:
    """BR5: a read that times out is an error, with the time that was waited for it; the user may go on, once told."""
    server.script(STALLING_BODY, STALLING_BODY)
    client = make_client(Config(read_timeout=0.5))
    expected, _ = outcome(client, read)
    assert expected is error
    body = wrap_bedrock(client, config).invoke_model(**INVOKED)["body"]
    with pytest.raises(error):
        read(body)
    told_once = [duration(200), ERROR, *TOKENS]
    assert told_by_now(recorded) == told_once
    with suppress(Exception):  # whatever the HTTP stack makes of it
        until(b"", body.read, 4)
    body.close()
    body.close()
    assert server.requests[1].gone.wait(5)
    del body
    assert told(recorded) == told_once


class Faltering(io.BytesIO):
    """Bytes of which the read of the second piece fails, once."""

    def __init__(self, content: bytes, error: BaseException) -> None:
        super().__init__(content)
        self._errors: list[BaseException | None] = [None, error]

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, or fail."""
        error = self._errors.pop(0) if self._errors else None
        if error is not None:
            raise error
        return super().read(size)


def answering(body: Any) -> Answering:
    """Make a client that has this for a body, beside the headers."""
    return Answering(body, ResponseMetadata={"HTTPHeaders": dict(HEADERS)})


@pytest.mark.parametrize("error", [OSError("a"), ValueError("b"), KeyboardInterrupt(), SystemExit(1), MemoryError()])
def test_the_same_error_goes_on(config: AIConfig, recorded: RecordingClient, error: BaseException) -> None:
    """BR5: whatever a read raises is one error, and the very object goes on; then the user reads the rest."""
    wrapped = wrap_bedrock(answering(StreamingBody(Faltering(HELLO, error), len(HELLO))), config)
    body = wrapped.invoke_model(**INVOKED)["body"]
    body.read(5)
    with pytest.raises(type(error)) as caught:
        body.read(5)
    assert caught.value is error
    assert told_by_now(recorded) == FAILED_AT_A_READ
    assert body.read() == HELLO[5:]
    assert body.read() == b""
    assert told(recorded) == FAILED_AT_A_READ


@pytest.mark.parametrize("off_by", [-5, 5])
@pytest.mark.parametrize("read", READS)
def test_a_mismatch_that_botocore_finds(
    config: AIConfig, recorded: RecordingClient, read: Callable[[Any], Any], off_by: int
) -> None:
    """BR11: a mismatch that the body itself finds, with no header to tell the length, is an error as well."""
    wrapped = wrap_bedrock(answering(StreamingBody(io.BytesIO(HELLO), len(HELLO) + off_by)), config)
    body = wrapped.invoke_model(**INVOKED)["body"]
    with pytest.raises(IncompleteReadError):
        read(body)
    assert told(recorded) == FAILED_AT_A_READ


class OwnError(Exception):
    """The application's own."""


def test_own_exception(wrapped: Any, server: ScriptedBedrock, recorded: RecordingClient) -> None:
    """BR1: the user's own exception inside `with body` is no failure of the model's, and goes on."""
    server.script(Body(CONTENT, HEADERS))
    error = OwnError()
    with pytest.raises(OwnError) as caught, wrapped.invoke_model(**INVOKED)["body"] as raw:
        raw.read(10)
        raise error
    assert caught.value is error
    assert told_by_now(recorded) == HEADERS_ALONE


def test_read_after_the_closing(wrapped: Any, client: Any, recorded: RecordingClient) -> None:
    """BR5: reading what the user has closed gives what it gives without us, and turns no success into an error."""
    for way in (
        lambda body: [body.close(), body.read(), body.read(1)],
        within(lambda raw: [raw.read(5), raw.close(), raw.read()]),
        lambda body: [body.read(5), body.close(), list(body)],
    ):
        (expected, _), (result, _response) = outcome(client, way), outcome(wrapped, way)
        assert repr(result) == repr(expected)
    assert told(recorded) == [duration(), SUCCESS] * 3


def test_the_body_does_not_decide_before_its_end(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient
) -> None:
    """BR7: a body that failed is not read, however much of it there is; without headers there are no tokens."""
    server.script(Body(CONTENT, cut_after=len(CONTENT) - 1), Body(CONTENT))
    with pytest.raises(MISMATCHES):
        wrapped.invoke_model(**INVOKED)["body"].read()
    assert told_by_now(recorded) == [duration(), ERROR]
    wrapped.invoke_model(**INVOKED)["body"].read()
    assert told(recorded)[2:] == [duration(), SUCCESS, *tokens(12, 5)]
