"""What a stranger finds in a clone, and what an import brings along."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import ldai_core

ROOT = Path(__file__).parents[1]
PACKAGES = ("ldai_core", "ldai_openai", "ldai_bedrock", "ldai_langchain")


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603


def test_the_version_is_the_distributions() -> None:
    """What the SDK's event says is what is installed."""
    assert ldai_core.__version__ == version("ldai-adapters")


def test_core_imports_no_provider() -> None:
    """Importing core loads neither a provider's package nor an HTTP stack of one."""
    code = "import sys, ldai_core; print({'openai', 'boto3', 'langchain_core', 'httpx', 'httpx2'} & {*sys.modules})"
    assert run(code).stdout == "set()\n"


@pytest.mark.parametrize(("extra", "module"), [("openai", "openai"), ("langchain", "langchain_core.callbacks")])
def test_an_adapter_without_its_extra_says_what_to_install(extra: str, module: str) -> None:
    """LC18: the error names the exact command, and keeps the cause."""
    result = run(f"import sys; sys.modules['{module}'] = None; import ldai_{extra}")
    assert f'pip install "ldai-adapters[{extra}]"' in result.stderr
    assert "ModuleNotFoundError" in result.stderr


def test_claims_without_their_extra_say_what_to_install() -> None:
    """RL1: likewise; a client of the application's own needs nothing more."""
    code = "import sys; sys.modules['redis'] = None; from ldai_core.integrations.redis import RedisClaims as R; {}"
    result = run(code.format("R.from_url()"))
    assert 'pip install "ldai-adapters[redis]"' in result.stderr
    assert "ModuleNotFoundError" in result.stderr
    assert run(code.format("print('there')")).stdout == "there\n"


def test_the_langchain_adapter_needs_langchain_core_alone() -> None:
    """LC18: neither LangChain itself nor anybody's integration is loaded, or has to be there."""
    others = ("langchain", "langgraph", "langchain_openai", "langchain_aws", "openai", "boto3")
    blocked = "import sys; sys.modules.update(dict.fromkeys({!r})); import ldai_langchain; print('there')"
    assert run(blocked.format(others)).stdout == "there\n"


def test_every_package_is_typed() -> None:
    """Each package carries the marker that type checkers look for."""
    assert all((ROOT / package / "py.typed").exists() for package in PACKAGES)


def test_the_readme_begins_with_two_lines_to_paste() -> None:
    """Below Quickstart, the first two blocks are one line each: the quickstart, then the tests."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text().split("## Quickstart")[1], re.DOTALL)
    first, second = blocks[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert "examples/quickstart.py" in first
    assert second.rstrip().endswith("pytest")
