from __future__ import annotations

import importlib.metadata
import inspect
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import (
    AIClient,
    AIConfig,
    AIConfigDefault,
    AIConfigTracker,
    Message,
    ModelConfig,
    ProviderConfig,
    Tool,
)
from tests.core.doubles import CONTEXT, FailingLDClient, FakeLDClient, warnings_in

if TYPE_CHECKING:
    from ldclient import Context

SERVED = {
    "_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3},
    "model": {"name": "gpt-4o", "parameters": {"temperature": 0.5}, "custom": {"team": "support"}},
    "provider": {"name": "openai"},
    "messages": [{"role": "system", "content": "Be kind."}],
}


def configure(value: Any = SERVED, default: AIConfigDefault | None = None) -> AIConfig:
    """Read the config that a variation makes."""
    return AIClient(FakeLDClient({"my-config": value})).completion_config("my-config", CONTEXT, default)


def test_every_run_has_a_tracker_of_its_own() -> None:
    """R1: `create_tracker` returns a new tracker on every call, each with a `runId` of its own."""
    config = configure()
    trackers = [config.create_tracker() for _ in range(100)]
    assert len({id(tracker) for tracker in trackers}) == 100
    assert len({tracker.run_id for tracker in trackers}) == 100


def test_a_run_id_is_a_canonical_random_uuid() -> None:
    """R2: a `runId` is a UUID of version 4, lower case, with dashes."""
    for _ in range(100):
        run_id = configure().create_tracker().run_id
        assert uuid.UUID(run_id).version == 4
        assert uuid.UUID(run_id).variant == uuid.RFC_4122
        assert str(uuid.UUID(run_id)) == run_id


@pytest.mark.parametrize(
    "served",
    [
        SERVED,
        SERVED | {"_ldMeta": {"enabled": False}},
        SERVED | {"_ldMeta": {"mode": "agent"}},
        {},
        None,
        [],
        "malformed",
        {"_ldMeta": [], "model": 1, "provider": "x", "messages": {}},
        {"model": {"name": 5}},
    ],
)
def test_every_config_has_trackers(served: Any) -> None:
    """R3: `create_tracker` works on every config: disabled, fallback, malformed."""
    tracker = configure(served).create_tracker()
    assert isinstance(tracker, AIConfigTracker)
    assert tracker.config_key == "my-config"


def test_a_fallback_has_trackers() -> None:
    """R3, R4: the tracker of a fallback knows what the fallback says, and nothing more."""
    default = AIConfigDefault(enabled=True, model=ModelConfig("small"), provider=ProviderConfig("local"))
    tracker = AIClient(FakeLDClient()).completion_config("my-config", CONTEXT, default).create_tracker()
    assert (tracker.config_key, tracker.variation_key, tracker.version) == ("my-config", "", 1)
    assert (tracker.model_name, tracker.provider_name) == ("small", "local")


def test_a_tracker_carries_the_facts_of_its_config() -> None:
    """R4: a tracker carries config key, variation key, version, model name and provider name."""
    tracker = configure().create_tracker()
    assert (tracker.config_key, tracker.variation_key, tracker.version) == ("my-config", "v1", 3)
    assert (tracker.model_name, tracker.provider_name) == ("gpt-4o", "openai")
    assert (tracker.model_key, tracker.model_version, tracker.graph_key) == (None, None, None)
    assert tracker.context is CONTEXT


def test_a_tracker_carries_the_key_and_version_of_its_model() -> None:
    """R4, C5: the model's own key and version are carried where LaunchDarkly serves them."""
    served = {"_ldMeta": {"enabled": True, "modelKey": "k", "modelVersion": 2}, "model": {"name": "gpt-4o"}}
    tracker = configure(served).create_tracker()
    assert (tracker.model_key, tracker.model_version) == ("k", 2)


def test_a_default_has_no_trackers() -> None:
    """R5: `AIConfigDefault` has no tracker factory and no `create_tracker`."""
    assert not hasattr(AIConfigDefault(), "create_tracker")
    assert not any("tracker" in name for name in inspect.signature(AIConfigDefault).parameters)
    assert not any("tracker" in name for name in dir(AIConfigDefault()))


@pytest.mark.parametrize("default", [AIConfigDefault.disabled(), AIConfigDefault()])
def test_a_default_is_disabled_unless_told_otherwise(default: AIConfigDefault) -> None:
    """R6: `AIConfigDefault.disabled()` and `AIConfigDefault()` are disabled, and the rest is None."""
    assert default.enabled is False
    assert (default.model, default.provider, default.messages, default.tools) == (None, None, None, None)


def test_the_two_classes_are_independent() -> None:
    """R7: neither class is in the other's MRO, and `AIConfig` has no `disabled`."""
    assert AIConfig not in AIConfigDefault.__mro__
    assert AIConfigDefault not in AIConfig.__mro__
    assert not hasattr(AIConfig, "disabled")


def test_a_config_needs_its_factory() -> None:
    """R7: `AIConfig(...)` without its required keyword `tracker_factory` is a TypeError."""
    make: Any = AIConfig  # the type checkers would refuse the call, too
    with pytest.raises(TypeError, match="tracker_factory"):
        make(key="my-config", enabled=True)


def test_constructing_a_config_is_unsupported() -> None:
    """R8: constructing an `AIConfig` directly is documented as unsupported."""
    words = " ".join((AIConfig.__doc__ or "").lower().split())
    assert "unsupported" in words or "not supported" in words
    assert "completion_config" in words


def test_the_signature_of_completion_config() -> None:
    """R9: the signature is `completion_config(key, context, default=None, variables=None)`."""
    parameters = inspect.signature(AIClient.completion_config).parameters
    assert list(parameters) == ["self", "key", "context", "default", "variables"]
    assert parameters["key"].default is parameters["context"].default is inspect.Parameter.empty
    assert parameters["default"].default is parameters["variables"].default is None
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}


def test_no_default_means_a_disabled_one() -> None:
    """R9: without a default, a flag that is not there gives a disabled config."""
    config = AIClient(FakeLDClient()).completion_config("my-config", CONTEXT)
    assert (config.key, config.enabled) == ("my-config", False)
    assert (config.model, config.provider, config.messages, config.tools) == (None, None, None, None)


DEFAULT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("small", {"temperature": 0.1}, {"team": "support"}),
    provider=ProviderConfig("local"),
    messages=[Message("system", "Be brief.")],
    tools={"search": Tool("search", "Find it.", "function", {"type": "object"}, {"cost": 1})},
)


def test_the_default_is_used_when_the_flag_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    """R9: a flag that is not there gives what the caller's default says, and no warning."""
    config = AIClient(FakeLDClient()).completion_config("my-config", CONTEXT, DEFAULT)
    assert isinstance(config, AIConfig)
    assert (config.key, config.enabled) == ("my-config", True)
    assert (config.model, config.provider) == (DEFAULT.model, DEFAULT.provider)
    assert list(config.messages or []) == [Message("system", "Be brief.")]
    assert config.tools == DEFAULT.tools
    assert config.to_dict() == DEFAULT.to_dict()
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("default", [None, DEFAULT])
def test_the_base_sdk_is_told_the_default(default: AIConfigDefault | None) -> None:
    """R9, C4: the base SDK gets the default as a dict, which goes into its own events: strict JSON, no tracker."""
    told: list[Any] = []

    class Telling(FakeLDClient):
        def variation(self, key: str, context: Context, default: Any) -> Any:
            told.append(default)
            return super().variation(key, context, default)

    AIClient(Telling()).completion_config("my-config", CONTEXT, default)
    assert told[0]["_ldMeta"] == {"enabled": default is not None}
    assert "tracker" not in json.dumps(told, allow_nan=False)


def test_what_is_done_to_a_config_stays_in_it() -> None:
    """R9: a config is the caller's own: changing its parts changes neither the default nor what is served again."""
    ld_client = FakeLDClient({"my-config": json.loads(json.dumps(SERVED))})
    client = AIClient(ld_client)
    for key, default in (("my-config", None), ("other", DEFAULT)):
        before = client.completion_config(key, CONTEXT, default).to_dict()
        config = client.completion_config(key, CONTEXT, default)
        assert config.model is not None
        assert config.model.parameters is not None
        assert config.messages is not None
        config.model.parameters["temperature"] = 2
        config.messages.clear()
        assert client.completion_config(key, CONTEXT, default).to_dict() == before


def test_a_default_need_not_be_json() -> None:
    """R9: what the application put into its own default comes back, also where it is not JSON."""
    odd = object()
    default = AIConfigDefault(enabled=True, model=ModelConfig("small", {"transport": odd, "limit": float("nan")}))
    config = AIClient(FakeLDClient()).completion_config("my-config", CONTEXT, default)
    assert config.enabled is True
    assert config.model is not None
    assert (config.model.parameters or {})["transport"] is odd


TOOLS = {
    "search": {
        "name": "search",
        "description": "Find it.",
        "type": "function",
        "parameters": {"type": "object"},
        "customParameters": {"cost": 1},
    }
}
REGIONAL = SERVED | {"model": {"name": "gpt-4o", "region": "us", "parameters": {}, "custom": {}}, "tools": TOOLS}


@pytest.mark.parametrize(
    ("served", "expected"),
    [
        (SERVED, SERVED | {"_ldMeta": {"enabled": True}}),
        (REGIONAL, REGIONAL | {"_ldMeta": {"enabled": True}}),
        ({}, {"_ldMeta": {"enabled": False}, "messages": None, "model": None, "provider": None}),
        (
            {"model": {"name": "m"}, "messages": []},
            {
                "_ldMeta": {"enabled": False},
                "messages": [],
                "model": {"name": "m", "parameters": None, "custom": None},
                "provider": None,
            },
        ),
    ],
)
def test_a_config_as_a_dict(served: Any, expected: dict[str, Any]) -> None:
    """R10: `to_dict` has the same keys always, `region` and `tools` where they are set, and no tracker."""
    assert configure(served).to_dict() == expected


@pytest.mark.parametrize(
    ("default", "expected"),
    [
        (
            AIConfigDefault(),
            {"_ldMeta": {"enabled": False}, "messages": None, "model": None, "provider": None},
        ),
        (
            AIConfigDefault(
                enabled=True,
                model=ModelConfig("gpt-4o", {"temperature": 0.5}, {"team": "support"}),
                provider=ProviderConfig("openai"),
                messages=[Message("system", "Be kind.")],
            ),
            SERVED | {"_ldMeta": {"enabled": True}},
        ),
        (
            AIConfigDefault(
                enabled=True,
                model=ModelConfig("gpt-4o", {}, {}, "us"),
                provider=ProviderConfig("openai"),
                messages=[Message("system", "Be kind.")],
                tools={"search": Tool("search", "Find it.", "function", {"type": "object"}, {"cost": 1})},
            ),
            REGIONAL | {"_ldMeta": {"enabled": True}},
        ),
    ],
)
def test_a_default_as_a_dict(default: AIConfigDefault, expected: dict[str, Any]) -> None:
    """R10: `to_dict` of a default has the shape of a config's."""
    assert default.to_dict() == expected


def test_a_config_has_no_tracker_property() -> None:
    """R11: there is no `.tracker` on a config."""
    assert not hasattr(configure(), "tracker")


def test_a_client_says_which_sdk_it_is() -> None:
    """R39, C2: creating a client sends one `$ld:ai:sdk:info`, for an anonymous context of its own."""
    ld_client = FakeLDClient()
    AIClient(ld_client)
    (event,) = ld_client.events
    assert (event.name, event.value) == ("$ld:ai:sdk:info", 1)
    assert event.data == {
        "aiSdkName": "ldai-adapters",
        "aiSdkVersion": importlib.metadata.version("ldai-adapters"),
        "aiSdkLanguage": "python",
    }
    assert (event.context.kind, event.context.key) == ("ld_ai", "ld-internal-tracking")
    assert event.context.anonymous is True
    assert event.context.valid


def test_each_evaluation_is_announced_first() -> None:
    """R39, C2: each `completion_config` sends its key, a bare string, before the flag is evaluated."""
    ld_client = FakeLDClient({"my-config": SERVED})
    client = AIClient(ld_client)
    ld_client.asked.clear()
    ld_client.events.clear()
    client.completion_config("my-config", CONTEXT)
    client.completion_config("other", CONTEXT)
    usage = "$ld:ai:usage:completion-config"
    assert ld_client.asked == [usage, "variation my-config", usage, "variation other"]
    assert [(event.data, event.value) for event in ld_client.events] == [("my-config", 1), ("other", 1)]
    assert [event.context for event in ld_client.events] == [CONTEXT, CONTEXT]


def test_the_flag_is_evaluated_for_the_callers_context() -> None:
    """R9: the flag is evaluated once, by its key, for the caller's context."""

    class Asking(FakeLDClient):
        def variation(self, key: str, context: Context, default: Any) -> Any:
            assert context is CONTEXT
            return super().variation(key, context, default)

    ld_client = Asking({"my-config": SERVED})
    assert AIClient(ld_client).completion_config("my-config", CONTEXT).enabled
    assert ld_client.asked.count("variation my-config") == 1


def test_a_client_whose_events_fail_still_serves_configs(caplog: pytest.LogCaptureFixture) -> None:
    """R39, C2: when `track` raises, a client is still made and a config still served, at one warning each."""
    client = AIClient(FailingLDClient({"my-config": SERVED}))
    assert len(warnings_in(caplog)) == 1
    assert client.completion_config("my-config", CONTEXT).enabled
    assert len(warnings_in(caplog)) == 2
    assert all("ConnectionError" in warning for warning in warnings_in(caplog))
    assert "sdk-123" not in caplog.text


class OnlyTracks:
    """A client that cannot evaluate."""

    def track(self, *arguments: Any) -> None:
        """Take anything."""


class OnlyVaries:
    """A client that cannot track."""

    def variation(self, *arguments: Any) -> None:
        """Serve nothing."""


class VariesByAttribute(OnlyTracks):
    """A client whose `variation` cannot be called."""

    variation = "v1"


@pytest.mark.parametrize(
    ("ld_client", "lacks"),
    [
        (OnlyTracks(), "variation"),
        (VariesByAttribute(), "variation"),
        (OnlyVaries(), "track"),
        (object(), "variation"),
        (None, "variation"),
        ("sdk-key", "variation"),
    ],
)
def test_a_client_that_lacks_a_method_is_refused(ld_client: Any, lacks: str) -> None:
    """R39: a client that lacks `variation` or `track` is refused with a TypeError that names what it lacks."""
    with pytest.raises(TypeError, match=lacks):
        AIClient(ld_client)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((None, CONTEXT), "key"),
        ((5, CONTEXT), "key"),
        ((b"my-config", CONTEXT), "key"),
        (("my-config", None), "context"),
        (("my-config", {"kind": "user", "key": "user-1"}), "context"),
        (("my-config", "user-1"), "context"),
        (("my-config", CONTEXT, {"enabled": False}), "default"),
        (("my-config", CONTEXT, False), "default"),
        (("my-config", CONTEXT, configure()), "default"),
        (("my-config", CONTEXT, None, [("name", "Ada")]), "variables"),
        (("my-config", CONTEXT, None, "Ada"), "variables"),
    ],
)
def test_an_argument_of_the_wrong_type_is_refused(arguments: tuple[Any, ...], expected: str) -> None:
    """R9: an argument of the wrong type is a TypeError that names the argument, before anything is sent."""
    ld_client = FakeLDClient({"my-config": SERVED})
    client = AIClient(ld_client)
    ld_client.asked.clear()
    with pytest.raises(TypeError, match=expected):
        client.completion_config(*arguments)
    assert ld_client.asked == []


def test_an_empty_key_is_refused() -> None:
    """R9: an empty key is a ValueError, before anything is sent."""
    ld_client = FakeLDClient()
    client = AIClient(ld_client)
    ld_client.asked.clear()
    with pytest.raises(ValueError, match="key"):
        client.completion_config("", CONTEXT)
    assert ld_client.asked == []


@pytest.mark.parametrize(
    ("part", "arguments", "expected"),
    [
        (Message, (5, "Hi"), "role"),
        (Message, ("user", None), "content"),
        (ModelConfig, (None,), "name"),
        (ProviderConfig, (5,), "name"),
        (Tool, (None,), "name"),
        (AIConfigDefault, ("yes",), "enabled"),
        (AIConfigDefault, (True, "gpt-4o"), "model"),
        (AIConfigDefault, (True, None, "openai"), "provider"),
        (AIConfigDefault, (True, None, None, 5), "messages"),
        (AIConfigDefault, (True, None, None, [{"role": "user", "content": "Hi"}]), "messages"),
        (AIConfigDefault, (True, None, None, None, [Tool("search")]), "tools"),
        (AIConfigDefault, (True, None, None, None, {"search": {"name": "search"}}), "tools"),
    ],
)
def test_a_part_of_the_wrong_type_is_refused(part: Any, arguments: tuple[Any, ...], expected: str) -> None:
    """R5: a default is checked where it is written, with a TypeError that names the part, not when it is needed."""
    with pytest.raises(TypeError, match=expected):
        part(*arguments)


@pytest.mark.parametrize("part", [lambda: Message("", "Hi"), lambda: ModelConfig(""), lambda: Tool("")])
def test_a_part_without_its_name_is_refused(part: Any) -> None:
    """R5: an empty role or name is a ValueError."""
    with pytest.raises(ValueError, match=r"role|name"):
        part()


@pytest.mark.parametrize("context", [None, "user-1", {"kind": "user", "key": "user-1"}])
def test_a_tracker_is_not_resumed_without_a_context(context: Any) -> None:
    """R23: a context of the wrong type is a TypeError, in `create_tracker` too."""
    token = configure().create_tracker().resumption_token
    with pytest.raises(TypeError, match="context"):
        AIClient(FakeLDClient()).create_tracker(token, context)


class Named(str):
    """A string of a class of its own, as enumerations of names are."""

    __slots__ = ()


def test_a_key_of_a_class_of_its_own() -> None:
    """R1: whatever is a string is a key, unless it is empty."""
    client = AIClient(FakeLDClient({"my-config": SERVED}))
    assert client.completion_config(Named("my-config"), CONTEXT).enabled
    with pytest.raises(ValueError, match="non-empty string"):
        client.completion_config(Named(""), CONTEXT)
