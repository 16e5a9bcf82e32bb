"""Measuring never changes the call: a wrapped client and the same client unwrapped, side by side.

Every way to consume what comes, over every scenario of the scripted server, for each operation.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from ldai_bedrock import wrap_bedrock
from tests.bedrock.conftest import CREDENTIALS, ONCE, has_aiobotocore
from tests.bedrock.consumers import BODY, EVENTS, SYNC_BODY, Notes, raised, written
from tests.bedrock.expected import PIECES, REQUESTS, value
from tests.bedrock.scenarios import SCENARIOS
from tests.expected import told, turns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.bedrock import ScriptedBedrock

WHOLE = {"converse": "whole", "invoke_model": "read"}  # of the others, a loop
IN_PART = {"broken", "closed early", "read in part", "resumed", "by hand, in part", "two at once"}
FAILURES_WITHOUT_ERRORS = ("malformed", "a failure")


def cases() -> Iterator[Any]:
    """Go through the scenarios of each operation."""
    for operation, scenarios in SCENARIOS.items():
        yield from (pytest.param(operation, name, id=f"{operation}-{name}") for name in scenarios)


every_case = pytest.mark.parametrize(("operation", "scenario"), list(cases()))


async def outcome(client: Any, operation: str, consume: Any) -> list[Any]:
    """Make the request, and write down everything that came."""
    notes = Notes()
    try:
        response = await value(getattr(client, operation)(**REQUESTS[operation]))
    except Exception as error:  # noqa: BLE001  # the same one is expected
        return [raised(error)]
    notes.items += [type(response), list(response), written(response)]
    if consume is not None:
        await consume(response[PIECES[operation]], notes)
    return notes.items


def settled(items: list[Any], scenario: str) -> list[Any]:
    """Leave out what aiohttp leaves to chance: where bytes are divided, and what still arrives of what is cut."""
    is_cut = "cut" in scenario
    kept: list[Any] = []
    for item in items:
        if isinstance(item, bytes) and kept and isinstance(kept[-1], bytes):
            kept[-1] += item
        elif not is_cut or isinstance(item, (tuple, list)):
            kept.append(item)
    return kept


async def settles(recorded: RecordingClient, times: int) -> None:
    """Give what was dropped time to be reported: aiohttp keeps a response, in circles, until all of it has come."""
    await turns()
    for _ in range(100):
        if len(recorded.runs) >= times:
            break
        gc.collect()
        await asyncio.sleep(0.01)


async def compare(
    server: ScriptedBedrock,
    clients: tuple[Any, Any],
    recorded: RecordingClient,
    case: tuple[str, str],
    consumers: Mapping[str, Any],
    settle: Callable[[list[Any], str], list[Any]] = lambda items, _scenario: items,
) -> None:
    """Consume it in every way, with and without us; there is one record each time."""
    operation, scenario = case
    client, wrapped = clients
    step = SCENARIOS[operation][scenario]
    for times, (name, consume) in enumerate(consumers.items(), 1):
        server.script(step, step)
        unmeasured = await outcome(client, operation, consume)
        measured = await outcome(wrapped, operation, consume)
        assert (name, settle(measured, scenario)) == (name, settle(unmeasured, scenario))
        await settles(recorded, times)
        assert told(recorded)
        assert (name, len(recorded.runs)) == (name, times)
        errors = [item for item in unmeasured if isinstance(item, tuple) and item[0] == "raised"]
        if name == WHOLE.get(operation, "loop"):
            failed = bool(errors) or scenario.startswith(FAILURES_WITHOUT_ERRORS)
            assert recorded.runs[-1].success is not failed
        if len(unmeasured) == 1:  # no response: there is nothing to consume
            return


def consumers_of(operation: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Choose the ways to consume what an operation returns."""
    return {"converse": {"whole": None}, "invoke_model": body}.get(operation, EVENTS)


@every_case
async def test_nothing_changes(
    server: ScriptedBedrock, client: Any, wrapped: Any, recorded: RecordingClient, operation: str, scenario: str
) -> None:
    """BR1, BR5, BR11, BR12, BR15: the result, each event, each byte and each exception are as without measuring."""
    consumers = consumers_of(operation, SYNC_BODY)
    await compare(server, (client, wrapped), recorded, (operation, scenario), consumers)


@pytest.fixture(scope="module")
def async_session() -> Any:
    """Load the service's description once, which takes longer than a test."""
    if not has_aiobotocore():
        pytest.skip("there is no aiobotocore for this release of botocore: it works with the few that it names")
    from aiobotocore.session import get_session  # noqa: PLC0415  # not always there

    return get_session()


@pytest.fixture
async def async_clients(
    server: ScriptedBedrock, async_session: Any, config: AIConfig
) -> AsyncIterator[tuple[Any, Any]]:
    """Make the application's async client, and wrap it."""
    # Connections enough for all that is dropped, which aiohttp may keep for a while.
    once = ONCE.merge(Config(max_pool_connections=100))
    async with async_session.create_client(
        "bedrock-runtime", endpoint_url=server.uri, config=once, **CREDENTIALS
    ) as client:
        yield client, wrap_bedrock(client, config)


@every_case
async def test_nothing_changes_async(
    server: ScriptedBedrock, async_clients: tuple[Any, Any], recorded: RecordingClient, operation: str, scenario: str
) -> None:
    """BR1, BR5, BR11, BR12, BR15, BR16: likewise."""
    consumers = consumers_of(operation, BODY)
    if "cut" in scenario or scenario.endswith("in chunks"):  # how much of it is there for a part, is left to chance
        consumers = {name: each for name, each in consumers.items() if name not in IN_PART}
    await compare(server, async_clients, recorded, (operation, scenario), consumers, settled)
