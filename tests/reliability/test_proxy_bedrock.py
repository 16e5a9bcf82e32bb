"""Faults on the way from a wrapped Bedrock client to its server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.reliability.faults import cases, check, check_recovery
from tests.reliability.ways_bedrock import BEDROCK

if TYPE_CHECKING:
    from tests.reliability.faults import Way

# botocore, and aiohttp, leave the socket of what is broken off to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{left}:ResourceWarning")
    for left in ("unclosed <socket", "Unclosed (connection|response)", "unclosed transport")
]


@pytest.mark.parametrize(("way", "fault"), cases(BEDROCK))
def test_fault(way: Way, fault: str) -> None:
    """RL3: each fault is one error, slowness one success, with what was seen; what is raised is as without us."""
    check(way, fault)


@pytest.mark.parametrize("way", [pytest.param(way, id=way.name) for way in BEDROCK if way.retried])
def test_recovered(way: Way) -> None:
    """RL3: a fault from which the client recovers by trying again is no error, and one record of the whole time."""
    check_recovery(way)
