"""One tree, one run: the tracker that it reports to."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel

from ldai_core import Run
from ldai_langchain import LaunchDarklyCallbackHandler
from tests.core.doubles import warnings_in
from tests.expected import ANSWERED, SUCCESS, duration, tokens, told, told_by_now
from tests.langchain.models import Gate, ScriptedChat, Turn
from tests.langchain.ways import QUESTION, ask, chain_of, each_way, refuse

if TYPE_CHECKING:
    from ldai_core import AIConfig, AIConfigTracker
    from ldai_core.testing import RecordingClient

TWICE = [duration(), SUCCESS, *tokens(18, 6)]
THREE_TIMES = [duration(), SUCCESS, *tokens(27, 9)]
PROMPTS: Any = [[HumanMessage(QUESTION)]] * 3


class Factory:
    """Makes trackers, and keeps them; the first only when its gate is open."""

    def __init__(self, config: AIConfig, gate: Gate | None = None) -> None:
        self.made: list[AIConfigTracker] = []
        self._config = config
        self._gates = [gate] if gate is not None else []

    def __call__(self) -> AIConfigTracker:
        """Make one."""
        if self._gates:
            self._gates.pop().wait()
        self.made.append(self._config.create_tracker())
        return self.made[-1]


@each_way
def test_no_model(config: AIConfig, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a tree without a model takes no tracker, and tells nothing."""
    factory = Factory(config)
    watched = {"callbacks": [LaunchDarklyCallbackHandler(factory)]}
    ask(RunnableLambda(str), watched, is_async=is_async)
    with pytest.raises(ValueError, match="scripted"):
        ask(RunnableLambda(refuse), watched, is_async=is_async)
    assert (factory.made, told(recorded)) == ([], [])


@each_way
def test_when_the_tracker_is_taken(config: AIConfig, recorded: RecordingClient, is_async: bool) -> None:
    """LC1: a tree takes its tracker when its first model starts, and no other."""
    factory, taken = Factory(config), list[int]()

    def look(question: Any) -> Any:
        taken.append(len(factory.made))
        return question

    steps: Any = RunnableLambda(look) | ScriptedChat() | look | (lambda _: QUESTION) | ScriptedChat() | look
    for _ in range(2):
        ask(steps, {"callbacks": [LaunchDarklyCallbackHandler(factory)]}, is_async=is_async)
    assert taken == [0, 1, 1, 1, 2, 2]
    assert told(recorded) == TWICE * 2
    assert [run.run_id for run in recorded.runs] == [tracker.run_id for tracker in factory.made]


def test_one_tracker(config: AIConfig, recorded: RecordingClient) -> None:
    """LC1: of one tracker as the source the at-most-once rule holds: the second tree tells nothing new."""
    watched = {"callbacks": [LaunchDarklyCallbackHandler(config.create_tracker())]}
    ask(ScriptedChat(), watched)
    ask(ScriptedChat(), watched)
    assert told(recorded) == ANSWERED


@each_way
def test_an_open_run(config: AIConfig, recorded: RecordingClient, is_async: bool) -> None:
    """LC1, LC3: trees are parts of the open run that is the source, which tells the outcome itself."""
    with Run(config) as run:
        watched = {"callbacks": [LaunchDarklyCallbackHandler(run)]}
        ask(ScriptedChat(), watched, is_async=is_async)
        with pytest.raises(ValueError, match="scripted"):
            ask(chain_of(ScriptedChat(), refuse), watched, is_async=is_async)
        assert told_by_now(recorded) == []
    assert told(recorded) == TWICE


@each_way
def test_a_factory_that_raises(recorded: RecordingClient, caplog: pytest.LogCaptureFixture, is_async: bool) -> None:
    """LC16: a factory that raises costs one warning, and not the call."""

    def make() -> AIConfigTracker:
        raise LookupError("the answer was 42")

    handler = LaunchDarklyCallbackHandler(make)
    model = ScriptedChat()
    branches: Any = RunnableParallel(one=model, other=model)
    assert ask(branches, {"callbacks": [handler]}, is_async=is_async)["one"].content == "Hello"
    assert warnings_in(caplog) == ["Measuring an AI run: its source raised LookupError; the run is not recorded."]
    assert (recorded.events, len(handler._trees)) == ([], 0) or told(recorded) == []


@each_way
@pytest.mark.parametrize("runnable", [ScriptedChat(), chain_of(ScriptedChat())])
def test_ctrl_c_in_a_factory(config: AIConfig, recorded: RecordingClient, runnable: Any, is_async: bool) -> None:
    """LC10, LC14: Ctrl-C while a tracker is made goes on, and leaves nothing behind."""

    def make() -> AIConfigTracker:
        raise KeyboardInterrupt

    handler = LaunchDarklyCallbackHandler(make)
    with pytest.raises(KeyboardInterrupt):
        ask(runnable, {"callbacks": [handler]}, is_async=is_async)
    assert (len(handler._trees), told(recorded)) == (0, [])


def test_a_slow_factory(config: AIConfig, recorded: RecordingClient) -> None:
    """LC12: while a tracker is made for one tree, others go on."""
    gate = Gate()
    watched = {"callbacks": [LaunchDarklyCallbackHandler(Factory(config, gate))]}
    waiting = Thread(target=ask, args=(chain_of(ScriptedChat()), watched))
    waiting.start()
    assert gate.reached.wait(60)
    ask(chain_of(ScriptedChat()), watched)
    ask(chain_of(ScriptedChat()), watched, is_async=True)
    assert told_by_now(recorded) == ANSWERED * 2
    gate.open()
    waiting.join()
    assert told(recorded) == ANSWERED * 3


@pytest.mark.parametrize("ends_first", [False, True])
def test_a_slow_factory_of_branches(config: AIConfig, recorded: RecordingClient, ends_first: bool) -> None:
    """LC1, LC12: while a tracker is made for one branch, the others start, and may end; the tree has one tracker."""
    making, asking = Gate(), Gate()
    factory = Factory(config, making)
    watched = {"callbacks": [LaunchDarklyCallbackHandler(factory)]}
    model = ScriptedChat(turns=(Turn(gate=asking),))
    branches: Any = RunnableParallel(one=model, other=model)
    waiting = Thread(target=ask, args=(branches, watched))
    waiting.start()
    assert making.reached.wait(60)
    assert asking.reached.wait(60)  # of the branch that did not wait for the tracker
    for gate in (asking, making) if ends_first else (making, asking):
        gate.open()
    waiting.join()
    assert told(recorded) == TWICE
    assert len(factory.made) == 1
