"""RL8: whatever the templates of a flag, evaluating its config takes seconds and some memory, or they are refused."""

from __future__ import annotations

import gc
import resource
import signal
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from ldai_core import AIClient
from tests.core.doubles import CONTEXT, FakeLDClient, warnings_in

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "my-config"
SECONDS = 10.0  # of the processor's time, for a whole config: another process takes none of it
MB = 1 << 20
MOST_MB = 256  # while a config is evaluated; a message may have 16 of them, and a character takes up to four bytes
MOST_KEPT_MB = 64  # when it has been
FLAG = 1_000_000  # characters of a large flag

MANY = pytest.param(True, marks=pytest.mark.integration, id="as many as a flag holds")
MANY_WAYS = pytest.mark.parametrize("many", [pytest.param(False, id="one message"), MANY])


class TooSlow(BaseException):
    """It takes longer than it may; no Exception, for those are taken for faults of the template."""


@contextmanager
def soon() -> Iterator[None]:
    """Stop what takes longer than SECONDS."""

    def stop(*_: object) -> NoReturn:
        raise TooSlow(f"more than {SECONDS} s of the processor's time")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    except TooSlow as error:
        raise AssertionError(str(error)) from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def within(most_mb: int) -> Iterator[None]:
    """Measure what is allocated at most, beyond what is there already."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= most_mb * MB, f"{peak / MB:.0f} MB"


def evaluate(templates: list[str], variables: dict[str, Any]) -> list[str]:
    """Evaluate a config with these messages."""
    served = {"messages": [{"role": "user", "content": each} for each in templates]}
    config = AIClient(FakeLDClient({KEY: served})).completion_config(KEY, CONTEXT, None, variables)
    return [message.content for message in config.messages or ()]


def check_refused(templates: list[str], variables: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Each message is left as it is, with one warning."""
    with soon():
        contents = evaluate(templates, variables)
    assert contents == templates
    assert len(warnings_in(caplog)) == len(templates)
    assert "do not log" not in caplog.text


def copies(of: str, many: bool) -> list[str]:
    """Repeat a template as often as a large flag holds it, each time another, so that none is found in a cache."""
    return [f"{of}{n}" for n in range(FLAG // (len(of) + 10) if many else 1)]


# Sections in whatever words: an opening, a closing, and what comes before. Engines keep or copy the text of each.
NESTED = {
    "sections": ("{{#a}}", "{{/a}}", ""),
    "sections of nothing": ("{{#no}}", "{{/no}}", ""),
    "inverted sections": ("{{^no}}", "{{/no}}", ""),
    "both": ("{{#a}}{{^no}}", "{{/no}}{{/a}}", ""),
    "loops": ("{{#two}}", "{{/two}}", ""),
    "paths": ("{{#d.d.a}}", "{{/d.d.a}}", ""),
    "on lines of their own": ("{{#a}}\n", "{{/a}}\n", ""),
    "on lines of Windows": ("  {{#a}}  \r\n", "  {{/a}}\r\n", ""),
    "with comments": ("{{#a}}{{! {{/a}}", "{{/a}}", ""),
    "with blanks": ("{{# a }}", "{{/ a}}", ""),
    "other delimiters": ("<%#a%>", "<%/a%>", "{{=<% %>=}}"),
    "delimiters of one character": ("|#a|", "|/a|", "{{=| |=}}"),
    "ever other delimiters": ("{{#a}}{{=<% %>=}}<%#a%><%={{ }}=%>", "{{/a}}{{/a}}", ""),
    "delimiters that look like closings": ("{{/#a}}", "{{//a}}", "{{={{/ }}=}}"),
    "delimiters that look like openings": ("##a#", "#/a#", "{{=# #=}}"),
    # A tag on a line of its own takes the line's end along, which then begins no tag.
    "ends of lines for delimiters": ("\r\n#a|\n/a|", "\n/a|x", "{{=\n |=}}x"),
    "returns for delimiters": ("\n\r#a|\r/a|", "\r/a|x", "{{=\r |=}}x"),
    "blanks for delimiters": ("\n\t#a|\t\n", "\n\t/a|\t\n", "{{=\t |=}}x\n"),
}
FACTS: dict[str, Any] = {"a": True, "two": [1, 2], "d": {"d": {"a": True}}}


def nest(name: str, times: int, inside: str = "x") -> str:
    """Nest sections."""
    opening, closing, before = NESTED[name]
    return before + opening * times + inside + closing * times


@pytest.mark.parametrize("name", NESTED)
def test_a_thousand_nested_sections_are_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """RL8: a thousand nested sections are refused, whatever they look like, and the message stays as it is."""
    check_refused([nest(name, 1000)], FACTS, caplog)


@pytest.mark.integration
@pytest.mark.parametrize("name", NESTED)
def test_as_many_nested_sections_as_a_template_holds(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """RL8: twenty times as many are refused in time too, and take no more memory than any other template."""
    with within(MOST_MB):
        check_refused([nest(name, 250_000 // len(NESTED[name][0] + NESTED[name][1]))], FACTS, caplog)


def looping(body: str, to: int = 4000, loop: str = "two") -> str:
    """Put as much of `body` as fits into loops in loops, which multiply it."""
    loops = 18
    times = max((to - loops * (2 * len(loop) + 10)) // len(body), 1)
    return f"{{{{#{loop}}}}}" * loops + body * times + f"{{{{/{loop}}}}}" * loops


# What costs an engine time, though it looks nothing up and writes nothing; and what it looks up or writes.
LOOPED = {
    "partials": looping("{{>p}}"),
    "skipped tags": looping("{{#no}}" + "{{p}}" * 700 + "{{/no}}"),
    "skipped sections": looping("{{#no}}" + "{{#p}}{{/p}}" * 300 + "{{/no}}"),
    "delimiters": looping("{{={{ }}=}}"),
    "text in pieces": looping("x{{!}}"),
    "text": looping("x" * 3000),
    "tags": looping("{{two}}"),
    "long names": looping("{{" + "n" * 3000 + "}}"),
    "long paths": looping("{{two" + ".0" * 1500 + "}}"),
    "loops in loops over rows": looping("{{.}}", loop="rows"),
    "loops over much": looping("{{.}}", loop="thousands"),
    "a large template of partials": looping("{{>p}}", 250_000),
    "a large template of skipped tags": looping("{{#no}}" + "{{p}}" * 40_000 + "{{/no}}", 250_000),
}
VARIABLES: dict[str, Any] = {"two": [1, 2], "rows": [[1] * 100] * 100, "thousands": [0] * 1000, "a": True}


@MANY_WAYS
@pytest.mark.parametrize("name", LOOPED)
def test_loops_that_multiply(name: str, many: bool, caplog: pytest.LogCaptureFixture) -> None:
    """RL8: loops that multiply are refused in time, in one message and in all that a large flag has together."""
    check_refused(copies(LOOPED[name], many), VARIABLES, caplog)


@pytest.mark.integration
@pytest.mark.parametrize("name", ["text", "text in pieces", "tags"])
def test_the_memory_of_loops(name: str) -> None:
    """RL8: what is written until a template is refused takes a bounded memory."""
    with within(MOST_MB):
        evaluate([LOOPED[name]], VARIABLES)


def test_the_memory_of_all_that_is_rendered() -> None:
    """RL8: what is rendered is bounded for all messages together, not for each, of which a flag may have thousands."""
    text = "{{#hundred}}{{#hundred}}" + "x" * 1500 + "{{/hundred}}{{/hundred}}"  # 15 MB, which one message may have
    with soon(), within(MOST_MB):
        evaluate([text] * 40, {"hundred": [1] * 100})


LARGE = {
    "nothing but text, and a tag": "{{a}}" + "do not log " * (MB // 11),
    "nothing but tags": "{{a}}" * (MB // 5),
    "nothing but openings": "{{" * (MB // 2),
    "nothing but openings of sections": "{{#a}}" * (MB // 6),
    "nothing but closings": "{{/a}}" * (MB // 6),
    "sections side by side": "{{#a}}{{/a}}" * (MB // 12),
    "a thousand nested sections": nest("sections", 1000, "x" * MB),
    "one name": "{{" + "a" * MB + "}}",
    "one path": "{{" + "a." * (MB // 2) + "a}}",
    "one delimiter": "{{=" + "a" * MB + " b=}}",
    "characters of four bytes": "{{a}}" + "\U0001f642" * (MB // 4),
    "blanks": "{{a}}" + " " * MB + "{{#a}}\n{{/a}}",
}


@pytest.mark.parametrize("name", LARGE)
def test_a_template_of_a_megabyte_is_refused(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """RL8: a template of 1 MB is left as it is, with one warning, at once and without a second copy of much."""
    with within(16):
        check_refused([LARGE[name]], {"a": True}, caplog)


class Costly:
    """A value of the application's whose text is long, as of a table or of a set."""

    def __init__(self) -> None:
        self.written = 0

    def __str__(self) -> str:
        self.written += 1
        return str(set(range(20_000)))


@MANY_WAYS
def test_texts_that_are_never_shown(many: bool) -> None:
    """RL8: an object of the application's is not written out for ever, though a section shows nothing of it."""
    costly = Costly()
    with soon():
        evaluate(copies("{{#o}}{{/o}}{{^o}}{{/o}}" * 1000, many), {"o": costly})
    assert costly.written < 1000


@pytest.mark.parametrize(
    "template_", ["{{#a}}x{{/a}}", "{{a}}", "{{a.999999}}", "{{#a}}{{a}}{{/a}}", "{{^a}}{{/a}}" * 50]
)
def test_large_lists(template_: str, caplog: pytest.LogCaptureFixture) -> None:
    """RL8: a list of a million is written, or refused with one warning, in time and in a memory of its own order."""
    with soon():
        (content,) = evaluate([template_], {"a": [0] * 1_000_000})
    assert len(warnings_in(caplog)) == (content == template_)


LENGTH = 32 * 1024 - 100  # of what is worth keeping compiled
KEPT = {
    "nested sections": nest("sections", 32, "\U0001f642" * (LENGTH - 400)),
    "dots": "{{" + "." * (LENGTH - 8) + "}}",
    "a path": "{{" + ".".join(f"{n % 256:02x}" for n in range(LENGTH // 3)) + "}}",
    "tags": "{{a}}" * (LENGTH // 5),
    "names": "".join(f"{{{{{chr(200 + n)}}}}}" for n in range(LENGTH // 5)),
    "sections": "{{#a}}{{/a}}" * (LENGTH // 12),
}


def resident() -> int:
    """Tell how much memory this process has."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.integration
def test_the_memory_of_what_is_kept() -> None:
    """RL8: what is kept of templates, so that they are compiled once, is bounded, however many come by."""
    for text in KEPT.values():  # what a first time takes
        evaluate([text], {})
    before = resident()
    for n in range(60):
        evaluate([f"{n:03}{text}" for text in KEPT.values()], {})
        kept = resident() - before
        assert kept <= MOST_KEPT_MB * MB, f"{kept // MB} MB after {(n + 1) * len(KEPT)} templates"
