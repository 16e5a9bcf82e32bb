"""Measuring never changes the call: with our handler and without it, and with others beside it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.runnables import RunnableLambda, RunnableParallel

from tests.langchain.models import ScriptedChat, ScriptedText, Turn, asks
from tests.langchain.ways import BATCHES, QUESTION, REFUSED, STREAMS, WAYS, all_of, chain_of, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

LATE = Turn(error=ValueError("scripted"))
RUNNABLES: dict[str, Callable[[], Any]] = {
    "chat": ScriptedChat,
    "text": lambda: ScriptedText(tells=True),
    "chain": lambda: chain_of(ScriptedChat()),
    "tools": lambda: ScriptedChat(turns=(Turn(("Well",), tool_calls=asks("search", "lookup")),)),
    "no usage": lambda: ScriptedChat(turns=(Turn(usage=None),)),
    "fails": lambda: ScriptedChat(turns=(REFUSED,)),
    "fails late": lambda: chain_of(ScriptedChat(turns=(LATE,))),
    "refused": lambda: chain_of(ScriptedChat(), refuse),
    "fallbacks": lambda: ScriptedChat(turns=(REFUSED,)).with_fallbacks([chain_of(ScriptedChat())]),
    "retries": lambda: ScriptedChat(turns=(REFUSED, Turn())).with_retry(wait_exponential_jitter=False),
    "parallel": lambda: RunnableParallel(one=ScriptedChat(), other=chain_of(ScriptedChat())),
    "no model": lambda: RunnableLambda(str),
}


class Notes:
    """What a handler sees, but for the ids."""

    run_inline = False

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def note(self, event: str, *details: object) -> None:
        """Write it down."""
        self.seen.append((event, *map(bare, details)))


class Other(Notes, BaseCallbackHandler):
    """Another handler."""

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """Note it."""
        self.note("chat_model_start", messages, kwargs["invocation_params"], kwargs["options"])

    def on_llm_start(self, serialized: Any, prompts: Any, **kwargs: Any) -> None:
        """Note it."""
        self.note("llm_start", prompts)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **kwargs: Any) -> None:
        """Note it."""
        self.note("llm_new_token", token, chunk)

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        """Note it."""
        self.note("llm_end", response.generations)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        """Note it."""
        self.note("llm_error", error)

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        """Note it."""
        self.note("chain_start", inputs, kwargs.get("name"))

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        """Note it."""
        self.note("chain_end", outputs)

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        """Note it."""
        self.note("chain_error", error)


def bare(item: Any) -> str:
    """Write something out without the ids in it, which differ."""
    if isinstance(item, (list, tuple)):
        return str([bare(each) for each in item])
    if isinstance(item, dict):
        return str(sorted((str(key), bare(each)) for key, each in item.items() if key != "run_id"))
    if hasattr(item, "model_dump"):
        return f"{type(item).__name__} {bare({**item.__dict__, 'id': None})}"
    return f"{type(item).__name__} {item}"


def in_order(items: Any) -> Any:
    """Sort what comes side by side."""
    return sorted(items, key=bare) if isinstance(items, list) else items


def outcome(runnable: Any, run: Callable[[Any, Any], Any], callbacks: list[Any]) -> str:
    """Write out what came, or what was raised."""
    try:
        # Without any, a list that is empty is too little for a text model.
        result = run(runnable, {"callbacks": callbacks} if callbacks else {})
    except Exception as error:  # noqa: BLE001  # the same one is expected
        return f"raised {type(error).__name__} {error} {error.__cause__!r}"
    return bare(result)


@pytest.mark.parametrize("way", [*WAYS, *BATCHES])
@pytest.mark.parametrize("kind", RUNNABLES)
def test_nothing_changes(handler: LaunchDarklyCallbackHandler, kind: str, way: str) -> None:
    """LC16: results, exceptions and chunks are as without measuring."""
    at_random = kind == "parallel" or way.endswith("as_completed")

    def run(runnable: Any, config: Any) -> Any:
        result = {**BATCHES, **WAYS}[way](runnable, config)
        return in_order(result) if at_random else result

    assert outcome(RUNNABLES[kind](), run, [handler]) == outcome(RUNNABLES[kind](), run, [])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", RUNNABLES)
def test_others_see_the_same(handler: LaunchDarklyCallbackHandler, kind: str, way: str) -> None:
    """LC16: another handler beside ours sees the same events, in the same order."""
    order = in_order if kind == "parallel" else list
    alone = Other()
    outcome(RUNNABLES[kind](), WAYS[way], [alone])
    before, after = Other(), Other()
    outcome(RUNNABLES[kind](), WAYS[way], [before, handler, after])
    assert order(before.seen) == order(after.seen) == order(alone.seen)


@pytest.mark.parametrize("kind", RUNNABLES)
@pytest.mark.parametrize("version", ["v2"])
def test_events(handler: LaunchDarklyCallbackHandler, kind: str, version: Any) -> None:
    """LC16, LC17: `astream_events` has the same events."""

    def run(runnable: Any, config: Any) -> Any:
        events = asyncio.run(all_of(runnable.astream_events(QUESTION, config, version=version)))
        seen = [(event["event"], event["name"], event["data"]) for event in events]
        return in_order(seen) if kind == "parallel" else seen

    assert outcome(RUNNABLES[kind](), run, [handler]) == outcome(RUNNABLES[kind](), run, [])


class AsyncOther(AsyncCallbackHandler):
    """Another handler, whose callbacks are coroutines."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_chat_model_start(self, *_args: Any, **_kwargs: Any) -> None:
        """Note it."""
        self.seen.append("start")

    async def on_llm_end(self, *_args: Any, **_kwargs: Any) -> None:
        """Note it."""
        self.seen.append("end")


@pytest.mark.parametrize("way", WAYS)
def test_async_handlers(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, way: str) -> None:
    """LC16: beside a handler of coroutines each sees what it would see alone."""
    beside = AsyncOther()
    WAYS[way](chain_of(ScriptedChat()), {"callbacks": [beside, handler]})
    assert beside.seen == ["start", "end"]
    assert recorded.run.success
    assert (recorded.run.time_to_first_token_ms is not None) == (way in STREAMS)
