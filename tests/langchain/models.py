"""Models of a few lines: what a real one will not do on demand, with usage in their streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence  # noqa: TC003  # pydantic reads them
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import LLM, BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    GenerationChunk,
    LLMResult,
)
from pydantic import Field

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

__all__ = ["Gate", "ScriptedChat", "ScriptedText", "Turn", "asks", "usage_of"]


class Gate:
    """A place where a model waits, in a thread or in a task, and the news that it got there."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._arrived: list[None] = []  # one for each call
        self._open = threading.Event()

    def open(self) -> None:
        """Let the model go on."""
        self._open.set()

    def _arrive(self) -> None:
        self._arrived.append(None)
        self.reached.set()

    def wait(self) -> None:
        """Wait, in a thread."""
        self._arrive()
        assert self._open.wait(60)

    async def await_(self) -> None:
        """Wait, in a task."""
        self._arrive()
        while not self._open.is_set():  # noqa: ASYNC110  # it is opened from threads too
            await asyncio.sleep(0.001)

    async def arrival(self, calls: int = 1) -> None:
        """Wait until the model is there, in that many calls."""
        while len(self._arrived) < calls:  # noqa: ASYNC110  # likewise
            await asyncio.sleep(0.001)


@dataclass(frozen=True)
class Turn:
    """One answer of a model: pieces of text or whole chunks, then the usage, or an error in its place.

    It waits at the gate before the piece whose number is `gate_at`, counted from 0; whole answers wait before all.
    """

    pieces: Sequence[str | AIMessageChunk] = ("Hel", "lo")
    usage: tuple[int, int] | Mapping[str, Any] | None = (9, 3)
    error: BaseException | None = None
    tool_calls: Sequence[Mapping[str, Any]] = ()
    gate: Gate | None = None
    gate_at: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> UsageMetadata | None:
        """The usage, as LangChain has it."""
        return usage_of(*self.usage) if isinstance(self.usage, tuple) else self.usage  # type: ignore[return-value]

    def message(self) -> AIMessage:
        """Make the whole answer."""
        if self.error is not None:
            raise self.error
        text = "".join(piece if isinstance(piece, str) else str(piece.content) for piece in self.pieces)
        return AIMessage(
            text,
            usage_metadata=self.counts,
            tool_calls=[dict(call) for call in self.tool_calls],
            response_metadata=dict(self.metadata),
        )

    def chunks(self) -> Iterator[AIMessageChunk]:
        """Make the answer in chunks: the role, the pieces, the tool calls, the usage; or fail at once, or at last."""
        if self.error is not None and not self.pieces:
            raise self.error
        yield AIMessageChunk(content="")
        for piece in self.pieces:
            yield AIMessageChunk(content=piece) if isinstance(piece, str) else piece.model_copy()
        for place, call in enumerate(self.tool_calls):
            fragment = tool_call_chunk(name=call["name"], id=call["id"], args="{}", index=place)
            yield AIMessageChunk(content="", tool_call_chunks=[fragment])
        if self.error is not None:
            raise self.error
        yield AIMessageChunk(content="", usage_metadata=self.counts, response_metadata=dict(self.metadata))


class ScriptedChat(BaseChatModel):
    """A chat model that takes one turn after the other, and the last one again and again."""

    turns: Sequence[Turn] = (Turn(),)
    taken: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "scripted-chat"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Take tools, which its turns know already."""
        return self.bind(tools=[getattr(tool, "name", tool) for tool in tools], **kwargs)

    def _turn(self, messages: list[BaseMessage]) -> Turn:
        self.taken.append(messages)
        return self.turns[min(len(self.taken), len(self.turns)) - 1]

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        turn = self._turn(messages)
        if turn.gate is not None:
            turn.gate.wait()
        return ChatResult(generations=[ChatGeneration(message=turn.message())])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        turn = self._turn(messages)
        if turn.gate is not None:
            await turn.gate.await_()
        return ChatResult(generations=[ChatGeneration(message=turn.message())])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        turn = self._turn(messages)
        for place, chunk in enumerate(turn.chunks()):
            if turn.gate is not None and place == turn.gate_at:
                turn.gate.wait()
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        turn = self._turn(messages)
        for place, chunk in enumerate(turn.chunks()):
            if turn.gate is not None and place == turn.gate_at:
                await turn.gate.await_()
            yield ChatGenerationChunk(message=chunk)


class ScriptedText(LLM):
    """A plain text model, whose usage stands in `llm_output`. It tells its callbacks of its tokens if it is told to."""

    turn: Turn = Turn()
    tells: bool = False

    @property
    def _llm_type(self) -> str:
        return "scripted-text"

    def _call(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> str:
        if self.turn.gate is not None:
            self.turn.gate.wait()
        return str(self.turn.message().content)

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        texts = [self._call(prompt) for prompt in prompts]
        return LLMResult(
            generations=[[Generation(text=text)] for text in texts], llm_output={"token_usage": self.turn.counts}
        )

    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        if self.turn.gate is not None:
            await self.turn.gate.await_()
        return self._generate(prompts) if self.turn.gate is None else _text_result(self.turn)

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for place, piece in enumerate(self.turn.pieces):
            if self.turn.gate is not None and place == self.turn.gate_at:
                self.turn.gate.wait()
            if self.tells and run_manager is not None:
                run_manager.on_llm_new_token(str(piece))
            yield GenerationChunk(text=str(piece))
        if self.turn.error is not None:
            raise self.turn.error
        yield GenerationChunk(text="", generation_info={"token_usage": self.turn.counts})


def asks(*names: str) -> tuple[Mapping[str, Any], ...]:
    """Make tool calls, one for each name."""
    return tuple({"name": name, "args": {}, "id": f"call_{place}"} for place, name in enumerate(names))


def usage_of(input_: int, output: int) -> UsageMetadata:
    """Spell out a usage, as LangChain does."""
    return cast("UsageMetadata", {"input_tokens": input_, "output_tokens": output, "total_tokens": input_ + output})


def _text_result(turn: Turn) -> LLMResult:
    text = str(turn.message().content)
    return LLMResult(generations=[[Generation(text=text)]], llm_output={"token_usage": turn.counts})
