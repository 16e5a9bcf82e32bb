from __future__ import annotations

import gc
import subprocess
import sys
import warnings
from contextlib import AsyncExitStack
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.validate import ParamValidator
from ldclient import Context
from packaging.requirements import Requirement

from ldai_bedrock import wrap_bedrock
from ldai_core import AIClient, AIConfig, AIConfigDefault, Message, ModelConfig, ProviderConfig
from ldai_core.testing import RecordingClient
from tests.servers.bedrock import ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

SUPPORT_BOT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("anthropic.claude-sonnet-4-5", {"temperature": 0.5, "maxTokens": 64}),
    provider=ProviderConfig("bedrock"),
    messages=[Message("system", "Be brief.")],
)
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CREDENTIALS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
ONCE = Config(retries={"total_max_attempts": 1})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let botocore, and aiohttp, leave the socket of a stream that is dropped to the garbage collector, as they do."""
    for item in items:
        if item.path.parent == HERE:
            for left in ("unclosed <socket", "Unclosed (connection|response)", "unclosed transport"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{left}:ResourceWarning"))


@pytest.fixture(scope="package", autouse=True)
def collected() -> Iterator[None]:
    """Collect what the last tests have left."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def server() -> Iterator[ScriptedBedrock]:
    """Start a Bedrock runtime that does what it is told."""
    with ScriptedBedrock() as server:
        yield server


@pytest.fixture
def recorded() -> RecordingClient:
    """Stand for LaunchDarkly, and write down what it is told."""
    return RecordingClient({"support-bot": SUPPORT_BOT})


@pytest.fixture
def config(recorded: RecordingClient) -> AIConfig:
    """Evaluate the AI Config whose runs are recorded."""
    return AIClient(recorded).completion_config("support-bot", Context.create("user-1"))


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """Load the service's description once, which takes longer than a test."""
    return boto3.Session(**CREDENTIALS)


@pytest.fixture
def make_client(server: ScriptedBedrock, session: boto3.Session) -> Iterator[Callable[..., Any]]:
    """Make clients of the application's, which ask once unless their config says otherwise."""
    made = []

    def make(config: Config = ONCE, **options: Any) -> Any:
        options = {"endpoint_url": server.uri, "config": ONCE.merge(config), **options}
        made.append(session.client("bedrock-runtime", **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Callable[..., Any]) -> Any:
    """Make the application's client, which asks once."""
    return make_client()


@pytest.fixture
def wrapped(client: Any, config: AIConfig) -> Any:
    """Wrap the application's client, with the config for a source."""
    return wrap_bedrock(client, config)


@pytest.fixture(scope="session")
def async_session() -> Any:
    """Load the service's description once, likewise."""
    if not has_aiobotocore():
        pytest.skip("there is no aiobotocore for this release of botocore: it works with the few that it names")
    from aiobotocore.session import get_session  # noqa: PLC0415  # not always there

    return get_session()


@pytest.fixture
async def make_async_client(server: ScriptedBedrock, async_session: Any) -> AsyncIterator[Callable[..., Any]]:
    """Make async clients, of aiobotocore, which ask once unless they are told otherwise."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415  # likewise

    async with AsyncExitStack() as stack:

        async def make(**config: Any) -> Any:
            config = {"retries": {"total_max_attempts": 1}, **config}
            options = {**CREDENTIALS, "endpoint_url": server.uri, "config": AioConfig(**config)}
            return await stack.enter_async_context(async_session.create_client("bedrock-runtime", **options))

        yield make


@pytest.fixture
async def async_client(make_async_client: Callable[..., Any]) -> Any:
    """Make the application's async client, which asks once."""
    return await make_async_client()


@pytest.fixture
def async_wrapped(async_client: Any, config: AIConfig) -> Any:
    """Wrap the application's async client, with the config for a source."""
    return wrap_bedrock(async_client, config)


def has_aiobotocore() -> bool:
    """Say whether aiobotocore is there, and fits to botocore."""
    try:
        needed = [Requirement(text) for text in requires("aiobotocore") or ()]
    except PackageNotFoundError:
        return False
    return all(version("botocore") in each.specifier for each in needed if each.name == "botocore")


@pytest.fixture(scope="session")
def service(session: boto3.Session) -> Any:
    """Describe the service, as boto3 does, which validates a request by it."""
    client = session.client("bedrock-runtime")
    yield client.meta.service_model
    client.close()


@pytest.fixture(scope="session")
def refused(service: Any) -> Callable[[dict[str, Any]], str]:
    """Say what boto3 refuses in the arguments of either operation; nothing if it takes them."""

    def refused(arguments: dict[str, Any]) -> str:
        shapes = [service.operation_model(operation).input_shape for operation in ("Converse", "ConverseStream")]
        return "".join(ParamValidator().validate(arguments, shape).generate_report() for shape in shapes)

    return refused


@pytest.fixture
def run_example() -> Callable[..., str]:
    """Run an example as a newcomer does, and take what it prints."""

    def run(*arguments: str) -> str:
        command = [sys.executable, f"examples/{arguments[0]}", *arguments[1:]]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run
