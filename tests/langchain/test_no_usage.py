"""Models that report no usage: no tokens, and a hint, once per process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.runnables import RunnableParallel

from ldai_langchain import model_call
from tests.expected import ERROR, LEFT, UNREAD, told
from tests.langchain.models import ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import QUESTION, REFUSED, STREAMS, WAYS, ask, each_way
from tests.servers.openai import Answer, Failure, Stream, chunks, completion, text_completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler
    from tests.servers.openai import ScriptedOpenAI

    Make = Callable[..., Any]

ROOT = Path(__file__).parents[2]
HINT = "A model reported no usage, so that its AI runs have no tokens"
ADVICE = "stream_usage=True"
UNCOUNTED = Turn(usage=None)


@pytest.fixture(autouse=True)
def first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process in which no hint was given."""
    monkeypatch.setattr(model_call, "_hinted", {})


def hints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Read what was logged, all of which must be hints."""
    ours = [record for record in caplog.records if record.name.startswith("ldai")]
    assert [(record.levelname, record.name) for record in ours] == [("WARNING", model_call.__name__)] * len(ours)
    return [record.getMessage() for record in ours]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", [ScriptedChat(turns=(UNCOUNTED,)), ScriptedText(turn=UNCOUNTED, tells=True)])
def test_a_hint(
    watched: Any, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, model: Any, way: str
) -> None:
    """LC7: without usage there is no token event, and one hint, which names nothing that the model does not have."""
    for _ in range(2):
        WAYS[way](model, watched)
    assert told(recorded) == (LEFT if way in STREAMS else UNREAD) * 2
    (hint,) = hints(caplog)
    assert hint.startswith(HINT)
    assert ADVICE not in hint


@pytest.mark.parametrize("way", STREAMS)
@pytest.mark.parametrize("kind", ["chat", "azure"])
def test_streamed_chat_openai(
    gpt: Make, watched: Any, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, kind: str, way: str
) -> None:
    """LC7: for a streamed ChatOpenAI the hint says what to do."""
    STREAMS[way](gpt(kind, stream_usage=False), watched)
    assert told(recorded) == LEFT
    (hint,) = hints(caplog)
    assert hint.startswith(HINT)
    assert ADVICE in hint


@each_way
def test_streaming_chat_openai(
    gpt: Make, watched: Any, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """LC7: also where it streams within an answer."""
    ask(gpt(streaming=True, stream_usage=False), watched, is_async=is_async)
    assert told(recorded) == LEFT
    (hint,) = hints(caplog)
    assert ADVICE in hint


@each_way
def test_chat_openai(
    server: ScriptedOpenAI, gpt: Make, watched: Any, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """LC7: not of an answer at once, where that would not help."""
    server.script(Answer(completion(usage=None)))
    ask(gpt(), watched, is_async=is_async)
    (hint,) = hints(caplog)
    assert hint.startswith(HINT)
    assert ADVICE not in hint


@each_way
def test_usage(gpt: Make, watched: Any, caplog: pytest.LogCaptureFixture, is_async: bool) -> None:
    """LC7: there is no hint where there is usage, though it be none at all."""
    for model in (gpt(), ScriptedChat(), ScriptedText(), ScriptedChat(turns=(Turn(usage=(0, 0)),))):
        ask(model, watched, is_async=is_async)
    WAYS["astream" if is_async else "stream"](gpt(), watched)
    assert hints(caplog) == []


@each_way
@pytest.mark.parametrize("usage", [None, (9, 3)])
def test_hits(watched: Any, caplog: pytest.LogCaptureFixture, usage: Any, is_async: bool) -> None:
    """LC6, LC7: a hit in LangChain's cache is no reason for one, also of an answer that had no usage itself."""
    model = ScriptedChat(turns=(Turn(usage=usage),), cache=InMemoryCache())
    ask(model, None, is_async=is_async)
    ask(model, watched, is_async=is_async)
    assert hints(caplog) == []


@each_way
@pytest.mark.parametrize("streamed", [False, True])
def test_errors(
    server: ScriptedOpenAI,
    gpt: Make,
    watched: Any,
    recorded: RecordingClient,
    caplog: pytest.LogCaptureFixture,
    streamed: bool,
    is_async: bool,
) -> None:
    """LC7: neither is an error, nor one within a stream."""
    way = ("a" if is_async else "") + ("stream" if streamed else "invoke")
    server.script(Failure(400))
    late = ScriptedChat(turns=(Turn(usage=None, error=ValueError("scripted")),))
    for model in (gpt(stream_usage=False), late, ScriptedChat(turns=(REFUSED,))):
        with pytest.raises(Exception, match=r"(?i)scripted"):
            WAYS[way](model, watched)
    assert told(recorded).count(ERROR) == 3
    assert hints(caplog) == []


@each_way
def test_abandoned_streams(
    gpt: Make, watched: Any, recorded: RecordingClient, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """LC7: neither is a stream that its consumer leaves before its usage comes."""

    async def leave(model: Any) -> None:
        stream = model.astream(QUESTION, watched)
        async for chunk in stream:
            if chunk.content:
                break
        await stream.aclose()

    for model in (gpt(), ScriptedChat()):
        if is_async:
            asyncio.run(leave(model))
            continue
        for chunk in model.stream(QUESTION, watched):
            if chunk.content:
                break
    assert told(recorded) == LEFT * 2
    assert hints(caplog) == []


@each_way
@pytest.mark.parametrize("is_real", [False, True], ids=["scripted", "OpenAI"])
def test_prompts(
    server: ScriptedOpenAI,
    gpt: Make,
    handler: LaunchDarklyCallbackHandler,
    caplog: pytest.LogCaptureFixture,
    is_real: bool,
    is_async: bool,
) -> None:
    """LC7: neither is a second prompt of a plain text model, whose usage LangChain has put with the first."""
    whole = text_completion()
    (choice,) = whole["choices"]
    server.script(Answer({**whole, "choices": [choice, {**choice, "index": 1}]}))
    callbacks: Any = [handler]
    model = gpt("text") if is_real else ScriptedText()
    if is_async:
        asyncio.run(model.agenerate([QUESTION] * 2, callbacks=callbacks))
    else:
        model.generate([QUESTION] * 2, callbacks=callbacks)
    assert hints(caplog) == []


@each_way
def test_nothing_but_the_kind_is_logged(
    server: ScriptedOpenAI, gpt: Make, watched: Any, caplog: pytest.LogCaptureFixture, is_async: bool
) -> None:
    """LC7: the hint has nothing of the question, the answer or the key."""
    server.script(Stream(chunks("the answer is 42")))
    WAYS["astream" if is_async else "stream"](gpt(stream_usage=False, api_key="sk-secret"), watched)
    (hint,) = hints(caplog)
    assert not any(word in hint for word in ("42", QUESTION, "secret"))


ONCE = """
    import asyncio, logging
    from ldclient import Context
    from ldai_core import AIClient
    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler
    from tests.langchain.conftest import SUPPORT_BOT
    from tests.langchain.models import ScriptedChat, Turn

    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    client = AIClient(RecordingClient({"support-bot": SUPPORT_BOT}))
    config = client.completion_config("support-bot", Context.create("user-1"))
    for _ in range(2):
        handler = LaunchDarklyCallbackHandler(config)
        model = ScriptedChat(turns=(Turn(usage=None),), callbacks=[handler])
        model.invoke("Hi")
        model.batch(["Hi"] * 5)
        list(model.stream("Hi"))
        asyncio.run(model.abatch(["Hi"] * 5))
"""


def test_once_per_process() -> None:
    """LC7: the hint is given once, whichever handler, model, thread or task it is that comes first."""
    command = [sys.executable, "-c", dedent(ONCE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stderr.splitlines() == [f"WARNING ldai_langchain.model_call {HINT}."]
    assert done.stdout == ""


def test_once_for_branches(watched: Any, caplog: pytest.LogCaptureFixture) -> None:
    """LC7: so of branches that end at once."""
    model = ScriptedChat(turns=(UNCOUNTED,))
    branches: Any = RunnableParallel({f"branch {number}": model for number in range(8)})
    ask(branches, watched)
    assert len(hints(caplog)) == 1
