"""Clients of the application's own classes and making."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from ldai_openai import wrap_openai
from tests.openai.expected import ANSWERED, ASKED, READ, STREAMED, read_all, told

if TYPE_CHECKING:
    from ldai_core import AIConfig
    from ldai_core.testing import RecordingClient
    from tests.servers.openai import ScriptedOpenAI


class RequestingOpenAI(OpenAI):
    """Sees every request, as a client with a cache or a budget does."""

    def request(self, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        options.headers = {**(options.headers or {}), "x-request": "own"}
        return super().request(cast_to, options, *args, **kwargs)


class AsyncRequestingOpenAI(AsyncOpenAI):
    """Sees every request, async."""

    async def request(self, cast_to: Any, options: Any, *args: Any, **kwargs: Any) -> Any:
        """Send a request."""
        options.headers = {**(options.headers or {}), "x-request": "own"}
        return await super().request(cast_to, options, *args, **kwargs)


class PreparingOpenAI(OpenAI):
    """Prepares every request by the SDK's own hook."""

    def _prepare_options(self, options: Any) -> Any:
        options = super()._prepare_options(options)
        options.headers = {**(options.headers or {}), "x-request": "own"}
        return options


class CopyingOpenAI(OpenAI):
    """Has a copy of its own, which goes by one name more."""

    def copy(self, **options: Any) -> Any:
        """Copy this client."""
        return super().copy(**{"default_headers": {"x-request": "own"}, **options})

    with_options = copy


class TenantOpenAI(OpenAI):
    """Has a state of its own, which every request depends on."""

    def __init__(self, *args: Any, tenant: str = "nobody", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant = tenant

    def _prepare_options(self, options: Any) -> Any:
        options.headers = {**(options.headers or {}), "x-request": self.tenant}
        return super()._prepare_options(options)


class HouseOpenAI(OpenAI):
    """Knows by itself whom to ask, so that it takes other arguments than its parent."""

    def __init__(self, uri: str) -> None:
        super().__init__(api_key="any", base_url=uri, max_retries=0, default_headers={"x-request": "own"})


def asked_as(server: ScriptedOpenAI) -> list[str | None]:
    """Tell what the own code of a client has put into the requests so far."""
    return [request.headers.get("x-request") for request in server.requests]


@pytest.mark.parametrize("kind", [RequestingOpenAI, PreparingOpenAI], ids=lambda kind: kind.__name__)
def test_an_own_class(kind: Any, server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: what a class of the application's own overrides is in force in the wrapped client and in its copies."""
    with kind(api_key="any", base_url=server.base_url, max_retries=0) as client:
        wrapped = wrap_openai(client, config)
        for each in (wrapped, wrapped.copy(), wrapped.with_options(timeout=5), wrap_openai(wrapped, config)):
            assert type(each) is kind
            assert each.chat.completions.create(**ASKED).usage.total_tokens == 12
        assert len(list(wrapped.chat.completions.create(**STREAMED))) == 4
    assert asked_as(server) == ["own"] * 5
    assert told(recorded) == ANSWERED * 4 + READ


def test_a_copy_of_its_own(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: a copying that is overridden goes for the copies that the application makes, and not for wrapping."""
    with CopyingOpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
        wrapped = wrap_openai(client, config)
        for each in (wrapped, wrapped.copy(), wrapped.with_options(timeout=5), wrap_openai(wrapped.copy(), config)):
            each.chat.completions.create(**ASKED)
    assert asked_as(server) == [None, "own", "own", "own"]
    assert told(recorded) == ANSWERED * 4


async def test_an_own_class_async(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: likewise."""
    async with AsyncRequestingOpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
        wrapped = wrap_openai(client, config)
        await wrapped.chat.completions.create(**ASKED)
        await read_all(await wrapped.with_options(timeout=5).chat.completions.create(**STREAMED))
    assert asked_as(server) == ["own"] * 2
    assert told(recorded) == ANSWERED + READ


def test_with_options_of_its_own(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: a `with_options` that is overridden alone is what the wrapped client's `with_options` is."""

    class OptionsOpenAI(OpenAI):
        def with_options(self, **options: Any) -> Any:
            return self.copy(**{"default_headers": {"x-request": "own"}, **options})

    with OptionsOpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
        client.with_options(timeout=5).chat.completions.create(**ASKED)
        wrap_openai(client, config).with_options(timeout=5).chat.completions.create(**ASKED)
    assert asked_as(server) == ["own"] * 2
    assert told(recorded) == ANSWERED


def test_a_state_of_its_own(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: a client's own state is the wrapped client's too: the same request is sent, for the same tenant."""
    with TenantOpenAI(api_key="any", base_url=server.base_url, max_retries=0, tenant="acme") as client:
        client.chat.completions.create(**ASKED)
        wrap_openai(client, config).chat.completions.create(**ASKED)
    assert asked_as(server) == ["acme"] * 2
    assert told(recorded) == ANSWERED


def test_arguments_of_its_own(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: a client whose class takes other arguments than the SDK's can be wrapped, for wrapping asks for none."""
    with HouseOpenAI(server.base_url) as client:
        wrap_openai(client, config).chat.completions.create(**ASKED)
    assert asked_as(server) == ["own"]
    assert told(recorded) == ANSWERED


def test_what_was_set_later(server: ScriptedOpenAI, client: OpenAI, config: AIConfig) -> None:
    """OA12: options that the application set on its client, after making it, go for the wrapped client."""
    client.max_retries = 7
    client.api_key = "later"
    wrapped = wrap_openai(client, config)
    wrapped.chat.completions.create(**ASKED)
    assert wrapped.max_retries == 7
    assert server.requests[0].headers["authorization"] == "Bearer later"


def test_an_http_client_of_its_own(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: an HTTP client that was given is used by the wrapped client, beside headers and a query of its own."""
    sent: list[str] = []
    http_client = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request.url.path)]})
    client = OpenAI(
        api_key="any",
        base_url=server.base_url,
        http_client=http_client,
        default_headers={"x-request": "own"},
        default_query={"tenant": "acme"},
    )
    with client:
        wrapped = wrap_openai(client, config)
        assert len(list(wrapped.with_options(timeout=5).chat.completions.create(**STREAMED))) == 4
    assert sent == ["/v1/chat/completions"]
    assert asked_as(server) == ["own"]
    assert server.requests[0].path.endswith("?tenant=acme")
    assert told(recorded) == READ


async def test_an_http_client_of_its_own_async(
    server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient
) -> None:
    """OA12: likewise."""
    http_client = openai.DefaultAsyncHttpxClient(headers={"x-request": "own"})
    async with AsyncOpenAI(api_key="any", base_url=server.base_url, http_client=http_client) as client:
        await wrap_openai(client, config).chat.completions.create(**ASKED)
    assert asked_as(server) == ["own"]
    assert told(recorded) == ANSWERED


@pytest.mark.parametrize("legacy", ["httpx", "httpx2"])
def test_either_http_stack(legacy: str, server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA18: whichever HTTP stack the application's client stands on, streams are measured, parsed or raw."""
    stack = pytest.importorskip(legacy)
    try:
        client = OpenAI(api_key="any", base_url=server.base_url, http_client=stack.Client())
    except TypeError:
        pytest.skip(f"this release of openai takes no client of {legacy}")
    with client:
        wrapped = wrap_openai(client, config)
        assert len(list(wrapped.chat.completions.create(**STREAMED))) == 4
        with wrapped.chat.completions.with_streaming_response.create(**STREAMED) as raw:
            assert b"[DONE]" in b"".join(raw.iter_bytes())
    assert told(recorded) == READ * 2


class CountingOpenAI(OpenAI):
    """Makes a thing of its own when it is asked for, once."""

    @cached_property
    def calls(self) -> list[str]:
        """List the requests that were made."""
        return []


def test_what_was_made_when_asked_for(server: ScriptedOpenAI, config: AIConfig) -> None:
    """OA12: what a class of the application's own has made by itself is the wrapped client's too."""
    with CountingOpenAI(api_key="any", base_url=server.base_url) as client:
        client.calls.append("one")
        assert client.chat.completions.create(**ASKED)
        wrapped = wrap_openai(client, config)
        assert wrapped.calls is client.calls
        assert wrapped.chat is not client.chat


def test_a_request_of_its_own(server: ScriptedOpenAI, config: AIConfig, recorded: RecordingClient) -> None:
    """OA12: a `request` that the application has set on its client is in force, wrapped once, twice, and in copies."""
    seen: list[str] = []
    with OpenAI(api_key="any", base_url=server.base_url, max_retries=0) as client:
        own = client.request

        def request(cast_to: Any, options: Any, **kwargs: Any) -> Any:
            seen.append(options.url)
            return own(cast_to, options, **kwargs)

        client.request = request  # type: ignore[method-assign]
        wrapped = wrap_openai(client, config)
        for each in (wrapped, wrap_openai(wrapped, config)):
            each.chat.completions.create(**ASKED)
    assert len(seen) == 2
    assert told(recorded) == ANSWERED * 2
