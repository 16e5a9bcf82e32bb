"""What this process holds: open files, threads, memory, objects."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Census", "census"]

_SELF = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Census:
    """How much there is: open files by kind, threads, resident KiB, objects by the name of their type."""

    files: Counter[str]
    threads: int
    resident_kib: int
    objects: Counter[str]

    @property
    def sockets(self) -> int:
        """How many of the files are sockets."""
        return self.files["socket"]

    @property
    def own(self) -> Counter[str]:
        """The objects that are of this project's types."""
        return Counter({name: count for name, count in self.objects.items() if name.startswith("ldai_")})


def census() -> Census:
    """Count, after all garbage was collected."""
    for _ in range(3):  # for finalisers leave garbage
        gc.collect()
    objects = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    files = Counter(_kind_of(link) for link in (_SELF / "fd").iterdir())
    return Census(files, threading.active_count(), _resident_kib(), objects)


def _kind_of(link: Path) -> str:
    """Name the kind of an open file: a socket, a pipe, ..., or the path of what is none of these."""
    try:
        target = str(link.readlink())
    except FileNotFoundError:  # the one that the list was read from
        return "the list itself"
    return target.partition(":")[0]


def _resident_kib() -> int:
    status = (_SELF / "status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
