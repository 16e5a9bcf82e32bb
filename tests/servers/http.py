"""What the servers of the tests have in common: HTTP/1.1 on a loopback port of its own, in threads that end with it."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Handler(BaseHTTPRequestHandler):
    """One connection: reads a request's body, and writes an answer, whole or in chunks."""

    protocol_version = "HTTP/1.1"

    def body(self) -> bytes:
        """Read the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: object = None, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON, or with nothing."""
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def begin_chunks(self, content_type: str) -> None:
        """Begin an answer that comes in chunks."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, content: bytes) -> None:
        """Write one chunk; an empty one is the end."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's signature
        """Keep quiet."""


class Server:
    """A server that is up inside its `with` block. At its end connections are cut, and their threads are waited for."""

    handler: type[Handler]

    def __init__(self) -> None:
        self._http: _Http | None = None
        self._thread: Thread | None = None

    @property
    def uri(self) -> str:
        """Where it is."""
        if self._http is None:
            raise RuntimeError("the server is not up: use it inside its `with` block")
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._http = _Http(("127.0.0.1", 0), self.handler)
        self._http.owner = self
        self._thread = Thread(target=self._http.serve_forever, args=(0.005,), name=type(self).__name__)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # they are waited for
    request_queue_size = 512  # many may knock at once
    owner: Server

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._connections: set[socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, to be cut at the end."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is over."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Cut what is still connected, and wait for the threads."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client go that has gone, as the tests' clients do all the time; anything else is a fault of ours."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
