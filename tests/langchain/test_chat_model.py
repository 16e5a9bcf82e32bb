"""The chat models that AI Configs ask for: OpenAI's, on a real wire, and those that cannot be made."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import AzureChatOpenAI, ChatOpenAI

from ldai_core import AIConfigDefault
from ldai_langchain.params import create_chat_model, to_messages
from tests.langchain.bots import bot
from tests.servers.openai import Answer, ScriptedOpenAI, completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "schema": {"type": "object", "properties": {}}}}


@pytest.fixture(autouse=True)
def application(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment of an application of OpenAI's."""
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "any")


@pytest.fixture
def openai() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API that does what it is told."""
    with ScriptedOpenAI() as server:
        yield server


@pytest.fixture
def gpt(openai: ScriptedOpenAI) -> Iterator[Callable[..., ChatOpenAI]]:
    """Make the model of a config of these parameters, at the scripted server."""
    made: list[ChatOpenAI] = []

    def make(parameters: dict[str, Any] | None = None, **overrides: Any) -> ChatOpenAI:
        model = create_chat_model(bot("gpt-4o", "OpenAI", parameters), base_url=openai.base_url, **overrides)
        assert isinstance(model, ChatOpenAI)
        made.append(model)
        return model

    yield make
    for model in made:
        model.root_client.close()


def sent(server: ScriptedOpenAI) -> dict[str, Any]:
    """Take the body of the one request, without what is said."""
    (request,) = server.requests
    return {name: value for name, value in request.body.items() if name not in ("messages", "system")}


ALL = {
    "temperature": 0.5,
    "maxTokens": 64.0,
    "topP": 0.9,
    "stopSequences": "END",
    "frequencyPenalty": 0.1,
    "presence-penalty": 0.2,
    "logitBias": {"50256": -100},
    "logProbs": True,
    "topLogprobs": 2,
    "seed": 7,
    "n": 1,
    "topK": 20,
    "minP": 0.1,
    "user": "me",
    "serviceTier": "flex",
    "timeout": 2.5,
    "maxRetries": 1,
    "tools": [{"type": "function", "function": {"name": "weather"}}],
    "toolChoice": "auto",
    "parallelToolCalls": False,
    "streamOptions": {"include_usage": True},
    "reasoning": None,
}
OPENAI_BODY = {
    "model": "gpt-4o",
    "stream": False,
    "temperature": 0.5,
    "max_completion_tokens": 64,
    "top_p": 0.9,
    "stop": ["END"],
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "seed": 7,
    "n": 1,
    "top_k": 20,
    "min_p": 0.1,
    "user": "me",
    "service_tier": "flex",
}


def test_openai(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: every parameter of a config is where OpenAI's API has it, what it has not is there too, and no tools."""
    model = gpt(ALL)
    assert (model.request_timeout, model.max_retries, model.stream_usage) == (2.5, 1, True)
    config = bot("gpt-4o", "openai")
    assert model.invoke([*to_messages(config), ("user", "Hello?")]).content == "Hello"
    assert openai.requests[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
    ]
    assert sent(openai) == OPENAI_BODY


async def test_openai_async(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: likewise, async."""
    model = gpt(ALL)
    assert (await model.ainvoke("Hello?")).content == "Hello"
    await model.root_async_client.close()
    assert sent(openai) == OPENAI_BODY


@pytest.mark.parametrize("name", ["maxTokens", "max_tokens", "max_completion_tokens", "maxOutputTokens", "max-tokens"])
def test_spellings_at_openai(gpt: Callable[..., ChatOpenAI], name: str) -> None:
    """LC18: a limit is a limit in any spelling; LangChain's own wins, and the caller's word over it."""
    assert gpt({name: 5}).max_tokens == 5
    assert gpt({name: 5, "max_tokens": 6}).max_tokens == 6
    for override in ("max_tokens", "max_completion_tokens"):
        assert gpt({name: 5}, **{override: 7}).max_tokens == 7


def test_nothing_is_set_unasked(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: a config without parameters makes the model that LangChain makes."""
    assert gpt().invoke("Hello?").content == "Hello"
    assert sent(openai) == {"model": "gpt-4o", "stream": False}


def test_overrides_at_openai(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: what the caller says wins over everything, by LangChain's names and their aliases."""
    given = {"timeout": 1, "stop": ["a"], "topK": 1, "user": "a", "topP": 0.1, "seed": 1, "temperature": 0.1}
    model = gpt(
        given,
        request_timeout=2,
        stop_sequences=["b"],
        top_k=2,
        model_kwargs={"user": "b"},
        extra_body={"seed": 2},
        temperature=None,
        model="gpt-5-nano",
    )
    assert model.request_timeout == 2
    model.invoke("Hello?")
    body = {"model": "gpt-5-nano", "stream": False, "stop": ["b"], "top_k": 2, "seed": 2, "top_p": 0.1, "user": "b"}
    assert sent(openai) == body


def test_a_call_can_say_otherwise(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: what OpenAI's client takes by name is said anew with a call, as LangChain's structured output does."""
    openai.script(Answer(completion("{}")))
    model = gpt({"responseFormat": {"type": "json_object"}, "user": "a"})
    schema = {"title": "city", "description": "One", "type": "object", "properties": {}}
    model.with_structured_output(schema, method="json_schema").invoke("Hello?", user="b")
    assert sent(openai)["user"] == "b"
    assert sent(openai)["response_format"]["type"] == "json_schema"


def test_the_responses_api(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: a config that asks for the Responses API gets its names from LangChain."""
    gpt({"maxTokens": 5, "responseFormat": SCHEMA, "useResponsesApi": True}).invoke("Hello?")
    assert openai.requests[0].path.endswith("/responses")
    assert sent(openai)["max_output_tokens"] == 5
    assert sent(openai)["text"]["format"]["name"] == "city"


def test_a_config_that_streams(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: `stream` is LangChain's `streaming`, which `invoke` can read; whole answers come with no options."""
    model = gpt({"stream": True, "streamOptions": {"include_usage": True}})
    assert (model.streaming, model.invoke("Hello?").content) == (True, "Hello")
    assert gpt({"stream": False, "streamOptions": {"include_usage": True}}).invoke("Hello?").content == "Hello"
    assert "stream_options" not in openai.requests[1].body


async def test_an_agent_takes_it(gpt: Callable[..., ChatOpenAI], openai: ScriptedOpenAI) -> None:
    """LC18: the model has no tools, neither the config's nor those among the parameters: `create_agent` brings them."""

    @tool
    def now() -> str:
        """Tell the time."""
        return "noon"

    agent = create_agent(gpt({"tools": [{"type": "function", "function": {"name": "weather"}}]}), [now])
    assert agent.invoke({"messages": [("user", "Hello?")]})["messages"][-1].content == "Hello"
    assert [each["function"]["name"] for each in sent(openai)["tools"]] == ["now"]


def test_azure() -> None:
    """LC18: the provider that LaunchDarkly calls Azure is OpenAI's class for it."""
    config = bot("gpt-4o", "Azure OpenAI", {"maxTokens": 5, "topK": 3})
    model = create_chat_model(config, azure_endpoint="http://127.0.0.1:9", api_version="any")
    assert isinstance(model, AzureChatOpenAI)
    assert (model.model_name, model.max_tokens, model.extra_body) == ("gpt-4o", 5, {"top_k": 3})


@pytest.mark.parametrize("model", ["gpt-4o", "o3-mini", "openai:gpt-4o"])
def test_an_inferred_provider(model: str) -> None:
    """LC18: without a provider LangChain infers it, and parameters are where the class has them all the same."""
    made = create_chat_model(bot(model, None, {"topK": 3}))
    assert isinstance(made, ChatOpenAI)
    assert (made.model_name, made.extra_body) == (model.removeprefix("openai:"), {"top_k": 3})


def test_a_disabled_config() -> None:
    """LC18: a config without a model is a ValueError."""
    with pytest.raises(ValueError, match="expected a config with a model, got one without"):
        create_chat_model(AIConfigDefault.disabled())
    assert isinstance(create_chat_model(AIConfigDefault.disabled(), model="gpt-4o"), ChatOpenAI)


def test_without_langchain(monkeypatch: pytest.MonkeyPatch) -> None:
    """LC18: where `langchain` is missing, the error says what to install, and why."""
    monkeypatch.setitem(sys.modules, "langchain", None)
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ImportError, match=r"pip install langchain$") as raised:
        create_chat_model(bot("gpt-4o", "openai"))
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize("module", [None, module_from_spec(ModuleSpec("langchain_groq", None))])
def test_without_the_providers_package(monkeypatch: pytest.MonkeyPatch, module: ModuleType | None) -> None:
    """LC18: where the provider's package is missing, or another one, LangChain says so."""
    monkeypatch.setitem(sys.modules, "langchain_groq", module)
    with pytest.raises((ImportError, AttributeError), match=r"langchain.groq"):
        create_chat_model(bot("llama", "Groq", {"maxTokens": 5}))


def test_an_unknown_provider() -> None:
    """LC18: what LangChain does not know it says itself, by the name that it was given."""
    with pytest.raises(ValueError, match="my_own"):
        create_chat_model(bot("any", "My-Own", {"maxTokens": 5}))
    with pytest.raises(ValueError, match="any"):
        create_chat_model(bot("any", None))
