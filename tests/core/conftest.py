from __future__ import annotations

import pytest

from tests.core.runs import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the test say how time passes for runs."""
    clock = Clock()
    monkeypatch.setattr("ldai_core.run.perf_counter_ns", clock)
    return clock
