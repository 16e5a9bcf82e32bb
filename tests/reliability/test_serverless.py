"""RL9: functions that are frozen between requests, and scripts that end, send all their events in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.reliability.whole_runs import VARIATION, WHOLE, runs_of
from tests.servers.launchdarkly import LaunchDarkly, fixed
from tests.servers.openai import Answer, Failure, ScriptedOpenAI, Stream, chunks, completion

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot freeze a process by a signal")

ROOT = Path(__file__).parents[2]
ANSWERED = [name for name in WHOLE if name != "$ld:ai:tokens:ttf"]
FAILED = ["$ld:ai:duration:total", "$ld:ai:generation:error"]

# Invokes the handler as its platform does: between invocations the process is frozen, and at last it is killed.
SANDBOX = """
import json, os, signal
from openai import APIError
from examples.serverless import handler
while True:
    try:
        print(json.dumps(handler({"user": "user-1", "question": "Where is my order?"})), flush=True)
    except APIError:
        print(json.dumps("failed"), flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""

# The same work without the closing, and with a flush for it.
UNCLOSED = """
from ldclient import Context, LDClient
from ldai_core import AIClient
from examples.serverless import launchdarkly_config
from tests.reliability.whole_runs import record_run
ld_client = LDClient(launchdarkly_config())
record_run(AIClient(ld_client).completion_config("support-bot", Context.create("user-1")))
ld_client.flush()
print("flushed")
"""


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Start a LaunchDarkly."""
    with LaunchDarkly({"support-bot": fixed("support-bot", VARIATION)}) as server:
        yield server


@pytest.fixture
def api() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API that does what it is told."""
    with ScriptedOpenAI() as server:
        yield server


def environment(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> dict[str, str]:
    """Say where everything is."""
    return {
        **os.environ,
        "LAUNCHDARKLY_SDK_KEY": "sdk-key",
        "LAUNCHDARKLY_URI": launchdarkly.uri,
        "OPENAI_API_KEY": "any",
        "OPENAI_BASE_URL": api.base_url,
        "PYTHONPATH": str(ROOT),
    }


class Sandbox:
    """A process of a serverless platform's: it runs while it is invoked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def invoke(self) -> Any:
        """Run until the handler has returned and the process is frozen, and say what it returned."""
        self._process.send_signal(signal.SIGCONT)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it has ended"
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def sandbox(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> Iterator[Sandbox]:
    """Start one, and kill it without a word at the end."""
    command = [sys.executable, "-c", SANDBOX]
    with subprocess.Popen(  # noqa: S603  # our own script
        command, env=environment(launchdarkly, api), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Sandbox(process)
        finally:
            process.kill()


def run_script(launchdarkly: LaunchDarkly, api: ScriptedOpenAI, *command: str) -> str:
    """Run a script to its end, and return what it has printed."""
    result = subprocess.run(  # noqa: S603  # our own scripts
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(launchdarkly, api),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_function(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> None:
    """RL9: when the handler returns, its run has arrived: in the first invocation, and in those after a freeze."""
    api.script(*[Answer(completion(f"Answer {number}.")) for number in range(3)])
    with sandbox(launchdarkly, api) as function:
        for number in range(3):
            assert function.invoke()["answer"] == f"Answer {number}."
            assert list(runs_of(launchdarkly.events).values()) == [ANSWERED] * (number + 1)


def test_a_function_takes_up_new_flags(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> None:
    """RL9: the flags that a function reads are those of its own process, connected all the time that it runs."""
    api.script(*[Answer(completion("Yes."))] * 100)
    with sandbox(launchdarkly, api) as function:
        function.invoke()
        launchdarkly.serve({"support-bot": fixed("support-bot", {**VARIATION, "model": {"name": "new"}})})
        asked = 1
        while api.requests[-1].body["model"] != "new":
            function.invoke()
            asked += 1
            assert asked < 100
    models = [event.data["modelName"] for event in launchdarkly.events if event.name == WHOLE[0]]
    assert models == ["gpt-4o"] * (asked - 1) + ["new"]


def test_a_function_when_something_fails(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> None:
    """RL9: likewise when an exception leaves the handler, and when a post fails: it returns after the second post."""
    api.script(Failure(400), Answer(completion("Yes.")))
    with sandbox(launchdarkly, api) as function:
        assert function.invoke() == "failed"
        assert list(runs_of(launchdarkly.events).values()) == [FAILED]
        launchdarkly.fail_next(1)
        assert function.invoke()["answer"] == "Yes."
        assert list(runs_of(launchdarkly.events).values()) == [FAILED, ANSWERED]
        assert len(launchdarkly.posts) == 3


def test_a_short_script(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> None:
    """RL9: when the script has ended, its run has arrived."""
    api.script(Stream(chunks("It is ", "on its way."), usage=(9, 3)))
    printed = run_script(launchdarkly, api, "examples/short_script.py", "Where is my order?")
    assert printed == "It is on its way.\n"
    assert list(runs_of(launchdarkly.events).values()) == [WHOLE]


def test_the_function_as_a_script(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> None:
    """RL9: the example answers each question that it is given."""
    api.script(Answer(completion("Yes.")), Answer(completion("No.")))
    assert run_script(launchdarkly, api, "examples/serverless.py", "Really?", "Never?") == "Yes.\nNo.\n"
    assert list(runs_of(launchdarkly.events).values()) == [ANSWERED] * 2


def test_flushing_does_not_wait(launchdarkly: LaunchDarkly, api: ScriptedOpenAI) -> None:
    """RL9: a program that flushes instead of closing ends, and is gone, before anything has been taken in."""
    with launchdarkly.stalled():
        assert run_script(launchdarkly, api, "-c", UNCLOSED) == "flushed\n"
        assert launchdarkly.events == []
