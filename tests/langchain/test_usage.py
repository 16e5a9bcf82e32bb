"""Token counts: where they stand, how they are spelt, and what is no count. Pure."""

from __future__ import annotations

from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult

from ldai_core import TokenUsage
from ldai_core.values import LARGEST
from ldai_langchain.readings import read_result
from ldai_langchain.usage import find_usage, read_usage
from tests.langchain.models import usage_of

COUNTED = TokenUsage(12, 9, 3)
NO_TOTAL = TokenUsage(None, 9, 3)
BAD: list[Any] = [None, True, False, -1, -(2**70), 2**70, "9", "", 9.5, float("nan"), float("inf"), [], {}, [[9]], b"9"]
PLACES = ["token_usage", "usage", "tokenUsage", "amazon-bedrock-invocationMetrics", "metrics"]

# As the integrations leave them, each with nine tokens in and three out.
ANTHROPIC = {
    "input_tokens": 2,
    "cache_read_input_tokens": 4,
    "cache_creation_input_tokens": 3,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 3,
    "server_tool_use": None,
    "service_tier": "standard",
}
SPELT: dict[str, tuple[dict[str, Any], TokenUsage]] = {
    "LangChain": ({**usage_of(9, 3), "input_token_details": {"cache_read": 4, "cache_creation": 2}}, COUNTED),
    "OpenAI": ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, COUNTED),
    "Responses": ({**usage_of(9, 3), "output_tokens_details": {"reasoning_tokens": 2}}, COUNTED),
    "Anthropic": (ANTHROPIC, NO_TOTAL),
    "Converse": ({"inputTokens": 9, "outputTokens": 3, "totalTokens": 12}, COUNTED),
    "Converse, cached": (
        {
            "inputTokens": 2,
            "outputTokens": 3,
            "totalTokens": 12,
            "cacheReadInputTokens": 4,
            "cacheWriteInputTokens": 3,
        },
        COUNTED,
    ),
    "InvokeModel": (
        {"inputTokenCount": 9, "outputTokenCount": 3, "invocationLatency": 5, "firstByteLatency": 2},
        NO_TOTAL,
    ),
    "Titan": ({"inputTextTokenCount": 9, "totalOutputTextTokenCount": 3, "completionReason": "FINISH"}, NO_TOTAL),
    "Gemini": (
        {
            "prompt_token_count": 9,
            "candidates_token_count": 3,
            "total_token_count": 12,
            "cached_content_token_count": 4,
        },
        COUNTED,
    ),
    "Ollama": ({"prompt_eval_count": 9, "eval_count": 3, "eval_duration": 70_000, "done": True}, NO_TOTAL),
    "Groq": (
        {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "total_tokens": 12,
            "queue_time": 0.5,
            "prompt_time": 0.25,
            "total_time": 1.0,
        },
        COUNTED,
    ),
    "Mistral": (
        {"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3, "prompt_audio_seconds": None},
        COUNTED,
    ),
    "Cohere": ({"input_tokens": 9.0, "output_tokens": 3.0, "total_tokens": 12.0}, COUNTED),
    "Watsonx": ({"input_token_count": 9, "generated_token_count": 3}, NO_TOTAL),
    "camel case": ({"promptTokens": 9, "completionTokens": 3, "totalTokens": 12}, COUNTED),
}
DETAILS: list[dict[str, Any]] = [
    {"input_token_details": {"cache_read": 4, "cache_creation": 2, "audio": 1}},
    {"output_token_details": {"reasoning": 2, "audio": 1}},
    {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}},
    {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 2}},
]


def chat_result(
    usage: Any = None, info: Any = None, metadata: Any = None, llm_output: Any = None, candidates: int = 1
) -> LLMResult:
    """Make the result of a chat model, all of whose candidates say the same."""
    message = AIMessage("Hello", usage_metadata=usage, response_metadata=metadata or {})
    return LLMResult(
        generations=[[ChatGeneration(message=message, generation_info=info)] * candidates], llm_output=llm_output
    )


@pytest.mark.parametrize(("counts", "expected"), SPELT.values(), ids=SPELT)
def test_every_spelling(counts: dict[str, Any], expected: TokenUsage) -> None:
    """LC4: counts are read however they are spelt, wherever they stand, also right there, and without a model_name."""
    assert read_usage(counts) == expected
    assert find_usage(counts) == expected
    for place in ["usage_metadata", *PLACES]:
        assert find_usage({place: counts, "finish_reason": "stop"}) == expected
        assert read_result(chat_result(info={place: counts})).usage in (expected, COUNTED)
        assert read_result(chat_result(metadata={place: counts})).usage in (expected, COUNTED)
        assert read_result(chat_result(llm_output={place: counts})).usage in (expected, COUNTED)


def test_the_first_source_that_is_there() -> None:
    """LC4: message, generation info, response_metadata, llm_output: the first with counts is taken, and it alone."""
    sources = ("usage", "info", "metadata", "llm_output")
    for number in range(1, 5):
        for present in combinations(sources, number):
            spelt: dict[str, Any] = {source: usage_of(10 * place, place) for place, source in enumerate(sources, 1)}
            given_: dict[str, Any] = {
                source: spelt[source] if source == "usage" else {"usage": spelt[source]} for source in present
            }
            first = sources.index(present[0]) + 1
            assert read_result(chat_result(**given_)).usage == TokenUsage(11 * first, 10 * first, first)


def test_the_first_place_that_is_there() -> None:
    """LC4: of several places in one source likewise, and the source's own counts come last."""
    for number in range(1, 6):
        for present in combinations(PLACES, number):
            given: dict[str, Any] = {
                place: usage_of(10 * rank, rank) for rank, place in enumerate(PLACES, 1) if place in present
            }
            first = PLACES.index(present[0]) + 1
            assert find_usage({**usage_of(1, 1), **given}) == TokenUsage(11 * first, 10 * first, first)


@pytest.mark.parametrize("nothing", [None, {}, {"input_tokens": None}, {"total_cost": 1}, {"latencyMs": [5]}])
def test_a_source_without_counts(nothing: Any) -> None:
    """LC4: a place or a source in which there is no count is passed over."""
    for place in PLACES[:-1]:
        assert find_usage({place: nothing, "metrics": usage_of(9, 3)}) == COUNTED
    result = chat_result(None, {"usage": nothing}, {"usage": nothing, "metrics": nothing}, {"usage": usage_of(9, 3)})
    result.generations[0][0].message.usage_metadata = nothing  # type: ignore[union-attr]  # an integration may set any
    assert read_result(result).usage == COUNTED


@pytest.mark.parametrize("details", DETAILS)
@pytest.mark.parametrize("counts", [usage_of(9, 3), {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}])
def test_details_are_subsets(counts: dict[str, Any], details: dict[str, Any]) -> None:
    """LC4: cached, reasoning and audio tokens among the details are a part of the counts, never added."""
    assert read_usage({**counts, **details}) == COUNTED


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_what_is_no_count(bad: Any) -> None:
    """LC4: bools, None, negatives, strings, fractions and the like are no counts; the others hold."""
    assert read_usage({"input_tokens": bad, "output_tokens": bad, "total_tokens": bad}) is None
    assert read_usage({"input_tokens": 9, "output_tokens": bad}) == TokenUsage(None, 9, None)
    assert read_usage({"input_tokens": bad, "prompt_tokens": 9, "output_tokens": 3}) == NO_TOTAL
    assert read_usage({**ANTHROPIC, "cache_read_input_tokens": bad}) == TokenUsage(None, 5, 3)
    assert find_usage({"usage": bad, "token_usage": bad, **usage_of(9, 3)}) == COUNTED


@pytest.mark.parametrize("zero", [0, 0.0, [0], [0, 0]])
def test_zero_is_a_count(zero: Any) -> None:
    """LC4: a count of zero is one, so that a source which says zero is the first that is there."""
    assert read_usage({"input_tokens": zero, "output_tokens": zero}) == TokenUsage(None, 0, 0)
    assert find_usage({"token_usage": {"input_tokens": zero}, "usage": usage_of(9, 3)}) == TokenUsage(None, 0, None)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"input_tokens": [9], "output_tokens": [1, 2]}, NO_TOTAL),
        ({"input_tokens": [9, None], "output_tokens": [True, 1, -1, 2, "5"]}, NO_TOTAL),
        ({"input_tokens": (4, 5), "output_tokens": [3.0], "total_tokens": [Decimal(5), 7]}, COUNTED),
        ({"input_tokens": [2], "cache_read_input_tokens": [3, 4], "output_tokens": [3]}, NO_TOTAL),
        ({"inputTokenCount": [9], "outputTokenCount": [3], "invocationLatency": [5]}, NO_TOTAL),
        ({"input_tokens": [], "prompt_tokens": [9], "output_tokens": [None], "completion_tokens": 3}, NO_TOTAL),
    ],
)
def test_lists_of_counts(counts: dict[str, Any], expected: TokenUsage) -> None:
    """LC4: counts that come as lists, one for each chunk that was merged, are summed; what is no count is left out."""
    assert read_usage(counts) == expected


@pytest.mark.parametrize("candidates", [1, 2, 5])
def test_candidates(candidates: int) -> None:
    """LC5: several candidates of one prompt carry one usage, wherever they carry it."""
    usage: Any = usage_of(9, 3)
    rows: list[dict[str, Any]] = [{"usage": usage}, {"info": {"usage": usage}}, {"metadata": usage}]
    for row in [*rows, {"llm_output": {"usage": usage}}]:
        assert read_result(chat_result(**row, candidates=candidates)).usage == COUNTED


def test_a_later_candidate() -> None:
    """LC5: where only one of the candidates carries it, whichever that is, it is taken."""
    silent, counted = Generation(text="A"), Generation(text="B", generation_info={"usage": usage_of(9, 3)})
    for candidates in ([silent, counted], [counted, silent], [silent, counted, counted]):
        assert read_result(LLMResult(generations=[candidates])).usage == COUNTED


def test_prompts() -> None:
    """LC5: the usages of several prompts are summed; one that has none adds nothing, nor does llm_output."""
    one = chat_result(usage_of(9, 3), candidates=2).generations[0]
    other = chat_result(metadata={"usage": usage_of(100, 10)}).generations[0]
    none = chat_result().generations[0]
    result = LLMResult(generations=[one, none, other, []], llm_output={"token_usage": usage_of(109, 13)})
    assert read_result(result).usage == TokenUsage(122, 109, 13)


def test_prompts_of_which_one_says_no_total() -> None:
    """LC5: a missing total is input and output, also of one prompt of several."""
    prompts = [chat_result(metadata={"usage": usage}).generations[0] for usage in (ANTHROPIC, usage_of(9, 3))]
    assert read_result(LLMResult(generations=prompts)).usage in (TokenUsage(24, 18, 6), TokenUsage(None, 18, 6))


@pytest.mark.parametrize("place", ["token_usage", "usage"])
def test_prompts_that_langchain_parts(place: str) -> None:
    """LC5: of a result that LangChain parts by prompts the usage stays with the first, however the others spell it."""
    whole = LLMResult(generations=[[Generation(text="A")]] * 3, llm_output={place: usage_of(9, 3)})
    first, *others = [read_result(part).usage for part in whole.flatten()]
    assert first == COUNTED
    assert all(usage in (None, TokenUsage(0, 0, 0)) for usage in others)


def test_no_usage() -> None:
    """LC7: where nothing is counted there is no usage, rather than zeros."""
    assert read_result(chat_result()).usage is None
    assert (
        read_result(chat_result(None, {"finish_reason": "stop"}, {"model": "any"}, {"token_usage": None})).usage is None
    )
    assert read_result(LLMResult(generations=[])).usage is None


COUNT = st.integers(0, LARGEST // 4)
SPELLINGS = st.sampled_from(
    [
        ("input_tokens", "output_tokens", "total_tokens"),
        ("prompt_tokens", "completion_tokens", "total_tokens"),
        ("inputTokens", "outputTokens", "totalTokens"),
        ("prompt_token_count", "candidates_token_count", "total_token_count"),
    ]
)


@given(
    COUNT,
    COUNT,
    st.sets(st.sampled_from(["usage", "info", "metadata", "llm_output"]), min_size=1),
    SPELLINGS,
    st.sampled_from(PLACES),
    st.integers(1, 4),
    st.sampled_from([{}, *DETAILS]),
)
def test_nothing_is_counted_twice(
    input_: int,
    output: int,
    sources: set[str],
    names: tuple[str, str, str],
    place: str,
    candidates: int,
    details: dict[str, Any],
) -> None:
    """LC4, LC5: one usage, said anywhere and as often as an integration likes, is that usage."""
    spelt = {**dict(zip(names, (input_, output, input_ + output), strict=True)), **details}
    given_: dict[str, Any] = {source: {place: spelt} for source in sources}
    if "usage" in sources:
        given_["usage"] = {**usage_of(input_, output), **details}
    expected = TokenUsage(input_ + output, input_, output)
    assert read_result(chat_result(**given_, candidates=candidates)).usage == expected


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "input_tokens": st.sampled_from([0, 1, 9, *BAD]),
            "output_tokens": st.sampled_from([0, 1, 3, *BAD]),
            "total_tokens": st.sampled_from([0, 1, 12, LARGEST, *BAD]),
            "total_cost": st.sampled_from([0, 0.0, 1, None]),
            "cache_read_input_tokens": st.sampled_from([0, 4, None]),
            "input_token_details": st.just({"cache_read": 4}),
        },
    ),
    st.booleans(),
    st.booleans(),
)
def test_the_usual_is_read_like_anything_else(counts: dict[str, Any], calls: bool, twice: bool) -> None:
    """LC4, LC5: one answer with LangChain's own counts says what it says beside one without any."""
    message = AIMessage("Hi", tool_calls=[{"name": "search", "args": {}, "id": "1"}] if calls else [])
    message.usage_metadata = counts  # type: ignore[assignment]  # whatever an integration leaves there
    answer, other = ChatGeneration(message=message), ChatGeneration(message=AIMessage("Ho"))
    alone = read_result(LLMResult(generations=[[answer]]))
    prompts = [[answer, other]] if twice else [[answer], [other]]
    assert alone == read_result(LLMResult(generations=[list(prompt) for prompt in prompts]))
