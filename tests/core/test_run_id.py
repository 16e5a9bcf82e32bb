"""Ids of AI runs."""

from __future__ import annotations

import os
import uuid

import pytest

from ldai_core import run_id


def test_what_it_is() -> None:
    """R2: a random UUID of version 4, in its canonical form, each time another."""
    ids = {run_id.new_run_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    for each in ids:
        assert (str(uuid.UUID(each)), uuid.UUID(each).version, uuid.UUID(each).variant) == (each, 4, uuid.RFC_4122)


def test_all_of_it_is_random() -> None:
    """R2: every bit but those of version and variant is sometimes set and sometimes not."""
    numbers = [uuid.UUID(run_id.new_run_id()).int for _ in range(200)]
    ever = always = numbers[0]
    for number in numbers:
        ever, always = ever | number, always & number
    assert ever == (1 << 128) - 1 & ~(0b1011 << 76 | 0b01 << 62)
    assert always == 0b0100 << 76 | 0b10 << 62


def _refuse(_size: int) -> bytes:
    raise OSError


@pytest.mark.parametrize("call", [None, _refuse])
def test_other_systems(monkeypatch: pytest.MonkeyPatch, call: object) -> None:
    """R2: where the system has no `getrandom`, as all but Linux have not, or refuses it, `urandom` is asked."""
    if call is None:
        monkeypatch.delattr(os, "getrandom", raising=False)
    else:
        monkeypatch.setattr(os, "getrandom", call, raising=False)
    assert run_id._source() is os.urandom
