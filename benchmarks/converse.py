"""Bedrock: a call of `converse`, and an event of `converse_stream`, by a real boto3 that is answered from memory."""

from __future__ import annotations

import json
from itertools import islice, repeat
from time import sleep, thread_time_ns
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSResponse
from ldai.providers.types import LDAIMetrics
from ldai.tracker import TokenUsage

from benchmarks.bots import bot, five_tracks, official_bot
from benchmarks.measuring import PAUSE_S, Pace, Row, by_thread, take_turns
from ldai_bedrock import wrap_bedrock
from tests.servers.bedrock import frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["measure"]

CALLS = 20
EVENTS = 1_000
CREDENTIALS = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
MODEL = "anthropic.claude-sonnet-4-5"
MESSAGES = [{"role": "user", "content": [{"text": "Where is my order?"}]}]
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "It is on its way, and comes tomorrow."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 9, "outputTokens": 3, "totalTokens": 12},
    "metrics": {"latencyMs": 1},
}
DELTA = frame(
    {":event-type": "contentBlockDelta", ":content-type": "application/json", ":message-type": "event"},
    {"contentBlockIndex": 0, "delta": {"text": "Hello"}, "p": "abcdefghij"},
)


class _Body:
    """What urllib3 would give botocore to read."""

    def __init__(self, content: bytes, frames: int = 0) -> None:
        self._content = content
        self._frames = frames

    def stream(self, *_args: Any, **_kwargs: Any) -> Iterator[bytes]:
        return repeat(self._content, self._frames) if self._frames else iter([self._content])

    def close(self) -> None:
        """Have nothing to close."""


def measure(pace: Pace) -> list[Row]:
    """Measure both."""
    client: Any = boto3.client("bedrock-runtime", **CREDENTIALS)
    client.meta.events.register("before-send.bedrock-runtime.Converse", _answer)
    client.meta.events.register("before-send.bedrock-runtime.ConverseStream", _answer_in_events)
    wrapped = wrap_bedrock(client, bot())
    calls = take_turns({name: by_thread(way, CALLS) for name, way in _ways(client, wrapped).items()}, pace.rounds)
    events = take_turns({"raw": _reading(client), "ours": _reading(wrapped)}, pace.rounds)
    floor_us, event_us = calls.ns("floor") / 1e3, events.ns("raw") / 1e3
    return [
        calls.row(
            "Bedrock converse",
            "to floor",
            lambda each, name: each[name] / each["floor"],
            at_most=1.05,
            one=f"{floor_us:.0f} µs",
        ),
        events.row(
            "Bedrock streamed event",
            "to raw",
            lambda each, name: each[name] / each["raw"],
            at_most=1.02,
            one=f"{event_us:.1f} µs",
        ),
    ]


def _answer(request: Any, **_: Any) -> AWSResponse:
    return AWSResponse(request.url, 200, {"content-type": "application/json"}, _Body(json.dumps(ANSWER).encode()))


def _answer_in_events(request: Any, **_: Any) -> AWSResponse:
    headers = {"content-type": "application/vnd.amazon.eventstream"}
    return AWSResponse(request.url, 200, headers, _Body(DELTA, EVENTS + 1))


def _ways(client: Any, wrapped: Any) -> dict[str, Callable[[], object]]:
    five, official = five_tracks(), official_bot()

    def with_floor() -> None:
        _converse(client)
        five()

    return {
        "raw": lambda: _converse(client),
        "floor": with_floor,
        "ours": lambda: _converse(wrapped),
        "official": lambda: official.create_tracker().track_metrics_of(_official, lambda: _converse(client)),
    }


def _converse(client: Any) -> Any:
    return client.converse(modelId=MODEL, messages=MESSAGES)


def _official(response: Any) -> LDAIMetrics:
    usage = response["usage"]
    tokens = TokenUsage(usage["totalTokens"], usage["inputTokens"], usage["outputTokens"])
    return LDAIMetrics(success=True, tokens=tokens)


def _reading(client: Any) -> Callable[[], float]:
    def cost() -> float:
        sleep(PAUSE_S)
        events = islice(client.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"], EVENTS)
        start_ns = thread_time_ns()
        for _ in events:
            pass
        return (thread_time_ns() - start_ns) / EVENTS

    return cost
