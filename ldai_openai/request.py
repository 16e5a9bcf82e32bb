"""One request as it passes through a wrapped client."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from openai import (
    APIStatusError,
    BadRequestError,
    ContentFilterFinishReasonError,
    LengthFinishReasonError,
    UnprocessableEntityError,
)

from ldai_openai.answer import Answer
from ldai_openai.readings import is_usage_only, was_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.stream import Observer
    from ldai_openai.apis import Api

__all__ = ["REFUSED", "Request"]

# How a backend says that it knows no `stream_options`.
REFUSED = (BadRequestError, UnprocessableEntityError)


class Request:
    """One measured request: what is sent in the place of the user's options, and what becomes of the answer.

    `begin` begins the call, last of all, for its clock starts there. A stream is asked for its usage if somebody wants
    to know whether the backend refuses that: then `on_refusal` is called.
    """

    def __init__(
        self,
        options: Any,
        api: Api,
        begin: Callable[[], Observer],
        *,
        streamed: bool,
        on_refusal: Callable[[], None] | None = None,
    ) -> None:
        self._answer = Answer(api, streamed=streamed)
        self._was_stopped = False
        # A raw response, which is asked for by a header, is parsed when its user asks for that.
        parses_later = callable(options.post_parser) or bool(options.headers)
        self._own = self._reading_what_is_parsed(options) if parses_later else options
        self._on_refusal = on_refusal
        self._refused = False
        asking = _asking_for_usage(self._own) if streamed and on_refusal is not None else None
        self._asks = asking is not None
        self.options = self._own if asking is None else asking
        if self._asks:
            self._answer.hide = is_usage_only
        self._answer.call = begin()

    def is_refused(self, error: APIStatusError) -> bool:
        """Say whether the backend refused what we added, and not what the user sent; then go on without it."""
        if not self._asks or "stream_options" not in f"{error.message} {error.body}":
            return False
        self._asks = False
        self._refused = True
        self._answer.hide = None
        self.options = self._own
        return True

    def fail(self, error: BaseException) -> None:
        """End the call; a stop at a limit or a filter, which `parse()` raises, is no failure of the model."""
        stopped = isinstance(error, (LengthFinishReasonError, ContentFilterFinishReasonError))
        self._answer.call.end(None if stopped or self._was_stopped else error)

    def follow(self, result: Any) -> Any:
        """Measure what the request returned."""
        if self._refused and self._on_refusal is not None:  # without it the request went well: that was the reason
            self._on_refusal()
        return self._answer.returned(result)

    def _reading_what_is_parsed(self, options: Any) -> Any:
        """Have the answer read when the SDK has parsed it, and before `parse()` goes on with that.

        The tokens are used, whether the text fits or not.
        """
        parse = options.post_parser

        def read_and_parse(result: Any) -> Any:
            result = self._answer.parsed(result)
            if not callable(parse):
                return result
            try:
                return parse(result)
            except Exception:
                self._was_stopped = was_stopped(result)
                raise

        options = copy(options)
        options.post_parser = read_and_parse
        return options


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
