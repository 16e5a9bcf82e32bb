"""What the soak asks, and what its servers answer: the prompt says which run it is, and so what is to come."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.servers import bedrock, openai, responses
from tests.servers.bedrock import Body, Events
from tests.servers.openai import FOREVER_S, Answer, Stream

if TYPE_CHECKING:
    from tests.servers.scripted import JSON

__all__ = [
    "ANSWER",
    "CUT",
    "FAIL",
    "HANG",
    "REFUSE",
    "STALL",
    "TOOLS",
    "Asked",
    "answer_as_bedrock",
    "answer_as_openai",
]

ANSWER = "answer"
TOOLS = "tools"  # answer, and ask for one tool or two
REFUSE = "refuse"  # with an error, at once
CUT = "cut"  # drop the connection after the first output
FAIL = "fail"  # say after the output that it failed
STALL = "stall"  # say no more after the first output
HANG = "hang"  # say nothing at all

_PROMPT = re.compile(r"\[run (\d+), turn (\d+): (\w+)]")
_STATUSES = (400, 429, 500)
_TYPES = ("ValidationException", "ThrottlingException", "InternalServerException")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the number of its run, from 1 on, which turn of the run it is, below 5, and what is to happen."""

    n: int
    turn: int
    what: str

    @property
    def prompt(self) -> str:
        """What the user says."""
        return f"[run {self.n}, turn {self.turn}: {self.what}]"

    @staticmethod
    def read(body: object) -> Asked:
        """Find it in a request, of whatever API."""
        if body is None:  # whoever asked has gone, between the headers and the body
            return Asked(1, 0, HANG)
        n, turn, what = _PROMPT.findall(json.dumps(body))[-1]
        return Asked(int(n), int(turn), what)

    @property
    def usage(self) -> tuple[int, int]:
        """Its tokens: the input of a run, summed over its turns, is ten times its number and less than ten more."""
        return (self.turn or 10 * self.n), self.n % 97 + 1 + self.turn

    @property
    def first_usage(self) -> tuple[int, int]:
        """The tokens that a stream of Anthropic's tells at its beginning."""
        return self.usage[0], 1

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that are asked for."""
        if self.what != TOOLS:
            return ()
        return (f"search_{self.n % 7}", *((f"look_up_{self.turn}",) if self.n % 2 else ()))

    @property
    def texts(self) -> list[str]:
        """The answer, in pieces."""
        return [f"word {number} " for number in range(3 + self.n % 4)]

    @property
    def delay_ms(self) -> int:
        """How long the server thinks before it says anything."""
        return 2 * (self.n % 4)


def answer_as_openai(request: openai.Request) -> Answer | Stream:
    """Answer a request to OpenAI's API."""
    asked = Asked.read(request.body)
    if asked.what == HANG:
        return Answer({}, delay_s=FOREVER_S)
    if asked.what == REFUSE:
        return openai.Failure(_STATUSES[asked.n % 3]).as_answer()
    if request.path.endswith("/responses"):
        return _response(asked, streams=request.streams)
    if not request.streams:
        calls = [_call(name, place) for place, name in enumerate(asked.tools)] or None
        whole = openai.completion("".join(asked.texts), asked.usage, tool_calls=calls)
        return Answer(whole, delay_s=asked.delay_ms / 1000)
    pieces: list[Any] = list(asked.texts)
    for place, name in enumerate(asked.tools):
        pieces += openai.tool_call(name, '{"a":', "1}", id=f"call_{place}", index=place)
    return Stream(
        openai.chunks(*pieces),
        usage=asked.usage,
        error={"message": "Scripted failure"} if asked.what == FAIL else None,
        delay_s=asked.delay_ms / 1000,
        **_end(asked, 2 + asked.n % 2),
    )


def _response(asked: Asked, *, streams: bool) -> Answer | Stream:
    items = [
        responses.message(*asked.texts),
        *(
            responses.function_call(name, "{}", id=f"fc_{place}", call_id=f"call_{place}")
            for place, name in enumerate(asked.tools)
        ),
    ]
    delay_s = asked.delay_ms / 1000
    if not streams:
        return Answer(responses.response(*items, usage=asked.usage), delay_s=delay_s)
    status = "failed" if asked.what == FAIL else "completed"
    end = _end(asked, 5 + asked.n % 2)
    return responses.response_stream(*items, status=status, usage=asked.usage, delay_s=delay_s, **end)


def answer_as_bedrock(request: bedrock.Request) -> bedrock.Step:
    """Answer a request to Bedrock's runtime."""
    asked = Asked.read(request.body)
    delay_s = asked.delay_ms / 1000
    if asked.what == HANG:
        return Answer({}, delay_s=FOREVER_S)
    if asked.what == REFUSE:
        return bedrock.Failure(_STATUSES[asked.n % 3], _TYPES[asked.n % 3]).as_answer()
    failure = ("modelStreamErrorException", "Scripted failure") if asked.what == FAIL else None
    if request.operation == "invoke-with-response-stream":
        chunks = bedrock.invoke_chunks(*asked.texts, metrics=asked.usage)
        chunks[0]["message"]["usage"] = dict(zip(("input_tokens", "output_tokens"), asked.first_usage, strict=True))
        for place, name in enumerate(asked.tools, 1):
            block = {"type": "tool_use", "id": f"toolu_{place}", "name": name, "input": {}}
            chunks.insert(-2, {"type": "content_block_start", "index": place, "content_block": block})
        last = chunks[: -2 if failure else None]
        return bedrock.invoke_events(last, exception=failure, delay_s=delay_s, **_end(asked, 3 + asked.n % 2))
    if request.operation == "invoke":
        blocks = [{"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": {}} for name in asked.tools]
        usage: dict[str, Any] = dict(zip(("input_tokens", "output_tokens"), asked.usage, strict=True))
        whole = bedrock.claude({"type": "text", "text": "".join(asked.texts)}, *blocks, usage=usage)
        return Body(json.dumps(whole).encode(), delay_s=delay_s)
    counts = bedrock.usage_of(*asked.usage)
    if request.operation == "converse":
        uses = [{"toolUse": {"toolUseId": f"tooluse_{name}", "name": name, "input": {}}} for name in asked.tools]
        return Answer(bedrock.answer("".join(asked.texts), *uses, usage=counts), delay_s=delay_s)
    pieces: list[Any] = list(asked.texts)
    for place, name in enumerate(asked.tools, 1):
        pieces.append(bedrock.tool_use(name, '{"a":', "1}", id=f"tooluse_{place}", index=place))
    told = bedrock.events(*pieces, usage=counts)
    told = told[: -2 if failure else None]
    return Events(told, exception=failure, delay_s=delay_s, **_end(asked, 2 + asked.n % 2))


def _end(asked: Asked, after: int) -> dict[str, Any]:
    """Say where a stream ends that has no end."""
    ends = {CUT: "cut_after", STALL: "stall_after"}
    return {ends[asked.what]: after} if asked.what in ends else {}


def _call(name: str, place: int) -> JSON:
    return {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": "{}"}}
