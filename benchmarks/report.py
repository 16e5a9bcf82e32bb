"""What was measured, as text for the terminal, and as `docs/performance.md` with its plots."""

from __future__ import annotations

import os
import platform
import re
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.growth import Curve
    from benchmarks.measuring import Row

__all__ = ["is_grossly_over", "is_over", "lines_of_curves", "lines_of_rows", "write"]

DOCS = Path(__file__).parents[1] / "docs"
PACKAGES = (
    "launchdarkly-server-sdk",
    "launchdarkly-server-sdk-ai",
    "openai",
    "boto3",
    "langchain-core",
)
FLAT = 0.1  # the exponent up to which a curve is called flat
GROSS = 2  # how many times over its bound a regression is


def is_over(runs: Sequence[Row]) -> bool:
    """Say whether the median of several measurements of a row exceeds its bound."""
    at_most = runs[0].at_most
    return at_most is not None and median(row.ours for row in runs) > at_most


def is_grossly_over(runs: Sequence[Row]) -> bool:
    """Say whether it exceeds its bound twice over, and not by chance: two standard errors are left to that."""
    at_most = runs[0].at_most
    return at_most is not None and median(row.ours - 2 * row.error for row in runs) > GROSS * at_most


def lines_of_rows(rows: Iterable[Sequence[Row]]) -> list[str]:
    """Write the table: one line for a row, with the ratios of all its measurements."""
    lines = [
        "| area | ratio | this library | at most | official SDK | what 1 is |",
        "|---|---|---|---|---|---|",
    ]
    for runs in rows:
        first = runs[0]
        ours = ", ".join(_number(row.ours, row) for row in runs) + f" (± {_number(max(r.error for r in runs), first)})"
        known = [row.official for row in runs if row.official is not None]
        at_most = "" if first.at_most is None else f"{first.at_most:g}"
        cells = (
            first.area,
            first.what,
            f"**{ours}**" if is_over(runs) else ours,
            at_most,
            _number(median(known), first) if known else "-",
            first.one,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def lines_of_curves(curves: Iterable[Curve]) -> list[str]:
    """Write what the curves come to."""
    lines = ["| what | grows with | from | to | fitted | exponent |", "|---|---|---|---|---|---|"]
    for curve in curves:
        (least, first), (most, last) = curve.points[0], curve.points[-1]
        fitted = f"{curve.start:,.1f} µs + {_significant(curve.slope)} µs each"
        if abs(curve.exponent) <= FLAT:
            fitted = "flat"
        cells = (
            curve.what,
            curve.unit,
            f"{first:,.1f} µs at {least:,}",
            f"{last:,.1f} µs at {most:,}",
            fitted,
            f"{curve.exponent:.2f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def write(rows: Sequence[Sequence[Row]], curves: Sequence[Curve]) -> None:
    """Put tables into the place that the document has for them, and draw the plots."""
    parts = {
        "machine": [_machine()],
        "table": lines_of_rows(rows),
        "growth": [*lines_of_curves(curves), "", *(f"![{each.what}](performance/{each.name}.svg)" for each in curves)],
    }
    document = DOCS / "performance.md"
    text = document.read_text(encoding="utf-8")
    for name, lines in parts.items():
        if name == "growth" and not curves:
            continue
        before, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        text = before + begin + "\n".join(lines) + "\n" + end + after
    document.write_text(text, encoding="utf-8")
    for curve in curves:
        _draw(curve)


def _draw(curve: Curve) -> None:
    import matplotlib as mpl  # noqa: PLC0415  # not needed without --write

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": curve.name, "font.size": 9})
    from matplotlib import pyplot as plt  # noqa: PLC0415  # likewise

    figure, axes = plt.subplots(figsize=(4.6, 2.8), layout="constrained")
    counts = [count for count, _ in curve.points]
    axes.loglog(counts, [curve.start + curve.slope * count for count in counts], color="0.7", label="fitted")
    axes.loglog(counts, [cost for _, cost in curve.points], "o", color="#405bff", markersize=4, label="measured")
    axes.set_ylim(bottom=min(cost for _, cost in curve.points) / 3, top=max(cost for _, cost in curve.points) * 3)
    axes.set_xlabel(curve.unit)
    axes.set_ylabel("µs of CPU time")
    axes.set_title(curve.what, fontsize=10)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    (DOCS / "performance").mkdir(exist_ok=True)
    figure.savefig(DOCS / "performance" / f"{curve.name}.svg", metadata={"Date": None})
    plt.close(figure)


def _machine() -> str:
    today = datetime.now(timezone.utc).date()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"Measured on {today}, with Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores ({_processor()}), at a load of {load}: {packages}."
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or "unknown"


def _number(value: float, row: Row) -> str:
    """Write a ratio with as many digits as its bound is worth."""
    return f"{value:.4f}" if (row.at_most or 1) < 0.1 else f"{value:.2f}"  # noqa: PLR2004  # a hundredth of it


def _significant(value: float) -> str:
    return f"{value:.3g}"
