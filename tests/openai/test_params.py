"""From an AI Config to the keyword arguments of a chat completion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context

from ldai_core import AIClient, AIConfigDefault, Message, ModelConfig, Tool
from ldai_core.testing import RecordingClient
from ldai_openai import chat_params

if TYPE_CHECKING:
    from openai import OpenAI

    from tests.servers.openai import ScriptedOpenAI

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def params(parameters: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """Write the keyword arguments of a config with these parameters, without its model and messages."""
    written = chat_params(AIConfigDefault(enabled=True, model=ModelConfig("gpt-4o", parameters), **parts))
    assert written.pop("model") == "gpt-4o"
    assert written.pop("messages") == []
    return written


@pytest.mark.parametrize(
    ("launchdarkly", "openai"),
    [
        ("frequencyPenalty", "frequency_penalty"),
        ("logitBias", "logit_bias"),
        ("maxCompletionTokens", "max_completion_tokens"),
        ("maxTokens", "max_tokens"),
        ("parallelToolCalls", "parallel_tool_calls"),
        ("presencePenalty", "presence_penalty"),
        ("promptCacheKey", "prompt_cache_key"),
        ("reasoningEffort", "reasoning_effort"),
        ("responseFormat", "response_format"),
        ("safetyIdentifier", "safety_identifier"),
        ("serviceTier", "service_tier"),
        ("stopSequences", "stop"),
        ("stop_sequences", "stop"),
        ("streamOptions", "stream_options"),
        ("toolChoice", "tool_choice"),
        ("topLogprobs", "top_logprobs"),
        ("topP", "top_p"),
        ("webSearchOptions", "web_search_options"),
    ],
)
def test_launchdarklys_names_become_openais(launchdarkly: str, openai: str) -> None:
    """A parameter in LaunchDarkly's spelling gets OpenAI's name and keeps its value."""
    assert params({launchdarkly: 7}) == {openai: 7}


@pytest.mark.parametrize("name", ["temperature", "seed", "n", "stop", "max_tokens", "top_p", "user", "ourOwn", "top_k"])
def test_other_names_pass_as_they_are(name: str) -> None:
    """Names that OpenAI knows already, and names that nobody knows, pass as they are."""
    assert params({name: 7}) == {name: 7}


@pytest.mark.parametrize("parameters", [{"maxTokens": 1, "max_tokens": 2}, {"max_tokens": 2, "maxTokens": 1}])
def test_openais_spelling_wins(parameters: dict[str, Any]) -> None:
    """Where a parameter is there in both spellings, OpenAI's is taken, in whatever order they come."""
    assert params(parameters) == {"max_tokens": 2}


def test_tools_get_openais_shape() -> None:
    """Tools become functions; what a tool does not say is left out, and the application's own parameters stay here."""
    weather = Tool("weather", "Tells the weather", "function", SCHEMA, {"timeout": 3})
    assert params(tools={"a": weather, "b": Tool("now")}) == {
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Tells the weather", "parameters": SCHEMA},
            },
            {"type": "function", "function": {"name": "now"}},
        ]
    }


def test_served_tools_are_sent_once() -> None:
    """The older list among the parameters is read as tools, and not sent a second time in its own shape."""
    served = {"model": {"name": "m", "parameters": {"tools": [{"name": "weather", "parameters": SCHEMA}]}}}
    config = AIClient(RecordingClient({"bot": served})).completion_config("bot", Context.create("user"))
    assert chat_params(config)["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]


def test_no_tools_at_the_root_are_no_tools() -> None:
    """An empty `tools` at the root wins over the list among the parameters: no tools are sent."""
    assert params({"tools": [{"name": "weather"}]}, tools={}) == {}


def test_an_applications_own_tools_pass() -> None:
    """Tools that an application's default has among its parameters, in OpenAI's shape, pass as they are."""
    tools = [{"type": "function", "function": {"name": "weather"}}]
    assert params({"tools": tools}) == {"tools": tools}


def test_messages_are_appended_to_the_configs() -> None:
    """The config's messages come first, then those that are given."""
    config = AIConfigDefault(messages=[Message("system", "Be brief.")])
    question = {"role": "user", "content": "Hi"}
    expected = [{"role": "system", "content": "Be brief."}, question]
    assert chat_params(config, [question]) == {"messages": expected}
    assert chat_params(config, iter([question])) == {"messages": expected}


def test_a_disabled_config_has_no_model() -> None:
    """Without a model there is no `model`: the application says which, or what else to do."""
    assert chat_params(AIConfigDefault.disabled()) == {"messages": []}


def test_the_result_is_the_callers() -> None:
    """Changing what came out changes nothing in the config."""
    config = AIConfigDefault(model=ModelConfig("m", {"stop": ["a"]}), messages=[Message("system", "Hi")])
    written = chat_params(config)
    written["stop"].append("b")
    written["messages"].append({})
    assert chat_params(config) == {"model": "m", "stop": ["a"], "messages": [{"role": "system", "content": "Hi"}]}


def test_a_real_request(server: ScriptedOpenAI, client: OpenAI) -> None:
    """What comes out is what `create` takes, and it arrives at the API."""
    config = AIConfigDefault(
        model=ModelConfig("gpt-4o", {"maxTokens": 5, "topP": 0.5}),
        messages=[Message("system", "Be brief.")],
        tools={"weather": Tool("weather", parameters=SCHEMA)},
    )
    client.chat.completions.create(**chat_params(config, [{"role": "user", "content": "Hi"}]))
    (request,) = server.requests
    body: Any = request.body if isinstance(request.body, dict) else json.loads(request.body)
    assert (body["model"], body["max_tokens"], body["top_p"]) == ("gpt-4o", 5, 0.5)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["tools"][0]["function"]["name"] == "weather"
