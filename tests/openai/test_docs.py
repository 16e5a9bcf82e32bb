"""docs/openai.md: its table of what is recorded when, executed; its other facts, checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ldai_openai import wrap_openai
from tests.expected import told
from tests.openai.recorded_when import CASES, Bench
from tests.pages import promised, table

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI

PAGE = (Path(__file__).parents[2] / "docs" / "openai.md").read_text()


ROWS = table(PAGE, "What is recorded when")
EVERY_CASE = [(row, api) for row in ROWS for api in (CASES[row].apis if row in CASES else ())]


def test_every_row_is_executed() -> None:
    """Each row of the table has a case, and each case a row."""
    assert list(ROWS) == list(CASES)


@pytest.mark.filterwarnings("ignore:coroutine 'Async.*' was never awaited")  # the SDK's, of a manager never entered
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("row", "api"), EVERY_CASE)
async def test_what_is_recorded_when(
    server: ScriptedOpenAI,
    client: OpenAI,
    async_client: AsyncOpenAI,
    config: AIConfig,
    recorded: RecordingClient,
    row: str,
    api: str,
    is_async: bool,
) -> None:
    """OA1, OA5, OA6, OA8, OA9, OA10, OA11: what happened, in the words of the table, brings about its events."""
    case = CASES[row]
    used: Any = async_client if is_async else client
    bench = Bench(server, lambda **options: wrap_openai(used, config, **options), api, config)
    if not case.exists(client, api):
        pytest.skip("this release of openai does not have the call")
    await case.run(bench)
    assert told(recorded) == promised(ROWS[row])


def test_every_behaviour_has_a_test() -> None:
    """Each of the numbered behaviours is quoted by a test."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    numbers = [number for number in table(PAGE, "Behaviours") if re.fullmatch(r"OA\d+", number)]
    assert numbers == [f"OA{n}" for n in range(1, 20)]
    assert [number for number in numbers if not re.search(rf"\b{number}\b", tests)] == []
