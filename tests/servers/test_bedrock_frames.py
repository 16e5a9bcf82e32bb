"""The frames of the Bedrock runtime of the tests, held against botocore's parser and an independent codec."""

from __future__ import annotations

import io
import json
import sys
from http.client import HTTPConnection
from importlib import import_module
from typing import Any

import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.bedrock import Events, ScriptedBedrock, events, frame, tool_use, usage_of

STREAM = Events(
    events("Hel", "lö", tool_use("look", '{"a"', ": 1}"), usage=usage_of(9, 3, cacheReadInputTokens=4)),
    exception=("throttlingException", "slow down"),
    error=("InternalError", "oh nö"),
)
NAMES = st.text(min_size=1, max_size=63)
HEADERS = st.dictionaries(NAMES, st.text(max_size=300), max_size=6)
CONTENTS = st.none() | st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans()))


@pytest.fixture(scope="module")
def smithy() -> Any:
    """Import a codec that has nothing in common with botocore's."""
    if sys.version_info < (3, 12):
        pytest.skip("smithy-aws-event-stream needs Python 3.12")
    return import_module("smithy_aws_event_stream.events")


def payload_of(content: Any) -> bytes:
    """Write a content as a frame has it."""
    return b"" if content is None else json.dumps(content).encode()


def parsed(data: bytes, size: int) -> list[tuple[dict[str, str], bytes]]:
    """Parse frames with botocore, fed with pieces of a size."""
    buffer = EventStreamBuffer()
    messages: list[Any] = []
    for at in range(0, len(data), size):
        buffer.add_data(data[at : at + size])
        messages += buffer
    return [(message.headers, message.payload) for message in messages]


@given(headers=HEADERS, content=CONTENTS)
def test_frames_as_botocore_parses_them(headers: dict[str, str], content: Any) -> None:
    """A frame has both checksums, its headers in order, and its content, whatever these are."""
    assert parsed(frame(headers, content), 1 << 20) == [(headers, payload_of(content))]
    assert list(parsed(frame(headers, content), 1 << 20)[0][0]) == list(headers)


def test_the_longest_headers() -> None:
    """A name has one byte for its length, a value two, of which the highest bit is not used."""
    headers = {"n" * 255: "v" * 32_767, "": ""}
    assert parsed(frame(headers, {}), 1 << 20) == [(headers, b"{}")]


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_frames_in_pieces(size: int) -> None:
    """Frames follow one another without anything between, and are found in whatever pieces they come."""
    frames = list(STREAM.frames())
    alone = [message for each in frames for message in parsed(each, 1 << 20)]
    assert parsed(b"".join(frames), size) == alone
    assert len(alone) == len(frames) == 12


@given(headers=HEADERS, content=CONTENTS)
def test_frames_as_the_independent_codec_has_them(smithy: Any, headers: dict[str, str], content: Any) -> None:
    """What it encodes is the same byte for byte, and it decodes what is encoded here."""
    message = smithy.EventMessage(headers=headers, payload=payload_of(content))
    encoded = frame(headers, content)
    assert encoded == message.encode()
    decoded = smithy.Event.decode(io.BytesIO(encoded))
    assert decoded.message == message
    assert (decoded.prelude.total_length, decoded.crc) == (len(encoded), int.from_bytes(encoded[-4:], "big"))


def test_both_checksums() -> None:
    """There is no byte of a frame that can be changed without being noticed, and no bit of it."""
    sound = frame({":event-type": "messageStop", ":message-type": "event"}, {"stopReason": "end_turn"})
    for at in range(len(sound)):
        for bit in range(8):
            broken = sound[:at] + bytes([sound[at] ^ 1 << bit]) + sound[at + 1 :]
            with pytest.raises(ChecksumMismatch):
                parsed(broken, len(broken))


def test_a_stream_on_the_wire(smithy: Any) -> None:
    """The independent codec reads a stream as it comes over the socket, to its end, exceptions and errors too."""
    with ScriptedBedrock() as server:
        server.script(STREAM)
        connection = HTTPConnection(server.uri.removeprefix("http://"), timeout=10)
        connection.request("POST", "/model/any/converse-stream", b"{}")
        response = connection.getresponse()
        data = io.BytesIO(response.read())
        connection.close()
    assert response.getheader("content-type") == "application/vnd.amazon.eventstream"
    received = []
    while event := smithy.Event.decode(data):
        received.append((event.message.headers, event.message.payload))
    encoded = [smithy.EventMessage(headers=headers, payload=payload).encode() for headers, payload in received]
    assert encoded == list(STREAM.frames())
    kinds = [headers[":message-type"] for headers, _ in received]
    assert kinds == ["event"] * 10 + ["exception", "error"]
    assert received[-1] == ({":message-type": "error", ":error-code": "InternalError", ":error-message": "oh nö"}, b"")
