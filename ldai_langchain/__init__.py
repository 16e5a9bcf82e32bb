"""AI runs of any LangChain runnable, measured: `LaunchDarklyCallbackHandler(source)`."""

from ldai_langchain.handler import LaunchDarklyCallbackHandler

__all__ = ["LaunchDarklyCallbackHandler"]
