"""AI Configs, and the measuring of AI runs; it knows LaunchDarkly, and no provider."""

from ldai_core.claims import Claims, InProcessClaims
from ldai_core.client import AIClient
from ldai_core.config import AIConfig, AIConfigDefault, Message, ModelConfig, ProviderConfig, Tool
from ldai_core.metrics import FeedbackKind, MetricSummary, TokenUsage
from ldai_core.reading import Reading, ToolCall
from ldai_core.resumption import InvalidResumptionToken, ResumptionToken
from ldai_core.run import Call, Run
from ldai_core.stream import AsyncTrackedStream, TrackedStream, track_metrics_of, track_metrics_of_async
from ldai_core.tracker import AIConfigTracker
from ldai_core.version import __version__

__all__ = [
    "AIClient",
    "AIConfig",
    "AIConfigDefault",
    "AIConfigTracker",
    "AsyncTrackedStream",
    "Call",
    "Claims",
    "FeedbackKind",
    "InProcessClaims",
    "InvalidResumptionToken",
    "Message",
    "MetricSummary",
    "ModelConfig",
    "ProviderConfig",
    "Reading",
    "ResumptionToken",
    "Run",
    "TokenUsage",
    "Tool",
    "ToolCall",
    "TrackedStream",
    "__version__",
    "track_metrics_of",
    "track_metrics_of_async",
]
