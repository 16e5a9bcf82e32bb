"""From an AI Config to the keyword arguments of the Responses API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context

from ldai_core import AIClient, AIConfigDefault, Message, ModelConfig, Tool
from ldai_core.testing import RecordingClient
from ldai_openai import responses_params

if TYPE_CHECKING:
    from openai import OpenAI

    from tests.servers.openai import ScriptedOpenAI

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
QUESTION = {"role": "user", "content": "Hi"}


def params(parameters: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    """Write the keyword arguments of a config with these parameters, without its model and input."""
    written = responses_params(AIConfigDefault(enabled=True, model=ModelConfig("gpt-4o", parameters), **parts))
    assert written.pop("model") == "gpt-4o"
    assert written.pop("input") == []
    return written


@pytest.mark.parametrize(
    ("config", "openai"),
    [
        ("maxTokens", "max_output_tokens"),
        ("max_tokens", "max_output_tokens"),
        ("maxCompletionTokens", "max_output_tokens"),
        ("max_completion_tokens", "max_output_tokens"),
        ("maxOutputTokens", "max_output_tokens"),
        ("maxToolCalls", "max_tool_calls"),
        ("parallelToolCalls", "parallel_tool_calls"),
        ("promptCacheKey", "prompt_cache_key"),
        ("promptCacheRetention", "prompt_cache_retention"),
        ("safetyIdentifier", "safety_identifier"),
        ("serviceTier", "service_tier"),
        ("toolChoice", "tool_choice"),
        ("topLogprobs", "top_logprobs"),
        ("topP", "top_p"),
        ("temperature", "temperature"),
        ("truncation", "truncation"),
        ("ourOwn", "ourOwn"),
    ],
)
def test_parameters_get_the_names_of_the_api(config: str, openai: str) -> None:
    """A parameter in LaunchDarkly's spelling or in that of the chat API gets its name here; unknown ones pass."""
    assert params({config: 7}) == {openai: 7}


@pytest.mark.parametrize(
    ("parameters", "written"),
    [
        ({"maxTokens": 1, "max_output_tokens": 2}, {"max_output_tokens": 2}),
        ({"maxTokens": 1, "maxCompletionTokens": 2}, {"max_output_tokens": 2}),
        ({"maxTokens": 1, "max_tokens": 2}, {"max_output_tokens": 2}),
        ({"maxTokens": None, "seed": None}, {}),
        ({"reasoningEffort": "low"}, {"reasoning": {"effort": "low"}}),
        (
            {"reasoning_effort": "low", "reasoning": {"summary": "auto"}},
            {"reasoning": {"effort": "low", "summary": "auto"}},
        ),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, {"reasoning": {"effort": "high"}}),
        ({"reasoning_effort": "low", "reasoning": "?"}, {"reasoning": "?"}),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
        ({"responseFormat": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}}},
        ),
        (
            {"toolChoice": {"type": "function", "function": {"name": "weather"}}},
            {"tool_choice": {"type": "function", "name": "weather"}},
        ),
        ({"tool_choice": {"type": ["odd"]}}, {"tool_choice": {"type": ["odd"]}}),
        ({"tools": [{"type": "web_search"}]}, {"tools": [{"type": "web_search"}]}),
        (
            {"tools": [{"type": "function", "function": {"name": "weather"}}]},
            {"tools": [{"type": "function", "name": "weather"}]},
        ),
        ({"tools": 7}, {"tools": 7}),
        ({"seed": 1, "stop": ["a"], "n": 2, "frequencyPenalty": 1, "logprobs": True, "topP": 1}, {"top_p": 1}),
    ],
)
def test_parameters_get_the_shapes_of_the_api(parameters: dict[str, Any], written: dict[str, Any]) -> None:
    """What the chat API has elsewhere moves, its own place wins, and what the chat API alone has is left out."""
    assert params(parameters) == written


def test_system_messages_in_front_are_instructions() -> None:
    """The system messages in front are the instructions; the others, and what is given, are the input, in order."""
    config = AIConfigDefault(
        messages=[
            Message("system", "Be brief."),
            Message("system", "Be kind."),
            Message("user", "Hello?"),
            Message("system", "And now be long."),
        ]
    )
    assert responses_params(config, [QUESTION]) == {
        "instructions": "Be brief.\n\nBe kind.",
        "input": [{"role": "user", "content": "Hello?"}, {"role": "system", "content": "And now be long."}, QUESTION],
    }


@pytest.mark.parametrize("given", ["Hi", [QUESTION], (QUESTION,), iter([QUESTION])], ids=type)
def test_input_is_text_or_items(given: Any) -> None:
    """A string is one message of the user's; items come as they are."""
    assert responses_params(AIConfigDefault(), given) == {"input": [QUESTION]}


def test_instructions_among_the_parameters() -> None:
    """Instructions that a config has among its parameters stay, unless it has messages that say more."""
    model = ModelConfig("m", {"instructions": "Sing."})
    assert responses_params(AIConfigDefault(model=model))["instructions"] == "Sing."
    assert (
        responses_params(AIConfigDefault(model=model, messages=[Message("system", "Hum.")]))["instructions"] == "Hum."
    )


def test_tools_get_the_shape_of_the_api() -> None:
    """A function is not strict, as in the chat API; a tool of another type is a hosted one."""
    tools = {
        "a": Tool("weather", "Tells the weather", "function", SCHEMA, {"timeout": 3}),
        "b": Tool("now"),
        "c": Tool("search", type="web_search", parameters={"search_context_size": "low"}),
        "d": Tool("code_interpreter", type="code_interpreter"),
    }
    assert params(tools=tools)["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": "Tells the weather",
            "parameters": SCHEMA,
            "strict": False,
        },
        {"type": "function", "name": "now", "strict": False},
        {"type": "web_search", "search_context_size": "low"},
        {"type": "code_interpreter"},
    ]


def test_served_tools_are_sent_once() -> None:
    """The older list among the parameters is read as tools; an empty `tools` at the root wins over it."""
    served = {"model": {"name": "m", "parameters": {"tools": [{"name": "weather", "parameters": SCHEMA}]}}}
    configs = RecordingClient({"bot": served, "none": {**served, "tools": {}}})
    ai, context = AIClient(configs), Context.create("user")
    (tool,) = responses_params(ai.completion_config("bot", context))["tools"]
    assert tool == {"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}
    assert "tools" not in responses_params(ai.completion_config("none", context))


def test_a_disabled_config_has_no_model() -> None:
    """Without a model there is no `model`: the application says which, or what else to do."""
    assert responses_params(AIConfigDefault.disabled()) == {"input": []}


def test_the_result_is_the_callers() -> None:
    """Changing what came out changes nothing in the config."""
    config = AIConfigDefault(model=ModelConfig("m", {"include": ["a"]}), messages=[Message("user", "Hi")])
    written = responses_params(config)
    written["include"].append("b")
    written["input"].append({})
    assert responses_params(config) == {"model": "m", "include": ["a"], "input": [QUESTION]}


def test_a_real_request(server: ScriptedOpenAI, client: OpenAI) -> None:
    """What comes out is what `create` takes, and it arrives at the API."""
    config = AIConfigDefault(
        model=ModelConfig("gpt-4o", {"maxTokens": 50, "topP": 0.5, "stop": ["a"], "reasoningEffort": "low"}),
        messages=[Message("system", "Be brief.")],
        tools={"weather": Tool("weather", parameters=SCHEMA)},
    )
    client.responses.create(**responses_params(config, "Hi"))
    (request,) = server.requests
    assert request.path == "/v1/responses"
    assert request.body == {
        "model": "gpt-4o",
        "instructions": "Be brief.",
        "input": [QUESTION],
        "max_output_tokens": 50,
        "top_p": 0.5,
        "reasoning": {"effort": "low"},
        "tools": [{"type": "function", "name": "weather", "parameters": SCHEMA, "strict": False}],
    }
