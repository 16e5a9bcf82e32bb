"""The rows of the table in docs/openai.md: what is done to bring each about, by a client of either kind."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from inspect import isawaitable, signature
from typing import TYPE_CHECKING, Any

from openai import APITimeoutError

from ldai_core import Run
from ldai_openai import wrap_openai
from tests.openai.expected import PROVIDER_ERRORS, SILENT, helpers, turns
from tests.openai.scenarios import REQUESTS, SEARCH, resource
from tests.servers.openai import (
    Answer,
    Failure,
    Step,
    Stream,
    chunk,
    chunks,
    completion,
    text_completion,
    texts,
    tool_call,
)
from tests.servers.responses import background_stream, function_call, hosted_call, response, response_stream

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from tests.servers.openai import ScriptedOpenAI

__all__ = ["CASES", "Bench", "Case"]

ALL = ("chat", "completions", "responses")
WITH_TOOLS = ("chat", "responses")
RESPONSES = ("responses",)

PLAIN = {"chat": Answer(completion()), "completions": Answer(text_completion()), "responses": Answer(response())}
STREAMS = {
    "chat": Stream(chunks("Hel", "lo"), usage=(9, 3)),
    "completions": Stream(texts("Hel", "lo"), usage=(9, 3)),
    "responses": response_stream(),
}
BACKGROUND = {"extra_body": {"background": True}}  # which `create` has not always known
FIRST_TEXT = {"chat": 1, "completions": 0, "responses": 4}  # the place of the first text in these


class OwnError(Exception):
    """The application's own."""


async def value(result: Any) -> Any:
    """Wait for what an async client returns, and take what the other one does."""
    return await result if isawaitable(result) else result


@dataclass
class Bench:
    """What a case works with; its methods do the same with either kind of client."""

    server: ScriptedOpenAI
    wrap: Callable[..., Any]
    api: str
    config: AIConfig

    async def create(self, *steps: Step, **extra: Any) -> Any:
        """Make a request that is answered by these steps."""
        self.server.script(*steps)
        return await value(resource(self.wrap(), self.api).create(**REQUESTS[self.api], **extra))

    async def fail(self, *steps: Step, **extra: Any) -> None:
        """Make a request that fails."""
        try:
            await self.create(*steps, **extra)
        except PROVIDER_ERRORS:
            return
        raise AssertionError("it did not fail")

    async def stream(self, step: Step | None = None) -> Any:
        """Begin a stream, of two pieces of text if nothing else is said."""
        return await self.create(step or STREAMS[self.api], stream=True)

    def is_text(self, item: Any) -> bool:
        """Say whether an item of a stream brings text."""
        if self.api == "responses":
            return bool(item.type == "response.output_text.delta")
        if self.api == "completions":
            return bool(item.choices[0].text)
        return bool(item.choices[0].delta.content)

    async def read(
        self, stream: Any, *, until: Callable[[Any], bool] | None = None, error: Exception | None = None
    ) -> None:
        """Read a stream by a loop: to its end, or until it is broken off, or left by an exception."""

        def is_enough(item: Any) -> bool:
            if until is None or not until(item):
                return False
            if error is not None:
                raise error
            return True

        if hasattr(stream, "__aiter__"):
            async for item in stream:
                if is_enough(item):
                    break
            await turns()
        else:
            for item in stream:
                if is_enough(item):
                    break

    async def step_to_text(self, stream: Any) -> None:
        """Take items one by one until the first text."""
        while not self.is_text(await value(step(stream))):
            pass

    async def enter(self, stack: AsyncExitStack, manager: Any) -> Any:
        """Enter a `with` of either kind."""
        if hasattr(manager, "__aenter__"):
            return await stack.enter_async_context(manager)
        return stack.enter_context(manager)

    def raw(self, **extra: Any) -> Any:
        """Make a request through `with_raw_response`."""
        return value(resource(self.wrap(), self.api).with_raw_response.create(**REQUESTS[self.api], **extra))

    def streaming(self, **extra: Any) -> Any:
        """Make the manager of a request through `with_streaming_response`."""
        return resource(self.wrap(), self.api).with_streaming_response.create(**REQUESTS[self.api], **extra)

    def manager(self) -> Any:
        """Make a `stream()` manager."""
        client = self.wrap()
        helper = helpers(client) if self.api == "chat" else client.responses
        return helper.stream(**REQUESTS[self.api])


def step(stream: Any) -> Any:
    """Ask a stream of either kind for its next item."""
    return anext(stream) if hasattr(stream, "__anext__") else next(stream)


Run_ = Callable[[Bench], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """How a row comes about, and with which APIs."""

    run: Run_
    apis: tuple[str, ...] = ALL
    needs: str = ""

    def exists(self, client: Any, api: str) -> bool:
        """Say whether this release of openai has the method of `responses` that it needs."""
        if self.needs == "resume":
            return "starting_after" in signature(client.responses.retrieve).parameters
        return not self.needs or api == "chat" or hasattr(client.responses, self.needs)


CASES: dict[str, Case] = {}


def case(row: str, apis: tuple[str, ...] = ALL, *, needs: str = "") -> Callable[[Run_], Run_]:
    """Tell which row a function brings about."""

    def add(run: Run_) -> Run_:
        CASES[row] = Case(run, apis, needs)
        return run

    return add


@case("response returned")
async def _(bench: Bench) -> None:
    await bench.create(PLAIN[bench.api])


@case("response returned without usage")
async def _(bench: Bench) -> None:
    without: dict[str, Any] = {
        "chat": completion(usage=None),
        "completions": text_completion(usage=None),
        "responses": response(usage=None),
    }
    await bench.create(Answer(without[bench.api]))


@case("response asks for two tools", WITH_TOOLS)
async def _(bench: Bench) -> None:
    asked = {
        "chat": completion(None, tool_calls=[SEARCH, {**SEARCH, "id": "call_2"}], finish_reason="tool_calls"),
        "responses": response(function_call("search"), hosted_call("web_search_call", id="ws_1")),
    }
    await bench.create(Answer(asked[bench.api]))


@case("response stopped at its length")
async def _(bench: Bench) -> None:
    stopped = {
        "chat": completion("Hel", finish_reason="length"),
        "completions": text_completion("Hel", finish_reason="length"),
        "responses": response(status="incomplete"),
    }
    await bench.create(Answer(stopped[bench.api]))


@case("response says that it failed", RESPONSES)
async def _(bench: Bench) -> None:
    await bench.create(Answer(response(status="failed")))


@case("response says that it was cancelled", RESPONSES)
async def _(bench: Bench) -> None:
    await bench.create(Answer(response(status="cancelled")))


@case("status 200 with an error in it")
async def _(bench: Bench) -> None:
    await bench.create(Answer({"error": {"message": "overloaded"}}))


@case("status 200 with a page that is no JSON")
async def _(bench: Bench) -> None:
    await bench.create(Answer("<html>", headers=(("content-type", "text/html"),)))


@case("status 400")
async def _(bench: Bench) -> None:
    await bench.fail(Failure(400))


@case("status 500, then a response")
async def _(bench: Bench) -> None:
    bench.server.script(Failure(500, headers=(("retry-after-ms", "1"),)), PLAIN[bench.api])
    client = bench.wrap().with_options(max_retries=1)
    await value(resource(client, bench.api).create(**REQUESTS[bench.api]))
    assert len(bench.server.requests) == 2


@case("no answer within the timeout")
async def _(bench: Bench) -> None:
    with suppress(APITimeoutError):
        await bench.create(SILENT, timeout=0.05)
        raise AssertionError("it did not time out")


@case("stream read to its end")
async def _(bench: Bench) -> None:
    await bench.read(await bench.stream())


@case("stream read by `next` to its end")
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    with suppress(StopIteration, StopAsyncIteration):
        while True:
            await value(step(stream))


@case("stream read to its end, `include_usage=False`", ("chat", "completions"))
async def _(bench: Bench) -> None:
    bench.server.script(STREAMS[bench.api])
    client = bench.wrap(include_usage=False)
    await bench.read(await value(resource(client, bench.api).create(**REQUESTS[bench.api], stream=True)))


@case("stream asks for two tools", WITH_TOOLS)
async def _(bench: Bench) -> None:
    calls = [*tool_call("search", "{", "}"), *tool_call("search", "{}", id="call_2", index=1)]
    asked = {
        "chat": Stream(chunks(*calls, finish_reason="tool_calls"), usage=(9, 3)),
        "responses": response_stream(function_call("search", "{}"), hosted_call("web_search_call", id="ws_1")),
    }
    await bench.read(await bench.stream(asked[bench.api]))


@case("stream of empty chunks")
async def _(bench: Bench) -> None:
    empty = {
        "chat": Stream([chunk({"role": "assistant", "content": ""}), chunk({}, finish_reason="stop")], usage=(9, 3)),
        "completions": Stream(texts(""), usage=(9, 3)),
        "responses": response_stream(pieces=("",)),
    }
    await bench.read(await bench.stream(empty[bench.api]))


@case("stream broken off at its first text")
async def _(bench: Bench) -> None:
    bench.kept = stream = await bench.stream()  # type: ignore[attr-defined]  # still referenced when it is reported
    await bench.read(stream, until=bench.is_text)


@case("stream closed at its first text")
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    await bench.step_to_text(stream)
    await value(stream.close())


@case("stream left by its `with` at its first text")
async def _(bench: Bench) -> None:
    async with AsyncExitStack() as stack:
        await bench.step_to_text(await bench.enter(stack, await bench.stream()))


@case("stream left by your exception at its first text")
async def _(bench: Bench) -> None:
    with suppress(OwnError):
        async with AsyncExitStack() as stack:
            await bench.read(await bench.enter(stack, await bench.stream()), until=bench.is_text, error=OwnError())
        raise AssertionError("the exception did not go on")


@case("stream dropped at its first text")
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    await bench.step_to_text(stream)
    del stream
    gc.collect()


@case("stream closed unread")
async def _(bench: Bench) -> None:
    await value((await bench.stream()).close())


@case("stream cut by the provider after its first text")
async def _(bench: Bench) -> None:
    stream = await bench.stream(replace(STREAMS[bench.api], cut_after=FIRST_TEXT[bench.api] + 1))
    await fails(bench, stream)


@case("stream ends with an error event")
async def _(bench: Bench) -> None:
    begun = STREAMS[bench.api].chunks[: FIRST_TEXT[bench.api] + 1]
    if bench.api == "responses":
        error = {"type": "error", "code": "server_error", "message": "overloaded", "param": None, "sequence_number": 9}
        await bench.read(await bench.stream(Stream([*begun, error], done=False)))
    else:
        await fails(bench, await bench.stream(Stream(begun, error={"message": "overloaded"})))


@case("stream says that it failed", RESPONSES)
async def _(bench: Bench) -> None:
    await bench.read(await bench.stream(response_stream(status="failed")))


@case("stream says that it is incomplete", RESPONSES)
async def _(bench: Bench) -> None:
    await bench.read(await bench.stream(response_stream(status="incomplete")))


@case("`stream()` read to its end", WITH_TOOLS, needs="stream")
async def _(bench: Bench) -> None:
    async with AsyncExitStack() as stack:
        await bench.read(await bench.enter(stack, bench.manager()))


@case("`stream()` left at its first text", WITH_TOOLS, needs="stream")
async def _(bench: Bench) -> None:
    async with AsyncExitStack() as stack:
        events = await bench.enter(stack, bench.manager())
        await bench.read(events, until=lambda event: event.type.endswith(".delta") and bool(event.delta))


@case("`stream()` never entered", WITH_TOOLS, needs="stream")
async def _(bench: Bench) -> None:
    bench.manager()


@case("raw response returned")
async def _(bench: Bench) -> None:
    bench.server.script(PLAIN[bench.api])
    await bench.raw()


@case("raw response read by `with_streaming_response`")
async def _(bench: Bench) -> None:
    bench.server.script(PLAIN[bench.api])
    async with AsyncExitStack() as stack:
        await value((await bench.enter(stack, bench.streaming())).read())


@case("raw response left unread")
async def _(bench: Bench) -> None:
    bench.server.script(PLAIN[bench.api])
    async with AsyncExitStack() as stack:
        await bench.enter(stack, bench.streaming())


@case("raw stream parsed and read to its end")
async def _(bench: Bench) -> None:
    bench.server.script(STREAMS[bench.api])
    await bench.read((await bench.raw(stream=True)).parse())


@case("raw stream parsed and broken off at its first text")
async def _(bench: Bench) -> None:
    bench.server.script(STREAMS[bench.api])
    bench.kept = stream = (await bench.raw(stream=True)).parse()  # type: ignore[attr-defined]  # still referenced
    await bench.read(stream, until=bench.is_text)


@case("raw stream read line by line")
async def _(bench: Bench) -> None:
    bench.server.script(STREAMS[bench.api])
    async with AsyncExitStack() as stack:
        await bench.read((await bench.enter(stack, bench.streaming(stream=True))).iter_lines())


@case("raw stream closed unread")
async def _(bench: Bench) -> None:
    bench.server.script(STREAMS[bench.api])
    async with AsyncExitStack() as stack:
        await value((await bench.enter(stack, bench.streaming(stream=True))).close())


@case("raw stream cut while its lines are read")
async def _(bench: Bench) -> None:
    bench.server.script(replace(STREAMS[bench.api], cut_after=FIRST_TEXT[bench.api] + 1))
    async with AsyncExitStack() as stack:
        await fails(bench, (await bench.enter(stack, bench.streaming(stream=True))).iter_lines())


@case("background response queued", RESPONSES)
async def _(bench: Bench) -> None:
    await bench.create(Answer(response(status="queued")), **BACKGROUND)


@case("background response retrieved while in progress", RESPONSES)
async def _(bench: Bench) -> None:
    await retrieved(bench, response(status="in_progress"), response(status="in_progress"))


@case("background response retrieved when completed", RESPONSES)
async def _(bench: Bench) -> None:
    await retrieved(bench, response(status="in_progress"), response(), response())


@case("background response retrieved when failed", RESPONSES)
async def _(bench: Bench) -> None:
    await retrieved(bench, response(status="failed"), response(status="failed"))


@case("background response cancelled", RESPONSES, needs="cancel")
async def _(bench: Bench) -> None:
    pending = await bench.create(Answer(response(status="queued")), **BACKGROUND)
    bench.server.script(Answer(response(status="cancelled")))
    await value(bench.wrap().responses.cancel(pending.id))


@case("background stream left at its first text", RESPONSES)
async def _(bench: Bench) -> None:
    await bench.read(await bench.create(background_stream(), stream=True, **BACKGROUND), until=bench.is_text)


@case("background stream left and resumed to its end", RESPONSES, needs="resume")
async def _(bench: Bench) -> None:
    await bench.read(await bench.create(background_stream(), stream=True, **BACKGROUND), until=bench.is_text)
    bench.server.script(Stream(background_stream().chunks[6:], done=False))
    resumed = {"extra_query": {"stream": True, "starting_after": 5}}
    client = bench.wrap()
    stream = client.responses.retrieve("resp_1", stream=True, **resumed)
    await bench.read(await value(stream))


@case("`with Run(...)` around two requests")
async def _(bench: Bench) -> None:
    bench.server.script(PLAIN[bench.api], PLAIN[bench.api])
    with Run(bench.config) as run:
        client = wrap_openai(bench.wrap(), run)
        for _ in range(2):
            await value(resource(client, bench.api).create(**REQUESTS[bench.api]))


@case("embeddings created", ("chat",))
async def _(bench: Bench) -> None:
    vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    bench.server.script(Answer({"object": "list", "data": [vector], "model": "m", "usage": usage}))
    await value(bench.wrap().embeddings.create(model="m", input="Hi", encoding_format="float"))


async def fails(bench: Bench, stream: Any) -> None:
    """Read a stream that fails."""
    try:
        await bench.read(stream)
    except Exception as error:
        if not isinstance(error, PROVIDER_ERRORS) and not type(error).__module__.startswith("httpx"):
            raise
        return
    raise AssertionError("it did not fail")


async def retrieved(bench: Bench, *answers: Any) -> None:
    """Create a response in the background, and retrieve it until these answers have come."""
    pending = await bench.create(Answer(response(status="queued")), **BACKGROUND)
    client = bench.wrap()
    for answer in answers:
        bench.server.script(Answer(answer))
        await value(client.responses.retrieve(pending.id))
