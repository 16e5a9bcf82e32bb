"""Targets: what a flag serves, its templates, and tokens that come back from a browser."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ldai_bedrock import converse_params
from ldai_core import AIClient, AIConfigDefault, InvalidResumptionToken, Message, ModelConfig, ResumptionToken, Tool
from ldai_core.resumption import LONGEST as LONGEST_TOKEN
from ldai_core.resumption import unpack
from ldai_core.signing import TokenSigner, _signature
from ldai_core.template import LONGEST, TemplateError, render
from ldai_core.testing import RecordingClient
from ldai_core.values import LARGEST
from ldai_core.variation import read_variation
from ldai_langchain import to_messages
from ldai_openai import chat_params, responses_params
from tests.fuzz.checks import CONTEXT, KEY, check_events

if TYPE_CHECKING:
    from ldai_core.variation import Variation

__all__ = ["SIGNED", "fuzz_signed", "fuzz_template", "fuzz_token", "fuzz_variation"]


def fuzz_variation(data: bytes) -> None:
    """Whatever a flag serves is read, never changed, and makes a config that can be used."""
    served = json.loads(data)
    before = json.dumps(served)
    variation = read_variation(KEY, served)
    if variation is not None:
        _check_variation(variation)
        _check_written_and_read(variation)
    recorded = RecordingClient()
    recorded._variations[KEY] = served  # as it is: the client's own copy is not what is tested
    default = AIConfigDefault(messages=[Message("system", "{{ldctx.key}}")])
    config = AIClient(recorded).completion_config(KEY, CONTEXT, default, {"name": "Bo", "rows": [{"n": 1}]})
    for params in (chat_params, responses_params, converse_params, to_messages):
        params(config)
    json.dumps(config.to_dict())
    tracker = config.create_tracker()
    tracker.track_success()
    tracker.track_tool_calls(list(config.tools or ()))
    check_events(recorded.events)
    if len(tracker.resumption_token) <= LONGEST_TOKEN:
        assert ResumptionToken.decode(tracker.resumption_token).run_id == tracker.run_id
    assert json.dumps(served) == before, "what was served has been changed"


def _check_variation(variation: Variation) -> None:
    assert type(variation.enabled) is bool
    for version in (variation.version, variation.model_version):
        assert version is None or (type(version) is int and abs(version) <= LARGEST)
    assert type(variation.variation_key) is str
    assert variation.model is None or (type(variation.model) is ModelConfig and variation.model.name)
    for message in variation.messages or ():
        assert type(message.role) is type(message.content) is str
        assert message.role
    for key, tool in (variation.tools or {}).items():
        assert type(tool) is Tool
        assert type(key) is type(tool.name) is str
        assert tool.name


def _check_written_and_read(variation: Variation) -> None:
    """What was read is read again from how it is written."""
    names = ("enabled", "model", "provider", "messages", "tools")
    parts = AIConfigDefault(**{name: getattr(variation, name) for name in names})
    again = read_variation(KEY, parts.to_dict())
    assert again is not None
    for name in names:
        if name != "tools" or variation.tools is not None:  # without any, the older list of them is looked at
            assert repr(getattr(again, name)) == repr(getattr(variation, name)), name  # repr, for NaN is not itself


def fuzz_template(data: bytes) -> None:
    """A template is rendered, or refused as it is documented, and the message stays as it is then."""
    document = json.loads(data)
    document = document if isinstance(document, dict) else {}
    template, variables = document.get("template"), document.get("variables")
    if not isinstance(template, str) or not isinstance(variables, dict):
        return
    rendered = _rendered(template, variables)
    assert len(rendered) <= max(LONGEST, len(template))
    assert "{{" in template or rendered == template
    recorded = RecordingClient({KEY: {"messages": [{"role": "user", "content": template}]}})
    config = AIClient(recorded).completion_config(KEY, CONTEXT, None, variables)
    assert config.messages == [Message("user", rendered)]


def _rendered(template: str, variables: dict[str, Any]) -> str:
    try:
        return render(template, {**variables, "ldctx": CONTEXT.to_dict()})
    except (TemplateError, SyntaxError):
        return template
    except (ValueError, RecursionError, OverflowError):
        if _is_odd(variables):
            return template
        raise


def _is_odd(value: Any) -> bool:
    """Say whether there is a number of hundreds of digits, or something very deep: neither can be written."""
    try:
        json.dumps(value)
    except (ValueError, RecursionError):
        return True
    waiting, seen = [value], 0
    while waiting:
        each, seen = waiting.pop(), seen + 1
        if isinstance(each, int) and abs(each) > 10**300:
            return True
        waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return seen > 300


def fuzz_token(data: bytes) -> None:
    """A token is read, or refused in the documented way; what was read is read again from how it is written."""
    with suppress(ValueError, RecursionError):
        value = json.loads(data)
        _decode(value)  # a text, or no text at all
        with suppress(ValueError, RecursionError):
            _decode(_base64(json.dumps(value, ensure_ascii=False).encode()))
        _decode(_base64(json.dumps(value).encode()))
    _decode(data.decode("utf-8", "surrogateescape"))
    _decode(_base64(data))


def _base64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decode(text: Any) -> None:
    token, refusal = None, ""
    try:
        token = ResumptionToken.decode(text)
    except InvalidResumptionToken as error:
        refusal = str(error)
    if token is None:
        assert not isinstance(text, str) or len(text) < len("byte-order") or text not in refusal  # never shown
        return
    assert type(token.version) is int
    again = token.encode()
    assert set(again).isdisjoint("+/= ")
    if len(again) <= LONGEST_TOKEN:
        assert ResumptionToken.decode(again) == token
    AIClient(recorded := RecordingClient()).create_tracker(text, CONTEXT).track_success()
    check_events(recorded.events)


def fuzz_signed(data: bytes) -> None:
    """Of signed tokens those are accepted that were signed, and no others, whatever was altered."""
    for text in (data.decode("utf-8", "surrogateescape"), _base64(data)):
        with suppress(InvalidResumptionToken):
            assert _SIGNER.decode(text) == TOKEN
            assert unpack(text) == SIGNED, "accepted, and never signed"


def _sign() -> bytes:
    fields = TOKEN.to_json()[:-1]
    return b'%s,"signature":"1700000000.%s"}' % (fields, _signature(b"secret", fields, b"1700000000"))


TOKEN = ResumptionToken("11111111-1111-4111-8111-111111111111", "k", 3, "v")
SIGNED = _sign()
_SIGNER = TokenSigner(["newer", "secret"])
