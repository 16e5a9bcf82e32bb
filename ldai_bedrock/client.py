"""The one entry point: a double of the application's client, whose four model operations are measured."""

from __future__ import annotations

from functools import partial, update_wrapper
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVar

from ldai_bedrock.answer import follow_any, follow_body_in, follow_events_in, follow_response
from ldai_core import Run
from ldai_core.stream import measure, measure_async, measure_ordinary

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core.run import Source
    from ldai_core.stream import Follow

__all__ = ["track_bedrock_converse_metrics", "track_bedrock_converse_metrics_async", "wrap_bedrock"]

Client = TypeVar("Client")
T = TypeVar("T")

# Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
_OPERATIONS: dict[str, Follow] = {
    "converse": follow_response,
    "converse_stream": partial(follow_events_in, "stream"),
    "invoke_model": follow_body_in,
    "invoke_model_with_response_stream": partial(follow_events_in, "body"),
}
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
    wrong = TypeError(
        'client: expected a client for "bedrock-runtime", of boto3, or an open one of aioboto3 or aiobotocore,'
        f" got {type(client).__name__}"
    )
    if not operations or isinstance(client, type) or not hasattr(client, "__dict__"):
        raise wrong
    Run(source)  # refuses a wrong source here, rather than at the first request
    # Made without its class's help: botocore's clients answer for attributes that are not there yet, and so recurse.
    # The class is that which a proxy stands for.
    try:
        double: Client = object.__new__(client.__class__)
    except TypeError:
        raise wrong from None
    unmeasured = vars(client).get(_UNMEASURED, client)
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
    return measure(tracker, func, follow_any)


async def track_bedrock_converse_metrics_async(tracker: Source, func: Callable[[], Awaitable[T]]) -> T:
    """Record the request that `func` makes, like `track_bedrock_converse_metrics`; `func` returns an awaitable."""
    return await measure_async(tracker, func, follow_any)


def _measured(client: Any, name: str, source: Source) -> Callable[..., Any]:
    follow = _OPERATIONS[name]
    is_async = _is_async(client) or iscoroutinefunction(getattr(client, name))
    begin: Any = measure_async if is_async else measure_ordinary

    def measured(*args: Any, **kwargs: Any) -> Any:
        operation = getattr(client, name)  # as it is now, for it may have been replaced
        if args:  # which are refused before there is a request
            return operation(*args, **kwargs)
        return begin(source, partial(operation, **kwargs), follow)

    return update_wrapper(measured, getattr(client, name))


def _is_async(client: Any) -> bool:
    """Tell an aiobotocore client, whose operations are plain functions that return coroutines."""
    return any(base.__module__.startswith("aiobotocore.") for base in client.__class__.__mro__)
