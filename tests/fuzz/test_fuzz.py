"""RL6: what others have written is read whatever it is: coverage-guided for a while, and what was ever found, again."""

from __future__ import annotations

import gc
import warnings
from decimal import Decimal
from fractions import Fraction
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from ldai_bedrock import converse_params
from ldai_core import AIClient, Reading, Run, TokenUsage
from ldai_core.testing import RecordingClient
from ldai_langchain import to_messages
from ldai_openai import chat_params, responses_params
from tests.fuzz.__main__ import CORPUS, fuzz
from tests.fuzz.checks import CONTEXT, KEY, evaluate, only_run
from tests.fuzz.frames import stop_servers
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ldai_core import AIConfig

# botocore leaves the socket of a stream that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

SECONDS = 25

FOUND = [pytest.param(path.parent.name, path, id=f"{path.parent.name}/{path.name}") for path in CORPUS.glob("*/*")]


@pytest.fixture(scope="module", autouse=True)
def stopped() -> Iterator[None]:
    """Stop the servers at the end, and collect what is left of the clients."""
    yield
    stop_servers()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize(("target", "path"), FOUND)
def test_what_was_found_is_mended(target: str, path: Path) -> None:
    """RL6: an input that once broke a rule breaks none."""
    TARGETS[target].check(path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_hold(target: str) -> None:
    """RL6: what the mutations begin with is what providers and LaunchDarkly send, and each target can take it."""
    for seed in TARGETS[target].seeds:
        TARGETS[target].check(seed)


@pytest.mark.parametrize("input_", [9, 9.0, Decimal(9), Fraction(9)])
@pytest.mark.parametrize("output", [3, 3.0, Decimal(3), Fraction(3)])
def test_counts_of_two_classes(input_: Any, output: Any) -> None:
    """RL6: counts that are whole numbers of whatever classes are counts, which add up."""
    config, recorded = evaluate()
    with Run(config) as run:
        call = run.call()
        call.observe(Reading(usage=TokenUsage(input=input_, output=output)))
        call.end()
    assert only_run(recorded).tokens == TokenUsage(12, 9, 3)


def test_what_was_read_can_be_used_anywhere() -> None:
    """RL6: a config that nests as deep as one can that is read is used without a fault, also from deep in a program."""
    config = next(config for depth in range(900, 0, -10) if (config := read_nested(depth)).model is not None)
    for params in (chat_params, responses_params, converse_params, to_messages):
        assert deeper(100, partial(params, config)) is not None


def read_nested(depth: int) -> AIConfig:
    """Read a config with a parameter that nests so deep."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    recorded = RecordingClient()
    recorded._variations[KEY] = {"model": {"name": "gpt-4o", "parameters": {"a": value}}, "messages": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded, "variation", lambda key, *_: recorded._variations[key])  # its copy would be too deep
        return AIClient(recorded).completion_config(KEY, CONTEXT)


def deeper(frames: int, use: Callable[[], Any]) -> Any:
    """Call from so many frames further in."""
    return deeper(frames - 1, use) if frames else use()


@pytest.mark.integration
@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is there on Linux with x86-64 alone")
def test_fuzzed(tmp_path: Path) -> None:
    """RL6: so many seconds of mutations, guided by coverage, find nothing that breaks a rule; longer by hand."""
    outcome = fuzz("any", SECONDS, tmp_path, seed=1)
    assert outcome.found is None, (outcome.found.read_bytes()[:2000], outcome.why)
