"""What has ended leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from ldai_langchain import LaunchDarklyCallbackHandler
from tests.langchain.models import ScriptedChat, ScriptedText
from tests.langchain.ways import QUESTION, REFUSED, WAYS, chain_of, collect, each_way, refuse

if TYPE_CHECKING:
    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient

HOUR_MS = 3_600_000
BROKEN_OFF = "AI runs were broken off, because their end did not come."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["model", "text", "chain", "fallbacks", "failing", "refused"])
def test_empty(handler: LaunchDarklyCallbackHandler, watched: Any, way: str, kind: str) -> None:
    """LC14: after every ordinary ending nothing is left of a tree."""
    runnable: Any = {
        "model": ScriptedChat(),
        "text": ScriptedText(tells=True),
        "chain": chain_of(ScriptedChat()),
        "fallbacks": ScriptedChat(turns=(REFUSED,)).with_fallbacks([ScriptedChat()]),
        "failing": chain_of(ScriptedChat(turns=(REFUSED,))),
        "refused": chain_of(ScriptedChat(), refuse),
    }[kind]
    with suppress(ValueError):
        WAYS[way](runnable, watched)
    assert (handler._trees._tree_of, dict(handler._trees._open)) == ({}, {})


@each_way
def test_nothing_is_kept_alive(config: AIConfig, is_async: bool) -> None:
    """LC14: neither tracker nor question nor answer lives longer than the application wants, without a collection."""
    made: list[weakref.ref[Any]] = []

    def make() -> AIConfigTracker:
        tracker = config.create_tracker()
        made.append(weakref.ref(tracker))
        return tracker

    model = ScriptedChat()
    watched: Any = {"callbacks": [LaunchDarklyCallbackHandler(make)]}

    def look() -> None:
        model.taken.clear()
        assert [kept() for kept in made if kept() is not None] == []

    async def main() -> None:
        made.append(weakref.ref(await model.ainvoke(QUESTION, watched)))
        made.extend([weakref.ref(chunk) async for chunk in model.astream(QUESTION, watched)])
        look()

    def work() -> None:
        made.append(weakref.ref(model.invoke(QUESTION, watched)))
        made.extend(map(weakref.ref, model.stream(QUESTION, watched)))
        look()

    gc.disable()
    try:
        asyncio.run(main()) if is_async else work()
    finally:
        gc.enable()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["chat", "chain", "failing"])
def test_no_garbage(watched: Any, recorded: RecordingClient, way: str, kind: str) -> None:
    """LC14: a run makes no cycle of references, which only a garbage collection would undo."""
    chat = ScriptedChat(turns=(REFUSED,)) if kind == "failing" else ScriptedChat()
    runnable: Any = chain_of(chat) if kind == "chain" else chat
    with suppress(ValueError):
        WAYS[way](runnable, watched)
    collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        with suppress(ValueError):
            WAYS[way](runnable, watched)
        collect()
        ours = {type(item).__name__ for item in gc.garbage if type(item).__module__.startswith("ldai")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert ours == set()
    assert len(recorded.runs) == 2
