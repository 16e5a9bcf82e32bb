"""An application as gunicorn preloads it: its clients are made before the workers are forked."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import ldclient
from ldclient import Config, Context

from ldai_core import AIClient
from tests.reliability.whole_runs import BOT, record_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

logging.basicConfig(format="%(process)d %(name)s %(levelname)s %(message)s")

URI = os.environ["LAUNCHDARKLY_URI"]
ldclient.set_config(
    Config(
        "sdk-key",
        base_uri=URI,
        stream_uri=URI,
        events_uri=URI,
        flush_interval=float(os.environ["FLUSH_INTERVAL"]),
        diagnostic_opt_out=True,
    )
)
LD_CLIENT = ldclient.get()
AI = AIClient(LD_CLIENT) if os.environ["AI_CLIENT"] == "early" else None


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Read the request to its end, record a run, and tell which it was, and in which process."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    ai = AI or AIClient(LD_CLIENT)
    run_id = record_run(ai.completion_config(BOT, Context.create("user-1")))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"pid": os.getpid(), "run_id": run_id}).encode()]
