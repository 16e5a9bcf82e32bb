"""The other side of the soak, in a process of its own: so are its sockets, its threads and its memory.

Says where it is in a line of JSON; for each line that it is sent, it says what LaunchDarkly has received since.
"""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, Any

from ldai_core import AIConfigDefault, Message, ModelConfig, ProviderConfig
from tests.reliability.soaking.account import Row
from tests.reliability.soaking.answers import answer_as_bedrock, answer_as_openai
from tests.servers.bedrock import ScriptedBedrock
from tests.servers.launchdarkly import LaunchDarkly, fixed
from tests.servers.openai import ScriptedOpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OtherSide", "other_side"]

BOT = AIConfigDefault(
    enabled=True,
    model=ModelConfig("any-model", {"temperature": 0.5, "maxTokens": 64}),
    provider=ProviderConfig("any"),
    messages=[Message("system", "You help {{ ldctx.key }}, number {{ n }}.")],
)
FLAGS = {"bot": fixed("bot", {**BOT.to_dict(), "_ldMeta": {"enabled": True, "variationKey": "only", "version": 3}})}


class OtherSide:
    """The servers, seen from the application: where they are, and what LaunchDarkly has received."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process
        where = json.loads(self._line())
        self.openai: str = where["openai"]
        self.bedrock: str = where["bedrock"]
        self.launchdarkly: str = where["launchdarkly"]

    def received(self) -> list[Row]:
        """Return the custom events that have come since this was last asked."""
        asking: IO[str] = self._process.stdin  # type: ignore[assignment]  # it is a pipe
        asking.write("\n")
        asking.flush()
        return [Row(*row) for row in json.loads(self._line())]

    def _line(self) -> str:
        telling: IO[str] = self._process.stdout  # type: ignore[assignment]  # likewise
        line = telling.readline()
        if not line:
            raise RuntimeError("the servers have gone")
        return line


@contextmanager
def other_side() -> Iterator[OtherSide]:
    """Have the servers run."""
    with Popen([sys.executable, "-m", __name__], stdin=PIPE, stdout=PIPE, text=True) as process:  # noqa: S603
        try:
            yield OtherSide(process)
        finally:
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe; by its end they know


def _rows(launchdarkly: LaunchDarkly) -> list[Any]:
    if launchdarkly.malformed:
        raise RuntimeError("LaunchDarkly was sent what is no JSON")
    events, launchdarkly.received[:] = launchdarkly.events, []
    return [
        Row.of(event.name, event.value, event.data, event.context if isinstance(event.context, dict) else {})
        for event in events
    ]


def _serve() -> None:
    openai, bedrock = ScriptedOpenAI(answer_as_openai), ScriptedBedrock(answer_as_bedrock)
    with openai, bedrock, LaunchDarkly(FLAGS) as launchdarkly:
        where = {"openai": openai.base_url, "bedrock": bedrock.uri, "launchdarkly": launchdarkly.uri}
        print(json.dumps(where), flush=True)  # noqa: T201  # what it is for
        for _ in sys.stdin:
            print(json.dumps(_rows(launchdarkly)), flush=True)  # noqa: T201  # likewise


if __name__ == "__main__":
    _serve()
