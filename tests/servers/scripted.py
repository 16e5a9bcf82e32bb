"""Servers that answer request after request as a script says, and that know when either side hangs up."""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Condition, Event
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from tests.servers.http import Handler, Server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

__all__ = ["FOREVER_S", "JSON", "Answer", "Headers", "Request", "Scripted", "ScriptedHandler"]

FOREVER_S = 1e6
POLL_S = 0.02
PATIENCE_S = 10.0

JSON = dict[str, Any]  # a provider's JSON has no type
Headers = Iterable[tuple[str, str]]
StepT = TypeVar("StepT")
RequestT = TypeVar("RequestT", bound="Request")


@dataclass(frozen=True)
class Request:
    """One request as it arrived, its headers' names in lower case.

    `gone` is set when the client hangs up before it has its whole answer.
    """

    path: str
    headers: Mapping[str, str]
    body: Any  # a caller's JSON; None without a body
    gone: Event = field(default_factory=Event)


@dataclass(frozen=True)
class Answer:
    """One whole answer, any JSON, sent after `delay_s`."""

    content: object
    status: int = 200
    headers: Headers = ()
    delay_s: float = 0


class ScriptedHandler(Handler):
    """Takes a request, and follows the step that it gets."""

    disable_nagle_algorithm = True  # or every second chunk waits for an acknowledgement
    request_type: ClassVar[type[Request]] = Request

    def follow(self, step: Any, request: Any) -> None:
        """Answer as a step says."""
        raise NotImplementedError

    @property
    def api(self) -> Scripted[Any, Any]:
        """The server that has the script."""
        return cast("Scripted[Any, Any]", cast("Any", self.server).owner)

    def do_GET(self) -> None:  # noqa: N802  # the base class's name
        """Answer a request, whatever its method."""
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.request_type(self.path, headers, json.loads(body) if body else None)
        try:
            self.follow(self.api.take(request), request)
        except ConnectionError:
            if not self.api.closing.is_set():  # the server cuts its connections when it closes
                request.gone.set()
            raise
        except ServerClosing:
            self.close_connection = True

    do_POST = do_DELETE = do_GET  # noqa: N815  # likewise

    def wait(self, seconds: float) -> None:
        """Wait so long, or until either side hangs up."""
        end = time.monotonic() + seconds
        while not self._has_gone(min(max(end - time.monotonic(), 0), POLL_S)):
            if self.api.closing.is_set():
                raise ServerClosing
            if time.monotonic() >= end:
                return
        raise ConnectionAbortedError

    def _has_gone(self, within_s: float) -> bool:
        self.connection.settimeout(within_s)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except (TimeoutError, BlockingIOError):
            return False
        finally:
            self.connection.settimeout(None)


class ServerClosing(Exception):  # noqa: N818  # not an error
    """The server is closing; an answer is left as it is."""


class Scripted(Server, Generic[StepT, RequestT]):
    """Answers the next requests, whatever their path, with the steps of its script, and the others as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[RequestT] = []
        self.closing = Event()
        self._came = Condition()
        self._steps: deque[StepT] = deque()

    def otherwise(self, request: RequestT) -> StepT:
        """Answer a request that nothing was scripted for."""
        raise NotImplementedError

    def script(self, *steps: Any) -> None:
        """Append what the next requests get, one step each; one that fails several times in a row is several."""
        for step in steps:
            self._steps += [step.as_answer()] * step.times if hasattr(step, "times") else [step]

    def wait_for_request(self, number: int = 1) -> RequestT:
        """Wait until so many requests have come, and return the last of these."""
        with self._came:
            if self._came.wait_for(lambda: len(self.requests) >= number, PATIENCE_S):
                return self.requests[number - 1]
        raise TimeoutError(f"after {PATIENCE_S} s only {len(self.requests)} requests")

    def take(self, request: RequestT) -> StepT:
        """Keep the request, and tell what it gets."""
        with self._came:
            self.requests.append(request)
            self._came.notify_all()
        try:
            return self._steps.popleft()
        except IndexError:
            return self.otherwise(request)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        super().__exit__(kind, error, traceback)
