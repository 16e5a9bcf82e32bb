"""What the caller says beside an AI Config."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ldai_langchain.params import chat_model_params
from tests.langchain.bots import BODY, KWARGS, NO_REST, SPELLINGS, bot, params


@pytest.mark.parametrize("name", SPELLINGS["max_tokens"])
@pytest.mark.parametrize("fields", [BODY, KWARGS, NO_REST])
def test_overrides_win(name: str, fields: dict[str, str]) -> None:
    """LC18: what the caller says replaces what the config says, by whatever name either has it."""
    (expected,) = params({"maxTokens": 5}, fields)
    assert params({"maxTokens": 5}, fields, **{name.replace("-", "_"): 9}) == {expected: 9}
    assert params({"maxTokens": 5}, fields, max_tokens=None) == {expected: None}


def test_overrides_of_nobodys_fields() -> None:
    """LC18: without a class to ask, what the caller says stays in the caller's spelling."""
    assert params({"maxTokens": 5, "topP": 0.1}, None, max_tokens_to_sample=9, own=1) == {
        "top_p": 0.1,
        "max_tokens_to_sample": 9,
        "own": 1,
    }


def test_overrides_of_the_rest() -> None:
    """LC18: a class's place for the rest holds both, the caller's word last; a parameter is never given twice."""
    given_ = {"topK": 3, "minP": 0.1, "maxTokens": 5, "user": "a"}
    overrides: dict[str, Any] = {"extra_body": {"min_p": 0.2, "max_tokens": 7}, "model_kwargs": {"user": "b"}}
    before = copy.deepcopy(overrides)
    expected = {"extra_body": {"top_k": 3, "min_p": 0.2, "max_tokens": 7}, "model_kwargs": {"user": "b"}}
    written = params(given_, BODY, **overrides)
    assert written == expected
    written["extra_body"]["more"] = written["model_kwargs"]["more"] = 1
    assert overrides == before
    assert params(given_, BODY, top_k=None, min_p=None, max_tokens=1, user=None) == {"max_completion_tokens": 1}
    assert params(given_, BODY, top_k=4, tool_choice="auto")["extra_body"] == {"min_p": 0.1, "top_k": 4}


def test_what_is_init_chat_models() -> None:
    """LC18: the caller may make the model configurable, as `init_chat_model` does."""
    said = {"configurable_fields": ("temperature",), "config_prefix": "own"}
    assert params({}, BODY, **said) == params({}, NO_REST, **said) == params({}, None, **said) == said


@pytest.mark.parametrize("fields", [None, KWARGS])
@pytest.mark.parametrize(
    ("overrides", "model", "provider"),
    [
        ({"model": "other"}, "other", "openai"),
        ({"model_name": "other"}, "other", "openai"),
        ({"model": None}, "any", "openai"),
        ({"model": "groq:other"}, "groq:other", None),
        ({"model": "other:7b"}, "other:7b", "openai"),
        ({"model_provider": "groq"}, "any", "groq"),
        ({"model_provider": "bedrock"}, "any", "bedrock"),
        ({"model": "a", "model_provider": "groq"}, "a", "groq"),
        ({"model_provider": None}, "any", None),
    ],
)
def test_overrides_of_the_model(
    fields: dict[str, str] | None, overrides: dict[str, Any], model: str, provider: str | None
) -> None:
    """LC18: the caller's model and provider win, in LangChain's words: a provider before the model's name, too."""
    written = chat_model_params(bot(), overrides, fields)
    assert (written.pop("model"), written.pop("model_provider", None)) == (model, provider)
    assert written == {}
