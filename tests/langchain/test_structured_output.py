"""Structured output: the tool by which a model is made to answer in a form is none of the application's."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from ldai_langchain.readings import structured_output_tools
from tests.expected import ANSWERED, SUCCESS, told
from tests.langchain.models import ScriptedChat, Turn, asks
from tests.langchain.ways import QUESTION, WAYS, ask, each_way
from tests.servers.bedrock import Answer as BedrockAnswer
from tests.servers.bedrock import Body, answer
from tests.servers.bedrock import claude as claude_answer
from tests.servers.openai import Answer, completion
from tests.servers.responses import function_call, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock
    from tests.servers.openai import ScriptedOpenAI

    Make = Callable[..., Any]


# An older langchain-openai makes pydantic warn of what it has parsed by itself.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
is_old = version("langchain-core").startswith("1.0.")


class City(BaseModel):
    """A city."""

    name: str


class Renamed(BaseModel):
    """A city."""

    model_config = ConfigDict(title="Town")
    name: str


class Place(TypedDict):
    """A city."""

    name: str


SCHEMA = {
    "title": "Village",
    "description": "A city.",
    **{k: v for k, v in City.model_json_schema().items() if k != "title"},
}
# Whose parameters have a title of their own, as pydantic writes them.
FUNCTION = {"name": "extract", "description": "A city.", "parameters": City.model_json_schema()}
FORMS: dict[str, tuple[Any, str]] = {
    "pydantic": (City, "City"),
    "TypedDict": (Place, "Place"),
    "JSON schema": (SCHEMA, "Village"),
    "function": (FUNCTION, "extract"),
}
if not is_old:  # which does not find its way back from the tool to the class
    FORMS["a title"] = (Renamed, "Town")
VALUE = {"name": "Bonn"}
each_form = pytest.mark.parametrize(("form", "tool"), FORMS.values(), ids=FORMS)
each_raw = pytest.mark.parametrize("raw", [False, True], ids=["parsed", "raw"])


def search(what: str) -> str:
    """Search for something."""
    return what


def calls(*tools: str) -> Answer:
    """Answer with calls of tools."""
    functions = [
        {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(VALUE)}}
        for name in tools
    ]
    return Answer(completion(None, finish_reason="tool_calls", tool_calls=functions))


def uses(*tools: str) -> BedrockAnswer:
    """Answer with calls of tools, as Converse does."""
    content = [{"toolUse": {"toolUseId": f"t_{name}", "name": name, "input": VALUE}} for name in tools]
    return BedrockAnswer(answer(*content, stop_reason="tool_use"))


@each_way
@each_raw
@each_form
def test_function_calling(
    server: ScriptedOpenAI,
    gpt: Make,
    watched: Any,
    recorded: RecordingClient,
    form: Any,
    tool: str,
    raw: bool,
    is_async: bool,
) -> None:
    """LC13: a form by function calling is no tool call, whatever the form is written in."""
    server.script(calls(tool))
    model = gpt().with_structured_output(form, method="function_calling", include_raw=raw)
    found = ask(model, watched, is_async=is_async)
    found = found["parsed"] if raw else found
    assert (found.model_dump() if isinstance(found, BaseModel) else found) == VALUE
    assert server.requests[0].body["tools"][0]["function"]["name"] == tool
    assert told(recorded) == ANSWERED


@each_way
@each_raw
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@each_form
def test_other_methods(
    server: ScriptedOpenAI,
    gpt: Make,
    watched: Any,
    recorded: RecordingClient,
    form: Any,
    tool: str,
    method: str,
    raw: bool,
    is_async: bool,
) -> None:
    """LC13: by JSON there is no such tool, and what the model asks for in the form's name is a tool call."""
    content = json.dumps(VALUE)
    function = {"id": "call_1", "type": "function", "function": {"name": tool, "arguments": "{}"}}
    server.script(Answer(completion(content)), Answer(completion(content, tool_calls=[function])))
    model = gpt().with_structured_output(form, method=method, include_raw=raw)
    ask(model, watched, is_async=is_async)
    assert told(recorded) == ANSWERED
    if raw:
        ask(model, watched, is_async=is_async)
        assert recorded.runs[1].tool_calls == (tool,)


@each_way
def test_beside_real_tools(
    server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: the tools of the application beside a form are tool calls."""
    server.script(calls("search"))
    model = gpt().with_structured_output(City, method="json_schema", include_raw=True, strict=True, tools=[search])
    ask(model, watched, is_async=is_async)
    assert recorded.run.tool_calls == ("search",)


@each_way
@pytest.mark.parametrize("form", [City, Place])
def test_langchain_s_own(watched: Any, recorded: RecordingClient, form: Any, is_async: bool) -> None:
    """LC13: so for models that have LangChain's own way, in the calls where the form is asked for, and in no others."""
    turn = Turn((), tool_calls=tuple({**each, "args": VALUE} for each in asks(form.__name__, "search")))
    model = ScriptedChat(turns=(turn,))
    again = model.bind_tools([form])
    ask(model.with_structured_output(form) | RunnableLambda(lambda _: QUESTION) | again, watched, is_async=is_async)
    assert recorded.run.tool_calls == ("search", form.__name__, "search")


@pytest.mark.parametrize("way", WAYS)
def test_every_way(watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC13: so in every way in which it is asked for."""
    turn = Turn((), tool_calls=asks("Place"))
    WAYS[way](ScriptedChat(turns=(turn,)).with_structured_output(Place), watched)
    assert recorded.run.tool_calls == ()


@each_way
def test_responses(server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC13: so of the Responses API."""
    server.script(Answer(response(function_call("City", json.dumps(VALUE)))))
    model = gpt(use_responses_api=True).with_structured_output(City, method="function_calling")
    assert ask(model, watched, is_async=is_async) == City(name="Bonn")
    assert told(recorded) == ANSWERED


@each_way
@each_raw
@each_form
def test_converse(
    bedrock: ScriptedBedrock,
    nova: Make,
    watched: Any,
    recorded: RecordingClient,
    form: Any,
    tool: str,
    raw: bool,
    is_async: bool,
) -> None:
    """LC13: so of Converse."""
    bedrock.script(uses(tool))
    found = ask(nova().with_structured_output(form, include_raw=raw), watched, is_async=is_async)
    found = found["parsed"] if raw else found
    assert (found.model_dump() if isinstance(found, BaseModel) else found) == VALUE
    assert told(recorded) == ANSWERED


@pytest.mark.skipif(is_old, reason="there is no such method yet")
@each_way
def test_converse_by_json(
    bedrock: ScriptedBedrock, nova: Make, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: so of Converse by JSON."""
    bedrock.script(BedrockAnswer(answer(json.dumps(VALUE))))
    model = nova().with_structured_output(City, method="json_schema")
    assert ask(model, watched, is_async=is_async) == City(name="Bonn")
    assert told(recorded) == ANSWERED


@each_way
def test_invoke_model(
    bedrock: ScriptedBedrock, claude: Make, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: so of InvokeModel."""
    content = claude_answer({"type": "tool_use", "id": "t_1", "name": "City", "input": VALUE})
    bedrock.script(Body(json.dumps(content).encode()))
    assert ask(claude().with_structured_output(City), watched, is_async=is_async) == City(name="Bonn")
    assert recorded.run.tool_calls == ()


@each_way
def test_an_agent_s_form_by_json(
    server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: an agent's form by the provider's own means adds no tool call to those of the application."""
    server.script(calls("search"), Answer(completion(json.dumps(VALUE))))
    agent = create_agent(gpt(), [search], response_format=ProviderStrategy(City))
    assert run_agent(agent, watched, is_async=is_async)["structured_response"] == City(name="Bonn")
    assert recorded.run.tool_calls == ("search",)


@each_way
def test_an_agent_s_form_by_a_tool(
    server: ScriptedOpenAI, gpt: Make, watched: Any, recorded: RecordingClient, is_async: bool
) -> None:
    """LC13: an agent's form by a tool is recorded as one: LangChain marks that tool in nothing that it tells."""
    server.script(calls("search"), calls("City"))
    agent = create_agent(gpt(), [search], response_format=ToolStrategy(City))
    assert run_agent(agent, watched, is_async=is_async)["structured_response"] == City(name="Bonn")
    assert recorded.run.tool_calls == ("search", "City")
    assert SUCCESS in told(recorded)


def run_agent(agent: Any, config: Any, *, is_async: bool) -> Any:
    """Run an agent; what it takes is no text alone."""
    return ask(RunnableLambda(lambda text: {"messages": [("user", text)]}) | agent, config, is_async=is_async)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, set()),
        ({"stop": None}, set()),
        ({"ls_structured_output_format": None}, set()),
        ({"ls_structured_output_format": {"kwargs": {}, "schema": {}}}, set()),
        ({"ls_structured_output_format": {"kwargs": {}, "schema": {"title": "City"}}}, {"City"}),
        ({"ls_structured_output_format": {"schema": {"title": "City"}}}, {"City"}),
        ({"ls_structured_output_format": {"kwargs": {"method": "json_mode"}, "schema": {"title": "City"}}}, set()),
        ({"ls_structured_output_format": {"kwargs": {}, "schema": {"title": 7}}}, set()),
    ],
)
def test_what_langchain_says(options: Any, expected: set[str]) -> None:
    """LC13: the tool is known by what LangChain says of the form; where it says nothing there is none."""
    assert structured_output_tools(options) == expected
