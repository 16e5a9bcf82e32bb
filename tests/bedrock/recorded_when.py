"""The rows of the table in docs/bedrock.md: what is done to bring each about, by a client of either kind."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ldai_bedrock import wrap_bedrock
from ldai_core import Run
from tests.bedrock.expected import ASKED, GUARDED, HEADERS, HELLO, PIECES, REQUESTS, drain, value
from tests.expected import turns
from tests.servers.bedrock import (
    FOREVER_S,
    Answer,
    Body,
    Events,
    Failure,
    Step,
    answer,
    claude,
    events,
    invoke_events,
    metrics_of,
    tool_use,
)

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

__all__ = ["CASES", "Bench", "Case"]

EVERY = tuple(REQUESTS)
STREAMED = ("converse_stream", "invoke_model_with_response_stream")
CONVERSE, CONVERSE_STREAM, INVOKE = ("converse",), ("converse_stream",), ("invoke_model",)
# Errors that are the client's own, of whatever kind it is.
NO_BOTO3_ERRORS = ("OwnError", "AssertionError")


def mistral_chunks(*texts: str) -> list[Any]:
    """Make the chunks of a model that counts nothing itself."""
    chunks = [{"outputs": [{"text": text, "stop_reason": None}]} for text in texts]
    last = {"outputs": [{"text": "", "stop_reason": "stop"}], "amazon-bedrock-invocationMetrics": metrics_of(9, 3)}
    return [*chunks, last]


STREAMS = {
    "converse_stream": Events(events("Hel", "lo")),
    "invoke_model_with_response_stream": invoke_events(mistral_chunks("Hel", "lo")),  # without counts of its own
}
FIRST_TEXT = {"converse_stream": 1, "invoke_model_with_response_stream": 0}  # the place of the first text in these
TOOLS = [{"toolUse": {"toolUseId": f"tooluse_{n}", "name": "search", "input": {}}} for n in (1, 2)]


class OwnError(Exception):
    """The application's own."""


@dataclass
class Bench:
    """What a case works with; its methods do the same with either kind of client."""

    server: ScriptedBedrock
    make_client: Callable[..., Awaitable[Any]]
    operation: str
    config: AIConfig
    recorded: RecordingClient

    async def ask(self, *steps: Step | Failure, client: Any = None, **asked: Any) -> Any:
        """Make a request that is answered by these steps, and return the response."""
        self.server.script(*steps)
        wrapped = wrap_bedrock(client or await self.make_client(), self.config)
        return await value(getattr(wrapped, self.operation)(**(asked or REQUESTS[self.operation])))

    async def fail(self, *steps: Step | Failure, client: Any = None, **asked: Any) -> None:
        """Make a request that fails."""
        with self.failing():
            await self.ask(*steps, client=client, **asked)
            raise AssertionError("it did not fail")

    @staticmethod
    def failing() -> Any:
        """Expect an error that is not our own."""
        return _Failing()

    async def stream(self, step: Events | None = None) -> Any:
        """Begin a stream, of two pieces of text if nothing else is said."""
        response = await self.ask(step or STREAMS[self.operation])
        return response[PIECES[self.operation]]

    def cut(self, **how: Any) -> Events:
        """Write a stream that ends in a way of its own."""
        whole = STREAMS[self.operation]
        return Events(list(whole.events)[: FIRST_TEXT[self.operation] + 1], **how)

    async def step_to_text(self, stream: Any, *, error: Exception | None = None) -> None:
        """Read a stream by a loop that is broken off, or left by an exception, at the first text."""
        seen = 0
        if hasattr(stream, "__aiter__"):
            async for _ in stream:
                seen += 1
                if seen > FIRST_TEXT[self.operation]:
                    if error is not None:
                        raise error
                    break
            await turns()
            return
        for _ in stream:
            seen += 1
            if seen > FIRST_TEXT[self.operation]:
                if error is not None:
                    raise error
                break

    async def drop(self, step: Step) -> None:
        """Ask, and drop the response unread; aiohttp holds on to it until all of it has come."""
        await self.ask(step)
        while not self.recorded.runs:
            gc.collect()
            await asyncio.sleep(0.001)

    async def body(self, step: Body) -> Any:
        """Ask for a body."""
        return (await self.ask(step))["body"]


class _Failing:
    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> bool:
        assert kind is not None
        assert kind.__name__ not in NO_BOTO3_ERRORS, error
        return issubclass(kind, Exception)


Run_ = Callable[[Bench], Awaitable[object]]


@dataclass(frozen=True)
class Case:
    """How a row comes about, and with which operations."""

    run: Run_
    operations: Sequence[str]


CASES: dict[str, Case] = {}


def case(row: str, operations: Sequence[str] = EVERY) -> Callable[[Run_], Run_]:
    """Tell which row a function brings about."""

    def add(run: Run_) -> Run_:
        CASES[row] = Case(run, operations)
        return run

    return add


@case("response returned", CONVERSE)
async def _(bench: Bench) -> None:
    await bench.ask(Answer(answer()))


@case("response returned without usage", CONVERSE)
async def _(bench: Bench) -> None:
    await bench.ask(Answer(answer(usage={})))


@case("response asks for two tools", CONVERSE)
async def _(bench: Bench) -> None:
    await bench.ask(Answer(answer(*TOOLS, stop_reason="tool_use")))


@case("response stopped at its length, a filter or a guardrail", CONVERSE)
async def _(bench: Bench) -> None:
    reasons = ("max_tokens", "content_filtered", "guardrail_intervened")
    with Run(bench.config) as run:
        wrapped = wrap_bedrock(await bench.make_client(), run)
        for reason in reasons:
            bench.server.script(Answer(answer(stop_reason=reason, usage={"inputTokens": 3, "outputTokens": 1})))
            await value(wrapped.converse(**ASKED))


@case("response stopped with `malformed_model_output`", CONVERSE)
async def _(bench: Bench) -> None:
    await bench.ask(Answer(answer(stop_reason="malformed_model_output")))


@case("status 400")
async def _(bench: Bench) -> None:
    await bench.fail(Failure(400, "ValidationException"))


@case("throttled, then a response", CONVERSE)
async def _(bench: Bench) -> None:
    client = await bench.make_client(attempts=2)
    await bench.ask(Failure(429, "ThrottlingException"), Answer(answer()), client=client)


@case("throttled until no attempt is left")
async def _(bench: Bench) -> None:
    client = await bench.make_client(attempts=2)
    await bench.fail(Failure(429, "ThrottlingException", times=2), client=client)


@case("parameters that boto3 refuses")
async def _(bench: Bench) -> None:
    await bench.fail(modelId=5)


@case("a positional argument")
async def _(bench: Bench) -> None:
    wrapped = wrap_bedrock(await bench.make_client(), bench.config)
    with suppress(TypeError):
        await value(getattr(wrapped, bench.operation)(ASKED))


@case("no answer within the timeout")
async def _(bench: Bench) -> None:
    client = await bench.make_client(timeout_s=0.05)
    await bench.fail(Answer(answer(), delay_s=FOREVER_S), client=client)


@case("stream read to its end", STREAMED)
async def _(bench: Bench) -> None:
    await drain(await bench.stream())


@case("stream read to its end and closed", STREAMED)
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    await drain(stream)
    stream.close()


@case("stream asks for two tools", CONVERSE_STREAM)
async def _(bench: Bench) -> None:
    calls = tool_use("search", '{"q":', "1}") + tool_use("search", "{}", id="tooluse_2", index=2)
    await drain(await bench.stream(Events(events(calls, stop_reason="tool_use"))))


@case("stream without content", STREAMED)
async def _(bench: Bench) -> None:
    whole = Events(events()) if bench.operation == "converse_stream" else invoke_events(mistral_chunks())
    await drain(await bench.stream(whole))


@case("stream broken off at its first text", STREAMED)
async def _(bench: Bench) -> None:
    await bench.step_to_text(await bench.stream())


@case("stream broken off and resumed to its end", STREAMED)
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    await bench.step_to_text(stream)
    await drain(stream)


@case("stream closed at its first text", STREAMED)
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    await bench.step_to_text(stream)
    stream.close()


@case("stream left by your exception at its first text", STREAMED)
async def _(bench: Bench) -> None:
    with suppress(OwnError):
        await bench.step_to_text(await bench.stream(), error=OwnError())
    gc.collect()
    await turns()


@case("stream dropped at its first text", STREAMED)
async def _(bench: Bench) -> None:
    stream = await bench.stream()
    await bench.step_to_text(stream)
    del stream
    gc.collect()


@case("stream closed unread", STREAMED)
async def _(bench: Bench) -> None:
    (await bench.stream()).close()


@case("stream never read", STREAMED)
async def _(bench: Bench) -> None:
    await bench.drop(STREAMS[bench.operation])


@case("stream cut by the service after its first text", STREAMED)
async def _(bench: Bench) -> None:
    stream = await bench.stream(bench.cut(cut_after=FIRST_TEXT[bench.operation] + 1))
    with bench.failing():
        await drain(stream)


@case("stream ends with an exception event", STREAMED)
async def _(bench: Bench) -> None:
    stream = await bench.stream(bench.cut(exception=("throttlingException", "Too many")))
    with bench.failing():
        await drain(stream)


@case("stream stopped with `malformed_tool_use`", CONVERSE_STREAM)
async def _(bench: Bench) -> None:
    await drain(await bench.stream(Events(events("Hel", "lo", stop_reason="malformed_tool_use"))))


@case("body read to its end", INVOKE)
async def _(bench: Bench) -> None:
    assert await value((await bench.body(Body(HELLO))).read()) == HELLO


@case("body read in pieces to its end", INVOKE)
async def _(bench: Bench) -> None:
    body = await bench.body(Body(HELLO))
    while await value(body.read(7)):
        pass


@case("body read in part and closed, counts in the headers", INVOKE)
async def _(bench: Bench) -> None:
    body = await bench.body(Body(HELLO, HEADERS))
    await value(body.read(7))
    body.close()


@case("body never read, counts in the headers", INVOKE)
async def _(bench: Bench) -> None:
    await bench.drop(Body(HELLO, HEADERS))


@case("body never read, no counts in the headers", INVOKE)
async def _(bench: Bench) -> None:
    await bench.drop(Body(HELLO))


@case("body of no JSON, counts in the headers", INVOKE)
async def _(bench: Bench) -> None:
    body = await bench.body(Body(b"\x00 no JSON", HEADERS))
    assert await value(body.read()) == b"\x00 no JSON"


@case("body shorter than announced, counts in the headers", INVOKE)
async def _(bench: Bench) -> None:
    body = await bench.body(Body(json.dumps(claude()).encode(), HEADERS, length=1000))
    with bench.failing():
        await value(body.read())


@case("`with Run(...)` around two requests", ("converse", "invoke_model"))
async def _(bench: Bench) -> None:
    with Run(bench.config) as run:
        wrapped = wrap_bedrock(await bench.make_client(), run)
        for _ in range(2):
            response = await value(getattr(wrapped, bench.operation)(**REQUESTS[bench.operation]))
            if "body" in response:
                await value(response["body"].read())


@case("guardrail applied", CONVERSE)
async def _(bench: Bench) -> None:
    wrapped = wrap_bedrock(await bench.make_client(), bench.config)
    await value(wrapped.apply_guardrail(**GUARDED))
