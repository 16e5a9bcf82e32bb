"""Signed resumption tokens: who can make one is who has the secret."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from time import time

from ldai_core.arguments import check_number
from ldai_core.resumption import ResumptionToken, pack, refuse, unpack

__all__ = ["Secret", "TokenSigner"]

Secret = str | bytes | Sequence[str | bytes]

# The last field of a signed token: the time of issue, in seconds since 1970, and the signature of that and the others.
_SIGNED = re.compile(rb'(\{.+),"signature":"([0-9]{1,12})\.([A-Za-z0-9_-]{43})"\}', re.DOTALL)

# A secret that signs other things too signs no token by accident.
_PURPOSE = b"ldai resumption token"


class TokenSigner:
    """Writes and reads tokens that carry a time of issue and an HMAC-SHA256 over it and all other fields.

    Of several secrets the first signs, and all are accepted, so that they can be changed one after the other.
    """

    def __init__(self, secret: Secret, max_age: float | timedelta | None = None) -> None:
        self._secrets = _secrets(secret)
        seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
        self._max_age_s = None if seconds is None else check_number("token_max_age", seconds)

    def encode(self, token: ResumptionToken) -> str:
        """Write a token that is issued now. One that gets longer than 4 KiB cannot be read back."""
        fields, issued = token.to_json()[:-1], b"%d" % time()
        return pack(b'%s,"signature":"%s.%s"}' % (fields, issued, _signature(self._secrets[0], fields, issued)))

    def decode(self, text: object) -> ResumptionToken:
        """Read a token.

        Raises InvalidResumptionToken for one that is not signed, or was signed with another secret, or altered in any
        way, or is older than allowed, and for whatever else is no token.
        """
        raw = unpack(text)
        signed = _SIGNED.fullmatch(raw)
        if signed is None:
            refuse("it is not signed")
        fields, issued, signature = signed.groups()
        expected = [_signature(secret, fields, issued) for secret in self._secrets]
        # All are compared, and each in constant time. Base64 may be written in several ways, of which we write one.
        authentic = sum(hmac.compare_digest(signature, each) for each in expected)
        if not authentic or pack(raw) != str(text).rstrip("=").translate({43: 45, 47: 95}):
            refuse("its signature is not by this secret, or it was altered")
        if self._max_age_s is not None and time() - int(issued) > self._max_age_s:
            refuse(f"it was issued more than {self._max_age_s:g} seconds ago")
        return ResumptionToken.from_json(raw)


def _signature(secret: bytes, fields: bytes, issued: bytes) -> bytes:
    digest = hmac.digest(secret, b"\n".join((_PURPOSE, issued, fields)), sha256)
    return urlsafe_b64encode(digest).rstrip(b"=")


def _secrets(secret: Secret) -> list[bytes]:
    given = [secret] if isinstance(secret, (str, bytes)) else secret
    if not isinstance(given, Sequence):
        raise TypeError(f"token_secret: expected a string, bytes, or several of them, got {type(secret).__name__}")
    if not given:
        raise ValueError("token_secret: expected at least one secret, got none")
    secrets = []
    for each in given:
        if not isinstance(each, (str, bytes)):
            raise TypeError(f"token_secret: expected strings or bytes, got {type(each).__name__}")
        if not each:
            raise ValueError("token_secret: expected secrets that are not empty")
        secrets.append(each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each)
    return secrets
