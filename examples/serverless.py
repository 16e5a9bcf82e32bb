"""A function for AWS Lambda, or any platform that freezes a process between requests, measured.

    LAUNCHDARKLY_SDK_KEY=... OPENAI_API_KEY=... python examples/serverless.py "Where is my order?"

A frozen process sends nothing, and may never be thawed. So all events of an invocation have to be delivered before the
handler returns, and `LDClient.flush()` does not wait for that: only closing the client does. The client that receives
the flags is therefore one, which is kept, and the client that sends the events is another, one for each invocation: it
reads the flags that the first has received, opens no connection for them, and delivers when its `with` block is left.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ldclient import Config, Context, LDClient
from ldclient.config import HTTPConfig
from ldclient.feature_store import InMemoryFeatureStore
from openai import OpenAI

from ldai_core import AIClient
from ldai_core.endings import settle
from ldai_openai import chat_params, wrap_openai

if TYPE_CHECKING:
    from collections.abc import Iterator


def launchdarkly_config(**options: Any) -> Config:
    """Configure a LaunchDarkly client; LAUNCHDARKLY_URI is where a Relay Proxy is, if there is one."""
    uri = os.environ.get("LAUNCHDARKLY_URI")
    addresses = {"base_uri": uri, "stream_uri": uri, "events_uri": uri} if uri else {}
    # A payload is posted twice at most: these bound what an invocation can wait when LaunchDarkly cannot be reached.
    bounds = HTTPConfig(connect_timeout=2, read_timeout=5)
    return Config(os.environ["LAUNCHDARKLY_SDK_KEY"], http=bounds, diagnostic_opt_out=True, **{**addresses, **options})


# Made when the process starts, used by all its invocations.
FLAGS = InMemoryFeatureStore()  # type: ignore[no-untyped-call]
RECEIVER = LDClient(launchdarkly_config(feature_store=FLAGS, send_events=False))
OPENAI = OpenAI()


@contextmanager
def delivered() -> Iterator[AIClient]:
    """Give a client for one invocation; when this is left, by an exception too, its events have been delivered."""
    with LDClient(launchdarkly_config(feature_store=FLAGS, use_ldd=True)) as ld_client:
        try:
            yield AIClient(ld_client)
        finally:
            settle()  # what other threads still have to record, of dropped streams say


def handler(event: dict[str, str], _context: object = None) -> dict[str, str | None]:
    """Answer a question. The token is for feedback, which another invocation records."""
    with delivered() as ai:
        config = ai.completion_config("support-bot", Context.create(event["user"]))
        tracker = config.create_tracker()
        question: Any = {"role": "user", "content": event["question"]}
        answer = wrap_openai(OPENAI, tracker).chat.completions.create(**chat_params(config, [question]))
    return {"answer": answer.choices[0].message.content, "token": tracker.resumption_token}


if __name__ == "__main__":
    for asked in sys.argv[1:]:
        print(handler({"user": "user-123", "question": asked})["answer"])
