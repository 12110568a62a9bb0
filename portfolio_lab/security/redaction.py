"""One place that takes secrets out of texts: known values in every usual spelling, and tell-tale patterns.

A formatter works on the final string of a log line, tracebacks included, so that a secret
cannot slip by in an argument, an exception's text or a chained cause.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from urllib.parse import quote, quote_plus

from portfolio_lab.models.accounts import Credentials

HIDDEN = "<hidden>"
SHORTEST_SECRET = 4

# No value reaches over a backslash: in JSON it would take the escape of a closing quote with it.
_PATTERNS = (
    # a signed query: name=value up to the next separator
    re.compile(
        r"(?i)\b(signature|sign|apikey|api_key|api-key|secret|passphrase|password|token)(=|%3D)([^&\s\"'<>\\]+)"
    ),
    # headers and dict reprs: 'X-MBX-APIKEY': 'value', OK-ACCESS-SIGN: value
    re.compile(r"(?i)\b(X-MBX-APIKEY|OK-ACCESS-[A-Z]+)([\"']?\s*[:=]\s*[\"']?)([^\"'\s,;}\\]+)"),
    re.compile(r"(?i)\b(apiKey|api_key|secret|passphrase|password)([\"']\s*:\s*[\"'])([^\"'\\]+)"),
    # user:password@ inside an address
    re.compile(r"(://)([^/\s:@\"']*:)([^/\s@\"'\\]+)(?=@)"),
)

_spellings: set[str] = set()


def register_secret(value: str) -> None:
    """Have `value`, and its base64, hexadecimal, URL and JSON spellings, hidden from every text from now on.

    Values shorter than 4 characters are left alone: hiding them would blot out ordinary words.
    """
    if len(value) < SHORTEST_SECRET:
        return
    # A key in PEM form is many lines, and a text may show any one of them.
    for part in {value, *(line for line in value.splitlines() if not line.startswith("-----"))}:
        _spellings.update(spelling for spelling in _spelt(part) if len(spelling) >= SHORTEST_SECRET)


def register_credentials(credentials: Credentials) -> None:
    """Have every field of the credentials hidden from every text from now on."""
    for value in (credentials.key, credentials.secret, credentials.passphrase):
        if value is not None:
            register_secret(value)


def redact(text: str) -> str:
    """Return the text without any registered secret and without what looks like one."""
    for spelling in sorted(_spellings, key=len, reverse=True):
        text = text.replace(spelling, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1\2{HIDDEN}", text)
    return text


def looks_secret(name: str) -> bool:
    """Return True when a parameter of this name could only be asking for a secret."""
    return bool(re.search(r"(?i)secret|passphrase|password|passwd|token|credential|api_?key|signature|private", name))


def is_registered(text: str) -> bool:
    """Return True when the text holds a registered secret in any spelling."""
    return any(spelling in text for spelling in _spellings)


def pin_foreign_loggers() -> None:
    """Keep ccxt's logger at INFO: at DEBUG it writes request headers, the OKX passphrase among them."""
    for name in ("ccxt", "ccxt.base.exchange"):
        logging.getLogger(name).setLevel(logging.INFO)


class RedactingFormatter(logging.Formatter):
    """A formatter whose final string, traceback included, holds no secret."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the log line, redacted as a whole."""
        return redact(super().format(record))


def _spelt(value: str) -> set[str]:
    octets = value.encode()
    plain = {
        value,
        quote(value, safe=""),
        quote_plus(value),
        json.dumps(value)[1:-1],
        octets.hex(),
        octets.hex().upper(),
    }
    return plain | _in_base64(octets)


def _in_base64(octets: bytes) -> set[str]:
    # Inside a longer text a value may start at any of three places of a base64 group; the
    # characters that do not depend on its neighbours are the same wherever it stands.
    spellings = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + octets).decode()
        lead = -(-offset * 8 // 6)
        sure = encoded[lead : (offset + len(octets)) * 8 // 6]
        spellings |= {sure, sure.replace("+", "-").replace("/", "_")}
    return spellings
