"""The chat models that AI Configs ask for: Bedrock's, on a real wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from langchain_aws import ChatBedrock, ChatBedrockConverse
from langchain_openai import ChatOpenAI

from ldai_langchain.params import create_chat_model, to_messages
from tests.langchain.bots import bot
from tests.servers.bedrock import ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOVA = "amazon.nova-lite-v1:0"
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"
GUARD = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
FIELDS = ChatBedrockConverse.model_fields


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment of an application of Bedrock's, without a region."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bedrock() -> Iterator[ScriptedBedrock]:
    """Start a Bedrock runtime that does what it is told."""
    with ScriptedBedrock() as server:
        yield server


@pytest.fixture
def nova(bedrock: ScriptedBedrock) -> Iterator[Callable[..., ChatBedrockConverse]]:
    """Make the model of a config of these parameters, at the scripted server."""
    made: list[ChatBedrockConverse] = []

    def make(parameters: dict[str, Any] | None = None, name: str = NOVA, **overrides: Any) -> ChatBedrockConverse:
        config = bot(name, "Bedrock:Amazon", parameters, region="eu-west-1")
        model = create_chat_model(config, endpoint_url=bedrock.uri, **overrides)
        assert isinstance(model, ChatBedrockConverse)
        made.append(model)
        return model

    yield make
    for model in made:
        model.client.close()
        model.bedrock_client.close()


def sent(server: ScriptedBedrock) -> dict[str, Any]:
    """Take the body of the one request, without what is said."""
    (request,) = server.requests
    return {name: value for name, value in request.body.items() if name not in ("messages", "system")}


BEDROCK = {
    "maxTokens": 64.0,
    "temperature": 0.5,
    "topP": 0.9,
    "stop": "END",
    "guardrailConfig": GUARD,
    "performanceConfig": {"latency": "optimized"},
    "requestMetadata": {"team": "support"},
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "additionalModelRequestFields": {"thinking": {"type": "disabled"}},
    "reasoningConfig": {"type": "disabled"},
    "topK": 20,
    "tools": [],
    "toolChoice": "auto",
    "toolConfig": {"tools": []},
    "stream": False,
}
BEDROCK_BODY = {
    "inferenceConfig": {"maxTokens": 64, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
    "guardrailConfig": GUARD,
    "performanceConfig": {"latency": "optimized"},
    "requestMetadata": {"team": "support"},
    "additionalModelResponseFieldPaths": ["/stop_sequence"],
    "additionalModelRequestFields": {
        "thinking": {"type": "disabled"},
        "reasoningConfig": {"type": "disabled"},
        "top_k": 20,
    },
}


def test_bedrock(nova: Callable[..., ChatBedrockConverse], bedrock: ScriptedBedrock) -> None:
    """LC18: every parameter of a config is where Converse has it, the model's own in their spelling, and no tools."""
    model = nova(BEDROCK)
    assert model.region_name == "eu-west-1"
    config = bot(NOVA, "bedrock")
    assert model.invoke([*to_messages(config), ("user", "Hello?")]).content == "Hello"
    assert bedrock.requests[0].model_id == NOVA
    assert bedrock.requests[0].body["system"] == [{"text": "Be brief."}]
    assert sent(bedrock) == BEDROCK_BODY


async def test_bedrock_async(nova: Callable[..., ChatBedrockConverse], bedrock: ScriptedBedrock) -> None:
    """LC18: likewise, async."""
    assert (await nova(BEDROCK).ainvoke("Hello?")).content == "Hello"
    assert sent(bedrock) == BEDROCK_BODY


def test_an_inference_config(nova: Callable[..., ChatBedrockConverse], bedrock: ScriptedBedrock) -> None:
    """LC18: what stands in Converse's `inferenceConfig` is said there, and wins; what only Nova has there stays."""
    nested = {"maxTokens": 7, "topK": 3, "stopSequences": None}
    nova({"maxTokens": 64, "top_p": 0.9, "stop": ["END"], "inferenceConfig": nested}).invoke("Hello?")
    assert sent(bedrock) == {
        "inferenceConfig": {"maxTokens": 7, "topP": 0.9, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"inferenceConfig": {"topK": 3}},
    }
    assert nova({"inferenceConfig": {"maxTokens": 7}}).max_tokens == 7
    assert nova({"inferenceConfig": "x"}).additional_model_request_fields == {"inferenceConfig": "x"}


@pytest.mark.parametrize("place", ["model_kwargs", "extra_body", "additional_model_request_fields"])
def test_the_rest_at_bedrock(nova: Callable[..., ChatBedrockConverse], place: str) -> None:
    """LC18: Converse has one place for the rest, whatever a config or the caller calls it."""
    assert nova({place: {"a": 1}, "b": 2}).additional_model_request_fields == {"a": 1, "b": 2}
    model = nova({"a": 1, "b": 2, "maxTokens": 5}, **{place: {"a": 3}})
    assert (model.additional_model_request_fields, model.max_tokens) == ({"a": 3, "b": 2}, 5)


def test_what_anthropic_calls_like_converse(nova: Callable[..., ChatBedrockConverse]) -> None:
    """LC18: an `output_config` with an effort is the model's own, and not what Converse calls so."""
    model = nova({"output_config": {"effort": "low"}}, CLAUDE)
    assert model.additional_model_request_fields == {"output_config": {"effort": "low"}}


@pytest.mark.skipif("timeout" not in FIELDS, reason="this langchain-aws has no names for them")
def test_what_newer_classes_have(nova: Callable[..., ChatBedrockConverse]) -> None:
    """LC18: Bedrock's class wants whole seconds, a tier by its name, and a list for the system."""
    given = {"timeout": 2.5, "maxRetries": 1, "serviceTier": {"type": "flex"}, "system": "Sing."}
    config = bot(NOVA, "bedrock", given, "eu-west-1", messages=None)
    model = create_chat_model(config)
    assert isinstance(model, ChatBedrockConverse)
    assert (model.timeout, model.max_retries, model.service_tier, model.system) == (3, 1, "flex", ["Sing."])
    assert nova({**given, "timeout": 2}, timeout=4).timeout == 4
    assert nova(given).system is None
    assert nova({"outputConfig": {"textFormat": {}}}).output_config == {"textFormat": {}}


@pytest.mark.parametrize(
    ("name", "value"), [("timeout", 5), ("maxRetries", 1), ("streamOptions", {"include_usage": True})]
)
def test_what_is_for_the_client_is_not_sent(nova: Callable[..., ChatBedrockConverse], name: str, value: Any) -> None:
    """LC18: what is said to a client, and has no name in a class, is not sent to the model."""
    assert nova({name: value}).additional_model_request_fields is None


def test_an_arn(nova: Callable[..., ChatBedrockConverse]) -> None:
    """LC18: a model by its ARN is made, for the provider's name says who made the model."""
    model = nova(name="arn:aws:bedrock:eu-west-1:1:provisioned-model/abc", base_model=NOVA)
    assert (model.provider, model.disable_streaming) == ("amazon", False)


def test_bedrocks_other_class() -> None:
    """LC18: the caller may have the class of the older API, and the same parameters."""
    config = bot(CLAUDE, "bedrock", {"maxTokens": 5, "topP": 0.9, "stop": "END", "anthropic_beta": ["a"]}, "eu-west-1")
    model = create_chat_model(config, model_provider="bedrock")
    assert isinstance(model, ChatBedrock)
    assert (model.region_name, model.max_tokens, model.stop_sequences) == ("eu-west-1", 5, ["END"])
    assert model.model_kwargs == {"top_p": 0.9, "anthropic_beta": ["a"]}


def test_another_provider_takes_the_parameters() -> None:
    """LC18: a config for one provider, overridden with another, is written for that one."""
    config = bot(NOVA, "bedrock", {"maxTokens": 5, "topK": 3}, "eu-west-1")
    for overrides in ({"model": "gpt-4o", "model_provider": "openai"}, {"model": "openai:gpt-4o"}):
        model = create_chat_model(config, **overrides)
        assert isinstance(model, ChatOpenAI)
        assert (model.model_name, model.max_tokens, model.extra_body) == ("gpt-4o", 5, {"top_k": 3})


def test_an_override_may_be_called_config(nova: Callable[..., ChatBedrockConverse]) -> None:
    """LC18: a class may have an argument of any name, such as botocore's `config`."""
    assert nova({"maxTokens": 5}, config=Config(read_timeout=3)).client.meta.config.read_timeout == 3
