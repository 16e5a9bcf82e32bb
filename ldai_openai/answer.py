"""What a request brings: a response, a stream, or a raw response whose body the application reads by itself."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

from ldai_core.json_body import Whole, from_json
from ldai_core.stream import Observer, follow, is_reading, is_stream, read_whole
from ldai_openai.body import Body, Events, Parts, RawBody
from ldai_openai.readings import FAILED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import Reading
    from ldai_openai.apis import Api

__all__ = ["Answer"]


class Answer:
    """The answer to one request, measured; the application gets it as it is, or a stream's double.

    `parsed` takes what the SDK has parsed, before the request returns or, of a raw response, when the application asks
    for it. `returned` takes what the request returns. A raw response is measured by its body: what is there already
    at once, the rest as the application reads it. A stream that is parsed from it is measured like any other.
    """

    # Set when the request begins.
    call: Observer

    # A usage chunk that we asked for is kept from the application, though not from those who read the raw bytes.
    hide: Callable[[Any], bool] | None = None

    def __init__(self, api: Api, *, streamed: bool = False) -> None:
        self._api = api
        self._streamed = streamed
        self._was_read = self._is_raw = False
        self._stream: ref[Any] | None = None

    def parsed(self, result: Any) -> Any:
        """Measure what was parsed: a stream to its end; a whole answer is read, and not over yet."""
        if is_stream(result):
            return self._track(result)
        if not self._is_raw:
            self._read(result)
        return result

    def returned(self, result: Any) -> Any:
        """Measure what the request returned, as far as it is not measured yet."""
        if self._stream is not None:
            return result
        if self._was_read:
            self.call.end()
            return result
        if is_stream(result):
            return self._track(result)
        response = _http_response(result)
        if response is None:
            self._read(result)
            self.call.end()
        else:
            self._is_raw = True
            self._follow_body(response)
        return result

    def _track(self, stream: Any) -> Any:
        tracked = follow(self.call, stream, self._api.read_chunk, hide=self.hide)
        self._stream = ref(tracked)
        with suppress(AttributeError, TypeError):  # a stream class of the application's own, without a response
            if _content_type(stream.response).startswith("text/html"):  # a page of some proxy, which is no stream
                self.call.read(_read_error, None)
            if not self._is_raw:
                Body(stream.response, self.call, self._is_read)
        return tracked

    def _follow_body(self, response: Any) -> None:
        try:
            kind = _content_type(response)
            events = kind.startswith("text/event-stream") or (self._streamed and "json" not in kind)
            parts: Parts = Events() if events else Whole()
            take = self._read_event if events else self._read_json
            if not response.is_closed:
                RawBody(response, self.call, self._is_read, parts, take)
                return
            if events and not self._streamed:  # they came all at once
                take = self._read_whole_event
            for item in (*parts.feed(response.content), *parts.finish()):
                take(item)
        except Exception as error:  # noqa: BLE001  # a response unlike those of the SDK
            self.call.lose(error)
        self.call.end()

    def _is_read(self) -> bool:
        """Say whether a stream is reading the body right now, and will see itself how it ends."""
        stream = None if self._stream is None else self._stream()
        return stream is not None and is_reading(stream)

    def _read(self, whole: Any) -> None:
        self._was_read = True
        if not self._api.text and isinstance(whole, (str, bytes, list)):
            self._read_text(whole)
        else:
            read_whole(self.call, self._api.read, whole)

    def _read_text(self, text: Any) -> None:
        """Read what the SDK made no object of: JSON, events that were not asked for, or neither."""
        item = None if isinstance(text, list) else from_json(text)
        events = list(Events().feed(text.encode())) if item is None and isinstance(text, str) else []
        for event in events:
            self._read_whole_event(event)
        if not events:
            self._read_json(item)

    def _read_json(self, whole: Any) -> None:
        if whole is None and not self._api.text:  # a page of some proxy, say, which is no answer
            self.call.read(_read_error, whole)
        else:
            read_whole(self.call, self._api.read, whole)

    def _read_event(self, event: Any) -> None:
        self.call.read(self._reader_of(event), event)

    def _read_whole_event(self, event: Any) -> None:
        read_whole(self.call, self._reader_of(event), event)

    def _reader_of(self, event: Any) -> Callable[[Any], Reading]:
        # An error that is sent in the place of an event is raised by the SDK, where that reads the stream.
        return _read_error if event.get("error") else self._api.read_chunk


def _read_error(_: object) -> Reading:
    return FAILED


def _content_type(response: Any) -> str:
    return str(response.headers.get("content-type", ""))


def _http_response(result: Any) -> Any:
    """Find the HTTP response of a raw response, or of a request that was asked for nothing else; else None."""
    attributes = getattr(result, "__dict__", {})
    if "is_closed" in attributes and hasattr(type(result), "iter_bytes"):
        return result
    return attributes.get("http_response")
