"""LangChain's names for providers, and what their classes take."""

from __future__ import annotations

import re
from importlib import import_module

from ldai_langchain.spelling import plain

__all__ = ["fields_of", "is_provider", "langchain_provider", "provider_of"]

# LangChain's names, by what else a provider is called, written plain.
# Source: https://reference.langchain.com/python/langchain/chat_models/base/init_chat_model
_PROVIDERS = {
    **dict.fromkeys(("amazon", "amazonbedrock", "aws", "awsbedrock", "bedrock"), "bedrock_converse"),
    **dict.fromkeys(("azure", "azureopenai", "azureopenaiservice", "microsoftazure"), "azure_openai"),
    **dict.fromkeys(("gemini", "google", "googleai", "googleaistudio", "googlegemini"), "google_genai"),
    **dict.fromkeys(("googlegenai", "googlegenerativeai"), "google_genai"),
    **dict.fromkeys(("googlevertex", "googlevertexai", "vertex", "vertexai"), "google_vertexai"),
    **dict.fromkeys(("ibmwatsonx", "ibmwatsonxai", "watsonx", "watsonxai"), "ibm"),
    **dict.fromkeys(("mistral", "mistralai"), "mistralai"),
    **{name: name for name in ("deepseek", "huggingface", "openai", "openrouter", "xai")},
    "fireworksai": "fireworks",
    "grok": "xai",
    "nvidianim": "nvidia",
    "perplexityai": "perplexity",
    "togetherai": "together",
}
# The classes that LangChain makes of them.
_CLASSES = {
    "anthropic": "langchain_anthropic.ChatAnthropic",
    "azure_openai": "langchain_openai.AzureChatOpenAI",
    "bedrock": "langchain_aws.ChatBedrock",
    "bedrock_converse": "langchain_aws.ChatBedrockConverse",
    "cohere": "langchain_cohere.ChatCohere",
    "deepseek": "langchain_deepseek.ChatDeepSeek",
    "fireworks": "langchain_fireworks.ChatFireworks",
    "google_genai": "langchain_google_genai.ChatGoogleGenerativeAI",
    "google_vertexai": "langchain_google_vertexai.ChatVertexAI",
    "groq": "langchain_groq.ChatGroq",
    "mistralai": "langchain_mistralai.ChatMistralAI",
    "ollama": "langchain_ollama.ChatOllama",
    "openai": "langchain_openai.ChatOpenAI",
    "together": "langchain_together.ChatTogether",
    "xai": "langchain_xai.ChatXAI",
}
# What LangChain infers where no provider is given, by how the model's name begins.
_BEGINNINGS = {
    **dict.fromkeys(("chatgpt", "gpt-", "o1", "o3", "text-davinci"), "openai"),
    **dict.fromkeys(("amazon.", "anthropic.", "meta."), "bedrock"),
    **dict.fromkeys(("mistral", "mixtral"), "mistralai"),
    "claude": "anthropic",
    "command": "cohere",
    "deepseek": "deepseek",
    "gemini": "google_vertexai",
    "grok": "xai",
}


def langchain_provider(name: str) -> str | None:
    """Write LaunchDarkly's name for a provider as LangChain does, an unknown one in its manner; None for a blank."""
    first = plain(name.partition(":")[0])
    known = _PROVIDERS.get(plain(name)) or _PROVIDERS.get("vertex" if first.startswith("vertex") else first)
    return known or re.sub(r"[-\s]+", "_", name.strip().lower()) or None


def is_provider(name: str) -> bool:
    """Say whether LangChain calls a provider so."""
    return name in _CLASSES or name in _PROVIDERS.values()


def provider_of(model: str, provider: str | None) -> str:
    """Say which provider LangChain goes to, as given, or as it infers it from the model's name; "" if we cannot say."""
    if provider:
        return provider.replace("-", "_").lower()
    prefix = model.partition(":")[0]
    inferred = (name for beginning, name in _BEGINNINGS.items() if model.lower().startswith(beginning))
    return prefix if is_provider(prefix) else next(inferred, "")


def fields_of(provider: str) -> dict[str, str] | None:
    """Ask a provider's class for the names of what it takes, by those names written plain; None if it is not there."""
    module, _, name = _CLASSES.get(provider, "").rpartition(".")
    if not module:
        return None
    try:
        fields = getattr(import_module(module), name).model_fields
    except (AttributeError, ImportError):  # LangChain says it better
        return None
    aliases = {name: field.alias or name for name, field in fields.items()}
    return {plain(name): alias for each in aliases.items() for name, alias in ((each[0], each[1]), (each[1], each[1]))}
