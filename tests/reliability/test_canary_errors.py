"""Nothing secret is in what we raise, nor in what our objects show of themselves."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from ldclient import Context
from openai import DefaultHttpxClient, OpenAI

from ldai_bedrock import wrap_bedrock
from ldai_core import (
    AIClient,
    AIConfigDefault,
    AIConfigTracker,
    FeedbackKind,
    InvalidResumptionToken,
    Message,
    ModelConfig,
    ProviderConfig,
    ResumptionToken,
    Run,
    TokenUsage,
    Tool,
    track_metrics_of,
)
from ldai_core.claims import InProcessClaims
from ldai_core.integrations.redis import RedisClaims
from ldai_core.reading import NOTHING
from ldai_core.signing import TokenSigner
from ldai_core.testing import RecordingClient
from ldai_langchain import LaunchDarklyCallbackHandler, create_chat_model
from ldai_openai import wrap_openai
from tests.core.doubles import CONTEXT, RUN_ID, FakeLDClient, make_tracker
from tests.reliability.canaries import EVERYTHING, Watch, canary, seen_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def openai() -> OpenAI:
    """Make a client with a key."""
    return OpenAI(api_key=canary("key"), base_url="http://127.0.0.1:9/v1", http_client=DefaultHttpxClient(verify=False))


def bedrock() -> Any:
    """Make another one."""
    keys = {"aws_access_key_id": canary("key"), "aws_secret_access_key": canary("key")}
    return boto3.client("bedrock-runtime", region_name="us-east-1", **keys)


def client(**options: Any) -> AIClient:
    """Make a client of ours."""
    return AIClient(FakeLDClient(), **options)


def config(value: Any, **fields: Any) -> Any:
    """Ask for a config with a wrong argument."""
    return client().completion_config(**{"key": "support-bot", "context": CONTEXT, **fields})


def tracker(**facts: Any) -> AIConfigTracker:
    """Make a tracker."""
    return make_tracker(FakeLDClient(), **facts)


ARGUMENTS: dict[str, Callable[[Any], object]] = {
    "AIClient": AIClient,
    "claims": lambda value: client(claims=value),
    "token_max_age": lambda value: client(token_secret=canary("secret"), token_max_age=value),
    "an empty secret": lambda value: client(token_secret=["", value]),
    "a wrong secret": lambda value: client(token_secret=[value, {canary("secret"): 1}]),
    "an age alone": lambda value: client(token_max_age=value),
    "key": lambda value: config(value, key=[value]),
    "context": lambda value: config(value, context=value),
    "default": lambda value: config(value, default=value),
    "variables": lambda value: config(value, variables=[value]),
    "context of a token": lambda value: client().create_tracker(tracker().resumption_token, value),
    "ld_client": lambda value: AIConfigTracker.from_resumption_token(tracker().resumption_token, value, CONTEXT),
    "run_id": lambda value: tracker(run_id=[value]),
    "config_key": lambda value: tracker(config_key={"a": value}),
    "version": lambda value: tracker(version=value),
    "feedback": lambda value: tracker().track_feedback(value),
    "Run": Run,
    "max_runs": InProcessClaims,
    "RedisClaims": RedisClaims,
    "wrap_openai": lambda value: wrap_openai(value, tracker()),
    "wrap_openai, source": lambda value: wrap_openai(openai(), value),
    "wrap_openai, usage": lambda value: wrap_openai(openai(), tracker(), include_usage=value),
    "wrap_bedrock": lambda value: wrap_bedrock(value, tracker()),
    "wrap_bedrock, source": lambda value: wrap_bedrock(bedrock(), value),
    "handler": LaunchDarklyCallbackHandler,
    "max_open_runs": lambda value: LaunchDarklyCallbackHandler(tracker(), max_open_runs=value),
    "max_idle_s": lambda value: LaunchDarklyCallbackHandler(tracker(), max_idle_s=value),
    "no model": lambda value: create_chat_model(AIConfigDefault(messages=[Message("user", EVERYTHING)]), api_key=value),
    "role": lambda value: Message([value], ""),  # type: ignore[arg-type]
    "content": lambda value: Message("user", [value]),  # type: ignore[arg-type]
    "model": lambda value: ModelConfig([value]),  # type: ignore[arg-type]
    "provider": lambda value: ProviderConfig([value]),  # type: ignore[arg-type]
    "tool": lambda value: Tool([value]),  # type: ignore[arg-type]
    "default enabled": lambda value: AIConfigDefault(enabled=value),
    "default model": lambda value: AIConfigDefault(model=value),
    "default messages": lambda value: AIConfigDefault(messages=value),
    "default tools": lambda value: AIConfigDefault(tools={"search": value}),
}


@pytest.mark.parametrize("value", [EVERYTHING, [EVERYTHING]], ids=["text", "list"])
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_a_wrong_argument(argument: str, value: Any) -> None:
    """RL7: the error of a wrong argument tells what was expected, and of what came the type."""
    with pytest.raises((TypeError, ValueError)) as caught:
        ARGUMENTS[argument](value)
    assert seen_in(caught.value) == []


def packed(content: object) -> str:
    """Pack a token, of JSON or of anything."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def tokens() -> Iterator[Any]:
    """Go through what is no token, in each way; what it holds is secret."""
    secret = canary("token")
    yield from (pytest.param(each, id=type(each).__name__) for each in (secret.encode(), [secret], {secret: 1}))
    yield pytest.param(secret + "!", id="no Base64")
    yield pytest.param(secret + "A" * (4 - len(secret) % 4) + "A", id="a part of Base64")
    yield pytest.param(secret * 1000, id="too long")
    yield pytest.param(packed(secret.encode()), id="no JSON")
    yield pytest.param(packed(b"\xff" + secret.encode()), id="no UTF-8")
    yield pytest.param(packed(b"\xef\xbb\xbf" + secret.encode()), id="byte-order mark")
    yield pytest.param(packed(b'{"runId":NaN,"' + secret.encode() + b'":1}'), id="a constant")
    yield pytest.param(packed(b"[" * 2000 + secret.encode()), id="nested")
    yield pytest.param(packed([secret]), id="no object")
    good: dict[str, Any] = {"runId": RUN_ID, "configKey": secret, "variationKey": secret, "version": 1}
    for name in ("runId", "configKey", "version"):
        yield pytest.param(packed({key: value for key, value in good.items() if key != name}), id=f"no {name}")
    for name, values in {
        "runId": (secret, 5, [secret]),
        "configKey": ("", 5, [secret]),
        "version": (secret, 1.5, True, 2**70, [secret]),
        "variationKey": (5, [secret]),
        "graphKey": (5, {secret: secret}),
    }.items():
        yield from (pytest.param(packed({**good, name: value}), id=f"{name}={value}") for value in values)


@pytest.mark.parametrize("token", list(tokens()))
@pytest.mark.parametrize("secret", [None, canary("secret")], ids=["unsigned", "signed"])
def test_a_malformed_token(token: Any, secret: str | None) -> None:
    """RL7: the error of a token tells its fault, and nothing that it holds."""
    with Watch() as watch, pytest.raises(InvalidResumptionToken) as caught:
        client(token_secret=secret).create_tracker(token, CONTEXT)
    assert seen_in(caught.value) == []
    watch.check(least=0)


def test_a_foreign_token() -> None:
    """RL7: nor does that of one which is signed by another secret, altered, not signed, too old, or by us but none."""
    held = canary("token")
    token = ResumptionToken(RUN_ID, held, 1, held)
    ours, strict = client(token_secret=canary("secret")), client(token_secret=canary("secret"), token_max_age=1e-9)
    own, foreign = TokenSigner(canary("secret")), TokenSigner("another")
    none = own.encode(ResumptionToken(held, held, 1))
    altered = own.encode(token)[:-3]
    late = own.encode(token)
    for by, text in (
        (ours, token.encode()),
        (ours, foreign.encode(token)),
        (ours, altered),
        (ours, none),
        (strict, late),
    ):
        with pytest.raises(InvalidResumptionToken) as caught:
            by.create_tracker(text, CONTEXT)
        assert seen_in(caught.value) == []
        assert text not in str(caught.value)


def test_what_objects_show() -> None:
    """RL7: what an application may log of ours shows no context, no key, no token, no answer, no secret."""
    context = Context.builder("user-1").set("plan", canary("attribute")).build()
    recorded = RecordingClient({"support-bot": {"messages": [{"role": "user", "content": "{{mood}}"}]}})
    ai = AIClient(recorded, token_secret=canary("secret"))
    config = ai.completion_config("support-bot", context, None, {"mood": canary("variable")})
    tracker = config.create_tracker()
    call = Run(tracker).call()
    handler = LaunchDarklyCallbackHandler(config)
    with Run(config) as run:
        run.call().end()
        handler.on_chat_model_start({}, [[canary("prompt")]], run_id=RUN_ID)  # type: ignore[arg-type]  # any will do
        shown: list[Any] = [ai, ai._signer, tracker, run, call, handler, handler.run(), handler._trees, *recorded.runs]
        shown += [wrap_openai(openai(), tracker), wrap_bedrock(bedrock(), tracker)]
        shown += [track_metrics_of(tracker, lambda _: NOTHING, lambda: iter([canary("answer")]))]
        assert seen_in(*shown) == []
        assert all(tracker.resumption_token not in repr(each) for each in shown)
    handler.close()


def test_a_summary() -> None:
    """RL7: a summary of metrics, which an application may well log, shows no token."""
    own = tracker()
    own.track_tokens(TokenUsage(12, 9, 3))
    own.track_feedback(FeedbackKind.POSITIVE)
    assert "input=9" in repr(own.summary)
    assert own.resumption_token not in repr(own.summary)
