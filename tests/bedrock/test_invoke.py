"""`invoke_model` and its stream, for every family of models: tokens from the body, the headers, and the metrics."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.bedrock.expected import HEADERS, INVOKED
from tests.expected import SUCCESS, TOKENS, UNREAD, Told, duration, first_token, tokens, told, told_by_now
from tests.servers.bedrock import Body, ScriptedBedrock, invoke_events
from tests.servers.families import FAMILIES, INVOCATION_METRICS, Family, invocation_metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ldai_core.testing import RecordingClient

PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/zyxwvutsrqpo"
ALL = [pytest.param(family, id=family.name) for family in FAMILIES.values()]
STREAMING = [pytest.param(family, id=family.name) for family in FAMILIES.values() if family.write_chunks]
CACHING = [pytest.param(family, id=family.name) for family in FAMILIES.values() if "cached" in family.parts]
# One whose counts come in pieces, one that counts at the end, one that counts along, and one that nobody knows.
FOUR = [pytest.param(FAMILIES[name], id=name) for name in ("anthropic", "nova", "llama", "unknown")]
METRICS = {INVOCATION_METRICS: invocation_metrics(9, 3)}


def known(input_: int | None, output: int | None) -> Told:
    """Expect the counts that are known, and a total of both."""
    if input_ is not None and output is not None:
        return tokens(input_, output)
    counts = [("$ld:ai:tokens:input", input_), ("$ld:ai:tokens:output", output)]
    return [(name, count) for name, count in counts if count is not None]


def body_of(family: Family, **how: Any) -> bytes:
    """Write what a family answers, of which the counts are not those of the headers."""
    return json.dumps(family.body("Hel", "lo", counts=(12, 5), **how)).encode()


@pytest.mark.parametrize("model_id", [None, PROFILE])
@pytest.mark.parametrize("family", ALL)
def test_a_body(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family, model_id: str | None
) -> None:
    """BR7: the body tells the usage, by its shape; what it leaves out the headers tell, and nobody estimates."""
    content = body_of(family)
    server.script(Body(content, HEADERS), Body(content))
    asked = {**INVOKED, "modelId": model_id or family.model_id}
    input_, output = (12 if "input" in family.in_body else None), (5 if "output" in family.in_body else None)
    assert wrapped.invoke_model(**asked)["body"].read() == content
    with_headers = [duration(), SUCCESS, *tokens(9 if input_ is None else input_, 3 if output is None else output)]
    assert told_by_now(recorded) == with_headers
    assert wrapped.invoke_model(**asked)["body"].read() == content
    assert told(recorded) == [*with_headers, duration(), SUCCESS, *known(input_, output)]
    assert server.requests[0].model_id == asked["modelId"]


@pytest.mark.parametrize("family", ALL)
def test_the_headers_suffice(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family) -> None:
    """BR7: a body that is dropped, closed, or read in part tells nothing: the headers do."""
    server.script(*[Body(body_of(family), HEADERS)] * 3)
    wrapped.invoke_model(**INVOKED)
    wrapped.invoke_model(**INVOKED)["body"].close()
    wrapped.invoke_model(**INVOKED)["body"].read(20)
    assert told(recorded) == [duration(), SUCCESS, *TOKENS] * 3


def test_without_headers_an_unread_body_tells_nothing(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient
) -> None:
    """BR7: where there is neither, no tokens are told."""
    server.script(*[Body(body_of(FAMILIES["anthropic"]))] * 2)
    wrapped.invoke_model(**INVOKED)
    wrapped.invoke_model(**INVOKED)["body"].read(20)
    assert told(recorded) == UNREAD * 2


@pytest.mark.parametrize("family", CACHING)
def test_cached_tokens(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family) -> None:
    """BR6, BR7: cached tokens are input, in the body, in the headers, and in the metrics."""
    cached: Any = {"counts": (12, 5), "cached": (400, 20)}
    content = json.dumps(family.body("Hello", **cached)).encode()
    cached_headers = [
        ("x-amzn-bedrock-cache-read-input-token-count", "400"),
        ("x-amzn-bedrock-cache-write-input-token-count", "20"),
    ]
    server.script(Body(content), Body(content, [*HEADERS, *cached_headers]))
    server.script(invoke_events(family.chunks("Hello", **cached)))
    server.script(invoke_events(family.chunks("Hello", metrics=False, **cached)))
    wrapped.invoke_model(**INVOKED)["body"].read()
    wrapped.invoke_model(**INVOKED)["body"].close()
    for _ in range(2):
        list(wrapped.invoke_model_with_response_stream(**INVOKED)["body"])
    counted = [run.tokens for run in recorded.runs]
    assert [(each.total, each.input, each.output) for each in counted if each] == [
        (437, 432, 5),
        (432, 429, 3),
        (437, 432, 5),
        (437, 432, 5),
    ]


INPUT, OUTPUT = (name for name, _ in HEADERS)


@pytest.mark.parametrize("garbage", ["", "-1", "1.5", "9 9", "nine", "0x9", "9" * 30, "NaN", "+9", "1_0", "²"])
def test_headers_that_are_no_counts(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, garbage: str
) -> None:
    """BR6, BR7: a header that is no count is unknown, and takes neither the other nor the body along."""
    headers = [(INPUT, garbage), (OUTPUT, "3")]
    content = json.dumps({"usage": {"input_tokens": 12}}).encode()
    server.script(Body(content, headers), Body(content, headers))
    wrapped.invoke_model(**INVOKED)["body"].close()
    wrapped.invoke_model(**INVOKED)["body"].read()
    alone = [duration(), SUCCESS, ("$ld:ai:tokens:output", 3)]
    assert told(recorded) == [*alone, duration(), SUCCESS, *tokens(12, 3)]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 12}, tokens(12, 3)),
        ({"output_tokens": 5}, tokens(9, 5)),
        ({"input_tokens": None, "output_tokens": None}, TOKENS),
        ({"input_tokens": -12, "output_tokens": "5"}, TOKENS),
        ({"input_tokens": 12.5, "output_tokens": 5}, tokens(9, 5)),
        ({"input_tokens": True, "output_tokens": [5]}, TOKENS),
        ("any", TOKENS),
        (None, TOKENS),
        ([], TOKENS),
    ],
    ids=str,
)
def test_counts_that_a_body_leaves_out(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, usage: Any, expected: Told
) -> None:
    """BR7: count by count, the body decides where it has one, and the headers where it has none."""
    server.script(Body(json.dumps({"usage": usage}).encode(), HEADERS))
    wrapped.invoke_model(**INVOKED)["body"].read()
    assert told_by_now(recorded) == [duration(), SUCCESS, *expected]


def chunks_in(stream: Any) -> list[Any]:
    """Read a stream to its end, and parse what is in it."""
    return [json.loads(event["chunk"]["bytes"]) for event in stream]


def at_first(text: str, chunks: Sequence[Any]) -> int:
    """Find the first chunk in which there is this text."""
    return next(at for at, chunk in enumerate(chunks) if text in json.dumps(chunk))


@pytest.mark.parametrize("model_id", [None, PROFILE])
@pytest.mark.parametrize("family", STREAMING)
def test_a_stream(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family, model_id: str | None
) -> None:
    """BR3, BR8: its first text is the first token, whatever its shape; the metrics replace the model's own counts."""
    chunks = family.chunks("Hel", "lo", counts=(90, 30), metrics=(9, 3))
    server.script(invoke_events(chunks, pauses_s={at_first("Hel", chunks): 0.06}))
    asked = {**INVOKED, "modelId": model_id or family.model_id}
    assert chunks_in(wrapped.invoke_model_with_response_stream(**asked)["body"]) == chunks
    assert told_by_now(recorded) == [duration(60), first_token(60), SUCCESS, *TOKENS]


@pytest.mark.parametrize("family", STREAMING)
def test_a_stream_without_metrics(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family
) -> None:
    """BR8: without the metrics, the model's own counts are told; where there are none either, none are."""
    server.script(invoke_events(family.chunks("Hel", "lo", counts=(12, 5), metrics=False)))
    list(wrapped.invoke_model_with_response_stream(**INVOKED)["body"])
    own = known(12 if "input" in family.in_chunks else None, 5 if "output" in family.in_chunks else None)
    assert [event for event in told_by_now(recorded) if event != first_token()] == [duration(), SUCCESS, *own]


# In which chunk, and whether in one of its own that is put there.
PLACES = [(0, False), (0.5, False), (1, False), (0, True), (0.5, True), (1, True)]


@pytest.mark.parametrize(("part", "alone"), PLACES)
@pytest.mark.parametrize("family", FOUR)
def test_metrics_wherever_they_appear(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family, part: float, alone: bool
) -> None:
    """BR8: in whatever chunk the metrics come, or in one of their own, they hold, and nothing is added to them."""
    chunks = family.chunks("Hel", "lo", counts=(90, 30), metrics=False)
    if alone:
        chunks.insert(int(len(chunks) * part), dict(METRICS))
    else:
        chunks[int((len(chunks) - 1) * part)] |= METRICS
    server.script(invoke_events(chunks))
    assert chunks_in(wrapped.invoke_model_with_response_stream(**INVOKED)["body"]) == chunks
    assert [event for event in told_by_now(recorded) if event != first_token()] == [duration(), SUCCESS, *TOKENS]


@pytest.mark.parametrize("family", FOUR)
def test_metrics_that_leave_a_count_out(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family
) -> None:
    """BR6, BR8: a count that the metrics do not have is the model's own; the total is of the counts that are told."""
    server.script(invoke_events(family.chunks("Hel", "lo", counts=(90, 5), metrics=(9, None))))
    list(wrapped.invoke_model_with_response_stream(**INVOKED)["body"])
    expected = known(9, 5 if "output" in family.in_chunks else None)
    assert [event for event in told_by_now(recorded) if event != first_token()] == [duration(), SUCCESS, *expected]


@pytest.mark.parametrize("family", FOUR)
def test_headers_of_a_stream(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, family: Family) -> None:
    """BR8: counts in the headers of a stream, which the service does not send, change nothing about its metrics."""
    headers = [(INPUT, "900"), (OUTPUT, "300")]
    server.script(invoke_events(family.chunks("Hel", "lo", counts=(90, 30), metrics=(9, 3)), headers=headers))
    list(wrapped.invoke_model_with_response_stream(**INVOKED)["body"])
    assert told_by_now(recorded)[-3:] == TOKENS
    assert len(recorded.runs) == 1
