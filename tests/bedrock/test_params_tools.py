"""The tools of an AI Config, and the choice among them, as Converse wants them."""

from __future__ import annotations

from typing import Any

import pytest
from ldclient import Context

from ldai_bedrock import converse_params
from ldai_core import AIClient, Tool
from ldai_core.testing import RecordingClient
from tests.bedrock.bots import NO_SCHEMA, NOVA, NOW, SCHEMA, TOOLS, WEATHER, bot, params


def test_tools_get_converses_shape(refused: Any) -> None:
    """Tools become specifications, whatever their type; what a tool does not say is left out, but for its schema."""
    tools = {**TOOLS, "c": Tool("search", type="web_search", parameters={})}
    search = {"toolSpec": {"name": "search", "inputSchema": {"json": NO_SCHEMA}}}
    assert params(tools=tools) == {"toolConfig": {"tools": [WEATHER, NOW, search]}}
    assert not refused(converse_params(bot(tools=tools)))


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": SCHEMA}},
        {"type": "function", "name": "weather", "description": "Tells it", "parameters": SCHEMA, "strict": True},
        {"name": "weather", "description": "Tells it", "input_schema": SCHEMA},
        {"type": "custom", "name": "weather", "description": "Tells it", "input_schema": SCHEMA},
        {"name": "weather", "description": "Tells it", "parameters": SCHEMA, "customParameters": {"timeout": 3}},
        WEATHER,
    ],
    ids=["openai-chat", "openai-responses", "anthropic", "anthropic-custom", "launchdarkly", "converse"],
)
def test_a_list_of_tools_in_any_dialect(tool: dict[str, Any], refused: Any) -> None:
    """A list `tools` among the parameters is read in the shapes of OpenAI, Anthropic, LaunchDarkly and Converse."""
    assert params({"tools": [tool]}) == {"toolConfig": {"tools": [WEATHER]}}
    assert not refused(converse_params(bot({"tools": [tool]})))


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "now"}},
        {"type": "function", "function": {"name": "now", "description": "", "parameters": None}},
        {"name": "now", "description": None, "input_schema": {}},
    ],
)
def test_a_listed_tool_that_says_little(tool: dict[str, Any], refused: Any) -> None:
    """An empty description is left out, and without a schema a tool takes an object with nothing in it."""
    assert params({"tools": [tool]}) == {"toolConfig": {"tools": [NOW]}}
    assert not refused(converse_params(bot({"tools": [tool]})))


@pytest.mark.parametrize("tool", [{"cachePoint": {"type": "default"}}, {"systemTool": {"name": "nova_grounding"}}])
def test_other_tools_of_converses_pass(tool: dict[str, Any]) -> None:
    """What Converse has in the list beside specifications passes in its place."""
    assert params({"tools": [WEATHER, tool, NOW]}) == {"toolConfig": {"tools": [WEATHER, tool, NOW]}}


@pytest.mark.parametrize("tool", [7, None, {}, {"function": 7}, {"name": 7}, {"type": "custom"}])
def test_what_is_no_tool_passes(tool: Any) -> None:
    """What nobody knows is not lost: it passes, for boto3 to refuse."""
    assert params({"tools": [tool]}) == {"toolConfig": {"tools": [tool]}}


def test_hosted_tools_are_the_models_own(refused: Any) -> None:
    """A provider's own tool is not the application's to answer: its type sends it to the model, as it is."""
    computer = {"type": "computer_20250124", "name": "computer", "display_width_px": 640}
    parameters = {"tools": [computer, {"name": "now"}]}
    assert params(parameters) == {
        "toolConfig": {"tools": [NOW]},
        "additionalModelRequestFields": {"tools": [computer]},
    }
    assert not refused(converse_params(bot(parameters)))
    assert params({"tools": [computer], "tool_choice": "auto"}) == {
        "additionalModelRequestFields": {"tools": [computer]}
    }
    assert params({**parameters, "tool_choice": {"type": "none"}}) == {}


@pytest.mark.parametrize("parameters", [{"tools": [{"name": "x"}]}, {"toolConfig": {"tools": [NOW]}}, {"tools": 7}])
def test_the_configs_tools_win(parameters: dict[str, Any]) -> None:
    """The config's tools win over what is among the parameters; an empty dict of them is no tools at all."""
    assert params(parameters, tools={"a": Tool("now")}) == {"toolConfig": {"tools": [NOW]}}
    assert params({**parameters, "toolChoice": "any"}, tools={}) == {}


def test_served_tools_are_sent_once() -> None:
    """The older list among the parameters is read as tools; an empty `tools` at the root wins over it."""
    served = {"model": {"name": NOVA, "parameters": {"tools": [{"name": "weather", "parameters": SCHEMA}]}}}
    chat = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
    configs = {"bot": served, "chat": {"model": {"name": NOVA, "parameters": {"tools": [chat]}}}}
    ai, context = AIClient(RecordingClient({**configs, "none": {**served, "tools": {}}})), Context.create("user")
    tools = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}]}
    for key in ("bot", "chat"):
        expected = {"modelId": NOVA, "messages": [], "toolConfig": tools}
        assert converse_params(ai.completion_config(key, context)) == expected
    assert converse_params(ai.completion_config("none", context)) == {"modelId": NOVA, "messages": []}


@pytest.mark.parametrize("name", ["toolChoice", "tool_choice"])
@pytest.mark.parametrize(
    ("choice", "written"),
    [
        ("auto", {"auto": {}}),
        ("any", {"any": {}}),
        ("required", {"any": {}}),
        ({"type": "auto"}, {"auto": {}}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"any": {}}),
        ({"type": "function", "function": {"name": "now"}}, {"tool": {"name": "now"}}),
        ({"type": "function", "name": "now"}, {"tool": {"name": "now"}}),
        ({"type": "tool", "name": "now"}, {"tool": {"name": "now"}}),
        ({"auto": {}}, {"auto": {}}),
        ({"any": {}}, {"any": {}}),
        ({"tool": {"name": "now"}}, {"tool": {"name": "now"}}),
    ],
)
def test_a_choice_among_the_tools(name: str, choice: Any, written: dict[str, Any], refused: Any) -> None:
    """A choice in any dialect becomes Converse's, with the tools from wherever; without tools it is left out."""
    expected = {"toolConfig": {"tools": [NOW], "toolChoice": written}}
    assert params({name: choice}, tools={"a": Tool("now")}) == expected
    assert params({name: choice, "tools": [NOW]}) == expected
    assert params({name: choice, "toolConfig": {"tools": [NOW]}}) == expected
    assert not refused(converse_params(bot({name: choice}, tools={"a": Tool("now")})))
    assert params({name: choice}) == params({name: choice, "tools": []}) == params({name: choice}, tools={}) == {}


@pytest.mark.parametrize("choice", ["none", {"type": "none"}])
def test_no_tool_is_to_be_called(choice: Any) -> None:
    """Converse has no such choice: it is sent no tools, wherever they come from."""
    assert params({"toolChoice": choice}, tools=TOOLS) == {}
    assert params({"tool_choice": choice, "tools": [NOW]}) == {}
    assert params({"toolChoice": choice, "toolConfig": {"tools": [NOW]}}) == {}


def test_which_choice() -> None:
    """Converse's spelling wins, a null is no choice, and one that nobody knows passes, for boto3 to refuse."""
    for parameters in ({"toolChoice": "any", "tool_choice": "auto"}, {"tool_choice": "auto", "toolChoice": "any"}):
        assert params(parameters, tools=TOOLS)["toolConfig"]["toolChoice"] == {"any": {}}
    assert "toolChoice" not in params({"toolChoice": None, "tool_choice": None}, tools=TOOLS)["toolConfig"]
    unknown: tuple[Any, ...] = ("sometimes", 7, [], {"type": ["any"]})
    for odd in unknown:
        assert params({"toolChoice": odd}, tools=TOOLS)["toolConfig"]["toolChoice"] == odd


def test_a_tool_config_passes() -> None:
    """A dict `toolConfig` passes as it is, and wins over a list of tools, and over a choice beside it."""
    own = {"tools": [NOW], "toolChoice": {"auto": {}}}
    assert params({"toolConfig": own, "tools": [{"name": "x"}], "toolChoice": "any"}) == {"toolConfig": own}
    assert params({"toolConfig": {"tools": []}}) == {"toolConfig": {"tools": []}}
    assert params({"toolConfig": {}}) == params({"toolConfig": None, "tools": None}) == {}
