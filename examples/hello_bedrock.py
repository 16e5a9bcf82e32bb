"""A chatbot on Amazon Bedrock, measured.

    uv run --group demo --extra bedrock python examples/hello_bedrock.py --local

needs no account: a real language model, Bedrock's wire and a LaunchDarkly receiver start on loopback. Without
`--local` it asks Bedrock, with the credentials and the region that boto3 finds, and tells the LaunchDarkly project
whose SDK key is in LAUNCHDARKLY_SDK_KEY; without a key, the fallback below is used and nobody is told.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import boto3
from ldclient import Config, Context, LDClient
from rich.console import Console

from examples.report import variation_table
from ldai_bedrock import converse_params, wrap_bedrock
from ldai_core import AIClient, AIConfigDefault, Message, ModelConfig, ProviderConfig
from tests.servers.bedrock_model import BedrockModel
from tests.servers.launchdarkly import LaunchDarkly, fixed
from tests.servers.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = "greengrocer"
FALLBACK = AIConfigDefault(
    enabled=True,
    model=ModelConfig("amazon.nova-lite-v1:0", {"maxTokens": 128, "temperature": 0}),
    provider=ProviderConfig("bedrock"),
    messages=[Message("system", "You are a greengrocer. Answer in one short sentence.")],
)
QUESTIONS = ["Which fruit should I eat today?", "How do I keep apples fresh?"]


class Chatbot:
    """Answers questions as the AI Config says, each in a run of its own."""

    def __init__(self, ai: AIClient, bedrock: Any, context: Context, show: Callable[[str], None]) -> None:
        self._ai = ai
        self._bedrock = bedrock  # Any: boto3 has no types
        self._context = context
        self._show = show

    def ask_agent(self, question: str) -> tuple[str, str | None]:
        """Answer a question, showing the answer as it comes; return it, and the token by which feedback finds its run.

        After an error there is nothing to give feedback on, and no token.
        """
        config = self._ai.completion_config(CONFIG, self._context, FALLBACK)
        tracker = config.create_tracker()
        bedrock = wrap_bedrock(self._bedrock, tracker)
        answer = ""
        try:
            asked = converse_params(config, [{"role": "user", "content": question}])
            for event in bedrock.converse_stream(**asked)["stream"]:
                piece = event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
                self._show(piece)
                answer += piece
        except Exception as error:  # noqa: BLE001  # whatever it was, the user is told
            return f"An error occurred: {error}", None
        return answer, tracker.resumption_token

    def give_feedback(self, token: str | None, kind: str) -> None:
        """Record what the user thought of an answer: anywhere, any time later."""
        if token is not None:
            self._ai.create_tracker(token, self._context).track_feedback(kind)


def chat(console: Console, chatbot: Chatbot) -> None:
    """Ask the questions, and like the answers."""
    for question in QUESTIONS:
        console.print(f"[bold]{question}[/]")
        answer, token = chatbot.ask_agent(question)
        console.print("" if token else answer, markup=False)
        chatbot.give_feedback(token, "positive")


def main() -> None:
    """Chat with Bedrock, or with what stands for it here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="need no account: everything runs on this machine")
    local = parser.parse_args().local
    console = Console()
    context = Context.create("user-123")

    def show(piece: str) -> None:
        console.print(piece, end="", style="dim", markup=False, highlight=False)

    launchdarkly = None
    with ExitStack() as stack:
        if local:
            served = {**FALLBACK.to_dict(), "_ldMeta": {"enabled": True, "variationKey": "brief", "version": 1}}
            launchdarkly = stack.enter_context(LaunchDarkly({CONFIG: fixed(CONFIG, served)}))
            server = stack.enter_context(BedrockModel(stack.enter_context(Model())))
            told = launchdarkly.config()
            bedrock = boto3.client(
                "bedrock-runtime",
                endpoint_url=server.uri,
                region_name="us-east-1",
                aws_access_key_id="none",
                aws_secret_access_key="none",  # noqa: S106  # a stranger's secret it is not
            )
        else:
            key = os.environ.get("LAUNCHDARKLY_SDK_KEY", "")
            told = Config(key, offline=not key)
            bedrock = boto3.client("bedrock-runtime")
        stack.callback(bedrock.close)
        with LDClient(told) as ld_client:
            chat(console, Chatbot(AIClient(ld_client), bedrock, context, show))
        if launchdarkly is not None:
            console.print(variation_table(launchdarkly.events))


if __name__ == "__main__":
    main()
