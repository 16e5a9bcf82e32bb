"""Groups: several invocations as one run."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from ldai_core import Run
from ldai_langchain.outcome import failure_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from types import TracebackType

    from ldai_core.run import Source

__all__ = ["Group", "source_here"]

# What is open in this context, by whose it is.
_groups: ContextVar[Mapping[Hashable, Group]] = ContextVar("ldai_langchain_groups")


class Group:
    """What `LaunchDarklyCallbackHandler.run()` returns: one run of all that is invoked in a context."""

    def __init__(self, owner: Hashable, source: Source) -> None:
        self._owner = owner
        self._outer: Group | None = None
        self.joined = Run(source_here(owner, source))
        self.left = False

    def __enter__(self) -> Run:
        run = self.joined.__enter__()
        groups = _groups.get({})
        self._outer = groups.get(self._owner)
        _groups.set({**groups, self._owner: self})
        return run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # Set, not reset: what is entered in a fixture of a test may be left in another context.
        self.left = True
        groups = {owner: group for owner, group in _groups.get({}).items() if group is not self}
        if self._outer is not None:
            groups.setdefault(self._owner, self._outer)
        _groups.set(groups)
        self.joined.close(failure_of(error))

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def source_here(owner: Hashable, source: Source) -> Source:
    """Return the run of the owner's group that is open in this context, else the source.

    A task that outlives the block it was started in has the group in its context for ever: one that was left is none.
    """
    group = _groups.get({}).get(owner)
    return source if group is None or group.left else group.joined
