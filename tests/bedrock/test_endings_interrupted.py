"""The table of endings, over a real socket: timeouts, streams closed meanwhile, and a real SIGINT, as of Ctrl-C."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from urllib3.exceptions import ReadTimeoutError as PoolTimeoutError

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import REQUESTS, SILENT
from tests.bedrock.scenarios import STREAMED, begin, stream_of, text_of
from tests.expected import ERROR, FAILED, FAILED_LATE, LEFT, TOKENS, UNREAD, duration, first_token, told, told_by_now
from tests.interrupts import MAIN, ctrl_c, needs_signals, thread_waits

if TYPE_CHECKING:
    from collections.abc import Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

every_operation = pytest.mark.parametrize("operation", REQUESTS)
every_stream = pytest.mark.parametrize("operation", STREAMED)


@pytest.fixture
def impatient(make_client: Callable[..., Any], config: AIConfig) -> Any:
    """Make a client that waits for 300 ms only, and wrap it."""
    return wrap_bedrock(make_client(Config(read_timeout=0.3)), config)


def waits(thread: threading.Thread) -> None:
    """Return once a thread waits for what a socket brings."""
    thread_waits(thread, "socket", "readinto")


def once_it_waits(came: Callable[[], object]) -> None:
    """Return once the main thread waits, when `came` has returned."""
    came()
    waits(MAIN)


@every_operation
def test_no_answer(server: ScriptedBedrock, impatient: Any, recorded: RecordingClient, operation: str) -> None:
    """BR4: timed out while waiting for the answer: an error, with the time that was waited."""
    server.script(SILENT)
    with pytest.raises(ReadTimeoutError):
        getattr(impatient, operation)(**REQUESTS[operation])
    assert told_by_now(recorded) == [duration(300), ERROR]


@every_stream
@pytest.mark.parametrize(("after", "seen"), [(0, []), (1, []), (2, [first_token()]), (6, [first_token()])], ids=str)
def test_a_stall(
    server: ScriptedBedrock, impatient: Any, recorded: RecordingClient, operation: str, after: int, seen: Any
) -> None:
    """BR5: timed out while waiting for an event: an error, with what was seen; the stream may be iterated again."""
    server.script(stream_of(operation, "Hel", "lo", stall_after=after))
    stream = begin(impatient, operation)
    events = []
    with pytest.raises(PoolTimeoutError):
        for event in stream:
            events.append(event)  # noqa: PERF402  # those before the error
    assert len(events) == after
    expected = [duration(300), *seen, ERROR, *(TOKENS if after == 6 else [])]
    assert told_by_now(recorded) == expected
    assert list(stream) == []
    stream.close()
    assert server.requests[0].gone.wait(5)
    del stream
    assert told(recorded) == expected


@every_stream
@pytest.mark.parametrize("read", [0, 2])
def test_iterated_after_the_closing(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, operation: str, read: int
) -> None:
    """BR5: the user's own `close` is no error, nor is whatever iterating brings after it."""
    server.script(*[stream_of(operation, "Hel", "lo", stall_after=2)] * 2)

    def outcome(client: Any) -> list[Any]:
        stream = begin(client, operation)
        assert len(list(islice(stream, read))) == read
        stream.close()
        try:
            return list(stream)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
            return [type(error), str(error)]
        finally:
            stream.close()

    assert outcome(wrapped) == outcome(client)
    assert told(recorded) == (LEFT if read else UNREAD)


def closed_meanwhile(client: Any, operation: str, recorded: RecordingClient) -> list[Any]:
    """Close a stream while another thread waits for its next event, and say what that thread met."""
    stream = begin(client, operation)
    met: list[Any] = []

    def consume() -> None:
        try:
            met.extend(stream)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
            met.append(type(error))

    thread = threading.Thread(target=consume)
    thread.start()
    waits(thread)
    assert told_by_now(recorded) == []
    stream.close()
    thread.join()
    return met


@every_stream
def test_closed_while_another_thread_waits(
    server: ScriptedBedrock,
    make_client: Callable[..., Any],
    config: AIConfig,
    recorded: RecordingClient,
    operation: str,
) -> None:
    """BR5: the user's own `close` is no error, though it fails whoever waits for an event meanwhile."""
    server.script(*[stream_of(operation, "Hel", "lo", stall_after=2)] * 2)
    client = make_client(Config(read_timeout=1))
    unmeasured = closed_meanwhile(client, operation, recorded)
    assert closed_meanwhile(wrap_bedrock(client, config), operation, recorded) == unmeasured
    assert told(recorded) == LEFT


@needs_signals
@every_operation
def test_ctrl_c_while_waiting_for_the_answer(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str
) -> None:
    """BR5: interrupted while waiting for the answer: error; the KeyboardInterrupt goes on at once."""
    server.script(SILENT)
    with ctrl_c(lambda: once_it_waits(server.wait_for_request)):
        getattr(wrapped, operation)(**REQUESTS[operation])
    assert told_by_now(recorded) == FAILED


@needs_signals
@every_stream
@pytest.mark.parametrize("by_next", [False, True], ids=["for", "next"])
def test_ctrl_c_while_waiting_for_an_event(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str, by_next: bool
) -> None:
    """BR5: interrupted while waiting for an event: error, with the first token; it goes on at once."""
    server.script(stream_of(operation, "Hel", "lo", stall_after=2))
    stream = begin(wrapped, operation)
    seen = threading.Event()

    def consume(stream: Any) -> None:
        events = iter(stream)
        for event in iter(events.__next__, None) if by_next else events:
            if text_of(event):
                seen.set()

    with ctrl_c(lambda: once_it_waits(lambda: seen.wait(10))):
        consume(stream)
    assert told_by_now(recorded) == FAILED_LATE
    stream.close()
    assert server.requests[0].gone.wait(5)
    del stream
    assert told(recorded) == FAILED_LATE
