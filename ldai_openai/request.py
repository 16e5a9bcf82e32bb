"""One request as it passes through a wrapped client."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Any
from weakref import ref

from openai import (
    APIStatusError,
    BadRequestError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    UnprocessableEntityError,
)

from ldai_core.stream import follow, is_reading
from ldai_openai.readings import is_usage_only, read_chat_chunk, read_chat_completion

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.run import Call

__all__ = ["REFUSED", "Request", "is_measured"]

# How a backend says that it knows no `stream_options`.
REFUSED = (BadRequestError, UnprocessableEntityError)

_RAW_RESPONSE = "X-Stainless-Raw-Response"


class Request:
    """One measured request: what is sent in the place of the user's options, and what becomes of the answer.

    `ask` says whether a stream may be asked for its usage; `on_refusal` is called when the backend refuses that.
    """

    call: Call  # set when the request begins

    def __init__(self, options: Any, *, ask: bool, on_refusal: Callable[[], None]) -> None:
        self._own = self._read_before_parsing(options)
        self._on_refusal = on_refusal
        self._refused = False
        asking = _asking_for_usage(self._own) if ask else None
        self._asks = asking is not None
        self.options = self._own if asking is None else asking

    def is_refused(self, error: APIStatusError) -> bool:
        """Say whether the backend refused what we added, and not what the user sent; then go on without it."""
        if not self._asks or "stream_options" not in f"{error.message} {error.body}":
            return False
        self._asks = False
        self._refused = True
        self.options = self._own
        return True

    def fail(self, error: BaseException) -> None:
        """End the call; a stop at a limit or a filter, which `parse()` raises, is no failure of the model."""
        stopped = isinstance(error, (LengthFinishReasonError, ContentFilterFinishReasonError))
        self.call.end(None if stopped else error)

    def follow(self, result: Any) -> Any:
        """Measure the answer; a usage chunk that we asked for is kept from the user."""
        if self._refused:  # and without what was refused it went well: that was the reason
            self._on_refusal()
        hide = is_usage_only if self._asks else None
        followed = follow(self.call, result, read_chat_completion, read_chat_chunk, hide=hide)
        if followed is not result:
            with suppress(AttributeError, TypeError):  # a stream class of the application's own, without a response
                _end_with_response(followed, self.call)
        return followed

    def _read_before_parsing(self, options: Any) -> Any:
        """Have what `parse()` is about to parse read first: the tokens are used, whether its text fits or not."""
        parse = options.post_parser
        if not callable(parse):
            return options

        def read_and_parse(response: Any) -> Any:
            self.call.read(read_chat_completion, response)
            return parse(response)

        options = copy(options)
        options.post_parser = read_and_parse
        return options


def is_measured(options: Any) -> bool:
    """Say whether a request is a generation that is measured: a chat completion that is not asked for raw."""
    if options.method != "post" or not str(options.url).endswith("/chat/completions"):
        return False
    headers = options.headers
    return not (isinstance(headers, Mapping) and headers.get(_RAW_RESPONSE))


def _asking_for_usage(options: Any) -> Any:
    """Copy the options so that they ask a stream for its usage; None where the user has said what is wanted."""
    body = options.json_data
    extra = {} if options.extra_json is None else options.extra_json
    if not isinstance(body, Mapping) or not isinstance(extra, Mapping) or "stream_options" in extra:
        return None
    asked = body.get("stream_options") or {}
    if not isinstance(asked, Mapping) or "include_usage" in asked:
        return None
    options = copy(options)
    options.json_data = {**body, "stream_options": {**asked, "include_usage": True}}
    return options


def _end_with_response(stream: Any, call: Call) -> None:
    """End the call when the stream's HTTP response is closed, too: the SDK's `stream()` managers close that alone.

    Overridden on this one response, until it is closed; the stream is not kept alive by it.
    """
    response, stream_ref = stream.response, ref(stream)
    close_response, aclose_response = response.close, response.aclose

    def ended() -> None:
        vars(response).pop("close", None)
        vars(response).pop("aclose", None)
        still = stream_ref()
        if still is None or not is_reading(still):  # what reads sees the end for itself, and an error for what it is
            call.end()

    def close() -> None:
        try:
            close_response()
        finally:
            ended()

    async def aclose() -> None:
        try:
            await aclose_response()
        finally:
            ended()

    vars(response).update({"close": close, "aclose": aclose})
