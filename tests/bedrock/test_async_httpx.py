"""aiobotocore over httpx, where it has that: its clients ask and its bodies are read; streams of events it cannot."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import wrap_bedrock
from tests.bedrock.async_ways import BODY, CONTENT, outcome, raw_of
from tests.bedrock.expected import ASKED, HEADERS, INVOKED, SILENT, STALLING_BODY, read_all
from tests.bedrock.test_async_bodies import BY_ITSELF
from tests.bedrock.test_async_bodies_failed import FAILED_AT_A_READ, HEADERS_ALONE
from tests.expected import ANSWERED, ERROR, FAILED, TOKENS, UNREAD, duration, told, told_by_now, turns
from tests.servers.bedrock import Body, Failure, ScriptedBedrock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient

# httpx2, or httpx itself, of which aiobotocore warns.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

Make = Any  # the fixture's function


@pytest.fixture
def make_httpx_client(make_async_client: Callable[..., Awaitable[Any]]) -> Make:
    """Make async clients that ask over httpx."""
    reason = "this release of aiobotocore has no httpx"
    session = pytest.importorskip("aiobotocore.httpxsession", reason=reason)
    if getattr(session, "httpx", None) is None:
        pytest.skip("there is no httpx")

    async def make(**config: Any) -> Any:
        return await make_async_client(http_session_cls=session.HttpxSession, **config)

    return make


async def _whole_in_every_form(raw: Any) -> list[Any]:
    return [await raw.aread(), raw.content, raw.text, raw.json(), await raw.aread()]


async def _joined(pieces: Any) -> Any:
    parts = await read_all(pieces)
    return parts[0][:0].join(parts)


async def _about(raw: Any) -> list[Any]:
    return [raw.status_code, raw.headers["content-type"], await raw.aread()]


# Of httpx's response beneath.
RAW: dict[str, Any] = {
    "aread": lambda raw: raw.aread(),
    "aiter_bytes": lambda raw: _joined(raw.aiter_bytes()),
    "aiter_bytes-n": lambda raw: read_all(raw.aiter_bytes(7)),
    "aiter_bytes-keyword": lambda raw: read_all(raw.aiter_bytes(chunk_size=7)),
    "aiter_raw": lambda raw: _joined(raw.aiter_raw()),
    "aiter_raw-n": lambda raw: read_all(raw.aiter_raw(7)),
    "stream": lambda raw: _joined(raw.stream),
    "aiter_text": lambda raw: _joined(raw.aiter_text()),
    "aiter_lines": lambda raw: read_all(raw.aiter_lines()),
    "every-form": _whole_in_every_form,
    "about": _about,
}
TO_THE_END = {name: way for name, way in BODY.items() if name != "closed-after"} | {
    f"raw-{name}": lambda body, way=way: way(raw_of(body)) for name, way in RAW.items()
}


@pytest.mark.parametrize("way", TO_THE_END)
async def test_read_to_its_end(
    server: ScriptedBedrock, make_httpx_client: Make, config: AIConfig, recorded: RecordingClient, way: str
) -> None:
    """BR7, BR11, BR16: a body that is read to its end decides; what it gives is what it gives without us."""
    client = await make_httpx_client()
    wrapped = wrap_bedrock(client, config)
    for times, length in enumerate((None, -1), 1):
        server.script(*[Body(CONTENT, HEADERS, length=length)] * 2)
        expected, _ = await outcome(client, TO_THE_END[way])
        result, response = await outcome(wrapped, TO_THE_END[way])
        assert type(result) is type(expected)
        assert result == expected
        if isinstance(expected, tuple):
            pytest.skip(f"this release of aiobotocore cannot: {expected}")
        assert told_by_now(recorded) == BY_ITSELF * times
        del response
        assert told(recorded) == BY_ITSELF * times


@pytest.mark.parametrize("way", ["read", "for", "raw-aread", "raw-aiter_bytes", "raw-aiter_raw", "raw-aiter_lines"])
async def test_a_body_that_breaks_off(
    server: ScriptedBedrock, make_httpx_client: Make, config: AIConfig, recorded: RecordingClient, way: str
) -> None:
    """BR5, BR11, BR16: what fails at the user's read fails as without us: one error, with the tokens of the headers."""
    client = await make_httpx_client()
    broken = Body(CONTENT, HEADERS, length=len(CONTENT) + 5), Body(CONTENT, HEADERS, length=-1, cut_after=50)
    for times, body in enumerate(broken, 1):
        server.script(body, body)
        expected, _ = await outcome(client, TO_THE_END[way])
        result, response = await outcome(wrap_bedrock(client, config), TO_THE_END[way])
        assert isinstance(expected, tuple), "it did not fail"
        assert result == expected
        if expected[0] in (AttributeError, TypeError):
            pytest.skip("this release of aiobotocore cannot")
        assert told_by_now(recorded) == FAILED_AT_A_READ * times
        del response
        assert told(recorded) == FAILED_AT_A_READ * times


async def _aclose(body: Any) -> None:
    await body.aclose()


async def _enter(body: Any) -> None:
    async with body:
        pass


async def _aclose_raw(body: Any) -> None:
    await raw_of(body).aclose()


@pytest.mark.parametrize("leave", [_aclose, _enter, _aclose_raw])
async def test_left(
    server: ScriptedBedrock, make_httpx_client: Make, config: AIConfig, recorded: RecordingClient, leave: Any
) -> None:
    """BR7, BR16: of a body that is left unread the headers suffice: one success."""
    wrapped = wrap_bedrock(await make_httpx_client(), config)
    server.script(Body(CONTENT, HEADERS))
    body = (await wrapped.invoke_model(**INVOKED))["body"]
    assert told(recorded) == []
    await leave(body)
    assert told_by_now(recorded) == HEADERS_ALONE
    del body
    gc.collect()
    assert told(recorded) == HEADERS_ALONE


async def test_dropped(make_httpx_client: Make, config: AIConfig, recorded: RecordingClient) -> None:
    """BR1, BR16: nor has it to be closed: it may be dropped."""
    wrapped = wrap_bedrock(await make_httpx_client(), config)
    response = await wrapped.invoke_model(**INVOKED)
    assert told(recorded) == []
    del response
    gc.collect()
    await turns()
    assert told(recorded) == UNREAD


async def test_cancelled(
    server: ScriptedBedrock, make_httpx_client: Make, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR16: cancelled while waiting for the answer, or for a body's bytes: one error, and the client works on."""
    wrapped = wrap_bedrock(await make_httpx_client(), config)
    server.script(SILENT, STALLING_BODY)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(wrapped.converse(**ASKED), 0.5)
    assert told_by_now(recorded) == FAILED
    body = (await wrapped.invoke_model(**INVOKED))["body"]
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(body.read(), 0.5)
    assert told_by_now(recorded) == [*FAILED, *FAILED_AT_A_READ]
    await body.aclose()
    await wrapped.converse(**ASKED)
    assert told(recorded) == [*FAILED, *FAILED_AT_A_READ, *ANSWERED]


async def test_a_stall(
    server: ScriptedBedrock, make_httpx_client: Make, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR5, BR16: a read that times out is an error, with the time that was waited for it."""
    wrapped = wrap_bedrock(await make_httpx_client(read_timeout=0.5), config)
    server.script(STALLING_BODY)
    body = (await wrapped.invoke_model(**INVOKED))["body"]
    with pytest.raises(Exception) as caught:  # noqa: PT011  # its name is held below
        await body.read()
    assert "Timeout" in type(caught.value).__name__
    assert told_by_now(recorded) == [duration(200), ERROR, *TOKENS]


async def test_an_error(
    server: ScriptedBedrock, make_httpx_client: Make, config: AIConfig, recorded: RecordingClient
) -> None:
    """BR4, BR16: an error of the service is one."""
    wrapped = wrap_bedrock(await make_httpx_client(), config)
    server.script(Failure(400, "ValidationException"))
    with pytest.raises(wrapped.exceptions.ValidationException):
        await wrapped.invoke_model(**INVOKED)
    assert told_by_now(recorded) == FAILED


async def test_a_stream(make_httpx_client: Make, config: AIConfig, recorded: RecordingClient) -> None:
    """BR5, BR16: what a stream of events does is what it does without us: today it fails, and is an error."""
    client = await make_httpx_client()
    results: list[Any] = []
    for each in (client, wrap_bedrock(client, config)):
        stream = (await each.converse_stream(**ASKED))["stream"]
        try:
            results.append(await read_all(stream))
        except Exception as error:  # noqa: BLE001  # whatever it is, it is to be the same
            results.append((type(error), str(error)))
    assert results[0] == results[1]
    assert recorded.run.success is isinstance(results[0], list)
