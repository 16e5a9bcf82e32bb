"""The events of a body, in whatever pieces it comes, empty ones included."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from ldai_core.json_body import from_json
from ldai_openai.body import Events

# Bodies in which line ends, comments and fields meet in all ways.
TOKENS = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b":",
        b"data",
        b"data:",
        b"data: ",
        b'{"a":',
        b"1}",
        b"{}",
        b" ",
        b"\xc3\xa9",
        b"id: 1",
        b"\xef\xbb\xbf",
    ]
)


@given(st.lists(st.lists(TOKENS, max_size=6).map(b"".join), max_size=12))
@example([b"data: {\r", b"", b"\ndata: }\r\n\r\n"])
@example([b"\r", b"\n", b"\r", b"", b"", b"\n", b"data: {}", b"\n", b"", b"\r"])
def test_empty_pieces(pieces: list[bytes]) -> None:
    """OA10: in whatever pieces, empty ones among them, the objects are those of the events that the SDK finds."""
    try:
        told = [from_json(event.data) for event in SSEDecoder().iter_bytes(iter([b"".join(pieces)]))]
    except UnicodeDecodeError:
        return  # the SDK raises what is then the stream's failure
    events = Events()
    found: list[Any] = [item for piece in pieces for item in events.feed(piece)]
    assert found == [item for item in told if item is not None]


def test_many_lines_in_one_piece() -> None:
    """OA17: a piece of very many lines costs time in proportion to its length."""
    assert len(list(Events().feed(b"data: {}\n\n" * 100_000))) == 100_000
