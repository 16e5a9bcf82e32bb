"""The table of endings, over a real socket: streams that the service, or the way from it, breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import (
    EventStreamError,
)
from urllib3.exceptions import ProtocolError

from tests.bedrock.scenarios import STREAMED, begin, stream_of
from tests.expected import (
    FAILED,
    FAILED_LATE,
    SUCCESS,
    TOKENS,
    Told,
    duration,
    tokens,
    told,
    told_by_now,
)
from tests.servers.bedrock import ScriptedBedrock, invoke_chunks, invoke_events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ldai_core.testing import RecordingClient

BROKEN: dict[str, tuple[dict[str, Any], type[Exception], Told]] = {
    "cut before the first event": ({"cut_after": 0}, ProtocolError, FAILED),
    "cut after the role": ({"cut_after": 1}, ProtocolError, FAILED),
    "cut after text": ({"cut_after": 2}, ProtocolError, FAILED_LATE),
    "cut after the counts": ({"cut_after": 6}, ProtocolError, [*FAILED_LATE, *TOKENS]),
    "exception": ({"exception": ("throttlingException", "Slow down")}, EventStreamError, [*FAILED_LATE, *TOKENS]),
    "error": ({"error": ("InternalError", "Not now")}, EventStreamError, [*FAILED_LATE, *TOKENS]),
    "wrong checksum at once": ({"corrupt_after": 0}, ChecksumMismatch, FAILED),
    "wrong checksum after text": ({"corrupt_after": 2}, ChecksumMismatch, FAILED_LATE),
}
every_stream = pytest.mark.parametrize("operation", STREAMED)


class Noted:
    """Notes each exception that leaves boto3's own stream, before it comes to be measured."""

    def __init__(self, stream: Any) -> None:
        self.errors: list[Exception] = []
        self._parse = stream._parse_event
        stream._event_generator = self._note(stream._event_generator)
        stream._parse_event = self._parse_event

    def _note(self, events: Any) -> Iterator[Any]:
        try:
            yield from events
        except Exception as error:
            self.errors.append(error)
            raise

    def _parse_event(self, event: Any) -> Any:
        try:
            return self._parse(event)
        except Exception as error:
            self.errors.append(error)
            raise


@every_stream
@pytest.mark.parametrize("happened", BROKEN)
def test_broken_stream(
    server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, happened: str, operation: str
) -> None:
    """BR5: service failed during the stream: one error, with what was seen; the same exception object goes on."""
    how, kind, expected = BROKEN[happened]
    server.script(stream_of(operation, "Hel", "lo", **how))
    stream = begin(wrapped, operation)
    noted = Noted(stream)
    with pytest.raises(kind) as caught:
        list(stream)
    assert [caught.value] == noted.errors
    assert told_by_now(recorded) == expected
    assert list(stream) == []
    stream.close()
    del stream
    assert told(recorded) == expected


def test_broken_after_counts_that_go_on(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient) -> None:
    """BR5: an error has the tokens that were seen, though they are not the last word."""
    server.script(invoke_events(invoke_chunks("Hel", "lo"), exception=("modelStreamErrorException", "Not now")))
    with pytest.raises(EventStreamError, match="Not now"):
        list(begin(wrapped, STREAMED[1]))
    server.script(invoke_events(invoke_chunks("Hel", "lo"), cut_after=3))
    with pytest.raises(ProtocolError):
        list(begin(wrapped, STREAMED[1]))
    assert told(recorded) == [*FAILED_LATE, *TOKENS, *FAILED_LATE, *tokens(90, 1)]


@every_stream
def test_broken_when_resumed(server: ScriptedBedrock, wrapped: Any, recorded: RecordingClient, operation: str) -> None:
    """BR1, BR5: what was left is a success; that it breaks when it is resumed goes on, and makes no second outcome."""
    server.script(stream_of(operation, "Hel", exception=("throttlingException", "Slow down")))
    stream = begin(wrapped, operation)
    for _event in stream:
        break
    with pytest.raises(EventStreamError):
        list(stream)
    assert told(recorded) == [duration(), SUCCESS, *TOKENS]
