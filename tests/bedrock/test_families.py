"""What the families of models send through InvokeModel, read by its shape, and told as one run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldclient import Context

from ldai_bedrock.readings import read_invoke_body, read_invoke_chunk
from ldai_core import AIClient, AIConfigDefault, ModelConfig, Run, TokenUsage
from ldai_core.reading import NOTHING, OUTPUT
from ldai_core.testing import RecordingClient
from tests.servers.families import FAMILIES, INVOCATION_METRICS, Counts, Family, invocation_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ldai_core import Reading
    from ldai_core.testing import RecordedRun

ALL = [pytest.param(family, id=family.name) for family in FAMILIES.values()]
STREAMED = [pytest.param(family, id=family.name) for family in FAMILIES.values() if family.write_chunks]
CALLING = [pytest.param(family, id=family.name) for family in FAMILIES.values() if "tools" in family.parts]
THINKING = [pytest.param(family, id=family.name) for family in FAMILIES.values() if "thinking" in family.parts]
CACHING = [pytest.param(family, id=family.name) for family in FAMILIES.values() if "cached" in family.parts]
ANTHROPIC, NOVA, TITAN, GPT = (FAMILIES[name] for name in ("anthropic", "nova", "titan", "gpt-oss"))
NOVA_EVENTS = NOVA.chunks("Hel", tools=("look",), metrics=False)

TOLD = {INVOCATION_METRICS: invocation_metrics(9, 3)}
COUNTED = TokenUsage(total=12, input=9, output=3)
OFF: Counts = (90, 30)  # what a model says of itself, and the service does not


def run_over(items: Iterable[Any], read: Callable[[Any], Reading] = read_invoke_chunk) -> RecordedRun:
    """Report a run of one call in which these are read."""
    recorded = RecordingClient({"bot": AIConfigDefault(enabled=True, model=ModelConfig("any"))})
    config = AIClient(recorded).completion_config("bot", Context.create("user-1"))
    with Run(config.create_tracker()) as run:
        call = run.call()
        for item in items:
            call.read(read, item)
        call.end()
    return recorded.run


def reported(names: Sequence[str], counts: Counts) -> TokenUsage | None:
    """Say what a run is told of counts of which these are reported; nothing, where there are none."""
    input_, output = (count if name in names else None for name, count in zip(("input", "output"), counts, strict=True))
    if input_ is None and output is None:
        return None
    return TokenUsage(None if input_ is None or output is None else input_ + output, input_, output)


def first_with(mark: str, chunks: Sequence[Any]) -> int:
    """Find the first chunk in which there is this text."""
    return next(at for at, chunk in enumerate(chunks) if mark in json.dumps(chunk))


def outputs(chunks: Sequence[Any]) -> list[bool]:
    """Say of each chunk whether it is output."""
    return [read_invoke_chunk(chunk).output for chunk in chunks]


@pytest.mark.parametrize("family", ALL)
@pytest.mark.parametrize("counts", [(9, 3), (9, None), (None, 3), (None, None), (0, 0)])
def test_usage_of_a_body(family: Family, counts: Counts) -> None:
    """BR7: the counts of a body are found by its shape; one that is null is unknown, and takes no other along."""
    reading = read_invoke_body(family.body("Hel", "lo", counts=counts))
    usage = reading.usage or TokenUsage()
    expected = reported(family.in_body, counts) or TokenUsage()
    assert (usage.input, usage.output) == (expected.input, expected.output)
    assert usage.total in (None, expected.total)
    assert (reading.output, reading.failed, reading.tool_calls, reading.final) == (False, False, (), False)


@pytest.mark.parametrize("family", ALL)
def test_a_body_is_told(family: Family) -> None:
    """BR7: what a body reports is told, with a total; where it reports nothing, no tokens are."""
    run = run_over([family.body("Hel", "lo")], read_invoke_body)
    assert (run.tokens, run.success) == (reported(family.in_body, (9, 3)), True)


@pytest.mark.parametrize("family", STREAMED)
@pytest.mark.parametrize("counts", [(9, 3), (9, None), (None, 3)])
def test_a_models_own_counts(family: Family, counts: Counts) -> None:
    """BR8: without the service's metrics, the counts that a model's own chunks report are told."""
    chunks = family.chunks("Hel", "lo", counts=counts, metrics=False)
    if family is ANTHROPIC and counts[1] is None:
        counts = (9, 1)  # which is how many it says that there are at the start
    assert run_over(chunks).tokens == reported(family.in_chunks, counts)
    assert not any(read_invoke_chunk(chunk).final or read_invoke_chunk(chunk).failed for chunk in chunks)


@pytest.mark.parametrize("family", STREAMED)
def test_the_metrics_are_the_last_word(family: Family) -> None:
    """BR8: every family's last chunk has the service's metrics, which replace the model's own counts."""
    chunks = family.chunks("Hel", "lo", counts=OFF, metrics=(9, 3))
    readings = [read_invoke_chunk(chunk) for chunk in chunks]
    assert [reading.final for reading in readings] == [False] * (len(chunks) - 1) + [True]
    assert readings[-1].usage == TokenUsage(input=9, output=3)
    assert run_over(chunks).tokens == COUNTED


@pytest.mark.parametrize("family", STREAMED)
@given(data=st.data())
def test_the_metrics_hold_in_any_order(family: Family, data: st.DataObject) -> None:
    """BR8: wherever in a stream the metrics come, they hold, and are never added to what the model says."""
    chunks = family.chunks("Hel", "lo", counts=OFF, metrics=False)
    order = data.draw(st.permutations([*chunks, {**TOLD}]))
    run = run_over(order)
    assert (run.tokens, run.success) == (COUNTED, True)


@pytest.mark.parametrize("family", ALL)
def test_the_metrics_in_a_body(family: Family) -> None:
    """BR8: in a body they hold as well."""
    body = {**family.body("Hel", counts=OFF), **TOLD}
    assert read_invoke_body(body).final
    assert run_over([body], read_invoke_body).tokens == COUNTED


@pytest.mark.parametrize(
    "chunk",
    [{}, *ANTHROPIC.chunks("Hel", thinking="Hm", tools=("look",), metrics=False), *NOVA_EVENTS, {"type": "error"}],
    ids=lambda chunk: chunk.get("type") or next(iter(chunk), "alone"),
)
def test_the_metrics_wherever_they_appear(chunk: dict[str, Any]) -> None:
    """BR8: the metrics are read in whatever chunk they come, and what else it says is read too."""
    with_metrics, without = read_invoke_chunk({**chunk, **TOLD}), read_invoke_chunk(chunk)
    assert with_metrics.final
    assert with_metrics.usage == TokenUsage(input=9, output=3)
    said = (without.output, without.failed, without.tool_calls)
    assert (with_metrics.output, with_metrics.failed, with_metrics.tool_calls) == said


@pytest.mark.parametrize("family", CACHING)
def test_cached_tokens_are_input(family: Family) -> None:
    """BR6: tokens read from a cache and written to it are added to an input that leaves them out, wherever they are."""
    caches: Any = {"counts": (9, 3), "cached": (400, 20)}
    counted = TokenUsage(total=432, input=429, output=3)
    assert run_over([family.body("Hel", **caches)], read_invoke_body).tokens == counted
    assert run_over(family.chunks("Hel", metrics=False, **caches)).tokens == counted
    assert run_over(family.chunks("Hel", **caches)).tokens == counted


def test_cached_tokens_of_openais_are_in_its_input() -> None:
    """BR6: where the input has the cached tokens in it, they are not added again."""
    body = GPT.body("Hel")
    body["usage"] |= {"prompt_tokens_details": {"cached_tokens": 8}}
    assert read_invoke_body(body).usage == COUNTED


@pytest.mark.parametrize("metrics", [(9, None), (None, 3)])
@pytest.mark.parametrize("apart", [False, True])
def test_metrics_that_lack_a_count(metrics: Counts, apart: bool) -> None:
    """BR8: a count that the metrics do not have is the model's own, from the same chunk or another."""
    told = {INVOCATION_METRICS: invocation_metrics(*metrics)}
    input_, output = (own if count is None else count for own, count in zip(OFF, metrics, strict=True))
    assert input_ is not None
    assert output is not None
    counting = {"generation": "Hi", "prompt_token_count": 90, "generation_token_count": 30}
    chunks = [counting, told] if apart else [{**counting, **told}]
    assert run_over(chunks).tokens == TokenUsage(input_ + output, input_, output)


@pytest.mark.parametrize("metrics", [None, {}, [], "many", {"inputTokenCount": None, "invocationLatency": 812}])
def test_metrics_without_counts(metrics: Any) -> None:
    """BR8: metrics that count nothing leave what the model says."""
    chunk = {"generation": "Hi", "prompt_token_count": 9, "generation_token_count": 3, INVOCATION_METRICS: metrics}
    assert run_over([chunk]).tokens == COUNTED


@pytest.mark.parametrize("metrics", [{"inputTokenCount": -9, "outputTokenCount": -3}, {"inputTokenCount": True}])
def test_metrics_that_are_no_counts(metrics: Any) -> None:
    """BR6, BR8: metrics that are no counts leave what the model says, and never give a negative."""
    chunk = {"generation": "Hi", "prompt_token_count": 9, "generation_token_count": 3}
    assert run_over([chunk, {INVOCATION_METRICS: metrics}]).tokens == COUNTED
    assert run_over([{INVOCATION_METRICS: metrics}, chunk]).tokens == COUNTED


@pytest.mark.parametrize("family", STREAMED)
def test_the_first_output_is_the_first_text(family: Family) -> None:
    """BR3: nothing before the first chunk with text is output, and every chunk that has a text is."""
    chunks = family.chunks("Hel", "lo", "!!!")
    found = [first_with(f'"{text}"', chunks) for text in ("Hel", "lo", "!!!")]
    said = outputs(chunks)
    assert said[: found[0]] == [False] * found[0]
    assert [said[at] for at in found] == [True] * 3


@pytest.mark.parametrize("family", STREAMED)
def test_empty_texts_are_no_output(family: Family) -> None:
    """BR3: a stream that says nothing has no output: its beginning, roles, empty texts, stops, usage, metrics."""
    assert not any(outputs(family.chunks("", "")))


@pytest.mark.parametrize("family", THINKING)
def test_the_first_output_is_reasoning(family: Family) -> None:
    """BR3: reasoning that comes before the text is output."""
    chunks = family.chunks("Hel", "lo", thinking="Hm")
    found = first_with('"Hm"', chunks)
    assert outputs(chunks)[: found + 1] == [False] * found + [True]


@pytest.mark.parametrize("family", CALLING)
def test_the_first_output_is_a_tool_call(family: Family) -> None:
    """BR3: where there is no text, the first delta of a tool call is output; a block that begins is not yet."""
    chunks = family.chunks(tools=("look",))
    block_begins = family in (ANTHROPIC, NOVA)
    found = first_with('"look"', chunks) + block_begins
    assert outputs(chunks)[: found + 1] == [False] * found + [True]


@pytest.mark.parametrize("family", CALLING)
def test_tool_calls(family: Family) -> None:
    """BR10: each tool call is told once by its name, in its order, two of one tool are two; whole or in a stream."""
    tools = ("look", "find", "look")
    whole = run_over([family.body("Hel", tools=tools)], read_invoke_body)
    streamed = run_over(family.chunks("Hel", tools=tools))
    assert (whole.tool_calls, streamed.tool_calls) == (tools, tools)
    assert (whole.success, streamed.success) == (True, True)


def test_tool_calls_of_the_server() -> None:
    """BR10: what Anthropic's servers call by themselves is not the application's call; it is output all the same."""
    parts: Any = {"server_tools": ("web_search", "look"), "tools": ("find",)}
    assert run_over([ANTHROPIC.body("Hel", **parts)], read_invoke_body).tool_calls == ("find",)
    chunks = ANTHROPIC.chunks("Hel", **parts)
    assert run_over(chunks).tool_calls == ("find",)
    assert outputs(chunks).index(True) == first_with('"web_search"', chunks) + 1


def test_tool_calls_of_several_choices() -> None:
    """BR10: a choice is told from others by its own index, in chunks that have one choice each, and calls no ids."""
    calls = [{"index": 0, "function": {"name": name}} for name in ("look", "find")]
    chunks = [{"choices": [{"index": at, "delta": {"tool_calls": [call]}}]} for at, call in enumerate(calls)]
    assert run_over(chunks).tool_calls == ("look", "find")


@pytest.mark.parametrize("family", [ANTHROPIC, NOVA], ids=lambda family: family.name)
def test_most_chunks_cost_nothing(family: Family) -> None:
    """BR3: a chunk with text, and one that says nothing, are the shared constants."""
    readings = [read_invoke_chunk(chunk) for chunk in family.chunks("Hel", "lo", metrics=False)]
    ours = [reading for reading in readings if reading.usage is None]
    assert len(ours) >= len(readings) - 2  # those that count
    assert all(reading is OUTPUT or reading is NOTHING for reading in ours)


@pytest.mark.parametrize("metadata", [{}, {"any": 1}, "any"])
def test_a_name_of_converses_in_another_shape(metadata: Any) -> None:
    """BR7, BR8: a field that is named like an event of Converse's hides neither text nor counts of another shape."""
    chunk = {"generation": "Hi", "prompt_token_count": 9, "generation_token_count": 3, "metadata": metadata}
    reading = read_invoke_chunk(chunk)
    assert (reading.output, reading.usage) == (True, TokenUsage(input=9, output=3))


@pytest.mark.parametrize("action", ["NONE", "INTERVENED"])
def test_guardrails(action: str) -> None:
    """BR9: what a guardrail did or put in the place of an answer is an answer."""
    guarded = {"amazon-bedrock-guardrailAction": action, "amazon-bedrock-trace": {"guardrail": {}}}
    assert read_invoke_chunk(guarded) is NOTHING
    run = run_over([{**chunk, **guarded} for chunk in TITAN.chunks("Sorry")])
    assert (run.success, run.tokens) == (True, COUNTED)
