"""What a config says of connections is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from ldai_langchain.params import chat_model_params, create_chat_model
from ldai_langchain.providers import fields_of
from ldai_langchain.spelling import connects
from tests.langchain.bots import bot

SENT_ELSEWHERE = {
    "baseUrl": "https://elsewhere.example",
    "openai_api_base": "https://elsewhere.example",
    "apiKey": "theirs",
    "default-headers": {"X": "1"},
    "extraHeaders": {"X": "1"},
    "openaiProxy": "https://elsewhere.example",
    "http_client": "none",
    "endpointUrl": "https://elsewhere.example",
    "awsSecretAccessKey": "theirs",
    "azureAdToken": "theirs",
    "callbacks": [],
    "cache": True,
}


@pytest.mark.parametrize("parameters", [SENT_ELSEWHERE, {"modelKwargs": SENT_ELSEWHERE}])
@pytest.mark.parametrize("provider", ["openai", "bedrock_converse"])
def test_a_config_says_nothing_of_connections(parameters: dict[str, Any], provider: str) -> None:
    """LC18: whoever edits a flag cannot send the application's key elsewhere, by any spelling, nested or not."""
    params = chat_model_params(bot(parameters={**parameters, "maxTokens": 9}), {}, fields_of(provider))
    said = {name: value for name, value in params.items() if name not in ("model", "model_provider")}
    assert list(said.values()) == [9]


def test_the_application_does() -> None:
    """LC18: the overrides may say what they like."""
    config = bot(parameters={"baseUrl": "https://elsewhere.example"})
    model: Any = create_chat_model(config, model_provider="openai", base_url="http://localhost:1/v1", api_key="ours")
    assert model.openai_api_base == "http://localhost:1/v1"


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "stop", "top_p", "reasoning_effort", "logprobs", "tokenizer", "service_tier", "cache_control"],
)
def test_what_is_the_models_own(name: str) -> None:
    """LC18: parameters of a model are no connections."""
    assert not connects(name)
