from __future__ import annotations

import asyncio

import pytest

from ldai_core import Reading, Run, TokenUsage, ToolCall
from ldai_core.reading import OUTPUT
from ldai_core.run import begin_call
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.runs import (
    DURATION,
    ERROR,
    FIRST_TOKEN,
    INPUT,
    OUTPUT_TOKENS,
    SUCCESS,
    TOOL_CALL,
    TOTAL,
    USAGE,
    USAGE_EVENTS,
    Clock,
    make_run,
)

LEAVING = [KeyError(), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()]


def tokens_of(run: Run, ld_client: FakeLDClient) -> list[tuple[str, int]]:
    """Close a run, and return what it reports beside duration and outcome."""
    run.close()
    return [(name, value) for name, value in ld_client.sent if name not in {DURATION, SUCCESS}]


@pytest.mark.parametrize(("ms", "whole"), [(0, 0), (0.4, 0), (0.999, 0), (1, 1), (1.999, 1)])
def test_durations_are_whole_milliseconds(ms: float, whole: int, clock: Clock) -> None:
    """C4: durations and times to first token are whole milliseconds, rounded down."""
    run, ld_client = make_run()
    clock.pass_ms(ms)
    call = run.call()
    call.observe(OUTPUT)
    call.end()
    run.close()
    assert ld_client.sent == [(DURATION, whole), (FIRST_TOKEN, whole), (SUCCESS, 1)]
    assert [type(value) for _, value in ld_client.sent] == [int, int, int]


def test_usage_is_summed_over_calls() -> None:
    """A run's usage is the sum over its calls, count by count of those that are known."""
    run, ld_client = make_run()
    for usage in (USAGE, None, TokenUsage(total=30, input=10, output=None), TokenUsage(0, 0, 0)):
        call = run.call()
        call.observe(Reading(usage=usage))
        call.end()
    assert tokens_of(run, ld_client) == [(TOTAL, 37), (INPUT, 13), (OUTPUT_TOKENS, 4)]


@pytest.mark.parametrize(
    ("usages", "known"),
    [
        ([TokenUsage(9, 8, 1), TokenUsage(12, 8, 4)], [(TOTAL, 12), (INPUT, 8), (OUTPUT_TOKENS, 4)]),
        ([TokenUsage(input=8, output=1), TokenUsage(output=4)], [(TOTAL, 12), (INPUT, 8), (OUTPUT_TOKENS, 4)]),
        (
            [TokenUsage(input=8), TokenUsage(total=20), TokenUsage(output=4)],
            [(TOTAL, 20), (INPUT, 8), (OUTPUT_TOKENS, 4)],
        ),
        ([TokenUsage(3, 2, 1), TokenUsage()], [(TOTAL, 3), (INPUT, 2), (OUTPUT_TOKENS, 1)]),
        ([TokenUsage(3, 2, 1), TokenUsage(output=0)], [(TOTAL, 3), (INPUT, 2)]),
        ([TokenUsage(input=8)], [(INPUT, 8)]),
        ([TokenUsage(total=8)], [(TOTAL, 8)]),
        ([TokenUsage(0, 0, 0)], []),
        ([TokenUsage()], []),
    ],
)
def test_usage_within_a_call(usages: list[TokenUsage], known: list[tuple[str, int]]) -> None:
    """Within a call the newest known count wins, one by one; a missing total is input + output where both are known."""
    run, ld_client = make_run()
    call = run.call()
    for usage in usages:
        call.observe(Reading(usage=usage))
    call.end()
    assert tokens_of(run, ld_client) == known


def test_the_first_output_of_any_call(clock: Clock) -> None:
    """Time to first token is that of the first of a run's calls to bring output, from the opening of the run."""
    run, ld_client = make_run()
    first, second = run.call(), run.call()
    for call, reading in ((first, Reading()), (second, OUTPUT), (first, OUTPUT), (first, Reading(output=True))):
        clock.pass_ms(10)
        call.observe(reading)
    first.end()
    second.end()
    run.close()
    assert ld_client.sent == [(DURATION, 40), (FIRST_TOKEN, 20), (SUCCESS, 1)]


@pytest.mark.parametrize("output", [OUTPUT, Reading(output=True), Reading(output=True, usage=USAGE)])
def test_output_after_the_closing(output: Reading, clock: Clock) -> None:
    """Output first seen after the closing sets no time to first token."""
    run, ld_client = make_run()
    with run:
        call = run.call()
        clock.pass_ms(20)
    call.observe(output)
    call.end()
    assert [name for name, _ in ld_client.sent[:2]] == [DURATION, SUCCESS]


def test_tool_calls(clock: Clock) -> None:
    """C2: tool calls are one event each, in order; within a call the same id again is the same tool call."""
    run, ld_client = make_run()
    for _ in range(2):
        call = run.call()
        call.observe(Reading(tool_calls=("search", "search", ToolCall("book", "1"))))
        call.observe(Reading(tool_calls=(ToolCall("book", "1"), ToolCall("book", "2"))))
        call.end()
    assert tokens_of(run, ld_client) == [(TOOL_CALL, 1)] * 8
    keys = [event.data["toolKey"] for event in ld_client.events if event.name == TOOL_CALL]
    assert keys == ["search", "search", "book", "book"] * 2


def test_the_order_of_events(clock: Clock) -> None:
    """Emission order: duration, time to first token, success or error, tokens, tool calls."""
    run, ld_client = make_run()
    call = run.call()
    call.observe(Reading(usage=USAGE, output=True, tool_calls=("search",)))
    call.end()
    run.close()
    assert ld_client.sent == [(DURATION, 0), (FIRST_TOKEN, 0), (SUCCESS, 1), *USAGE_EVENTS, (TOOL_CALL, 1)]


@pytest.mark.parametrize("failed", [True, False])
def test_a_single_call_that_reports_a_failure(failed: bool, clock: Clock) -> None:
    """Provider reported failure without raising: an error, with duration and what else was given."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    call.observe(Reading(failed=failed, usage=USAGE))
    call.observe(Reading(output=True))
    call.end()
    outcome = ERROR if failed else SUCCESS
    assert ld_client.sent == [(DURATION, 0), (FIRST_TOKEN, 0), (outcome, 1), *USAGE_EVENTS]


def test_many_runs(clock: Clock) -> None:
    """N runs are n durations and n outcomes, however they overlap."""
    ld_client = FakeLDClient()
    runs = [Run(lambda: make_tracker(ld_client)) for _ in range(20)]
    calls = [run.call() for run in runs for _ in range(3)]
    for closing in (runs[::2], calls, runs[1::2]):
        for each in closing:
            each.close() if isinstance(each, Run) else each.end()
    assert sorted(ld_client.sent) == sorted([(DURATION, 0), (SUCCESS, 1)] * 20)


def test_a_sum_that_json_may_not_carry() -> None:
    """C4: a sum of counts is bounded like a count: beyond 2^53-1 it is not sent, and the others are."""
    run, ld_client = make_run()
    for _ in range(2):
        run.call().observe(Reading(usage=TokenUsage(total=2**53 - 1, input=3)))
    for call in list(run._calls):
        call.end()
    assert tokens_of(run, ld_client) == [(INPUT, 6)]


FINAL = Reading(usage=TokenUsage(input=9, output=3), final=True)


@pytest.mark.parametrize(
    ("readings", "known"),
    [
        ([FINAL, Reading(usage=TokenUsage(93, 90, 3))], [(TOTAL, 12), (INPUT, 9), (OUTPUT_TOKENS, 3)]),
        ([Reading(usage=TokenUsage(93, 90, 3)), FINAL], [(TOTAL, 12), (INPUT, 9), (OUTPUT_TOKENS, 3)]),
        (
            [Reading(usage=TokenUsage(93, 90, 3)), Reading(usage=TokenUsage(output=5), final=True)],
            [(TOTAL, 95), (INPUT, 90), (OUTPUT_TOKENS, 5)],
        ),
        ([FINAL, Reading(usage=TokenUsage(output=4), final=True)], [(TOTAL, 13), (INPUT, 9), (OUTPUT_TOKENS, 4)]),
        (
            [Reading(usage=TokenUsage(20, 9, 3), final=True), Reading(usage=TokenUsage(12))],
            [(TOTAL, 20), (INPUT, 9), (OUTPUT_TOKENS, 3)],
        ),
    ],
)
def test_a_last_word(readings: list[Reading], known: list[tuple[str, int]]) -> None:
    """A usage that is the provider's last word holds, count by count, before and after others; its total follows."""
    run, ld_client = make_run()
    call = run.call()
    for reading in readings:
        call.observe(reading)
    call.end()
    assert tokens_of(run, ld_client) == known
