"""AI runs of any LangChain runnable, measured: `LaunchDarklyCallbackHandler(source)`."""

from ldai_langchain.handler import LaunchDarklyCallbackHandler
from ldai_langchain.params import create_chat_model, to_messages

__all__ = ["LaunchDarklyCallbackHandler", "create_chat_model", "to_messages"]
