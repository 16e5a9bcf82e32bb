"""The table of endings, over a real socket, with aiobotocore: a real SIGINT, as Ctrl-C sends it."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.cancelling import AT_ONCE_S, RECORDS, STALLS, consume
from tests.bedrock.conftest import CREDENTIALS, has_aiobotocore
from tests.bedrock.expected import PIECES, REQUESTS, SILENT
from tests.expected import (
    FAILED,
    told,
)

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

MAIN = threading.main_thread()
LOOKS = 5


def event_loop_waits() -> None:
    """Return once the main thread has been inside the event loop's waiting for a while; nothing else tells of it."""
    assert MAIN.ident is not None
    deadline = time.monotonic() + 10
    looks = 0
    while time.monotonic() < deadline:
        code = sys._current_frames()[MAIN.ident].f_code
        looks = looks + 1 if "selectors" in code.co_filename and code.co_name == "select" else 0
        if looks == LOOKS:
            return
        time.sleep(0.01)
    raise TimeoutError


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to a thread there")
@pytest.mark.parametrize("operation", ["converse", *PIECES])
def test_ctrl_c(server: ScriptedBedrock, config: AIConfig, recorded: RecordingClient, operation: str) -> None:
    """BR5, BR16: interrupted by Ctrl-C while an event loop waits: one error; the KeyboardInterrupt goes on at once."""
    if not has_aiobotocore():
        pytest.skip("there is no aiobotocore for this release of botocore: it works with the few that it names")
    from aiobotocore.session import get_session  # noqa: PLC0415  # not always there

    server.script(STALLS.get(operation, SILENT))
    waits = threading.Event()
    pressed_at = 0.0

    async def main() -> None:
        async with get_session().create_client("bedrock-runtime", endpoint_url=server.uri, **CREDENTIALS) as client:
            wrapped = wrap_bedrock(client, config)
            if operation not in PIECES:
                waits.set()
            response = await getattr(wrapped, operation)(**REQUESTS[operation])
            seen = asyncio.Event()
            task = asyncio.ensure_future(consume(response[PIECES[operation]], seen))
            await seen.wait()
            waits.set()
            await task

    def press() -> None:
        nonlocal pressed_at
        server.wait_for_request()
        assert waits.wait(10)
        event_loop_waits()
        pressed_at = time.perf_counter()
        assert MAIN.ident is not None
        signal.pthread_kill(MAIN.ident, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())
        assert time.perf_counter() - pressed_at < AT_ONCE_S
    finally:
        thread.join()
    assert told(recorded) == RECORDS.get(operation, FAILED)
