"""What a newcomer runs first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROW = r"│ {} +│ +4 │ +4 of 4 │ +([1-9]\d*) ms │ +([1-9]\d*) ms │ +([1-9]\d*) │ +([1-9]\d*) │"


@pytest.mark.model
def test_the_quickstart_prints_what_was_measured() -> None:
    """Both variations have runs, real tokens and times to first token, and feedback from another process."""
    command = [sys.executable, "examples/quickstart.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)  # noqa: S603
    assert result.returncode == 0, result.stderr
    assert re.search(ROW.format("brief"), result.stdout), result.stdout
    assert re.search(ROW.format("chatty"), result.stdout), result.stdout
    assert result.stdout.count("+") + result.stdout.count("-") >= len(["+2 -0", "+1 -1"])
    assert re.search(r"\+2 -0 │\n│ chatty .* \+1 -1 │", result.stdout), result.stdout
