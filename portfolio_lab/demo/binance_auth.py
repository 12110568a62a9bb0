"""Binance's door: who asks, when they asked, and whether the bytes are theirs.

The signature is checked over the bytes as they were sent, raw query and then raw body
without the signature itself: nothing is decoded and encoded again on the way.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from portfolio_lab.demo import binance_errors as refuse

LONGEST_WINDOW_MS = 60_000
DEFAULT_WINDOW_MS = 5_000
AHEAD_MS = 1_000


@dataclass(frozen=True, slots=True)
class SentBytes:
    """The parts of a request that a signature covers, exactly as they came over the wire."""

    query: str
    body: str

    @property
    def parameters(self) -> dict[str, str]:
        """Query and body parameters by name, decoded; the body's win, as they come later."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return dict(pairs + parse_qsl(self.body, keep_blank_values=True))

    @property
    def signed_bytes(self) -> bytes:
        """What the signature was made of."""
        return (_without_signature(self.query) + _without_signature(self.body)).encode("latin-1")


def _without_signature(part: str) -> str:
    fields = [field for field in part.split("&") if not field.startswith("signature=")]
    return "&".join(fields)


def signature_of(secret: str, message: bytes) -> str:
    """Lower-case hex HMAC-SHA256 of the message."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def check_key_format(key: str | None) -> str:
    """Return the key of the header, or raise -2014 when there is none that could be one."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise refuse.key_format()
    return key


def check_timing(parameters: dict[str, str], *, now_ms: int) -> None:
    """Raise -1102, -1131 or -1021 unless the request was made just now, by our clock."""
    timestamp = whole_number(parameters, "timestamp")
    if timestamp is None:
        raise refuse.parameter_missing("timestamp")
    window = whole_number(parameters, "recvWindow")
    window = DEFAULT_WINDOW_MS if window is None else window
    if window > LONGEST_WINDOW_MS:
        raise refuse.receive_window_too_long()
    if timestamp > now_ms + AHEAD_MS:
        raise refuse.timestamp_ahead()
    if now_ms - timestamp > window:
        raise refuse.timestamp_behind()


def check_signature(sent: SentBytes, secret: str) -> None:
    """Raise -1102 without a signature, -1022 when it is not that of the bytes sent."""
    given = sent.parameters.get("signature", "")
    if not given:
        raise refuse.parameter_missing("signature")
    if not hmac.compare_digest(given.encode(), signature_of(secret, sent.signed_bytes).encode()):
        raise refuse.signature_wrong()


def whole_number(parameters: Mapping[str, str], name: str) -> int | None:
    """The parameter as a whole number; None when it is absent, -1100 when it is not a number."""
    text = parameters.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise refuse.parameter_illegal(name)
    return int(text)
