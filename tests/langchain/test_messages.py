"""An AI Config's messages, as LangChain's."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate

from ldai_core import AIConfig, AIConfigDefault, Message
from ldai_langchain.params import to_messages


def said(*messages: Message) -> AIConfigDefault:
    """Make a config that says this."""
    return AIConfigDefault(enabled=True, messages=list(messages))


def kind(message: BaseMessage) -> tuple[type[BaseMessage], str]:
    """Say what a message is."""
    return type(message), str(message.content)


def test_messages_in_langchains_classes() -> None:
    """LC18: LaunchDarkly's three roles have their classes, in the config's order, empty ones among them."""
    config = said(Message("system", "A"), Message("user", "B"), Message("assistant", "C"), Message("user", ""))
    assert [kind(message) for message in to_messages(config)] == [
        (SystemMessage, "A"),
        (HumanMessage, "B"),
        (AIMessage, "C"),
        (HumanMessage, ""),
    ]


def test_messages_of_a_config_that_was_evaluated(config: AIConfig) -> None:
    """LC18: what `AIClient` returns is read like what it falls back on."""
    assert [kind(message) for message in to_messages(config)] == [(SystemMessage, "Be brief.")]


@pytest.mark.parametrize("config", [AIConfigDefault.disabled(), AIConfigDefault(enabled=True), said()])
def test_no_messages(config: AIConfigDefault) -> None:
    """LC18: a config without messages gives none."""
    assert to_messages(config) == []


@pytest.mark.parametrize(
    ("role", "expected"),
    [("System", SystemMessage), ("USER", HumanMessage), ("human", HumanMessage), ("ai", AIMessage)],
)
def test_other_names_of_known_roles(role: str, expected: type[BaseMessage]) -> None:
    """LC18: roles that LangChain knows have its classes, in any capitals."""
    assert kind(to_messages(said(Message(role, "A")))[0]) == (expected, "A")


def test_a_developer_message_stays_one() -> None:
    """LC18: OpenAI's developer is a system message that LangChain sends under its own role."""
    (message,) = to_messages(said(Message("developer", "A")))
    assert kind(message) == (SystemMessage, "A")
    assert message.additional_kwargs == {"__openai_role__": "developer"}


@pytest.mark.parametrize("role", ["tool", "function", "remove", "Critic", " user"])
def test_roles_without_a_class(role: str) -> None:
    """LC18: a role that LangChain has no class for, or one that wants more than a text, is kept as it is."""
    (message,) = to_messages(said(Message(role, "A")))
    assert isinstance(message, ChatMessage)
    assert (message.role, message.content) == (role, "A")


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_any_role_and_text_is_a_message(role: str, content: str) -> None:
    """LC18: nothing that can be a role or a content raises, or changes what is said."""
    assert [message.content for message in to_messages(said(Message(role, content)))] == [content]


def test_content_is_no_template() -> None:
    """LC18: braces are text, also in a prompt template that the messages become part of."""
    content = "{city} {{city}} {% if a %} {0[__class__]} \\n"
    config = said(*(Message(role, content) for role in ("system", "user", "assistant", "critic")))
    prompt = ChatPromptTemplate.from_messages([*to_messages(config), ("human", "{question}")])
    filled = prompt.invoke({"question": "Why?", "city": "Oslo"}).to_messages()
    assert [message.content for message in filled] == [content] * 4 + ["Why?"]


def test_messages_are_the_callers() -> None:
    """LC18: each result is new, and what is done to it does not come back."""
    config = said(Message("user", "A"))
    first = to_messages(config)
    first[0].content = "B"
    first.append(HumanMessage("C"))
    assert [message.content for message in to_messages(config)] == ["A"]


ALONE = """
import sys
for name in ("langchain", "langchain_aws", "langchain_openai", "langgraph", "boto3", "openai"):
    sys.modules[name] = None
from ldai_core import AIConfigDefault, Message
from ldai_langchain.params import to_messages
print(to_messages(AIConfigDefault(messages=[Message("user", "Hello")]))[0].type)
"""


def test_langchain_core_is_enough() -> None:
    """LC18: importing needs `langchain-core` alone, and so do the messages."""
    result = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert (result.stdout, result.stderr) == ("human\n", "")
