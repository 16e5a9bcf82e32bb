"""One model's call in a tree: what is heard of it, and how it ends."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from ldai_core.reading import NOTHING
from ldai_langchain.readings import is_counted_elsewhere, read_result, structured_output_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ldai_core import Call, Reading, Run
    from ldai_langchain.watch import Watch

__all__ = ["ModelCall"]

_log = logging.getLogger(__name__)

_hinted: dict[str, object] = {}  # once per process


class ModelCall:
    """A model's call, with what LangChain said of it at its start."""

    __slots__ = ("_call", "_kind", "_structured", "_watch", "said")

    def __init__(self, start: Mapping[str, Any], watch: Watch) -> None:
        params = start.get("invocation_params")
        self._kind = str(params.get("_type")) if isinstance(params, dict) else ""
        self._structured = structured_output_tools(start.get("options"), params)
        self._call: Call | None = None
        self.said = False  # its first output was heard, and so nothing more need be
        self._watch = watch

    def begin(self, run: Run) -> None:
        """Begin the call in its run, which takes the tracker if it is the first."""
        self._call = run.call()

    def hear(self, read: Callable[..., Reading], *items: Any) -> None:
        """Take in a chunk or an event; they are read until there is output in one."""
        self._watch.heard = True
        if self._call is not None:
            self.said = self._call.read(lambda given: read(*given), items).output

    def end(self, failure: BaseException | None, response: Any, *, whole: bool = False) -> None:
        """End the call, with what it brought: the `whole` answer, or what had come until it failed or was left.

        A second time does nothing; nor does it before the beginning.
        """
        self._watch.stop()
        if self._call is None:
            return
        if response is not None:
            reading = self._call.read(partial(read_result, structured=self._structured), response)
            unread = reading is NOTHING  # which was said already
            if whole and reading.usage is None and not unread and not is_counted_elsewhere(response):
                self._hint()
        self._call.end(failure)

    def _hint(self) -> None:
        """Say, once per process, that there are no tokens, and what to do about it."""
        if _hinted.setdefault("usage", self) is not self:
            return
        remedy = "; a streamed ChatOpenAI sends it with stream_usage=True"
        known = self._watch.heard and self._kind.endswith("openai-chat")
        _log.warning("A model reported no usage, so that its AI runs have no tokens%s.", remedy if known else "")
