"""The bodies that are read along with the application: events cut anywhere, and JSON that is none."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openai._streaming import SSEDecoder

from ldai_core.json_body import Whole, from_json
from ldai_openai.body import Events

END = st.sampled_from(["\n", "\r\n", "\r"])
VALUES = st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers(), max_size=2)
LINES = st.one_of(
    VALUES.map(lambda value: "data: " + json.dumps(value, ensure_ascii=False)),
    VALUES.map(lambda value: "data:" + json.dumps(value)),
    st.sampled_from(["", "", ": a comment", "event: response.created", "id: 7", "retry: 10", "data", "data: [DONE]"]),
    st.text(alphabet="dat: {}[]\"'1é", max_size=8),
)


def by_the_sdk(body: bytes) -> list[Any]:
    """Read the objects of a body as the SDK's own decoder tells its events apart."""
    found = []
    for event in SSEDecoder().iter_bytes(iter([body])):
        if event.data.startswith("[DONE]"):
            break
        found.append(from_json(event.data))
    return [item for item in found if item is not None]


@given(lines=st.lists(st.tuples(LINES, END), max_size=12), cuts=st.lists(st.integers(0, 300), max_size=6))
@example(lines=[("data: {}", "\r\n"), ("", "\r\n")], cuts=[9, 11])
@example(lines=[("data: {", "\n"), ("data: }", "\n"), ("", "\n")], cuts=[])
def test_events_are_the_sdks(lines: list[tuple[str, str]], cuts: list[int]) -> None:
    """OA10: however a body is cut into pieces, its objects are those of the events that the SDK finds in it."""
    body = "".join(line + end for line, end in lines).encode()
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    events = Events()
    found = [item for start, end in pairwise(places) for item in events.feed(body[start:end])]
    assert [*found, *events.finish()] == by_the_sdk(body)


def test_a_letter_cut_in_two() -> None:
    """OA10: a letter whose bytes come in two pieces is that letter."""
    body = 'data: {"text": "é"}\n\n'.encode()
    at = body.index(b"\xa9")
    events = Events()
    assert [*events.feed(body[:at]), *events.feed(body[at:])] == [{"text": "é"}]


def test_an_event_that_never_ends() -> None:
    """OA17: a line of many pieces costs time in proportion to its length, and is one event when it ends."""
    events = Events()
    assert list(events.feed(b'data: {"text": "')) == []
    for _ in range(20_000):
        assert list(events.feed(b"a" * 1_000)) == []
    (item,) = events.feed(b'"}\n\n')
    assert len(item["text"]) == 20_000_000


@pytest.mark.parametrize(
    "text", ["", "<html>", "[1]", "7", "null", "[" * 100_000, b"\xff\xfe", "9" * 5_000, '{"a": ', "NaN"], ids=repr
)
def test_what_is_no_object(text: str | bytes) -> None:
    """OA14: what is no JSON object is None, and raises nothing, nested or long as it may be."""
    assert from_json(text) is None
    whole = Whole()
    assert list(whole.feed(text if isinstance(text, bytes) else text.encode())) == []
    assert list(whole.finish()) == [None]


def test_a_whole_object() -> None:
    """OA10: an object that comes in pieces is complete at the end."""
    whole = Whole()
    assert [*whole.feed(b'{"a"'), *whole.feed(b": 1}"), *whole.finish()] == [{"a": 1}]
