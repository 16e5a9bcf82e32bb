"""What goes wrong on our side of a call, and never reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.expected import PIECES, REQUESTS
from tests.bedrock.scenarios import stream_of
from tests.core.doubles import FailingLDClient, FakeLDClient, make_tracker, warnings_in
from tests.servers.bedrock import Failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.servers.bedrock import ScriptedBedrock

EVERYTHING = None
EACH_EVENT = ["$ld:ai:duration:total", "$ld:ai:generation:success", "$ld:ai:tokens:total"]
every_operation = pytest.mark.parametrize("operation", REQUESTS)


def whole(client: Any, operation: str) -> list[Any]:
    """Make a request, read to its end what came in pieces, and say what came."""
    response = getattr(client, operation)(**REQUESTS[operation])
    response["ResponseMetadata"]["HTTPHeaders"].pop("date")
    pieces = response.pop(PIECES.get(operation), None)
    return [response, None if pieces is None else list(pieces)]


@every_operation
@pytest.mark.parametrize("fails_on", [EVERYTHING, *([name] for name in EACH_EVENT)])
def test_launchdarkly_raises(client: Any, caplog: pytest.LogCaptureFixture, operation: str, fails_on: Any) -> None:
    """BR15: LaunchDarkly's client raises: the call is the same, at one warning, and the other metrics are sent."""
    failing = FailingLDClient(fails_on=fails_on)
    wrapped = wrap_bedrock(client, lambda: make_tracker(failing))
    assert whole(wrapped, operation) == whole(client, operation)
    assert len(warnings_in(caplog)) == 1
    names = [name for name, _ in failing.sent]
    assert names.count("$ld:ai:generation:success") == int(fails_on not in (EVERYTHING, [EACH_EVENT[1]]))
    assert len(names) >= (0 if fails_on is EVERYTHING else 4)


@every_operation
def test_launchdarkly_raises_in_a_call_that_fails(
    server: ScriptedBedrock, client: Any, caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    """BR15: LaunchDarkly's client raises when the service does: the service's exception goes on, with none of ours."""
    server.script(Failure(400, "ValidationException", "not like this"))
    with pytest.raises(client.exceptions.ValidationException, match="not like this") as caught:
        whole(wrap_bedrock(client, lambda: make_tracker(FailingLDClient())), operation)
    assert caught.value.__context__ is None
    assert len(warnings_in(caplog)) == 1


def a_tracker_that_raises() -> Any:
    """Raise."""
    raise LookupError("the answer was 42")


@every_operation
@pytest.mark.parametrize("source", [a_tracker_that_raises, lambda: None, lambda: "tracker"])
def test_no_tracker(client: Any, caplog: pytest.LogCaptureFixture, operation: str, source: Callable[[], Any]) -> None:
    """BR15: a source that gives no tracker: the call is the same, at one warning without what was raised."""
    assert whole(wrap_bedrock(client, source), operation) == whole(client, operation)
    (warning,) = warnings_in(caplog)
    assert "42" not in warning


@every_operation
def test_a_tracker_interrupted(client: Any, operation: str) -> None:
    """BR5: Ctrl-C inside of what is ours is Ctrl-C."""

    def source() -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        whole(wrap_bedrock(client, source), operation)


def test_what_was_left_is_not_read(server: ScriptedBedrock, client: Any) -> None:
    """BR15: a stream that nobody reads to its end is not read by us either: what is left in it stays there."""
    sent = FakeLDClient()
    server.script(stream_of("converse_stream", "Hel", "lo", exception=("throttlingException", "Slow down")))
    stream = wrap_bedrock(client, lambda: make_tracker(sent)).converse_stream(**REQUESTS["converse_stream"])["stream"]
    assert "messageStart" in next(iter(stream))
    stream.close()
    assert [name for name, _ in sent.sent] == EACH_EVENT[:2]
