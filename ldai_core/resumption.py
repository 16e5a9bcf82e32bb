"""Resumption tokens: what carries a run to another process.

A token is compact JSON in URL-safe Base64 without padding. It holds which run it was, of which config and variation;
never model, provider or context. Whoever has one can read it; see `ldai_core.signing` for those that are signed.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from ldai_core.values import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InvalidResumptionToken", "ResumptionToken", "pack", "refuse", "unpack"]

LONGEST = 4096
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_BOM = b"\xef\xbb\xbf"

_quote_raw = json.JSONEncoder(ensure_ascii=False).encode
_quote_ascii = json.JSONEncoder(ensure_ascii=True).encode


class InvalidResumptionToken(ValueError):  # noqa: N818  # the name is fixed by the public API
    """A resumption token that cannot be read. The message names the fault, never what the token holds."""


@dataclass(frozen=True, slots=True)
class ResumptionToken:
    """What a resumption token holds.

    `variation_key` is empty and `graph_key` None where the token has none. The fields are those of
    LaunchDarkly's own SDKs, which read these tokens, and whose tokens are read here.
    """

    run_id: str
    config_key: str
    version: int
    variation_key: str = ""
    graph_key: str | None = None

    def encode(self) -> str:
        """Write the token: text that is safe in a URL, an attribute or a cookie.

        One that gets longer than 4 KiB, by keys of thousands of characters, cannot be read back.
        """
        return pack(self.to_json())

    def to_json(self) -> bytes:
        """Write the JSON that a token holds."""
        try:
            return self._json(_quote_raw).encode()
        except UnicodeEncodeError:  # a lone surrogate, which UTF-8 does not have
            return self._json(_quote_ascii).encode()

    def _json(self, quote: Callable[[str], str]) -> str:
        """Write the fields in their order, without those that are empty."""
        variation = f',"variationKey":{quote(self.variation_key)}' if self.variation_key else ""
        graph = f',"graphKey":{quote(self.graph_key)}' if self.graph_key else ""
        return (
            f'{{"runId":{quote(self.run_id)},"configKey":{quote(self.config_key)}{variation}'
            f',"version":{self.version:d}{graph}}}'
        )

    @staticmethod
    def decode(text: object) -> ResumptionToken:
        """Read a token, padded or not, in the URL-safe or the standard alphabet.

        Raises InvalidResumptionToken, and nothing else, for whatever is not one.
        """
        return ResumptionToken.from_json(unpack(text))

    @staticmethod
    def from_json(raw: bytes) -> ResumptionToken:
        """Read the JSON that a token holds. Raises InvalidResumptionToken, and nothing else."""
        fields = _object(_json(raw))
        return ResumptionToken(
            run_id=_run_id(fields),
            config_key=_text(fields, "configKey") or refuse("the field configKey is empty"),
            version=_version(fields),
            variation_key=_text(fields, "variationKey", optional=True),
            graph_key=_text(fields, "graphKey", optional=True) or None,
        )


def refuse(fault: str) -> NoReturn:
    """Raise the error of a token that has this fault."""
    raise InvalidResumptionToken(f"Invalid resumption token: {fault}") from None


def pack(raw: bytes) -> str:
    """Write a token's JSON as text: URL-safe Base64 without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unpack(text: object) -> bytes:
    """Read a token's JSON from its text, padded or not, in the URL-safe or the standard alphabet."""
    if not isinstance(text, str):
        refuse(f"it is not text but {type(text).__name__}")
    if len(text) > LONGEST:
        refuse(f"it is longer than {LONGEST} characters")
    if not text:
        refuse("it is empty")
    body = text.rstrip("=")
    if not _BASE64.fullmatch(text) or (len(text) != len(body) and len(text) % 4):
        refuse("it is not Base64")
    try:
        return urlsafe_b64decode(body.translate({43: 45, 47: 95}) + "=" * (-len(body) % 4))
    except binascii.Error:
        refuse("it is not Base64")


def _json(raw: bytes) -> object:
    if raw.startswith(_BOM):
        refuse("it begins with a byte-order mark")
    # Outside of the handlers, for the errors of these hold what the token holds.
    text = value = None
    with suppress(UnicodeDecodeError):
        text = raw.decode()
    if text is None:
        refuse("it is not UTF-8")
    with suppress(ValueError, RecursionError):
        value = (json.loads(text, parse_constant=_no_json),)
    return refuse("it is not JSON") if value is None else value[0]


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and the infinities


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else refuse("it is not a JSON object")


def _text(fields: dict[str, object], name: str, *, optional: bool = False) -> str:
    value = fields.get(name)
    if isinstance(value, str):
        return value
    if value is not None:
        refuse(f"the field {name} is not a string")
    return "" if optional else refuse(f"the field {name} is missing")


def _run_id(fields: dict[str, object]) -> str:
    run_id = _text(fields, "runId")
    return run_id if _UUID.fullmatch(run_id) else refuse("the field runId is not a UUID with dashes")


def _version(fields: dict[str, object]) -> int:
    version = fields.get("version")
    if version is None:
        refuse("the field version is missing")
    if type(version) is not int:
        refuse("the field version is not an integer")
    return version if abs(version) <= LARGEST else refuse("the field version is too large an integer")
