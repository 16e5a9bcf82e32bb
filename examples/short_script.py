"""A script that asks a model once and ends, measured.

    LAUNCHDARKLY_SDK_KEY=... OPENAI_API_KEY=... python examples/short_script.py "Where is my order?"

The end of a program sends nothing: what is pending is lost with the threads that would have sent it. Leaving the `with`
block closes the LaunchDarkly client, and that waits until all has been delivered.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ldclient import Config, Context, LDClient
from openai import OpenAI

from ldai_core import AIClient
from ldai_core.endings import settle
from ldai_openai import chat_params, wrap_openai


def main(question: str) -> None:
    """Ask, print the answer as it comes, and tell LaunchDarkly how it went."""
    uri = os.environ.get("LAUNCHDARKLY_URI")  # where a Relay Proxy is, if there is one
    addresses: dict[str, Any] = {"base_uri": uri, "stream_uri": uri, "events_uri": uri} if uri else {}
    with LDClient(Config(os.environ["LAUNCHDARKLY_SDK_KEY"], **addresses)) as ld_client, OpenAI() as openai:
        config = AIClient(ld_client).completion_config("support-bot", Context.create("user-123"))
        asked: Any = {"role": "user", "content": question}
        try:
            for chunk in wrap_openai(openai, config).chat.completions.create(
                **chat_params(config, [asked]), stream=True
            ):
                print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)
        finally:
            settle()  # what other threads still have to record, of dropped streams say
    print()


if __name__ == "__main__":
    main(sys.argv[1])
