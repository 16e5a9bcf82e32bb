"""The one entry point: a callback handler that measures whatever LangChain runs."""

from __future__ import annotations

import logging
import os
import sys
from asyncio import CancelledError
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables.config import var_child_runnable_config
except ImportError as error:
    raise ImportError('ldai_langchain needs langchain-core: pip install "ldai-adapters[langchain]"') from error

from ldai_core import Run
from ldai_core.endings import collecting, defer, settle, start
from ldai_core.values import shown
from ldai_langchain.group import Group, source_here
from ldai_langchain.model_call import ModelCall
from ldai_langchain.outcome import failure_of, was_left
from ldai_langchain.readings import read_stream_event, read_token
from ldai_langchain.trees import Tree, Trees, key_of
from ldai_langchain.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from typing_extensions import Self

    from ldai_core.run import Source
    from ldai_langchain.trees import Key

__all__ = ["LaunchDarklyCallbackHandler"]

_log = logging.getLogger(__name__)


class LaunchDarklyCallbackHandler(BaseCallbackHandler):
    """Measures any runnable: a model, a chain, an agent, a graph.

        chain.invoke(question, {"callbacks": [LaunchDarklyCallbackHandler(config)]})

    One AI run is one tree: the outermost runnable that this handler sees, the root, and all that runs below it. Its
    duration and its outcome are the root's, its tokens are summed over the model calls, its tool calls are those that
    the models ask for, and its time to first token is that of the first output anywhere. All of it is recorded once,
    when the root has ended and no model call is open any more. A tree without a model call records nothing.

    `source` says which tracker a tree reports to (see `ldai_core.Run`): with a config or a function each tree has its
    own, taken at its first model call. A handler may be used by any number of threads and tasks at once, and attached
    wherever LangChain takes callbacks; attached twice it counts once. It never raises into LangChain.

    Of trees whose end never comes `max_open_runs` are kept at most, and none of which nothing was heard for
    `max_idle_s` seconds: those are recorded as errors.

    Raises TypeError for a source of another kind, and ValueError for a bound that is no number above 0.
    Source of the callbacks: https://reference.langchain.com/python/langchain_core/callbacks/
    """

    # Nothing of ours is worth breaking a chain.
    raise_error = False

    def __init__(self, source: Source, *, max_open_runs: int = 10_000, max_idle_s: float = 3600) -> None:
        Run(source)  # refuses a wrong source here, rather than at the first call
        for name, bound in (("max_open_runs", max_open_runs), ("max_idle_s", max_idle_s)):
            _check_bound(name, bound)
        self._source = source
        self._new_trees = partial(Trees, max_open_runs, max_idle_s)
        self._trees = self._new_trees()
        self._process = os.getpid()
        start()

    @property
    def run_inline(self) -> bool:  # type: ignore[override]  # an attribute elsewhere
        """True: in the caller's thread and task. A busy pool of threads would be late, and knows no task.

        Asked by `AsyncCallbackManager.on_llm_start` it is False: beside a handler that runs inline, that one forgets
        the others, `astream_events` among them. It matters not, for whoever calls us asks again. But where another
        handler runs inline, which are then the only ones that are called, it is True there too.
        """
        asking = sys._getframe(1)  # noqa: SLF001  # the language's way to know
        if asking.f_code.co_name == "<listcomp>" and asking.f_back is not None:
            asking = asking.f_back
        if asking.f_code.co_name != "on_llm_start":
            return True
        handlers = asking.f_locals["self"].handlers
        return any(each.run_inline for each in handlers if not isinstance(each, LaunchDarklyCallbackHandler))

    def run(self) -> Group:
        """Return a context manager, sync and async, that makes one run of all that is invoked inside.

            with handler.run():
                chain.invoke(..., {"callbacks": [handler]})
                chain.invoke(..., {"callbacks": [handler]})

        It holds for this context: for tasks and threads that LangChain or asyncio start inside, not for others. It
        gives the `Run`, which other clients may be wrapped with. The run is a success, unless an exception leaves the
        block. Inside another group of the same handler it joins that one. Each is entered once.
        """
        return Group(self, self._source)

    def close(self) -> None:
        """End what is open, as errors, with the tokens known so far. A second time does nothing.

        For the end of a program: it waits until the endings that were left to a thread are reported, too. The handler
        can be used afterwards.
        """
        trees = self._here().clear()
        if trees:
            self._break_off(trees)
        settle()

    def on_chat_model_start(self, *_args: Any, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """Begin a call of a chat model."""
        self._start_call(run_id, parent_run_id, kwargs)

    def on_llm_start(self, *_args: Any, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
        """Begin a call of a plain text model."""
        self._start_call(run_id, parent_run_id, kwargs, briefly=True)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **_kwargs: Any) -> None:
        """Look for the first output in a chunk, of the first generation of LangChain's streams."""
        model_call = self._trees.hear(key_of(run_id))
        if model_call is not None:
            model_call.hear(read_token, token, chunk)

    def on_stream_event(self, event: Any, *, run_id: UUID, **_kwargs: Any) -> None:
        """Look for the first output in an event, of the second generation."""
        model_call = self._trees.hear(key_of(run_id))
        if model_call is not None:
            model_call.hear(read_stream_event, event)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_kwargs: Any) -> None:
        """End a model's call, with its tokens and tool calls."""
        self._end(run_id, None, response)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, response: Any = None, **_kwargs: Any) -> None:
        """End a model's call that failed or was left, with what it had brought until then."""
        self._end(run_id, GeneratorExit() if was_left(error) else error, response)

    def on_chain_start(self, *_args: Any, run_id: UUID, parent_run_id: UUID | None = None, **_kwargs: Any) -> None:
        """Begin a chain."""
        self._start(run_id, parent_run_id)

    def on_chain_end(self, *_args: Any, run_id: UUID, **_kwargs: Any) -> None:
        """End a chain."""
        self._end(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        """End a chain that failed or was left."""
        self._end(run_id, GeneratorExit() if was_left(error) else error)

    def on_tool_start(self, *_args: Any, run_id: UUID, parent_run_id: UUID | None = None, **_kwargs: Any) -> None:
        """Begin a tool, in which models may be called."""
        self._start(run_id, parent_run_id)

    def on_tool_end(self, *_args: Any, run_id: UUID, **_kwargs: Any) -> None:
        """End a tool."""
        self._end(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        """End a tool that failed."""
        self._end(run_id, error)

    def on_retriever_start(self, *_args: Any, run_id: UUID, parent_run_id: UUID | None = None, **_kwargs: Any) -> None:
        """Begin a retriever, in which models may be called."""
        self._start(run_id, parent_run_id)

    def on_retriever_end(self, *_args: Any, run_id: UUID, **_kwargs: Any) -> None:
        """End a retriever."""
        self._end(run_id)

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_kwargs: Any) -> None:
        """End a retriever that failed."""
        self._end(run_id, error)

    def __copy__(self) -> Self:
        """Return itself: a copy of a model or of a config goes on with the same handler."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """Return itself, likewise."""
        return self

    def _here(self) -> Trees:
        """Return the trees of this process; what the parent of a fork has open is the parent's."""
        if self._process != os.getpid():
            self._trees = self._new_trees()
            self._process = os.getpid()
        return self._trees

    def _start(self, run_id: UUID, parent_run_id: UUID | None, *, is_call: bool = False) -> Tree | None:
        """Find the tree of a run that begins, or plant one; None if the run is known, and so has begun before."""
        trees = self._here()
        key = key_of(run_id)
        if trees.get(key) is not None:
            return None
        tree = trees.join(key, [key_of(parent_run_id), key_of(_parent_in_context())])
        if tree is None:
            tree = Tree(key, Run(source_here(self, self._source)))
            if not is_call:  # which is watched itself
                tree.watch = Watch(run_id, partial(self._end_now, key, None), briefly=True)
            uprooted = trees.plant(tree)
            if uprooted:
                self._break_off(uprooted)
        return tree

    def _start_call(
        self, run_id: UUID, parent_run_id: UUID | None, start: Mapping[str, Any], *, briefly: bool = False
    ) -> None:
        tree = self._start(run_id, parent_run_id, is_call=True)
        if tree is None:
            return
        key = key_of(run_id)
        model_call = ModelCall(start, Watch(run_id, partial(self._end_now, key, None), briefly=briefly))
        self._here().hold(key, tree, model_call)
        try:
            model_call.begin(tree.run)
        except BaseException as error:  # not of the factory's, but Ctrl-C in it
            self._end_now(key, None, error, perf_counter_ns())
            raise
        if tree.calls.get(key) is not model_call:  # broken off while its tracker was made
            model_call.end(CancelledError(), None)

    def _end(self, run_id: UUID, error: BaseException | None = None, response: Any = None) -> None:
        """End a run; soon, where a garbage collection is going on: finalisers of LangChain's generators get here."""
        key, at_ns = key_of(run_id), perf_counter_ns()
        if collecting():
            defer(partial(self._end_now, key, response, error, at_ns))
        else:
            self._end_now(key, response, error, at_ns)

    def _end_now(self, key: Key, response: Any, error: BaseException | None, at_ns: int) -> None:
        failure = failure_of(error)
        model_call, over = self._here().end(key, failure, at_ns)
        if model_call is not None:
            model_call.end(failure, response, whole=error is None)
        if over is not None:
            over.close()

    def _break_off(self, trees: list[Tree]) -> None:
        """End trees whose end did not come: as errors, for nobody knows."""
        for tree in trees:
            tree.break_off(TimeoutError())
        _log.warning("%d AI runs were broken off, because their end did not come.", len(trees))


def _parent_in_context() -> object:
    """Return the id of the run that this context is in, which LangChain does not always hand on as the parent."""
    config = var_child_runnable_config.get()
    return getattr(config.get("callbacks"), "parent_run_id", None) if config else None


def _check_bound(name: str, bound: object) -> None:
    if isinstance(bound, bool) or not isinstance(bound, (int, float)) or not bound > 0:
        raise ValueError(f"{name}: expected a number above 0, got {shown(bound)}")
