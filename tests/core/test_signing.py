"""Resumption tokens that are signed."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldai_core import AIClient, AIConfigTracker, InvalidResumptionToken, ResumptionToken, signing
from ldai_core.signing import TokenSigner
from tests.core.doubles import CONTEXT, RUN_ID, FakeLDClient

SECRET = "0123456789abcdef0123456789abcdef"
OTHER = b"another secret of thirty-two bytes"
TOKEN = ResumptionToken(RUN_ID, "my-config", 3, "v1")
HOUR_S = 3600


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_764_000_000.9

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the time of issue, and of arrival."""
    clock = Clock()
    monkeypatch.setattr(signing, "time", clock)
    return clock


def fields_of(token: str) -> dict[str, Any]:
    """Read a token as any SDK does."""
    fields: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return fields


def refused(signer: TokenSigner, token: object) -> str:
    """Say why a token is refused."""
    with pytest.raises(InvalidResumptionToken) as caught:
        signer.decode(token)
    return str(caught.value).removeprefix("Invalid resumption token: ")


def test_one_more_field(clock: Clock) -> None:
    """RL10: a signed token has one scalar field more, the last, and is read by whoever does not know it."""
    token = TokenSigner(SECRET).encode(TOKEN)
    fields = fields_of(token)
    assert list(fields) == ["runId", "configKey", "variationKey", "version", "signature"]
    issued, _, signature = fields["signature"].partition(".")
    assert issued == "1764000000"
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32
    assert ResumptionToken.decode(token) == TOKEN
    assert TokenSigner(SECRET).decode(token) == TOKEN


@given(
    config_key=st.text(min_size=1, max_size=200),
    version=st.integers(-(2**53) + 1, 2**53 - 1),
    variation_key=st.text(max_size=20),
    graph_key=st.none() | st.text(min_size=1, max_size=20),
    secret=st.text(min_size=1) | st.binary(min_size=1),
)
def test_round_trip(config_key: str, version: int, variation_key: str, graph_key: str | None, secret: Any) -> None:
    """RL10: what is signed is read back, whatever is in it, with the same secret and with no other."""
    token = ResumptionToken(RUN_ID, config_key, version, variation_key, graph_key)
    text = TokenSigner(secret).encode(token)
    assert TokenSigner(secret).decode(text) == token
    assert TokenSigner([OTHER, secret]).decode(text) == token
    assert "signature" in refused(TokenSigner(OTHER), text)


@pytest.mark.parametrize("padding", ["", "="])
@pytest.mark.parametrize("config_key", ["my-config", "ключ", "\ud800", 'a","signature":"1.x"}'])
def test_forms(config_key: str, padding: str) -> None:
    """RL10: as without a signature, padded tokens and the standard alphabet are read too."""
    signer = TokenSigner(SECRET)
    token = ResumptionToken(RUN_ID, config_key, 3)
    text = signer.encode(token)
    if padding:
        text += padding * (-len(text) % 4)
    assert signer.decode(text) == token
    assert signer.decode(text.translate({45: 43, 95: 47})) == token


def test_every_character_counts() -> None:
    """RL10: a token that is altered in any character, or by one more or one less, is refused."""
    signer = TokenSigner(SECRET)
    text = signer.encode(ResumptionToken(RUN_ID, "my-config", 3, "v"))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, character in enumerate(text):
        for other in (alphabet[alphabet.index(character) ^ 1], alphabet[alphabet.index(character) ^ 32]):
            refused(signer, text[:place] + other + text[place + 1 :])
    for changed in (text[:-1], text + "A", text[1:], "A" + text):
        refused(signer, changed)


def repacked(fields: Any) -> str:
    """Write fields as a token, in their order."""
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "change",
    [
        {"runId": "22222222-2222-4222-8222-222222222222"},
        {"runId": RUN_ID.upper().replace("1", "A", 1)},
        {"configKey": "other"},
        {"variationKey": "v2"},
        {"variationKey": ""},
        {"version": 4},
        {"graphKey": "graph"},
        {"more": 1},
    ],
)
def test_altered(change: dict[str, Any]) -> None:
    """RL10: so is one of which a field is altered, added or taken away, wherever the signature stands."""
    signer = TokenSigner(SECRET)
    fields = fields_of(signer.encode(TOKEN))
    signature = fields.pop("signature")
    changed = {**fields, **change}
    for order in ({**changed, "signature": signature}, {"signature": signature, **changed}):
        refused(signer, repacked(order))
    assert refused(signer, repacked(changed)) == "it is not signed"
    assert signer.decode(repacked({**fields, "signature": signature})) == TOKEN


@pytest.mark.parametrize("signature", ["", "1764000000.", ".x", "1764000000", 5, None, True, {"a": 1}, "1.é", "9" * 99])
def test_no_signature(signature: Any) -> None:
    """RL10: what stands in the place of a signature and is none is refused."""
    fields = fields_of(TOKEN.encode())
    assert refused(TokenSigner(SECRET), repacked({**fields, "signature": signature})) == "it is not signed"


def test_the_time_of_issue_is_signed(clock: Clock) -> None:
    """RL10: a token cannot be made younger."""
    signer = TokenSigner(SECRET, HOUR_S)
    fields = fields_of(signer.encode(TOKEN))
    clock.now += 2 * HOUR_S
    younger = fields["signature"].replace("1764000000", "1764007200")
    assert "altered" in refused(signer, repacked({**fields, "signature": younger}))


def test_a_maximum_age(clock: Clock) -> None:
    """RL10: a token is accepted until its maximum age, counted from its issue; without one, for ever."""
    signers = [TokenSigner(SECRET, HOUR_S), TokenSigner(SECRET, timedelta(hours=1))]
    text = signers[0].encode(TOKEN)
    clock.now += HOUR_S - 1
    assert [signer.decode(text) for signer in signers] == [TOKEN, TOKEN]
    clock.now += 2
    for signer in signers:
        assert refused(signer, text) == "it was issued more than 3600 seconds ago"
    clock.now -= 10 * HOUR_S  # another machine's clock may be late
    assert signers[0].decode(text) == TOKEN
    clock.now += 10**9
    assert TokenSigner(SECRET).decode(text) == TOKEN


def test_rotation() -> None:
    """RL10: of several secrets the first signs, and all are accepted."""
    old, both, new = TokenSigner("old"), TokenSigner(["new", "old"]), TokenSigner(("new",))
    assert both.decode(old.encode(TOKEN)) == TOKEN
    assert new.decode(both.encode(TOKEN)) == TOKEN
    assert "signature" in refused(new, old.encode(TOKEN))
    assert "signature" in refused(old, both.encode(TOKEN))


@pytest.mark.parametrize("token", [None, 5, "", " ", "a b", "äöü", "e30", "A" * 5000, TOKEN.encode()])
def test_what_is_no_token(token: object) -> None:
    """RL10: what is no token, or one that is not signed, is refused as without a secret."""
    refused(TokenSigner(SECRET), token)


def test_clients() -> None:
    """RL10, R23: a client with a secret signs, and takes only what it, or who has the same secret, signed."""
    ld_client = FakeLDClient()
    signing_client, plain = AIClient(ld_client, token_secret=SECRET), AIClient(ld_client)
    tracker = signing_client.completion_config("my-config", CONTEXT).create_tracker()
    token = tracker.resumption_token
    assert token == tracker.summary.resumption_token
    assert AIClient(ld_client, token_secret=[b"x", SECRET]).create_tracker(token, CONTEXT).run_id == tracker.run_id
    unsigned = plain.completion_config("my-config", CONTEXT).create_tracker().resumption_token
    assert list(fields_of(unsigned)) == ["runId", "configKey", "version"]
    for client, bad in ((signing_client, unsigned), (AIClient(ld_client, token_secret=OTHER), token)):
        with pytest.raises(InvalidResumptionToken):
            client.create_tracker(bad, CONTEXT)
    assert plain.create_tracker(token, CONTEXT).run_id == tracker.run_id
    assert AIConfigTracker.from_resumption_token(token, ld_client, CONTEXT).run_id == tracker.run_id


def test_to_be_resumed_makes_a_token_no_younger(clock: Clock) -> None:
    """RL10: a tracker that was made from a signed token hands on that token."""
    client = AIClient(FakeLDClient(), token_secret=SECRET, token_max_age=HOUR_S)
    token = client.completion_config("my-config", CONTEXT).create_tracker().resumption_token
    clock.now += HOUR_S / 2
    assert client.create_tracker(token, CONTEXT).resumption_token == token
    assert client.create_tracker(token, CONTEXT).summary.resumption_token == token


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        (5, "token_secret: expected a string, bytes, or several of them, got int"),
        ({"a"}, "token_secret: expected a string, bytes, or several of them, got set"),
        (["a", 5], "token_secret: expected strings or bytes, got int"),
        ("", "token_secret: expected secrets that are not empty"),
        (["a", b""], "token_secret: expected secrets that are not empty"),
        ([], "token_secret: expected at least one secret, got none"),
    ],
)
def test_wrong_secrets(secret: Any, message: str) -> None:
    """What is no secret is refused, and not repeated."""
    with pytest.raises((TypeError, ValueError), match=message):
        AIClient(FakeLDClient(), token_secret=secret)


@pytest.mark.parametrize("age", [0, -1, float("inf"), float("nan"), timedelta(0)])
def test_wrong_ages(age: Any) -> None:
    """So is what is no age, and an age without a secret."""
    with pytest.raises(ValueError, match="token_max_age: expected a number above 0, got"):
        AIClient(FakeLDClient(), token_secret=SECRET, token_max_age=age)
    with pytest.raises(ValueError, match="token_max_age: expected a token_secret with it"):
        AIClient(FakeLDClient(), token_max_age=HOUR_S)
    with pytest.raises(TypeError, match="token_max_age: expected a number above 0, got str"):
        AIClient(FakeLDClient(), token_secret=SECRET, token_max_age="1")  # type: ignore[arg-type]  # that is the point
