"""The time to first token of real streams: whether there is one, in both generations of LangChain's streams."""

from __future__ import annotations

import gc
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk

from tests.expected import first_token, told
from tests.langchain.models import ScriptedChat, ScriptedText, Turn, usage_of
from tests.langchain.ways import QUESTION, STREAMS
from tests.servers import responses
from tests.servers.bedrock import Events, events, invoke_chunks, invoke_events, tool_use
from tests.servers.openai import Stream, chunks, tool_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock
    from tests.servers.openai import ScriptedOpenAI

    Make = Callable[..., Any]

pytestmark = [
    pytest.mark.filterwarnings("ignore:The method .* is in beta"),
    # An older langchain-aws leaves the socket of an async stream to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

WAYS: dict[str, Callable[[Any, Any], Any]] = {way: STREAMS[way] for way in ("stream", "astream")}
if hasattr(ScriptedChat, "stream_events"):
    WAYS["events"] = lambda model, config: list(model.stream_events(QUESTION, config, version="v3"))
each_way = pytest.mark.parametrize("way", WAYS)
each_version = pytest.mark.parametrize("version", ["v0", "v1"])

CHAT: dict[str, tuple[Any, bool]] = {
    "nothing": (chunks(), False),
    "empty": (chunks("", ""), False),
    "text": (chunks("Hi"), True),
    "tool call": (chunks(*tool_call("search", "{}")), True),
    "legacy": (chunks({"function_call": {"name": "search", "arguments": "{}"}}), True),
}
RESPONSES: dict[str, tuple[Any, bool]] = {
    "empty": (responses.message(""), False),
    "a phase": ({**responses.message(""), "phase": "commentary"}, False),
    "no reasoning": (responses.reasoning(""), False),
    "text": (responses.message("Hi"), True),
    "reasoning": (responses.reasoning("Hm"), True),
    "refusal": (responses.message("No.", refusal=True), True),
    "tool call": (responses.function_call("search"), True),
}


@pytest.fixture(scope="module", autouse=True)
def collected() -> Iterator[None]:
    """Collect what the last test has left, likewise."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def reasoning(**delta: str) -> list[tuple[str, Any]]:
    """Make the event of a piece of reasoning."""
    return [("contentBlockDelta", {"delta": {"reasoningContent": delta}, "contentBlockIndex": 0})]


CONVERSE: dict[str, tuple[Any, bool]] = {
    "nothing": ([], False),
    "empty": ([""], False),
    "a signature": ([reasoning(signature="abc")], False),
    "text": (["Hi"], True),
    "reasoning": ([reasoning(text="Hm")], True),
    "tool call": ([tool_use("search", "{}")], True),
}


def is_told(recorded: RecordingClient) -> bool:
    """Say whether a time to first token was told."""
    return first_token() in told(recorded)


@each_way
@pytest.mark.parametrize(
    ("pieces", "output"),
    [
        ((), False),
        (("", ""), False),
        ((AIMessageChunk(content="", usage_metadata=usage_of(9, 3)),), False),
        ((AIMessageChunk(content=[{"type": "text", "text": "", "index": 0}]),), False),
        (("Hi",), True),
        ((AIMessageChunk(content=[{"type": "reasoning", "reasoning": "Hm", "index": 0}]),), True),
    ],
    ids=["none", "empty", "usage", "empty block", "text", "reasoning"],
)
def test_scripted(watched: Any, recorded: RecordingClient, pieces: Sequence[Any], output: bool, way: str) -> None:
    """LC9: there is a time to first token if there was output, however the stream is read."""
    WAYS[way](ScriptedChat(turns=(Turn(pieces),)), watched)
    assert is_told(recorded) is output


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize(("pieces", "output"), [((), False), (("", ""), False), (("", "Hi"), True)])
def test_text(watched: Any, recorded: RecordingClient, pieces: Sequence[str], output: bool, way: str) -> None:
    """LC9: likewise of a plain text model, if its integration tells of its chunks, which LangChain leaves to it."""
    STREAMS[way](ScriptedText(turn=Turn(pieces), tells=True), watched)
    assert is_told(recorded) is output


@each_way
@each_version
@pytest.mark.parametrize(("script", "output"), CHAT.values(), ids=CHAT)
def test_chat_completions(
    server: ScriptedOpenAI,
    gpt: Make,
    watched: Any,
    recorded: RecordingClient,
    script: Any,
    output: bool,
    version: str,
    way: str,
) -> None:
    """LC9: of Chat Completions, in both forms of content: not the role, the finish reason, nor the usage."""
    server.script(Stream(script, usage=(9, 3)))
    WAYS[way](gpt(output_version=version), watched)
    assert is_told(recorded) is output


@each_way
@pytest.mark.parametrize("version", ["v0", "responses/v1", "v1"])
@pytest.mark.parametrize(("item", "output"), RESPONSES.values(), ids=RESPONSES)
def test_responses(
    server: ScriptedOpenAI,
    gpt: Make,
    watched: Any,
    recorded: RecordingClient,
    item: Any,
    output: bool,
    version: str,
    way: str,
) -> None:
    """LC9: of the Responses API, in all forms of content: not that an item begins, nor what is said of it."""
    server.script(responses.response_stream(item))
    WAYS[way](gpt(use_responses_api=True, output_version=version), watched)
    assert is_told(recorded) is output


@each_way
@each_version
@pytest.mark.parametrize(("pieces", "output"), CONVERSE.values(), ids=CONVERSE)
def test_converse(
    bedrock: ScriptedBedrock,
    nova: Make,
    watched: Any,
    recorded: RecordingClient,
    pieces: Any,
    output: bool,
    version: str,
    way: str,
) -> None:
    """LC9: of Converse, in both forms of content: not the role, a signature, the metadata, nor that a block ends."""
    bedrock.script(Events(events(*pieces)))
    WAYS[way](nova(output_version=version), watched)
    assert is_told(recorded) is output


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize(("texts", "output"), [((), False), (("",), False), (("Hi",), True)])
def test_invoke_model(
    bedrock: ScriptedBedrock,
    claude: Make,
    watched: Any,
    recorded: RecordingClient,
    texts: tuple[str, ...],
    output: bool,
    way: str,
) -> None:
    """LC9: of Anthropic's own stream, neither its begin nor its metrics."""
    bedrock.script(invoke_events(invoke_chunks(*texts)))
    WAYS[way](claude(), watched)
    assert is_told(recorded) is output
