"""Nothing of ours breaks a process: forks, and finalisers while LaunchDarkly's client has its lock."""

from __future__ import annotations

import json
import os
from collections import Counter
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.core.runs import DURATION, ERROR, FIRST_TOKEN, SUCCESS, in_child, run_python
from tests.expected import ANSWERED, LEFT, READ, told
from tests.langchain.models import ScriptedChat
from tests.langchain.ways import QUESTION, ask, chain_of

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


def names(recorded: RecordingClient) -> list[str]:
    """Name what was told."""
    return [name for name, _ in told(recorded)]


@forks
def test_a_fork(watched: Any, recorded: RecordingClient) -> None:
    """LC16: a tree that is open at a fork is told by the process that began it, once."""
    stream: Any = ScriptedChat().stream(QUESTION, watched)
    next(stream)

    def end() -> list[str]:
        assert len(list(stream)) == 4
        return names(recorded)

    assert in_child(end) == "[]"
    assert len(list(stream)) == 4
    assert told(recorded) == READ


@forks
def test_a_run_of_the_child(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC16: what the child of a fork runs is told by the child, once; what its parent has open is not its to end."""
    stream: Any = ScriptedChat().stream(QUESTION, watched)
    next(stream)

    def run_and_close() -> list[str]:
        ask(chain_of(ScriptedChat()), watched)
        handler.close()
        return names(recorded)

    assert in_child(run_and_close) == str([name for name, _ in ANSWERED])
    next(stream)
    stream.close()
    assert told(recorded) == LEFT


@forks
def test_a_fork_under_the_lock(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC16: the child of a fork does not hang, whatever another thread of the parent was just doing with the trees."""
    held, release = Event(), Event()

    def hold() -> None:
        with handler._trees._lock:
            held.set()
            release.wait(60)

    def run() -> list[str]:
        ask(chain_of(ScriptedChat()), watched)
        return names(recorded)

    thread = Thread(target=hold)
    thread.start()
    assert held.wait(60)
    assert in_child(run) == str([name for name, _ in ANSWERED])
    release.set()
    thread.join()
    assert told(recorded) == []


@forks
def test_a_group_across_a_fork(handler: LaunchDarklyCallbackHandler, watched: Any, recorded: RecordingClient) -> None:
    """LC16: a group belongs to the process that entered it."""

    def run() -> list[str]:
        ask(chain_of(ScriptedChat()), watched)
        return names(recorded)

    with handler.run():
        assert in_child(run) == "[]"
        ask(chain_of(ScriptedChat()), watched)
    assert told(recorded) == ANSWERED


PROGRAM = """
import sys
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.core import inside_put
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.inside_put import Knot
from tests.langchain.models import ScriptedChat, ScriptedText
from tests.langchain.ways import QUESTION, ask, chain_of

HANDLERS = []  # which live on

def watched_by(tracker):
    HANDLERS.append(LaunchDarklyCallbackHandler(tracker))
    return {"callbacks": HANDLERS[-1:]}

def begun(runnable, tracker):
    stream = runnable.stream(QUESTION, watched_by(tracker))
    for _ in range(2):
        next(stream)
    return stream

def group(tracker):
    watched = watched_by(tracker)
    def answers():
        with watched["callbacks"][0].run():
            yield ask(ScriptedChat(), watched)
    stream = answers()
    next(stream)
    return stream

def version_3(tracker):
    stream = ScriptedChat().stream_events(QUESTION, watched_by(tracker), version="v3")
    for event in stream:
        if event["event"] == "content-block-delta":
            return stream

DROPS = [
    lambda tracker: begun(ScriptedChat(), tracker),
    lambda tracker: begun(ScriptedText(tells=True), tracker),
    lambda tracker: begun(chain_of(ScriptedChat()), tracker),
    lambda tracker: begun(ScriptedChat().with_fallbacks([ScriptedChat()]), tracker),
    group,
]
if hasattr(ScriptedChat, "stream_events"):
    DROPS.append(version_3)

def drop(tracker):
    for each in DROPS:
        own = make_tracker(FakeLDClient())
        own._ld_client = tracker._ld_client
        Knot(each(own))

inside_put.DROPS["ours"] = drop
inside_put.main("ours", *sys.argv[1:])
"""


@pytest.mark.parametrize("queue", ["full", "roomy"])
def test_a_collection_inside_put(queue: str) -> None:
    """LC2, LC16: a collection inside the `put` of a real LDClient hangs nothing, whatever it drops: a report each."""
    came = json.loads(run_python("-W", "ignore:The method:UserWarning", "-c", PROGRAM, queue))
    drops = 6 if hasattr(ScriptedChat, "stream_events") else 5
    assert not came["hung"]
    assert came["collected"] == [1]
    ours = Counter(name for name in came["told"] if name not in {"fill", "collect"})
    assert {DURATION: drops, SUCCESS: drops, FIRST_TOKEN: drops - 1}.items() <= ours.items()
    assert ERROR not in ours
    assert Counter(came["arrived"]) == ({} if queue == "full" else Counter({"collect": 1, **ours}))
