"""A real language model behind the client: what is recorded is what the client itself was told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import converse_params, wrap_bedrock
from ldai_core import TokenUsage
from tests.bedrock.expected import INVOKED
from tests.servers.bedrock_model import BedrockModel
from tests.servers.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

pytestmark = pytest.mark.model
QUESTION: Any = [{"role": "user", "content": "Name a fruit."}]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    """Start the model once."""
    with Model() as model:
        yield model


@pytest.fixture(name="server")
def server_fixture(model: Model) -> Iterator[BedrockModel]:
    """Put Bedrock's wire in front of it."""
    with BedrockModel(model) as server:
        yield server


def usage_of(usage: Any) -> TokenUsage:
    """Write the client's own account of a usage as ours."""
    return TokenUsage(usage["totalTokens"], usage["inputTokens"], usage["outputTokens"])


def test_converse(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """A response is a success with a duration, and the tokens that the client reports."""
    response = wrap_bedrock(client, config).converse(**converse_params(config, QUESTION))
    assert response["output"]["message"]["content"][0]["text"]
    assert recorded.run.success
    assert recorded.run.duration_ms
    assert recorded.run.time_to_first_token_ms is None
    assert recorded.run.tokens == usage_of(response["usage"])


def test_converse_stream(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """A stream has a time to first token too."""
    response = wrap_bedrock(client, config).converse_stream(**converse_params(config, QUESTION))
    events = list(response["stream"])
    assert sum("contentBlockDelta" in event for event in events) > 1
    assert recorded.run.time_to_first_token_ms is not None
    assert recorded.run.time_to_first_token_ms < (recorded.run.duration_ms or 0)
    assert recorded.run.tokens == usage_of(events[-1]["metadata"]["usage"])


def test_invoke_model(client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """A body is read by its shape."""
    asked = {**INVOKED, "body": json.dumps({"max_tokens": 16, "messages": QUESTION})}
    body = json.loads(wrap_bedrock(client, config).invoke_model(**asked)["body"].read())
    usage = body["usage"]
    total = usage["input_tokens"] + usage["output_tokens"]
    assert recorded.run.tokens == TokenUsage(total, usage["input_tokens"], usage["output_tokens"])


async def test_converse_stream_async(async_client: Any, config: AIConfig, recorded: RecordingClient) -> None:
    """Likewise, async."""
    response = await wrap_bedrock(async_client, config).converse_stream(**converse_params(config, QUESTION))
    events = [event async for event in response["stream"]]
    assert recorded.run.time_to_first_token_ms is not None
    assert recorded.run.tokens == usage_of(events[-1]["metadata"]["usage"])


@pytest.mark.usefixtures("model")
def test_the_example(run_example: Callable[..., str]) -> None:
    """R32, R33, R34: the chatbot answers, its runs are measured, and feedback comes later by their tokens."""
    printed = run_example("hello_bedrock.py", "--local")
    assert "An error occurred" not in printed
    assert "2 of 2" in printed
    assert "+2 -0" in printed
