"""The stand-in that applications test with."""

from __future__ import annotations

import re

import pytest
from ldclient import Context

from ldai_core import (
    AIClient,
    AIConfigDefault,
    FeedbackKind,
    Message,
    ModelConfig,
    ProviderConfig,
    Reading,
    TokenUsage,
    track_metrics_of,
)
from ldai_core.testing import RecordingClient

CONTEXT = Context.create("user")
DEFAULT = AIConfigDefault(
    enabled=True, model=ModelConfig("m"), provider=ProviderConfig("p"), messages=[Message("system", "Hi {{ldctx.key}}")]
)


def test_variations_are_served_as_they_are_or_from_a_default() -> None:
    """A flag's value may be JSON or, for short, an AIConfigDefault; what is not there gets the caller's default."""
    ai = AIClient(RecordingClient({"json": {"_ldMeta": {"enabled": True}}, "short": DEFAULT}))
    assert ai.completion_config("json", CONTEXT).enabled
    short = ai.completion_config("short", CONTEXT)
    assert short.messages == [Message("system", "Hi user")]
    assert short.create_tracker().variation_key == "default"
    assert not ai.completion_config("missing", CONTEXT).enabled


def test_what_is_served_cannot_be_changed_by_the_application() -> None:
    """Two evaluations are independent of each other."""
    ai = AIClient(RecordingClient({"bot": {"model": {"name": "m", "parameters": {"stop": ["a"]}}}}))
    first = ai.completion_config("bot", CONTEXT).model
    assert first is not None
    assert first.parameters is not None
    first.parameters["stop"].append("b")
    second = ai.completion_config("bot", CONTEXT).model
    assert second is not None
    assert second.parameters == {"stop": ["a"]}


def test_events_are_grouped_by_run() -> None:
    """Each run has what was told of it, and no more."""
    client = RecordingClient({"bot": DEFAULT})
    config = AIClient(client).completion_config("bot", CONTEXT)
    usage = TokenUsage(total=3, input=1, output=2)
    track_metrics_of(config, lambda _: Reading(usage=usage, tool_calls=("search", "search")), lambda: "answer")
    config.create_tracker().track_feedback("negative")
    first, second = client.runs
    assert (first.success, first.tokens, first.tool_calls) == (True, usage, ("search", "search"))
    assert (first.config_key, first.model_name, first.provider_name) == ("bot", "m", "p")
    assert first.duration_ms is not None
    assert (first.time_to_first_token_ms, first.feedback, first.repeated) == (None, None, ())
    assert (second.success, second.tokens, second.feedback) == (None, None, FeedbackKind.NEGATIVE)
    assert second.run_id != first.run_id


def test_a_failed_run_is_a_failure() -> None:
    """An error is success False, not None."""
    client = RecordingClient({"bot": DEFAULT})
    AIClient(client).completion_config("bot", CONTEXT).create_tracker().track_error()
    assert client.run.success is False


def test_the_one_run_is_asserted() -> None:
    """Asking for the run where there is none, or where there are two, fails and shows what there is."""
    client = RecordingClient({"bot": DEFAULT})
    config = AIClient(client).completion_config("bot", CONTEXT)
    with pytest.raises(AssertionError, match="expected one AI run, got 0"):
        _ = client.run
    config.create_tracker().track_success()
    assert client.run.success
    config.create_tracker().track_success()
    with pytest.raises(AssertionError, match=re.escape("expected one AI run, got 2: [RecordedRun(")):
        _ = client.run


def test_a_run_prints_in_one_line_without_what_was_not_told() -> None:
    """A failed assertion shows what was recorded, and nothing that was not."""
    client = RecordingClient({"bot": DEFAULT})
    AIClient(client).completion_config("bot", CONTEXT).create_tracker().track_duration(0)
    shown = repr(client.run)
    assert "config_key='bot'" in shown
    assert "duration_ms=0" in shown
    assert "tokens" not in shown
    assert "feedback" not in shown


def test_what_two_trackers_of_one_token_send_twice_is_named() -> None:
    """Two processes that resume one token can both record feedback: the run says which event came again."""
    client = RecordingClient({"bot": DEFAULT})
    ai = AIClient(client)
    token = ai.completion_config("bot", CONTEXT).create_tracker().resumption_token
    ai.create_tracker(token, CONTEXT).track_feedback("positive")
    ai.create_tracker(token, CONTEXT).track_feedback("negative")
    assert client.run.feedback is FeedbackKind.POSITIVE
    assert client.run.repeated == ("$ld:ai:feedback:user:negative",)


def test_a_dropped_stream_is_waited_for() -> None:
    """What a finaliser has just ended is there when the events are looked at."""
    client = RecordingClient({"bot": DEFAULT})
    config = AIClient(client).completion_config("bot", CONTEXT)
    stream = track_metrics_of(config, lambda _: Reading(output=True), lambda: iter("ab"))
    next(stream)
    del stream
    assert client.run.success
    assert client.run.time_to_first_token_ms is not None
