"""The body of `invoke_model`: what is no JSON, and what is kept of it while it is read and after that."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import HEADERS, INVOKED
from tests.bedrock.ways import Answering
from tests.expected import ANSWERED, ERROR, SUCCESS, TOKENS, UNREAD, duration, tokens, told, told_by_now
from tests.servers.bedrock import Body, ScriptedBedrock, claude

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

COUNTED = json.dumps(claude(usage={"input_tokens": 12, "output_tokens": 5})).encode()
BY_ITSELF = [duration(), SUCCESS, *tokens(12, 5)]
DEEP = b'{"a":' * 100_000

NO_OBJECT = {
    "empty": b"",
    "spaces": b" \r\n\t ",
    "text": b"Hello",
    "binary": bytes(range(256)),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
    "compressed": gzip.compress(COUNTED),
    "half": COUNTED[:-1],
    "two": COUNTED + COUNTED,
    "lines": COUNTED + b"\n" + COUNTED,
    "list": b"[" + COUNTED + b"]",
    "string": json.dumps(COUNTED.decode()).encode(),
    "null": b"null",
    "number": b"12",
    "huge-number": b'{"usage": {"input_tokens": ' + b"9" * 5000 + b"}}",
    "deep": DEEP,
    "deep-and-whole": DEEP + b"1" + b"}" * 100_000,
    "latin": '{"a": "ü"}'.encode("latin-1"),
    "surrogate": b'{"a": "\xed\xa0\x80"}',
}


@pytest.mark.parametrize("length", [None, -1])
@pytest.mark.parametrize("content", NO_OBJECT)
def test_bytes_that_are_no_json(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, content: str, length: int | None
) -> None:
    """BR11: bytes that are no JSON, or not quite, come through untouched: a success with the tokens of the headers."""
    server.script(*[Body(NO_OBJECT[content], HEADERS, length=length, piece=4096)] * 2)
    assert wrapped.invoke_model(**INVOKED)["body"].read() == NO_OBJECT[content]
    assert told_by_now(recorded) == ANSWERED
    assert b"".join(wrapped.invoke_model(**INVOKED)["body"]) == NO_OBJECT[content]
    assert told_by_now(recorded) == ANSWERED + ANSWERED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, encoding: str) -> None:
    """BR7: JSON is read in whatever encoding JSON may have, byte by byte, spaces before it or not."""
    content = f"\n {COUNTED.decode()}\n".encode(encoding)
    server.script(Body(content, HEADERS))
    body = wrapped.invoke_model(**INVOKED)["body"]
    assert b"".join(body.iter_chunks(1)) == content
    assert json.loads(content)["usage"]["input_tokens"] == 12
    assert told_by_now(recorded) == BY_ITSELF


class Flowing:
    """A raw stream of so many bytes, which are made while they are read."""

    def __init__(self, beginning: bytes, size: int, end: bytes, *, fill: bytes = b"a") -> None:
        self._pieces = self._made(beginning, size, end, fill)
        self.closed = False

    def read(self, size: int | None = None) -> bytes:
        """Take the next piece, whatever its size."""
        return next(self._pieces, b"")

    def close(self) -> None:
        """Do as told."""
        self.closed = True

    @staticmethod
    def _made(beginning: bytes, size: int, end: bytes, fill: bytes) -> Iterator[bytes]:
        if beginning:
            yield beginning
        for _ in range(size // 65_536):
            yield fill * 65_536
        yield end


MEGABYTE = 1 << 20


@pytest.fixture
def kept() -> Iterator[Callable[[], int]]:
    """Tell how much memory is held, more than at the beginning."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    yield lambda: tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()


def read_some(body: Any, pieces: int = 1 << 30) -> None:
    """Read so many pieces, or to the end, and keep none."""
    for _ in range(pieces):
        if not body.read(65_536):
            return


@pytest.mark.parametrize(
    "beginning", [b"", b"Hello", b"\x89PNG\r\n\x1a\n", b"[1, ", b'"', b"\xff\xd8\xff\xe0", b"\xff\xfb"]
)
def test_what_is_no_object_is_not_kept(config: AIConfig, kept: Callable[[], int], beginning: bytes) -> None:
    """BR11: of a body that is no JSON object, an image or a sound, nothing is kept while it is read."""
    wrapped = wrap_bedrock(Answering(StreamingBody(Flowing(beginning, 8 * MEGABYTE, b""), None)), config)
    body = wrapped.invoke_model(**INVOKED)["body"]
    read_some(body, 64)
    assert kept() < MEGABYTE


def test_spaces_are_not_kept(config: AIConfig, recorded: RecordingClient, kept: Callable[[], int]) -> None:
    """BR11: spaces before an object, which may keep a connection alive, are not kept, nor gone through again."""
    raw = Flowing(b"", 8 * MEGABYTE, COUNTED, fill=b" ")
    body = wrap_bedrock(Answering(StreamingBody(raw, None)), config).invoke_model(**INVOKED)["body"]
    read_some(body, 64)
    assert kept() < MEGABYTE
    read_some(body)
    assert told(recorded) == BY_ITSELF


ENDINGS: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: None,
    "read-again": lambda body: [body.read(), body.read()],
    "closed": lambda body: body.close(),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("headers", [{}, {"content-length": str(20 + 8 * MEGABYTE)}])
def test_a_body_is_not_kept(
    config: AIConfig, recorded: RecordingClient, kept: Callable[[], int], ending: str, headers: dict[str, str]
) -> None:
    """BR11: of a body that is JSON nothing is kept after its end, while the application still holds the response."""
    raw = Flowing(b'{"text": "', 8 * MEGABYTE, b'", "a": 1}')
    answering = Answering(StreamingBody(raw, None), ResponseMetadata={"HTTPHeaders": headers})
    body = wrap_bedrock(answering, config).invoke_model(**INVOKED)["body"]
    read_some(body)
    ENDINGS[ending](body)
    assert kept() < MEGABYTE
    assert raw.closed is (ending == "closed")
    assert told(recorded) == UNREAD


def test_a_body_left_in_part_is_not_kept(config: AIConfig, recorded: RecordingClient, kept: Callable[[], int]) -> None:
    """BR11: of a body that is closed before its end nothing is kept either, nor of what is read after that."""
    raw = Flowing(b'{"text": "', 8 * MEGABYTE, b'"}')
    body = wrap_bedrock(Answering(StreamingBody(raw, None)), config).invoke_model(**INVOKED)["body"]
    read_some(body, 32)
    assert kept() > MEGABYTE  # which tells that it is measured at all
    body.close()
    assert kept() < MEGABYTE
    read_some(body, 32)
    assert told(recorded) == UNREAD


def test_what_is_read_again_is_not_kept(config: AIConfig, recorded: RecordingClient, kept: Callable[[], int]) -> None:
    """BR11: an application's own stream that goes back to its beginning is not kept, and told once."""
    body = wrap_bedrock(Answering(io.BytesIO(COUNTED[:-1] + b" " * 4 * MEGABYTE + b"}")), config)
    stream = body.invoke_model(**INVOKED)["body"]
    while stream.read(65_536):
        pass
    assert told_by_now(recorded) == BY_ITSELF
    held = kept()
    stream.seek(0)
    while stream.read(65_536):
        assert kept() - held < MEGABYTE
    assert told(recorded) == BY_ITSELF


def test_an_error_for_a_body(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR9: an error in the place of an answer is a failure that was not raised."""
    server.script(Body(b'{"error": {"message": "no"}}', HEADERS))
    wrapped.invoke_model(**INVOKED)["body"].read()
    assert told_by_now(recorded) == [duration(), ERROR, *TOKENS]
