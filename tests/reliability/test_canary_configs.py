"""Nothing secret is told of a config that cannot be read, or whose messages cannot be interpolated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AIClient, AIConfigDefault, Message
from ldai_core.testing import RecordingClient
from tests.core.doubles import CONTEXT, FakeLDClient
from tests.reliability.canaries import VALUES, Canary, Telling, Watch, canary, seen_in

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Watch what is said."""
    with Watch() as watch:
        yield watch


TEMPLATES = {
    "syntax": "{{#" + canary("prompt"),
    "not closed": "{{#mood}}" + canary("prompt"),
    "budget": "{{#list}}{{#list}}{{#list}}" + canary("prompt") + "{{/list}}{{/list}}{{/list}}",
    "depth": "{{#a}}" * 40 + canary("prompt") + "{{/a}}" * 40,
    "size": canary("prompt") + "{{x}}" + " " * 300_000,
    "a str that raises": "{{telling}}" + canary("prompt"),
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_that_fails(watch: Watch, template: str) -> None:
    """RL7: a template that fails."""
    default = AIConfigDefault(enabled=True, messages=[Message("system", TEMPLATES[template])])
    variables = {"mood": canary("variable"), "list": [canary("variable")] * 100, "telling": Telling()}
    config = AIClient(FakeLDClient()).completion_config("support-bot", CONTEXT, default, variables)
    assert seen_in(config.messages) == ["prompt"]
    watch.check()


class Unreadable(Mapping[str, Any]):
    """Variables that cannot be read."""

    def __getitem__(self, key: str) -> Any:
        raise Canary

    def __iter__(self) -> Iterator[str]:
        return iter(["mood"])

    def __len__(self) -> int:
        return 1


def test_variables_that_fail(watch: Watch) -> None:
    """RL7: variables that fail."""
    default = AIConfigDefault(enabled=True, messages=[Message("system", "{{mood}}")])
    AIClient(FakeLDClient()).completion_config("support-bot", CONTEXT, default, Unreadable())
    watch.check()


def variations() -> Iterator[Any]:
    """Go through variations one field of which is of a wrong type, or has a value that says everything."""
    whole: dict[str, Any] = {
        "_ldMeta": dict.fromkeys(("enabled", "mode", "version", "variationKey", "modelKey", "modelVersion")),
        "model": dict.fromkeys(("name", "parameters", "custom", "region")),
        "provider": dict.fromkeys(("name",)),
        "messages": dict.fromkeys(("role", "content")),
        "tools": dict.fromkeys(("name", "description", "type", "parameters", "customParameters")),
    }
    values = [value for value in VALUES if isinstance(value, (str, list, dict))]
    yield from (pytest.param(value, id=f"variation-{type(value).__name__}") for value in values)
    for part, fields in whole.items():
        for value in values:
            kind = type(value).__name__
            if part != "tools" or not isinstance(value, dict):  # whose keys are names
                yield pytest.param({part: value}, id=f"{part}-{kind}")
            for field in fields:
                wrong: Any = {"name": "x", field: value}
                wrong = [wrong] if part == "messages" else {"search": wrong} if part == "tools" else wrong
                yield pytest.param({part: wrong}, id=f"{part}.{field}-{kind}")
                if part == "tools":
                    listed = {"name": "x", "parameters": {"tools": [{"name": "x", field: value}]}}
                    yield pytest.param({"model": listed}, id=f"listed.{field}-{kind}")


@pytest.mark.parametrize("variation", list(variations()))
def test_a_malformed_variation(watch: Watch, variation: Any) -> None:
    """RL7: a variation whose values are wrong; its keys, and those of its tools, are names."""
    client = AIClient(RecordingClient({"support-bot": variation}))
    config = client.completion_config("support-bot", CONTEXT)
    with suppress(Exception):  # of the application's, which is given what is served
        json.dumps(config.to_dict())
    watch.check(least=0)
