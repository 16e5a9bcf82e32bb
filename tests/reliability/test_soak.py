"""RL4: thousands of runs at once, and every one of them is accounted for."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompts import ChatPromptTemplate
from ldclient import Context
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from ldai_core import AIClient, Run
from ldai_core.testing import RecordingClient
from ldai_langchain import LaunchDarklyCallbackHandler
from ldai_openai import wrap_openai
from tests.expected import turns
from tests.reliability import soak
from tests.reliability.soaking.account import NOTHING, OF_WHAT, Expected, Record, Row, faults
from tests.reliability.soaking.answers import TOOLS, Asked
from tests.reliability.soaking.census import census
from tests.reliability.soaking.kinds import KINDS
from tests.reliability.soaking.verdict import left_over
from tests.servers.openai import ScriptedOpenAI

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from ldai_core import AIConfig


def run_soak(runs: int, seed: int) -> None:
    """Run the program in a process of its own, where nobody else has open sockets."""
    command = [sys.executable, "-m", "tests.reliability.soak", "--runs", str(runs), "--seed", str(seed)]
    result = subprocess.run([*command, "--patience", "280"], capture_output=True, text=True, timeout=290, check=False)  # noqa: S603
    assert result.returncode == 0, result.stdout + result.stderr[-2000:]
    assert f"runs            {runs} of {len(KINDS)} kinds" in result.stdout


def test_some_runs() -> None:
    """RL4: of six hundred runs each is recorded once, as its client saw it, and nothing stays open."""
    run_soak(600, seed=4)


@pytest.mark.integration
@pytest.mark.timeout(300)
def test_ten_thousand_runs() -> None:
    """RL4: of ten thousand runs each is recorded once, as its client saw it; nothing stays open, and nothing grows."""
    run_soak(10_000, seed=4)


ASKED = Asked(7, 0, TOOLS)
RECORD = Record(7, "any", ("a",), Expected.of(ASKED, first_token=True), least_ms=6, reading_ms=3, most_ms=20)


def rows_of_a_run() -> list[Row]:
    """Write down what is to be received of that run, and of its client."""
    values = {"$ld:ai:duration:total": 12, "$ld:ai:tokens:ttf": 9}
    of_run = [
        Row(name, values.get(name, value), "a", tool, "user-7", OF_WHAT)
        for name, value, tool in RECORD.expected.events()
    ]
    nobody: list[Any] = [None] * len(OF_WHAT)
    return [
        Row("$ld:ai:sdk:info", 1, None, None, "ld-internal-tracking", nobody),
        Row("$ld:ai:usage:completion-config", 1, None, None, "user-7", nobody),
        *of_run,
    ]


def test_an_account_that_is_right() -> None:
    """RL4: where everything was received as it was seen, in whatever order, the account has no fault."""
    assert faults([RECORD], rows_of_a_run()[::-1]) == []


@pytest.mark.parametrize("index", range(2, len(rows_of_a_run())))
@pytest.mark.parametrize(
    "changes",
    [[], [{}, {}], [{"run_id": "b"}], [{"context": "user-8"}], [{"value": 70_000}], [{"of_what": ["another bot"]}]],
    ids=["lost", "twice", "of another run", "for another user", "another value", "of another bot"],
)
def test_an_account_that_is_wrong(index: int, changes: list[dict[str, Any]]) -> None:
    """RL4: one event that is lost, sent twice, of another run, user or config, or with another value, is found."""
    rows = rows_of_a_run()
    row = rows.pop(index)
    assert faults([RECORD], [*rows, *(row._replace(**change) for change in changes)])


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("times", [0, 2])
def test_an_evaluation_too_many_or_too_few(index: int, times: int) -> None:
    """RL4: of the client and the evaluation of its config there is one event each."""
    rows = rows_of_a_run()
    row = rows.pop(index)
    assert faults([RECORD], [*rows, *[row] * times])


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, expected=NOTHING),
        replace(RECORD, run_ids=("a", "b")),
        replace(RECORD, run_ids=()),
        replace(RECORD, expected=replace(RECORD.expected, first_token=False)),
        replace(RECORD, expected=replace(RECORD.expected, success=False)),
        replace(RECORD, least_ms=13),
        replace(RECORD, most_ms=11),
        replace(RECORD, reading_ms=5),
    ],
)
def test_a_run_that_was_seen_otherwise(record: Record) -> None:
    """RL4: a run that its client saw otherwise is found: nothing to record, another outcome, another time."""
    assert faults([record], rows_of_a_run())


def test_tokens_say_which_run() -> None:
    """RL4: no two runs have the same tokens, however many turns of five they take."""
    inputs = [sum(Asked(n, turn, TOOLS).usage[0] for turn in range(turns)) for n in range(1, 50) for turns in (1, 3, 4)]
    assert len(set(inputs)) == len(inputs)
    assert [count // 10 for count in inputs] == [n for n in range(1, 50) for _ in range(3)]


def test_the_same_seed_the_same_runs() -> None:
    """RL4: a seed draws the same runs again, another one others; and every kind comes."""
    first, again, other = (soak.plan(1000, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert set(first) == set(KINDS)


def test_what_is_alive(config: AIConfig) -> None:
    """RL4: the census sees a run that is alive, and a socket that is open."""
    before = census()
    with ScriptedOpenAI():
        run = Run(config)
        run.call()
        during = census()
        del run
    after = census()
    kinds = ("run.Run", "run.Call", "reading.Tally", "tracker.AIConfigTracker")
    assert during.own - before.own == {f"ldai_core.{kind}": 1 for kind in kinds}
    assert during.sockets == before.sockets + 1
    assert list(left_over(before, during))
    assert list(left_over(before, after)) == []


@pytest.fixture
def recorded() -> RecordingClient:
    """Stand for LaunchDarkly, and write down what it is told."""
    return RecordingClient()


@pytest.fixture
def config(recorded: RecordingClient) -> AIConfig:
    """Evaluate the AI Config whose runs are recorded."""
    return AIClient(recorded).completion_config("bot", Context.create("user-1"))


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API."""
    with ScriptedOpenAI() as server:
        yield server


@pytest.mark.parametrize("is_wrapped", [False, True], ids=["bare", "wrapped"])
async def test_streams_that_are_broken_off_give_their_connections_back(
    server: ScriptedOpenAI, config: AIConfig, is_wrapped: bool
) -> None:
    """RL4: of a wrapped client's streams that were broken off none holds a place in the pool when they are gone."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about["message"]))
    http_client: Any = DefaultAsyncHttpxClient(verify=False)
    async with AsyncOpenAI(api_key="any", base_url=server.base_url, http_client=http_client) as client:
        wrapped = wrap_openai(client, config) if is_wrapped else client
        for _ in range(5):
            stream = await wrapped.chat.completions.create(
                model="any", messages=[{"role": "user", "content": "?"}], stream=True
            )
            async for _ in stream:
                break
            del stream
        for _ in range(3):
            gc.collect()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.wait([*others, asyncio.create_task(turns())], timeout=5)
        assert (len(http_client._transport._pool._requests), complaints) == (0, [])


class Speaker(BaseChatModel):
    """Says word after word, and lets others have their turn in between."""

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def _generate(self, *_args: Any, **_kwargs: Any) -> Any:
        raise NotImplementedError

    async def _astream(self, *_args: Any, **_kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        for number in range(50):
            yield ChatGenerationChunk(message=AIMessageChunk(content=f"word {number} "))
            await asyncio.sleep(0)


SPEAKERS: dict[str, Callable[[], Any]] = {
    "model": Speaker,
    "chain": lambda: ChatPromptTemplate.from_messages([("user", "{question}")]) | Speaker() | StrOutputParser(),
}


@pytest.mark.parametrize("after", range(12))
@pytest.mark.parametrize("kind", SPEAKERS)
async def test_a_stream_is_cancelled_at_any_turn(
    recorded: RecordingClient, config: AIConfig, kind: str, after: int
) -> None:
    """RL4: a stream whose consumer but waits for the next chunk is failed by a cancellation, at whatever turn."""
    handler = LaunchDarklyCallbackHandler(config)
    seen = asyncio.Event()

    async def consume() -> None:
        async for _ in SPEAKERS[kind]().astream(
            {"question": "?"} if kind == "chain" else "?", {"callbacks": [handler]}
        ):
            seen.set()

    task = asyncio.create_task(consume())
    await seen.wait()
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    del task  # which would keep the frames of the call
    for _ in range(6):
        await turns()
    gc.collect()
    assert recorded.run.success is False
