"""A real language model behind `ChatOpenAI`: what is recorded is what LangChain itself was told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from ldai_core import TokenUsage
from ldai_langchain import to_messages
from tests.langchain.ways import STREAMS, WAYS, chain_of
from tests.servers.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    """Start the model once."""
    with Model() as model:
        yield model


@pytest.fixture
def chat(model: Model) -> Iterator[ChatOpenAI]:
    """Make the application's model, whose answers are short."""
    with DefaultHttpxClient(verify=False) as http_client:
        yield ChatOpenAI(
            model="any",
            base_url=model.base_url,
            api_key="any",  # type: ignore[arg-type]  # which it makes a secret of
            stream_usage=True,
            max_completion_tokens=12,
            default_headers={"Connection": "close"},
            http_client=http_client,
            http_async_client=DefaultAsyncHttpxClient(verify=False),
        )


def usage_of(answer: Any) -> TokenUsage:
    """Write LangChain's own account of an answer's usage as ours."""
    message = answer[0] if isinstance(answer, list) else answer
    if isinstance(message, AIMessageChunk) and isinstance(answer, list):
        message = add_ai_message_chunks(answer[0], *answer[1:])
    assert isinstance(message, AIMessage)
    assert message.usage_metadata
    counts = message.usage_metadata
    return TokenUsage(counts["total_tokens"], counts["input_tokens"], counts["output_tokens"])


@pytest.mark.parametrize("way", WAYS)
def test_its_tokens(chat: ChatOpenAI, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1, LC4, LC9: plain and streamed, sync and async, an answer's tokens are those that its message has."""
    usage = usage_of(WAYS[way](chat, watched))
    run = recorded.run
    assert (run.success, run.tokens) == (True, usage)
    assert usage.input
    assert usage.output
    assert run.duration_ms
    assert bool(run.time_to_first_token_ms) is (way in STREAMS)
    assert (run.time_to_first_token_ms or 0) <= run.duration_ms


@pytest.mark.parametrize("way", WAYS)
def test_a_chain(chat: ChatOpenAI, watched: Any, recorded: RecordingClient, way: str) -> None:
    """LC1: a chain around it has the same tokens, once."""
    told_by_itself: list[BaseMessage] = []

    def text_of(message: BaseMessage) -> str:
        told_by_itself.append(message)
        return str(message.content)

    WAYS[way](chain_of(chat, text_of), watched)
    (message,) = told_by_itself
    assert recorded.run.tokens == usage_of(message)
    assert bool(recorded.run.time_to_first_token_ms) is (way in STREAMS)


def test_a_config(chat: ChatOpenAI, config: AIConfig, watched: Any, recorded: RecordingClient) -> None:
    """LC1, LC18: three questions with the config's messages are three runs; concurrently, each has its own tokens."""
    asked: Any = [[*to_messages(config), ("user", f"Name {number} fruits.")] for number in ("one", "two", "twenty two")]
    answers = asyncio.run(chat.abatch(asked, watched))
    assert len(recorded.runs) == 3
    assert {run.tokens for run in recorded.runs} == {usage_of(answer) for answer in answers}
