"""What the families of models send through Bedrock's `InvokeModel`, each in a shape of its own, whole and in chunks.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["COUNTS", "FAMILIES", "INVOCATION_METRICS", "Counts", "Family", "Said", "invocation_metrics"]

JSON = dict[str, Any]  # a model's JSON has no type
Counts = tuple[int | None, int | None]  # of the input and of the output; None is null

INVOCATION_METRICS = "amazon-bedrock-invocationMetrics"
COUNTS: Counts = (9, 3)
BOTH = ("input", "output")
ARGUMENTS = {"for": "it"}  # of every tool call
FRAGMENTS = ("", '{"for": ', '"it"}')


@dataclass(frozen=True, slots=True)
class Said:
    """What a model said, to be written in the shape of its family; tools by their names, tokens read and written."""

    texts: Sequence[str]
    input: int | None
    output: int | None
    thinking: str = ""
    server_tools: Sequence[str] = ()
    tools: Sequence[str] = ()
    cached: tuple[int, int] = (0, 0)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.texts)

    def total(self) -> int | None:
        """Add up what a service counts in its total."""
        return None if self.input is None or self.output is None else self.input + self.output + sum(self.cached)


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models: how it answers, and which counts it reports itself, in a body and over all of a stream.

    `write_chunks` is None where there are no streams. `parts` are the fields of `Said` that it has a shape for, beside
    texts and counts.
    """

    name: str
    model_id: str
    write_body: Callable[[Said], JSON]
    write_chunks: Callable[[Said], list[JSON]] | None
    in_body: Sequence[str] = BOTH
    in_chunks: Sequence[str] = BOTH
    parts: Sequence[str] = ()

    def body(self, *texts: str, counts: Counts = COUNTS, **parts: Any) -> JSON:
        """Write the body of `invoke_model`; counts that it does not report are left out."""
        return self.write_body(self._said(texts, counts, parts))

    def chunks(self, *texts: str, counts: Counts = COUNTS, metrics: Counts | bool = True, **parts: Any) -> list[JSON]:
        """Write the chunks of `invoke_model_with_response_stream`, of which each text has one of its own.

        The last one has the service's `metrics`: True is the model's own counts, False is none.
        """
        assert self.write_chunks is not None, f"{self.name} does not stream"
        chunks = self.write_chunks(self._said(texts, counts, parts))
        if metrics is False:
            return chunks
        told = counts if metrics is True else metrics
        return [*chunks[:-1], {**chunks[-1], INVOCATION_METRICS: invocation_metrics(*told, *parts.get("cached", ()))}]

    def _said(self, texts: Sequence[str], counts: Counts, parts: JSON) -> Said:
        assert parts.keys() <= set(self.parts), f"{self.name} has no shape for {parts.keys() - set(self.parts)}"
        return Said(texts, *counts, **parts)


def invocation_metrics(input_: int | None, output: int | None, *cached: int) -> JSON:
    """Write the service's own account of an invocation; `cached` are the tokens read and written, where it tells."""
    caches = dict(zip(("cacheReadInputTokenCount", "cacheWriteInputTokenCount"), cached, strict=False))
    counts = {"inputTokenCount": input_, "outputTokenCount": output, **caches}
    return {**counts, "invocationLatency": 812, "firstByteLatency": 341}


def _anthropic_blocks(said: Said) -> list[tuple[JSON, list[JSON]]]:
    """Pair each block of a message with the deltas that it comes in."""
    blocks: list[tuple[JSON, list[JSON]]] = []
    if said.thinking:
        block = {"type": "thinking", "thinking": said.thinking, "signature": "c2lnbmVk"}
        signed = {"type": "signature_delta", "signature": "c2lnbmVk"}
        blocks.append((block, [{"type": "thinking_delta", "thinking": said.thinking}, signed]))
    fragments: list[JSON] = [{"type": "input_json_delta", "partial_json": each} for each in FRAGMENTS]
    for at, name in enumerate(said.server_tools):
        use = {"type": "server_tool_use", "id": f"srvtoolu_bdrk_{at}", "name": name, "input": ARGUMENTS}
        blocks.append((use, fragments))
        blocks.append(({"type": f"{name}_tool_result", "tool_use_id": use["id"], "content": []}, []))
    if said.texts:
        deltas: list[JSON] = [{"type": "text_delta", "text": text} for text in said.texts]
        blocks.append(({"type": "text", "text": said.text}, deltas))
    for at, name in enumerate(said.tools):
        blocks.append(({"type": "tool_use", "id": f"toolu_bdrk_{at}", "name": name, "input": ARGUMENTS}, fragments))
    return blocks


def _anthropic_message(said: Said, content: list[JSON], output: int | None, stop_reason: str | None) -> JSON:
    read, written = said.cached
    lives = {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}
    caches = {"cache_creation_input_tokens": written, "cache_read_input_tokens": read, "cache_creation": lives}
    message = {"model": "claude-sonnet-4-5-20250929", "id": "msg_bdrk_01", "type": "message", "role": "assistant"}
    ended = {"stop_reason": stop_reason, "stop_sequence": None}
    return {
        **message,
        "content": content,
        **ended,
        "usage": {"input_tokens": said.input, **caches, "output_tokens": output},
    }


def _anthropic_body(said: Said) -> JSON:
    content = [block for block, _ in _anthropic_blocks(said)]
    return _anthropic_message(said, content, said.output, "tool_use" if said.tools else "end_turn")


def _anthropic_chunks(said: Said) -> list[JSON]:
    empty: JSON = {"text": "", "thinking": "", "signature": "", "input": {}}
    chunks: list[JSON] = [{"type": "message_start", "message": _anthropic_message(said, [], 1, None)}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(_anthropic_blocks(said)):
        begun = {name: empty.get(name, value) for name, value in block.items()}
        chunks.append({"type": "content_block_start", "index": index, "content_block": begun})
        chunks += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        chunks.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": "tool_use" if said.tools else "end_turn", "stop_sequence": None}
    chunks.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.output}})
    return [*chunks, {"type": "message_stop"}]


def _nova_usage(said: Said) -> JSON:
    caches = {"cacheReadInputTokenCount": said.cached[0], "cacheWriteInputTokenCount": said.cached[1]}
    return {"inputTokens": said.input, "outputTokens": said.output, **caches}


def _nova_body(said: Said) -> JSON:
    content: list[JSON] = [{"text": said.text}] if said.texts else []
    for at, name in enumerate(said.tools):
        content.append({"toolUse": {"name": name, "toolUseId": f"tooluse_{at}", "input": ARGUMENTS}})
    output = {"message": {"content": content, "role": "assistant"}}
    usage = {**_nova_usage(said), "totalTokens": said.total()}
    return {"output": output, "stopReason": "tool_use" if said.tools else "end_turn", "usage": usage}


def _nova_chunks(said: Said) -> list[JSON]:
    """Write the events of Converse; a block of text has no beginning, and a tool's input comes in one piece."""
    chunks: list[JSON] = [{"messageStart": {"role": "assistant"}}]
    chunks += [{"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}} for text in said.texts]
    chunks.append({"contentBlockStop": {"contentBlockIndex": 0}})
    for at, name in enumerate(said.tools):
        place, fragment = {"contentBlockIndex": at + 1}, {"toolUse": {"input": "".join(FRAGMENTS)}}
        chunks.append(
            {"contentBlockStart": {"start": {"toolUse": {"toolUseId": f"tooluse_{at}", "name": name}}, **place}}
        )
        chunks += [{"contentBlockDelta": {"delta": fragment, **place}}, {"contentBlockStop": place}]
    chunks.append({"messageStop": {"stopReason": "tool_use" if said.tools else "end_turn"}})
    return [*chunks, {"metadata": {"usage": _nova_usage(said), "metrics": {}, "trace": {}}}]


def _titan_body(said: Said) -> JSON:
    result = {"tokenCount": said.output, "outputText": said.text, "completionReason": "FINISH"}
    return {"inputTextTokenCount": said.input, "results": [result]}


def _titan_chunks(said: Said) -> list[JSON]:
    """Write chunks of which the first counts the input, and the last, which has text too, the output."""
    nothing = {"totalOutputTextTokenCount": None, "completionReason": None, "inputTextTokenCount": None}
    chunks: list[JSON] = [{"outputText": text, "index": 0, **nothing} for text in said.texts]
    chunks[0] |= {"inputTextTokenCount": said.input}
    chunks[-1] |= {"totalOutputTextTokenCount": said.output, "completionReason": "FINISH"}
    return chunks


def _embedding(said: Said) -> JSON:
    return {"embedding": [0.25, -0.5, 0.125], "inputTextTokenCount": said.input}


def _llama_body(said: Said) -> JSON:
    return _llama(said.text, said.input, said.output, "stop")


def _llama_chunks(said: Said) -> list[JSON]:
    """Write chunks that count along; the prompt is counted in the first, which is empty."""
    texts = ("", *said.texts)
    chunks = [_llama(text, None, said.output and min(at + 1, said.output), None) for at, text in enumerate(texts)]
    return [{**chunks[0], "prompt_token_count": said.input}, *chunks[1:], _llama("", None, said.output, "stop")]


def _llama(text: str, input_: int | None, output: int | None, stop_reason: str | None) -> JSON:
    counts = {"prompt_token_count": input_, "generation_token_count": output}
    return {"generation": text, **counts, "stop_reason": stop_reason}


def _cohere_body(said: Said, *, meta: bool) -> JSON:
    history = [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": said.text}]
    body: JSON = {"response_id": "5b2b4b5a/6f1c", "generation_id": "9d4f", "chat_history": history}
    body |= {"finish_reason": "COMPLETE", "text": said.text}
    tokens = {"input_tokens": said.input, "output_tokens": said.output}
    billed = {name: count and count - 1 for name, count in tokens.items()}  # without what Cohere adds by itself
    return (
        {**body, "meta": {"api_version": {"version": "1"}, "billed_units": billed, "tokens": tokens}} if meta else body
    )


def _cohere_chunks(said: Said, *, meta: bool) -> list[JSON]:
    going = {"is_finished": False}
    end = {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE"}
    return [
        {**going, "event_type": "stream-start", "generation_id": "9d4f"},
        *({**going, "event_type": "text-generation", "text": text} for text in said.texts),
        {**end, "response": _cohere_body(said, meta=meta)},
    ]


def _openai(kind: str, *choices: JSON, **fields: Any) -> JSON:
    ids = {"id": "chatcmpl-1", "object": kind, "created": 1_760_000_000, "model": "any"}
    return {**ids, "choices": [{"index": 0, **choice} for choice in choices], **fields}


def _openai_usage(said: Said) -> JSON:
    return {"prompt_tokens": said.input, "completion_tokens": said.output, "total_tokens": said.total()}


def _openai_calls(said: Said) -> list[JSON]:
    functions = [{"name": name, "arguments": "".join(FRAGMENTS)} for name in said.tools]
    return [{"id": f"call_{at}", "type": "function", "function": function} for at, function in enumerate(functions)]


def _openai_body(
    said: Said, *, stop: str = "finish_reason", reasoning: str = "reasoning_content", **fields: Any
) -> JSON:
    message = {"role": "assistant", "content": said.text or None, "tool_calls": _openai_calls(said) or None}
    thought = {reasoning: said.thinking} if said.thinking else {}
    choice = {"message": {**message, **thought}, stop: "tool_calls" if said.tools else "stop"}
    return _openai("chat.completion", choice, usage=_openai_usage(said), **fields)


def _openai_chunks(said: Said, *, reasoning: str = "reasoning_content", **fields: Any) -> list[JSON]:
    """Write a chunk for the role, those with output, one for the stop, and one for the usage."""
    deltas: list[JSON] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{reasoning: said.thinking}] if said.thinking else []
    deltas += [{"content": text} for text in said.texts]
    for at, call in enumerate(_openai_calls(said)):
        deltas.append({"tool_calls": [{**call, "index": at, "function": {**call["function"], "arguments": ""}}]})
        deltas.append({"tool_calls": [{"index": at, "function": {"arguments": call["function"]["arguments"]}}]})
    choices: list[JSON] = [{"delta": delta, "logprobs": None, "finish_reason": None} for delta in deltas]
    choices.append({"delta": {}, "logprobs": None, "finish_reason": "tool_calls" if said.tools else "stop"})
    chunks = [_openai("chat.completion.chunk", choice) for choice in choices]
    return [*chunks, _openai("chat.completion.chunk", usage=_openai_usage(said), **fields)]


def _mistral_chunks(said: Said) -> list[JSON]:
    """Write chunks that have a `message` where OpenAI's have a `delta`; a tool call comes in one piece."""
    messages: list[JSON] = [{"content": text} for text in ("", *said.texts)]
    messages += [{"content": "", "tool_calls": [call]} for call in _openai_calls(said)]
    stops = [None] * len(messages) + ["tool_calls" if said.tools else "stop"]
    choices: list[JSON] = [
        {"message": {"role": "assistant", **message}, "stop_reason": stop}
        for message, stop in zip([*messages, {"content": ""}], stops, strict=True)
    ]
    return [_openai("chat.completion.chunk", choice) for choice in choices]


def _jamba_chunks(said: Said) -> list[JSON]:
    """Write chunks of which the last has a stop, the usage, and an account of the time."""
    deltas: list[JSON] = [{"role": "assistant"}, *({"content": text} for text in said.texts)]
    chunks = [_openai("chat.completion.chunk", {"delta": delta, "finish_reason": None}) for delta in deltas]
    end = {"delta": {"content": ""}, "finish_reason": "stop", "stop_reason": "<|eom|>"}
    account = {"usage": _openai_usage(said), "meta": {"requestDurationMillis": 146}}
    return [*chunks, _openai("chat.completion.chunk", end, **account)]


def _textual(name: str, model_id: str, field: str, stop: JSON, *, within: str = "", **always: Any) -> Family:
    """Describe a family that has its text under one name, perhaps within a list of one, and counts nothing.

    Its chunks are like its bodies; the last one is empty, and has the stop, which is null before.
    """
    going = dict.fromkeys(stop)

    def write(text: str, stop: JSON) -> JSON:
        inner = {**always, field: text, **stop}
        return {within: [inner]} if within else inner

    def write_chunks(said: Said) -> list[JSON]:
        return [*(write(text, going) for text in said.texts), write("", stop)]

    return Family(name, model_id, lambda said: write(said.text, stop), write_chunks, (), ())


_CLAUDE, _CLAUDE_2 = "anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-v2:1"
_COMMAND_R, _COMMAND_R_PLUS = "cohere.command-r-v1:0", "cohere.command-r-plus-v1:0"
_MIXTRAL, _MISTRAL_LARGE = "mistral.mixtral-8x7b-instruct-v0:1", "mistral.mistral-large-2407-v1:0"
_PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdefghijkl"
_ANTHROPIC_PARTS = ("thinking", "server_tools", "tools", "cached")
_OPENAI_PARTS = ("thinking", "tools")
_STOP, _HUMAN = {"stop_reason": "stop"}, {"stop_reason": "stop_sequence", "stop": "\n\nHuman:"}

_with: JSON = {"meta": True}
_without: JSON = {"meta": False}
_gpt_oss: JSON = {"reasoning": "reasoning", "service_tier": "default"}
_mistral_body, _jamba_body = (
    partial(_openai_body, stop="stop_reason"),
    partial(_openai_body, meta={"requestDurationMillis": 146}),
)

_ALL = [
    Family("anthropic", _CLAUDE, _anthropic_body, _anthropic_chunks, parts=_ANTHROPIC_PARTS),
    Family("nova", "amazon.nova-lite-v1:0", _nova_body, _nova_chunks, parts=("tools", "cached")),
    Family("titan", "amazon.titan-text-express-v1", _titan_body, _titan_chunks),
    Family("llama", "meta.llama3-3-70b-instruct-v1:0", _llama_body, _llama_chunks),
    _textual("mistral", _MIXTRAL, "text", _STOP, within="outputs"),
    Family("mistral-chat", _MISTRAL_LARGE, _mistral_body, _mistral_chunks, in_chunks=(), parts=("tools",)),
    Family("cohere", _COMMAND_R, partial(_cohere_body, **_without), partial(_cohere_chunks, **_without), (), ()),
    Family("cohere-meta", _COMMAND_R_PLUS, partial(_cohere_body, **_with), partial(_cohere_chunks, **_with)),
    _textual("deepseek-r1", "deepseek.r1-v1:0", "text", _STOP, within="choices"),
    Family("deepseek-v3", "deepseek.v3-v1:0", _openai_body, _openai_chunks, parts=_OPENAI_PARTS),
    Family(
        "gpt-oss",
        "openai.gpt-oss-120b-1:0",
        partial(_openai_body, **_gpt_oss),
        partial(_openai_chunks, **_gpt_oss),
        parts=_OPENAI_PARTS,
    ),
    Family("qwen", "qwen.qwen3-32b-v1:0", _openai_body, _openai_chunks, parts=_OPENAI_PARTS),
    Family("jamba", "ai21.jamba-1-5-large-v1:0", _jamba_body, _jamba_chunks),
    _textual("claude-text", _CLAUDE_2, "completion", _HUMAN, type="completion"),
    Family("titan-embeddings", "amazon.titan-embed-text-v2:0", _embedding, None, ("input",), ()),
    _textual("unknown", _PROFILE, "answer", {"done": True}, version="2"),
]
FAMILIES = {family.name: family for family in _ALL}
