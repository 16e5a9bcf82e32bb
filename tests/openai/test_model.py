"""A real language model behind the client: what is recorded is what the client itself was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai import AsyncOpenAI, OpenAI

from ldai_core import TokenUsage
from ldai_openai import chat_params, responses_params, wrap_openai
from tests.servers.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

pytestmark = pytest.mark.model
QUESTION: Any = [{"role": "user", "content": "Name a fruit."}]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    """Start the model once."""
    with Model() as model:
        yield model


def usage_of(usage: Any) -> TokenUsage:
    """Write the client's own account of a usage as ours."""
    counts = usage if isinstance(usage, dict) else usage.model_dump()
    input_, output = ("prompt", "completion") if "prompt_tokens" in counts else ("input", "output")
    return TokenUsage(counts["total_tokens"], counts[f"{input_}_tokens"], counts[f"{output}_tokens"])


def usage_at_the_end(event: Any) -> TokenUsage:
    """Write what the last event of a response says, which some releases of the SDK leave unparsed."""
    return usage_of(event.model_dump()["response"]["usage"])


def test_a_plain_chat(model: Model, config: AIConfig, recorded: RecordingClient) -> None:
    """A response is a success with a duration, and the tokens that the client reports."""
    with OpenAI(base_url=model.base_url, api_key="any") as client:
        answer = wrap_openai(client, config).chat.completions.create(**chat_params(config, QUESTION))
    assert answer.choices[0].message.content
    assert recorded.run.success
    assert recorded.run.duration_ms
    assert recorded.run.time_to_first_token_ms is None
    assert recorded.run.tokens == usage_of(answer.usage)


def test_a_streamed_chat(model: Model, config: AIConfig, recorded: RecordingClient) -> None:
    """A stream has a time to first token too, and the usage of the same request with the usage asked for."""
    with OpenAI(base_url=model.base_url, api_key="any") as client:
        wrapped = wrap_openai(client, config)
        chunks = list(wrapped.chat.completions.create(**chat_params(config, QUESTION), stream=True))
        asked: Any = {"stream": True, "stream_options": {"include_usage": True}}
        usage = list(client.chat.completions.create(**chat_params(config, QUESTION), **asked))[-1].usage
    assert all(chunk.choices for chunk in chunks)
    assert recorded.run.success
    assert recorded.run.duration_ms
    assert recorded.run.time_to_first_token_ms
    assert recorded.run.time_to_first_token_ms <= recorded.run.duration_ms
    assert recorded.run.tokens == usage_of(usage)


async def test_an_async_chat(model: Model, config: AIConfig, recorded: RecordingClient) -> None:
    """Plain and streamed, an AsyncOpenAI is measured like an OpenAI."""
    async with AsyncOpenAI(base_url=model.base_url, api_key="any") as client:
        wrapped = wrap_openai(client, config)
        answer = await wrapped.chat.completions.create(**chat_params(config, QUESTION))
        stream = await wrapped.chat.completions.create(**chat_params(config, QUESTION), stream=True)
        text = [chunk.choices[0].delta.content async for chunk in stream]
    assert any(text)
    plain, streamed = recorded.runs
    assert plain.tokens == streamed.tokens == usage_of(answer.usage)
    assert plain.success
    assert streamed.success
    assert streamed.time_to_first_token_ms


def test_responses(model: Model, config: AIConfig, recorded: RecordingClient) -> None:
    """The Responses API, plain, streamed and raw, says what is recorded."""
    asked = responses_params(config, "Name a fruit.")
    with OpenAI(base_url=model.base_url, api_key="any") as client:
        wrapped = wrap_openai(client, config)
        answer = wrapped.responses.create(**asked)
        *_, last = wrapped.responses.create(**asked, stream=True)
        raw = wrapped.responses.with_raw_response.create(**asked)
        *_, raw_last = wrapped.responses.with_raw_response.create(**asked, stream=True).parse()
    assert answer.output_text
    plain, streamed, raw_plain, raw_streamed = recorded.runs
    assert plain.tokens == usage_of(answer.usage)
    assert streamed.tokens == usage_at_the_end(last)
    assert raw_plain.tokens == usage_of(raw.parse().usage)
    assert raw_streamed.tokens == usage_at_the_end(raw_last)
    for run in (streamed, raw_streamed):
        assert run.success
        assert run.time_to_first_token_ms
        assert run.time_to_first_token_ms <= (run.duration_ms or 0)


async def test_async_responses(model: Model, config: AIConfig, recorded: RecordingClient) -> None:
    """The Responses API of an AsyncOpenAI likewise."""
    asked = responses_params(config, "Name a fruit.")
    async with AsyncOpenAI(base_url=model.base_url, api_key="any") as client:
        wrapped = wrap_openai(client, config)
        answer = await wrapped.responses.create(**asked)
        events = [event async for event in await wrapped.responses.create(**asked, stream=True)]
    plain, streamed = recorded.runs
    assert plain.tokens == usage_of(answer.usage)
    assert streamed.tokens == usage_at_the_end(events[-1])
    assert streamed.time_to_first_token_ms


def test_legacy_completions(model: Model, config: AIConfig, recorded: RecordingClient) -> None:
    """Legacy completions, plain and streamed; the usage of a stream is asked for."""
    asked: Any = {"model": "m", "prompt": "Once upon", "max_tokens": 8}
    with OpenAI(base_url=model.base_url, api_key="any") as client:
        wrapped = wrap_openai(client, config)
        answer = wrapped.completions.create(**asked)
        chunks = list(wrapped.completions.create(**asked, stream=True))
    assert all(chunk.choices for chunk in chunks)
    plain, streamed = recorded.runs
    assert plain.tokens == streamed.tokens == usage_of(answer.usage)
    assert streamed.time_to_first_token_ms
