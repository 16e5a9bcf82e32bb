"""Measures the AI runs of an OpenAI client: `wrap_openai(client, source)`."""

from ldai_openai.client import track_openai_metrics, track_openai_metrics_async, wrap_openai
from ldai_openai.params import chat_params, responses_params
from ldai_openai.readings import (
    read_chat_chunk,
    read_chat_completion,
    read_completion,
    read_openai,
    read_response,
    read_response_event,
    read_usage,
)

__all__ = [
    "chat_params",
    "read_chat_chunk",
    "read_chat_completion",
    "read_completion",
    "read_openai",
    "read_response",
    "read_response_event",
    "read_usage",
    "responses_params",
    "track_openai_metrics",
    "track_openai_metrics_async",
    "wrap_openai",
]
