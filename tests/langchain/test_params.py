"""From an AI Config to the arguments of a chat model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldai_core import AIConfigDefault, Message
from ldai_langchain.params import chat_model_params
from tests.langchain.bots import BODY, KWARGS, NO_REST, SPELLINGS, bot, params


@pytest.mark.parametrize("fields", [None, KWARGS])
def test_a_config_without_a_model(fields: dict[str, str] | None) -> None:
    """LC18: a config without a model is a ValueError that says what was expected; a model from the caller will do."""
    with pytest.raises(ValueError, match="expected a config with a model"):
        chat_model_params(AIConfigDefault.disabled(), {}, fields)
    assert chat_model_params(AIConfigDefault.disabled(), {"model": "a"}, fields) == {"model": "a"}


@pytest.mark.parametrize(("name", "spelling"), [(name, each) for name in SPELLINGS for each in SPELLINGS[name]])
def test_spellings(name: str, spelling: str) -> None:
    """LC18: a parameter in any spelling gets the name that LangChain's chat models share."""
    assert params({spelling: 1}) == {name: 1}


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [("logitBias", "logit_bias"), ("reasoningEffort", "reasoning_effort"), ("someThing-else", "some_thing_else")],
)
def test_unknown_parameters_are_in_snake_case(spelling: str, expected: str) -> None:
    """LC18: a parameter that no class was asked about is written as LangChain writes names."""
    assert params({spelling: 1}) == {expected: 1}


@pytest.mark.parametrize("name", SPELLINGS)
@given(st.data())
def test_langchains_own_spelling_wins(name: str, data: st.DataObject) -> None:
    """LC18: of several spellings in any order LangChain's own is taken, and else the first of LaunchDarkly's."""
    order = data.draw(st.permutations(SPELLINGS[name]))
    given_ = {spelling: spelling for spelling in order}
    assert params(given_) == {name: name}
    assert params({**given_, name: None}).keys() == {name}


def test_the_order_of_limits() -> None:
    """LC18: of two limits neither of which is LangChain's own, the nearer one is taken."""
    assert params({"maxOutputTokens": 1, "maxCompletionTokens": 2}) == {"max_tokens": 2}
    assert params({"max_completion_tokens": 1, "maxTokens": 2}) == {"max_tokens": 2}
    assert params({"stopSequences": ["a"], "stop_sequences": ["b"]}) == {"stop": ["b"]}


def test_what_is_not_for_a_model() -> None:
    """LC18: nulls are left out, and so are tools, messages, and what has its own place in a config."""
    names = ["tools", "toolChoice", "tool_choice", "toolConfig", "parallelToolCalls", "functions", "functionCall"]
    names += ["messages", "model", "modelId", "model_name", "modelProvider", "configurable_fields", "configPrefix"]
    assert params(dict.fromkeys(names, "x") | {"cls": "x", "temperature": None}) == {}
    assert chat_model_params(bot()) == {"model": "any", "model_provider": "openai"}  # which has a tool


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"include_usage": True}, {"stream_usage": True}), ({}, {}), (None, {}), ("x", {}), ({"include_usage": None}, {})],
)
def test_stream_options(options: Any, expected: dict[str, Any]) -> None:
    """LC18: whether streams carry usage is said by LangChain's name; it makes the other options itself."""
    assert params({"streamOptions": options}) == expected
    assert params({"stream_options": options, "streamUsage": False}) == {"stream_usage": False}


def test_parameters_in_model_kwargs() -> None:
    """LC18: what a config says in `model_kwargs` is said like the other parameters, and wins over them."""
    given_ = {"topP": 0.1, "modelKwargs": {"top_p": 0.2, "seed": 7, "user": None, "tools": []}}
    assert params(given_) == {"top_p": 0.2, "seed": 7}
    assert params(given_, KWARGS) == {"model_kwargs": {"top_p": 0.2, "seed": 7}}
    assert params({"model_kwargs": "x"}) == {"model_kwargs": "x"}


def test_a_class_that_takes_a_body() -> None:
    """LC18: what a class does not take goes into the request's body; what its client takes by name, to the client."""
    given_ = {"maxTokens": 5, "stopSequences": "END", "topK": 3, "minP": 0.1, "timeout": 5, "extraBody": {"a": 1}}
    assert params({**given_, "responseFormat": {"type": "json_object"}}, BODY) == {
        "max_completion_tokens": 5,
        "stop": ["END"],
        "extra_body": {"top_k": 3, "min_p": 0.1, "a": 1},
        "model_kwargs": {"response_format": {"type": "json_object"}},
    }


def test_a_class_that_takes_keywords() -> None:
    """LC18: what a class does not take goes to its `model_kwargs`, whatever a config calls such."""
    given_ = {"maxOutputTokens": 5, "stop": ["END"], "someThing": 1, "streaming": True, "extra_body": {"a": 1}}
    expected = {"max_tokens": 5, "model_kwargs": {"stop": ["END"], "some_thing": 1, "a": 1}}
    assert params(given_, KWARGS) == expected


def test_a_class_that_takes_no_more() -> None:
    """LC18: a class that takes its own alone gets the rest too, and says what it thinks of it."""
    given_ = {"maxTokens": 5, "stop": ["", "END"], "minP": 1, "timeout": 5, "extra_body": {"a": 1}}
    assert params(given_, NO_REST) == {"num_predict": 5, "stop": ["END"], "min_p": 1, "extra_body": {"a": 1}}


def test_regions() -> None:
    """LC18: for Bedrock, given or inferred, the model's region is `region_name`; elsewhere it is not."""
    assert chat_model_params(bot("any", "bedrock:meta", {"region": "a"}, "b"))["region_name"] == "b"
    assert chat_model_params(bot("any", "bedrock", {"regionName": "a"}))["region_name"] == "a"
    assert chat_model_params(bot(provider=None, name="amazon.nova-lite-v1:0", region="b"))["region_name"] == "b"
    assert chat_model_params(bot(provider="bedrock", region="b"), {"region_name": "c"})["region_name"] == "c"
    assert "region_name" not in chat_model_params(bot(region="b"))
    assert "region_name" not in chat_model_params(bot(provider="bedrock", region="b"), {"model_provider": "openai"})


def test_an_arn_has_its_maker_beside_it() -> None:
    """LC18: the family in LaunchDarkly's provider is what LangChain must know of a model that has an ARN for a name."""
    arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    assert chat_model_params(bot(provider="bedrock:Anthropic", name=arn))["provider"] == "anthropic"
    assert chat_model_params(bot(arn, "bedrock:anthropic", {"provider": "meta"}))["provider"] == "meta"
    assert "provider" not in chat_model_params(bot(provider="bedrock", name=arn))
    assert "provider" not in chat_model_params(bot(provider="bedrock:anthropic", name="anthropic.claude"))


def test_a_system_among_the_parameters() -> None:
    """LC18: the messages say what the system is, if they do."""
    assert params({"system": "Sing."}) == {"system": "Sing."}
    assert "system" not in chat_model_params(bot(parameters={"System": "Sing."}, messages=[Message("system", "Hum.")]))


@given(
    st.dictionaries(
        st.one_of(st.text(max_size=12), st.sampled_from(sorted({each for row in SPELLINGS.values() for each in row}))),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=6,
    ),
    st.sampled_from([None, BODY, KWARGS, NO_REST]),
    st.sampled_from(["openai", "bedrock"]),
)
def test_any_parameters_can_be_written(given_: dict[str, Any], fields: dict[str, str] | None, provider: str) -> None:
    """LC18: whatever a config has for parameters, nothing raises, and the config stays as it is."""
    config = bot("any", provider, given_)
    before = copy.deepcopy(given_)
    written = chat_model_params(config, {}, fields)
    for value in written.values():
        if isinstance(value, dict):
            value["more"] = 1
        if isinstance(value, list):
            value.append(1)
    assert given_ == before
