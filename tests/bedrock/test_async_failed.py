"""The table of endings, over a real socket, with aiobotocore: what the service, or the way to it, does to a call."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    EventStreamError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)

from ldai_bedrock import wrap_bedrock
from tests.bedrock.conftest import has_aiobotocore
from tests.bedrock.expected import ASKED, PIECES, REQUESTS, SILENT, read_all
from tests.expected import ANSWERED, ERROR, FAILED, FAILED_LATE, READ, duration, first_token, told, told_by_now
from tests.servers.bedrock import Answer, Events, Failure, ScriptedBedrock, events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

each_operation = pytest.mark.parametrize("operation", REQUESTS)
TEXT = events("Hel", "lo")[:2]  # a role, and a piece of text
SLOW_RETRY = {"retries": {"total_max_attempts": 2, "mode": "standard"}}


async def ask(client: Any, operation: str, **other: Any) -> Any:
    """Ask, and read what comes to its end."""
    response = await getattr(client, operation)(**{**REQUESTS[operation], **other})
    pieces = response.get(PIECES.get(operation))
    if operation == "invoke_model":
        return await pieces.read()
    return response if pieces is None else await read_all(pieces)


@each_operation
async def test_an_error_of_the_service(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR4, BR16: an error of the service is an error with a duration, of the client's own type."""
    server.script(Failure(400, "ValidationException"))
    with pytest.raises(async_wrapped.exceptions.ValidationException) as caught:
        await ask(async_wrapped, operation)
    assert isinstance(caught.value, ClientError)
    assert caught.value.response["Error"]["Message"] == "Scripted failure"
    assert told_by_now(recorded) == FAILED


@each_operation
async def test_throttled(
    server: ScriptedBedrock,
    make_async_client: Callable[..., Awaitable[Any]],
    config: AIConfig,
    recorded: RecordingClient,
    operation: str,
) -> None:
    """BR4, BR16: throttled until no attempt is left is one error; attempts that recover are one success."""
    wrapped = wrap_bedrock(await make_async_client(**SLOW_RETRY), config)
    server.script(Failure(429, "ThrottlingException", times=3))
    with pytest.raises(ClientError, match="ThrottlingException"):
        await ask(wrapped, operation)
    assert told_by_now(recorded) == FAILED
    await ask(wrapped, operation)
    assert len(server.requests) == 4
    assert told_by_now(recorded)[2:] == (READ if "stream" in operation else ANSWERED)


@each_operation
async def test_parameters_refused(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR4, BR16: parameters that botocore refuses are an error, and reach nobody."""
    with pytest.raises(ParamValidationError):
        await ask(async_wrapped, operation, modelId=5)
    assert server.requests == []
    assert told_by_now(recorded) == FAILED


@each_operation
async def test_no_connection(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR4, BR16: a connection that is refused is an error."""
    server.__exit__(None, None, None)
    with pytest.raises(EndpointConnectionError):
        await ask(async_wrapped, operation)
    assert told_by_now(recorded) == FAILED


@each_operation
async def test_no_answer(
    server: ScriptedBedrock,
    make_async_client: Callable[..., Awaitable[Any]],
    config: AIConfig,
    recorded: RecordingClient,
    operation: str,
) -> None:
    """BR4, BR16: an answer that does not come in time is an error, with the time that was waited for it."""
    wrapped = wrap_bedrock(await make_async_client(read_timeout=0.5), config)
    server.script(SILENT)
    with pytest.raises(ReadTimeoutError):
        await ask(wrapped, operation)
    assert told_by_now(recorded) == [duration(200), ERROR]


@each_operation
async def test_no_credentials(
    server: ScriptedBedrock,
    config: AIConfig,
    recorded: RecordingClient,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    """BR4, BR16: without credentials there is an error, and no request."""
    if not has_aiobotocore():
        pytest.skip("there is no aiobotocore for this release of botocore: it works with the few that it names")
    from aiobotocore.session import get_session  # noqa: PLC0415  # not always there

    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "PROFILE", "BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("SHARED_CREDENTIALS_FILE", "CONFIG_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / "none"))
    options = {"endpoint_url": server.uri, "region_name": "us-east-1"}
    async with get_session().create_client("bedrock-runtime", **options) as client:
        with pytest.raises(NoCredentialsError):
            await ask(wrap_bedrock(client, config), operation)
    assert server.requests == []
    assert told_by_now(recorded) == FAILED


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
async def test_what_is_no_json(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient, operation: str
) -> None:
    """BR4, BR16: an error whose body is none of the service's is the client's own error, as without us."""
    raised = []
    for client in (async_client, wrap_bedrock(async_client, config)):
        server.script(Answer(["no", "object"], 500))
        with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever it is, it is to be the same
            await ask(client, operation)
        raised.append((type(caught.value), str(caught.value)))
    assert raised[0] == raised[1]
    assert told_by_now(recorded) == FAILED


# How a stream may fail after its first text, and the name of the error that comes of it.
ON_THE_WAY = {
    "exception": (Events(TEXT, exception=("throttlingException", "Too many")), "EventStreamError"),
    "error": (Events(TEXT, error=("InternalError", "Broken")), "EventStreamError"),
    "cut": (Events(TEXT, cut_after=2), "ClientPayloadError"),
    "corrupt": (Events(events("Hel", "lo"), corrupt_after=2), "ChecksumMismatch"),
}


@pytest.mark.parametrize("how", ON_THE_WAY)
async def test_on_the_way(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient, how: str
) -> None:
    """BR5, BR16: a stream that fails on its way is one error, told at once; what goes on is what goes on without us."""
    step, name = ON_THE_WAY[how]
    raised: list[BaseException] = []
    stream: Any = None
    for client in (async_client, wrap_bedrock(async_client, config)):
        server.script(step)
        stream = (await client.converse_stream(**ASKED))["stream"]
        seen = []
        with pytest.raises(Exception) as caught:  # noqa: PT011  # its name is held below
            async for event in stream:
                seen.append(event)  # noqa: PERF401  # it fails on the way
        raised.append(caught.value)
        assert [next(iter(event)) for event in seen] == ["messageStart", "contentBlockDelta"]
    assert [type(error).__name__ for error in raised] == [name, name]
    assert str(raised[0]) == str(raised[1])
    assert type(raised[0].__cause__) is type(raised[1].__cause__)
    assert told_by_now(recorded) == FAILED_LATE
    stream.close()
    with suppress(Exception):  # what reading on gives is aiohttp's own business
        assert await read_all(stream) == []
    del stream
    assert told(recorded) == FAILED_LATE


async def test_the_error_is_an_event_streams(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient
) -> None:
    """BR5, BR16: a frame with an exception is botocore's EventStreamError, with the service's own words."""
    server.script(Events([], exception=("modelStreamErrorException", "Broken")))
    with pytest.raises(EventStreamError, match=r"modelStreamErrorException.*Broken"):
        await ask(async_wrapped, "converse_stream")
    assert told_by_now(recorded) == FAILED


async def test_a_stall(
    server: ScriptedBedrock,
    make_async_client: Callable[..., Awaitable[Any]],
    config: AIConfig,
    recorded: RecordingClient,
) -> None:
    """BR5, BR16: an event that does not come in time is an error, aiohttp's own, after the time that was waited."""
    wrapped = wrap_bedrock(await make_async_client(read_timeout=0.5), config)
    server.script(Events(events("Hel", "lo"), stall_after=2))
    with pytest.raises(asyncio.TimeoutError, match="Timeout on reading data") as caught:
        await ask(wrapped, "converse_stream")
    assert type(caught.value).__module__.startswith("aiohttp")
    assert told_by_now(recorded) == [duration(200), first_token(), ERROR]


async def test_hung_up_before_the_answer(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient
) -> None:
    """BR4, BR16: a service that hangs up instead of answering is an error."""
    server.script(Answer(object()))  # which cannot be sent
    with pytest.raises(ConnectionClosedError):
        await ask(async_wrapped, "converse")
    assert told_by_now(recorded) == FAILED


async def test_no_initial_response(
    server: ScriptedBedrock, async_client: Any, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR12, BR16: that Bedrock's streams have no initial response is no failure, and the stream goes on after it."""
    rest = []
    for client in (async_client, wrap_bedrock(async_client, config)):
        stream = (await client.converse_stream(**ASKED))["stream"]
        with pytest.raises(Exception) as caught:  # noqa: PT011  # its name is held below
            await stream.get_initial_response()
        assert type(caught.value).__name__ == "NoInitialResponseError"
        rest.append(await read_all(stream))
    assert rest[0] == rest[1]
    assert told(recorded) == READ


async def test_an_initial_response_that_fails(
    server: ScriptedBedrock, async_wrapped: Any, recorded: RecordingClient
) -> None:
    """BR5, BR16: a stream that is cut while its initial response is asked for is an error."""
    server.script(Events(events("Hel"), cut_after=0))
    stream = (await async_wrapped.converse_stream(**ASKED))["stream"]
    with pytest.raises(Exception, match="payload"):
        await stream.get_initial_response()
    assert told_by_now(recorded) == FAILED
