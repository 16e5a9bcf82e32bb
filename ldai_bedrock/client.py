"""The one entry point: a double of the application's client, whose four model operations are measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from functools import partial, update_wrapper
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from ldai_bedrock.body import follow_body
from ldai_bedrock.events import AsyncTrackedEventStream, TrackedEventStream
from ldai_bedrock.readings import read_converse, read_converse_event, read_invoke_event
from ldai_bedrock.usage import field
from ldai_core import Run
from ldai_core.stream import follow, is_stream, measure, measure_async

if TYPE_CHECKING:
    from ldai_core import Call
    from ldai_core.run import Source

__all__ = ["track_bedrock_converse_metrics", "track_bedrock_converse_metrics_async", "wrap_bedrock"]

Client = TypeVar("Client")
T = TypeVar("T")

# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
_OPERATIONS = ("converse", "converse_stream", "invoke_model", "invoke_model_with_response_stream")
_UNMEASURED = "_ldai_unmeasured"


def wrap_bedrock(client: Client, source: Source) -> Client:
    """Return a double of `client` that records an AI run for every request to a model.

    `client` is boto3's for `bedrock-runtime`, or an open one of aioboto3 or aiobotocore. Requests to a model are
    `converse`, `converse_stream`, `invoke_model` and `invoke_model_with_response_stream`; whatever else the client is
    used for passes through unrecorded.

    The double is of the client's own class and shares all that it has; the client itself is not changed. `source` says
    which tracker a request reports to (see `ldai_core.Run`): with a config each request is a run of its own, inside an
    open Run it is a part of that run. Wrapping a wrapped client binds it to the new source.

    Raises TypeError for a client or a source of the wrong kind.
    """
    operations = [name for name in _OPERATIONS if callable(getattr(client, name, None))]
    if not operations or isinstance(client, type) or not hasattr(client, "__dict__"):
        raise TypeError(
            'client: expected a client for "bedrock-runtime", of boto3, or an open one of aioboto3 or aiobotocore,'
            f" got {type(client).__name__}"
        )
    Run(source)  # refuses a wrong source here, rather than at the first request
    unmeasured = vars(client).get(_UNMEASURED, client)
    # Made without its class's help: botocore's clients answer for attributes that are not there yet, and so recurse.
    double: Client = object.__new__(type(client))
    vars(double).update(vars(client))
    vars(double)[_UNMEASURED] = unmeasured
    for name in operations:
        vars(double)[name] = _measured(unmeasured, name, source)
    return double


def track_bedrock_converse_metrics(tracker: Source, func: Callable[[], T]) -> T:
    """Call `func`, and record the Bedrock request that it makes: duration, success, and tokens if there is usage.

    `func` returns a response of `converse`; or one with a stream, of `converse_stream`, or that stream itself, which is
    measured to its end; what comes back is the same, its stream measured. Responses of `invoke_model` and
    `invoke_model_with_response_stream` are measured likewise. When `func` raises, duration and error are recorded, and
    the same exception goes on.

    A second time on the same tracker, `func` is called again and only what was not yet recorded is emitted; for a new
    run, call `create_tracker` on the AI Config.
    """
    return measure(tracker, func, _follow)


async def track_bedrock_converse_metrics_async(tracker: Source, func: Callable[[], Awaitable[T]]) -> T:
    """Record the request that `func` makes, like `track_bedrock_converse_metrics`; `func` returns an awaitable."""
    return await measure_async(tracker, func, _follow)


def _measured(client: Any, name: str, source: Source) -> Callable[..., Any]:
    operation = getattr(client, name)
    begin: Any = measure_async if _is_async(client) or iscoroutinefunction(operation) else measure

    def measured(*args: Any, **kwargs: Any) -> Any:
        if args:  # which are refused before there is a request
            return operation(*args, **kwargs)
        return begin(source, partial(operation, **kwargs), _follow)

    return update_wrapper(measured, operation)


def _is_async(client: Any) -> bool:
    """Tell an aiobotocore client, whose operations are plain functions that return coroutines."""
    return any(base.__module__.startswith("aiobotocore.") for base in type(client).__mro__)


def _follow(call: Call, response: Any) -> Any:
    """Measure what a request returned; what cannot be read is returned as it is, and costs its tokens."""
    try:
        return _follow_shape(call, response)
    except Exception as error:  # noqa: BLE001  # our own reading is no reason to break the call
        call.lose(error)
        call.end()
        return response


def _follow_shape(call: Call, response: Any) -> Any:
    """Measure a response by its shape: a stream or a body to its end, anything else at once."""
    if not isinstance(response, Mapping):
        is_events = _is_events(response)
        return _follow_events(call, response, read_converse_event) if is_events else _follow_any(call, response)
    stream, body = response.get("stream"), response.get("body")
    if stream is not None:
        return _with(response, "stream", _follow_events(call, stream, read_converse_event))
    if body is None:
        return follow(call, response, read_converse)
    if _is_events(body):
        return _with(response, "body", _follow_events(call, body, read_invoke_event))
    headers = field(response.get("ResponseMetadata"), "HTTPHeaders")
    return _with(response, "body", follow_body(call, body, headers if isinstance(headers, Mapping) else {}))


def _follow_any(call: Call, result: Any) -> Any:
    """Measure what is no response of boto3's: an object with the same fields, or the events of a stream."""
    return follow(call, result, read_converse_event if is_stream(result) else read_converse)


def _follow_events(call: Call, events: Any, read: Any) -> Any:
    if is_stream(events) and not _is_events(events):  # an iterator of the application's own
        return follow(call, events, read)
    track: Any = AsyncTrackedEventStream if hasattr(type(events), "__aiter__") else TrackedEventStream
    return track(events, call, read)


def _is_events(body: Any) -> bool:
    """Tell an event stream, of botocore or aiobotocore, which has no base in common with other streams."""
    return hasattr(type(body), "get_initial_response")


def _with(response: Any, name: str, value: Any) -> Any:
    """Put what is measured into a copy, for whoever has got hold of the response before us."""
    if response[name] is value:
        return response
    response = copy(response)
    response[name] = value
    return response
