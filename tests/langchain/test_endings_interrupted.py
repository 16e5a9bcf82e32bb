"""The table of endings: a real SIGINT, as Ctrl-C sends it, to the main thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.expected import FAILED, FAILED_LATE, told, told_by_now
from tests.interrupts import MAIN, ctrl_c, needs_signals, thread_waits
from tests.langchain.models import Gate, ScriptedChat, ScriptedText, Turn
from tests.langchain.ways import WAYS, chain_of

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

pytestmark = needs_signals


def make(kind: str, turn: Turn) -> Any:
    """Make a model, or a chain around it."""
    model = ScriptedText(turn=turn, tells=True) if kind == "text" else ScriptedChat(turns=(turn,))
    return chain_of(model) if kind == "chain" else model


@pytest.mark.parametrize("kind", ["chat", "chain", "text"])
@pytest.mark.parametrize("way", ["invoke", "batch", "stream"])
def test_sync(watched: Any, recorded: RecordingClient, kind: str, way: str) -> None:
    """LC10: interrupted while the model is waited for: error, with what was seen; it goes on at once."""
    gate = Gate()
    runnable = make(kind, Turn(gate=gate, gate_at=2 if kind != "text" else 1))

    def waiting() -> None:
        assert gate.reached.wait(10)
        thread_waits(MAIN, "threading", "wait")

    with ctrl_c(waiting):
        WAYS[way](runnable, watched)
    assert told_by_now(recorded) == (FAILED_LATE if way == "stream" else FAILED)
    assert told(recorded) == (FAILED_LATE if way == "stream" else FAILED)


@pytest.mark.parametrize("kind", ["chat", "chain"])
@pytest.mark.parametrize("way", ["ainvoke", "abatch", "astream"])
def test_async(
    handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient, kind: str, way: str
) -> None:
    """LC10, LC11: interrupted while an event loop waits: likewise."""
    gate = Gate()
    runnable = make(kind, Turn(gate=gate, gate_at=2))

    def waiting() -> None:
        assert gate.reached.wait(10)

    with ctrl_c(waiting):
        WAYS[way](runnable, watched)
    assert told(recorded) == (FAILED_LATE if way == "astream" else FAILED)


@pytest.mark.parametrize("kind", ["chat", "chain"])
def test_exits(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC10: SystemExit, in a model, goes on, and is an error."""
    with pytest.raises(SystemExit):
        make(kind, Turn(error=SystemExit())).invoke("Where is my order?", watched)

    async def main() -> None:
        with pytest.raises(KeyError):
            await make(kind, Turn(error=KeyError("scripted"))).ainvoke("Where is my order?", watched)

    asyncio.run(main())
    assert told(recorded) == FAILED * 2
