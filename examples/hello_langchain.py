"""A chatbot on LangChain, measured.

    uv run --extra langchain python examples/hello_langchain.py --local

needs no account: a real language model, with an OpenAI API, and a LaunchDarkly receiver start on loopback. Without
`--local` it asks OpenAI, whose key is in OPENAI_API_KEY, and tells the LaunchDarkly project whose SDK key is in
LAUNCHDARKLY_SDK_KEY; without that key, the fallback below is used and nobody is told.
"""

from __future__ import annotations

import argparse
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from ldclient import Config, Context, LDClient
from rich.console import Console

from examples.report import variation_table
from ldai_core import AIClient, AIConfigDefault, Message, ModelConfig, ProviderConfig
from ldai_langchain import LaunchDarklyCallbackHandler, create_chat_model, to_messages
from tests.servers.launchdarkly import LaunchDarkly, fixed
from tests.servers.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = "greengrocer"
FALLBACK = AIConfigDefault(
    enabled=True,
    model=ModelConfig("gpt-4o-mini", {"maxTokens": 128, "temperature": 0}),
    provider=ProviderConfig("openai"),
    messages=[Message("system", "You are a greengrocer. Answer in one short sentence.")],
)
QUESTIONS = ["Which fruit should I eat today?", "How do I keep apples fresh?"]
PROMPT = ChatPromptTemplate.from_messages([MessagesPlaceholder("instructions"), ("user", "{question}")])


class Chatbot:
    """Answers questions by a chain, as the AI Config says, each in a run of its own."""

    def __init__(self, ai: AIClient, context: Context, show: Callable[[str], None], **connection: Any) -> None:
        self._ai = ai
        self._context = context
        self._show = show
        self._connection = connection  # Any: how to reach the model, which depends on its provider

    def ask_agent(self, question: str) -> tuple[str, str | None]:
        """Answer a question, showing the answer as it comes; return it, and the token by which feedback finds its run.

        After an error there is nothing to give feedback on, and no token.
        """
        config = self._ai.completion_config(CONFIG, self._context, FALLBACK)
        tracker = config.create_tracker()
        handler = LaunchDarklyCallbackHandler(tracker)
        chain = PROMPT | create_chat_model(config, **self._connection) | StrOutputParser()
        answer = ""
        try:
            asked = {"instructions": to_messages(config), "question": question}
            for piece in chain.stream(asked, {"callbacks": [handler]}):
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
    """Chat with OpenAI, or with what stands for it here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="need no account: everything runs on this machine")
    local = parser.parse_args().local
    console = Console()
    context = Context.create("user-123")

    def show(piece: str) -> None:
        console.print(piece, end="", style="dim", markup=False, highlight=False)

    launchdarkly = None
    connection: dict[str, Any] = {}
    with ExitStack() as stack:
        if local:
            served = {**FALLBACK.to_dict(), "_ldMeta": {"enabled": True, "variationKey": "brief", "version": 1}}
            launchdarkly = stack.enter_context(LaunchDarkly({CONFIG: fixed(CONFIG, served)}))
            told = launchdarkly.config()
            # With an address of its own, ChatOpenAI asks for the usage of a stream only if it is told to.
            model = stack.enter_context(Model())
            connection = {"base_url": model.base_url, "api_key": "none", "stream_usage": True}
        else:
            key = os.environ.get("LAUNCHDARKLY_SDK_KEY", "")
            told = Config(key, offline=not key)
        with LDClient(told) as ld_client:
            chat(console, Chatbot(AIClient(ld_client), context, show, **connection))
        if launchdarkly is not None:
            console.print(variation_table(launchdarkly.events))


if __name__ == "__main__":
    main()
