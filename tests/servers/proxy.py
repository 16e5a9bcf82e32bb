"""What lies between a client and a server, and fails on demand: a TCP proxy on loopback."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from select import select
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Fault", "FaultProxy"]

PATIENCE_S = 10.0
PIECE = 32
PAUSE_S = 0.002
_AT_ONCE = struct.pack("ii", 1, 0)  # to linger for no time is to reset
_SOME = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What happens to a connection.

    `refuse`: nobody listens. `reject`: it is reset when it is used first. The others come when `after` bytes of the
    answer have passed; these are counted from behind the `nth` occurrence of `past` in it, if that is given. `reset`
    breaks the connection off, `cut` ends it in order, and `stall` says no more until the client hangs up. `slow` lets
    the answer pass, a few bytes at a time.

    One that is `held` waits for `FaultProxy.seen` to be set, so that what has passed before it has been seen.
    """

    kind: Literal["refuse", "reject", "reset", "cut", "stall", "slow"]
    after: int = 0
    past: bytes = b""
    nth: int = 1
    held: bool = False

    def place(self, answer: bytes | bytearray) -> int | None:
        """Find how much of an answer passes; None as long as all that has come does."""
        at = 0
        for _ in range(self.nth if self.past else 0):
            at = answer.find(self.past, at)
            if at < 0:
                return None
            at += len(self.past)
        return at + self.after if len(answer) >= at + self.after else None


class FaultProxy:
    """A proxy for the server at `upstream` that is up inside its `with` block.

    The first `times` connections have the fault, or all of them; the others pass. At its end connections are cut, and
    their threads are waited for.
    """

    def __init__(self, upstream: str, fault: Fault | None = None, *, times: int | None = None) -> None:
        address = urlsplit(upstream)
        self.upstream = (address.hostname or "", address.port or 0)
        self.accepted_ns: list[int] = []
        self.pauses = 0
        self.struck = Event()
        self.seen = Event()
        self.closing = Event()
        self._fault = fault
        self._times = times
        self._server: _Server | None = None
        self._thread: Thread | None = None

    @property
    def uri(self) -> str:
        """Where it is."""
        if self._server is None:
            raise RuntimeError("the proxy is not up: use it inside its `with` block")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self) -> Fault | None:
        """Count a connection, and tell what happens to it."""
        self.accepted_ns.append(perf_counter_ns())
        return self._fault if self._times is None or len(self.accepted_ns) <= self._times else None

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), _Connection, bind_and_activate=False)
        self._server.proxy = self
        self._server.server_bind()  # the port is ours now, also if nobody is to listen there
        if self._fault is None or self._fault.kind != "refuse":
            self._server.server_activate()
            self._thread = Thread(target=self._server.serve_forever, args=(0.005,), name="FaultProxy")
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.closing.set()
        self.seen.set()
        if self._server is not None:
            if self._thread is not None:
                self._server.shutdown()
                self._thread.join()
            self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = False  # they are waited for
    request_queue_size = 64
    proxy: FaultProxy

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, to be cut at the end."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is over."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Cut what is still connected, and wait for the threads."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Connection(BaseRequestHandler):
    """One connection of a client's."""

    server: Any  # a _Server

    def handle(self) -> None:
        """Let it pass until the fault strikes, or until either side hangs up."""
        fault = self.server.proxy.take()
        if fault is not None and fault.kind == "reject":
            # Reset before, a client would see it or not by the time that a connection has taken.
            self.request.recv(1, socket.MSG_PEEK)
            self._reset()
            return
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError), socket.create_connection(self.server.proxy.upstream) as upstream:
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._relay(upstream, fault)

    def _relay(self, upstream: socket.socket, fault: Fault | None) -> None:
        client: socket.socket = self.request
        came, passed = bytearray(), 0
        while True:
            readable, _, _ = select([client, upstream], [], [])
            if client in readable:
                request = client.recv(_SOME)
                if not request:
                    return
                upstream.sendall(request)
            if upstream in readable:
                answer = upstream.recv(_SOME)
                if not answer:
                    return
                came += answer
                place = None if fault is None else fault.place(came)
                slow = place is not None and fault is not None and fault.kind == "slow"
                self._send(bytes(came[passed : None if slow else place]), slow=slow)
                passed = len(came)
                if fault is not None and place is not None and not slow:
                    self._strike(fault)
                    return

    def _send(self, answer: bytes, *, slow: bool) -> None:
        size = PIECE if slow else len(answer) or 1
        for at in range(0, len(answer), size):
            if at:
                self.server.proxy.pauses += 1
                self.server.proxy.closing.wait(PAUSE_S)
            self.request.sendall(answer[at : at + size])

    def _strike(self, fault: Fault) -> None:
        proxy = self.server.proxy
        if fault.held:
            proxy.seen.wait(PATIENCE_S)
        proxy.struck.set()
        if fault.kind == "reset":
            self._reset()
            return
        if fault.kind == "cut":
            self.request.shutdown(socket.SHUT_WR)
        while self.request.recv(_SOME):  # until the client hangs up, for closing before would be a reset
            pass

    def _reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.request.close()
