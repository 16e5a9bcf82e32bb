"""RL2: what the base SDK redelivers when the receiver of events fails, and what it does not."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

import pytest
from ldclient import Context, LDClient

from ldai_core import AIClient, AIConfig
from tests.reliability.whole_runs import (
    BOT,
    VARIATION,
    flush,
    record_runs,
    runs_of,
    wait_until_sent,
    whole,
)
from tests.servers.launchdarkly import Drop, LaunchDarkly, fixed

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER_S = 3600  # events are flushed when a test says so
PATIENCE_S = 10


@pytest.fixture
def launchdarkly() -> Iterator[LaunchDarkly]:
    """Start a LaunchDarkly."""
    with LaunchDarkly({BOT: fixed(BOT, VARIATION)}) as server:
        yield server


@pytest.fixture
def ld_client(launchdarkly: LaunchDarkly) -> Iterator[LDClient]:
    """Connect a real client to it."""
    with LDClient(launchdarkly.config(flush_interval=NEVER_S)) as client:
        yield client


@pytest.fixture
def config(ld_client: LDClient) -> AIConfig:
    """Evaluate the AI Config whose runs are recorded."""
    config = AIClient(ld_client).completion_config(BOT, Context.create("user-1"))
    assert config.enabled
    return config


def fail(launchdarkly: LaunchDarkly, posts: int, fault: int | Drop) -> None:
    """Let the next posts fail."""
    if isinstance(fault, Drop):
        launchdarkly.drop_next(posts, fault)
    else:
        launchdarkly.fail_next(posts, fault)


@contextmanager
def heard(text: str) -> Iterator[Event]:
    """Set the event when the base SDK logs something with `text` in it."""
    event = Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                event.set()

    listener, log = Listener(), logging.getLogger("ldclient.util")
    log.addHandler(listener)
    yield event
    log.removeHandler(listener)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    """Count what the base SDK has logged with `text` in it."""
    return sum(text in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("fault", [503, Drop.UNREAD, Drop.UNANSWERED])
def test_a_post_that_fails_once(
    launchdarkly: LaunchDarkly, ld_client: LDClient, config: AIConfig, fault: int | Drop
) -> None:
    """RL2: a payload whose post fails is posted once more, by the same id: whatever failed, all arrives, once."""
    fail(launchdarkly, 1, fault)
    run_ids = record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    assert runs_of(launchdarkly.events) == whole(run_ids)
    first, second = launchdarkly.posts
    assert first == second is not None


def test_each_status_that_is_not_final(launchdarkly: LaunchDarkly, ld_client: LDClient, config: AIConfig) -> None:
    """RL2: so it is after 400, 408, 429 and any 5xx, also for five payloads at once, which is as many as go at once."""
    statuses = [400, 408, 429, 500, 504]
    for status in statuses:
        launchdarkly.fail_next(1, status)
    run_ids: list[str] = []
    for number in range(len(statuses)):
        run_ids += record_runs(config)
        flush(ld_client)
        launchdarkly.wait_for_posts(number + 1)
    wait_until_sent(ld_client)
    assert runs_of(launchdarkly.events) == whole(run_ids)
    assert sorted(Counter(launchdarkly.posts).values()) == [2] * len(statuses)


@pytest.mark.parametrize("fault", [503, Drop.UNREAD])
def test_a_post_that_fails_twice(
    launchdarkly: LaunchDarkly,
    ld_client: LDClient,
    config: AIConfig,
    fault: int | Drop,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """RL2: a payload whose second post fails too is lost, with a warning of the base SDK's; the next one arrives."""
    fail(launchdarkly, 2, fault)
    record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    assert said(caplog, "some events were dropped") == 1
    later = record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    assert runs_of(launchdarkly.events) == whole(later)
    lost, again, arrived = launchdarkly.posts
    assert lost == again != arrived


def test_a_payload_that_was_taken_in_twice(launchdarkly: LaunchDarkly, ld_client: LDClient, config: AIConfig) -> None:
    """RL2: where a receiver takes both posts in and answers none, the events count once, and are sent no third time."""
    launchdarkly.drop_next(2, Drop.UNANSWERED)
    run_ids = record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    assert runs_of(launchdarkly.events) == whole(run_ids)
    assert len(launchdarkly.posts) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 413])
def test_a_status_that_is_final(
    launchdarkly: LaunchDarkly,
    ld_client: LDClient,
    config: AIConfig,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """RL2: after another status of 4xx the base SDK says so once, and sends no event ever again."""
    launchdarkly.fail_next(1, status)
    record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    assert len(launchdarkly.posts) == 1
    assert runs_of(launchdarkly.events) == {}
    assert said(caplog, "giving up permanently") == 1


def test_a_short_outage(launchdarkly: LaunchDarkly, ld_client: LDClient, config: AIConfig) -> None:
    """RL2: what is posted while nothing listens arrives, once, if the receiver is back within a second."""
    with launchdarkly.down(), heard("Error posting") as failed:
        run_ids = record_runs(config)
        flush(ld_client)
        assert failed.wait(PATIENCE_S)
    wait_until_sent(ld_client)
    assert runs_of(launchdarkly.events) == whole(run_ids)
    assert len(launchdarkly.posts) == 1


def test_a_longer_outage(launchdarkly: LaunchDarkly, ld_client: LDClient, config: AIConfig) -> None:
    """RL2: of an outage, what was posted more than a second before its end is lost; what still waited arrives, once."""
    before = record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    with launchdarkly.down():
        record_runs(config)
        flush(ld_client)
        wait_until_sent(ld_client)
        waiting = record_runs(config)
    flush(ld_client)
    wait_until_sent(ld_client)
    assert runs_of(launchdarkly.events) == whole([*before, *waiting])


def test_closing_waits_for_the_second_post(launchdarkly: LaunchDarkly) -> None:
    """RL2: closing the client returns when all has arrived, the second post of a payload included."""
    launchdarkly.fail_next(1)
    with LDClient(launchdarkly.config(flush_interval=NEVER_S)) as ld_client:
        run_ids = record_runs(AIClient(ld_client).completion_config(BOT, Context.create("user-1")))
    assert runs_of(launchdarkly.events) == whole(run_ids)
    assert len(launchdarkly.posts) == 2
