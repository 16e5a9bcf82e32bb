"""The one entry point: a copy of the application's client, whose requests are measured."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from copy import copy
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

try:
    from openai import AsyncOpenAI, OpenAI
except ImportError as error:
    raise ImportError('ldai_openai needs the openai package: pip install "ldai-adapters[openai]"') from error

from ldai_core import Run
from ldai_core.arguments import check_type
from ldai_core.run import begin_call
from ldai_core.stream import is_stream, measure, measure_async
from ldai_openai.answer import Answer
from ldai_openai.apis import ANY, RESPONSES, api_of, in_body, response_id_of
from ldai_openai.background import Pending, ResponseCall
from ldai_openai.request import REFUSED, Request

if TYPE_CHECKING:
    from ldai_core.run import Call, Source
    from ldai_core.stream import Observer

__all__ = ["track_openai_metrics", "track_openai_metrics_async", "wrap_openai"]

_log = logging.getLogger(__name__)

Client = TypeVar("Client", bound=OpenAI | AsyncOpenAI)
T = TypeVar("T")
_ENTERED = frozenset({"__enter__", "__aenter__"})
_RAW_VIEWS = frozenset({"with_raw_response", "with_streaming_response"})

Begin = Callable[[Any, Mapping[str, Any]], Request | None]


class _Shared:
    """What all wrapped copies of one client share, those for other sources too."""

    def __init__(self) -> None:
        self.refusals: set[tuple[str, str]] = set()  # the base URLs and models that refused `stream_options`
        self.pending = Pending()


_SHARED: WeakKeyDictionary[OpenAI | AsyncOpenAI, _Shared] = WeakKeyDictionary()


def wrap_openai(client: Client, source: Source, *, include_usage: bool = True) -> Client:
    """Return a copy of `client` that records an AI run for every generation, plain, streamed or raw.

    Generations are the requests to `chat.completions`, `responses` and the legacy `completions`: `create`, `parse` and
    `stream`, also through `with_raw_response` and `with_streaming_response`. Whatever else the client is used for
    (embeddings, files, models, ...) passes through unrecorded; see `track_openai_metrics`.

    The copy is of the client's own class and shares its connections; the client itself is not changed. `source` says
    which tracker a request reports to (see `ldai_core.Run`): with a config each request is a run of its own, inside an
    open Run it is a part of that run. Wrapping a wrapped client binds it to the new source.

    A stream reports its usage only when it is asked to: unless `include_usage` is False, or the request says itself
    what it wants, `stream_options.include_usage` is added, and the chunk that it brings is not handed on. A backend
    that refuses it (400 or 422 that names it) is sent the same request once more without, and is not asked again.
    Source: https://platform.openai.com/docs/api-reference/chat/create#chat_create-stream_options

    A response in the background is recorded when `responses.retrieve` or `cancel`, through any wrapped copy of this
    client, first sees that it has ended; 1,000 of them may be pending at a time.
    Source: https://platform.openai.com/docs/guides/background

    Raises TypeError for a client or a source of the wrong kind.
    """
    check_type("client", client, (OpenAI, AsyncOpenAI), "an openai.OpenAI or openai.AsyncOpenAI client")
    check_type("include_usage", include_usage, bool, "a bool")
    Run(source)  # refuses a wrong source here, rather than at the first request
    return _measured(client, source, _shared_by(client), include_usage=include_usage)


def track_openai_metrics(tracker: Source, func: Callable[[], T]) -> T:
    """Call `func`, and record the OpenAI request that it makes: duration, success, and tokens if there is usage.

    `func` returns a response of any kind (an embedding, an image, a transcription, ...), raw or not, or a stream, which
    is measured to its end. When it raises, duration and error are recorded, and the same exception goes on. A response
    that is still in the background reports nothing, and neither does a `stream()` manager, which has made no request.

    A second time on the same tracker, `func` is called again and only what was not yet recorded is emitted; for a new
    run, call `create_tracker` on the AI Config. A stream of chat has usage only if the request asks for it with
    `stream_options`, which `wrap_openai` does by itself.
    """
    return measure(tracker, func, _follow)


async def track_openai_metrics_async(tracker: Source, func: Callable[[], Awaitable[T]]) -> T:
    """Record the OpenAI request that `func` makes, like `track_openai_metrics`; `func` returns an awaitable."""
    return await measure_async(tracker, func, _follow)


def _follow(call: Call, result: Any) -> Any:
    kind = type(result)
    if kind.__module__.startswith("openai.") and not is_stream(result) and _ENTERED & set(dir(kind)):
        _log.warning("track_openai_metrics: a %s has made no request yet, and is not measured.", kind.__name__)
        call.withdraw()
        return result
    answer = Answer(ANY)
    answer.call = ResponseCall(call, None)
    return answer.returned(result)


def _measured(client: Client, source: Source, shared: _Shared, *, include_usage: bool) -> Client:
    """Copy a client, and override on the copy the method that every form of call passes through once, and copying."""
    client = _unmeasured_copy(client)

    def begin(options: Any, kwargs: Mapping[str, Any]) -> Request | None:
        streamed = bool(kwargs.get("stream"))
        api = api_of(options)
        if api is None:
            waiting = shared.pending.get(response_id_of(options))
            return None if waiting is None else Request(options, RESPONSES, lambda: waiting, streamed=streamed)

        def begin_this() -> Observer:
            call = begin_call(source)
            if api is not RESPONSES:
                return call
            background = bool(in_body(options, "background"))
            return call if streamed and not background else ResponseCall(call, shared.pending, background=background)

        on_refusal = None
        if include_usage and streamed and api.asks:
            model = in_body(options, "model")
            backend = (str(client.base_url), model if isinstance(model, str) else "")
            on_refusal = None if backend in shared.refusals else partial(shared.refusals.add, backend)
        return Request(options, api, begin_this, streamed=streamed, on_refusal=on_refusal)

    def then_measured(make_copy: Any) -> Callable[..., Client]:
        return lambda **options: _measured(make_copy(**options), source, shared, include_usage=include_usage)

    measure: Any = _measuring_async if isinstance(client, AsyncOpenAI) else _measuring
    overrides: dict[str, Any] = {
        "request": measure(client.request, begin),
        "copy": then_measured(client.copy),
        "with_options": then_measured(client.with_options),
    }
    for name, override in overrides.items():
        override.__wrapped__ = getattr(client, name)
    vars(client).update(overrides)
    with suppress(TypeError):  # a class of the application's own that cannot be hashed
        _SHARED[client] = shared
    return client


def _shared_by(client: OpenAI | AsyncOpenAI) -> _Shared:
    try:
        return _SHARED.setdefault(client, _Shared())
    except TypeError:  # likewise: every wrap of it is on its own
        return _Shared()


def _measuring(send: Any, begin: Begin) -> Callable[..., Any]:
    # Any: the SDK's signature differs between its versions, and everything is handed on.
    def request(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        measured = begin(options, kwargs)
        if measured is None:
            return send(cast_to, options, *args, **kwargs)
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
        measured = begin(options, kwargs)
        if measured is None:
            return await send(cast_to, options, *args, **kwargs)
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


def _unmeasured_copy(client: Client) -> Client:
    """Copy a client as it is, with whatever state its class has, and without what is bound to that one client.

    That is our own overrides, if it is wrapped, and its resources (`chat`, `responses`): made when they are asked for,
    or, in the first releases that are supported, at once.
    """
    twin = copy(client)
    state = vars(twin)
    kind: Any = type(client)  # Any: mypy has no hashable classes of a type variable
    when_asked = _made_when_asked_for(kind)
    for name, value in list(state.items()):
        resource = type(value).__module__.startswith("openai.")
        if getattr(value, "__module__", None) == __name__:  # an override of ours, over the class's or one of their own
            del state[name]
            if getattr(value.__wrapped__, "__self__", None) is not client:
                state[name] = value.__wrapped__
        elif name in when_asked and resource:
            del state[name]
        elif resource and getattr(value, "_client", None) is client:
            state[name] = type(value)(twin)  # pragma: no cover  # newer releases make them when they are asked for
    for name in _RAW_VIEWS & state.keys():  # which stand on those
        state[name] = type(state[name])(twin)  # pragma: no cover  # likewise
    return twin


@lru_cache(maxsize=16)
def _made_when_asked_for(kind: type) -> frozenset[str]:
    attributes = ((name, value) for base in kind.__mro__ for name, value in vars(base).items())
    return frozenset(name for name, value in attributes if isinstance(value, cached_property))
