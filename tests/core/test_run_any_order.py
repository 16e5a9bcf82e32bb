from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from ldai_core import Call, Reading, Run, TokenUsage, ToolCall
from ldai_core.endings import settle
from ldai_core.reading import NOTHING, OUTPUT
from tests.core.doubles import FakeLDClient, make_tracker
from tests.core.runs import DURATION, ERROR, FIRST_TOKEN, INPUT, OUTPUT_TOKENS, SUCCESS, TOOL_CALL, TOTAL, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

Counts = dict[str, int]


@dataclass
class ModelCall:
    """What a call should know."""

    recorded: bool
    ended: bool = False
    counts: Counts = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    tools: int = 0

    def usage(self) -> Counts:
        """Return the counts that are known, with the total that follows from the other two."""
        if {"input", "output"} <= self.counts.keys():
            return {"total": self.counts["input"] + self.counts["output"], **self.counts}
        return self.counts


@dataclass
class Model:
    """What a run should report, said as plainly as possible: no locks, no threads, no exceptions."""

    start_ns: int
    calls: list[ModelCall] = field(default_factory=list)
    closed_ns: int | None = None
    first_output_ns: int | None = None
    failed: bool = False
    reported: bool = False
    sent: list[tuple[str, int]] = field(default_factory=list)

    def call(self) -> None:
        """Begin a call; on a closed run it is not recorded."""
        self.calls.append(ModelCall(recorded=self.closed_ns is None))

    def observe(self, call: ModelCall, reading: Reading, now_ns: int) -> None:
        """Take in a reading."""
        if reading.output and self.first_output_ns is None and self.closed_ns is None:
            self.first_output_ns = now_ns
        usage = reading.usage or TokenUsage()
        for name, count in {"total": usage.total, "input": usage.input, "output": usage.output}.items():
            if type(count) is int and 0 <= count < 2**53:
                call.counts[name] = count
        for tool_call in reading.tool_calls:
            again = isinstance(tool_call, ToolCall) and tool_call.id in call.ids
            call.tools += not again
            if isinstance(tool_call, ToolCall) and tool_call.id is not None:
                call.ids.add(tool_call.id)

    def end(self, call: ModelCall) -> None:
        """End a call; what a resumed one has brought is reported at its second end."""
        call.ended = True
        self.report([call])

    def close(self, error: BaseException | None, now_ns: int) -> None:
        """Close the run: the first time counts."""
        if self.closed_ns is None:
            self.closed_ns = now_ns
            self.failed = error is not None and not isinstance(error, GeneratorExit)
        self.report([])

    def report(self, resumed: list[ModelCall]) -> None:
        """Report what is due, and not yet reported."""
        recorded = [call for call in self.calls if call.recorded]
        if self.closed_ns is None or not recorded or not all(call.ended for call in recorded):
            return
        news = recorded
        if self.reported:
            news = [call for call in resumed if call.recorded]
        else:
            self.sent.append((DURATION, (self.closed_ns - self.start_ns) // 1_000_000))
            if self.first_output_ns is not None:
                self.sent.append((FIRST_TOKEN, (self.first_output_ns - self.start_ns) // 1_000_000))
            self.sent.append((ERROR if self.failed else SUCCESS, 1))
        self.reported = True
        if not {name for name, _ in self.sent} & set(COUNTED.values()):
            sums = [(event, sum(call.usage().get(name, 0) for call in news)) for name, event in COUNTED.items()]
            self.sent += [(event, count) for event, count in sums if count]
        for call in news:
            self.sent += [(TOOL_CALL, 1)] * call.tools
            call.tools = 0


COUNTED = {"total": TOTAL, "input": INPUT, "output": OUTPUT_TOKENS}
COUNTS = st.none() | st.integers(0, 1000) | st.sampled_from([-1, True, 1.5, "7", math.nan, 10**400])
NAMES = st.sampled_from(["search", "book"])
READINGS = st.sampled_from([NOTHING, OUTPUT]) | st.builds(
    Reading,
    usage=st.none() | st.builds(TokenUsage, COUNTS, COUNTS, COUNTS),
    output=st.booleans(),
    failed=st.booleans(),
    tool_calls=st.lists(NAMES | st.builds(ToolCall, NAMES, st.sampled_from(["1", "2"])), max_size=3).map(tuple),
)
ERRORS = st.sampled_from([None, None, KeyError(), KeyboardInterrupt(), GeneratorExit()])
CALL_INDEX = st.integers(0, 5)
ACTS = st.one_of(
    st.tuples(st.just("call")),
    st.tuples(st.just("observe"), CALL_INDEX, READINGS),
    st.tuples(st.just("end"), CALL_INDEX, ERRORS),
    st.tuples(st.just("abandon"), CALL_INDEX),
    st.tuples(st.just("close"), ERRORS),
    st.tuples(st.just("wait"), st.integers(-1_000_000, 3_000_000)),
)


class Pair:
    """A run and its model, which are told the same."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ld_client = FakeLDClient()
        self.run = Run(make_tracker(self.ld_client))
        self.model = Model(clock.now_ns)
        self.calls: list[Call] = []

    def act(self, name: str, *arguments: object) -> None:
        """Do one of the things that follow."""
        act: Callable[..., None] = getattr(self, name)
        act(*arguments)

    def wait(self, ns: int) -> None:
        """Let time pass."""
        self.clock.now_ns += max(0, ns)

    def call(self) -> None:
        """Begin a call."""
        self.calls.append(self.run.call())
        self.model.call()

    def observe(self, index: int, reading: Reading) -> None:
        """Observe a reading, at a call that has begun."""
        for call, model in self.at(index):
            call.observe(reading)
            self.model.observe(model, reading, self.clock.now_ns)

    def end(self, index: int, error: BaseException | None) -> None:
        """End a call that has begun."""
        for call, model in self.at(index):
            call.end(error)
            self.model.end(model)

    def abandon(self, index: int) -> None:
        """End a call as a finaliser does."""
        for call, model in self.at(index):
            call.abandon()
            assert settle()
            self.model.end(model)

    def close(self, error: BaseException | None) -> None:
        """Close the run."""
        self.run.close(error)
        self.model.close(error, self.clock.now_ns)

    def at(self, index: int) -> list[tuple[Call, ModelCall]]:
        """Return one of the calls that have begun, and its model, if there are any."""
        begun = list(zip(self.calls, self.model.calls, strict=True))
        return [begun[index % len(begun)]] if begun else []


@settings(max_examples=300)
@given(st.lists(ACTS, max_size=40))
def test_any_order(acts: list[tuple[object, ...]]) -> None:
    """Any order of call, observe, end and close on a run: never an exception, never an event twice, never a negative
    time, and what is reported is what a simple model reports, at every step.
    """
    clock = Clock()
    logging.getLogger("ldai_core").setLevel(logging.CRITICAL)
    try:
        with patch("ldai_core.run.perf_counter_ns", clock):
            pair = Pair(clock)
            for name, *arguments in acts:
                pair.act(str(name), *arguments)
                assert pair.ld_client.sent == pair.model.sent
            pair.close(None)
            for index in range(len(pair.calls)):
                pair.end(index, None)
    finally:
        logging.getLogger("ldai_core").setLevel(logging.NOTSET)
    sent = pair.ld_client.sent
    assert sent == pair.model.sent
    once = [name.replace("error", "success") for name, _ in sent if name != TOOL_CALL]
    assert len(once) == len(set(once))
    assert all(type(value) is int and value >= 0 for _, value in sent)
    recorded = any(call.recorded for call in pair.model.calls)
    assert once[:1] == [DURATION] * recorded
