"""At most once across trackers: what is asked of a store, and what becomes of a store that does not answer."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from ldai_core import AIClient, InProcessClaims, Reading, Run, TokenUsage
from ldai_core import claims as claims_module
from ldai_core.claims import Referee
from ldai_core.endings import settle
from tests.core.doubles import CONTEXT, FakeLDClient, warnings_in
from tests.core.runs import in_child

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

METRICS = ["duration_ms", "time_to_first_token_ms", "success", "tokens", "feedback"]
SPENT = "for this run by another tracker. Each metric of a run counts once."


class Store:
    """Claims that are written down, and answered as they are told to."""

    timeout: float = 0.25

    def __init__(self, answer: Any = None, *, stalled: bool = False) -> None:
        self.asked: list[tuple[str, list[str]]] = []
        self.threads: list[threading.Thread] = []
        self._answer = answer
        self.go_on = threading.Event()
        if not stalled:
            self.go_on.set()

    def claim(self, run_id: str, metrics: Sequence[str]) -> Collection[str]:
        """Write down what is claimed, and answer."""
        self.asked.append((run_id, list(metrics)))
        self.threads.append(threading.current_thread())
        self.go_on.wait(60)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer if self._answer is not None else list(metrics)


def make_clients(claims: Any, count: int = 2) -> tuple[FakeLDClient, list[AIClient]]:
    """Make clients that share a store and what stands for LaunchDarkly, as several processes do."""
    ld_client = FakeLDClient()
    clients = [AIClient(ld_client, claims=claims) for _ in range(count)]
    ld_client.events.clear()
    return ld_client, clients


def record_all(tracker: Any) -> None:
    """Record every guarded metric."""
    tracker.track_duration(5)
    tracker.track_time_to_first_token(2)
    tracker.track_success()
    tracker.track_tokens(TokenUsage(12, 9, 3))
    tracker.track_feedback("positive")


def test_what_two_trackers_record_of_one_run(caplog: pytest.LogCaptureFixture) -> None:
    """RL1: of two trackers that were made from one token each metric counts once; the second warns, and stays quiet."""
    ld_client, (one, two) = make_clients(InProcessClaims())
    token = one.completion_config("my-config", CONTEXT).create_tracker().resumption_token
    ld_client.events.clear()
    first, second = one.create_tracker(token, CONTEXT), two.create_tracker(token, CONTEXT)
    record_all(first)
    assert len(ld_client.events) == 7
    assert warnings_in(caplog) == []
    record_all(second)
    assert len(ld_client.events) == 7
    warned = warnings_in(caplog)
    assert [line.partition(":")[0] for line in warned] == [
        "Skipping track_duration",
        "Skipping track_time_to_first_token",
        "Skipping track_success",
        "Skipping track_tokens",
        "Skipping track_feedback",
    ]
    assert all(SPENT in line and first.run_id in line for line in warned)
    assert second.summary.success is None
    assert second.summary.tokens is None
    second.track_error()
    assert "success/error already recorded on this tracker" in warnings_in(caplog)[-1]
    assert len(ld_client.events) == 7


def test_success_and_error_share_a_claim(caplog: pytest.LogCaptureFixture) -> None:
    """RL1: as on one tracker, whichever of success and error comes first stays; feedback of either kind likewise."""
    ld_client, (one, two) = make_clients(InProcessClaims())
    tracker = one.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()
    resumed = two.create_tracker(tracker.resumption_token, CONTEXT)
    resumed.track_error()
    tracker.track_success()
    tracker.track_feedback("negative")
    resumed.track_feedback("positive")
    assert ld_client.sent == [("$ld:ai:generation:error", 1), ("$ld:ai:feedback:user:negative", 1)]
    assert [line.partition(":")[0] for line in warnings_in(caplog)] == [
        "Skipping track_success",
        "Skipping track_feedback",
    ]


def test_a_run_asks_once() -> None:
    """RL1: a run claims all that it reports in one step, a single metric is one, and tool calls need no claim."""
    store = Store()
    _, (client, _) = make_clients(store)
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    with Run(tracker) as run:
        call = run.call()
        call.observe(Reading(usage=TokenUsage(12, 9, 3), output=True, tool_calls=("search",)))
        call.end()
    assert store.asked == [(tracker.run_id, ["duration_ms", "time_to_first_token_ms", "success", "tokens"])]
    tracker.track_tool_call("lookup")
    tracker.track_feedback("positive")
    tracker.track_feedback("positive")
    assert store.asked[1:] == [(tracker.run_id, ["feedback"])]


def test_in_order() -> None:
    """RL1: what is left of a run's metrics leaves in the usual order, tool calls last."""
    ld_client, (client, _) = make_clients(Store(["tokens", "duration_ms", "nonsense"]))
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()
    tracker.report({"duration_ms": 1, "success": True, "tokens": TokenUsage(12, 9, 3), "tool_calls": ["search"]})
    assert [name for name, _ in ld_client.sent] == [
        "$ld:ai:duration:total",
        "$ld:ai:tokens:total",
        "$ld:ai:tokens:input",
        "$ld:ai:tokens:output",
        "$ld:ai:tool_call",
    ]


@pytest.mark.parametrize("answer", [ValueError("secret"), KeyboardInterrupt(), 5, [["feedback"]]])
@pytest.mark.parametrize("timeout", [0, 0.25])
def test_a_store_that_fails(caplog: pytest.LogCaptureFixture, answer: Any, timeout: float) -> None:
    """RL1: a store that raises, or answers nonsense, costs one warning; metrics are sent."""
    store = Store(answer)
    store.timeout = timeout
    ld_client, (client, _) = make_clients(store)
    for _ in range(3):
        tracker = client.completion_config("my-config", CONTEXT).create_tracker()
        ld_client.events.clear()
        record_all(tracker)
        assert len(ld_client.events) == 7
    warned = warnings_in(caplog)
    assert len(warned) == 1
    assert warned[0].startswith("The store of claims did not answer: ")
    assert "secret" not in warned[0]


def test_a_store_that_does_not_answer(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL1: it costs one call its timeout, and one warning; then it is left alone for a while, and asked again."""
    monkeypatch.setattr(claims_module, "_PAUSE_S", 0.4)
    store = Store(stalled=True)
    store.timeout = 0.1
    ld_client, (client, _) = make_clients(store)
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()
    began = monotonic()
    tracker.track_success()
    assert 0.1 <= monotonic() - began < 1
    began = monotonic()
    record_all(tracker)
    assert monotonic() - began < 1
    assert len(ld_client.events) == 7
    assert len(store.asked) == 1
    assert len([line for line in warnings_in(caplog) if "TimeoutError" in line]) == 1
    threading.Event().wait(0.5)
    client.create_tracker(tracker.resumption_token, CONTEXT).track_success()
    assert len(store.asked) == 2
    store.go_on.set()
    threading.Event().wait(0.5)
    client.create_tracker(tracker.resumption_token, CONTEXT).track_success()
    assert len(store.asked) == 3
    assert len([line for line in warnings_in(caplog) if "TimeoutError" in line]) == 1


def test_a_store_that_never_answers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """RL1: the threads that are stuck in it are few; a fork has none of them."""
    monkeypatch.setattr(claims_module, "_PAUSE_S", 0.0)
    store = Store(stalled=True)
    store.timeout = 0.005
    referee = Referee(store)
    for _ in range(20):
        assert referee.claim("run", METRICS, referee.until()) == METRICS
    assert len(store.asked) == 8

    def ask() -> int:
        store.go_on.set()
        store.timeout = 5.0
        referee.claim("run", METRICS, referee.until())
        return len(store.asked)

    assert in_child(ask) == "9"
    store.go_on.set()
    for thread in store.threads:
        thread.join()
    referee.claim("run", METRICS, referee.until())
    assert len(store.asked) == 9


def test_no_more_threads(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """RL1: where no thread can be started, as at the interpreter's end, metrics are sent."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ld_client, (client, _) = make_clients(Store())
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    record_all(tracker)
    assert len(ld_client.events) == 7
    assert "RuntimeError" in warnings_in(caplog)[0]


async def test_in_an_event_loop() -> None:
    """RL1: an event loop does not wait for a store; the events leave when it has answered, in their order."""
    store = Store(stalled=True)
    store.timeout = 20.0
    ld_client, (client, _) = make_clients(store)
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()
    began = monotonic()
    record_all(tracker)
    async with Run(tracker) as run:
        run.call().end()
    tracker.track_tool_call("search")
    assert monotonic() - began < 1
    assert [name for name, _ in ld_client.sent] == ["$ld:ai:tool_call"]
    store.go_on.set()
    await asyncio.to_thread(settle)
    assert len(ld_client.events) == 8
    assert tracker.summary.success is True


async def test_late_in_an_event_loop(caplog: pytest.LogCaptureFixture) -> None:
    """RL1: from a loop too a claim has no more than its time, counted from when the metric was recorded."""
    store = Store(stalled=True)
    store.timeout = 0.1
    ld_client, (client, _) = make_clients(store)
    trackers = [client.completion_config("my-config", CONTEXT).create_tracker() for _ in range(50)]
    ld_client.events.clear()
    began = monotonic()
    for tracker in trackers:
        tracker.track_success()
    await asyncio.to_thread(settle)
    assert monotonic() - began < 3  # fifty times 0.1 would be 5
    assert len(ld_client.events) == 50
    assert len(warnings_in(caplog)) == 1
    store.go_on.set()


async def test_a_client_that_fails_in_an_event_loop(caplog: pytest.LogCaptureFixture) -> None:
    """RL1: LaunchDarkly's client raises in the thread then, which costs a warning as elsewhere."""
    ld_client, (client, _) = make_clients(Store())
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()

    def fail(*_args: Any) -> None:
        raise OSError

    ld_client.track = fail  # type: ignore[method-assign, assignment]  # the double's
    tracker.track_success()
    await asyncio.to_thread(settle)
    assert "OSError" in warnings_in(caplog)[-1]


async def test_a_store_in_process_in_an_event_loop() -> None:
    """RL1: a store that never blocks is asked at once, there too."""
    ld_client, (client, _) = make_clients(InProcessClaims())
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()
    tracker.track_success()
    assert ld_client.sent == [("$ld:ai:generation:success", 1)]


def test_interrupted_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """RL1: Ctrl-C while a store is waited for goes on, and the event is sent."""
    ld_client, (client, _) = make_clients(Store())
    tracker = client.completion_config("my-config", CONTEXT).create_tracker()
    ld_client.events.clear()

    def interrupt(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Referee, "_wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tracker.track_feedback("positive")
    assert ld_client.sent == [("$ld:ai:feedback:user:positive", 1)]


def test_sixteen_threads() -> None:
    """RL1: of many threads that claim at once one gets each metric."""
    claims = InProcessClaims()
    barrier = threading.Barrier(16)
    mine: list[str] = []

    def claim() -> None:
        barrier.wait()
        for run in range(200):
            mine.extend(f"{run} {metric}" for metric in claims.claim(str(run), METRICS))

    threads = [threading.Thread(target=claim) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mine) == len(set(mine)) == 200 * len(METRICS)


def test_the_last_runs_are_remembered() -> None:
    """RL1: claims in process are bounded; the run that was longest not asked for is forgotten."""
    claims = InProcessClaims(max_runs=2)
    assert claims.claim("A", ["success"]) == ["success"]
    claims.claim("B", ["success"])
    assert claims.claim("a", ["success", "tokens"]) == ["tokens"]
    claims.claim("C", ["success"])
    assert claims.claim("A", ["success"]) == []
    assert claims.claim("B", ["success"]) == ["success"]


@pytest.mark.parametrize("max_runs", [0, -1, float("nan"), float("inf")])
def test_no_number_of_runs(max_runs: Any) -> None:
    """A bound that is none is refused."""
    with pytest.raises(ValueError, match=r"max_runs: expected a number above 0, got"):
        InProcessClaims(max_runs)
    with pytest.raises(TypeError, match=r"max_runs: expected a number above 0, got str"):
        InProcessClaims("9")  # type: ignore[arg-type]  # that is the point


class NoTimeout:
    """A store that does not say how long it may take."""

    def claim(self, _run_id: str, _metrics: Sequence[str]) -> Collection[str]:
        """Claim nothing."""
        return ()


@pytest.mark.parametrize("claims", [object(), "redis://localhost", NoTimeout()])
def test_no_store(claims: Any) -> None:
    """What is no store of claims is refused when the client is made."""
    with pytest.raises(TypeError, match=r"claims: expected a store with claim\(\) and a timeout, got"):
        AIClient(FakeLDClient(), claims=claims)


def test_a_wrong_timeout() -> None:
    """So is one whose timeout is none."""
    store = Store()
    store.timeout = -1
    with pytest.raises(ValueError, match=r"claims\.timeout: expected a number above 0, got -1"):
        AIClient(FakeLDClient(), claims=store)
