"""A real Redis, or Valkey, on a port of its own."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from time import monotonic, sleep
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import ConnectionError as NotThere

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["RedisServer", "find_server"]

PATIENCE_S = 10.0


def find_server() -> str | None:
    """Find the program, which comes with the system."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


class RedisServer:
    """The server, which keeps nothing; up inside its `with` block. It can be killed, and stopped for a while."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        program = find_server()
        if program is None:
            raise RuntimeError("there is no redis-server here: it comes with the system, by `apt install redis-server`")
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no")
        command = [program, "--port", str(self.port), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603  # found above
        self._wait()
        return self

    def _wait(self) -> None:
        end = monotonic() + PATIENCE_S
        with Redis(port=self.port) as client:
            while True:
                try:
                    client.ping()
                except NotThere:
                    if monotonic() > end:
                        raise
                    sleep(0.01)
                else:
                    return

    def kill(self) -> None:
        """End it at once, as a machine that fails."""
        self._send(signal.SIGKILL)

    def stop(self) -> None:
        """Let it keep its connections, and answer nothing."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            if number is signal.SIGKILL:
                self._process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
