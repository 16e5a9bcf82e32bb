"""Notices a LaunchDarkly client that was taken through a fork, and whose events vanish in the child."""

from __future__ import annotations

import logging
import os
from weakref import ref

__all__ = ["suspects", "warn_of_fork", "watch_forks"]

_log = logging.getLogger(__name__)

# A client, and its tracker of flags, which it makes anew in `postfork()`, and by which that can be told:
# https://launchdarkly-python-sdk.readthedocs.io/en/latest/api-main.html#ldclient.client.LDClient.flag_tracker
_Client = tuple["ref[object]", "ref[object]"]

_clients: list[_Client] = []  # made in this process

# In the child of a fork, those that came with it; elsewhere it is empty, so that asking costs nothing.
suspects: list[_Client] = []

_warned: list[bool] = []  # in this process


def watch_forks(ld_client: object) -> None:
    """Remember a client that is used in this process; a second time, and for a double, this does nothing."""
    try:
        client = (ref(ld_client), ref(ld_client.flag_tracker))  # type: ignore[attr-defined]  # not all have it
    except (AttributeError, TypeError):
        return
    # Who made it is said nowhere in public. Newer releases know, and without it a client that is first used in the
    # child would be taken for one of its own.
    owner = getattr(ld_client, "_owner_pid", None)
    known = suspects if type(owner) is int and owner != os.getpid() else _clients  # a mock has whatever it is asked for
    if not any(_is_same(client, each) for each in suspects):
        known[:] = [each for each in known if each[0]() is not None and each[0]() is not ld_client]
        known.append(client)


def warn_of_fork(ld_client: object) -> None:
    """Warn, once per process, of a client that came through a fork and was not told so."""
    for client in list(suspects):
        if client[0]() is not ld_client:
            continue
        suspects.remove(client)
        if client[1]() is getattr(ld_client, "flag_tracker", None) and not _warned:
            _warned.append(True)
            remedy = (
                "call ld_client.postfork() in each child, for gunicorn in its post_fork hook"
                if hasattr(ld_client, "postfork")
                else "make it after the fork: only newer releases of launchdarkly-server-sdk have postfork()"
            )
            _log.warning("LaunchDarkly's client was made before a fork, and its events are lost here: %s.", remedy)


def _is_same(client: _Client, other: _Client) -> bool:
    """Say whether two are one client, that has not been through `postfork()` in between."""
    return client[0]() is other[0]() and client[1]() is other[1]()


def _forked() -> None:
    suspects[:] = [*suspects, *_clients]
    _clients.clear()
    _warned.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # Windows has no fork
    os.register_at_fork(after_in_child=_forked)
