"""The table of endings, over a real socket: requests that do not come to an answer."""

from __future__ import annotations

import os
import random
import socket
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import ASKED, REQUESTS
from tests.expected import (
    ANSWERED,
    ERROR,
    FAILED,
    SUCCESS,
    TOKENS,
    duration,
    first_token,
    told,
    told_by_now,
)
from tests.servers.bedrock import Answer, Failure, ScriptedBedrock, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

REFUSALS = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
every_operation = pytest.mark.parametrize("operation", REQUESTS)


@every_operation
@pytest.mark.parametrize("kind", REFUSALS)
def test_refused(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, kind: str, operation: str
) -> None:
    """BR4: service refused, streamed or not: an error with a duration, and the exception is the client's own class."""
    server.script(Failure(REFUSALS[kind], kind, "not like this"))
    with pytest.raises(getattr(client.exceptions, kind), match="not like this") as caught:
        getattr(wrapped, operation)(**REQUESTS[operation])
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == REFUSALS[kind]
    assert len(server.requests) == 1
    assert told_by_now(recorded) == FAILED


# Sends to the model are delayed by these: the second of them is a wait of 100 to 200 ms, the third of 200 at most.
SEED = next(
    seed
    for seed in range(10**6)
    if 0.1 < (drawn := random.Random(seed)).random() < 0.2 and drawn.random() < 0.1  # noqa: S311  # no secret
)


@pytest.fixture
def impatient() -> Iterator[None]:
    """Make botocore, which waits for a random time before it asks again, wait for a short one."""
    state = random.getstate()
    random.seed(SEED)
    yield
    random.setstate(state)


@pytest.fixture(params=["legacy", "standard"])
def insisting(request: pytest.FixtureRequest, make_client: Callable[..., Any], impatient: None) -> Any:
    """Make a client that asks up to three times."""
    client = make_client(Config(retries={"total_max_attempts": 3, "mode": request.param}))
    client.sent_at = []
    client.meta.events.register("before-send", lambda **_: client.sent_at.append(time.perf_counter()))
    return client


def waited(client: Any) -> int:
    """Say how many milliseconds it waited, at least, until it asked for the third time."""
    assert len(client.sent_at) == 3
    return int((client.sent_at[-1] - client.sent_at[0]) * 1000)


@every_operation
def test_retries(
    server: ScriptedBedrock, insisting: Any, config: AIConfig, recorded: RecordingClient, operation: str
) -> None:
    """BR4: retries that recover are one success, whose times have the waiting in them."""
    server.script(Failure(429, "ThrottlingException"), Failure(503, "ServiceUnavailableException"))
    response = getattr(wrap_bedrock(insisting, config), operation)(**REQUESTS[operation])
    assert response["ResponseMetadata"]["RetryAttempts"] == 2
    least = waited(insisting)
    assert least >= 100
    if operation == "converse":
        assert told(recorded) == [duration(least), SUCCESS, *TOKENS]
    elif operation == "invoke_model":
        response["body"].read()
        assert told(recorded) == [duration(least), SUCCESS, *TOKENS]
    else:
        list(response["stream" if "stream" in response else "body"])
        assert told(recorded) == [duration(least), first_token(least), SUCCESS, *TOKENS]


@every_operation
def test_retries_that_do_not_recover(
    server: ScriptedBedrock, insisting: Any, config: AIConfig, recorded: RecordingClient, operation: str
) -> None:
    """BR4: throttling that is left after the retries is one error, whose duration has the waiting in it."""
    server.script(Failure(429, "ThrottlingException", times=3))
    with pytest.raises(insisting.exceptions.ThrottlingException) as caught:
        getattr(wrap_bedrock(insisting, config), operation)(**REQUESTS[operation])
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 2
    assert told_by_now(recorded) == [duration(waited(insisting)), ERROR]


@pytest.mark.parametrize("hook", ["provide-client-params", "before-call", "request-created", "before-send"])
@every_operation
def test_the_same_exception_goes_on(
    client: Any, wrapped: Any, recorded: RecordingClient, hook: str, operation: str
) -> None:
    """BR4: whatever a request raises is an error, and the very object goes on."""
    error = LookupError("the application's own")

    def fail(**_: Any) -> None:
        raise error

    client.meta.events.register(hook, fail)
    with pytest.raises(LookupError) as caught:
        getattr(wrapped, operation)(**REQUESTS[operation])
    assert caught.value is error
    assert told_by_now(recorded) == FAILED


@pytest.mark.parametrize("changes", [{"modelId": 5}, {"modelId": None}, {"song": "la"}])
@every_operation
def test_arguments_refused(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, changes: Any, operation: str
) -> None:
    """BR4: arguments that boto3 refuses are an error with a duration."""
    with pytest.raises(ParamValidationError):
        getattr(wrapped, operation)(**{**REQUESTS[operation], **changes})
    assert told_by_now(recorded) == FAILED
    with pytest.raises(ParamValidationError):
        getattr(wrapped, operation)()
    assert told_by_now(recorded) == FAILED * 2
    assert server.requests == []


@every_operation
def test_positional_arguments(client: Any, recorded: RecordingClient, config: AIConfig, operation: str) -> None:
    """BR4: what is refused before there is a request is refused in boto3's words; nothing is recorded, or asked for."""
    asked: list[None] = []

    def source() -> Any:
        asked.append(None)
        return config.create_tracker()

    with pytest.raises(TypeError) as unmeasured:
        getattr(client, operation)("claude")
    with pytest.raises(TypeError) as caught:
        getattr(wrap_bedrock(client, source), operation)("claude", **REQUESTS[operation])
    assert str(caught.value) == str(unmeasured.value)
    assert told(recorded) == []
    assert asked == []


@every_operation
def test_no_credentials(
    server: ScriptedBedrock,
    config: AIConfig,
    recorded: RecordingClient,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    operation: str,
) -> None:
    """BR4: no credentials: an error with a duration, and no request."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    session = botocore.session.Session()
    client = session.create_client("bedrock-runtime", region_name="us-east-1", endpoint_url=server.uri)
    with pytest.raises(NoCredentialsError):
        getattr(wrap_bedrock(client, config), operation)(**REQUESTS[operation])
    client.close()
    assert told_by_now(recorded) == FAILED
    assert server.requests == []


@pytest.fixture
def nobody() -> str:
    """Find an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def hanging_up() -> Iterator[str]:
    """Listen, and hang up when the request has begun to come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)

        thread = Thread(target=hang_up)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@every_operation
def test_no_connection(
    server: ScriptedBedrock,
    make_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    nobody: str,
    hanging_up: str,
    operation: str,
) -> None:
    """BR4: connection refused, no proxy, no TLS, and a connection that is dropped: each an error with a duration."""
    ways: dict[type[Exception], Any] = {
        EndpointConnectionError: make_client(endpoint_url=nobody),
        ProxyConnectionError: make_client(Config(proxies={"http": nobody})),
        SSLError: make_client(endpoint_url=server.uri.replace("http:", "https:")),
        ConnectionClosedError: make_client(endpoint_url=hanging_up),
    }
    for times, (kind, client) in enumerate(ways.items(), 1):
        with pytest.raises(kind):
            getattr(wrap_bedrock(client, config), operation)(**REQUESTS[operation])
        assert told_by_now(recorded) == FAILED * times
    assert server.requests == []


def test_after_a_failure(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR1, BR4: each request is a record of its own, a second attempt of the application's too."""
    server.script(Failure(400, "ValidationException"), Answer(answer()))
    with pytest.raises(ClientError):
        wrapped.converse(**ASKED)
    wrapped.converse(**ASKED)
    assert told(recorded) == [*FAILED, *ANSWERED]
