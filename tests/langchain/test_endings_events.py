"""The table of endings: streams of events, of each version that LangChain has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ldai_langchain import LaunchDarklyCallbackHandler
from tests.core.inside_put import Knot
from tests.expected import FAILED, FAILED_LATE, LEFT, READ, told, turns
from tests.langchain.models import Gate, ScriptedChat, Turn, asks
from tests.langchain.ways import QUESTION, REFUSED, all_of, chain_of, collect, each_way

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

pytestmark = [
    pytest.mark.filterwarnings("ignore:astream_events version='v1' is deprecated"),
    pytest.mark.filterwarnings("ignore:The method .* is in beta"),
]
needs_v3 = pytest.mark.skipif(not hasattr(ScriptedChat, "stream_events"), reason="there is no version 3 yet")
each_version = pytest.mark.parametrize("version", ["v1", "v2"])
each_kind = pytest.mark.parametrize("kind", ["chat", "chain"])


def make(kind: str, turn: Turn) -> Any:
    """Make a model, or a chain around it."""
    model = ScriptedChat(turns=(turn,))
    return model if kind == "chat" else chain_of(model)


def says(event: Any) -> bool:
    """Say whether an event is a text of the model."""
    return bool(event["event"] == "on_chat_model_stream" and event["data"]["chunk"].content == "Hel")


@each_version
@each_kind
def test_read_to_their_end(watched: Any, recorded: RecordingClient, kind: str, version: Any) -> None:
    """LC9, LC17: events that are read to their end are a stream that is."""
    events = asyncio.run(all_of(make(kind, Turn()).astream_events(QUESTION, watched, version=version)))
    assert any(map(says, events))
    assert told(recorded) == READ


@each_version
@each_kind
@pytest.mark.parametrize("late", [False, True])
def test_failed(watched: Any, recorded: RecordingClient, kind: str, version: Any, late: bool) -> None:
    """LC8: a model that fails is an error, with the first token that was seen."""
    runnable = make(kind, Turn(error=ValueError("scripted")) if late else REFUSED)
    with pytest.raises(ValueError, match="scripted"):
        asyncio.run(all_of(runnable.astream_events(QUESTION, watched, version=version)))
    assert told(recorded) == (FAILED_LATE if late else FAILED)


@each_version
@each_kind
@pytest.mark.parametrize("leave", ["break", "aclose", "collect"])
def test_left(watched: Any, recorded: RecordingClient, kind: str, version: Any, leave: str) -> None:
    """LC10: LangChain cancels the model of which nobody reads the events, and says no more than that: an error."""
    runnable = make(kind, Turn(gate=Gate(), gate_at=2))

    async def main() -> None:
        events: Any = runnable.astream_events(QUESTION, watched, version=version)
        async for event in events:
            if says(event):
                break
        if leave == "aclose":
            await events.aclose()
        if leave == "collect":
            Knot(events)
        del events
        collect()
        for _ in range(4):
            await turns()

    asyncio.run(main())
    collect()  # where asyncio and LangChain close the events at once, what is left of it is garbage now
    assert told(recorded) == FAILED_LATE


@each_kind
def test_cancelled(watched: Any, recorded: RecordingClient, kind: str) -> None:
    """LC10: a consumer of events that is cancelled is an error, once."""
    gate = Gate()
    runnable = make(kind, Turn(gate=gate, gate_at=2))

    async def main() -> None:
        task = asyncio.create_task(all_of(runnable.astream_events(QUESTION, watched, version="v2")))
        await gate.arrival()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert told(recorded) == FAILED_LATE


@needs_v3
@each_way
@pytest.mark.parametrize("turn", [Turn(), Turn((), tool_calls=asks("search"))])
def test_version_3(watched: Any, recorded: RecordingClient, is_async: bool, turn: Turn) -> None:
    """LC9, LC17: the second generation of streams tells its first output, its tokens and tool calls too."""
    model: Any = ScriptedChat(turns=(turn,))

    async def main() -> list[Any]:
        return await all_of(await model.astream_events(QUESTION, watched, version="v3"))

    assert asyncio.run(main()) if is_async else list(model.stream_events(QUESTION, watched, version="v3"))
    assert told(recorded) == [*READ, *[("$ld:ai:tool_call", 1)] * len(turn.tool_calls)]


@needs_v3
@each_way
@pytest.mark.parametrize("late", [False, True])
def test_version_3_failed(watched: Any, recorded: RecordingClient, is_async: bool, late: bool) -> None:
    """LC8: likewise, an error."""
    model: Any = ScriptedChat(turns=(Turn(error=ValueError("scripted")) if late else REFUSED,))

    async def main() -> list[Any]:
        return await all_of(await model.astream_events(QUESTION, watched, version="v3"))

    with pytest.raises(ValueError, match="scripted"):
        asyncio.run(main()) if is_async else list(model.stream_events(QUESTION, watched, version="v3"))
    assert told(recorded) == (FAILED_LATE if late else FAILED)


@needs_v3
@pytest.mark.parametrize("leave", ["break", "drop", "collect"])
def test_version_3_left(watched: Any, recorded: RecordingClient, leave: str) -> None:
    """LC10: a stream of events of which LangChain says no end is a success when nothing holds it any more."""
    model: Any = ScriptedChat()
    events = model.stream_events(QUESTION, watched, version="v3")
    if leave == "break":
        for event in events:
            if event["event"] == "content-block-delta":
                break
    else:
        items = iter(events)
        while next(items)["event"] != "content-block-delta":
            pass
        del items
    assert told(recorded) == []
    if leave == "collect":
        Knot(events)
    del events
    collect()
    assert told(recorded) == LEFT


@needs_v3
@pytest.mark.parametrize("circular", [False, True])
def test_version_3_left_with_its_handler(config: AIConfig, recorded: RecordingClient, circular: bool) -> None:
    """LC10: likewise where the handler was made for this one call, and goes with it."""
    model: Any = ScriptedChat()
    watched = {"callbacks": [LaunchDarklyCallbackHandler(config)]}
    events = model.stream_events(QUESTION, watched, version="v3")
    for event in events:
        if event["event"] == "content-block-delta":
            break
    if circular:
        Knot(events)
    del events, watched
    collect()
    assert told(recorded) == LEFT


@needs_v3
@each_way
def test_version_3_never_begun(watched: Any, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: events that nobody reads are no run."""
    model: Any = ScriptedChat()

    async def main() -> None:
        await model.astream_events(QUESTION, watched, version="v3")

    asyncio.run(main()) if is_async else model.stream_events(QUESTION, watched, version="v3")
    collect()
    assert told(recorded) == []


@needs_v3
@pytest.mark.parametrize("leave", ["aclose", "drop", "cancel"])
def test_version_3_left_async(watched: Any, recorded: RecordingClient, leave: str) -> None:
    """LC10, LC11: LangChain cancels a stream that is closed, an error; one that is dropped it reads on, a success."""
    gate = Gate()
    model: Any = ScriptedChat(turns=(Turn(gate=gate, gate_at=2),))

    async def consume() -> None:
        events = await model.astream_events(QUESTION, watched, version="v3")
        async for event in events:
            if event["event"] == "content-block-delta" and leave != "cancel":
                break
        if leave == "aclose":
            await events.aclose()

    async def main() -> None:
        task = asyncio.create_task(consume())
        await gate.arrival()
        await turns()
        if leave == "cancel":
            task.cancel()
        await asyncio.wait([task])
        gate.open()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)  # the model's

    asyncio.run(main())
    assert told(recorded) == (READ if leave == "drop" else FAILED_LATE)
