"""Trees of LangChain's runs: which run belongs to which tree, and how many trees may be open."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import RLock
from time import perf_counter_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ldai_core import Run
    from ldai_langchain.model_call import ModelCall
    from ldai_langchain.watch import Watch

__all__ = ["Key", "Tree", "Trees", "key_of"]

Key = Hashable

# Whoever begins a run is not to wait for more than this many others to be broken off.
_AT_A_TIME = 2


class Tree:
    """A root and all that runs below it: one AI run.

    It is over when its root has ended and none of its calls is open; the run is then closed as of the root's end.
    """

    __slots__ = ("active_ns", "calls", "keys", "outcome", "placed_ns", "root", "run", "watch")

    def __init__(self, root: Key, run: Run) -> None:
        self.root = root
        self.run = run
        self.keys = [root]
        self.calls: dict[Key, ModelCall] = {}
        self.outcome: tuple[BaseException | None, int] | None = None
        self.watch: Watch | None = None
        self.active_ns = self.placed_ns = perf_counter_ns()

    def close(self) -> None:
        """Close the run, as of the end of its root."""
        error, at_ns = self.outcome or (None, None)
        if self.watch is not None:
            self.watch.stop()
        self.run.close(error, at_ns=at_ns)

    def break_off(self, error: BaseException) -> None:
        """Close the run with an error, and end its calls."""
        calls, self.calls = self.calls, {}
        for model_call in calls.values():
            model_call.end(error, None)
        self.outcome = (error, self.outcome[1] if self.outcome else perf_counter_ns())
        self.close()


class Trees:
    """The open trees of a handler. Whatever is called here takes the lock for a moment, and calls nobody under it."""

    def __init__(self, max_open: int, max_idle_s: float) -> None:
        self._max_open = max_open
        self._max_idle_ns = max_idle_s * 1e9
        # Reentrant, for a collection inside it may run a finaliser that gets here.
        self._lock = RLock()
        self._tree_of: dict[Key, Tree] = {}
        self._open: OrderedDict[Key, Tree] = OrderedDict()  # the one that was placed last stands last

    def __len__(self) -> int:
        return len(self._tree_of)

    def get(self, key: Key) -> Tree | None:
        """Return the tree that a run belongs to."""
        return self._tree_of.get(key)

    def join(self, key: Key, parents: Iterable[Key]) -> Tree | None:
        """Add a run to the tree of the first of its parents that is known; None if there is none."""
        with self._lock:
            tree = next((self._tree_of[parent] for parent in parents if parent in self._tree_of), None)
            if tree is not None:
                self._tree_of[key] = tree
                tree.keys.append(key)
                self._touch(tree)
            return tree

    def plant(self, tree: Tree) -> list[Tree]:
        """Add a tree of which there is only the root, and take out those that have been open for too long."""
        uprooted: list[Tree] = []
        with self._lock:
            self._tree_of[tree.root] = self._open[tree.root] = tree
            while self._open and len(uprooted) < _AT_A_TIME:
                oldest = next(iter(self._open.values()))
                if len(self._open) <= self._max_open and not self._is_idle(oldest):
                    break
                if oldest.active_ns > oldest.placed_ns:  # it was heard of since, and others were not
                    self._place_anew()
                    continue
                self._forget(oldest)
                uprooted.append(oldest)
        return uprooted

    def hold(self, key: Key, tree: Tree, model_call: ModelCall) -> None:
        """Hold a tree open until a call has ended; one that was taken out already stays out."""
        with self._lock:
            if self._tree_of.get(key) is tree:
                tree.calls[key] = model_call

    def hear(self, key: Key) -> ModelCall | None:
        """Note that something came of a model's call, and return it; None if it is not open, or is heard no more.

        Without the lock, and also in the child of a fork: what comes with every token only says when.
        """
        tree = self._tree_of.get(key)
        model_call = None if tree is None else tree.calls.get(key)
        if tree is None or model_call is None:
            return None
        tree.active_ns = perf_counter_ns()
        if model_call.said:
            return None
        if tree.watch is not None:
            tree.watch.heard = True
        return model_call

    def end(self, key: Key, error: BaseException | None, at_ns: int) -> tuple[ModelCall | None, Tree | None]:
        """Note that a run has ended. Return its call, if it is a model's, and its tree, if that is over now.

        Of an unknown run, and of one that has ended before, there is neither.
        """
        with self._lock:
            tree = self._tree_of.get(key)
            if tree is None:
                return None, None
            model_call = tree.calls.pop(key, None)
            if key == tree.root and tree.outcome is None:
                tree.outcome = (error, at_ns)
            if tree.outcome is None or tree.calls:
                self._touch(tree)
                return model_call, None
            self._forget(tree)
            return model_call, tree

    def clear(self) -> list[Tree]:
        """Take out all trees."""
        with self._lock:
            trees = list(self._open.values())
            for tree in trees:
                self._forget(tree)
        return trees

    def _touch(self, tree: Tree) -> None:
        tree.active_ns = perf_counter_ns()
        self._place(tree)

    def _place(self, tree: Tree) -> None:
        tree.placed_ns = tree.active_ns
        self._open.move_to_end(tree.root)

    def _place_anew(self) -> None:
        for tree in sorted(self._open.values(), key=lambda tree: tree.active_ns):
            self._place(tree)

    def _is_idle(self, tree: Tree) -> bool:
        return perf_counter_ns() - tree.placed_ns > self._max_idle_ns

    def _forget(self, tree: Tree) -> None:
        del self._open[tree.root]
        for key in tree.keys:
            del self._tree_of[key]


def key_of(run_id: object) -> Key:
    """Return what a run is known by: a copy of its id, so that the id itself is not held (see Watch)."""
    return getattr(run_id, "int", run_id)
