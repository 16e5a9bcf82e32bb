"""The hooks that an application needs whose clients are made before gunicorn forks its workers."""

from __future__ import annotations

from typing import Any

import ldclient

from ldai_core.endings import settle


def post_fork(server: Any, worker: Any) -> None:
    """Start the LaunchDarkly client's threads anew: those of the parent did not come along."""
    ldclient.get().postfork()


def worker_exit(server: Any, worker: Any) -> None:
    """Send what is still pending before the worker ends."""
    settle()
    ldclient.get().close()  # type: ignore[no-untyped-call]
