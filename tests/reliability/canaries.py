"""Canaries: words that stand for what is secret, and a watch for the places where none of them may be seen."""

from __future__ import annotations

import json
import logging
import traceback
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ldai_core
from ldai_core.endings import settle
from tests.servers import bedrock, openai, responses

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from tests.reliability.faults import Way

__all__ = ["EVERYTHING", "VALUES", "Canary", "Telling", "Watch", "canary", "seen_in", "server_of"]

MARK = "q7x9" + "z3"  # put together, so that it is in no line of a traceback
KINDS = ("answer", "argument", "attribute", "feedback", "key", "prompt", "reason", "secret", "token", "variable")
PACKAGES = ("ldai_core", "ldai_openai", "ldai_bedrock", "ldai_langchain")
ROOT = Path(ldai_core.__file__).parents[1]


def canary(kind: str) -> str:
    """Return the word that stands for a secret of this kind."""
    assert kind in KINDS
    return f"{kind}-{MARK}"


EVERYTHING = " ".join(canary(kind) for kind in KINDS)


def seen_in(*things: object) -> list[str]:
    """Tell which canaries are to be seen in something that is printed, with the traceback if it is an exception."""
    texts = [text for thing in things for text in (str(thing), repr(thing), f"{thing}")]
    for thing in things:
        if isinstance(thing, BaseException):
            texts += [repr(thing.args), *traceback.format_exception(type(thing), thing, thing.__traceback__)]
    return sorted({kind for kind in KINDS for text in texts if canary(kind) in text})


class Canary(Exception):  # noqa: N818  # it stands for any
    """An exception of somebody else's, whose message tells everything."""

    def __init__(self) -> None:
        super().__init__(EVERYTHING)


class Telling:
    """An object that tells everything when it is shown, and raises when it is used."""

    def __repr__(self) -> str:
        return EVERYTHING

    def __str__(self) -> str:
        raise Canary

    def __bool__(self) -> bool:
        raise Canary

    def __iter__(self) -> Any:
        raise Canary

    def keys(self) -> Any:
        """Raise, where it is taken for a mapping."""
        raise Canary


# What is secret, as a value of each kind.
VALUES: list[Any] = [
    EVERYTHING,
    EVERYTHING.encode(),
    [EVERYTHING],
    (EVERYTHING,),
    {EVERYTHING: EVERYTHING},
    {"name": [EVERYTHING]},
    Canary(),
]


class Watch(logging.Handler):
    """Keeps all that our loggers, or anybody's in our code, say inside its `with` block, at any level; and warnings."""

    def __init__(self) -> None:
        super().__init__(0)
        self.logged: list[logging.LogRecord] = []
        self._catching = warnings.catch_warnings(record=True)
        self._levels: dict[logging.Logger, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record that is ours, or that tells of our handler."""
        ours = record.name.partition(".")[0] in PACKAGES or self._is_in_our_code(record.pathname)
        if ours or "LaunchDarklyCallbackHandler" in record.getMessage():
            self.logged.append(record)

    @staticmethod
    def _is_in_our_code(path: str) -> bool:
        return any(Path(path).is_relative_to(ROOT / package) for package in PACKAGES)

    def __enter__(self) -> Self:
        warned = self._catching.__enter__()
        assert warned is not None
        self.warned = warned
        warnings.simplefilter("always")
        self._levels = {each: each.level for each in map(logging.getLogger, (None, *PACKAGES))}
        for logger in self._levels:
            logger.setLevel(1)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self)
        for logger, level in self._levels.items():
            logger.setLevel(level)
        self._catching.__exit__(kind, error, trace)

    def leaks(self) -> list[str]:
        """Tell which canaries are to be seen in what was logged, all parts of it, and in what was warned of."""
        settle()
        written = [text for record in self.logged for text in self._written(record)]
        return seen_in(*written, *(each.message for each in self.warned))

    def check(self, least: int = 1) -> None:
        """Hold that so much was said at least, and nothing secret."""
        assert self.leaks() == [], [self._written(record) for record in self.logged]
        assert len(self.logged) >= least, self.logged

    @staticmethod
    def _written(record: logging.LogRecord) -> list[str]:
        whole = logging.Formatter("%(levelname)s %(name)s %(message)s").format(record)
        exceptions = [] if record.exc_info is None else [EVERYTHING]  # any may tell anything
        return [whole, repr(record.args), repr(vars(record)), *exceptions]


def _openai_answer(request: openai.Request) -> openai.Answer | openai.Stream:
    says, asks = f"Hel {canary('answer')}", json.dumps({"what": canary("argument")})
    if request.path.endswith("/responses"):
        # Deltas are halves, of which the first is to have the whole canary.
        items = responses.message(says, "." * len(says)), responses.function_call("search", asks)
        return responses.response_stream(*items) if request.streams else openai.Answer(responses.response(*items))
    if request.streams:
        return openai.Stream(openai.chunks(says, *openai.tool_call("search", asks), "lo"), usage=(9, 3))
    call = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": asks}}
    return openai.Answer(openai.completion(says, tool_calls=[call]))


def _bedrock_answer(request: bedrock.Request) -> bedrock.Step:
    says, asks = f"Hel {canary('answer')}", {"what": canary("argument")}
    if request.operation == "converse":
        return bedrock.Answer(
            bedrock.answer(says, {"toolUse": {"toolUseId": "tooluse_1", "name": "search", "input": asks}})
        )
    if request.operation == "converse-stream":
        return bedrock.Events(bedrock.events(says, bedrock.tool_use("search", json.dumps(asks))))
    if request.operation == "invoke":
        content = {"type": "text", "text": says}, {"type": "tool_use", "id": "1", "name": "search", "input": asks}
        return bedrock.Body(json.dumps(bedrock.claude(*content)).encode())
    return bedrock.invoke_events(bedrock.invoke_chunks(says, "lo"))


_ANSWERS: dict[type, Callable[[Any], Any]] = {
    openai.ScriptedOpenAI: _openai_answer,
    bedrock.ScriptedBedrock: _bedrock_answer,
}


def server_of(way: Way) -> Any:
    """Make the server of a way, whose answers are full of canaries."""
    make: Any = way.server
    return make(_ANSWERS[way.server])
