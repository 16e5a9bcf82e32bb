"""The pure readers, given anything at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ldai_core import Reading, Run
from ldai_core.reading import clean
from ldai_langchain.readings import read_result, read_stream_event, read_token, structured_output_tools
from ldai_langchain.usage import find_usage, read_usage
from tests.core.doubles import warnings_in
from tests.expected import UNREAD, told
from tests.langchain.models import ScriptedChat
from tests.langchain.ways import ask, each_way

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient

NAMES = ["generations", "message", "llm_output", "generation_info", "usage_metadata", "response_metadata", "content"]
NAMES += ["tool_calls", "invalid_tool_calls", "tool_call_chunks", "additional_kwargs", "function_call", "name", "id"]
NAMES += ["event", "delta", "total_cost", "token_usage", "input_tokens", "output_tokens", "type", "refusal", "text"]
NAMES += ["ls_structured_output_format", "schema", "kwargs", "method", "title"]
LEAVES = st.sampled_from([None, True, -1, 7, 0.5, float("nan"), 2**70, "", "search", b"", "content-block-delta"])
ANY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


class Hostile:
    """Raises at every turn."""

    def __getattr__(self, name: str) -> Any:
        raise LookupError(name)


def as_object(value: Any) -> Any:
    """Make an object with attributes of a dict, and of those in it down to where LangChain has dicts too."""
    if isinstance(value, list):
        return [as_object(item) for item in value]
    return SimpleNamespace(**value) if isinstance(value, dict) else value


@settings(max_examples=200)
@given(ANY, ANY)
@example(7, None)
@example([[{"message": 7}]], 7)
@example({"generations": {"message": True}}, [None])
def test_anything_is_read(thing: Any, other: Any) -> None:
    """LC16: whatever LangChain hands on, reading it raises nothing, and what is left of it may leave."""
    message = as_object(thing)
    candidate = SimpleNamespace(message=message, generation_info=other, text=thing)
    for reading in (
        read_result(message),
        read_result(SimpleNamespace(generations=thing, llm_output=other)),
        read_result(SimpleNamespace(generations=[[candidate, message], other], llm_output=thing)),
        read_token(thing, other),
        read_token(other, candidate),
        read_stream_event(thing),
        read_stream_event({"event": "content-block-delta", "delta": thing, "content": other}),
    ):
        usage = reading.usage
        counts = [] if usage is None else [usage.total, usage.input, usage.output]
        assert all(count is None or (type(count) is int and count >= 0) for count in counts)
        assert {type(reading.output), type(reading.failed)} == {bool}
        calls = clean(reading)[0].tool_calls
        assert all(call if isinstance(call, str) else call.name for call in calls)
    assert all(isinstance(name, str) for name in structured_output_tools(thing))


COUNTS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, -1, 2**70, "9", [], {}]) | st.integers(-3, 99) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "token_usage",
                    "usage",
                    "tokenUsage",
                    "metrics",
                    "usage_metadata",
                    "input_tokens",
                    "prompt_tokens",
                    "output_tokens",
                    "eval_count",
                ]
            )
            | st.sampled_from(["total_tokens", "cache_read_input_tokens", "cacheReadInputTokens", "inputTokens"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(COUNTS)
def test_any_counts_are_read(junk: Any) -> None:
    """LC4, LC16: whatever stands where counts do, reading it raises nothing, and no count is negative or a fraction."""
    for read in (read_usage, find_usage):
        usage = read(junk)
        counts = [] if usage is None else [usage.total, usage.input, usage.output]
        assert all(count is None or (type(count) is int and count >= 0) for count in counts)
        assert usage is None or counts != [None, None, None]


@pytest.mark.parametrize("nested", ["list", "dict"])
def test_any_depth_is_read(nested: str) -> None:
    """LC16: what a model makes up, the arguments of a tool call, may be nested as deeply as it likes."""
    deep: Any = "Hi"
    for _ in range(5_000):
        deep = [deep] if nested == "list" else {"a": deep}
    call = {"type": "tool_call", "name": "search", "args": deep}
    for reading in (
        read_token("", SimpleNamespace(message=SimpleNamespace(content=[call]))),
        read_stream_event({"event": "content-block-finish", "content": call}),
    ):
        assert reading.output


@settings(max_examples=50)
@given(st.lists(ANY.map(as_object) | st.builds(Hostile) | st.builds(SimpleNamespace, message=st.builds(Hostile))))
def test_a_call_takes_anything(things: list[Any]) -> None:
    """LC16: not even an object that cannot be read raises anything through the call."""
    call = Run(lambda: None).call()  # type: ignore[arg-type, return-value]  # any source
    for thing in things:
        for read in (read_result, read_stream_event, lambda thing: read_token(thing, thing)):
            assert isinstance(call.read(read, thing), Reading)
    call.end()


class Odd(dict[str, Any]):
    """A dict that does not like to be asked."""

    def get(self, key: str, default: Any = None) -> Any:
        """Raise."""
        raise LookupError(key)


class OddChat(ScriptedChat):
    """A model whose usage cannot be read."""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        result: Any = super()._generate(*args, **kwargs)
        result.generations[0].message.usage_metadata = Odd()
        return result

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        return self._generate(*args)


@each_way
def test_a_message_that_cannot_be_read(
    watched: Any, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """LC16: a message that raises when it is read costs its tokens and one warning; its outcome is the call's own."""
    assert ask(OddChat(), watched, is_async=is_async).content == "Hello"
    assert told(recorded) == UNREAD
    (warning,) = warnings_in(caplog)
    assert "raised LookupError" in warning
