"""The chatbot of examples/hello_bedrock.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ldclient import Context

from examples.hello_bedrock import Chatbot
from ldai_core import AIClient, FeedbackKind
from ldai_core.testing import RecordingClient
from tests.servers.bedrock import Events, Failure, ScriptedBedrock, events

if TYPE_CHECKING:
    import pytest


def chatbot(client: Any, recorded: RecordingClient, shown: list[str]) -> Chatbot:
    """Make one, whose config comes from the fallback."""
    return Chatbot(AIClient(recorded), client, Context.create("user-1"), shown.append)


def test_an_answer_and_its_feedback(server: ScriptedBedrock, client: Any) -> None:
    """R32, R33, R34: a question is a run of its own; its token brings the feedback to it; the fallback serves."""
    server.script(Events(events("Eat ", "apples.")), Events(events("No.")))
    recorded, shown = RecordingClient(), list[str]()
    bot = chatbot(client, recorded, shown)
    answer, token = bot.ask_agent("Which fruit?")
    assert (answer, "".join(shown)) == ("Eat apples.", "Eat apples.")
    bot.ask_agent("Really?")
    bot.give_feedback(token, "positive")
    first, second = recorded.runs
    assert (first.success, first.feedback, second.feedback) == (True, FeedbackKind.POSITIVE, None)
    assert server.requests[0].body["system"] == [{"text": "You are a greengrocer. Answer in one short sentence."}]


def test_an_error(server: ScriptedBedrock, client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """R32, R33: an error is told to the user; there is no token, and feedback without one is skipped."""
    server.script(Failure(400, "ValidationException", "no such model"))
    recorded = RecordingClient()
    bot = chatbot(client, recorded, [])
    answer, token = bot.ask_agent("Which fruit?")
    assert answer.startswith("An error occurred: ")
    assert "no such model" in answer
    assert token is None
    bot.give_feedback(token, "positive")
    assert (recorded.run.success, recorded.run.feedback) == (False, None)
    assert not caplog.records
