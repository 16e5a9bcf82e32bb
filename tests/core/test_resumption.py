from __future__ import annotations

import base64
import contextlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldai_core import AIClient, AIConfigTracker, FeedbackKind, InvalidResumptionToken, ResumptionToken
from tests.core.doubles import CONTEXT, RUN_ID, FakeLDClient, make_tracker, warnings_in

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("token-vectors.json").read_text("utf-8"))

# How a token of this run begins: `{"runId":"11111111-1111-4111-8111-111111111111","configKey":`.
LEAD = "eyJydW5JZCI6IjExMTExMTExLTExMTEtNDExMS04MTExLTExMTExMTExMTExMSIsImNvbmZpZ0tleSI6"


def encode(text: str | bytes) -> str:
    """Write what is no token of ours as one: text in Base64, unchecked."""
    raw = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def token_of(**changes: Any) -> str:
    """Write a token whose fields are good, but for those that are given."""
    return encode(json.dumps({"runId": RUN_ID, "configKey": "my-config", "version": 3} | changes))


def token_without(field: str) -> str:
    """Write a token that lacks a field."""
    fields = {"runId": RUN_ID, "configKey": "my-config", "variationKey": "v1", "version": 3}
    del fields[field]
    return encode(json.dumps(fields))


def token_in_full(config_key: str, version: int) -> str:
    """Write the token of a run without a variation."""
    return encode(f'{{"runId":"{RUN_ID}","configKey":"{config_key}","version":{version}}}')


def padded(token: str) -> str:
    """Pad a token as Base64 demands."""
    return token + "=" * (-len(token) % 4)


def decode(token: Any) -> ResumptionToken:
    """Decode what the type checkers would refuse, too."""
    return ResumptionToken.decode(token)


@pytest.mark.parametrize(
    ("sdk", "index"), [(sdk, index) for sdk, tokens in VECTORS["tokens"].items() for index in range(len(tokens))]
)
def test_tokens_of_the_official_sdks_are_read(sdk: str, index: int) -> None:
    """C3: a token that one of the official SDKs wrote decodes to what went into it."""
    expected = VECTORS["inputs"][index]
    # Ruby's encoder knows no graph key, so none went into its tokens.
    graph_key = None if sdk == "ruby" else expected.get("graphKey") or None
    assert ResumptionToken.decode(VECTORS["tokens"][sdk][index]) == ResumptionToken(
        expected["runId"], expected["configKey"], expected["version"], expected["variationKey"], graph_key
    )


def test_every_official_sdk_has_its_tokens_here() -> None:
    """C3: six SDKs, and each has a token for each input."""
    assert sorted(VECTORS["tokens"]) == ["dotnet", "go", "java", "js", "python", "ruby"]
    assert {len(tokens) for tokens in VECTORS["tokens"].values()} == {len(VECTORS["inputs"])} == {6}


@pytest.mark.parametrize(
    ("token", "text", "encoded"),
    [
        (
            ResumptionToken(RUN_ID, "my-config", 3, "v1"),
            f'{{"runId":"{RUN_ID}","configKey":"my-config","variationKey":"v1","version":3}}',
            f"{LEAD}Im15LWNvbmZpZyIsInZhcmlhdGlvbktleSI6InYxIiwidmVyc2lvbiI6M30",
        ),
        (
            ResumptionToken(RUN_ID, "my-config", 1),
            f'{{"runId":"{RUN_ID}","configKey":"my-config","version":1}}',
            f"{LEAD}Im15LWNvbmZpZyIsInZlcnNpb24iOjF9",
        ),
        (
            ResumptionToken(RUN_ID, "my-config", 3, "v1", "g1"),
            f'{{"runId":"{RUN_ID}","configKey":"my-config","variationKey":"v1","version":3,"graphKey":"g1"}}',
            f"{LEAD}Im15LWNvbmZpZyIsInZhcmlhdGlvbktleSI6InYxIiwidmVyc2lvbiI6MywiZ3JhcGhLZXkiOiJnMSJ9",
        ),
        (
            ResumptionToken(RUN_ID, "my-config", 3, "", "g1"),
            f'{{"runId":"{RUN_ID}","configKey":"my-config","version":3,"graphKey":"g1"}}',
            f"{LEAD}Im15LWNvbmZpZyIsInZlcnNpb24iOjMsImdyYXBoS2V5IjoiZzEifQ",
        ),
        (
            ResumptionToken(RUN_ID, "my-config", 1, "", ""),
            f'{{"runId":"{RUN_ID}","configKey":"my-config","version":1}}',
            f"{LEAD}Im15LWNvbmZpZyIsInZlcnNpb24iOjF9",
        ),
        (
            ResumptionToken(RUN_ID, "clé-日本-😀", 7),
            f'{{"runId":"{RUN_ID}","configKey":"clé-日本-😀","version":7}}',
            f"{LEAD}ImNsw6kt5pel5pysLfCfmIAiLCJ2ZXJzaW9uIjo3fQ",
        ),
        (
            ResumptionToken(RUN_ID, "clé-\ud800", 7),
            f'{{"runId":"{RUN_ID}","configKey":"cl\\u00e9-\\ud800","version":7}}',
            f"{LEAD}ImNsXHUwMGU5LVx1ZDgwMCIsInZlcnNpb24iOjd9",
        ),
    ],
)
def test_the_exact_form_of_a_token(token: ResumptionToken, text: str, encoded: str) -> None:
    """R21, C3: compact JSON in its order, empty keys omitted, raw UTF-8, URL-safe Base64 without padding."""
    assert token.encode() == encoded
    assert encode(text) == encoded


def test_a_token_uses_the_url_safe_alphabet() -> None:
    """C3: what is `+` or `/` in the standard alphabet is `-` or `_` in a token."""
    encoded = ResumptionToken(RUN_ID, "???>>>", 1, "ÿþ~~?>").encode()
    assert {"-", "_"} <= set(encoded)
    assert not {"+", "/", "="} & set(encoded)


def test_a_tracker_writes_neither_model_nor_provider() -> None:
    """R21: a tracker's token holds `runId`, `configKey`, `variationKey` and `version`, never model or provider."""
    tracker = make_tracker(FakeLDClient(), model_key="k", model_version=2)
    assert tracker.resumption_token == ResumptionToken(RUN_ID, "my-config", 3, "v1").encode()
    assert make_tracker(FakeLDClient(), variation_key="").resumption_token == token_in_full("my-config", 3)


def test_a_tracker_is_restored() -> None:
    """R22: decoding restores run, config, variation and version; model and provider are `''`."""
    token = make_tracker(FakeLDClient(), graph_key="g").resumption_token
    tracker = AIConfigTracker.from_resumption_token(token, FakeLDClient(), CONTEXT)
    assert (tracker.run_id, tracker.config_key, tracker.variation_key) == (RUN_ID, "my-config", "v1")
    assert (tracker.version, tracker.graph_key) == (3, "g")
    assert (tracker.model_name, tracker.provider_name) == ("", "")
    assert (tracker.model_key, tracker.model_version) == (None, None)
    assert tracker.context is CONTEXT
    assert tracker.resumption_token == token


def test_a_variation_key_defaults_to_nothing() -> None:
    """R22: without a variation key in the token, the tracker's is `''`."""
    tracker = AIConfigTracker.from_resumption_token(token_of(), FakeLDClient(), CONTEXT)
    assert (tracker.variation_key, tracker.graph_key) == ("", None)


def test_a_run_is_resumed_with_nothing_but_its_token() -> None:
    """R23, R24: a client that knows no config records for the original run, with `''` for the names."""
    served = {"_ldMeta": {"enabled": True, "variationKey": "v1", "version": 3}, "model": {"name": "gpt-4o"}}
    config = AIClient(FakeLDClient({"my-config": served})).completion_config("my-config", CONTEXT)
    original = config.create_tracker()

    elsewhere = FakeLDClient()
    client = AIClient(elsewhere)
    elsewhere.asked.clear()
    elsewhere.events.clear()
    client.create_tracker(original.resumption_token, CONTEXT).track_feedback(FeedbackKind.POSITIVE)
    assert elsewhere.asked == ["$ld:ai:feedback:user:positive"]
    (event,) = elsewhere.events
    assert event.context is CONTEXT
    assert list(event.data.items()) == [
        ("runId", original.run_id),
        ("configKey", "my-config"),
        ("version", 3),
        ("modelName", ""),
        ("providerName", ""),
        ("variationKey", "v1"),
    ]


def test_a_resumed_tracker_has_guards(caplog: pytest.LogCaptureFixture) -> None:
    """R24, R18: a tracker that was resumed records at most once, too."""
    ld_client = FakeLDClient()
    tracker = AIClient(ld_client).create_tracker(token_of(), CONTEXT)
    tracker.track_feedback(FeedbackKind.POSITIVE)
    tracker.track_feedback(FeedbackKind.NEGATIVE)
    assert ld_client.sent[1:] == [("$ld:ai:feedback:user:positive", 1)]
    assert len(warnings_in(caplog)) == 1


def test_a_bad_token_is_refused_wherever_it_comes_in() -> None:
    """R23, C3: `create_tracker` and `from_resumption_token` refuse what `decode` refuses: a ValueError."""
    assert issubclass(InvalidResumptionToken, ValueError)
    with pytest.raises(InvalidResumptionToken):
        AIClient(FakeLDClient()).create_tracker("!", CONTEXT)
    with pytest.raises(InvalidResumptionToken):
        AIConfigTracker.from_resumption_token("!", FakeLDClient(), CONTEXT)


def test_a_run_without_a_uuid_is_not_resumed() -> None:
    """C3: a tracker made by hand with a `run_id` that is no UUID works, but its token cannot be read back."""
    ld_client = FakeLDClient()
    tracker = make_tracker(ld_client, run_id="run-1")
    tracker.track_success()
    assert ld_client.events[0].data["runId"] == "run-1"
    with pytest.raises(InvalidResumptionToken, match="runId"):
        ResumptionToken.decode(tracker.resumption_token)


@pytest.mark.parametrize("config_key", ["?", "??", "???", "ÿ>~?", "🙂>>>"])
def test_padding_and_alphabet_are_free(config_key: str) -> None:
    """C3: with or without padding, in the URL-safe or the standard alphabet, a token decodes to the same."""
    token = ResumptionToken(RUN_ID, config_key, 1, "???>>>")
    encoded = token.encode()
    standard = encoded.replace("-", "+").replace("_", "/")
    assert standard != encoded
    for spelling in (encoded, padded(encoded), standard, padded(standard)):
        assert ResumptionToken.decode(spelling) == token


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"runId": RUN_ID.upper().replace("1", "A")}, {"run_id": "A" * 8 + "-AAAA-4AAA-8AAA-" + "A" * 12}),
        ({"runId": "00000000-0000-0000-0000-000000000000"}, {"run_id": "00000000-0000-0000-0000-000000000000"}),
        ({"version": 0}, {"version": 0}),
        ({"version": -1}, {"version": -1}),
        ({"variationKey": None, "graphKey": None}, {}),
        ({"variationKey": "", "graphKey": ""}, {}),
        ({"variationKey": "v", "graphKey": "g"}, {"variation_key": "v", "graph_key": "g"}),
        ({"configKey": " "}, {"config_key": " "}),
        ({"configKey": "\ud800"}, {"config_key": "\ud800"}),
        ({"modelName": "gpt-4o", "claims": [{"a": 1.5}, None], "": True}, {}),
    ],
)
def test_what_decoding_accepts(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """C3: a UUID in either case, any integer, null as absent, and unknown fields, which are ignored."""
    facts: dict[str, Any] = {"run_id": RUN_ID, "config_key": "my-config", "version": 3}
    assert ResumptionToken.decode(token_of(**changes)) == ResumptionToken(**(facts | expected))


WHOLE = token_in_full("my-config", 3)
assert len(WHOLE) % 4 == 0  # so that any padding is junk


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        (None, "text|str"),
        (5, "text|str"),
        (b"", "text|str"),
        (WHOLE.encode(), "text|str"),
        ([WHOLE], "text|str"),
        ("!", "Base64"),
        ("A", "Base64"),
        (WHOLE + "A", "Base64"),
        (WHOLE[:8] + "é" + WHOLE[9:], "Base64"),
        (WHOLE[:8] + "\uff21" + WHOLE[9:], "Base64"),  # a full-width A
        (WHOLE[:8] + "\ud800" + WHOLE[9:], "Base64"),
        (WHOLE[:8] + "\0" + WHOLE[9:], "Base64"),
        (WHOLE[:8] + "." + WHOLE[8:], "Base64"),
        (WHOLE[:8] + "=" + WHOLE[9:], "Base64"),
        (WHOLE + "=", "Base64"),
        (WHOLE + "====", "Base64"),
        ("====", "Base64"),
        (WHOLE + " ", "Base64|whitespace"),
        (WHOLE + "\n", "Base64|whitespace"),
        (" " + WHOLE, "Base64|whitespace"),
        (WHOLE[:8] + " " + WHOLE[8:], "Base64|whitespace"),
        (WHOLE[:76] + "\r\n" + WHOLE[76:], "Base64|whitespace"),
        (WHOLE[:8] + "\u00a0" + WHOLE[8:], "Base64|whitespace"),
        (encode(b"\xff\xfe{}"), "UTF-8"),
        (encode(b'{"runId":"\xed\xa0\x80"}'), "UTF-8"),  # a surrogate, raw
        (encode('{"runId":1}'.encode("utf-16")), "UTF-8"),
        (encode('{"runId":1}'.encode("utf-16-le")), "not JSON"),
        (encode(b"\xef\xbb\xbf" + base64.urlsafe_b64decode(WHOLE)), "byte-order mark"),
        (encode("{"), "not JSON"),
        (encode("my-config"), "not JSON"),
        (encode("{'runId':1}"), "not JSON"),
        (encode(base64.urlsafe_b64decode(WHOLE) + b"{}"), "not JSON"),
        (encode(base64.urlsafe_b64decode(WHOLE)[:-1] + b',"x":NaN}'), "not JSON"),
        (encode(base64.urlsafe_b64decode(WHOLE)[:-1] + b',"x":-Infinity}'), "not JSON"),
        (encode("[" * 3000), "not JSON"),
        (encode("[]"), "object"),
        (encode("null"), "object"),
        (encode("true"), "object"),
        (encode("1"), "object"),
        (encode('"my-config"'), "object"),
        (encode(f'[{{"runId":"{RUN_ID}","configKey":"my-config","version":3}}]'), "object"),
        (token_of(x="x" * 4000), r"(?i)long|4 KiB|4096"),
        ("A" * 4097, r"(?i)long|4 KiB|4096"),
        ("A" * 10_000_000, r"(?i)long|4 KiB|4096"),
    ],
)
def test_what_is_no_token_is_refused(token: Any, fault: str) -> None:
    """C3: what is no token is refused with a message that names the fault."""
    with pytest.raises(InvalidResumptionToken, match=fault):
        decode(token)


def test_an_empty_token_is_refused() -> None:
    """C3: nothing at all is no token, and the message says that it was nothing."""
    with pytest.raises(InvalidResumptionToken, match="empty"):
        ResumptionToken.decode("")


WRONG: dict[str, list[Any]] = {
    "runId": [
        *(1, True, [], {}, "", "run-1"),
        RUN_ID.replace("-", ""),
        "{" + RUN_ID + "}",
        "urn:uuid:" + RUN_ID,
        RUN_ID + "\n",
        " " + RUN_ID,
        RUN_ID[:-1] + "g",
        RUN_ID[:-1] + "\uff11",  # a full-width 1
        "1111-11111111-4111-8111-111111111111",
    ],
    "configKey": ["", 1, True, [], {}],
    "version": [True, False, 1.0, 1.5, 1e3, "1", "", [], {}],
    "variationKey": [1, False, 1.5, [], {}],
    "graphKey": [1, False, 1.5, [], {}],
}


@pytest.mark.parametrize("field", ["runId", "configKey", "version"])
def test_a_field_that_is_missing_is_named(field: str) -> None:
    """C3: a token that lacks a field, or has null for it, is refused with a message that says so."""
    for token in (token_without(field), token_of(**{field: None})):
        with pytest.raises(InvalidResumptionToken, match=rf"{field}.* missing|missing.* {field}"):
            ResumptionToken.decode(token)


@pytest.mark.parametrize(
    ("token", "field"),
    [
        *((token_of(**{field: value}), field) for field, values in WRONG.items() for value in values),
    ],
)
def test_a_bad_field_is_named(token: str, field: str) -> None:
    """C3: a field of a wrong type is refused with a message that names it."""
    with pytest.raises(InvalidResumptionToken, match=field):
        ResumptionToken.decode(token)


def test_a_token_may_be_four_kibibytes_long() -> None:
    """C3: a token of 4 KiB is read, and one that is longer is refused."""
    empty = len(json.dumps({"runId": RUN_ID, "configKey": "my-config", "version": 3, "x": ""}))
    longest, longer = (token_of(x="x" * (length - empty)) for length in (4096 * 3 // 4, 4096 * 3 // 4 + 1))
    assert (len(longest), len(longer)) == (4096, 4098)
    assert ResumptionToken.decode(longest) == ResumptionToken(RUN_ID, "my-config", 3)
    with pytest.raises(InvalidResumptionToken, match=r"(?i)long|4 KiB|4096"):
        ResumptionToken.decode(longer)


@pytest.mark.parametrize("nesting", ["[", '{"a":'])
def test_deep_nesting_is_no_recursion_error(nesting: str) -> None:
    """C3: on nesting too deep for the parser, nothing but `InvalidResumptionToken` escapes."""
    depth = 1400 if nesting == "[" else 450
    inner = nesting * depth + "1" + {"[": "]", '{"a":': "}"}[nesting] * depth
    for text in (inner, nesting * depth, f'{{"runId":"{RUN_ID}","configKey":"k","version":1,"x":{inner}}}'):
        assert len(encode(text)) <= 4096
        with contextlib.suppress(InvalidResumptionToken):
            assert ResumptionToken.decode(encode(text)) == ResumptionToken(RUN_ID, "k", 1)


@pytest.mark.parametrize("limit", [640, 0])
def test_a_long_integer_is_no_value_error(limit: int) -> None:
    """C3: on an integer too long to convert, nothing but `InvalidResumptionToken` escapes."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        for version, more in (("1" * 2900, "1"), ("1", "1" * 2900)):
            text = f'{{"runId":"{RUN_ID}","configKey":"k","version":{version},"more":{more}}}'
            with contextlib.suppress(InvalidResumptionToken):
                assert ResumptionToken.decode(encode(text)).config_key == "k"
    finally:
        sys.set_int_max_str_digits(before)


SECRET = "c0ffee-do-not-log"


@pytest.mark.parametrize(
    "token",
    [
        f"{SECRET} {SECRET}",
        SECRET + "!",
        SECRET * 1000,
        SECRET.encode(),
        [SECRET],
        encode(b"\xff" + SECRET.encode()),
        encode(b"\xef\xbb\xbf" + SECRET.encode()),
        encode(SECRET),
        encode(f'"{SECRET}"'),
        encode(f'["{SECRET}"]'),
        token_of(runId=SECRET),
        token_of(runId={SECRET: SECRET}),
        token_of(configKey=[SECRET]),
        token_of(version=SECRET),
        token_of(variationKey=[SECRET]),
        token_of(graphKey={SECRET: 1}),
        token_of(configKey="", secret=SECRET),
    ],
)
def test_the_message_never_quotes_the_token(token: Any) -> None:
    """C3: the error's message never contains the token, nor what is in it; nor do the errors it came from."""
    with pytest.raises(InvalidResumptionToken) as caught:
        decode(token)
    printed = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert SECRET not in printed
    assert str(token) not in printed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "runId": st.uuids().map(str) | JSON,
        "configKey": st.text(min_size=1) | JSON,
        "variationKey": st.text() | JSON,
        "version": st.integers() | JSON,
        "graphKey": st.text() | JSON,
        "more": JSON,
    },
)


@settings(deadline=None)
@given(
    st.one_of(st.text(st.characters(exclude_categories=())), st.binary(), st.from_regex(r"\A[A-Za-z0-9+/_-]*={0,2}\Z"))
)
def test_any_text_or_bytes_raises_nothing_else(token: Any) -> None:
    """C3: whatever is given as a token, nothing but `InvalidResumptionToken` is raised."""
    with contextlib.suppress(InvalidResumptionToken):
        assert isinstance(decode(token), ResumptionToken)


@settings(deadline=None)
@given(st.binary() | JSON.map(json.dumps) | FIELDS.map(json.dumps))
def test_anything_in_base64_raises_nothing_else(content: str | bytes) -> None:
    """C3: whatever a token contains, nothing but `InvalidResumptionToken` is raised."""
    with contextlib.suppress(InvalidResumptionToken):
        assert isinstance(ResumptionToken.decode(encode(content)), ResumptionToken)


@settings(deadline=None)
@given(FIELDS)
def test_what_was_accepted_is_well_formed_and_travels_on(fields: dict[str, Any]) -> None:
    """C3: what decoding accepts has its types, is what the token held, and survives another round trip."""
    try:
        token = ResumptionToken.decode(encode(json.dumps(fields)))
    except InvalidResumptionToken:
        return
    fields = json.loads(json.dumps(fields))  # where two lone surrogates become one character
    assert (token.run_id, token.config_key) == (fields["runId"], fields["configKey"])
    assert type(token.version) is int
    assert token.version == fields["version"]
    assert token.variation_key == (fields.get("variationKey") or "")
    assert token.graph_key == (fields.get("graphKey") or None)
    assert ResumptionToken.decode(token.encode()) == token


@settings(deadline=None)
@given(
    run_id=st.uuids().map(str),
    config_key=st.text(min_size=1, max_size=50),
    version=st.integers(-(2**53) + 1, 2**53 - 1),
    variation_key=st.text(max_size=50),
    graph_key=st.none() | st.text(min_size=1, max_size=50),
)
def test_a_token_is_read_back(
    run_id: str, config_key: str, version: int, variation_key: str, graph_key: str | None
) -> None:
    """R21, R22: whatever is encoded is decoded to the same."""
    token = ResumptionToken(run_id, config_key, version, variation_key, graph_key)
    assert ResumptionToken.decode(token.encode()) == token


@pytest.mark.parametrize("version", [2**53, -(2**53), 10**400], ids=["above", "below", "huge"])
def test_a_version_that_json_may_not_carry(version: int) -> None:
    """C3: an integer beyond what every JSON reader carries exactly is refused, for it would spoil a batch of events."""
    token = ResumptionToken(RUN_ID, "my-config", version).encode()
    with pytest.raises(InvalidResumptionToken, match="version"):
        ResumptionToken.decode(token)
