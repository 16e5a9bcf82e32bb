"""The Bedrock runtime's wire in front of a real language model: Converse, its stream, and Anthropic's bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from openai import OpenAI

from tests.servers.bedrock import (
    METRICS,
    Answer,
    Body,
    Events,
    Request,
    ScriptedBedrock,
    Step,
    answer,
    claude,
    text_delta,
    usage_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from tests.servers.model import Model
    from tests.servers.scripted import JSON

# The model's reasons to stop, and Converse's.
_STOPS = {"stop": "end_turn", "length": "max_tokens"}
# What Converse calls its parameters, and Anthropic; and what the model's own API does.
_PARAMETERS = {
    "maxTokens": "max_tokens",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "top_p": "top_p",
    "stopSequences": "stop",
    "stop_sequences": "stop",
}


class BedrockModel(ScriptedBedrock):
    """Answers whatever is not scripted from the model."""

    def __init__(self, model: Model) -> None:
        super().__init__(self._ask)
        self._client = OpenAI(base_url=model.base_url, api_key="none")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()
        super().__exit__(kind, error, traceback)

    def _ask(self, request: Request) -> Step:
        if request.operation == "converse-stream":
            return Events(self._stream(_asked(request.body)))
        asked: Any = _asked(request.body)  # Any: keyword arguments, whose overloads tell streams apart
        whole = self._client.chat.completions.create(**asked)
        choice = whole.choices[0]
        text, stop_reason = choice.message.content or "", _STOPS.get(choice.finish_reason, "end_turn")
        counts = whole.usage.prompt_tokens, whole.usage.completion_tokens
        if request.operation == "converse":
            return Answer(answer(text, usage=usage_of(*counts), stop_reason=stop_reason))
        usage = {"input_tokens": counts[0], "output_tokens": counts[1]}
        return Body(json.dumps(claude({"type": "text", "text": text}, usage=usage, stop_reason=stop_reason)).encode())

    def _stream(self, asked: Any) -> Iterator[tuple[str, JSON]]:
        yield "messageStart", {"role": "assistant"}
        stop_reason, usage = "end_turn", usage_of(0, 0)
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        with self._client.chat.completions.create(**asked, **options) as chunks:
            for chunk in chunks:
                for choice in chunk.choices:
                    if choice.delta.content:
                        yield text_delta(choice.delta.content)
                    stop_reason = _STOPS.get(choice.finish_reason or "", stop_reason)
                if chunk.usage is not None:
                    usage = usage_of(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
        yield "contentBlockStop", {"contentBlockIndex": 0}
        yield "messageStop", {"stopReason": stop_reason}
        yield "metadata", {"usage": usage, "metrics": METRICS}


def _asked(body: JSON) -> JSON:
    """Write what was asked in the model's own terms: of Converse, or of Anthropic's messages."""
    system = body.get("system", [])
    messages = [{"role": "system", "content": _text(system)}] if system else []
    messages += [{"role": each["role"], "content": _text(each["content"])} for each in body["messages"]]
    given = {**body, **body.get("inferenceConfig", {})}
    parameters = {name: given[asked] for asked, name in _PARAMETERS.items() if asked in given}
    return {"model": "local", "messages": messages, **parameters}


def _text(content: str | list[JSON]) -> str:
    return content if isinstance(content, str) else "\n".join(block["text"] for block in content if "text" in block)
