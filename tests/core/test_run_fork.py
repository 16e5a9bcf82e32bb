from __future__ import annotations

import os

import pytest

from ldai_core import Reading, Run
from tests.core.doubles import make_tracker
from tests.core.runs import (
    DURATION,
    INPUT,
    OUTPUT_TOKENS,
    SUCCESS,
    TOTAL,
    USAGE,
    in_child,
    make_run,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")


def test_a_fork() -> None:
    """A run belongs to the process that opened it: nothing from the child of a fork, once from the parent."""
    run, ld_client = make_run()
    call = run.call()
    call.observe(Reading(usage=USAGE))

    def end() -> list[tuple[str, int]]:
        call.end()
        run.close()
        return ld_client.sent

    assert in_child(end) == "[]"
    assert [name for name, _ in end()] == [DURATION, SUCCESS, TOTAL, INPUT, OUTPUT_TOKENS]


def test_a_fork_in_the_middle_of_a_report() -> None:
    """In the child of a fork a run does not hang, whatever another thread of the parent was just doing with it."""
    run, ld_client = make_run()
    call = run.call()

    def end() -> list[tuple[str, int]]:
        call.observe(Reading(usage=USAGE))
        call.end()
        run.close()
        return ld_client.sent

    with run._lock:  # as another thread may hold it at the fork
        assert in_child(end) == "[]"


def test_a_run_of_the_child() -> None:
    """A run that the child of a fork opens is reported in the child, once."""
    run, ld_client = make_run()
    run.call().end()

    def call_once() -> list[str]:
        with Run(make_tracker(ld_client)) as own:
            own.call().end()
        return [name for name, _ in ld_client.sent]

    assert in_child(call_once) == str([DURATION, SUCCESS])
    assert ld_client.events == []


def test_a_call_in_the_child() -> None:
    """A call that the child of a fork begins in the parent's run works, and is not recorded by either."""
    run, ld_client = make_run()

    def call_once() -> list[str]:
        call = run.call()
        call.observe(Reading(usage=USAGE))
        call.end()
        run.close()
        return [name for name, _ in ld_client.sent]

    assert in_child(call_once) == "[]"
    run.close()
    assert ld_client.events == []
