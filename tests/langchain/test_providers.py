"""LaunchDarkly's names for providers, as LangChain's."""

from __future__ import annotations

import pytest

from ldai_langchain.params import chat_model_params
from tests.langchain.bots import bot


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("OpenAI", "openai"),
        ("open-ai", "openai"),
        ("azure", "azure_openai"),
        ("Azure OpenAI", "azure_openai"),
        ("azure-openai", "azure_openai"),
        ("azure_ai", "azure_ai"),
        ("Anthropic", "anthropic"),
        ("Bedrock", "bedrock_converse"),
        ("bedrock:anthropic", "bedrock_converse"),
        ("Bedrock:Amazon", "bedrock_converse"),
        ("AWS Bedrock", "bedrock_converse"),
        ("amazon-bedrock:meta", "bedrock_converse"),
        ("bedrock_converse", "bedrock_converse"),
        ("anthropic_bedrock", "anthropic_bedrock"),
        ("gemini", "google_genai"),
        ("Google", "google_genai"),
        ("google-genai", "google_genai"),
        ("Vertex", "google_vertexai"),
        ("vertex_ai", "google_vertexai"),
        ("Vertex AI", "google_vertexai"),
        ("vertex:google", "google_vertexai"),
        ("vertexai-preview", "google_vertexai"),
        ("Google Vertex AI", "google_vertexai"),
        ("google_anthropic_vertex", "google_anthropic_vertex"),
        ("Mistral", "mistralai"),
        ("MistralAI", "mistralai"),
        ("Cohere", "cohere"),
        ("groq", "groq"),
        ("Ollama", "ollama"),
        ("DeepSeek", "deepseek"),
        ("xAI", "xai"),
        ("Together AI", "together"),
        ("Fireworks-AI", "fireworks"),
        ("Perplexity", "perplexity"),
        ("HuggingFace", "huggingface"),
        ("hugging-face", "huggingface"),
        ("My own-Provider", "my_own_provider"),
        ("own:family", "own:family"),
    ],
)
def test_providers(provider: str, expected: str) -> None:
    """LC18: LaunchDarkly's names for providers, in any capitals, are LangChain's; an unknown one is in its manner."""
    assert chat_model_params(bot(provider=provider)) == {"model": "any", "model_provider": expected}


@pytest.mark.parametrize("provider", [None, "", " "])
def test_no_provider(provider: str | None) -> None:
    """LC18: without a provider none is said, for LangChain to infer it."""
    assert chat_model_params(bot(provider=provider)) == {"model": "any"}
