from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ldai_core import Reading
from ldai_core.reading import OUTPUT
from ldai_core.run import begin_call
from tests.core.doubles import FakeLDClient, make_tracker, warnings_in
from tests.core.runs import (
    DURATION,
    ERROR,
    FIRST_TOKEN,
    SUCCESS,
    USAGE,
    USAGE_EVENTS,
    Clock,
    make_run,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from ldai_core import AIConfigTracker

LEAVING = [KeyError(), KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError()]


def test_a_run_is_reported_when_it_is_closed(clock: Clock) -> None:
    """A run whose calls have ended is reported when it is closed, with the duration from opening to closing."""
    run, ld_client = make_run()
    clock.pass_ms(1)
    call = run.call()
    clock.pass_ms(20)
    call.end()
    clock.pass_ms(300)
    assert ld_client.events == []
    run.close()
    assert ld_client.sent == [(DURATION, 321), (SUCCESS, 1)]


def test_a_run_is_reported_when_its_last_call_has_ended(clock: Clock) -> None:
    """A call may outlive the `with`: the run is reported when it has ended too, without the time after the closing."""
    run, ld_client = make_run()
    with run:
        first, last = run.call(), run.call()
        clock.pass_ms(20)
    clock.pass_ms(300)
    first.end()
    assert ld_client.events == []
    last.observe(Reading(usage=USAGE))
    last.end()
    assert ld_client.sent == [(DURATION, 20), (SUCCESS, 1), *USAGE_EVENTS]


def test_the_clock_starts_at_the_entering(clock: Clock) -> None:
    """The duration of a `with` block is from its beginning, not from when the Run was made."""
    run, ld_client = make_run()
    clock.pass_ms(300)
    with run:
        run.call().end()
        clock.pass_ms(20)
    assert ld_client.sent == [(DURATION, 20), (SUCCESS, 1)]


def test_a_run_that_is_entered_after_its_first_call(clock: Clock) -> None:
    """A call begun before the `with` block is the run's: its duration counts from before that call."""
    run, ld_client = make_run()
    call = run.call()
    clock.pass_ms(300)
    with run:
        call.observe(OUTPUT)
        call.end()
        clock.pass_ms(20)
    assert ld_client.sent == [(DURATION, 320), (FIRST_TOKEN, 300), (SUCCESS, 1)]


def test_the_clock_of_a_single_call(clock: Clock) -> None:
    """A single call's duration is from just before the request: the factory's time is not the model's."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client)

    def slow() -> AIConfigTracker:
        clock.pass_ms(500)
        return tracker

    call = begin_call(slow)
    clock.pass_ms(20)
    call.end()
    assert ld_client.sent == [(DURATION, 20), (SUCCESS, 1)]


def test_a_handled_failure() -> None:
    """A `with Run(...)` left normally is a success, even if calls inside failed, raising or not, and were handled."""
    run, ld_client = make_run()
    with run:
        run.call().end(KeyError())
        call = run.call()
        call.observe(Reading(failed=True))
        call.end()
    assert [name for name, _ in ld_client.sent] == [DURATION, SUCCESS]


@pytest.mark.parametrize("error", LEAVING)
def test_an_exception_leaves_the_block(error: BaseException, clock: Clock) -> None:
    """An exception left the `with Run(...)` block: an error, with the sum of tokens; the same exception goes on."""
    run, ld_client = make_run()

    def fail() -> None:
        with run:
            call = run.call()
            call.observe(Reading(usage=USAGE))
            call.end()
            raise error

    with pytest.raises(type(error)) as caught:
        fail()
    assert caught.value is error
    assert ld_client.sent == [(DURATION, 0), (ERROR, 1), *USAGE_EVENTS]


@pytest.mark.parametrize("error", LEAVING)
async def test_an_exception_leaves_the_async_block(error: BaseException, clock: Clock) -> None:
    """An exception left the `async with Run(...)` block: an error; the same exception goes on."""
    run, ld_client = make_run()

    async def fail() -> None:
        async with run:
            run.call().end()
            raise error

    with pytest.raises(type(error)) as caught:
        await fail()
    assert caught.value is error
    assert ld_client.sent == [(DURATION, 0), (ERROR, 1)]


async def test_async_with(clock: Clock) -> None:
    """`async with Run(...)` is the same as `with`."""
    run, ld_client = make_run()
    async with run as entered:
        run.call().end()
        clock.pass_ms(4)
    assert entered is run
    assert ld_client.sent == [(DURATION, 4), (SUCCESS, 1)]


def test_a_break_leaves_the_block(clock: Clock) -> None:
    """`with Run(...)` left by a break: success."""
    run, ld_client = make_run()
    for _ in range(2):
        with run:
            run.call().end()
            break
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]


def test_a_return_leaves_the_block(clock: Clock) -> None:
    """`with Run(...)` left by a return: success."""
    run, ld_client = make_run()

    def answer() -> str:
        with run:
            run.call().end()
            return "42"

    assert answer() == "42"
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]


def test_a_generator_exit_leaves_the_block(clock: Clock) -> None:
    """`with Run(...)` left by a GeneratorExit, whose consumer has gone: success."""
    run, ld_client = make_run()

    def answers() -> Generator[str]:
        with run:
            run.call().end()
            yield "42"

    answer = answers()
    next(answer)
    answer.close()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]


def test_entering_twice() -> None:
    """Entering again is a RuntimeError, inside the block and after it; nothing more is reported."""
    run, ld_client = make_run()
    with run:
        run.call().end()
        with pytest.raises(RuntimeError, match="entered once"):
            run.__enter__()
    with pytest.raises(RuntimeError, match="entered once"), run:
        raise AssertionError
    assert len(ld_client.events) == 2


async def test_entering_a_closed_run() -> None:
    """A run that was closed without having been entered cannot be entered any more."""
    run, _ = make_run()
    run.close()
    with pytest.raises(RuntimeError, match="entered once"):
        await run.__aenter__()


@pytest.mark.parametrize("errors", [(None, KeyError()), (KeyError(), None), (None, None)])
def test_closing_twice(
    errors: tuple[BaseException | None, ...], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Closing again does nothing: the first outcome and time stand."""
    run, ld_client = make_run()
    run.call().end()
    for error in errors:
        run.close(error)
        clock.pass_ms(50)
    assert ld_client.sent == [(DURATION, 0), (SUCCESS if errors[0] is None else ERROR, 1)]
    assert warnings_in(caplog) == []


def test_closing_twice_while_a_call_is_open(clock: Clock) -> None:
    """Closing again does nothing, also before the report: the first outcome and time stand."""
    run, ld_client = make_run()
    call = run.call()
    run.close()
    clock.pass_ms(50)
    run.close(KeyError())
    call.end()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]


@pytest.mark.parametrize("errors", [(None, KeyError()), (KeyError(), None), (GeneratorExit(), KeyError())])
def test_ending_twice(errors: tuple[BaseException | None, ...], clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Ending a call again does nothing: the first outcome and time stand; GeneratorExit is no failure."""
    ld_client = FakeLDClient()
    call = begin_call(make_tracker(ld_client))
    for error in errors:
        call.end(error)
        clock.pass_ms(50)
    assert ld_client.sent == [(DURATION, 0), (ERROR if isinstance(errors[0], KeyError) else SUCCESS, 1)]
    assert warnings_in(caplog) == []


def test_a_call_on_a_closed_run(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A call begun on a closed run works, is not recorded, and costs one warning."""
    run, ld_client = make_run()
    run.call().end()
    run.close()
    sent = list(ld_client.sent)
    call = run.call()
    call.observe(Reading(usage=USAGE, output=True, tool_calls=("search",)))
    call.end()
    call.end(KeyError())
    assert ld_client.sent == sent
    assert len(warnings_in(caplog)) == 1


def test_a_call_on_a_closed_run_that_still_waits(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A call begun on a closed run does not count among those that the run waits for."""
    run, ld_client = make_run()
    last = run.call()
    run.close()
    late = run.call()
    late.observe(Reading(usage=USAGE))
    late.end()
    assert ld_client.events == []
    last.end()
    assert ld_client.sent == [(DURATION, 0), (SUCCESS, 1)]
    assert len(warnings_in(caplog)) == 1
