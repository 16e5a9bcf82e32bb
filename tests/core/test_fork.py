"""A LaunchDarkly client that was made before a fork, and is used after it."""

from __future__ import annotations

import gc
import logging
import os
from typing import Any
from unittest.mock import MagicMock

import pytest
from ldclient import Config, LDClient

from ldai_core import AIClient, fork
from tests.core.doubles import CONTEXT, FakeLDClient
from tests.core.runs import in_child

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


class ForkableClient(FakeLDClient):
    """A client that makes its tracker of flags anew when it is told of a fork, as LaunchDarkly's does."""

    def __init__(self) -> None:
        super().__init__()
        self.postfork()

    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType]  # a dataclass has none

    def postfork(self) -> None:
        """Begin anew."""
        self.flag_tracker = FakeLDClient()


class OlderClient(FakeLDClient):
    """A client of a release that knows of no forks."""

    flag_tracker = FakeLDClient()


@pytest.fixture(autouse=True)
def no_clients() -> None:
    """Begin without the clients of other tests, which may live in a cycle."""
    fork._clients.clear()


class Listener(logging.Handler):
    """Keeps what is logged in a child, which pytest does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        logging.getLogger("ldai_core").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.heard.append(record.getMessage())


def warned(ld_client: Any, *, told: bool = False) -> str:
    """Use a client in a child, twice, and return what is logged there."""
    config = AIClient(ld_client).completion_config("my-config", CONTEXT)

    def use() -> str:
        listener = Listener()
        if told:
            ld_client.postfork()
        config.create_tracker().track_success()
        config.create_tracker().track_success()
        return " / ".join(listener.heard)

    return in_child(use)


def test_in_the_child() -> None:
    """RL9: the first tracker that is used in a child warns, once, and says what to call."""
    heard = warned(ForkableClient())
    assert heard.count("made before a fork") == 1
    assert "call ld_client.postfork() in each child, for gunicorn in its post_fork hook" in heard


def test_told_of_the_fork() -> None:
    """RL9: with `postfork()` there is nothing to say."""
    assert warned(ForkableClient(), told=True) == ""


def test_of_a_release_without() -> None:
    """RL9: where the client has no `postfork()`, the remedy is another."""
    assert "make it after the fork" in warned(OlderClient())


def test_a_double() -> None:
    """RL9: of what is no client of LaunchDarkly's nothing is said."""
    assert warned(FakeLDClient()) == ""


def test_a_mock(caplog: pytest.LogCaptureFixture) -> None:
    """RL9: nor of a mock, which has every attribute that it is asked for, in the tests of applications."""
    client = MagicMock()
    AIClient(client).completion_config("my-config", CONTEXT).create_tracker().track_success()
    assert not [record for record in caplog.records if "fork" in record.getMessage()]
    assert fork.suspects == []


def test_in_the_parent(caplog: pytest.LogCaptureFixture) -> None:
    """RL9: nor is anything said in the parent, or in a process that never forked."""
    client = ForkableClient()
    warned(client)
    AIClient(client).completion_config("my-config", CONTEXT).create_tracker().track_success()
    assert caplog.records == []
    assert fork.suspects == []


def test_a_child_of_the_child() -> None:
    """RL9: a client that was told of one fork has to be told of the next."""
    client = ForkableClient()
    config = AIClient(client).completion_config("my-config", CONTEXT)

    def use() -> str:
        client.postfork()
        AIClient(client)
        config.create_tracker().track_success()

        def use_again() -> str:
            listener = Listener()
            config.create_tracker().track_success()
            return " / ".join(listener.heard)

        return in_child(use_again)

    assert "postfork()" in in_child(use)


def test_a_client_of_the_childs_own() -> None:
    """RL9: a client that the child makes itself is none that came through a fork; another one is still found."""
    client = ForkableClient()
    config = AIClient(client).completion_config("my-config", CONTEXT)

    def use() -> list[int]:
        listener = Listener()
        own = AIClient(ForkableClient())
        own.completion_config("my-config", CONTEXT).create_tracker().track_success()
        heard = [len(listener.heard)]
        config.create_tracker().track_success()
        return [*heard, len(listener.heard)]

    assert in_child(use) == "[0, 1]"


def test_first_used_in_the_child() -> None:
    """RL9: a client that was made before the fork, and that only the child hands to an AIClient, is found too."""
    with LDClient(Config("sdk-key", offline=True)) as client:

        def use() -> str:
            listener = Listener()
            configs = [AIClient(client).completion_config("my-config", CONTEXT) for _ in range(2)]
            for config in configs:
                config.create_tracker().track_success()
            return " / ".join(line for line in listener.heard if "made before a fork" in line)

        assert in_child(use).count("postfork()") == 1

        def use_after() -> str:
            client.postfork()
            return use()

        assert in_child(use_after) == ""


def test_a_client_is_not_kept() -> None:
    """RL9: to be watched keeps no client alive, and costs no memory for each."""
    for _ in range(3):
        AIClient(ForkableClient())
        gc.collect()
    client = ForkableClient()
    AIClient(client)
    AIClient(client)
    assert [each[0]() for each in fork._clients] == [client]


def test_a_real_client() -> None:
    """RL9: LaunchDarkly's own client is told from one that went through `postfork()`."""
    with LDClient(Config("sdk-key", offline=True)) as client:
        assert "postfork()" in warned(client)
        fork._clients.clear()
        assert "made before a fork" not in warned(client, told=True)
