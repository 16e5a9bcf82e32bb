"""docs/langchain.md: its table of what is recorded when, executed; its other facts, checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.expected import told
from tests.langchain.recorded_when import CASES, Bench
from tests.pages import promised, table

if TYPE_CHECKING:
    from ldai_core.testing import RecordingClient
    from ldai_langchain import LaunchDarklyCallbackHandler

PAGE = (Path(__file__).parents[2] / "docs" / "langchain.md").read_text()
ROWS = table(PAGE, "What is recorded when")
EVERY_CASE = [
    (row, kind, way) for row, case in CASES.items() if row in ROWS for kind in case.kinds for way in case.ways
]


def test_every_row_is_executed() -> None:
    """Each row of the table has a case, and each case a row."""
    assert list(ROWS) == list(CASES)


@pytest.mark.parametrize(("row", "kind", "is_async"), EVERY_CASE)
async def test_what_is_recorded_when(
    handler: LaunchDarklyCallbackHandler, recorded: RecordingClient, row: str, kind: str, is_async: bool
) -> None:
    """LC1, LC2, LC3, LC6, LC8, LC10, LC11: what happened, in the words of the table, brings about its events."""
    await CASES[row].run(Bench(handler, kind, is_async))
    assert told(recorded) == promised(ROWS[row])


def test_every_behaviour_has_a_test() -> None:
    """Each of the numbered behaviours is quoted by a test; LC19 is that they all run on the oldest and the newest."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    numbers = [number for number in table(PAGE, "Behaviours") if re.fullmatch(r"LC\d+", number)]
    assert numbers == [f"LC{n}" for n in range(1, 20)]
    assert [number for number in numbers if not re.search(rf"\b{number}\b", tests)] == []
