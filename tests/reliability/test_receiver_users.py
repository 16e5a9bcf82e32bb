"""RL2: what an application notices of a receiver that fails: nothing."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from ldclient import Context, LDClient
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from ldai_core import AIClient
from ldai_openai import chat_params, wrap_openai
from tests.reliability.whole_runs import BOT, VARIATION, WHOLE, record_run, repeated, runs_of, whole
from tests.servers.launchdarkly import Drop, LaunchDarkly, fixed
from tests.servers.openai import ScriptedOpenAI, Stream, chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from tests.servers.launchdarkly import ReceivedEvent

CALLS = 30
THREADS = 5  # by which the base SDK posts events
PACE_S = 0.005
SECOND_POST_S = 1.0  # how long the base SDK waits for it
QUESTION: Any = [{"role": "user", "content": "Where is my order?"}]


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Start a LaunchDarkly."""
    with LaunchDarkly({BOT: fixed(BOT, VARIATION)}) as server:
        yield server


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start an OpenAI API that streams an answer to each request."""
    with ScriptedOpenAI() as server:
        server.script(*[Stream(chunks("It is ", "on its way."), usage=(9, 3))] * CALLS * 2)
        yield server


@contextmanager
def failing(launchdarkly: LaunchDarkly) -> Iterator[None]:
    """Answer 503 to whatever comes."""
    launchdarkly.fail_next(CALLS * 1000)
    yield
    launchdarkly.recover()


@contextmanager
def dropping(launchdarkly: LaunchDarkly) -> Iterator[None]:
    """Drop whatever comes."""
    launchdarkly.drop_next(CALLS * 1000, Drop.UNREAD)
    yield
    launchdarkly.recover()


FAULTS: list[Callable[[LaunchDarkly], AbstractContextManager[None]]] = [
    failing,
    dropping,
    LaunchDarkly.down,
    LaunchDarkly.stalled,
]
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)


def all_of(run_ids: list[str]) -> Callable[[list[ReceivedEvent]], bool]:
    """Tell whether these runs have arrived, whole."""
    return lambda events: whole(run_ids).items() <= runs_of(events).items()


def waited(took_s: Iterable[float]) -> bool:
    """Tell whether calls have waited for the base SDK to send; a single one may have waited for a busy machine."""
    return sum(each >= SECOND_POST_S for each in took_s) > 1


@each_fault
def test_a_wrapped_client(
    launchdarkly: LaunchDarkly, server: ScriptedOpenAI, fault: Callable[[LaunchDarkly], AbstractContextManager[None]]
) -> None:
    """RL2: a wrapped client answers while the receiver fails, at once; what is recorded after that arrives, once."""
    with ExitStack() as stack:
        ld_client = stack.enter_context(LDClient(launchdarkly.config(flush_interval=0.05)))
        http_client = DefaultHttpxClient(verify=False)
        client = stack.enter_context(
            OpenAI(api_key="any", base_url=server.base_url, max_retries=0, http_client=http_client)
        )
        config = AIClient(ld_client).completion_config(BOT, Context.create("user-1"))

        def ask() -> tuple[str, float, str]:
            start_s = monotonic()
            tracker = config.create_tracker()
            stream = wrap_openai(client, tracker).chat.completions.create(**chat_params(config, QUESTION), stream=True)
            text = "".join(each.choices[0].delta.content or "" for each in stream if each.choices)
            return text, monotonic() - start_s, tracker.run_id

        with fault(launchdarkly):
            during = [ask() for _ in range(CALLS)]
        after = [ask() for _ in range(CALLS)]
        launchdarkly.wait_for(all_of([run_id for _, _, run_id in after]))
    assert {text for text, _, _ in during + after} == {"It is on its way."}
    assert not waited(took_s for _, took_s, _ in during)
    assert repeated(launchdarkly.events) == set()


@each_fault
async def test_a_wrapped_async_client(
    launchdarkly: LaunchDarkly, server: ScriptedOpenAI, fault: Callable[[LaunchDarkly], AbstractContextManager[None]]
) -> None:
    """RL2: likewise, async."""
    with LDClient(launchdarkly.config(flush_interval=0.05)) as ld_client:
        http_client = DefaultAsyncHttpxClient(verify=False)
        async with AsyncOpenAI(
            api_key="any", base_url=server.base_url, max_retries=0, http_client=http_client
        ) as client:
            config = AIClient(ld_client).completion_config(BOT, Context.create("user-1"))

            async def ask() -> tuple[str, float, str]:
                start_s = monotonic()
                tracker = config.create_tracker()
                wrapped = wrap_openai(client, tracker)
                stream = await wrapped.chat.completions.create(**chat_params(config, QUESTION), stream=True)
                text = "".join([each.choices[0].delta.content or "" async for each in stream if each.choices])
                return text, monotonic() - start_s, tracker.run_id

            with fault(launchdarkly):
                during = [await ask() for _ in range(CALLS)]
            after = [await ask() for _ in range(CALLS)]
        launchdarkly.wait_for(all_of([run_id for _, _, run_id in after]))
    assert {text for text, _, _ in during + after} == {"It is on its way."}
    assert not waited(took_s for _, took_s, _ in during)
    assert repeated(launchdarkly.events) == set()


def test_a_receiver_that_stalls(launchdarkly: LaunchDarkly) -> None:
    """RL2: no call waits for a receiver that does not answer, not with all threads of the base SDK's waiting for it.

    When it answers at last, all is there, once.
    """
    with LDClient(launchdarkly.config(flush_interval=0.05)) as ld_client:
        config = AIClient(ld_client).completion_config(BOT, Context.create("user-1"))
        run_ids = []
        with launchdarkly.stalled():
            for number in range(THREADS):
                run_ids.append(record_run(config))
                launchdarkly.wait_for_posts(number + 1)
            run_ids += [record_run(config) for _ in range(CALLS)]
            assert runs_of(launchdarkly.events) == {}
        events = launchdarkly.wait_for(all_of(run_ids))
    assert runs_of(events) == whole(run_ids)
    assert repeated(launchdarkly.events) == set()


@dataclass
class Outage:
    """Nothing listens for `seconds`, from when it is started; then `back_at` is known."""

    launchdarkly: LaunchDarkly
    seconds: float
    back_at: float = 0.0
    over: Event = field(default_factory=Event)

    def __call__(self) -> None:
        """Be out."""
        with self.launchdarkly.down():
            Event().wait(self.seconds)
        self.back_at = monotonic()
        self.over.set()


@pytest.mark.parametrize(
    ("seconds", "flush_interval"),
    [
        (2.5, 0.2),
        pytest.param(10, 0.2, marks=pytest.mark.integration),
        pytest.param(10, 5, marks=pytest.mark.integration),  # the base SDK's default
    ],
)
def test_an_outage_under_traffic(launchdarkly: LaunchDarkly, seconds: float, flush_interval: float) -> None:
    """RL2: of an outage all that was recorded in its last second, before it and after it arrives, and nothing twice.

    What was recorded earlier in it is lost, as far as it was posted in time for both posts to fail.
    """
    recorded: dict[str, float] = {}
    took_s: list[float] = []

    def record() -> str:
        start_s = monotonic()
        run_id = record_run(config)
        recorded[run_id] = start_s
        took_s.append(monotonic() - start_s)
        Event().wait(PACE_S)
        return run_id

    with LDClient(launchdarkly.config(flush_interval=flush_interval)) as ld_client:
        config = AIClient(ld_client).completion_config(BOT, Context.create("user-1"))
        before = [record() for _ in range(CALLS)]
        launchdarkly.wait_for(all_of(before))
        outage = Outage(launchdarkly, seconds)
        thread = Thread(target=outage)
        thread.start()
        while not outage.over.is_set():
            record()
        thread.join()
        after = [record() for _ in range(CALLS)]
        launchdarkly.wait_for(all_of(after))
    arrived = runs_of(launchdarkly.events)
    lost_at = [at for run_id, at in recorded.items() if sorted(arrived.get(run_id, [])) != sorted(WHOLE)]
    assert whole(before).items() <= arrived.items()
    assert repeated(launchdarkly.events) == set()
    assert not waited(took_s)
    assert lost_at
    assert max(lost_at) <= outage.back_at - 1
