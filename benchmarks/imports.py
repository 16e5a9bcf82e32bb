"""What an import costs, in fresh interpreters that take turns; all in units of `import openai`."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.measuring import Pace, Row, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["measure"]

AT_MOST = 0.02
# CPU time: what an import waits for is the disk, once.
SCRIPT = """
import {before}
from time import process_time_ns
start_ns = process_time_ns()
import {measured}
print(process_time_ns() - start_ns)
"""
# What an adapter stands on, as applications import it.
ADAPTERS = {
    "ldai_openai": "openai, ldclient",
    "ldai_bedrock": "boto3, botocore.session, ldclient",
    "ldai_langchain": "langchain_core.language_models.chat_models, ldclient",
}


def measure(pace: Pace) -> list[Row]:
    """Measure core with each adapter, beyond its provider's package and `ldclient`."""
    with TemporaryDirectory() as compiled:
        return [_measure(adapter, partial(_importing, compiled), pace) for adapter in ADAPTERS]


def _measure(adapter: str, importing: Callable[[str, str], Callable[[], float]], pace: Pace) -> Row:
    before = ADAPTERS[adapter]
    contestants = {"openai": importing("sys", "openai"), "ours": importing(before, f"ldai_core, {adapter}")}
    if adapter == "ldai_openai":
        contestants["official"] = importing(before, "ldai")
    samples = take_turns(contestants, pace.processes)
    return samples.row(
        f"import of ldai_core and {adapter}",
        "to `import openai`",
        lambda each, name: each[name] / each["openai"],
        at_most=AT_MOST,
        one=f"{samples.ns('openai') / 1e6:.0f} ms",
    )


def _importing(compiled: str, before: str, measured: str) -> Callable[[], float]:
    """Make a contestant of an import. All is compiled after the first time, which does not count."""
    script = SCRIPT.format(before=before, measured=measured)
    command = [sys.executable, "-c", script]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = compiled
    return lambda: float(
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603
    )
