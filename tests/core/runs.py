"""What the tests of runs and streams share: names of events, a clock, a provider of their own, and other processes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any

from ldai_core import Reading, Run, TokenUsage
from ldai_core.reading import NOTHING, OUTPUT
from tests.core.doubles import FakeLDClient, make_tracker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import TracebackType

    from ldclient import Context
    from typing_extensions import Self

DURATION = "$ld:ai:duration:total"
FIRST_TOKEN = "$ld:ai:tokens:ttf"
SUCCESS, ERROR = "$ld:ai:generation:success", "$ld:ai:generation:error"
TOTAL, INPUT, OUTPUT_TOKENS = "$ld:ai:tokens:total", "$ld:ai:tokens:input", "$ld:ai:tokens:output"
TOOL_CALL = "$ld:ai:tool_call"

USAGE = TokenUsage(total=7, input=3, output=4)
USAGE_EVENTS = [(TOTAL, 7), (INPUT, 3), (OUTPUT_TOKENS, 4)]

CHUNK_MS = 10  # how long a toy provider takes for each chunk, and for saying that there are no more
PATIENCE_S = 10.0  # how long something may take that takes no time unless it hangs


@dataclass
class Clock:
    """Stands for `perf_counter_ns`: time passes when it is told to."""

    now_ns: int = 5_000_000_000

    def __call__(self) -> int:
        """Tell the time."""
        return self.now_ns

    def pass_ms(self, ms: float) -> None:
        """Let time pass."""
        self.now_ns += int(ms * 1_000_000)


class Chunk:
    """One chunk of a toy provider, with what there is to read in it."""

    def __init__(self, reading: Reading = OUTPUT) -> None:
        self.reading = reading


def read(chunk: Chunk) -> Reading:
    """Read a toy provider's chunk."""
    return chunk.reading


def chat() -> list[Chunk]:
    """Return what a chat looks like: a role, two pieces of text, and the usage."""
    return [Chunk(NOTHING), Chunk(), Chunk(), Chunk(Reading(usage=USAGE))]


@dataclass
class ToyStream:
    """A provider's stream: chunks, and then its end or an error. Leaving its `with` closes it."""

    chunks: list[Chunk] = field(default_factory=chat)
    clock: Clock = field(default_factory=Clock)
    error: BaseException | None = None
    request_id: str = "req-1"
    closed: bool = False
    left_with: BaseException | None = None

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        self.clock.pass_ms(CHUNK_MS)
        if self.chunks and not self.closed:
            return self.chunks.pop(0)
        raise StopIteration if self.error is None else self.error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self.left_with = error
        self.closed = True
        return None

    def close(self) -> str:
        """Close, and say so."""
        self.closed = True
        return "closed"


@dataclass
class AsyncToyStream:
    """Same as ToyStream, but for `async for`."""

    chunks: list[Chunk] = field(default_factory=chat)
    clock: Clock = field(default_factory=Clock)
    error: BaseException | None = None
    request_id: str = "req-1"
    closed: bool = False
    left_with: BaseException | None = None

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self

    async def __anext__(self) -> Chunk:
        self.clock.pass_ms(CHUNK_MS)
        if self.chunks and not self.closed:
            return self.chunks.pop(0)
        raise StopAsyncIteration if self.error is None else self.error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self.left_with = error
        self.closed = True
        return None

    async def close(self) -> str:
        """Close, and say so."""
        self.closed = True
        return "closed"


@dataclass
class SlowLDClient(FakeLDClient):
    """Wait for `go` in every `track`, as a client may that has a lock to wait for."""

    go: Callable[[], object] = lambda: None

    def track(self, event_name: str, context: Context, data: Any = None, metric_value: Any = None) -> None:
        """Wait, then keep the event."""
        self.go()
        super().track(event_name, context, data, metric_value)


def make_run() -> tuple[Run, FakeLDClient]:
    """Make a run, and the client that it reports to."""
    ld_client = FakeLDClient()
    return Run(make_tracker(ld_client)), ld_client


def finishes(work: Callable[[], object]) -> bool:
    """Do `work` in a thread, and say whether it came to an end; one that hangs is left behind."""
    thread = Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return not thread.is_alive()


def in_child(work: Callable[[], object]) -> str:
    """Do `work` in the child of a fork, and return what it returned, as text; "hangs" if it does not end."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forks beside threads: that is the test
        child = os.fork()
    if child == 0:
        try:
            os.write(theirs, str(work()).encode())
        except BaseException as error:  # noqa: BLE001  # what comes after this belongs to the parent
            os.write(theirs, f"raised {error!r}".encode())
        finally:
            os._exit(0)
    os.close(theirs)
    ready, _, _ = select.select([ours], [], [], PATIENCE_S)
    answer = os.read(ours, 65_536).decode() if ready else "hangs"
    os.close(ours)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return answer


def run_python(*arguments: str) -> str:
    """Run an interpreter of its own, and return what it printed; one that hangs is a TimeoutExpired."""
    ran = subprocess.run(  # noqa: S603  # our own interpreter, our own code
        [sys.executable, "-W", "error", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
