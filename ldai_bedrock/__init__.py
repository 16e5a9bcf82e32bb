"""Measures the AI runs of a Bedrock client: `wrap_bedrock(client, source)`."""

from ldai_bedrock.client import (
    track_bedrock_converse_metrics,
    track_bedrock_converse_metrics_async,
    wrap_bedrock,
)
from ldai_bedrock.params import converse_params
from ldai_bedrock.readings import (
    read_converse,
    read_converse_event,
    read_headers,
    read_invoke_body,
    read_invoke_chunk,
    read_invoke_event,
    read_usage,
)

__all__ = [
    "converse_params",
    "read_converse",
    "read_converse_event",
    "read_headers",
    "read_invoke_body",
    "read_invoke_chunk",
    "read_invoke_event",
    "read_usage",
    "track_bedrock_converse_metrics",
    "track_bedrock_converse_metrics_async",
    "wrap_bedrock",
]
