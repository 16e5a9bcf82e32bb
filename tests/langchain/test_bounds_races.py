"""What two threads do at the same moment, one step at a time."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from ldai_core import Run
from ldai_core.endings import settle
from ldai_langchain.model_call import ModelCall
from ldai_langchain.readings import read_token
from ldai_langchain.trees import Tree, Trees
from ldai_langchain.watch import Watch
from tests.expected import SUCCESS, duration, first_token, told
from tests.langchain.models import ScriptedChat
from tests.langchain.test_bounds import HOUR_MS, begin, clock
from tests.langchain.ways import ask

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler
    from tests.core.runs import Clock

__all__ = ["clock"]


def test_two_at_a_time(clock: Clock, handler: LaunchDarklyCallbackHandler, recorded: RecordingClient) -> None:
    """LC12, LC14: of many trees that are idle whoever begins another breaks off two, and need not wait for more."""
    streams = [begin(handler) for _ in range(3)]
    clock.pass_ms(HOUR_MS + 1)
    broken_off = []
    for _ in range(3):
        ask(ScriptedChat(), {"callbacks": [handler]})
        broken_off.append([run.success for run in recorded.runs].count(False))
    assert broken_off == [2, 3, 3]
    del streams


def test_taken_out_before_its_call_begins(config: AIConfig, recorded: RecordingClient) -> None:
    """LC14: a tree that is broken off between the start of its root and that of its call stays out."""
    trees = Trees(10, 60)
    tree = Tree("root", Run(config))
    assert trees.plant(tree) == []
    assert trees.clear() == [tree]
    trees.hold("root", tree, ModelCall({}, Watch(uuid4(), lambda _error, _at_ns: None)))
    assert tree.calls == {}
    assert len(trees) == 0
    assert told(recorded) == []


def test_gone_as_it_ends() -> None:
    """LC1: an id that goes in the moment in which its call ends is no second end."""
    ends: list[Any] = []
    run_id = uuid4()
    watch = Watch(run_id, lambda *end: ends.append(end))
    known = watch._run_id
    watch.stop()
    assert known is not None
    watch._when_gone(known)
    settle()
    assert ends == []


def test_copies(handler: LaunchDarklyCallbackHandler) -> None:
    """LC16: a copy of what holds the handler goes on with the same one, which knows what is open."""
    assert copy.copy(handler) is handler
    assert copy.deepcopy({"callbacks": [handler]})["callbacks"][0] is handler


def test_heard_before_it_begins(config: AIConfig, recorded: RecordingClient) -> None:
    """LC1: what comes of a call whose tracker is still being made is no part of it."""
    model_call = ModelCall({}, Watch(uuid4(), lambda *_: None))
    model_call.hear(read_token, "Hel", None)
    assert not model_call.said
    model_call.begin(Run(config))
    model_call.hear(read_token, "lo", None)
    assert model_call.said
    model_call.end(None, None)
    assert told(recorded) == []  # for its run is not over


@pytest.mark.parametrize("run_id", [7, "seven"])
def test_an_id_that_cannot_tell(handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, run_id: Any) -> None:
    """LC1: an application may call the handler by itself, with ids of any kind."""
    handler.on_chat_model_start({}, [[]], run_id=run_id)
    handler.on_llm_new_token("Hello", run_id=run_id)
    handler.on_llm_end(None, run_id=run_id)
    assert told(recorded) == [duration(), first_token(), SUCCESS]
