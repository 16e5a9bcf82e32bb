"""RL8: variables of odd classes cost a message at most; what they are asked for is what the template names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.doubles import warnings_in
from tests.reliability.test_template_reach import CANARY, render

if TYPE_CHECKING:
    from collections.abc import Iterator


class Spy(Mapping[str, Any]):
    """A mapping that writes down what it is asked for."""

    def __init__(self) -> None:
        self.keys_asked: list[str] = []
        self.attributes_asked: list[str] = []

    def __getitem__(self, key: str) -> Any:
        self.keys_asked.append(key)
        if key != "known":
            raise KeyError(key)
        return "value"

    def __getattr__(self, name: str) -> Any:
        self.attributes_asked.append(name)
        raise AttributeError(name)

    def __iter__(self) -> Iterator[str]:
        yield "known"

    def __len__(self) -> int:
        return 1


def test_a_mapping_is_asked_for_names_alone() -> None:
    """RL8: a mapping of the application's own class is asked for the names in the template, and for no attribute."""
    spy = Spy()
    template = "{{x.known}} {{x.unknown}} {{x.__class__}} {{x.known.upper}} {{#x}}{{known}}{{secret}}{{/x}}"
    assert render(template, {"x": spy}) == "value    value"
    assert spy.keys_asked == ["known", "unknown", "__class__", "known", "known", "secret"]
    assert set(spy.attributes_asked) <= {"__float__"}  # the engine's own question, whether it is a NaN


def test_a_mapping_is_not_added_to() -> None:
    """RL8: asking for what is not there leaves nothing behind."""
    made: defaultdict[str, Any] = defaultdict(lambda: CANARY)
    assert render("{{x.a}}{{#x.b}}shown{{/x.b}}{{#x}}{{c}}{{/x}}", {"x": made}) == ""
    assert dict(made) == {}


class Raising(dict[str, Any]):
    """A dict that cannot be read."""

    def get(self, key: str, default: Any = None) -> Any:
        """Raise."""
        raise LookupError(CANARY)


class Untrue(dict[str, Any]):
    """A dict that does not say whether there is anything in it."""

    def __bool__(self) -> bool:
        raise LookupError(CANARY)


class Disguised:
    """An object that raises when it is asked what it is."""

    @property  # type: ignore[misc]  # which may be written, too
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # likewise
        """Raise."""
        raise LookupError(CANARY)

    def __str__(self) -> str:
        return "disguised"


class Endless:
    """An object that can be looped over for ever, and is as long as it likes."""

    def __iter__(self) -> Iterator[int]:
        return count()

    def __len__(self) -> int:
        raise LookupError(CANARY)

    def __str__(self) -> str:
        return "endless"


@pytest.mark.parametrize(
    ("thing", "expected"),
    [(Raising(known="x"), ""), (Untrue(known="x"), ""), (Disguised(), "disguised"), (Endless(), "endless")],
    ids=lambda thing: type(thing).__name__,
)
@pytest.mark.parametrize("template", ["{{x.known}}", "{{x}}", "{{#x}}{{known}}{{/x}}", "{{#x}}{{.}}{{/x}}"])
def test_odd_objects(template: str, thing: Any, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """RL8: an object that raises, or never ends, is written as it is, or leaves the message with one warning."""
    rendered = render(f"Hello {template}", {"x": thing})
    warnings = warnings_in(caplog)
    left = rendered == f"Hello {template}" and len(warnings) == 1
    assert left or (rendered.startswith("Hello ") and not warnings), rendered
    assert CANARY not in rendered + caplog.text
    if not left and template == "{{x}}" and expected:
        assert rendered == f"Hello {expected}"
