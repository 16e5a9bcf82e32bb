"""Measure what measuring costs, and print the table.

    uv run --group bench python -m benchmarks                 all of it: 10 minutes, or more where much is going on
    uv run --group bench python -m benchmarks --area chat     one area
    uv run --group bench python -m benchmarks --short         for CI: fails where a bound is exceeded twice over
    uv run --group bench python -m benchmarks --runs 3 --write    into docs/performance.md, with plots

Each area is measured in an interpreter of its own, so that none pays for what another has left behind.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from typing import Any

from benchmarks.measuring import LONG, SHORT, Pace, measure_area
from benchmarks.report import is_grossly_over, is_over, lines_of_curves, lines_of_rows, write

AREAS = ("chat", "chunks", "chains", "converse", "tracker", "imports", "crowds", "growth")


def main() -> int:
    """Measure, print, and say by the exit code whether something is over its bound, grossly so with `--short`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What measuring costs.")
    parser.add_argument("--area", choices=AREAS, action="append", help="this one alone; several may be named")
    parser.add_argument("--short", action="store_true", help="few rounds, and only gross regressions fail")
    parser.add_argument("--runs", type=int, default=1, help="how often all of it is measured")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    asked = parser.parse_args()
    if asked.write and asked.area:
        parser.error("--write writes all areas")
    areas = asked.area or (AREAS[:-1] if asked.short else AREAS)  # how cost grows has no bounds
    runs = [_measure(areas, SHORT if asked.short else LONG) for _ in range(asked.runs)]
    rows = list(zip(*([row for name in areas if name != "growth" for row in run[name]] for run in runs), strict=True))
    curves = runs[-1].get("growth", [])
    print(*lines_of_rows(rows), sep="\n")
    if curves:
        print("", *lines_of_curves(curves), sep="\n")
    if asked.write:
        write(rows, curves)
    over = [each[0] for each in rows if (is_grossly_over if asked.short else is_over)(each)]
    for row in over:
        print(f"over its bound: {row.area}, {row.what}", file=sys.stderr)
    return int(bool(over))


def _measure(areas: tuple[str, ...] | list[str], pace: Pace) -> dict[str, Any]:
    results = {}
    for area in areas:
        print(f"measuring {area} ...", file=sys.stderr, flush=True)
        with multiprocessing.get_context("spawn").Pool(1) as interpreter:
            results[area] = interpreter.apply(measure_area, (area, pace))
    return results


if __name__ == "__main__":
    sys.exit(main())
