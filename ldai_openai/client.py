"""The one entry point: a copy of the application's client, whose requests are measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar

try:
    from openai import AsyncOpenAI, ContentFilterFinishReasonError, LengthFinishReasonError, OpenAI
except ImportError as error:
    raise ImportError('ldai_openai needs the openai package: pip install "ldai-adapters[openai]"') from error

from ldai_core import Run, track_metrics_of, track_metrics_of_async
from ldai_core.arguments import check_type
from ldai_core.run import begin_call
from ldai_core.stream import follow
from ldai_openai.readings import is_usage_only, read_chat_chunk, read_chat_completion, read_openai

if TYPE_CHECKING:
    from ldai_core.run import Call, Source

__all__ = ["track_openai_metrics", "track_openai_metrics_async", "wrap_openai"]

Client = TypeVar("Client", bound=OpenAI | AsyncOpenAI)
T = TypeVar("T")

_RAW_RESPONSE = "X-Stainless-Raw-Response"


def wrap_openai(client: Client, source: Source, *, include_usage: bool = True) -> Client:
    """Return a copy of `client` that records an AI run for every chat completion, plain or streamed.

    The copy is of the client's own class and shares its connections; the client itself is not changed. `source` says
    which tracker a request reports to (see `ldai_core.Run`): with a config each request is a run of its own, inside an
    open Run it is a part of that run. Wrapping a wrapped client binds it to the new source.

    A stream reports its usage only when it is asked to: unless `include_usage` is False, or the request says itself
    what it wants, `stream_options.include_usage` is added, and the chunk that it brings is not handed on.
    Source: https://platform.openai.com/docs/api-reference/chat/create#chat_create-stream_options

    Whatever is not a chat completion passes through unrecorded, and so do raw responses. Raises TypeError for a
    client or a source of the wrong kind.
    """
    check_type("client", client, (OpenAI, AsyncOpenAI), "an openai.OpenAI or openai.AsyncOpenAI client")
    check_type("include_usage", include_usage, bool, "a bool")
    Run(source)  # refuses a wrong source here, rather than at the first request
    return _measured(_unmeasured_copy(client), source, include_usage=include_usage)


def track_openai_metrics(tracker: Source, func: Callable[[], T]) -> T:
    """Call `func`, and record the OpenAI request that it makes: duration, success, and tokens if there is usage.

    `func` returns a response or a stream, which is measured to its end. When it raises, duration and error are
    recorded, and the same exception goes on. A second time on the same tracker, `func` is called again and only what
    was not yet recorded is emitted; for a new run, call `create_tracker` on the AI Config.
    """
    return track_metrics_of(tracker, read_openai, func)


async def track_openai_metrics_async(tracker: Source, func: Callable[[], Awaitable[T]]) -> T:
    """Record the OpenAI request that `func` makes, like `track_openai_metrics`; `func` returns an awaitable."""
    return await track_metrics_of_async(tracker, read_openai, func)


def _measured(client: Client, source: Source, *, include_usage: bool) -> Client:
    """Override, on this one client, the method that every form of call passes through once, and the copying."""
    # Any: the SDK's signature differs between its versions, and everything is handed on.
    send: Any = client.request

    def request(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_chat_completion(options):
            return send(cast_to, options, *args, **kwargs)
        options, hide = _ask_for_usage(options, kwargs) if include_usage else (options, None)
        call = begin_call(source)
        try:
            result = send(cast_to, _read_before_parsing(options, call), *args, **kwargs)
        except BaseException as error:
            call.end(_failure(error))
            raise
        return follow(call, result, read_chat_completion, read_chat_chunk, hide=hide)

    async def request_async(cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_chat_completion(options):
            return await send(cast_to, options, *args, **kwargs)
        options, hide = _ask_for_usage(options, kwargs) if include_usage else (options, None)
        call = begin_call(source)
        try:
            result = await send(cast_to, _read_before_parsing(options, call), *args, **kwargs)
        except BaseException as error:
            call.end(_failure(error))
            raise
        return follow(call, result, read_chat_completion, read_chat_chunk, hide=hide)

    def copy_measured(**kwargs: Any) -> Client:
        return _measured(_unmeasured_copy(client, **kwargs), source, include_usage=include_usage)

    overrides: dict[str, Any] = {
        "request": request_async if isinstance(client, AsyncOpenAI) else request,
        "copy": copy_measured,
        "with_options": copy_measured,
    }
    vars(client).update(overrides)
    return client


def _unmeasured_copy(client: Client, **options: Any) -> Client:
    # The class's own method: that of a client wrapped before would measure for the old source.
    make_copy: Any = type(client).copy
    return make_copy(client, **options)  # type: ignore[no-any-return]


def _is_chat_completion(options: Any) -> bool:
    if options.method != "post" or not str(options.url).endswith("/chat/completions"):
        return False
    headers = options.headers
    return not (isinstance(headers, Mapping) and headers.get(_RAW_RESPONSE))


def _ask_for_usage(options: Any, kwargs: Mapping[str, Any]) -> tuple[Any, Callable[[Any], bool] | None]:
    """Ask a stream for its usage, in a copy of the options; and tell which chunk is then to be kept from the user."""
    body = options.json_data
    if not kwargs.get("stream") or not isinstance(body, Mapping) or "stream_options" in (options.extra_json or ()):
        return options, None
    asked = body.get("stream_options") or {}
    if not isinstance(asked, Mapping) or "include_usage" in asked:
        return options, None
    options = copy(options)
    options.json_data = {**body, "stream_options": {**asked, "include_usage": True}}
    return options, is_usage_only


def _read_before_parsing(options: Any, call: Call) -> Any:
    """Have what `parse()` is about to parse read first: the tokens are used, whether its text fits or not."""
    parse = options.post_parser
    if not callable(parse):
        return options

    def read_and_parse(response: Any) -> Any:
        call.read(read_chat_completion, response)
        return parse(response)

    options = copy(options)
    options.post_parser = read_and_parse
    return options


def _failure(error: BaseException) -> BaseException | None:
    """Tell a failure from a stop at a limit or a filter, which `parse()` raises: the model did what it was asked."""
    return None if isinstance(error, (LengthFinishReasonError, ContentFilterFinishReasonError)) else error
