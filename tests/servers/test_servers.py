"""The servers do what they say, to the clients that will talk to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request as Post
from urllib.request import urlopen

import openai
import pytest
from ldclient import Context, LDClient

from tests.servers.launchdarkly import LaunchDarkly, fixed, rollout
from tests.servers.model import Model
from tests.servers.openai import (
    Failure,
    ScriptedOpenAI,
    Stream,
    chunk,
    chunks,
    tool_call,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ADA = Context.create("ada")
QUESTION: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
STREAM: Any = {**QUESTION, "stream": True}


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Start a LaunchDarkly."""
    with LaunchDarkly() as server:
        yield server


@pytest.fixture
def ld_client(launchdarkly: LaunchDarkly) -> Iterator[LDClient]:
    """Connect a real client to it."""
    launchdarkly.serve({"greeting": fixed("greeting", {"text": "hello"})})
    client = LDClient(launchdarkly.config())
    yield client
    client.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def api() -> Iterator[ScriptedOpenAI]:
    """Start a scripted API."""
    with ScriptedOpenAI() as server:
        yield server


@pytest.fixture
def client(api: ScriptedOpenAI) -> Iterator[openai.OpenAI]:
    """Make a real client of it, which asks once."""
    with openai.OpenAI(base_url=api.base_url, api_key="k", max_retries=0) as client:
        yield client


def text_of(stream: Any) -> str:
    """Join the text of the chunks."""
    return "".join(each.choices[0].delta.content or "" for each in stream if each.choices)


class TestLaunchDarkly:
    """The loopback LaunchDarkly, to a real LDClient."""

    def test_streams_flags(self, launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
        """A connected client gets the flags, and new ones as soon as they are served."""
        assert ld_client.variation("greeting", ADA, None) == {"text": "hello"}
        launchdarkly.serve({"greeting": fixed("greeting", "bye")})
        deadline = time.monotonic() + 5
        while ld_client.variation("greeting", ADA, None) != "bye":
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def test_is_polled_for_flags(self, launchdarkly: LaunchDarkly) -> None:
        """A client that polls gets the flags too."""
        launchdarkly.serve({"greeting": fixed("greeting", "hello")})
        client = LDClient(launchdarkly.config(stream=False))
        assert client.variation("greeting", ADA, None) == "hello"
        client.close()  # type: ignore[no-untyped-call]

    def test_keeps_events(self, launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
        """Custom events are kept in order, with name, data, value and context."""
        ld_client.track("first", ADA, {"n": 1}, 2.5)
        ld_client.track("second", ADA)
        first, second = launchdarkly.wait_for(2)
        assert (first.name, first.data, first.value) == ("first", {"n": 1}, 2.5)
        assert first.context == {"kind": "user", "key": "ada"}
        assert (second.name, second.data, second.value) == ("second", None, None)
        assert "custom" in {event["kind"] for event in launchdarkly.received}

    def test_waits_for_what_is_wanted(self, launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
        """Waiting takes a predicate, and says at its end what has come instead."""
        ld_client.track("there", ADA)
        launchdarkly.wait_for(lambda events: any(event.name == "there" for event in events))
        with pytest.raises(TimeoutError, match=r"only these events: \['there'\]"):
            launchdarkly.wait_for(2, timeout_s=0.01)

    def test_fails_on_demand(self, launchdarkly: LaunchDarkly, ld_client: LDClient) -> None:
        """A post answered with an error is not kept, and its redelivery counts."""
        launchdarkly.fail_next(1)
        ld_client.track("again", ADA)
        assert [event.name for event in launchdarkly.wait_for(1)] == ["again"]

    def test_counts_a_payload_once(self, launchdarkly: LaunchDarkly) -> None:
        """A payload delivered twice under one id is kept once."""
        body = json.dumps([{"kind": "custom", "key": "twice", "contextKeys": {"user": "ada"}}]).encode()
        for _ in range(2):
            post = Post(launchdarkly.uri + "/bulk", body, {"X-LaunchDarkly-Payload-ID": "p"})  # noqa: S310
            with urlopen(post) as response:  # noqa: S310
                assert response.status == 202
        assert [event.name for event in launchdarkly.events] == ["twice"]

    @pytest.mark.parametrize("body", [b'[{"kind": "custom", "metricValue": NaN}]', b"[Infinity]", b"{", b"\xff"])
    def test_refuses_what_is_not_json(self, launchdarkly: LaunchDarkly, body: bytes) -> None:
        """A post that is not strict JSON is put aside and answered 400."""
        with pytest.raises(HTTPError) as refused:
            urlopen(Post(launchdarkly.uri + "/bulk", body))  # noqa: S310
        refused.value.close()
        assert refused.value.code == 400
        assert launchdarkly.malformed == [body]
        assert launchdarkly.received == []


class TestRollout:
    """A flag in percentages."""

    @pytest.mark.parametrize(("weights", "shares"), [(None, (333, 333, 333)), ([10_000, 0, 90_000], (100, 0, 900))])
    def test_divides_users(
        self, launchdarkly: LaunchDarkly, ld_client: LDClient, weights: list[int] | None, shares: tuple[int, ...]
    ) -> None:
        """Users are divided by weight, and the same user always gets the same variation."""
        launchdarkly.serve({"split": rollout("split", ["a", "b", "c"], weights)})
        users = [Context.create(f"user-{n}") for n in range(1000)]
        deadline = time.monotonic() + 5
        while ld_client.variation("split", ADA, None) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        once, again = ([ld_client.variation("split", user, None) for user in users] for _ in range(2))
        assert once == again
        counts = Counter(once)
        assert [counts[each] for each in "abc"] == pytest.approx(shares, abs=50)


class TestScriptedOpenAI:
    """What test_openai.py leaves over."""

    def test_streams_any_deltas(self, api: ScriptedOpenAI, client: openai.OpenAI) -> None:
        """Tool calls come in pieces, choices side by side, and usage unasked, where the script says so."""
        search = chunks(*tool_call("search", '{"q":', '"x"}'), finish_reason="tool_calls", usage=(1, 2))
        api.script(Stream(search), Stream([chunk({"content": "a"}, 0), chunk({"content": "b"}, 1)]))
        *calls, usage = client.chat.completions.create(**STREAM)
        assert "".join(c.choices[0].delta.tool_calls[0].function.arguments for c in calls[1:-1]) == '{"q":"x"}'
        assert (calls[-1].choices[0].finish_reason, usage.usage.total_tokens) == ("tool_calls", 3)
        assert [each.choices[0].index for each in client.chat.completions.create(**STREAM)] == [0, 1]

    def test_fails_then_succeeds(self, api: ScriptedOpenAI, client: openai.OpenAI) -> None:
        """A failure comes as often as scripted, and a client that retries gets past it."""
        api.script(Failure(429, code="rate_limit_exceeded", headers=[("retry-after-ms", "1")], times=3))
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(**QUESTION)
        assert limited.value.code == "rate_limit_exceeded"
        retrying = client.with_options(max_retries=2)
        assert retrying.chat.completions.create(**QUESTION).choices[0].message.content == "Hello"
        assert len(api.requests) == 4

    def test_pauses(self, api: ScriptedOpenAI, client: openai.OpenAI) -> None:
        """A chunk waits as long as scripted."""
        api.script(Stream(chunks("Hel", "lo"), pauses_s={1: 0.1}))
        start = time.monotonic()
        assert text_of(client.chat.completions.create(**STREAM)) == "Hello"
        assert time.monotonic() - start >= 0.1

    async def test_serves_the_async_client(self, api: ScriptedOpenAI) -> None:
        """The asynchronous client is answered likewise."""
        async with openai.AsyncOpenAI(base_url=api.base_url, api_key="k") as client:
            stream = await client.chat.completions.create(**STREAM)
            assert text_of([each async for each in stream]) == "Hello"


@pytest.mark.model
class TestModel:
    """The real local model."""

    def test_answers(self) -> None:
        """The model answers a real client with text and usage, the same every time, and is gone afterwards."""
        with Model() as local, openai.OpenAI(base_url=local.base_url, api_key="none") as client:
            answers = [client.chat.completions.create(**QUESTION, max_tokens=8) for _ in range(2)]
        assert len({answer.choices[0].message.content for answer in answers}) == 1
        assert answers[0].usage
        assert answers[0].usage.completion_tokens == 8
        with pytest.raises(OSError, match="refused"):
            urlopen(local.base_url)  # noqa: S310

    def test_ends_with_its_owner(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The model's process ends when its owner is killed, and has said nothing."""
        script = "from tests.servers.model import Model\nwith Model() as m: print(m._process.pid, flush=True); input()"
        with subprocess.Popen([sys.executable, "-c", script], stdin=-1, stdout=-1, text=True, cwd=ROOT) as owner:  # noqa: S603
            assert owner.stdout
            pid = int(owner.stdout.readline())
            owner.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 5
        while is_running(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert capfd.readouterr().err == ""


def is_running(pid: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
