"""Responses that go on when their request is over: https://platform.openai.com/docs/guides/background ."""

from __future__ import annotations

import logging
from collections import OrderedDict
from threading import RLock
from typing import TYPE_CHECKING, Any

from ldai_core.endings import defer
from ldai_core.reading import NOTHING
from ldai_openai.readings import is_event, read_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import Reading
    from ldai_core.run import Call

__all__ = ["PENDING_LIMIT", "Pending", "ResponseCall"]

PENDING_LIMIT = 1_000

_log = logging.getLogger(__name__)


class Pending:
    """The calls that wait for the end of their response, by its id; the oldest one goes when there are too many."""

    def __init__(self, limit: int = PENDING_LIMIT) -> None:
        self._limit = limit
        self._calls: OrderedDict[str, ResponseCall] = OrderedDict()
        # Reentrant, for a collection inside it may run a finaliser of the application that asks for a response.
        self._lock = RLock()
        self._warned = False

    def get(self, response_id: str | None) -> ResponseCall | None:
        """Find the call that waits for this response."""
        if response_id is None:
            return None
        with self._lock:
            return self._calls.get(response_id)

    def keep(self, response_id: str, call: ResponseCall) -> None:
        """Remember that a call waits for this response; one that waited for the same one is given up."""
        oldest = None
        with self._lock:
            former = self._calls.get(response_id)
            self._calls[response_id] = call
            self._calls.move_to_end(response_id)
            if len(self._calls) > self._limit:
                _, oldest = self._calls.popitem(last=False)
        if former is not None and former is not call:
            former.withdraw()
        if oldest is not None:
            oldest.withdraw()
            if not self._warned:
                self._warned = True
                _log.warning("More than %d background responses are pending; the oldest go unrecorded.", self._limit)

    def forget(self, response_id: str) -> None:
        """Forget a response that has ended."""
        with self._lock:
            self._calls.pop(response_id, None)

    def __del__(self) -> None:
        # Nobody can ask for these responses any more: the runs that they are a part of need not wait for them.
        for call in self._calls.values():
            defer(call.withdraw)


class ResponseCall:
    """A call of the Responses API, which is over when its response is.

    While a response in the background is `queued` or `in_progress`, the end of a request reports nothing: the call
    waits in `pending` for the request that sees how the response ended. Where there is no `pending`, or no id to wait
    for, the call is withdrawn. A streamed response is in the background if it says so itself, or if `background` does.
    """

    __slots__ = ("_background", "_call", "_id", "_over", "_pending", "_waited", "_waiting")

    def __init__(self, call: Call, pending: Pending | None, *, background: bool = False) -> None:
        self._call = call
        self._pending = pending
        self._background = background
        self._id: str | None = None
        self._waiting = self._waited = self._over = False

    def read(self, read: Callable[[Any], Reading], item: object) -> Reading:
        """Read `item`, and see in it whether the response is over.

        While the call waits, what says nothing of its response, such as an error of the request that asked for it, is
        not read.
        """
        try:
            status = read_status(item)
        except Exception as error:  # noqa: BLE001  # an object that cannot be read
            self.lose(error)
            status = None
        if self._waiting and status is None and not is_event(item):
            return NOTHING
        reading = self._call.read(read, item)
        if reading.failed:
            self._is_over()
        elif status is not None:
            self._background = self._background or status.background
            if not status.waiting:
                self._is_over()
            elif self._background:
                self._waits_for(status.id)
        return reading

    def lose(self, error: Exception) -> None:
        """Give up the tokens, which could not be read."""
        self._call.lose(error)

    def end(self, error: BaseException | None = None) -> None:
        """Say that a request is over; the call is so too, unless its response goes on.

        How a response ended that was waited for is what was read of it, whatever becomes of those who asked.
        """
        if not self._waiting:
            self._call.end(None if self._waited else error)
        elif not self._is_kept():
            self.withdraw()

    def abandon(self) -> None:
        """Say so from a finaliser."""
        if not self._waiting:
            self._call.abandon()
        elif not self._is_kept():
            defer(self.withdraw)

    def withdraw(self) -> None:
        """Give the call up: nobody will learn how its response ended."""
        self._over = True
        self._call.withdraw()

    def _waits_for(self, response_id: str | None) -> None:
        if self._over:  # an answer from before the end, which another request has seen
            return
        self._waiting = self._waited = True
        self._id = self._id or response_id
        if self._pending is not None and self._id is not None:
            self._pending.keep(self._id, self)

    def _is_over(self) -> None:
        self._over = True
        self._waiting = False
        if self._pending is not None and self._id is not None:
            self._pending.forget(self._id)

    def _is_kept(self) -> bool:
        return self._pending is not None and self._id is not None
