"""At most once across processes, with a real Redis."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis.asyncio
from redis import Redis
from redis.exceptions import ConnectionError as NotThere

from ldai_core import AIClient, ResumptionToken
from ldai_core.integrations.redis import RedisClaims
from tests.core.doubles import CONTEXT, FakeLDClient
from tests.servers.launchdarkly import LaunchDarkly
from tests.servers.redis import RedisServer, find_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.launchdarkly import ReceivedEvent

ROOT = Path(__file__).parents[2]
PROCESSES = 8
TIMEOUT_S = 0.25
LONG_S = 20.0  # where nothing fails, however busy the machine is
SLACK_S = 1.5  # of eight processes on two cores
METRICS = ["feedback", "success", "tokens"]
ONCE = [
    "$ld:ai:feedback:user:positive",
    "$ld:ai:generation:success",
    "$ld:ai:tokens:input",
    "$ld:ai:tokens:output",
    "$ld:ai:tokens:total",
]

pytestmark = pytest.mark.skipif(find_server() is None, reason="there is no redis-server here; CI installs it")


@pytest.fixture
def store() -> Iterator[RedisServer]:
    """Start a Redis."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def client(store: RedisServer) -> Iterator[Redis]:
    """Make a client of the application's."""
    with Redis(port=store.port) as client:
        yield client


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Start a receiver of events."""
    with LaunchDarkly() as server:
        yield server


def new_token() -> str:
    """Make a token of a new run."""
    return ResumptionToken(str(uuid4()), "support-bot", 1, "v1").encode()


class Claimers:
    """Eight processes, that are ready to record."""

    def __init__(
        self, stack: ExitStack, launchdarkly: LaunchDarkly, store: RedisServer, kind: str, timeout_s: float = TIMEOUT_S
    ) -> None:
        arguments = [launchdarkly.uri, store.url, str(timeout_s), kind]
        command = [sys.executable, "-m", "tests.reliability.claimer", *arguments]
        self.processes = [
            stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
            )
            for _ in range(PROCESSES)
        ]
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"

    def give(self, token: str) -> None:
        """Give all of them a token at once."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(token + "\n")
            process.stdin.flush()

    def end(self) -> list[dict[str, Any]]:
        """Let them end, and return what they say."""
        return [json.loads(process.communicate(timeout=60)[0]) for process in self.processes]


def keys_of(client: Any) -> list[bytes]:
    """List the keys; the package's types allow for asynchronous clients."""
    keys: list[bytes] = client.keys()
    return keys


def values_of(client: Any, key: bytes) -> bytes:
    """Read a key, likewise."""
    value: bytes = client.get(key)
    return value


def by_run(events: list[ReceivedEvent]) -> dict[str, Counter[str]]:
    """Count the events of each run."""
    runs: dict[str, Counter[str]] = {}
    for event in events:
        if "runId" in (event.data or {}):
            runs.setdefault(event.data["runId"], Counter())[event.name] += 1
    return runs


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_eight_processes(store: RedisServer, launchdarkly: LaunchDarkly, kind: str) -> None:
    """RL1: of what eight processes record for one token one of each arrives, for each of twenty tokens."""
    tokens = [new_token() for _ in range(20)]
    with ExitStack() as stack:
        claimers = Claimers(stack, launchdarkly, store, kind, LONG_S)
        for token in tokens:
            claimers.give(token)
        said = claimers.end()
    assert [each["warnings"] for each in said] == [[]] * PROCESSES
    runs = by_run(launchdarkly.events)
    assert sorted(runs) == sorted(ResumptionToken.decode(token).run_id for token in tokens)
    assert all(run == Counter(ONCE) for run in runs.values())


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("fault", ["kill", "stop"])
def test_redis_fails_in_the_middle(store: RedisServer, launchdarkly: LaunchDarkly, fault: str, kind: str) -> None:
    """RL1: with Redis killed, or stopped, in the middle: at least one of each, no call slower, a warning a process."""
    tokens = [new_token() for _ in range(40)]
    with ExitStack() as stack:
        claimers = Claimers(stack, launchdarkly, store, kind)
        for token in tokens[:20]:
            claimers.give(token)
        getattr(store, fault)()
        for token in tokens[20:]:
            claimers.give(token)
            sleep(0.01)
        said = claimers.end()
    assert [len(each["warnings"]) for each in said] == [1] * PROCESSES
    slowest = max(each["slowest_s"] for each in said)
    assert slowest < (TIMEOUT_S if kind == "sync" else 0) + SLACK_S
    runs = by_run(launchdarkly.events)
    assert sorted(runs) == sorted(ResumptionToken.decode(token).run_id for token in tokens)
    assert all(run.keys() == set(ONCE) for run in runs.values())


def test_keys(client: Redis) -> None:
    """RL1: keys have a prefix, the run's id in one spelling, and an expiry; they hold nothing of the run."""
    claims = RedisClaims(client, prefix="shop", ttl=90)
    run_id = "AAAAAAAA-1111-4111-8111-111111111111"
    assert claims.claim(run_id, METRICS) == METRICS
    assert claims.claim(run_id.lower(), [*METRICS, "duration_ms"]) == ["duration_ms"]
    keys = sorted(keys_of(client))
    assert keys == sorted(
        f"shop:ai-claims:{{{run_id.lower()}}}:{metric}".encode() for metric in [*METRICS, "duration_ms"]
    )
    assert all(80_000 < client.pttl(key) <= 90_000 for key in keys)
    assert all(len(values_of(client, key)) == 16 for key in keys)
    assert RedisClaims(client).claim(run_id, METRICS) == METRICS
    assert 6 * 86_400 < client.ttl(f"launchdarkly:ai-claims:{{{run_id.lower()}}}:tokens") <= 7 * 86_400


def test_one_round_trip(client: Redis) -> None:
    """RL1: all metrics that a run reports are claimed in one round trip."""
    claims = RedisClaims(client)
    claims.claim("warm-up", METRICS)
    sent: list[int] = []
    connection: Any = client.connection_pool.get_connection()
    original = connection.send_packed_command

    def send(*args: Any, **kwargs: Any) -> Any:
        sent.append(1)
        return original(*args, **kwargs)

    connection.send_packed_command = send
    client.connection_pool.release(connection)
    assert claims.claim("run", METRICS) == METRICS
    assert len(sent) == 1


def test_text(store: RedisServer) -> None:
    """RL1: a client that decodes its answers serves as well."""
    with Redis(port=store.port, decode_responses=True) as client:
        claims = RedisClaims(client)
        assert claims.claim("run", METRICS) == METRICS
        assert claims.claim("run", METRICS) == []


def test_a_lost_answer(client: Redis) -> None:
    """RL1: a command that the client sends again, because its answer was lost, finds its own claim."""
    claims = RedisClaims(client)
    connection: Any = client.connection_pool.get_connection()
    lost = iter([NotThere("scripted")])
    original = connection.read_response

    def read(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        for error in lost:
            raise error
        return answer

    connection.read_response = read
    client.connection_pool.release(connection)
    tracker = AIClient(FakeLDClient(), claims=claims).create_tracker(new_token(), CONTEXT)
    tracker.track_success()
    assert tracker.summary.success is True
    assert len(keys_of(client)) == 1
    assert claims.claim(tracker.run_id, ["success"]) == []


def test_from_url(store: RedisServer) -> None:
    """RL1: it makes a client whose sockets wait no longer than a claim may take, and takes options as the SDK does."""
    claims = RedisClaims.from_url(store.url, timeout=0.5, redis_opts={"max_connections": 3})
    assert claims.claim("run", METRICS) == METRICS
    pool = claims._client.connection_pool
    assert pool.max_connections == 3
    assert pool.connection_kwargs["socket_timeout"] == pool.connection_kwargs["socket_connect_timeout"] == 0.5
    claims._client.close()
    assert RedisClaims.DEFAULT_URL == "redis://localhost:6379/0"


async def test_an_async_client() -> None:
    """RL1: an asynchronous client is refused, for claims are made in threads; so is what is no client."""
    async with redis.asyncio.Redis() as client:
        with pytest.raises(
            TypeError, match=r"client: expected a redis\.Redis or redis\.RedisCluster, got redis\.asyncio"
        ):
            RedisClaims(client)
    with pytest.raises(TypeError, match=r"client: expected .*, got builtins\.str"):
        RedisClaims("redis://localhost")


@pytest.mark.parametrize("wrong", [{"ttl": 0}, {"timeout": -1}, {"timeout": 0}, {"prefix": ""}])
def test_wrong_options(wrong: dict[str, Any]) -> None:
    """Options that are none are refused, and named."""
    with Redis() as client, pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected"):
        RedisClaims(client, **wrong)
    with pytest.raises(TypeError, match="timeout: expected a number above 0, got str"):
        RedisClaims.from_url(timeout="1")  # type: ignore[arg-type]  # that is the point
