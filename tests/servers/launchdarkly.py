"""LaunchDarkly on loopback, for a real LDClient: it serves flags, and keeps the events that it is sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Condition, Event
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ldclient import Config

from tests.servers.http import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

HEARTBEAT_S = 0.1
WHOLE = 100_000  # LaunchDarkly's weights are thousandths of a percent


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """A custom event, as it arrived. `data` and `context` are JSON."""

    name: str
    value: float | None
    data: Any
    context: Any


class _Handler(Handler):
    """The three services of LaunchDarkly that a server-side SDK talks to: streaming, polling, events."""

    @property
    def launchdarkly(self) -> LaunchDarkly:
        return cast("LaunchDarkly", cast("Any", self.server).owner)

    def do_GET(self) -> None:  # noqa: N802  # the base class's name
        if self.path == "/all":
            self._stream()
        elif self.path == "/sdk/latest-all":
            self.answer(200, self.launchdarkly.data)
        else:
            self.answer(404)

    def do_POST(self) -> None:  # noqa: N802  # the base class's name
        body = self.body()
        if self.path == "/bulk":
            status = self.launchdarkly.receive(self.headers.get("X-LaunchDarkly-Payload-ID"), body)
            self.answer(status)
        else:
            self.answer(202)

    def _stream(self) -> None:
        """Send all flags at once and again whenever they change, until the client or the server goes."""
        changes = self.launchdarkly.subscribe()
        self.begin_chunks("text/event-stream")
        while not self.launchdarkly.closing.is_set():
            try:
                self.chunk(b"event: put\ndata: %s\n\n" % changes.get(timeout=HEARTBEAT_S))
            except Empty:
                self.chunk(b":\n")


class LaunchDarkly(Server):
    """Serves the flags it is given, to be changed while clients are connected, and keeps all events.

    Bodies must be strict JSON; one that is not is kept in `malformed` and answered with 400. A payload that a client
    sends again after a failure counts once.
    """

    handler = _Handler

    def __init__(self, flags: Mapping[str, Mapping[str, object]] | None = None) -> None:
        super().__init__()
        self.data: dict[str, Any] = {}
        self.received: list[dict[str, Any]] = []
        self.malformed: list[bytes] = []
        self.closing = Event()
        self._changed = Condition()
        self._payloads: set[str] = set()
        self._failures: list[int] = []
        self._subscribers: list[SimpleQueue[bytes]] = []
        self.serve(flags or {})

    def config(self, sdk_key: str = "sdk-key", **options: Any) -> Config:
        """Return the configuration of an LDClient that talks to this server, and flushes often."""
        addresses = {"base_uri": self.uri, "stream_uri": self.uri, "events_uri": self.uri}
        return Config(sdk_key, **{**addresses, "flush_interval": 0.2, "diagnostic_opt_out": True, **options})

    def serve(self, flags: Mapping[str, Mapping[str, object]]) -> None:
        """Serve these flags from now on; connected clients are told."""
        with self._changed:
            self.data = {"flags": dict(flags), "segments": {}}
            for subscriber in self._subscribers:
                subscriber.put(self._put())

    def fail_next(self, posts: int, status: int = 503) -> None:
        """Answer the next posts of events with `status`, and keep nothing of them."""
        with self._changed:
            self._failures += [status] * posts

    @property
    def events(self) -> list[ReceivedEvent]:
        """The custom events so far, in the order of their arrival."""
        with self._changed:
            custom = [event for event in self.received if event["kind"] == "custom"]
        return [
            ReceivedEvent(event["key"], event.get("metricValue"), event.get("data"), event.get("context"))
            for event in custom
        ]

    def wait_for(
        self, enough: int | Callable[[list[ReceivedEvent]], bool], timeout_s: float = 10.0
    ) -> list[ReceivedEvent]:
        """Wait until so many custom events have arrived, or until `enough` of them says so, and return them."""
        is_enough = enough if callable(enough) else lambda events: len(events) >= enough
        with self._changed:
            if self._changed.wait_for(lambda: is_enough(self.events), timeout_s):
                return self.events
        raise TimeoutError(f"after {timeout_s} s only these events: {[event.name for event in self.events]}")

    def subscribe(self) -> SimpleQueue[bytes]:
        """Return a queue of what a connected client is to be sent, all flags first."""
        with self._changed:
            subscriber: SimpleQueue[bytes] = SimpleQueue()
            subscriber.put(self._put())
            self._subscribers.append(subscriber)
            return subscriber

    def receive(self, payload_id: str | None, body: bytes) -> int:
        """Take in one post of events, and return the status to answer with."""
        with self._changed:
            if self._failures:
                return self._failures.pop(0)
            try:
                events = json.loads(body, parse_constant=_refuse)
            except ValueError:
                self.malformed.append(body)
                return 400
            if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
                self.malformed.append(body)
                return 400
            if payload_id not in self._payloads:
                self.received += events
            if payload_id is not None:
                self._payloads.add(payload_id)
            self._changed.notify_all()
            return 202

    def _put(self) -> bytes:
        return json.dumps({"path": "/", "data": self.data}).encode()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        super().__exit__(kind, error, traceback)


def rollout(key: str, variations: Sequence[object], weights: Sequence[int] | None = None) -> dict[str, object]:
    """Write a flag that serves each user one of `variations`, always the same one, in even shares or by `weights`.

    Source: https://launchdarkly.com/docs/home/releases/percentage-rollouts
    """
    if weights is not None and sum(weights) != WHOLE:
        raise ValueError(f"weights: expected them to sum to {WHOLE}, got {sum(weights)}")
    even = [WHOLE // len(variations)] * len(variations)
    even[-1] += WHOLE - sum(even)
    shares = [
        {"variation": index, "weight": weight} for index, weight in enumerate(even if weights is None else weights)
    ]
    return _flag(key, variations, {"rollout": {"variations": shares}})


def fixed(key: str, variation: object) -> dict[str, object]:
    """Write a flag that serves everybody the same."""
    return _flag(key, [variation], {"variation": 0})


def _flag(key: str, variations: Sequence[object], fallthrough: Mapping[str, object]) -> dict[str, object]:
    return {
        "key": key,
        "version": 1,
        "on": True,
        "variations": list(variations),
        "fallthrough": dict(fallthrough),
        "salt": key,
    }


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
