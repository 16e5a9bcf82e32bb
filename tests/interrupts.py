"""A real SIGINT, as Ctrl-C sends it, to the main thread, at a moment when a thread really waits."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAIN", "ctrl_c", "needs_signals", "thread_waits"]

AT_ONCE_S = 5.0  # what waited for the provider instead would wait for ever
MAIN = threading.main_thread()
LOOKS = 5
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread there")


@contextmanager
def ctrl_c(once: Callable[[], object]) -> Iterator[None]:
    """Interrupt the main thread when `once` has returned, and hold that it leaves the block at once."""
    pressed_at = 0.0

    def press() -> None:
        nonlocal pressed_at
        once()
        pressed_at = time.perf_counter()
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGINT)

    # Whoever runs the tests in the background may have them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
        assert time.perf_counter() - pressed_at < AT_ONCE_S
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)


def thread_waits(thread: threading.Thread, module: str, function: str) -> None:
    """Return once a thread has been inside this function of that module for a while.

    Nothing else tells that it waits there; and a signal that arrives just before it does, when Python has looked for
    signals already, would be seen only when the waiting is over.
    """
    assert thread.ident is not None
    deadline = time.monotonic() + 10
    looks = 0
    while time.monotonic() < deadline:
        frame = sys._current_frames().get(thread.ident)
        inside = frame is not None and module in frame.f_code.co_filename and frame.f_code.co_name == function
        looks = looks + 1 if inside else 0
        if looks == LOOKS:
            return
        time.sleep(0.01)
    raise TimeoutError
