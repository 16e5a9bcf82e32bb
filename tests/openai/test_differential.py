"""Measuring never changes the call: a wrapped client and the same client unwrapped, side by side.

Every form of call, over every scenario of the scripted server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai import LengthFinishReasonError

from tests.openai.expected import PROVIDER_ERRORS, told
from tests.openai.scenarios import ASYNC_FORMS, FORMS, SCENARIOS
from tests.servers.openai import ScriptedOpenAI, Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AsyncOpenAI, OpenAI

    from ldai_core.testing import RecordingClient

Outcome = tuple[list[Any], Any]


def cases() -> Iterator[Any]:
    """Go through the forms, and the scenarios of each API that has the form."""
    for form in FORMS:
        for api, scenarios in SCENARIOS.items():
            if (form, api) != ("manager", "completions"):
                yield from (pytest.param(form, api, name, id=f"{form}-{api}-{name}") for name in scenarios)


every_case = pytest.mark.parametrize(("form", "api", "scenario"), list(cases()))


def written(received: Any) -> Any:
    """Write out what came, fields of the service's own too; a null that came and an absent field are the same."""
    return received.model_dump(warnings=False) if hasattr(received, "model_dump") else received


def raised(error: Exception) -> Any:
    """Write out what was raised, and what that came from."""
    about = [getattr(error, name, None) for name in ("status_code", "request_id", "code", "body")]
    return type(error), str(error), type(error.__cause__), type(error.__context__), about


def outcome(client: OpenAI, form: str, api: str, streamed: bool) -> Outcome:
    """Make the request, and write down everything that came."""
    received: list[Any] = []
    try:
        for item in FORMS[form](client, api, streamed):
            received.append(written(item))  # noqa: PERF401  # those before an error count too
    except Exception as error:  # noqa: BLE001  # the same one is expected
        return received, raised(error)
    return received, None


async def outcome_async(client: AsyncOpenAI, form: str, api: str, streamed: bool) -> Outcome:
    """Make the request, async."""
    received: list[Any] = []
    try:
        async for item in ASYNC_FORMS[form](client, api, streamed):
            received.append(written(item))  # noqa: PERF401  # likewise
    except Exception as error:  # noqa: BLE001  # likewise
        return received, raised(error)
    return received, None


def check_record(recorded: RecordingClient, scenario: str, error: Any) -> None:
    """There is one record: of a success, unless the provider failed, or what it sent cannot be parsed."""
    assert told(recorded)
    kind = type(None) if error is None else error[0]
    failed = "error" in scenario or issubclass(kind, PROVIDER_ERRORS) or kind.__module__.startswith("httpx")
    if failed or kind in (type(None), LengthFinishReasonError):
        assert recorded.run.success is not failed


@every_case
def test_nothing_changes(
    server: ScriptedOpenAI,
    client: OpenAI,
    wrapped: OpenAI,
    recorded: RecordingClient,
    form: str,
    api: str,
    scenario: str,
) -> None:
    """OA1, OA7, OA10, OA14: the result, each chunk, each byte and each exception are as without measuring."""
    step = SCENARIOS[api][scenario]
    streamed = isinstance(step, Stream)
    server.script(step, step)
    unmeasured = outcome(client, form, api, streamed)
    assert told(recorded) == []
    assert outcome(wrapped, form, api, streamed) == unmeasured
    check_record(recorded, scenario, unmeasured[1])


@every_case
async def test_nothing_changes_async(
    server: ScriptedOpenAI,
    async_client: AsyncOpenAI,
    async_wrapped: AsyncOpenAI,
    recorded: RecordingClient,
    form: str,
    api: str,
    scenario: str,
) -> None:
    """OA1, OA7, OA10, OA14: likewise."""
    step = SCENARIOS[api][scenario]
    streamed = isinstance(step, Stream)
    server.script(step, step)
    unmeasured = await outcome_async(async_client, form, api, streamed)
    assert told(recorded) == []
    assert await outcome_async(async_wrapped, form, api, streamed) == unmeasured
    check_record(recorded, scenario, unmeasured[1])
