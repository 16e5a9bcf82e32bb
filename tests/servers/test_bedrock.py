"""The Bedrock runtime of the tests, as an unmodified boto3 sees it."""

from __future__ import annotations

import json
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EventStreamError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import ProtocolError
from urllib3.exceptions import ReadTimeoutError as PoolTimeoutError

from tests.servers.bedrock import (
    FOREVER_S,
    Answer,
    Body,
    Events,
    Failure,
    ScriptedBedrock,
    answer,
    claude,
    events,
    invoke_chunks,
    invoke_events,
    usage_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASKED: Any = {"modelId": "anthropic.claude", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
INVOKED: Any = {"modelId": "anthropic.claude", "body": b'{"messages": []}'}
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc/d e"
HELLO = json.dumps(claude()).encode()


@pytest.fixture
def server() -> Iterator[ScriptedBedrock]:
    """Start a server."""
    with ScriptedBedrock() as server:
        yield server


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """Load the service's description once."""
    return boto3.Session(aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1")


@pytest.fixture
def make_client(server: ScriptedBedrock, session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """Make real clients of it, which ask once, and wait for an answer as long as they are told."""
    made = []

    def make(attempts: int = 1, read_timeout: float = 60) -> Any:
        config = Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=read_timeout)
        made.append(session.client("bedrock-runtime", endpoint_url=server.uri, config=config))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., Any]) -> Any:
    """Make one."""
    return make_client()


def test_the_four_operations(server: ScriptedBedrock, client: Any) -> None:
    """A request that nothing was scripted for gets an answer with usage in the form of its operation, and is kept."""
    whole = client.converse(**ASKED)
    assert whole["output"]["message"]["content"] == [{"text": "Hello"}]
    assert whole["usage"] == usage_of(9, 3)
    streamed = list(client.converse_stream(**ASKED)["stream"])
    assert streamed == [{name: content} for name, content in events("Hel", "lo")]
    assert json.loads(client.invoke_model(**INVOKED)["body"].read()) == claude()
    chunks = client.invoke_model_with_response_stream(**INVOKED)["body"]
    assert [json.loads(event["chunk"]["bytes"]) for event in chunks] == invoke_chunks("Hel", "lo")
    guarded = {"guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT", "content": []}
    assert client.apply_guardrail(**guarded)["action"] == "NONE"
    operations = ["converse", "converse-stream", "invoke", "invoke-with-response-stream", "apply"]
    assert [request.operation for request in server.requests] == operations
    assert server.requests[0].body == {"messages": ASKED["messages"]}
    assert server.requests[2].body == {"messages": []}
    assert "authorization" in server.requests[0].headers


@pytest.mark.parametrize("model_id", ["anthropic.claude-v2:1", PROFILE])
def test_the_model_that_is_asked(server: ScriptedBedrock, client: Any, model_id: str) -> None:
    """A model's id may have whatever characters an ARN has."""
    client.converse(**{**ASKED, "modelId": model_id})
    assert (server.requests[0].model_id, server.requests[0].operation) == (model_id, "converse")


def test_headers(server: ScriptedBedrock, client: Any) -> None:
    """Every kind of answer may have headers of its own."""
    named = [("x-any", "1")]
    server.script(Answer(answer(), headers=named), Body(HELLO, named), Events(events("Hi"), headers=named))
    responses = [client.converse(**ASKED), client.invoke_model(**INVOKED), client.converse_stream(**ASKED)]
    assert [response["ResponseMetadata"]["HTTPHeaders"]["x-any"] for response in responses] == ["1"] * 3
    responses[1]["body"].read()
    list(responses[2]["stream"])


@pytest.mark.parametrize(
    "operation", ["converse", "converse_stream", "invoke_model", "invoke_model_with_response_stream"]
)
@pytest.mark.parametrize(
    ("status", "name"), [(429, "ThrottlingException"), (400, "ValidationException"), (403, "AccessDeniedException")]
)
def test_failures(server: ScriptedBedrock, client: Any, operation: str, status: int, name: str) -> None:
    """An error's type comes in a header, which makes it the client's exception of that name, with its message."""
    server.script(Failure(status, name, "no"))
    asked = INVOKED if operation.startswith("invoke") else ASKED
    with pytest.raises(getattr(client.exceptions, name)) as caught:
        getattr(client, operation)(**asked)
    assert caught.value.response["Error"] == {"Code": name, "Message": "no"}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_throttling(server: ScriptedBedrock, make_client: Callable[..., Any]) -> None:
    """A client that is throttled asks again, as often as it is to; then the next step is there for it."""
    server.script(Failure(429, "ThrottlingException", times=3), Answer(answer("Hi")))
    with pytest.raises(ClientError, match="ThrottlingException"):
        make_client(attempts=1).converse(**ASKED)
    assert len(server.requests) == 1
    assert make_client(attempts=3).converse(**ASKED)["output"]["message"]["content"] == [{"text": "Hi"}]
    assert len(server.requests) == 4


def take(stream: Any, received: list[Any]) -> None:
    """Read a stream to its end, and keep what comes before it fails; close it, or its socket is left."""
    with closing(stream):
        for event in stream:
            received.append(event)  # noqa: PERF402  # which a comprehension would lose


@pytest.mark.parametrize(
    ("how", "name"),
    [("exception", "throttlingException"), ("exception", "modelStreamErrorException"), ("error", "InternalError")],
)
def test_an_exception_in_a_stream(server: ScriptedBedrock, client: Any, how: str, name: str) -> None:
    """An exception, or an error, comes after the events, with its message."""
    failing: Any = {how: (name, "oh nö")}
    server.script(Events(events("Hi"), **failing))
    received: list[Any] = []
    with pytest.raises(EventStreamError) as caught:
        take(client.converse_stream(**ASKED)["stream"], received)
    assert len(received) == 5
    assert caught.value.response["Error"] == {"Code": name, "Message": "oh nö"}


@pytest.mark.parametrize("number", [0, 1, 3])
@pytest.mark.parametrize("operation", ["converse_stream", "invoke_model_with_response_stream"])
def test_a_broken_stream(server: ScriptedBedrock, make_client: Callable[..., Any], operation: str, number: int) -> None:
    """A stream is cut, stalls, or is corrupt after so many events, all of which arrive."""
    client = make_client(read_timeout=0.3)
    invoked = operation.startswith("invoke")
    make: Any = invoke_events if invoked else Events
    items = invoke_chunks("Hel", "lo") if invoked else events("Hel", "lo")
    for how, error in (
        ("cut_after", ProtocolError),
        ("stall_after", PoolTimeoutError),
        ("corrupt_after", ChecksumMismatch),
    ):
        server.script(make(items, **{how: number}))
        response = getattr(client, operation)(**(INVOKED if invoked else ASKED))
        received: list[Any] = []
        with pytest.raises(error):
            take(response["body" if invoked else "stream"], received)
        assert len(received) == number


def test_who_hangs_up_is_seen(server: ScriptedBedrock, client: Any) -> None:
    """While a stream or a body stalls, the server learns when the client has gone."""
    server.script(Events(events("Hi"), stall_after=2), Body(HELLO, stall_after=5))
    bodies = [client.converse_stream(**ASKED)["stream"], client.invoke_model(**INVOKED)["body"]]
    for body, request in zip(bodies, server.requests, strict=True):
        assert not request.gone.is_set()
        body.close()
        assert request.gone.wait(5)


def test_an_answer_that_does_not_come(server: ScriptedBedrock, make_client: Callable[..., Any]) -> None:
    """Each kind of answer can be held back, before its headers."""
    server.script(
        Answer(answer(), delay_s=FOREVER_S),
        Events(events("Hi"), delay_s=FOREVER_S),
        Body(HELLO, delay_s=FOREVER_S),
    )
    client = make_client(read_timeout=0.2)
    for ask in (client.converse, client.converse_stream):
        with pytest.raises(ReadTimeoutError):
            ask(**ASKED)
    with pytest.raises(ReadTimeoutError):
        client.invoke_model(**INVOKED)
    assert all(request.gone.wait(5) for request in server.requests)


def test_pauses(server: ScriptedBedrock, client: Any) -> None:
    """Events come when they are to: after the pause before them, and those before it at once."""
    server.script(Events(events("Hel", "lo"), pauses_s={2: 0.2}))
    start = monotonic()
    times = [monotonic() - start for _ in client.converse_stream(**ASKED)["stream"]]
    assert len(times) == 6
    assert times[1] < 0.2 <= times[2]


@pytest.mark.parametrize("length", [None, -1])
@pytest.mark.parametrize("piece", [1, 50, 1 << 20])
def test_bodies(server: ScriptedBedrock, client: Any, piece: int, length: int | None) -> None:
    """A body comes whole or in chunks, in pieces of any size, and the next request has the same connection."""
    server.script(Body(HELLO, length=length, piece=piece), Body(b"", length=length))
    response = client.invoke_model(**INVOKED)
    announced = response["ResponseMetadata"]["HTTPHeaders"].get("content-length")
    assert announced == (None if length == -1 else str(len(HELLO)))
    assert response["body"].read() == HELLO
    assert client.invoke_model(**INVOKED)["body"].read() == b""


BROKEN = [
    Body(HELLO, length=len(HELLO) + 1),
    Body(HELLO, cut_after=0),
    Body(HELLO, cut_after=10),
    Body(HELLO, length=-1, cut_after=10),
    Body(HELLO, length=-1, piece=3, cut_after=len(HELLO)),
]


@pytest.mark.parametrize("broken", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_body(server: ScriptedBedrock, client: Any, broken: Body) -> None:
    """A body that is cut, or shorter than announced, fails at a read; all bytes before arrive, and no others."""
    server.script(broken)
    body, received = client.invoke_model(**INVOKED)["body"], b""
    size = len(HELLO) if broken.cut_after is None else broken.cut_after
    while len(received) < size:
        received += body.read(1)
    assert received == HELLO[:size]
    with pytest.raises((IncompleteReadError, ResponseStreamingError)):
        body.read()
    body.close()


def test_a_body_that_stalls(server: ScriptedBedrock, make_client: Callable[..., Any]) -> None:
    """A body stalls after so many bytes, which arrive."""
    server.script(Body(HELLO, stall_after=10))
    body = make_client(read_timeout=0.2).invoke_model(**INVOKED)["body"]
    assert body.read(10) == HELLO[:10]
    with pytest.raises(ReadTimeoutError):
        body.read(1)
    body.close()


def test_a_server_that_closes(session: boto3.Session) -> None:
    """A server that closes cuts those that wait, and does not wait for them."""
    with ScriptedBedrock(lambda request: Events(events("Hi"), stall_after=1)) as server:
        config = Config(retries={"total_max_attempts": 1})
        client = session.client("bedrock-runtime", endpoint_url=server.uri, config=config)
        stream = client.converse_stream(**ASKED)["stream"]
        assert next(iter(stream)) == {"messageStart": {"role": "assistant"}}
    with pytest.raises((ProtocolError, ConnectionClosedError)):
        take(stream, [])
    client.close()
