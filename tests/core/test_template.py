from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldclient import Context

from ldai_core import AIClient, AIConfigDefault, Message
from ldai_core import template as template_module
from tests.core.doubles import CONTEXT, FakeLDClient, warnings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "my-config"


def render(template: str, variables: Mapping[str, Any] | None = None, context: Context = CONTEXT) -> str:
    """Render a template as the message of a config."""
    client = AIClient(FakeLDClient({KEY: {"messages": [{"role": "user", "content": template}]}}))
    [message] = client.completion_config(KEY, context, None, variables).messages or []
    return message.content


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("no tags", "no tags"),
        ("a } b { c", "a } b { c"),
        ("{{name}}", "Bo"),
        ("{{ name }}!", "Bo!"),
        ("{{name}} and {{name}}", "Bo and Bo"),
        ("{{user.name.first}}", "Cy"),
        ("{{#user}}{{name.first}} {{city}} {{name.last}}{{/user}}", "Cy Bonn "),
        ("{{#user}}{{#name}}{{first}} of {{city}}{{/name}}{{/user}}", "Cy of Bonn"),
        ("{{#yes}}shown{{/yes}}{{#no}}hidden{{/no}}", "shown"),
        ("{{^yes}}hidden{{/yes}}{{^no}}shown{{/no}}{{^missing}} too{{/missing}}", "shown too"),
        ("{{#empty}}hidden{{/empty}}{{^empty}}shown{{/empty}}", "shown"),
        ("{{#items}}<{{.}}>{{/items}}", "<a><b>"),
        ("{{#rows}}{{n}};{{/rows}}", "1;2;"),
        ("{{! a comment }}seen", "seen"),
        ("{{=<% %>=}}<% name %> {{name}}", "Bo {{name}}"),
        ("{{#yes}}\nline\n{{/yes}}\n", "line\n"),
        ("Zoë {{emoji}} 日本", "Zoë 🙂 日本"),
    ],
)
def test_messages_are_mustache(template: str, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a message is a Mustache template over the variables."""
    variables = {
        "name": "Bo",
        "city": "Bonn",
        "user": {"name": {"first": "Cy"}},
        "yes": True,
        "no": False,
        "empty": [],
        "items": ["a", "b"],
        "rows": [{"n": 1}, {"n": 2}],
        "emoji": "🙂",
    }
    assert render(template, variables) == expected
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("variables", [None, {}])
def test_there_need_not_be_variables(variables: dict[str, Any] | None, caplog: pytest.LogCaptureFixture) -> None:
    """C5: without variables a template still sees the context."""
    assert render("{{name}}<{{ldctx.key}}>", variables) == "<user-1>"
    assert warnings_in(caplog) == []


MULTI = Context.create_multi(Context.create("u"), Context.builder("o").kind("org").name("Org").build())


@pytest.mark.parametrize(
    ("context", "template", "expected"),
    [
        (CONTEXT, "{{ldctx.kind}} {{ldctx.key}} {{ldctx.name}} {{ldctx.plan}}", "user user-1 Ada pro"),
        (Context.builder("u").anonymous(True).build(), "{{ldctx.anonymous}}", "true"),
        (Context.builder("u").set("a", {"b": ["c", "d"]}).build(), "{{ldctx.a.b.1}}", "d"),
        (MULTI, "{{ldctx.kind}} {{ldctx.user.key}} {{ldctx.org.key}} {{ldctx.org.name}}", "multi u o Org"),
    ],
)
def test_templates_see_the_context(context: Context, template: str, expected: str) -> None:
    """C5: `ldctx` is the context's dict, attributes and all."""
    assert render(template, None, context) == expected


def test_the_context_wins() -> None:
    """C5: a variable of the name `ldctx` never hides the context."""
    assert render("{{ldctx.key}} {{name}}", {"ldctx": {"key": "forged"}, "name": "Bo"}) == "user-1 Bo"


def test_the_variables_are_not_changed() -> None:
    """C5: the caller's variables are read, not added to."""
    variables = {"name": "Bo"}
    render("{{name}} {{ldctx.key}}", variables)
    assert variables == {"name": "Bo"}


def test_a_fallback_is_rendered_too() -> None:
    """C5: the messages of a fallback are interpolated like any others, and the fallback itself stays as it is."""
    default = AIConfigDefault(messages=[Message("system", "Hello {{name}} {{ldctx.key}}")])
    client = AIClient(FakeLDClient())
    for name in ("Bo", "Cy"):
        config = client.completion_config(KEY, CONTEXT, default, {"name": name})
        assert list(config.messages or ()) == [Message("system", f"Hello {name} user-1")]
    assert list(default.messages or ()) == [Message("system", "Hello {{name}} {{ldctx.key}}")]


@pytest.mark.parametrize("tag", ["{{x}}", "{{{x}}}", "{{&x}}", "{{& x }}", "{{{ x }}}"])
@pytest.mark.parametrize("value", ["<b>", "a & b", '"quoted"', "it's", "a > b", "&amp;"])
def test_nothing_is_escaped(tag: str, value: str) -> None:
    """C5: `{{x}}`, `{{{x}}}` and `{{&x}}` are the same: prompts are not HTML."""
    assert render(f"say {tag}", {"x": value}) == f"say {value}"


def test_what_stands_around_tags_is_not_escaped() -> None:
    """C5: the text of a prompt leaves as it is."""
    assert render('<a href="x">&\'{{x}}</a>', {"x": ""}) == '<a href="x">&\'</a>'


@pytest.mark.parametrize("name", ["name", "partial.mustache", "./partial", "partial", "/etc/hostname", "../secret"])
def test_there_are_no_partials(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """C5: `{{> name}}` renders nothing, and never reads a file."""
    for file_name in ("name", "partial", "partial.mustache", "name.mustache"):
        (tmp_path / file_name).write_text("read from disk")
    monkeypatch.chdir(tmp_path)
    assert render(f"<{{{{> {name}}}}}>", {"name": "Bo", "partial": "Bo"}) == "<>"
    assert warnings_in(caplog) == []


class Thing:
    """A value with attributes, a property and methods, none of which a template may reach."""

    touched = 0
    secret = "do not render"

    @property
    def computed(self) -> str:
        """Count that it was read."""
        Thing.touched += 1
        return "do not render"

    def method(self) -> str:
        """Count that it was called."""
        Thing.touched += 1
        return "do not render"

    def __str__(self) -> str:
        return "a thing"


@pytest.mark.parametrize(
    "name",
    [
        "thing.secret",
        "thing.computed",
        "thing.method",
        "thing.__class__",
        "thing.__class__.__name__",
        "thing.__dict__",
        "text.upper",
        "text.__class__",
        "text.__len__",
        "items.append",
        "items.__len__",
        "items.count",
        "data.keys",
        "data.items",
        "data.__class__",
        "data.get",
        "number.real",
        "number.bit_length",
        "ldctx.to_dict",
        "ldctx.__class__",
        "__class__",
        "function.__globals__",
        "function.__name__",
    ],
)
def test_attributes_are_out_of_reach(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: look-ups go through mappings and sequence indices, never attributes or calls."""
    Thing.touched = 0
    variables = {
        "thing": Thing(),
        "text": "text",
        "items": [1],
        "data": {"a": 1},
        "number": 5,
        "function": render,
    }
    assert render(f"<{{{{{name}}}}}>", variables) == "<>"
    assert render(f"<{{{{#{name}}}}}shown{{{{/{name}}}}}>", variables) == "<>"
    assert render("<{{#thing}}{{secret}}{{computed}}{{method}}{{/thing}}>", variables) == "<>"
    assert Thing.touched == 0
    assert warnings_in(caplog) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("items.0", "a"),
        ("items.1", "b"),
        ("items.2", ""),
        ("items.2.name", ""),
        ("items.-1", ""),
        ("items.00", ""),
        ("items.\u00b2", ""),  # a superscript two
        ("items.\u0660", ""),  # an Arabic zero
        ("items." + "9" * 50, ""),
        ("rows.1.name", "Cy"),
        ("rows.1.0", ""),
        ("grid.1.0", "3"),
        ("data.items", "an item"),
        ("data.0", "a key"),
        ("data.keys.0", "k"),
    ],
)
def test_look_ups_go_through_keys_and_indices(name: str, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: look-ups go through mappings, also where a key has a method's name, and sequence indices."""
    variables = {
        "items": ["a", "b"],
        "rows": [{"name": "Bo"}, {"name": "Cy"}],
        "grid": [[1, 2], [3, 4]],
        "data": {"items": "an item", "0": "a key", "keys": ["k"]},
    }
    assert render(f"{{{{{name}}}}}", variables) == expected
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("name", ["missing", "missing.deeper", "none", "none.deeper", "data.missing", "data.none"])
def test_what_is_missing_is_empty(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a missing value, and None, are empty, and no fault."""
    assert render(f"<{{{{{name}}}}}>", {"none": None, "data": {"none": None}}) == "<>"
    assert render(f"<{{{{#{name}}}}}shown{{{{/{name}}}}}>", {"none": None, "data": {"none": None}}) == "<>"
    assert warnings_in(caplog) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-7, "-7"),
        (1.5, "1.5"),
        (0.0, "0.0"),
        (10**20, "100000000000000000000"),
        ([1, "a"], '[1, "a"]'),
        ([], "[]"),
        ([True, None, 1.5], "[true, null, 1.5]"),
        ({"a": 1, "b": ["c"]}, '{"a": 1, "b": ["c"]}'),
        ({}, "{}"),
        (["Zoë", "日本", "🙂"], '["Zoë", "日本", "🙂"]'),
        ({"Zoë": '"<&'}, '{"Zoë": "\\"<&"}'),
        (Thing(), "a thing"),
        ([Thing()], '["a thing"]'),
        ([Thing], "[null]"),
        ({"a": Thing(), "b": [Thing]}, '{"a": "a thing", "b": [null]}'),
        (MappingProxyType({"a": (1, 2)}), '{"a": [1, 2]}'),
        ([MappingProxyType({"a": 1})], '[{"a": 1}]'),
        (ValueError("told"), "told"),
    ],
)
def test_values_are_written_as_json(value: Any, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: booleans, numbers, lists and objects render as JSON writes them, non-ASCII raw; others as `str`."""
    assert render("<{{x}}>", {"x": value}) == f"<{expected}>"
    assert render("<{{#list}}{{.}}{{/list}}>", {"list": [value]}) == f"<{expected}>"
    assert warnings_in(caplog) == []


def test_a_callable_is_never_called(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a callable renders as nothing, in a tag, in a section or in a path, and is never called."""
    called: list[object] = []

    def function(*arguments: object) -> str:
        called.append(arguments)
        return "called"

    class Callable:
        """Callable, with a `str` of its own."""

        def __call__(self, *arguments: object) -> str:
            called.append(arguments)
            return "called"

        def __str__(self) -> str:
            return "do not render"

    for value in (function, Callable(), Thing, print):
        assert render("<{{x}}{{{x}}}{{&x}}{{x.y}}>", {"x": value}) == "<>"
        assert render("<{{#list}}{{.}}{{/list}}>", {"list": [value]}) == "<>"
        assert "called" not in render("<{{#x}}{{name}}{{/x}}>", {"x": value, "name": "Bo"})
    assert called == []
    assert warnings_in(caplog) == []


@pytest.mark.parametrize("value", ["{{name}}", "{{#name}}", "{{{name}}}", "{{> name}}", "{{=<% %>=}}"])
def test_rendered_text_is_never_rendered_again(value: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a value that looks like a template stays as it is, wherever it comes from."""
    assert render("{{x}} {{name}}", {"x": value, "name": "Bo"}) == f"{value} Bo"
    assert render("{{#list}}{{.}}{{/list}}", {"list": [value], "name": "Bo"}) == value
    assert render("{{ldctx.name}}", {"name": "Bo"}, Context.builder("u").name(value).build()) == value
    assert warnings_in(caplog) == []


class RaisingText:
    """A value whose `str` raises."""

    def __str__(self) -> str:
        raise LookupError("do not log")


class RaisingMapping(Mapping[str, Any]):
    """A mapping whose look-ups raise something else than KeyError."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError("do not log")

    def __iter__(self) -> Iterator[str]:
        yield "a"

    def __len__(self) -> int:
        return 1


class RaisingList(list[Any]):
    """A list that cannot be read to its end."""

    def __iter__(self) -> Iterator[Any]:
        yield 1
        raise ZeroDivisionError("do not log")


def circular() -> list[Any]:
    """Make a list that contains itself."""
    items: list[Any] = [1]
    items.append(items)
    return items


def circular_mapping() -> dict[str, Any]:
    """Make a mapping that contains itself."""
    data: dict[str, Any] = {}
    data["self"] = data
    return data


def deep(depth: int) -> list[Any]:
    """Make lists in lists."""
    items: list[Any] = []
    for _ in range(depth):
        items = [items]
    return items


@pytest.mark.parametrize(
    "template",
    [
        "{{#name}} never closed",
        "{{^name}} never closed",
        "never opened {{/name}}",
        "{{#name}}{{#other}}{{/name}}{{/other}}",
        "{{#name}}{{/other}}",
        "an open tag {{name",
        "an open tag {{{name}}",
        "{{=only=}}",
        "{{= =}}",
    ],
)
def test_a_fault_in_the_syntax_leaves_the_message(template: str, caplog: pytest.LogCaptureFixture) -> None:
    """C5: a template with a fault in its syntax leaves that message as it is, with one warning."""
    assert render(f"do not log {template}", {"name": "Bo"}) == f"do not log {template}"
    (warning,) = warnings_in(caplog)
    assert KEY in warning
    assert "do not log" not in caplog.text


@pytest.mark.parametrize(
    ("value", "template"),
    [
        (RaisingText(), "{{x}}"),
        ([RaisingText()], "{{#x}}{{.}}{{/x}}"),
        (circular(), "{{x}}"),
        (circular_mapping(), "{{x}}"),
        (circular_mapping(), "{{x.self.self.self}}"),
        (deep(100_000), "{{x}}"),
        (RaisingMapping(), "{{x.a}}"),
        (RaisingList([1, 2]), "{{#x}}{{.}}{{/x}}"),
    ],
)
def test_a_value_that_cannot_be_rendered_leaves_the_message(
    value: Any, template: str, caplog: pytest.LogCaptureFixture
) -> None:
    """C5: a value that cannot be rendered leaves that message as it is, with one warning."""
    assert render(f"Hello {template}", {"x": value}) == f"Hello {template}"
    (warning,) = warnings_in(caplog)
    assert KEY in warning
    assert "do not log" not in caplog.text


def test_variables_that_raise_leave_the_message(caplog: pytest.LogCaptureFixture) -> None:
    """C5: variables that raise when they are looked up leave that message as it is, with one warning."""
    assert render("Hello {{a}}", RaisingMapping()) == "Hello {{a}}"
    assert len(warnings_in(caplog)) == 1
    assert "do not log" not in caplog.text


def test_one_message_does_not_spoil_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a message that cannot be rendered leaves *that* message as it is; the others are rendered."""
    contents = ["Hello {{name}}", "{{#name}} never closed", "{{x}}", "Bye {{name}}"]
    served = {"messages": [{"role": "user", "content": content} for content in contents]}
    client = AIClient(FakeLDClient({KEY: served}))
    config = client.completion_config(KEY, CONTEXT, None, {"name": "Bo", "x": RaisingText()})
    expected = ["Hello Bo", "{{#name}} never closed", "{{x}}", "Bye Bo"]
    assert [message.content for message in config.messages or ()] == expected
    assert len(warnings_in(caplog)) == 2


def test_a_template_may_be_large(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a template just below 256 KiB is rendered, whatever its text."""
    for filling in ("x" * (256 * 1024 - 8), "line\n" * 52_000, "} { " * 65_000):
        assert render(filling + "{{name}}", {"name": "Bo"}) == filling + "Bo"
    assert warnings_in(caplog) == []


def test_a_template_may_not_be_larger(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a template of more than 256 KiB is left as it is, with one warning."""
    template = "{{name}}" + "x" * (256 * 1024 - 7)
    assert render(template, {"name": "Bo"}) == template
    assert len(warnings_in(caplog)) == 1


def test_sections_may_nest(caplog: pytest.LogCaptureFixture) -> None:
    """C5: nesting as a person would write it is rendered."""
    depth = 16
    assert render("{{#a}}" * depth + "{{name}}" + "{{/a}}" * depth, {"a": True, "name": "Bo"}) == "Bo"
    assert warnings_in(caplog) == []


def test_tags_side_by_side_do_not_nest(caplog: pytest.LogCaptureFixture) -> None:
    """C5: however many tags and sections stand side by side, none is within another, whatever the delimiters."""
    variables = {"a": True, "name": "Bo"}
    for _ in range(2):
        assert render("{{name}}{{! c }}{{#a}}x{{/a}}{{^a}}y{{/a}}" * 200, variables) == "Box" * 200
        assert render("{{=<% %>=}}" + "{{#a}}<%name%><%#a%>x<%/a%>" * 200, variables) == "{{#a}}Box" * 200
    assert warnings_in(caplog) == []


def test_loops_may_multiply_a_little(caplog: pytest.LogCaptureFixture) -> None:
    """C5: a table of a hundred rows and ten columns is within the budget."""
    rows = [{"cells": list(range(10))} for _ in range(100)]
    assert render("{{#rows}}{{#cells}}{{.}}{{/cells}};{{/rows}}", {"rows": rows}) == "0123456789;" * 100
    assert warnings_in(caplog) == []


HUNDRED = list(range(100))

# Each fits into 256 KiB and would take an engine minutes, gigabytes or its stack.
HOSTILE: list[tuple[str, str, dict[str, Any]]] = [
    ("nested sections", "{{#a}}" * 20_000 + "{{/a}}" * 20_000, {"a": True}),
    ("nested sections of nothing", "{{#b}}" * 20_000 + "{{/b}}" * 20_000, {}),
    ("nested inverted sections", "{{^b}}" * 20_000 + "{{/b}}" * 20_000, {}),
    ("nested sections, in other words", "{{=<% %>=}}" + "<%#a%>" * 20_000 + "<%/a%>" * 20_000, {"a": True}),
    ("sections never closed", "{{#a}}" * 40_000, {"a": True}),
    ("loops in loops", "{{#a}}" * 8 + "x" + "{{/a}}" * 8, {"a": HUNDRED}),
    ("a text over and over", "{{a}}" * 50, {"a": "x" * 1024 * 1024}),
    ("loops in loops over rows", "{{#a}}" * 10 + "{{.}}" + "{{/a}}" * 10, {"a": [[1] * 100] * 100}),
]


@pytest.mark.parametrize(("template", "variables"), [pytest.param(*row[1:], id=row[0]) for row in HOSTILE])
def test_a_hostile_template_is_left_as_it_is(
    template: str, variables: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """C5: nesting too deep, and loops and values that multiply, leave the message as it is, soon, with one warning."""
    started = time.monotonic()
    assert render(template, variables) == template
    assert time.monotonic() - started < 10
    assert len(warnings_in(caplog)) == 1


# What need not be refused, but must end, and soon.
LONG: list[tuple[str, str, dict[str, Any], str]] = [
    ("tags", "{{a}}" * 50_000, {"a": "x"}, "x" * 50_000),
    ("sections side by side", "{{#a}}x{{/a}}" * 19_000, {"a": True}, "x" * 19_000),
    ("missing names", "{{a.b.c.d.e.f}}" * 17_000, {}, ""),
    ("a long path", "{{" + ".".join(["a"] * 100_000) + "}}", {"a": circular_mapping()}, ""),
    ("a long index", "{{a." + "9" * 100_000 + "}}", {"a": [1]}, ""),
    ("partials", "{{> a}}" * 37_000, {"a": "x"}, ""),
    ("delimiters", "{{=<% %>=}}<%={{ }}=%>" * 11_000, {}, ""),
    ("comments", "{{! a }}" * 32_000, {}, ""),
    ("empty lines", "\n" * 200_000 + "{{a}}", {"a": "x"}, "\n" * 200_000 + "x"),
    ("a line of blanks", " " * 200_000 + "{{a}}", {"a": "x"}, " " * 200_000 + "x"),
    ("openings", "{{" * 130_000, {}, "{{" * 130_000),
    ("closings", "}}" * 130_000, {}, "}}" * 130_000),
    ("a loop over many", "{{#a}}x{{/a}}", {"a": [True] * 50_000}, "x" * 50_000),
]


@pytest.mark.parametrize(("template", "variables", "expected"), [pytest.param(*row[1:], id=row[0]) for row in LONG])
def test_a_long_template_ends(
    template: str, variables: dict[str, Any], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    """C5: a template that is merely long is rendered, or left as it is with one warning, and soon."""
    started = time.monotonic()
    rendered = render(template, variables)
    assert time.monotonic() - started < 10
    assert (rendered, len(warnings_in(caplog))) in [(expected, 0), (template, 1)]


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("\ud800{{x}}", "a", "\ud800a"),
        ("{{x}}", "\udfff", "\udfff"),
        ("{{x}}", ["\udfff"], '["\udfff"]'),
        ("{{\ud800}}", "a", ""),
        ("{{#x}}\ud800{{/x}}", True, "\ud800"),
    ],
)
def test_lone_surrogates_do_not_raise(
    template: str, value: Any, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    """C5: a lone surrogate is rendered as it is, or leaves that message as it is with one warning."""
    rendered = render(template, {"x": value})
    assert (rendered, len(warnings_in(caplog))) in [(expected, 0), (template, 1)]


FRAGMENTS = ["{{", "}}", "{{{", "}}}", "{{#a}}", "{{/a}}", "{{^b}}", "{{/b}}", "{{a}}", "{{{b}}}", "{{&a.b}}", "{{.}}"]
FRAGMENTS += ["{{> a}}", "{{=<% %>=}}", "<%a%>", "<%={{ }}=%>", "{{! c }}", "{{a.0.b}}", "{{#a.b}}", "\n", " ", "="]
TEMPLATES = st.lists(st.sampled_from(FRAGMENTS) | st.text(st.characters(exclude_categories=())), max_size=12).map(
    "".join
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "ldctx"]), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(template=TEMPLATES, variables=st.dictionaries(st.sampled_from(["a", "b", "ldctx"]), VALUES))
def test_no_template_raises(template: str, variables: dict[str, Any]) -> None:
    """C5: whatever the template and the variables, rendering never raises and makes text."""
    assert isinstance(render(template, variables), str)


@settings(deadline=None)
@given(text=st.text().filter(lambda text: "{{" not in text), value=st.text())
def test_text_without_tags_is_itself_and_a_value_is_put_in_verbatim(text: str, value: str) -> None:
    """C5: text without tags renders as itself, and a value goes in as it is, whatever is in either."""
    assert render(text, {"x": value}) == text
    assert render(f"|{{{{x}}}}|{text}", {"x": value}) == f"|{value}|{text}"


PIECES = [
    "{{a}}",
    "{{ a.b }}",
    "{{l.1}}",
    "{{x-y}}",
    "{{é}}",
    "{{no}}",
    "{{ no.no}}",
    "{",
    "}",
    "{{{",
    "\n",
    " ",
    "text",
]


@given(st.lists(st.sampled_from(PIECES)), st.sampled_from(["{{!}}", "{{#a}}{{/a}}", "{{&no}}"]))
def test_a_template_of_variables_alone(pieces: list[str], other: str) -> None:
    """C5: a template that has nothing but variables, and so needs no engine, is rendered as the engine does."""
    variables = {"a": {"b": "<&>"}, "l": [1, [True, None]], "x-y": 1.5, "é": "\ud800é"}

    def rendered(template: str) -> str | None:
        try:
            return template_module.render(template, variables)
        except SyntaxError:
            return None

    template = "|" + "".join(pieces)
    assert rendered(template) == rendered(other + template)
