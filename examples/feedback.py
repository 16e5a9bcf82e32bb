"""What a second process does: it takes up AI runs by their resumption tokens, and records what users thought of them.

python examples/feedback.py URI    reads [[user, token, "positive" or "negative"], ...] from standard input
"""

from __future__ import annotations

import json
import sys

from ldclient import Config, Context, LDClient

from ldai_core import AIClient


def main(uri: str) -> None:
    """Record the feedback; the client's closing sends it."""
    with LDClient(Config("sdk-key", base_uri=uri, stream_uri=uri, events_uri=uri, diagnostic_opt_out=True)) as client:
        ai = AIClient(client)
        for user, token, kind in json.load(sys.stdin):
            ai.create_tracker(token, Context.create(user)).track_feedback(kind)


if __name__ == "__main__":
    main(sys.argv[1])
