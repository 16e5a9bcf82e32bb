"""The proxy between a client and a server does what it says, as a plain socket sees it."""

from __future__ import annotations

import socket
from http.client import HTTPConnection
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.servers.openai import ScriptedOpenAI
from tests.servers.proxy import PAUSE_S, PIECE, Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK = b"GET /v1/models HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


@pytest.fixture
def server() -> Iterator[ScriptedOpenAI]:
    """Start a server to be asked through the proxy."""
    with ScriptedOpenAI() as server:
        yield server


def connect(uri: str) -> socket.socket:
    """Connect a plain socket."""
    address = urlsplit(uri)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=5)


def received(connection: socket.socket) -> tuple[bytes, type[Exception] | None]:
    """Read what comes, and how it ends: None is in order."""
    answer = b""
    while True:
        try:
            piece = connection.recv(1 << 16)
        except OSError as error:
            return answer, type(error)
        if not piece:
            return answer, None
        answer += piece


def ask(proxy: FaultProxy, timeout_s: float = 5) -> tuple[bytes, type[Exception] | None]:
    """Ask through the proxy, and tell what came and how it ended."""
    with connect(proxy.uri) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(ASK)
        return received(connection)


def test_it_passes(server: ScriptedOpenAI) -> None:
    """RL3: without a fault the answer passes, again and again over one connection."""
    with FaultProxy(server.uri) as proxy:
        client = HTTPConnection(urlsplit(proxy.uri).netloc)
        for _ in range(3):
            client.request("GET", "/v1/models")
            assert b"Hello" in client.getresponse().read()
        client.close()
        assert len(proxy.accepted_ns) == 1
    assert len(server.requests) == 3


def test_refuse(server: ScriptedOpenAI) -> None:
    """RL3: refuse: nobody listens."""
    with FaultProxy(server.uri, Fault("refuse")) as proxy, pytest.raises(ConnectionRefusedError):
        connect(proxy.uri)
    assert server.requests == []


def test_reject(server: ScriptedOpenAI) -> None:
    """RL3: reject: the connection is there, and is reset before the server is asked."""
    with FaultProxy(server.uri, Fault("reject")) as proxy:
        assert ask(proxy) == (b"", ConnectionResetError)
    assert server.requests == []


@pytest.mark.parametrize("after", [0, 1, 100])
@pytest.mark.parametrize(
    ("kind", "ends"), [("reset", ConnectionResetError), ("cut", None), ("stall", TimeoutError)], ids=str
)
def test_after_bytes(server: ScriptedOpenAI, kind: str, ends: type[Exception] | None, after: int) -> None:
    """RL3: reset, cut and stall: so many bytes of the answer come, and then it ends in its way."""
    with FaultProxy(server.uri) as proxy:
        whole, _ = ask(proxy)
    with FaultProxy(server.uri, Fault(kind, after)) as proxy:  # type: ignore[arg-type]  # a row of the table
        assert ask(proxy, 0.3) == (whole[:after], ends)
        assert proxy.struck.is_set()
    assert len(server.requests) == 2


def test_past(server: ScriptedOpenAI) -> None:
    """RL3: bytes are counted from behind the n-th occurrence of a mark."""
    with FaultProxy(server.uri, Fault("cut", 3, past=b"\r\n", nth=2)) as proxy:
        answer, _ = ask(proxy)
    assert answer.count(b"\r\n") == 2
    assert len(answer) - answer.rindex(b"\r\n") == 5


def test_held(server: ScriptedOpenAI) -> None:
    """RL3: a fault that is held waits until what has passed was seen."""
    with FaultProxy(server.uri, Fault("reset", 20, held=True)) as proxy, connect(proxy.uri) as connection:
        connection.sendall(ASK)
        assert len(connection.recv(1 << 16)) == 20
        assert not proxy.struck.is_set()
        proxy.seen.set()
        assert received(connection) == (b"", ConnectionResetError)


def test_slow(server: ScriptedOpenAI) -> None:
    """RL3: slow: all of the answer comes, a few bytes at a time."""
    with FaultProxy(server.uri) as proxy:
        whole, _ = ask(proxy)
    with FaultProxy(server.uri, Fault("slow")) as proxy:
        began = perf_counter()
        assert ask(proxy) == (whole, None)
        assert perf_counter() - began >= (len(whole) // PIECE // 2) * PAUSE_S


def test_times(server: ScriptedOpenAI) -> None:
    """RL3: the first connections have the fault, the others pass."""
    with FaultProxy(server.uri, Fault("cut"), times=2) as proxy:
        answers = [ask(proxy)[0] for _ in range(4)]
    assert [bool(answer) for answer in answers] == [False, False, True, True]


def test_its_end(server: ScriptedOpenAI) -> None:
    """RL3: at its end whoever still waits is cut."""
    with FaultProxy(server.uri, Fault("stall")) as proxy:
        connection = connect(proxy.uri)
        connection.sendall(ASK)
        assert proxy.struck.wait(5)
    with connection:
        assert received(connection)[0] == b""
