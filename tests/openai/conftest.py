from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ldclient import Context
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from ldai_core import AIClient, AIConfig, AIConfigDefault, Message, ModelConfig, ProviderConfig
from ldai_core.testing import RecordingClient
from ldai_openai import wrap_openai
from tests.servers.openai import ScriptedOpenAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SUPPORT_BOT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("gpt-4o", {"temperature": 0.5, "maxTokens": 64}),
    provider=ProviderConfig("openai"),
    messages=[Message("system", "Be brief.")],
)


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API that does what it is told."""
    with ScriptedOpenAI() as server:
        yield server


@pytest.fixture
def recorded() -> RecordingClient:
    """Stand for LaunchDarkly, and write down what it is told."""
    return RecordingClient({"support-bot": SUPPORT_BOT})


@pytest.fixture
def config(recorded: RecordingClient) -> AIConfig:
    """Evaluate the AI Config whose runs are recorded."""
    return AIClient(recorded).completion_config("support-bot", Context.create("user-1"))


@pytest.fixture
def client(server: ScriptedOpenAI) -> Iterator[OpenAI]:
    """Make the application's client, which asks once."""
    http_client = DefaultHttpxClient(verify=False)  # loading certificates takes longer than a test
    with OpenAI(api_key="any", base_url=server.base_url, max_retries=0, http_client=http_client) as client:
        yield client


@pytest.fixture
async def async_client(server: ScriptedOpenAI) -> AsyncIterator[AsyncOpenAI]:
    """Make the application's client, async, which asks once."""
    http_client = DefaultAsyncHttpxClient(verify=False)  # likewise
    async with AsyncOpenAI(api_key="any", base_url=server.base_url, max_retries=0, http_client=http_client) as client:
        yield client


@pytest.fixture
def wrapped(client: OpenAI, config: AIConfig) -> OpenAI:
    """Wrap the application's client, with the config for a source."""
    return wrap_openai(client, config)


@pytest.fixture
def async_wrapped(async_client: AsyncOpenAI, config: AIConfig) -> AsyncOpenAI:
    """Wrap the application's async client, with the config for a source."""
    return wrap_openai(async_client, config)
