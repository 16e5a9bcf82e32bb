"""The body of `invoke_model`, read in every way there is: what comes is the same, and what is told is exact."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.response import StreamingBody

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import HEADERS, INVOKED
from tests.bedrock.ways import BODY, NEEDS_READINTO, TO_THE_END, outcome, until, within
from tests.expected import SUCCESS, TOKENS, duration, tokens, told, told_by_now
from tests.servers.bedrock import Body, ScriptedBedrock, claude

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

# In lines, some with no ASCII in them, and with counts that are not those of the headers.
CONTENT = json.dumps(
    claude({"type": "text", "text": "Grüße, 世界"}, usage={"input_tokens": 12, "output_tokens": 5}),
    indent=1,
    ensure_ascii=False,
).encode()
SENT = {
    "whole": Body(CONTENT, HEADERS),
    "in-pieces": Body(CONTENT, HEADERS, piece=50),
    "chunked": Body(CONTENT, HEADERS, length=-1, piece=50),
}
READ_TO_THE_END = [duration(), SUCCESS, *tokens(12, 5)]
HEADERS_ALONE = [duration(), SUCCESS, *TOKENS]


@pytest.mark.parametrize("way", TO_THE_END)
def test_read_to_the_end(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, way: str
) -> None:
    """BR1, BR11: however a body is read, what comes is what comes without us; at its end one record, by the body."""
    for times, sent in enumerate(SENT.values(), 1):
        server.script(sent, sent)
        expected, _ = outcome(client, TO_THE_END[way])
        result, response = outcome(wrapped, TO_THE_END[way])
        assert repr(result) == repr(expected)
        if isinstance(expected, type):
            pytest.skip(f"these releases of botocore and urllib3 cannot: {expected.__name__}")
        assert told_by_now(recorded) == READ_TO_THE_END * times
        del response
        assert told(recorded) == READ_TO_THE_END * times


@pytest.mark.parametrize("amount", [None, 7])
def test_read_chunked(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, amount: int | None
) -> None:
    """BR11: a body that comes in chunks is read by these as well."""
    server.script(SENT["chunked"], SENT["chunked"])
    way = within(lambda raw: list(raw.read_chunked(amount)))
    expected, _ = outcome(client, way)
    result, _response = outcome(wrapped, way)
    assert result == expected
    assert b"".join(result) == CONTENT
    assert told_by_now(recorded) == READ_TO_THE_END


@pytest.mark.parametrize("content", [b"", b"Hello", b"\xff", b"null", b"[]", b"{}"])
def test_json_of_any_body(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, content: bytes
) -> None:
    """BR11: what is no JSON fails to be parsed as it does without us, which is no failure of the model's."""
    for way in (json.load, within(lambda raw: raw.json())):
        server.script(*[Body(content, HEADERS)] * 2)
        (expected, _), (result, _response) = outcome(client, way), outcome(wrapped, way)
        assert repr(result) == repr(expected)
    assert told(recorded) == HEADERS_ALONE * 2


def test_its_type(client: Any, wrapped: Any) -> None:
    """BR11: the body is botocore's own, and what is in it passes for urllib3's response."""
    ours, theirs = (each.invoke_model(**INVOKED)["body"] for each in (wrapped, client))
    assert type(ours) is type(theirs) is StreamingBody
    with ours as raw, theirs as their_raw:
        assert isinstance(raw, type(their_raw))
        assert (raw.status, dict(raw.headers).keys()) == (200, dict(their_raw.headers).keys())
        raw.marked = True
        assert raw.marked
    assert raw.closed
    assert their_raw.closed


def test_the_response_is_as_before(client: Any, wrapped: Any) -> None:
    """BR11: beside the body everything in the response is the same."""
    ours, theirs = (each.invoke_model(**INVOKED) for each in (wrapped, client))
    for response in (ours, theirs):
        response["body"] = response["body"].read()
        response["ResponseMetadata"]["HTTPHeaders"].pop("date", None)
    assert ours == theirs
    assert type(ours) is type(theirs)


# What leaves bytes behind, or takes none.
IN_PART: dict[str, Callable[[Any], Any]] = {
    "untouched": lambda body: None,
    "read-n": lambda body: body.read(10),
    "read-nothing": lambda body: body.read(0),
    "next": lambda body: [body.read(1), body.tell()],
    "readline": methodcaller("readline"),
    "readinto": lambda body: body.readinto(bytearray(10)),
    "iter_chunks": lambda body: list(islice(body.iter_chunks(5), 2)),
    "iter_lines": lambda body: next(body.iter_lines(5)),
    "asked-about": lambda body: [body.readable(), body.tell(), body.set_socket_timeout(5)],
    "close": lambda body: body.close(),
    "close-twice": lambda body: [body.read(10), body.close(), body.close()],
    "with": within(lambda raw: None),
    "raw-read-n": within(lambda raw: raw.read(10)),
    "raw-stream": within(lambda raw: next(raw.stream(10))),
    "raw-readline": within(lambda raw: raw.readline()),
    "raw-readlines": within(lambda raw: raw.readlines(1)),
    "raw-readlines-twice": within(lambda raw: until([], raw.readlines, 7)),  # of which urllib3 loses some
    "raw-for-and-read": within(lambda raw: [next(iter(raw)), raw.read()]),  # likewise
    "raw-next": within(next),
    "drained": within(lambda raw: raw.drain_conn()),
}


@pytest.mark.parametrize("way", IN_PART)
def test_read_in_part(server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, way: str) -> None:
    """BR1, BR7: a body that is closed or dropped before its end is one success, with the tokens of the headers."""
    for times, sent in enumerate(SENT.values(), 1):
        server.script(sent, sent)
        expected, _ = outcome(client, IN_PART[way])
        result, response = outcome(wrapped, IN_PART[way])
        assert repr(result) == repr(expected)
        del response
        assert told(recorded) == HEADERS_ALONE * times


@pytest.mark.parametrize("way", ["close", "close-twice", "with", "raw-read-n", "raw-stream", "drained"])
def test_closed_before_its_end(wrapped: Any, server: ScriptedBedrock, recorded: RecordingClient, way: str) -> None:
    """BR1: the closing is the end: told at once, while the body is still referenced; what is left says nothing."""
    server.script(SENT["whole"])
    body = wrapped.invoke_model(**INVOKED)["body"]
    assert told(recorded) == []
    IN_PART[way](body)
    assert told_by_now(recorded) == HEADERS_ALONE
    body.close()
    assert told(recorded) == HEADERS_ALONE


def test_released(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1: a body whose connection is given back unread is one success."""
    server.script(SENT["whole"])
    with wrapped.invoke_model(**INVOKED)["body"] as raw:
        raw.release_conn()
    assert told_by_now(recorded) == HEADERS_ALONE


@NEEDS_READINTO
def test_read_on_in_another_way(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR11: a body may be read in several ways, each from where the last one stopped."""
    server.script(SENT["in-pieces"])
    body = wrapped.invoke_model(**INVOKED)["body"]
    buffer = bytearray(5)
    pieces = [body.read(3), body.readline(), next(body.iter_chunks(4))]
    pieces.append(bytes(buffer[: body.readinto(buffer)]))
    pieces += [b"".join(islice(body, 1)), *until(b"", body.read, 9), body.read()]
    assert b"".join(pieces) == CONTENT
    assert told_by_now(recorded) == READ_TO_THE_END


def test_the_last_byte_is_the_end(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1: where a length is announced, the last byte is the end: no read has to come back empty."""
    server.script(SENT["whole"])
    body = wrapped.invoke_model(**INVOKED)["body"]
    body.read(len(CONTENT) - 1)
    assert told(recorded) == []
    body.read(1)
    assert told_by_now(recorded) == READ_TO_THE_END
    assert (body.read(1), body.read()) == (b"", b"")
    assert told(recorded) == READ_TO_THE_END


TINY = b'{"usage":{"input_tokens":9,"output_tokens":3}}'


@pytest.mark.parametrize("content", [TINY, CONTENT + b" " * 4000], ids=["grows", "shrinks"])
@pytest.mark.parametrize("length", [None, -1])
def test_a_compressed_body(
    server: ScriptedBedrock,
    client: Any,
    wrapped: Any,
    recorded: RecordingClient,
    content: bytes,
    length: int | None,
) -> None:
    """BR11: compressed bytes come as they are, or as urllib3 unpacks them for who asks; either is a success."""
    sent = Body(gzip.compress(content), [*HEADERS, ("content-encoding", "gzip")], length=length)
    server.script(*[sent] * 4)
    for way in (BODY["read"], within(lambda raw: raw.read(decode_content=True))):
        (expected, _), (result, _response) = outcome(client, way), outcome(wrapped, way)
        assert result == expected
    assert [run.success for run in recorded.runs] == [True, True]


# Bytes that are sent before the server says no more, and how exactly these are read.
AT_HAND: dict[str, Callable[[Any], Any]] = {
    "read": lambda body: body.read(10),
    "read-twice": lambda body: body.read(4) + body.read(6),
    "readinto": lambda body: body.readinto(bytearray(10)),
    "readline": lambda body: body.readline(10),
    "iter_chunks": lambda body: list(islice(body.iter_chunks(5), 2)),
    "iter_lines": lambda body: next(body.iter_lines(5)),
    "raw-read": lambda body: body._raw_stream.read(10),
    "raw-read1": lambda body: body._raw_stream.read1(1),
    "raw-stream": lambda body: [stream := body._raw_stream.stream(5), next(stream), next(stream)],
    "raw-readline": lambda body: body._raw_stream.readline(),
    "raw-next": lambda body: next(body._raw_stream),
}


@pytest.mark.parametrize("length", [None, -1])
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=NEEDS_READINTO) if way == "readinto" else way for way in AT_HAND]
)
def test_nothing_is_read_ahead(
    server: ScriptedBedrock,
    make_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    way: str,
    length: int | None,
) -> None:
    """BR11: what was sent is there for the user, though no more comes: we read no byte of our own, before or after."""
    server.script(Body(b'{"a":1,\n"b":2,\n' + CONTENT, HEADERS, length=length, stall_after=10))
    wrapped = wrap_bedrock(make_client(Config(read_timeout=4)), config)  # which a byte too many would run into
    body = wrapped.invoke_model(**INVOKED)["body"]
    taken = AT_HAND[way](body)
    assert taken
    assert told(recorded) == []
    assert not server.requests[0].gone.is_set()
    body.close()
    assert server.requests[0].gone.wait(5)
    assert told_by_now(recorded) == HEADERS_ALONE


def test_a_body_that_does_not_begin(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR11: the response is there when its headers are, without a byte of the body."""
    server.script(Body(CONTENT, HEADERS, stall_after=0))
    body = wrapped.invoke_model(**INVOKED)["body"]
    assert told(recorded) == []
    body.close()
    assert told_by_now(recorded) == HEADERS_ALONE
