"""RL5: an application that is loaded before gunicorn forks its workers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.reliability.whole_runs import BOT, VARIATION, runs_of, whole
from tests.servers.launchdarkly import LaunchDarkly, fixed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from typing_extensions import Self

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork, and no gunicorn")

ROOT = Path(__file__).parents[2]
HOOKS = ("--config", "python:tests.reliability.gunicorn_hooks")
PAIRS = 10
PATIENCE_S = 30
NEVER_S = 3600
OFTEN_S = 0.05


class Gunicorn:
    """A gunicorn with two workers, which it forks after it has loaded the application."""

    def __init__(
        self,
        launchdarkly: LaunchDarkly,
        log: Path,
        *options: str,
        flush_interval: float,
        ai_client: str = "early",
    ) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._port = self._socket.getsockname()[1]
        self._log = log
        workers = ["--preload", "--workers", "2", "--bind", f"fd://{self._socket.fileno()}"]
        self._command = [sys.executable, "-m", "gunicorn", *workers, *options, "tests.reliability.gunicorn_app:app"]
        self._environment = {
            **os.environ,
            "HOME": str(log.parent),  # where it puts a socket of its own
            "LAUNCHDARKLY_URI": launchdarkly.uri,
            "FLUSH_INTERVAL": str(flush_interval),
            "AI_CLIENT": ai_client,
        }

    def ask_both(self) -> list[dict[str, Any]]:
        """Ask each worker once.

        The first to accept waits for the body of its request, so that the next request finds the other.
        """
        waiting, other = self._begin(), self._begin()
        return [self._finish(other), self._finish(waiting)]

    def stop(self) -> str:
        """Have all processes end as they do when a service is stopped, and return what they have logged."""
        self._process.send_signal(signal.SIGTERM)
        assert self._process.wait(PATIENCE_S) == 0
        return self._log.read_text()

    def _begin(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "1")
        connection.endheaders()
        return connection

    def _finish(self, connection: HTTPConnection) -> dict[str, Any]:
        connection.send(b".")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own application
                self._command, cwd=ROOT, env=self._environment, stderr=log, pass_fds=[self._socket.fileno()]
            )
        self._socket.close()  # from now on it is gunicorn's; who connects before it is ready waits
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Start a LaunchDarkly."""
    with LaunchDarkly({BOT: fixed(BOT, VARIATION)}) as server:
        yield server


def warnings_by_process(log: str) -> Counter[int]:
    """Count our own warnings that name `postfork()`, by process."""
    return Counter(int(pid) for pid in re.findall(r"^(\d+) ldai_core\S* WARNING .*postfork\(\)", log, re.MULTILINE))


def test_with_the_hooks(launchdarkly: LaunchDarkly, tmp_path: Path) -> None:
    """RL5: with the documented hooks each run of each worker arrives, whole and once, and there is no warning.

    Nothing is flushed by time here: what a worker has pending when it is stopped is sent then.
    """
    with Gunicorn(launchdarkly, tmp_path / "log", *HOOKS, flush_interval=NEVER_S) as gunicorn:
        answers = [answer for _ in range(PAIRS) for answer in gunicorn.ask_both()]
        log = gunicorn.stop()
    assert sorted(Counter(answer["pid"] for answer in answers).values()) == [PAIRS, PAIRS]
    assert runs_of(launchdarkly.events) == whole(answer["run_id"] for answer in answers)
    assert warnings_by_process(log) == {}


def test_with_the_first_hook_alone(launchdarkly: LaunchDarkly, tmp_path: Path) -> None:
    """RL5: with `post_fork` alone each run arrives too, as soon as it is flushed."""
    options = ("--config", "python:tests.reliability.gunicorn_post_fork")
    with Gunicorn(launchdarkly, tmp_path / "log", *options, flush_interval=OFTEN_S) as gunicorn:
        answers = [answer for _ in range(PAIRS) for answer in gunicorn.ask_both()]
        expected = whole(answer["run_id"] for answer in answers)
        launchdarkly.wait_for(lambda events: runs_of(events) == expected)
        assert warnings_by_process(gunicorn.stop()) == {}
    assert runs_of(launchdarkly.events) == expected


@pytest.mark.parametrize("ai_client", ["early", "late"])
def test_without_hooks(launchdarkly: LaunchDarkly, tmp_path: Path, ai_client: str) -> None:
    """RL5: without a hook each worker answers, its events vanish, and it says so once.

    Also if the AIClient is made after the fork, for each request anew: what counts is when the LDClient was made.
    """
    with Gunicorn(launchdarkly, tmp_path / "log", flush_interval=OFTEN_S, ai_client=ai_client) as gunicorn:
        answers = [answer for _ in range(PAIRS) for answer in gunicorn.ask_both()]
        log = gunicorn.stop()
    assert sorted(Counter(answer["pid"] for answer in answers).values()) == [PAIRS, PAIRS]
    assert runs_of(launchdarkly.events) == {}
    assert warnings_by_process(log) == dict.fromkeys({answer["pid"] for answer in answers}, 1), log
