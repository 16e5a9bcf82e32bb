"""Nothing secret is told by what fails on our own side of a call."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from ldclient import Context

from ldai_core import (
    AIClient,
    AIConfigDefault,
    Message,
    Reading,
    TokenUsage,
    ToolCall,
    track_metrics_of,
    track_metrics_of_async,
)
from ldai_core.endings import defer
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.core.doubles import CONTEXT, FakeLDClient, make_tracker
from tests.reliability.canaries import EVERYTHING, VALUES, Canary, Telling, Watch, canary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ldai_core import AIConfigTracker


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Watch what is said."""
    with Watch() as watch:
        yield watch


def read(_item: object) -> Reading:
    """Read with a bug."""
    raise Canary


def wrong(_item: object) -> Any:
    """Read what is no reading."""
    return EVERYTHING


def bad_counts(_item: object) -> Reading:
    """Read counts and tool calls that are none."""
    calls: Any = (ToolCall("", EVERYTHING), ToolCall(b"x", EVERYTHING), 5, {EVERYTHING: 1})  # type: ignore[arg-type]
    return Reading(TokenUsage(EVERYTHING, -1, [EVERYTHING]), output=True, tool_calls=calls)  # type: ignore[arg-type]


@pytest.mark.parametrize("reader", [read, wrong, bad_counts])
def test_a_reader(watch: Watch, reader: Callable[[Any], Reading]) -> None:
    """RL7: a reader that raises, or reads what is wrong, of a response and of a stream, sync and async."""
    tracker = make_tracker(FakeLDClient())

    async def response() -> str:
        return EVERYTHING

    async def chunks() -> Any:
        yield EVERYTHING

    async def stream() -> Any:
        return chunks()

    async def main() -> None:
        await track_metrics_of_async(tracker.for_new_run(), reader, response)
        tracked = await track_metrics_of_async(tracker.for_new_run(), reader, stream)
        assert [item async for item in tracked] == [EVERYTHING]

    track_metrics_of(tracker.for_new_run(), reader, lambda: EVERYTHING)
    assert list(track_metrics_of(tracker.for_new_run(), reader, lambda: iter([EVERYTHING]))) == [EVERYTHING]
    asyncio.run(main())
    watch.check(least=4)


WRONG: dict[str, Callable[[AIConfigTracker, Any], object]] = {
    "duration": lambda tracker, value: tracker.track_duration(value),
    "first token": lambda tracker, value: tracker.track_time_to_first_token(value),
    "tokens": lambda tracker, value: tracker.track_tokens(value),
    "counts": lambda tracker, value: tracker.track_tokens(TokenUsage(value, value, value)),
    "tool key": lambda tracker, value: tracker.track_tool_call(value),
    "tool keys": lambda tracker, value: tracker.track_tool_calls([value, ""]),
}


@pytest.mark.parametrize("metric", WRONG)
def test_wrong_metrics(watch: Watch, metric: str) -> None:
    """RL7: metrics that are something else."""
    tracker = make_tracker(FakeLDClient())
    for value in [*VALUES, Telling()]:
        if not metric.startswith("tool") or not isinstance(value, str):
            WRONG[metric](tracker, value)
    watch.check(least=len(VALUES))


class Refusing(FakeLDClient):
    """Says everything instead of taking an event, or of serving a flag."""

    def variation(self, key: str, context: Context, default: Any) -> Any:
        """Raise."""
        raise Canary

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Raise."""
        raise Canary


def test_a_client_that_raises(watch: Watch) -> None:
    """RL7: a LaunchDarkly client that raises from all that it has, whatever it is told."""
    context = Context.builder("user-1").set("plan", canary("attribute")).build()
    default = AIConfigDefault(enabled=True, messages=[Message("system", canary("prompt") + " {{mood}}")])
    config = AIClient(Refusing()).completion_config("support-bot", context, default, {"mood": canary("variable")})
    tracker = config.create_tracker()
    for _ in range(2):
        tracker.track_duration(1)
        tracker.track_tokens(TokenUsage(12, 9, 3))
        tracker.track_feedback("positive")
        tracker.track_tool_call(canary("argument"))
        tracker.track_success()
        tracker.track_error()
    watch.check(least=10)


class Forgetful:
    """A store of claims that says everything instead."""

    timeout = 0.0

    def claim(self, run_id: str, metrics: Sequence[str]) -> Any:
        """Raise."""
        raise Canary


def test_a_store_that_raises(watch: Watch) -> None:
    """RL7: a store of claims that raises."""
    client = AIClient(FakeLDClient(), claims=Forgetful(), token_secret=canary("secret"))
    tracker = client.completion_config("support-bot", CONTEXT).create_tracker()
    tracker.track_success()
    client.create_tracker(tracker.resumption_token, CONTEXT).track_feedback("positive")
    watch.check()


def test_a_token_that_is_used(watch: Watch) -> None:
    """RL7: a token that is used, in vain at last: neither it nor its secret is told."""
    client = AIClient(FakeLDClient(), token_secret=canary("secret"))
    token = client.completion_config("support-bot", CONTEXT).create_tracker().resumption_token
    tracker = client.create_tracker(token, CONTEXT)
    for _ in range(2):
        tracker.track_feedback("positive")
        tracker.track_error()
    watch.check(least=2)
    signature = base64.urlsafe_b64decode(token + "==").decode().rpartition(":")[2].strip('"}')
    said = " ".join(record.getMessage() for record in watch.logged)
    assert token not in said
    assert signature not in said


def test_a_handler_that_is_broken_off(watch: Watch) -> None:
    """RL7: runs of LangChain's whose end does not come, and callbacks that are given anything."""
    tracker = make_tracker(FakeLDClient())
    handler = LaunchDarklyCallbackHandler(tracker.for_new_run, max_open_runs=1)
    for value in [*VALUES, Telling()]:
        run_id = uuid4()
        handler.on_chat_model_start({"name": EVERYTHING}, [[EVERYTHING]], run_id=run_id, metadata=value)
        handler.on_llm_new_token(value, chunk=value, run_id=run_id)
        if isinstance(value, str):
            handler.on_llm_error(Canary(), run_id=run_id, response=value)
        elif isinstance(value, list):
            handler.on_llm_end(value, run_id=run_id)
    handler.close()
    watch.check(least=len(VALUES) - 2)


def test_an_ending_that_fails(watch: Watch) -> None:
    """RL7: an ending that was left to a thread, and fails there."""

    def end() -> None:
        raise Canary

    defer(end)
    watch.leaks()  # waits for it
    watch.check()
