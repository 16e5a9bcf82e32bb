"""What a request returns, measured: at once, or to the end of the stream or the body in it.

Other instruments may stand between us and botocore, with proxies, generators or classes of their own; so a stream is
whatever can be read by a loop, and a body whatever has a `read`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import wraps
from typing import TYPE_CHECKING, Any

from ldai_bedrock.body import follow_body, is_body
from ldai_bedrock.events import AsyncTrackedEventStream, TrackedEventStream
from ldai_bedrock.readings import read_converse, read_event
from ldai_bedrock.usage import field
from ldai_core.stream import follow, is_stream, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import Call

__all__ = ["follow_any", "follow_body_in", "follow_events_in", "follow_response"]


def _harmless(follow: Callable[..., Any]) -> Callable[..., Any]:
    """Return what cannot be followed as it is; that costs its tokens."""

    @wraps(follow)
    def following(*args: Any) -> Any:
        try:
            return follow(*args)
        except Exception as error:  # noqa: BLE001  # our own reading is no reason to break the call
            call, response = args[-2:]
            call.lose(error)
            call.end()
            return response

    return following


@_harmless
def follow_response(call: Call, response: Any) -> Any:
    """Read what came at once."""
    read_whole(call, read_converse, response)
    call.end()
    return response


@_harmless
def follow_events_in(name: str, call: Call, response: Any) -> Any:
    """Measure the stream in a response to its end."""
    events = field(response, name)
    if events is None:
        return follow_response(call, response)
    return _with(response, name, _follow_events(call, events))


@_harmless
def follow_body_in(call: Call, response: Any) -> Any:
    """Measure the body in a response to its end."""
    headers = field(field(response, "ResponseMetadata"), "HTTPHeaders")
    body = field(response, "body")
    return _with(response, "body", follow_body(call, body, headers if isinstance(headers, Mapping) else {}))


@_harmless
def follow_any(call: Call, result: Any) -> Any:
    """Measure a response of any operation, by its shape, or the stream or the body that was in it."""
    if isinstance(result, Mapping):
        if result.get("stream") is not None:
            return follow_events_in("stream", call, result)
        body = result.get("body")
        if body is None:
            return follow_response(call, result)
        return follow_body_in(call, result) if is_body(body) else follow_events_in("body", call, result)
    if _is_events(result) or is_stream(result):
        return follow_body(call, result, {}) if is_body(result) else _follow_events(call, result)
    return follow_response(call, result)


def _follow_events(call: Call, events: Any) -> Any:
    kind = events.__class__  # that which a proxy stands for
    if _is_events(events):
        return (AsyncTrackedEventStream if hasattr(kind, "__aiter__") else TrackedEventStream)(events, call, read_event)
    if is_stream(events):
        return follow(call, events, read_event)
    is_sequence = isinstance(events, Sequence)
    if not is_sequence and hasattr(kind, "__iter__"):
        return TrackedEventStream(events, call, read_event)
    if not is_sequence and hasattr(kind, "__aiter__"):
        return AsyncTrackedEventStream(events, call, read_event)
    for event in events if is_sequence else ():  # all of them are there
        read_whole(call, read_event, event)
    call.end()
    return events


def _is_events(value: Any) -> bool:
    """Tell an event stream of botocore or aiobotocore, which has no base in common with other streams."""
    return hasattr(value.__class__, "get_initial_response")


def _with(response: Any, name: str, value: Any) -> Any:
    """Put what is measured into a copy, for whoever has got hold of the response before us."""
    if field(response, name) is value:
        return response
    response = copy(response) if isinstance(response, dict) else dict(response)
    response[name] = value
    return response
