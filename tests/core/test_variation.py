from __future__ import annotations

import json
import math
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldai_core import (
    AIClient,
    AIConfig,
    AIConfigDefault,
    Message,
    ModelConfig,
    ProviderConfig,
    ResumptionToken,
    TokenUsage,
    Tool,
)
from tests.core.doubles import CONTEXT, FailingLDClient, FakeLDClient, warnings_in

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = "my-config"
DEFAULT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("fallback-model"),
    provider=ProviderConfig("fallback-provider"),
    messages=[Message("system", "Hello {{name}}, {{ldctx.name}}.")],
)


def configure(value: Any, default: AIConfigDefault | None = None) -> AIConfig:
    """Read the config that a variation makes."""
    return AIClient(FakeLDClient({KEY: value})).completion_config(KEY, CONTEXT, default, {"name": "Bo"})


def assert_fallback(config: AIConfig) -> None:
    """Assert that a config is the default, made into a config."""
    assert (config.key, config.enabled) == (KEY, True)
    assert (config.model, config.provider) == (DEFAULT.model, DEFAULT.provider)
    assert list(config.messages or ()) == [Message("system", "Hello Bo, Ada.")]


def assert_named(warnings: list[str], fields: Iterable[str]) -> None:
    """Assert that there is one warning per field, in any order, and that each names the config's key."""
    fields = list(fields)
    assert len(warnings) == len(fields), warnings
    assert all(KEY in warning for warning in warnings), warnings
    for field in fields:
        assert any(field in warning for warning in warnings), (field, warnings)


def test_a_config_in_full(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a payload with everything in it becomes a config with everything in it, and no warning."""
    config = configure(
        {
            "_ldMeta": {
                "enabled": True,
                "variationKey": "v1",
                "version": 3,
                "mode": "completion",
                "modelKey": "k",
                "modelVersion": 2,
            },
            "model": {
                "name": "gpt-4o",
                "region": "us",
                "parameters": {"temperature": 0.5, "stop": ["."], "seed": None},
                "custom": {"team": "support"},
            },
            "provider": {"name": "openai"},
            "messages": [
                {"role": "system", "content": "Hello {{name}} {{ldctx.key}}"},
                {"role": "user", "content": ""},
                {"role": "assistant", "content": "Hi!"},
            ],
            "tools": {
                "find": {
                    "name": "search",
                    "description": "Find it.",
                    "type": "function",
                    "parameters": {"type": "object"},
                    "customParameters": {"cost": 1},
                }
            },
        }
    )
    assert (config.key, config.enabled) == (KEY, True)
    assert config.model == ModelConfig(
        "gpt-4o", {"temperature": 0.5, "stop": ["."], "seed": None}, {"team": "support"}, "us"
    )
    assert config.provider == ProviderConfig("openai")
    assert list(config.messages or ()) == [
        Message("system", "Hello Bo user-1"),
        Message("user", ""),
        Message("assistant", "Hi!"),
    ]
    assert config.tools == {"find": Tool("search", "Find it.", "function", {"type": "object"}, {"cost": 1})}
    tracker = config.create_tracker()
    assert (tracker.variation_key, tracker.version) == ("v1", 3)
    assert (tracker.model_key, tracker.model_version) == ("k", 2)
    assert (tracker.model_name, tracker.provider_name) == ("gpt-4o", "openai")
    assert warnings_in(caplog) == []


EVERY_PART_NULL = {"_ldMeta": None, "model": None, "provider": None, "messages": None, "tools": None}


@pytest.mark.parametrize(
    "value",
    [
        {},
        EVERY_PART_NULL,
        {"_ldMeta": {}},
        {
            "_ldMeta": {
                "enabled": None,
                "variationKey": None,
                "version": None,
                "mode": None,
                "modelKey": None,
                "modelVersion": None,
            }
        },
        {"_ldMeta": {"mode": ""}},
        {"_ldMeta": {"mode": "completion"}},
        {"unknown": [1, 2], "_ldMeta": {"unknown": {}}},
    ],
)
def test_everything_may_be_absent(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: everything may be absent, and null is absent: a disabled config of version 1, and no warning."""
    config = configure(value, DEFAULT)
    assert config.enabled is False
    assert (config.model, config.provider, config.messages, config.tools) == (None, None, None, None)
    tracker = config.create_tracker()
    assert (tracker.variation_key, tracker.version) == ("", 1)
    assert (tracker.model_key, tracker.model_version) == (None, None)
    assert (tracker.model_name, tracker.provider_name) == ("", "")
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("value", [[], [{}], "", "{}", 0, 1.5, True, False])
def test_a_variation_that_is_no_object(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a variation that is not an object gives the caller's default, with one warning."""
    assert_fallback(configure(value, DEFAULT))
    (warning,) = warnings_in(caplog)
    assert KEY in warning


def test_a_variation_of_null(caplog: pytest.LogCaptureFixture) -> None:
    """C5: null is not an object either: it gives the caller's default, with one warning."""
    assert_fallback(configure(None, DEFAULT))
    (warning,) = warnings_in(caplog)
    assert KEY in warning


def test_a_part_nested_too_deep(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a part that nests too deep for whoever would use it is None, alone, with one warning."""
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"nested": nested}
    config = configure({"model": {"name": "m", "parameters": nested, "custom": {"a": 1}}}, DEFAULT)
    assert config.model == ModelConfig("m", None, {"a": 1})
    (warning,) = warnings_in(caplog)
    assert KEY in warning


def test_a_base_sdk_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a base SDK that raises gives the caller's default, with one warning, without what was raised."""
    ld_client = FailingLDClient(fails_on=(), fails_to_vary=True)
    assert_fallback(AIClient(ld_client).completion_config(KEY, CONTEXT, DEFAULT, {"name": "Bo"}))
    (warning,) = warnings_in(caplog)
    assert KEY in warning
    assert "LookupError" in warning
    assert "the answer was 42" not in caplog.text


def test_without_a_default_the_fallback_is_disabled(caplog: pytest.LogCaptureFixture) -> None:
    """C5, R9: where a default is called for and there is none, the config is disabled."""
    config = configure([])
    assert config.enabled is False
    assert (config.model, config.provider, config.messages, config.tools) == (None, None, None, None)
    assert len(warnings_in(caplog)) == 1


@pytest.mark.parametrize("mode", ["agent", "judge", "Completion", " completion", "x"])
def test_another_mode(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a mode that is another string than `completion` or `""` gives the default, with one warning."""
    value = {"_ldMeta": {"enabled": True, "variationKey": "v1", "mode": mode}, "model": {"name": "gpt-4o"}}
    assert_fallback(configure(value, DEFAULT))
    assert_named(warnings_in(caplog), ["mode"])


@pytest.mark.parametrize(
    ("enabled", "expected", "warned"),
    [
        (True, True, 0),
        (False, False, 0),
        (None, False, 0),
        ("true", False, 1),
        ("", False, 1),
        (1, False, 1),
        (0, False, 1),
        (1.0, False, 1),
        ([], False, 1),
        ({"enabled": True}, False, 1),
    ],
)
def test_enabled_is_true_for_true_alone(
    enabled: Any, expected: bool, warned: int, caplog: pytest.LogCaptureFixture
) -> None:
    """C5: `enabled` is true only for JSON true."""
    assert configure({"_ldMeta": {"enabled": enabled}}).enabled is expected
    assert_named(warnings_in(caplog), ["enabled"] * warned)


@pytest.mark.parametrize(
    ("meta", "facts", "warned"),
    [
        ({"version": 0}, {"version": 0}, []),
        ({"version": -2}, {"version": -2}, []),
        ({"version": "3"}, {"version": 1}, ["version"]),
        ({"version": 3.0}, {"version": 1}, ["version"]),
        ({"version": True}, {"version": 1}, ["version"]),
        ({"version": []}, {"version": 1}, ["version"]),
        ({"variationKey": ""}, {"variation_key": ""}, []),
        ({"variationKey": 5}, {"variation_key": ""}, ["variationKey"]),
        ({"variationKey": False}, {"variation_key": ""}, ["variationKey"]),
        ({"variationKey": {}}, {"variation_key": ""}, ["variationKey"]),
        ({"modelKey": 5}, {"model_key": None}, ["modelKey"]),
        ({"modelKey": []}, {"model_key": None}, ["modelKey"]),
        ({"modelVersion": 0}, {"model_version": 0}, []),
        ({"modelVersion": "2"}, {"model_version": None}, ["modelVersion"]),
        ({"modelVersion": 2.0}, {"model_version": None}, ["modelVersion"]),
        ({"modelVersion": True}, {"model_version": None}, ["modelVersion"]),
        ({"mode": 5}, {"version": 1}, ["mode"]),
        ({"mode": ["agent"]}, {"version": 1}, ["mode"]),
        (
            {"version": "3", "variationKey": 1, "modelKey": 1, "modelVersion": "2", "mode": 1},
            {"version": 1, "variation_key": "", "model_key": None, "model_version": None},
            ["version", "variationKey", "modelKey", "modelVersion", "mode"],
        ),
    ],
)
def test_a_bad_fact_degrades_alone(
    meta: dict[str, Any], facts: dict[str, Any], warned: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """C5: a fact of a wrong type becomes its default, with one warning that names it; the rest is kept."""
    config = configure({"_ldMeta": {"enabled": True} | meta, "model": {"name": "gpt-4o"}})
    tracker = config.create_tracker()
    assert {fact: getattr(tracker, fact) for fact in facts} == facts
    assert type(tracker.version) is int
    assert config.enabled is True
    assert config.model == ModelConfig("gpt-4o")
    assert_named(warnings_in(caplog), warned)


@pytest.mark.parametrize("meta", [[], "enabled", 1, True, 1.5])
def test_meta_that_is_no_object(meta: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: an `_ldMeta` of a wrong type costs one warning, and counts as absent; the rest is kept."""
    config = configure({"_ldMeta": meta, "model": {"name": "gpt-4o"}})
    assert config.enabled is False
    assert config.model == ModelConfig("gpt-4o")
    assert config.create_tracker().version == 1
    assert_named(warnings_in(caplog), ["_ldMeta"])


@pytest.mark.parametrize(
    ("model", "expected", "warned"),
    [
        ({"name": "m"}, ModelConfig("m"), []),
        ({"name": "m", "parameters": None, "custom": None, "region": None}, ModelConfig("m"), []),
        ({"name": "m", "parameters": {}, "custom": {}}, ModelConfig("m", {}, {}), []),
        ({"name": "m", "unknown": 5}, ModelConfig("m"), []),
        ({"name": "m", "parameters": [], "region": "us"}, ModelConfig("m", region="us"), ["parameters"]),
        ({"name": "m", "parameters": "x", "custom": {"a": 1}}, ModelConfig("m", custom={"a": 1}), ["parameters"]),
        ({"name": "m", "parameters": {"a": 1}, "custom": 5}, ModelConfig("m", {"a": 1}), ["custom"]),
        ({"name": "m", "region": 5}, ModelConfig("m"), ["region"]),
        ({"name": "m", "region": ["us"]}, ModelConfig("m"), ["region"]),
        (
            {"name": "m", "parameters": 1, "custom": 2, "region": 3},
            ModelConfig("m"),
            ["parameters", "custom", "region"],
        ),
        ({}, None, ["model"]),
        ({"name": None}, None, ["model"]),
        ({"name": ""}, None, ["model"]),
        ({"name": 5}, None, ["model"]),
        ({"name": ["m"]}, None, ["model"]),
        ({"parameters": {"a": 1}}, None, ["model"]),
        ([], None, ["model"]),
        ("gpt-4o", None, ["model"]),
        (0, None, ["model"]),
        (False, None, ["model"]),
    ],
)
def test_a_model(model: Any, expected: ModelConfig | None, warned: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """C5: a bad part of a model degrades alone; a model without a non-empty string for a name is None."""
    config = configure({"_ldMeta": {"enabled": True, "version": 3}, "model": model, "provider": {"name": "openai"}})
    assert config.model == expected
    assert config.enabled is True
    assert config.provider == ProviderConfig("openai")
    assert config.create_tracker().model_name == (expected.name if expected else "")
    assert_named(warnings_in(caplog), warned)


@pytest.mark.parametrize(
    ("provider", "name", "warned"),
    [
        ({"name": "openai"}, "openai", []),
        ({"name": "openai", "unknown": 5}, "openai", []),
        ({}, "", []),
        ({"name": None}, "", []),
        ({"name": ""}, "", []),
        ({"name": 5}, "", ["provider"]),
        ({"name": {"name": "openai"}}, "", ["provider"]),
        ([], "", ["provider"]),
        ("openai", "", ["provider"]),
        (0, "", ["provider"]),
        (True, "", ["provider"]),
    ],
)
def test_a_provider(provider: Any, name: str, warned: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """C5: a provider of a wrong type, or with such a name, costs one warning; its name is `''`."""
    config = configure({"provider": provider, "model": {"name": "m"}})
    assert config.create_tracker().provider_name == name
    assert config.model == ModelConfig("m")
    assert_named(warnings_in(caplog), warned)


GOOD = {"role": "user", "content": "Hi {{name}}"}


@pytest.mark.parametrize(
    ("messages", "count", "warned"),
    [
        ([], 0, 0),
        ([GOOD], 1, 0),
        ([GOOD | {"unknown": 5}], 1, 0),
        ([None, GOOD, None], 1, 0),
        ([5, GOOD], 1, 1),
        (["Hi", GOOD, []], 1, 2),
        ([GOOD | {"role": 5}, GOOD], 1, 1),
        ([GOOD | {"role": ["user"]}], 0, 1),
        ([GOOD | {"content": 5}, GOOD, GOOD], 2, 1),
        ([GOOD | {"content": ["Hi"]}], 0, 1),
        ([GOOD | {"content": {"text": "Hi"}}], 0, 1),
        ([{"role": 5, "content": 5}, GOOD], 1, 2),
    ],
)
def test_messages(messages: Any, count: int, warned: int, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a bad message is skipped, with one warning; the others are kept, in order."""
    config = configure({"messages": messages, "model": {"name": "m"}})
    assert config.messages is not None
    assert list(config.messages) == [Message("user", "Hi Bo")] * count
    assert config.model == ModelConfig("m")
    assert_named(warnings_in(caplog), ["messages"] * warned)


@pytest.mark.parametrize("message", [{}, {"role": "user"}, {"content": "Hi"}, {"role": "user", "content": None}])
def test_a_message_that_lacks_a_part_is_skipped(message: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a message without a role or without a content is skipped, with one warning."""
    config = configure({"messages": [GOOD, message, GOOD]})
    assert list(config.messages or ()) == [Message("user", "Hi Bo")] * 2
    assert_named(warnings_in(caplog), ["messages"])


@pytest.mark.parametrize("messages", [{}, GOOD, "Hi", 0, True, 1.5])
def test_messages_that_are_no_list(messages: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: messages that are not a list are None, with one warning."""
    config = configure({"messages": messages, "model": {"name": "m"}})
    assert config.messages is None
    assert config.model == ModelConfig("m")
    assert_named(warnings_in(caplog), ["messages"])


def with_legacy_tools(legacy: Any, **root: Any) -> dict[str, Any]:
    """Write a payload with tools among the parameters of the model."""
    return {"model": {"name": "m", "parameters": {"temperature": 0.5, "tools": legacy}}} | root


SEARCH = {"name": "search", "description": "Find it.", "type": "function", "parameters": {"type": "object"}}
A_TOOL = Tool("search", "Find it.", "function", {"type": "object"})


@pytest.mark.parametrize(
    ("tools", "expected", "warned"),
    [
        ({}, {}, []),
        ({"search": SEARCH}, {"search": A_TOOL}, []),
        ({"search": SEARCH | {"unknown": 5}}, {"search": A_TOOL}, []),
        ({"search": SEARCH, "none": None}, {"search": A_TOOL}, []),
        (
            {"search": SEARCH | {"customParameters": {"cost": 1}}},
            {"search": Tool("search", "Find it.", "function", {"type": "object"}, {"cost": 1})},
            [],
        ),
        ({"bad": 5, "search": SEARCH}, {"search": A_TOOL}, ["bad"]),
        ({"bad": [], "search": SEARCH, "worse": "x"}, {"search": A_TOOL}, ["bad", "worse"]),
        ({"bad": SEARCH | {"name": 5}, "search": SEARCH}, {"search": A_TOOL}, ["name"]),
    ],
)
def test_tools(tools: Any, expected: dict[str, Tool], warned: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """C5: tools are read by key; a bad one is skipped, with one warning that names it."""
    config = configure({"tools": tools, "model": {"name": "m"}})
    found = {key: tool for key, tool in (config.tools or {}).items() if key != "bad"}
    assert found == expected
    assert config.tools is not None
    assert config.model == ModelConfig("m")
    assert_named(warnings_in(caplog), warned)


@pytest.mark.parametrize("entry", [5, "search", [], True])
def test_a_bad_tool_is_skipped(entry: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a tool that is no object is not there."""
    assert configure({"tools": {"bad": entry}}).tools == {}
    assert_named(warnings_in(caplog), ["tools"])


def test_a_tool_without_a_name_is_named_by_its_key(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a tool under its key need not repeat it as its name; a legacy one has no key: one warning."""
    assert configure({"tools": {"search": {}}}).tools == {"search": Tool("search")}
    assert warnings_in(caplog) == []
    assert configure(with_legacy_tools([{"type": "function"}, SEARCH])).tools == {"search": A_TOOL}
    assert_named(warnings_in(caplog), ["model.parameters.tools"])


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("description", 5),
        ("description", ["Find it."]),
        ("type", 5),
        ("type", {}),
        ("parameters", []),
        ("parameters", "{}"),
        ("customParameters", []),
        ("customParameters", 1),
    ],
)
def test_a_bad_part_of_a_tool_warns_once(part: str, wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a part of a tool that is of a wrong type costs one warning that names it, and no other tool."""
    config = configure({"tools": {"bad": SEARCH | {part: wrong}, "search": SEARCH}})
    assert config.tools is not None
    assert config.tools["search"] == A_TOOL
    assert_named(warnings_in(caplog), [part])
    json.dumps(config.to_dict())


@pytest.mark.parametrize("tools", [[], [SEARCH], "search", 0, True])
def test_tools_that_are_no_object(tools: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: tools at the root that are not an object degrade alone, with one warning."""
    config = configure({"tools": tools, "model": {"name": "m"}})
    assert not config.tools
    assert config.model == ModelConfig("m")
    assert_named(warnings_in(caplog), ["tools"])


@pytest.mark.parametrize(
    ("value", "expected", "warned"),
    [
        (with_legacy_tools([SEARCH]), {"search": A_TOOL}, 0),
        (
            with_legacy_tools([SEARCH, {"name": "book", "type": "function"}]),
            {"search": A_TOOL, "book": Tool("book", type="function")},
            0,
        ),
        (with_legacy_tools([SEARCH], tools=None), {"search": A_TOOL}, 0),
        (with_legacy_tools([SEARCH], tools={}), {}, 0),
        (
            with_legacy_tools([SEARCH], tools={"book": {"name": "book"}}),
            {"book": Tool("book")},
            0,
        ),
        (with_legacy_tools([5, SEARCH]), {"search": A_TOOL}, 1),
        (with_legacy_tools([SEARCH, "x", [], None]), {"search": A_TOOL}, 2),
        (with_legacy_tools([SEARCH | {"name": 5}, SEARCH]), {"search": A_TOOL}, 1),
    ],
)
def test_legacy_tools(value: Any, expected: dict[str, Tool], warned: int, caplog: pytest.LogCaptureFixture) -> None:
    """C5: `tools` at the root, even empty, win over `model.parameters.tools`; bad entries are skipped."""
    config = configure(value)
    assert config.tools == expected
    assert_named(warnings_in(caplog), ["tools"] * warned)


@pytest.mark.parametrize("legacy", ["search", {"search": SEARCH}, 5, True])
def test_legacy_tools_that_are_no_list(legacy: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: legacy tools that are not a list degrade alone, with one warning."""
    config = configure(with_legacy_tools(legacy))
    assert not config.tools
    assert config.model is not None
    assert config.model.name == "m"
    assert_named(warnings_in(caplog), ["tools"])


def test_every_bad_part_costs_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """C5: there is exactly one warning for each value of a wrong type, and all of them are found."""
    config = configure(
        {
            "_ldMeta": {"enabled": "yes", "version": "3"},
            "model": {"name": "m", "region": 1, "parameters": 2, "custom": 3},
            "provider": "openai",
            "messages": [1, GOOD, {"role": 1, "content": "Hi"}],
            "tools": {"bad": 1},
        },
        DEFAULT,
    )
    assert config.model == ModelConfig("m")
    assert list(config.messages or ()) == [Message("user", "Hi Bo")]
    fields = ["enabled", "version", "region", "parameters", "custom", "provider", "messages", "messages", "tools"]
    assert_named(warnings_in(caplog), fields)


@pytest.mark.parametrize(
    "value",
    [
        "do not log",
        ["do not log"],
        {"_ldMeta": {"enabled": "do not log"}},
        {"messages": "do not log"},
        {"messages": ["do not log"]},
        {"messages": [{"role": ["do not log"], "content": "do not log"}]},
        {"messages": [{"role": "user", "content": {"text": "do not log"}}]},
        {"model": {"parameters": {"key": "do not log"}}},
        {"model": {"name": "m", "custom": "do not log"}},
    ],
)
def test_no_warning_quotes_what_was_served(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a warning names the field and never quotes what was served: it may be a prompt, or a key."""
    configure(value)
    assert len(warnings_in(caplog)) >= 1
    assert "do not log" not in caplog.text


def test_the_payload_is_not_changed() -> None:
    """C5: neither reading a variation nor changing the config changes it: it may be served again."""
    value = with_legacy_tools([SEARCH, 5], messages=[GOOD, 5], provider={"name": "openai"})
    before = json.dumps(value)
    config = configure(value)
    assert config.model is not None
    assert config.model.parameters is not None
    assert config.tools is not None
    assert config.tools["search"].parameters is not None
    config.model.parameters["temperature"] = 2
    config.tools["search"].parameters["type"] = "array"
    assert json.dumps(value) == before


TEXT = st.text(st.characters(exclude_categories=()), max_size=8) | st.sampled_from(
    ["{{name}}", "{{#name}}", "{{/name}}", "{{", "}}", "completion", "agent", ""]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make objects that have some of these fields, each good or anything, or make anything."""
    return st.fixed_dictionaries({}, optional={name: field | JSON for name, field in fields.items()}) | JSON


TOOL = objects(name=TEXT, description=TEXT, type=TEXT, parameters=objects(type=TEXT), customParameters=objects())
VARIATION = objects(
    _ldMeta=objects(
        enabled=st.booleans(),
        variationKey=TEXT,
        version=st.integers(),
        mode=st.just("completion"),
        modelKey=TEXT,
        modelVersion=st.integers(),
    ),
    model=objects(
        name=TEXT,
        region=TEXT,
        parameters=objects(temperature=st.floats(0, 1), tools=st.lists(TOOL, max_size=3)),
        custom=objects(team=TEXT),
    ),
    provider=objects(name=TEXT),
    messages=st.lists(objects(role=st.sampled_from(["system", "user", "assistant"]), content=TEXT), max_size=3),
    tools=st.dictionaries(TEXT, TOOL, max_size=3),
)


def assert_well_formed(config: AIConfig) -> None:
    """Assert that everything in a config has the type that it says."""
    assert config.key == KEY
    assert type(config.enabled) is bool
    if config.model is not None:
        assert isinstance(config.model.name, str)
        assert config.model.name
        assert isinstance(config.model.parameters, dict | None)
        assert isinstance(config.model.custom, dict | None)
        assert isinstance(config.model.region, str | None)
    assert config.provider is None or isinstance(config.provider.name, str)
    for message in config.messages or ():
        assert isinstance(message, Message)
        assert isinstance(message.role, str)
        assert isinstance(message.content, str)
    for key, tool in (config.tools or {}).items():
        assert isinstance(key, str)
        assert isinstance(tool, Tool)
        assert isinstance(tool.name, str)
        assert isinstance(tool.description, str | None)
        assert isinstance(tool.type, str | None)
        assert isinstance(tool.parameters, dict | None)
        assert isinstance(tool.custom_parameters, dict | None)
    json.dumps(config.to_dict(), allow_nan=False)


@settings(deadline=None)
@given(value=VARIATION, default=st.sampled_from([None, DEFAULT]))
def test_any_json_makes_a_config(value: Any, default: AIConfigDefault | None) -> None:
    """C5, R3: whatever is served, reading it never raises, and the config is well-formed and has trackers."""
    ld_client = FakeLDClient({KEY: value})
    config = AIClient(ld_client).completion_config(KEY, CONTEXT, default, {"name": "Bo"})
    assert_well_formed(config)
    tracker = config.create_tracker()
    assert uuid.UUID(tracker.run_id).version == 4
    assert type(tracker.version) is int
    assert (type(tracker.model_name), type(tracker.provider_name)) == (str, str)
    assert ResumptionToken.decode(tracker.resumption_token).run_id == tracker.run_id

    tracker.track_duration(5)
    tracker.track_tokens(TokenUsage(total=3, input=1, output=2))
    assert [event.name for event in ld_client.events[-4:]] == [
        "$ld:ai:duration:total",
        "$ld:ai:tokens:total",
        "$ld:ai:tokens:input",
        "$ld:ai:tokens:output",
    ]
    for event in ld_client.events:
        json.dumps([event.data, event.value], allow_nan=False)


@pytest.mark.parametrize("odd", [math.nan, object(), b"x", {1}, (1,)])
def test_what_is_not_even_json_does_not_raise(odd: Any) -> None:
    """C5: a stand-in for the base SDK may serve what is no JSON, or no parser's JSON: no part of it raises."""
    too_deep: list[Any] = [odd]
    for _ in range(100_000):
        too_deep = [too_deep]
    for value in (
        odd,
        {"_ldMeta": odd, "model": odd, "provider": odd, "messages": odd, "tools": odd},
        {"_ldMeta": {"enabled": odd, "version": odd}, "model": {"name": odd}, "messages": [odd], "tools": {"k": odd}},
        {1: 2, None: 3},
        {"model": {"name": "m", "parameters": {"nested": too_deep}, "custom": {"nested": too_deep}}},
    ):
        config = configure(value)
        assert type(config.enabled) is bool
        assert config.create_tracker().config_key == KEY


@pytest.mark.parametrize("version", [2**53, -(2**53), 10**400], ids=["above", "below", "huge"])
def test_an_integer_that_json_may_not_carry(version: int, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a version that JSON may not carry exactly is of a wrong type: 1, and omitted, with a warning each."""
    client = AIClient(FakeLDClient({KEY: {"_ldMeta": {"version": version, "modelVersion": version}}}))
    tracker = client.completion_config(KEY, CONTEXT).create_tracker()
    assert (tracker.version, tracker.model_version) == (1, None)
    assert len(caplog.records) == 2


def test_a_default_that_contains_itself() -> None:
    """A fallback whose parameters contain themselves is used as it is, and nothing raises."""
    parameters: dict[str, Any] = {}
    parameters["self"] = parameters
    default = AIConfigDefault(enabled=True, model=ModelConfig("m", parameters))
    config = AIClient(FakeLDClient({})).completion_config(KEY, CONTEXT, default)
    assert config.model is default.model
