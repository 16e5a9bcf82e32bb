from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context

from ldai_core import AIClient, AIConfig, AIConfigDefault, Message, ModelConfig, ProviderConfig
from ldai_core.testing import RecordingClient
from ldai_langchain import LaunchDarklyCallbackHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

SUPPORT_BOT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("gpt-4o", {"temperature": 0.5, "maxTokens": 64}),
    provider=ProviderConfig("openai"),
    messages=[Message("system", "Be brief.")],
)

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let older releases leave the sockets of their clients to the garbage collector, as they do."""
    for item in items:
        if item.path.parent == HERE:
            for left in ("unclosed <socket", "unclosed transport"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore:{left}:ResourceWarning"))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep LangChain from sending its traces anywhere."""
    for name in ("LANGCHAIN_TRACING_V2", "LANGSMITH_TRACING", "LANGSMITH_TRACING_V2"):
        monkeypatch.setenv(name, "false")


@pytest.fixture
def recorded() -> RecordingClient:
    """Stand for LaunchDarkly, and write down what it is told."""
    return RecordingClient({"support-bot": SUPPORT_BOT})


@pytest.fixture
def config(recorded: RecordingClient) -> AIConfig:
    """Evaluate the AI Config whose runs are recorded."""
    return AIClient(recorded).completion_config("support-bot", Context.create("user-1"))


@pytest.fixture
def handler(config: AIConfig) -> Iterator[LaunchDarklyCallbackHandler]:
    """Make the handler, which after each test must have nothing left open."""
    handler = LaunchDarklyCallbackHandler(config)
    yield handler
    assert len(handler._trees) == 0


@pytest.fixture
def watched(handler: LaunchDarklyCallbackHandler) -> dict[str, Any]:
    """Have a call of a runnable measured: `runnable.invoke(input, watched)`."""
    return {"callbacks": [handler]}


from tests.langchain.wires import bedrock, bedrock_client, claude, gpt, nova, server, session  # noqa: E402, F401  # fixtures
