"""The chatbot of examples/hello_langchain.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ldclient import Context

from examples.hello_langchain import Chatbot
from ldai_core import AIClient, FeedbackKind
from ldai_core.testing import RecordingClient
from tests.servers.openai import Failure, ScriptedOpenAI, Stream, chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API that does what it is told."""
    with ScriptedOpenAI() as server:
        yield server


def chatbot(server: ScriptedOpenAI, recorded: RecordingClient, shown: list[str]) -> Chatbot:
    """Make one, whose config comes from the fallback."""
    connection = {"base_url": server.base_url, "api_key": "any", "stream_usage": True, "max_retries": 0}
    return Chatbot(AIClient(recorded), Context.create("user-1"), shown.append, **connection)


def test_an_answer_and_its_feedback(server: ScriptedOpenAI) -> None:
    """R32, R33, R34, LC17: a question is a run of its own; its token brings the feedback to it; the fallback serves."""
    server.script(Stream(chunks("Eat ", "apples."), usage=(9, 3)), Stream(chunks("No."), usage=(9, 3)))
    recorded, shown = RecordingClient(), list[str]()
    bot = chatbot(server, recorded, shown)
    answer, token = bot.ask_agent("Which fruit?")
    assert (answer, "".join(shown)) == ("Eat apples.", "Eat apples.")
    bot.ask_agent("Really?")
    bot.give_feedback(token, "positive")
    first, second = recorded.runs
    assert (first.success, first.feedback, second.feedback) == (True, FeedbackKind.POSITIVE, None)
    assert first.tokens is not None
    assert first.tokens.total == 12
    assert server.requests[0].body["messages"][0]["content"].startswith("You are a greengrocer.")


def test_an_error(server: ScriptedOpenAI, caplog: pytest.LogCaptureFixture) -> None:
    """R32, R33: an error is told to the user; there is no token, and feedback without one is skipped."""
    server.script(Failure(400, "no such model"))
    recorded = RecordingClient()
    bot = chatbot(server, recorded, [])
    answer, token = bot.ask_agent("Which fruit?")
    assert answer.startswith("An error occurred: ")
    assert "no such model" in answer
    assert token is None
    bot.give_feedback(token, "positive")
    assert (recorded.run.success, recorded.run.feedback) == (False, None)
    assert not [record for record in caplog.records if record.name.startswith("ldai")]


@pytest.mark.model
def test_the_example() -> None:
    """R32, R33, R34, LC17: the chatbot answers by a real model, its runs are measured, and feedback comes later."""
    command = [sys.executable, "examples/hello_langchain.py", "--local"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603
    assert result.returncode == 0, result.stderr
    assert "An error occurred" not in result.stdout
    assert "2 of 2" in result.stdout
    assert "+2 -0" in result.stdout
