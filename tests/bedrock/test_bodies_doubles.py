"""The bodies of an application's own tests: stubs, files, and whatever else stands for a body."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import INVOKED
from tests.bedrock.ways import NEEDS_READINTO, Answering
from tests.expected import SUCCESS, duration, tokens, told, told_by_now
from tests.servers.bedrock import claude

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

COUNTED = json.dumps(claude(usage={"input_tokens": 12, "output_tokens": 5})).encode()
BY_ITSELF = [duration(), SUCCESS, *tokens(12, 5)]


def test_botocores_stubs(client: Any, wrapped: Any, recorded: RecordingClient) -> None:
    """BR11: a stubbed body is measured as one from the wire is."""
    body = StreamingBody(io.BytesIO(COUNTED), len(COUNTED))
    with Stubber(client) as stubber:
        stubber.add_response("invoke_model", {"body": body, "contentType": "application/json"})
        response = wrapped.invoke_model(**INVOKED)
    assert response["body"] is body
    assert (json.load(body), body.read()) == (json.loads(COUNTED), b"")
    assert told_by_now(recorded) == BY_ITSELF


class Reading:
    """A body that can be read, and nothing else."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self) -> bytes:
        """Read it all."""
        content, self._content = self._content, b""
        return content


class Wrapping(StreamingBody):  # type: ignore[misc]  # which has no types
    """A body of a class of the application's own."""


DOUBLES: dict[str, Callable[[bytes], Any]] = {
    "streaming": lambda content: StreamingBody(io.BytesIO(content), len(content)),
    "streaming-str": lambda content: StreamingBody(io.BytesIO(content), str(len(content))),
    "streaming-none": lambda content: StreamingBody(io.BytesIO(content), None),
    "subclass": lambda content: Wrapping(io.BytesIO(content), len(content)),
    "bytesio": io.BytesIO,
    "buffered": lambda content: io.BufferedReader(io.BytesIO(content)),
    "read-alone": Reading,
}


@pytest.mark.parametrize("double", DOUBLES)
def test_doubles(config: AIConfig, recorded: RecordingClient, double: str) -> None:
    """BR11: whatever has a `read` is measured, its type is the same, and so is what it gives."""
    body = DOUBLES[double](COUNTED)
    ours = wrap_bedrock(Answering(body), config).invoke_model(**INVOKED)["body"]
    assert isinstance(ours, type(body))
    assert told(recorded) == []
    assert (ours.read(), ours.read()) == (COUNTED, b"")
    assert told_by_now(recorded) == BY_ITSELF


FILES = [name for name in DOUBLES if name != "read-alone"]


@NEEDS_READINTO
@pytest.mark.parametrize("double", FILES)
def test_doubles_are_files(config: AIConfig, recorded: RecordingClient, double: str) -> None:
    """BR11: a double is read in all the ways of a file."""
    for way in (
        json.load,
        list,
        lambda body: body.readlines(),
        lambda body: [body.readinto(bytearray(1 << 12)), body.read()],
        lambda body: [body.readline(), body.readline()],
        lambda body: io.TextIOWrapper(body).read(),
        lambda body: io.BufferedReader(body).read(),
    ):
        ours = wrap_bedrock(Answering(DOUBLES[double](COUNTED)), config).invoke_model(**INVOKED)["body"]
        assert way(ours) == way(DOUBLES[double](COUNTED))
        del ours
    assert told(recorded) == BY_ITSELF * 7


OTHERS: dict[str, Callable[[], Any]] = {
    "bytes": lambda: COUNTED,
    "str": COUNTED.decode,
    "bytearray": lambda: bytearray(COUNTED),
    "memoryview": lambda: memoryview(COUNTED),
    "dict": lambda: json.loads(COUNTED),
    "list": lambda: [COUNTED[:9], b"", COUNTED[9:]],
    "events": lambda: [{"chunk": {"bytes": b"{}"}}],
    "number": lambda: 5,
    "none": lambda: None,
    "text": lambda: io.StringIO(COUNTED.decode()),
}
USES: list[Callable[[Any], Any]] = [
    lambda body: body,
    len,
    bool,
    list,
    lambda body: body[0],
    lambda body: body["usage"],
    lambda body: body == COUNTED,
    json.loads,
    json.dumps,
    bytes,
    type,
    lambda body: body.read(),
]


def used(body: Any, use: Callable[[Any], Any]) -> Any:
    """Say what comes of a use, or which error."""
    try:
        return use(body)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
        return type(error)


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_stream(config: AIConfig, recorded: RecordingClient, other: str) -> None:
    """BR11, BR15: a body that is not read like a file is as it was for whatever it is used; a success."""
    for use in USES:
        ours = wrap_bedrock(Answering(OTHERS[other]()), config).invoke_model(**INVOKED)["body"]
        theirs = OTHERS[other]()
        if not hasattr(theirs, "read"):
            assert used(ours, use) == used(theirs, use)
        else:
            assert type(used(ours, lambda body: body.read())) is str
        del ours
    assert [run.success for run in recorded.runs] == [True] * len(USES)


@pytest.mark.parametrize("other", ["bytes", "str"])
def test_a_whole_body(config: AIConfig, recorded: RecordingClient, other: str) -> None:
    """BR7: bytes, or text, are a body that has been read to its end."""
    wrap_bedrock(Answering(OTHERS[other]()), config).invoke_model(**INVOKED)
    assert told_by_now(recorded) == BY_ITSELF


def test_a_generator(config: AIConfig, recorded: RecordingClient) -> None:
    """BR11, BR15: pieces of an application's own come one by one, empty ones too, and are read on to the end."""
    pieces = [COUNTED[:9], b"", COUNTED[9:]]
    for read in (list, lambda body: [next(body), next(body), next(body)]):
        body = wrap_bedrock(Answering(piece for piece in pieces), config).invoke_model(**INVOKED)["body"]
        assert read(body) == pieces
        del body
    assert [run.success for run in recorded.runs] == [True, True]


class Pausing(io.BytesIO):
    """A file whose iteration has empty pieces in it."""

    def __iter__(self) -> Any:
        """Go through it in two pieces."""
        return iter([self.read(9), b"", self.read()])


def test_empty_pieces(config: AIConfig, recorded: RecordingClient) -> None:
    """BR11, BR15: an empty piece that is not the last one is handed on, and so is what comes after it."""
    body = wrap_bedrock(Answering(Pausing(COUNTED)), config).invoke_model(**INVOKED)["body"]
    assert list(body) == [COUNTED[:9], b"", COUNTED[9:]]
    assert told(recorded) == BY_ITSELF


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"ResponseMetadata": None},
        {"ResponseMetadata": "any"},
        {"ResponseMetadata": {"HTTPHeaders": None}},
        {"ResponseMetadata": {"HTTPHeaders": {"content-length": len(COUNTED)}}},
        {"ResponseMetadata": {"HTTPHeaders": {"content-length": None, "x-amzn-bedrock-input-token-count": 5}}},
        {"ResponseMetadata": {"HTTPHeaders": [("content-length", "5")]}},
    ],
    ids=str,
)
@pytest.mark.parametrize("body", [lambda: io.BytesIO(COUNTED), lambda: COUNTED])
def test_metadata_of_doubles(
    config: AIConfig, recorded: RecordingClient, body: Callable[[], Any], fields: dict[str, Any]
) -> None:
    """BR15: metadata that is missing, or of another type, breaks no call."""
    ours = wrap_bedrock(Answering(body(), **fields), config).invoke_model(**INVOKED)["body"]
    assert (ours if isinstance(ours, bytes) else ours.read()) == COUNTED
    assert recorded.run.success


def test_the_response_of_a_double(config: AIConfig) -> None:
    """BR13, BR15: what is put into a response is put into a copy of it: the application's own is not changed."""
    answering = Answering(io.BytesIO(COUNTED))
    before = dict(answering.response)
    response = wrap_bedrock(answering, config).invoke_model(**INVOKED)
    assert answering.response == before
    assert type(answering.response["body"]) is io.BytesIO
    assert response.keys() == before.keys()
