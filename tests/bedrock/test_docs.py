"""docs/bedrock.md: its table of what is recorded when, executed; its other facts, checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from tests.bedrock.recorded_when import CASES, Bench
from tests.expected import told
from tests.pages import promised, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

PAGE = (Path(__file__).parents[2] / "docs" / "bedrock.md").read_text()


ROWS = table(PAGE, "What is recorded when")
EVERY_CASE = [(row, operation) for row in ROWS for operation in (CASES[row].operations if row in CASES else ())]


def test_every_row_is_executed() -> None:
    """Each row of the table has a case, and each case a row."""
    assert list(ROWS) == list(CASES)


@pytest.mark.parametrize(("row", "operation"), EVERY_CASE)
async def test_what_is_recorded_when(
    server: ScriptedBedrock,
    make_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    row: str,
    operation: str,
) -> None:
    """BR1, BR3, BR4, BR5, BR7, BR9, BR11: what happened, in the words of the table, brings about its events."""

    async def make(attempts: int = 1, timeout_s: float = 10) -> Any:
        return make_client(Config(retries={"total_max_attempts": attempts}, read_timeout=timeout_s))

    await CASES[row].run(Bench(server, make, operation, config, recorded))
    assert told(recorded) == promised(ROWS[row])


@pytest.mark.parametrize(("row", "operation"), EVERY_CASE)
async def test_what_is_recorded_when_async(
    server: ScriptedBedrock,
    make_async_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    row: str,
    operation: str,
) -> None:
    """BR16: likewise, async."""

    async def make(attempts: int = 1, timeout_s: float = 10) -> Any:
        return await make_async_client(retries={"total_max_attempts": attempts}, read_timeout=timeout_s)

    await CASES[row].run(Bench(server, make, operation, config, recorded))
    assert told(recorded) == promised(ROWS[row])


def test_every_behaviour_has_a_test() -> None:
    """Each of the numbered behaviours is quoted by a test."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    numbers = [number for number in table(PAGE, "Behaviours") if re.fullmatch(r"BR\d+", number)]
    assert numbers == [f"BR{n}" for n in range(1, 18)]
    assert [number for number in numbers if not re.search(rf"\b{number}\b", tests)] == []
