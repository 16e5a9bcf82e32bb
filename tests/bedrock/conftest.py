from __future__ import annotations

import gc
import warnings
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
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
CREDENTIALS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
ONCE = Config(retries={"total_max_attempts": 1})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let botocore leave the socket of a stream that is dropped to the garbage collector, as it does."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture(scope="session", autouse=True)
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


@pytest.fixture
async def async_client(server: ScriptedBedrock) -> AsyncIterator[Any]:
    """Make the application's async client, of aiobotocore, which asks once."""
    if not has_aiobotocore():
        pytest.skip("there is no aiobotocore for this release of botocore: it works with the few that it names")
    from aiobotocore.config import AioConfig  # noqa: PLC0415  # not always there
    from aiobotocore.session import get_session  # noqa: PLC0415  # likewise

    once = AioConfig(retries={"total_max_attempts": 1})
    options = {**CREDENTIALS, "endpoint_url": server.uri, "config": once}
    async with get_session().create_client("bedrock-runtime", **options) as client:
        yield client


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
