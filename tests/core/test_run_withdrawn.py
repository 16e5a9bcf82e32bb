"""Calls that are taken back: their run is as if they had never begun."""

from __future__ import annotations

import gc

import pytest

from ldai_core import Reading
from ldai_core.endings import settle
from ldai_core.run import begin_call
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.runs import SUCCESS, USAGE, USAGE_EVENTS, make_run

SPENT = Reading(usage=USAGE, tool_calls=("search",))


def test_a_call_of_a_run() -> None:
    """A run waits no longer for a call that is withdrawn, and counts nothing of it, before or after."""
    run, ld_client = make_run()
    kept, taken = run.call(), run.call()
    taken.observe(SPENT)
    kept.observe(Reading(usage=USAGE))
    kept.end()
    run.close()
    assert ld_client.events == []
    taken.withdraw()
    reported = ld_client.sent[1:]
    assert reported == [(SUCCESS, 1), *USAGE_EVENTS]
    taken.observe(SPENT)
    taken.end()
    taken.withdraw()
    taken.abandon()
    assert settle()
    assert ld_client.sent[1:] == reported


def test_the_only_call() -> None:
    """A run that is one call reports nothing when that is withdrawn, nor when it then ends."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    call.observe(SPENT)
    call.withdraw()
    call.end(RuntimeError())
    assert ld_client.events == []


@pytest.mark.parametrize("error", [None, RuntimeError()])
def test_a_call_that_has_ended(error: Exception | None) -> None:
    """A call that has ended cannot be taken back."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    call.end(error)
    sent = list(ld_client.sent)
    assert len(sent) == 2
    call.withdraw()
    assert ld_client.sent == sent


def test_in_a_collection() -> None:
    """Withdrawn by a finaliser inside a garbage collection, a call is taken back soon: its run is then reported."""
    run, ld_client = make_run()
    kept, taken = run.call(), run.call()
    kept.end()
    run.close()

    class Forgotten:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            taken.withdraw()
            reported.append(list(ld_client.events))

    reported: list[object] = []
    Forgotten()
    gc.collect()
    assert reported == [[]]
    assert settle()
    assert ld_client.sent[1:] == [(SUCCESS, 1)]
