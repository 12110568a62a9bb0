"""No spelling of a secret survives a log line, and innocent words do."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.security import RedactingFormatter, redact, redaction, register_secret

SECRET = "cAnary+/se cret=42"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_spellings", set())
    register_secret(SECRET)


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_spelling_is_hidden(spelt: str) -> None:
    hidden = redact(f"before {spelt} after")
    assert spelt not in hidden
    assert "before" in hidden
    assert "after" in hidden


@pytest.mark.parametrize("lead", ["", "u", "us", "use", "user:"])
def test_base64_of_a_longer_text_is_hidden(lead: str) -> None:
    encoded = base64.b64encode(f"{lead}{SECRET}".encode()).decode()
    assert "<hidden>" in redact(encoded)
    assert encoded not in redact(encoded)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("GET /api/v3/account?timestamp=1&signature=deadbeef01", "deadbeef01"),
        ("{'X-MBX-APIKEY': 'abc123'}", "abc123"),
        ("OK-ACCESS-PASSPHRASE: hunter2", "hunter2"),
        ('{"OK-ACCESS-SIGN": "q1w2e3=="}', "q1w2e3"),
        ("{'secret': 'topmost'}", "topmost"),
        ("https://someone:letmein@example.org/x", "letmein"),
    ],
)
def test_tell_tale_patterns_are_hidden_without_registration(text: str, gone: str) -> None:
    assert gone not in redact(text)


@pytest.mark.parametrize(
    "text", ["the passphrase is wrong or the file is damaged", "no passphrase: set it", "design=4"]
)
def test_ordinary_sentences_stay(text: str) -> None:
    assert redact(text) == text


def test_a_traceback_with_a_chained_cause_is_redacted() -> None:
    stream = io.StringIO()
    written = logging.StreamHandler(stream)
    written.setFormatter(RedactingFormatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("test_redaction")
    logger.propagate = False
    logger.addHandler(written)
    try:
        fail_twice()
    except RuntimeError:
        logger.exception("it failed with %s", SECRET)
    logger.removeHandler(written)
    assert "ValueError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    ['say "signature=beef01"', "X-MBX-APIKEY: beef01\n", "{'secret': 'beef01\\n'}", 'json://me:beef01@host"', SECRET],
)
def test_json_that_was_redacted_is_json_still(text: str) -> None:
    hidden = redact(json.dumps({"source": [text, json.dumps(text)]}))
    assert "beef01" not in hidden
    assert set(json.loads(hidden)) == {"source"}


def test_every_line_of_a_pem_secret_is_hidden() -> None:
    register_secret("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIPlantedLine\n-----END PRIVATE KEY-----\n")
    assert redact("saw BCIEIPlantedLine there") == "saw <hidden> there"


def test_short_values_do_not_blot_out_words() -> None:
    register_secret("a")
    assert redact("a balance") == "a balance"


@given(st.text(min_size=12, max_size=40), st.binary(max_size=5), st.binary(max_size=5))
def test_no_secret_survives_in_base64_wherever_it_stands(secret: str, lead: bytes, tail: bytes) -> None:
    register_secret(secret)
    encoded = base64.b64encode(lead + secret.encode() + tail).decode()
    assert redact(encoded) != encoded


def fail_twice() -> None:
    try:
        int(SECRET)
    except ValueError as cause:
        msg = f"signature={SECRET}"
        raise RuntimeError(msg) from cause
