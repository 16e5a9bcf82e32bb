"""The one entry point: a copy of the application's client, whose requests are measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

try:
    from openai import AsyncOpenAI, OpenAI
except ImportError as error:
    raise ImportError('ldai_openai needs the openai package: pip install "ldai-adapters[openai]"') from error

from ldai_core import Run, track_metrics_of, track_metrics_of_async
from ldai_core.arguments import check_type
from ldai_core.run import begin_call
from ldai_openai.readings import read_openai
from ldai_openai.request import REFUSED, Request, is_measured

if TYPE_CHECKING:
    from ldai_core.run import Source

__all__ = ["track_openai_metrics", "track_openai_metrics_async", "wrap_openai"]

Client = TypeVar("Client", bound=OpenAI | AsyncOpenAI)
T = TypeVar("T")
Begin = Callable[[Any, Mapping[str, Any]], Request]

# The backends (base URL and model) that have refused `stream_options`, for a client and all copies of it.
_REFUSALS: WeakKeyDictionary[OpenAI | AsyncOpenAI, set[tuple[str, str]]] = WeakKeyDictionary()


def wrap_openai(client: Client, source: Source, *, include_usage: bool = True) -> Client:
    """Return a copy of `client` that records an AI run for every chat completion, plain or streamed.

    The copy is of the client's own class and shares its connections; the client itself is not changed. `source` says
    which tracker a request reports to (see `ldai_core.Run`): with a config each request is a run of its own, inside an
    open Run it is a part of that run. Wrapping a wrapped client binds it to the new source.

    A stream reports its usage only when it is asked to: unless `include_usage` is False, or the request says itself
    what it wants, `stream_options.include_usage` is added, and the chunk that it brings is not handed on. A backend
    that refuses it (400 or 422 that names it) is sent the same request once more without, and is not asked again.
    Source: https://platform.openai.com/docs/api-reference/chat/create#chat_create-stream_options

    Whatever is not a chat completion passes through unrecorded, and so do raw responses. Raises TypeError for a
    client or a source of the wrong kind.
    """
    check_type("client", client, (OpenAI, AsyncOpenAI), "an openai.OpenAI or openai.AsyncOpenAI client")
    check_type("include_usage", include_usage, bool, "a bool")
    Run(source)  # refuses a wrong source here, rather than at the first request
    return _measured(_unmeasured_copy(client), client, source, include_usage=include_usage)


def track_openai_metrics(tracker: Source, func: Callable[[], T]) -> T:
    """Call `func`, and record the OpenAI request that it makes: duration, success, and tokens if there is usage.

    `func` returns a response or a stream, which is measured to its end. When it raises, duration and error are
    recorded, and the same exception goes on. A second time on the same tracker, `func` is called again and only what
    was not yet recorded is emitted; for a new run, call `create_tracker` on the AI Config. A stream has usage only if
    the request asks for it with `stream_options`, which `wrap_openai` does by itself.
    """
    return track_metrics_of(tracker, read_openai, func)


async def track_openai_metrics_async(tracker: Source, func: Callable[[], Awaitable[T]]) -> T:
    """Record the OpenAI request that `func` makes, like `track_openai_metrics`; `func` returns an awaitable."""
    return await track_metrics_of_async(tracker, read_openai, func)


def _measured(client: Client, original: Client, source: Source, *, include_usage: bool) -> Client:
    """Override, on this one client, the method that every form of call passes through once, and the copying."""
    refusals = _refusals_of(original, client)

    def begin(options: Any, kwargs: Mapping[str, Any]) -> Request:
        body = options.json_data
        backend = (str(client.base_url), str(body.get("model")) if isinstance(body, Mapping) else "")
        ask = include_usage and bool(kwargs.get("stream")) and backend not in refusals
        measured = Request(options, ask=ask, on_refusal=lambda: refusals.add(backend))
        measured.call = begin_call(source)
        return measured

    def copy_measured(**kwargs: Any) -> Client:
        return _measured(_unmeasured_copy(client, **kwargs), client, source, include_usage=include_usage)

    measure = _measuring_async if isinstance(client, AsyncOpenAI) else _measuring
    overrides = {"request": measure(client.request, begin), "copy": copy_measured, "with_options": copy_measured}
    vars(client).update(overrides)
    return client


def _refusals_of(original: Client, client: Client) -> set[tuple[str, str]]:
    try:
        refusals = _REFUSALS.setdefault(original, set())
        _REFUSALS[client] = refusals
    except TypeError:  # a class of the application's own that cannot be hashed: it is asked anew by every wrap
        return set()
    return refusals


def _measuring(send: Any, begin: Begin) -> Callable[..., Any]:
    # Any: the SDK's signature differs between its versions, and everything is handed on.
    def request(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_measured(options):
            return send(cast_to, options, *args, **kwargs)
        measured = begin(options, kwargs)
        try:
            try:
                return measured.follow(send(cast_to, measured.options, *args, **kwargs))
            except REFUSED as error:
                if not measured.is_refused(error):
                    raise
            return measured.follow(send(cast_to, measured.options, *args, **kwargs))
        except BaseException as error:
            measured.fail(error)
            raise

    return request


def _measuring_async(send: Any, begin: Begin) -> Callable[..., Any]:
    async def request(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_measured(options):
            return await send(cast_to, options, *args, **kwargs)
        measured = begin(options, kwargs)
        try:
            try:
                return measured.follow(await send(cast_to, measured.options, *args, **kwargs))
            except REFUSED as error:
                if not measured.is_refused(error):
                    raise
            return measured.follow(await send(cast_to, measured.options, *args, **kwargs))
        except BaseException as error:
            measured.fail(error)
            raise

    return request


def _unmeasured_copy(client: Client, **options: Any) -> Client:
    # The class's own method: that of a client wrapped before would measure for the old source.
    make_copy: Any = type(client).copy
    return make_copy(client, **options)  # type: ignore[no-any-return]
