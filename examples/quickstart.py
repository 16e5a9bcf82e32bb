"""AI Configs measured end to end on this machine: no account, no key, a few seconds.

    uv run --group demo python examples/quickstart.py

A real language model and a LaunchDarkly receiver start on loopback. Half of the users get one variation of an AI
Config, half the other; each asks a question through a wrapped OpenAI client; some give feedback later, from another
process. The table at the end is made of the events that arrived at the receiver over HTTP.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ldclient import Context, LDClient
from openai import OpenAI
from rich.console import Console

from examples.report import variation_table
from ldai_core import AIClient
from ldai_openai import chat_params, wrap_openai
from tests.servers.launchdarkly import LaunchDarkly, rollout
from tests.servers.model import Model

if TYPE_CHECKING:
    from ldai_core import AIConfigTracker

CONFIG = "greengrocer"
QUESTIONS = {
    "ann": "Which fruit should I eat today?",
    "ben": "What is a banana?",
    "cleo": "Is a tomato a fruit?",
    "dan": "Which fruit is good for breakfast?",
    "eva": "How do I keep apples fresh?",
    "finn": "What can I make of ripe pears?",
    "gia": "Which fruit has the most vitamin C?",
    "hugo": "What is a lemon good for?",
}
FEEDBACK = {"ann": "positive", "ben": "positive", "dan": "negative", "gia": "positive"}


def variation(key: str, prompt: str, **parameters: object) -> dict[str, object]:
    """Write one variation of the AI Config, as LaunchDarkly serves it."""
    return {
        "_ldMeta": {"enabled": True, "variationKey": key, "version": 1},
        "model": {"name": "SmolLM2-135M-Instruct", "parameters": parameters},
        "provider": {"name": "openai"},
        "messages": [{"role": "system", "content": prompt}],
    }


VARIATIONS = [
    variation("brief", "You are a greengrocer. Answer in one short sentence.", maxTokens=24, temperature=0),
    variation("chatty", "You are a cheerful greengrocer. Tell {{ldctx.key}} a lot.", maxTokens=64, temperature=0.2),
]


def ask(console: Console, client: OpenAI, ai: AIClient, user: str, *, stream: bool) -> AIConfigTracker:
    """Ask a user's question and print the answer. The first four lines are what an application needs."""
    config = ai.completion_config(CONFIG, Context.create(user))
    tracker = config.create_tracker()
    completions = wrap_openai(client, tracker).chat.completions
    params = chat_params(config, [{"role": "user", "content": QUESTIONS[user]}])

    console.print(f"[bold]{user}[/] ({'streamed' if stream else 'plain'}): {QUESTIONS[user]}")
    if stream:
        for chunk in completions.create(**params, stream=True):
            console.print(chunk.choices[0].delta.content or "", end="", style="dim", markup=False, highlight=False)
        console.print()
    else:
        answer = completions.create(**params).choices[0].message.content
        console.print(answer, style="dim", markup=False, highlight=False)
    return tracker


def main() -> None:
    """Start everything, let the users ask, send the feedback, and print what has arrived."""
    console = Console()
    with ExitStack() as stack:
        with console.status("Starting a language model and a LaunchDarkly receiver on loopback"):
            model = stack.enter_context(Model())
            launchdarkly = stack.enter_context(LaunchDarkly({CONFIG: rollout(CONFIG, VARIATIONS)}))
        trackers = ask_all(console, model, launchdarkly)
        with console.status("Sending feedback from a second process, by resumption token"):
            opinions = [(user, trackers[user].resumption_token, kind) for user, kind in FEEDBACK.items()]
            send_feedback(launchdarkly.uri, opinions)
        console.print(variation_table(launchdarkly.events))


def ask_all(console: Console, model: Model, launchdarkly: LaunchDarkly) -> dict[str, AIConfigTracker]:
    """Let all users ask, every other one with a stream, and return their trackers."""
    with LDClient(launchdarkly.config()) as ld_client, OpenAI(base_url=model.base_url, api_key="none") as client:
        ai = AIClient(ld_client)
        return {user: ask(console, client, ai, user, stream=turn % 2 == 0) for turn, user in enumerate(QUESTIONS)}


def send_feedback(uri: str, opinions: list[tuple[str, str, str]]) -> None:
    """Hand users, resumption tokens and opinions to a process that knows nothing else of these runs."""
    command = [sys.executable, str(Path(__file__).with_name("feedback.py")), uri]
    subprocess.run(command, input=json.dumps(opinions), text=True, check=True)  # noqa: S603  # our own script


if __name__ == "__main__":
    main()
