"""The table of endings, over a real socket, with aiobotocore: a real SIGINT, as Ctrl-C sends it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.cancelling import RECORDS, STALLS, consume
from tests.bedrock.conftest import CREDENTIALS, has_aiobotocore
from tests.bedrock.expected import PIECES, REQUESTS, SILENT
from tests.expected import FAILED, told
from tests.interrupts import MAIN, ctrl_c, needs_signals, thread_waits

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock


@needs_signals
@pytest.mark.parametrize("operation", ["converse", *PIECES])
def test_ctrl_c(server: ScriptedBedrock, config: AIConfig, recorded: RecordingClient, operation: str) -> None:
    """BR5, BR16: interrupted by Ctrl-C while an event loop waits: one error; the KeyboardInterrupt goes on at once."""
    if not has_aiobotocore():
        pytest.skip("there is no aiobotocore for this release of botocore: it works with the few that it names")
    from aiobotocore.session import get_session  # noqa: PLC0415  # not always there

    server.script(STALLS.get(operation, SILENT))
    waits = threading.Event()

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

    def once() -> None:
        server.wait_for_request()
        assert waits.wait(10)
        thread_waits(MAIN, "selectors", "select")

    with ctrl_c(once):
        asyncio.run(main())
    assert told(recorded) == RECORDS.get(operation, FAILED)
