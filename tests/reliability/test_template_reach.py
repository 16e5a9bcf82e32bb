"""RL8: the author of a flag reads what the application has put into the variables, and nothing else of the host."""

from __future__ import annotations

import enum
import io
import os
import sys
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AIClient
from tests.core.doubles import CONTEXT, FakeLDClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY = "my-config"
CANARY = "canary-5f3a"
WATCHED = ("open", "exec", "compile", "import", "marshal", "os.", "subprocess.", "socket.", "object.__getattr__")


class Watch:
    """What the interpreter is asked to do: files, code, processes, sockets, and attributes that are guarded."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.watching = False
        sys.addaudithook(self._take)

    def _take(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_logged = event == "object.__getattr__" and arguments[1:] == ("f_code",)  # so logging finds who warns
        if self.watching and event.startswith(WATCHED) and not is_logged:
            self.seen.append(f"{event} {arguments!r}"[:200])

    def __enter__(self) -> list[str]:
        self.seen = []
        self.watching = True
        return self.seen

    def __exit__(self, *_: object) -> None:
        self.watching = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    """Watch the interpreter; a hook of its audit stays as long as the process."""
    return Watch()


def render(template: str, variables: Mapping[str, Any]) -> str:
    """Render a template as the message of a config."""
    served = {"messages": [{"role": "user", "content": template}]}
    [message] = AIClient(FakeLDClient({KEY: served})).completion_config(KEY, CONTEXT, None, variables).messages or []
    return message.content


# A tag, in each set of delimiters that a template may change to, those that look like something else too.
SETS = {"": ("{{", "}}")} | {
    f"{{{{={opening} {closing}=}}}}": (opening, closing)
    for opening, closing in [("<%", "%>"), ("|", "|"), ("{", "}"), ("${", "}"), ("{{{", "}}}"), ("#", "#"), ("&", ">")]
}
KINDS = ["", " ", "&", "{", ">", "> ", "#", "^", "!", "&{", "# "]


def tags(path: str) -> Iterator[str]:
    """Write a path in all kinds of tags, in all delimiters; sections are closed."""
    for change, (opening, closing) in SETS.items():
        for kind in KINDS:
            tag = f"{opening}{kind}{path}{'}' if '{' in kind else ''}{closing}"
            end = f"shown{opening}/{path}{closing}" if kind[:1] in {"#", "^"} else ""
            yield f"{change}{tag}{end}"


@pytest.mark.parametrize("way", ["{path}", "./{path}", "../{path}", "file://{path}", "{path} ", '"{path}"', "{path}\n"])
def test_no_file_is_read(way: str, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL8: no tag of any kind, in any delimiters, opens a file, wherever it is and whatever it is called."""
    monkeypatch.chdir(tmp_path)
    for name in ("secret", "secret.mustache", "secret.html", "ldctx", "name"):
        Path(name).write_text(CANARY)
    paths = ["secret", "secret.mustache", str(tmp_path / "secret"), "/etc/hostname", "/proc/self/environ", "name"]
    render("{{name}}", {"name": "Bo"})
    with watch as seen:
        rendered = [render(tag, {"name": "Bo"}) for path in paths for tag in tags(way.format(path=path))]
    assert seen == []
    assert not any(CANARY in each for each in rendered)


class Color(enum.Enum):
    """An enumeration."""

    RED = "red"


@dataclass
class Account:
    """A class of the application's, with fields, a property, and methods."""

    secret: str = CANARY

    @property
    def token(self) -> str:
        """Give away what is secret."""
        return CANARY

    def reveal(self) -> str:
        """Do likewise."""
        return CANARY

    def __getitem__(self, name: str) -> str:
        return CANARY

    def get(self, name: str, default: Any = None) -> str:
        """Look like a mapping."""
        return CANARY

    def __str__(self) -> str:
        return "an account"


class Namespace(SimpleNamespace):
    """A namespace that does not write out what it has."""

    def __repr__(self) -> str:
        return "a namespace"


def function(secret: str = CANARY) -> str:
    """Do what no template may."""
    raise AssertionError(secret)


def generator() -> Iterator[str]:
    """Give what is not to be taken."""
    yield CANARY


Pair = namedtuple("Pair", ["secret"])  # noqa: PYI024  # as it comes, untyped
OBJECTS: dict[str, Any] = {
    "an instance": Account(),
    "a class": Account,
    "a method": Account().reveal,
    "a function": function,
    "a lambda": lambda: CANARY,
    "a generator": generator(),
    "a module": os,
    "a namespace": Namespace(secret=CANARY),
    "a named tuple": Pair(Namespace(secret=CANARY)),
    "an enumeration": Color.RED,
    "an exception": ValueError("told"),
    "a text": "text",
    "a number": 7,
    "a list": [Account()],
    "a mapping": {"public": Account()},
    "an open file": io.StringIO(CANARY),
    "the client": AIClient(FakeLDClient()),
    "the context": CONTEXT,
}
BEYOND = ["__class__.__init__.__globals__", "__class__.__mro__.1.__subclasses__", "__init__.__globals__.os.environ"]
BEYOND += ["__globals__.CANARY", "__self__.secret", "gi_frame.f_globals", "environ.CANARY", "__dict__.secret"]
BEYOND += ["__reduce_ex__", "__func__.__defaults__.0", "__defaults__.0", "f_back", "0.secret", "public.secret"]


@pytest.mark.parametrize("name", OBJECTS)
def test_no_attribute_is_read(name: str, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL8: nothing that an object has is read or called, by whatever name: all that there is of it is its `str`."""
    monkeypatch.setenv("CANARY", CANARY)
    thing = OBJECTS[name]
    names = [*{*dir(thing), *dir(type(thing)), "secret", "token", "reveal"}, *BEYOND]
    template = "".join(f"{{{{x.{each}}}}}{{{{#x}}}}{{{{{each}}}}}{{{{/x}}}}" for each in sorted(names))
    with watch as seen:
        rendered = render(template, {"x": thing})
    assert rendered == ""
    assert seen == []


@pytest.mark.parametrize("name", OBJECTS)
def test_nothing_is_taken_from_an_object(name: str, watch: Watch) -> None:
    """RL8: whatever the tag, in whatever delimiters, an object shows its `str`, or its items as they are written."""
    thing = OBJECTS[name]
    with watch as seen:
        rendered = [render(tag, {"x": thing}) for path in ("x", "x.secret", "x.0.secret") for tag in tags(path)]
    assert not any(CANARY in each for each in rendered)
    assert seen == []
    if name == "a generator":
        assert next(thing) == CANARY  # which nobody has taken
    if name == "an open file":
        assert thing.tell() == 0


@pytest.mark.parametrize("text", ["{x.secret}", "%(x)s", "${x.secret}", "{{x.secret|upper}}", "{{x['secret']}}"])
@pytest.mark.parametrize("around", ["{}", "{{{{! c }}}}{}", "{{{{#yes}}}}{}{{{{/yes}}}}"])
def test_no_other_language_is_spoken(text: str, around: str) -> None:
    """RL8: what other template languages evaluate is text, or the name of nothing."""
    rendered = render(around.format(text), {"x": Account(), "yes": True})
    assert rendered == ("" if "{{" in text else text)
