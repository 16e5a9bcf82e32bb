"""Readings: what one response or one chunk says, and what those of one call add up to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ldai_core.metrics import TokenUsage, clean_usage
from ldai_core.values import whole_count

__all__ = ["NOTHING", "OUTPUT", "Reading", "Tally", "ToolCall", "clean", "sum_usages"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call with its id: within one call to the provider, the same id again is the same tool call.

    Where a stream's later fragments come without the id, `place` tells them: the same place as of one that was seen.
    """

    name: str
    id: str | None
    place: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one response, or one chunk of a stream, says.

    `usage` counts are cumulative within one call: the newest known one wins, and None is unknown.
    `output` is True for a chunk that carries output: text, reasoning, a refusal, a fragment of a tool call.
    `failed` is True where the provider reports a failure without raising.
    `tool_calls` are the tools that the model asks for, by name.
    `final` is True where the usage is the provider's last word: its counts hold whatever others say, before or after.
    """

    usage: TokenUsage | None = None
    output: bool = False
    failed: bool = False
    tool_calls: tuple[str | ToolCall, ...] = ()
    final: bool = False


# What most chunks say. Readers return these two, so that a stream costs no object a chunk.
NOTHING = Reading()
OUTPUT = Reading(output=True)


_UNKNOWN = TokenUsage()


class Tally:
    """What the readings of one call add up to. Not thread-safe: the run's lock is around it."""

    __slots__ = ("_final", "_seen", "_tool_calls", "_usage", "unreadable")

    def __init__(self) -> None:
        self._usage = self._final = _UNKNOWN
        self._tool_calls: list[str] = []
        self._seen: set[tuple[str, str]] = set()
        self.unreadable = False

    def add(self, reading: Reading) -> None:
        """Take in a reading that is clean: the newest known count wins, and a tool call's id counts once."""
        usage = reading.usage
        if usage is not None:
            if reading.final:
                self._final = _newest(usage, self._final)
            else:
                self._usage = _newest(usage, self._usage)
        for tool_call in reading.tool_calls:
            if isinstance(tool_call, str):
                self._tool_calls.append(tool_call)
                continue
            # An id may look like a place.
            marks = [("id", tool_call.id)] if tool_call.id else []
            marks += [("place", tool_call.place)] if tool_call.place else []
            if not marks or marks[0] not in self._seen:
                self._tool_calls.append(tool_call.name)
            self._seen.update(marks)

    def usage(self) -> TokenUsage:
        """Tell what is known; a missing total is input + output where both are known."""
        if self.unreadable:
            return _UNKNOWN
        known = self._usage
        if self._final != _UNKNOWN:
            known = _newest(self._final, known)
            # And not a total of counts that do not hold.
            known = TokenUsage(self._final.total, known.input, known.output)
        if known.total is None and known.input is not None and known.output is not None:
            return TokenUsage(known.input + known.output, known.input, known.output)
        return known

    def new_tool_calls(self) -> list[str]:
        """Hand out the tool calls that were not handed out before."""
        new, self._tool_calls = self._tool_calls, []
        return new


def clean(reading: Reading) -> tuple[Reading, list[str]]:
    """Drop what may not leave, a bad count or a tool call without a name, and tell what was dropped.

    Counts of whatever class become plain integers, so that they can be added up.
    """
    usage, dropped = (None, []) if reading.usage is None else clean_usage(reading.usage)
    tool_calls = reading.tool_calls and tuple(call for call in reading.tool_calls if _has_name(call))
    unnamed = len(reading.tool_calls) - len(tool_calls)
    faults = ["a token count that is no whole number >= 0"] if dropped else []
    if unnamed:
        faults.append("a tool call without a name")
    changed = unnamed or usage is not reading.usage
    return (replace(reading, usage=usage, tool_calls=tool_calls) if changed else reading), faults


def _newest(usage: TokenUsage, known: TokenUsage) -> TokenUsage:
    """Put the newest counts over those that are known."""
    if known is _UNKNOWN:
        return usage
    return TokenUsage(
        known.total if usage.total is None else usage.total,
        known.input if usage.input is None else usage.input,
        known.output if usage.output is None else usage.output,
    )


def sum_usages(usages: list[TokenUsage]) -> TokenUsage | None:
    """Add up what is known, count by count; None where nothing was used."""
    if len(usages) == 1:  # which is clean
        (usage,) = usages
        return usage if usage.total or usage.input or usage.output else None
    total = _sum([usage.total for usage in usages])
    input_ = _sum([usage.input for usage in usages])
    output = _sum([usage.output for usage in usages])
    return TokenUsage(total, input_, output) if total or input_ or output else None


def _sum(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return whole_count(sum(known)) if known else None


def _has_name(tool_call: str | ToolCall) -> bool:
    name: object = tool_call.name if isinstance(tool_call, ToolCall) else tool_call
    return isinstance(name, str) and name != ""
