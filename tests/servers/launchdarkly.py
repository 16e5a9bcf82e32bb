"""LaunchDarkly on loopback, for a real LDClient: it serves flags, and keeps the events that it is sent."""

from __future__ import annotations

import json
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any, NoReturn, cast

from ldclient import Config

from tests.servers.http import Handler, Server, _Http

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


class Drop(Enum):
    """How a connection is dropped: with the post still unread, or taken in and unanswered."""

    UNREAD = auto()
    UNANSWERED = auto()


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
        if self.path == "/bulk":
            self._take_events()
        else:
            self.body()
            self.answer(202)

    def _take_events(self) -> None:
        payload_id = self.headers.get("X-LaunchDarkly-Payload-ID")
        fault = self.launchdarkly.expect(payload_id)
        if fault is Drop.UNREAD:
            self.close_connection = True
            return
        body = self.body()
        status = fault if isinstance(fault, int) else self.launchdarkly.receive(payload_id, body)
        if fault is Drop.UNANSWERED:
            self.close_connection = True
        else:
            self.answer(status)

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
    sends again after a failure counts once; `posts` has the payload ids of all posts, whatever became of them.
    """

    handler = _Handler

    def __init__(self, flags: Mapping[str, Mapping[str, object]] | None = None) -> None:
        super().__init__()
        self.data: dict[str, Any] = {}
        self.received: list[dict[str, Any]] = []
        self.malformed: list[bytes] = []
        self.posts: list[str | None] = []
        self.closing = Event()
        self._changed = Condition()
        self._payloads: set[str] = set()
        self._faults: deque[int | Drop] = deque()
        self._awake = Event()
        self._awake.set()
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
            self._faults += [status] * posts

    def drop_next(self, posts: int, how: Drop) -> None:
        """Drop the connections of the next posts of events; a post that is taken in first counts all the same."""
        with self._changed:
            self._faults += [how] * posts

    def recover(self) -> None:
        """Answer posts as ever, whatever was to become of them."""
        with self._changed:
            self._faults.clear()

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Let posts of events wait: none is taken in or answered before the end."""
        self._awake.clear()
        try:
            yield
        finally:
            self._awake.set()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Cut all connections, and listen no more; at the end, be back at the same address."""
        if self._http is None:
            raise RuntimeError("the server is not up: use it inside its `with` block")
        address = ("127.0.0.1", self._http.server_port)
        super().__exit__(None, None, None)
        try:
            yield
        finally:
            self._http = _Http(address, self.handler)
            self._http.owner = self
            self._thread = Thread(target=self._http.serve_forever, args=(0.005,), name=type(self).__name__)
            self._thread.start()

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

    def wait_for_posts(self, number: int, timeout_s: float = 10.0) -> None:
        """Wait until so many posts of events have come, whatever became of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.posts) >= number, timeout_s):
                raise TimeoutError(f"after {timeout_s} s only {len(self.posts)} posts")

    def subscribe(self) -> SimpleQueue[bytes]:
        """Return a queue of what a connected client is to be sent, all flags first."""
        with self._changed:
            subscriber: SimpleQueue[bytes] = SimpleQueue()
            subscriber.put(self._put())
            self._subscribers.append(subscriber)
            return subscriber

    def expect(self, payload_id: str | None) -> int | Drop | None:
        """Note that a post has come, wait while stalled, and tell what shall become of it, if not the ordinary."""
        with self._changed:
            self.posts.append(payload_id)
            self._changed.notify_all()
        self._awake.wait()
        with self._changed:
            return self._faults.popleft() if self._faults else None

    def receive(self, payload_id: str | None, body: bytes) -> int:
        """Take in one post of events, and return the status to answer with."""
        with self._changed:
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
        self._awake.set()
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
