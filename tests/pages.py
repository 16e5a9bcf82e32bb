"""The pages of the documentation whose tables say what is recorded when."""

from __future__ import annotations

from typing import Any

from tests.expected import ERROR, SUCCESS, TOOL_CALL, duration, first_token, tokens

__all__ = ["promised", "table"]


def table(page: str, heading: str) -> dict[str, list[str]]:
    """Read the table below a heading of a page: the cells of each row by its first."""
    below = page.split(f"## {heading}\n")[1].split("\n## ", maxsplit=1)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in below.splitlines() if line.startswith("|")
    ]
    return {first: rest for first, *rest in rows[2:]}


def promised(cells: list[str]) -> list[tuple[str, Any]]:
    """Write the events that the cells of a row promise."""
    lasts, first, counted, outcome, called = cells
    if lasts == "nothing":
        return []
    assert (lasts, outcome in ("success", "error")) == ("yes", True)
    events = [duration(), *([first_token()] if first == "yes" else []), SUCCESS if outcome == "success" else ERROR]
    events += {"yes": tokens(9, 3), "twice": tokens(18, 6), "no": []}[counted]
    return events + [TOOL_CALL] * int(called or 0)
