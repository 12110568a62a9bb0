"""Binance's door: worked signatures, and every refusal in its order."""

from __future__ import annotations

import pytest

from portfolio_lab.demo import binance_auth as door
from portfolio_lab.demo.binance_errors import BinanceRefusal

NOW_MS = 1_700_000_000_000


def test_signature_of_the_worked_example() -> None:
    # HMAC-SHA256("key", "The quick brown fox jumps over the lazy dog"): a published vector.
    message = b"The quick brown fox jumps over the lazy dog"

    expected = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert door.signature_of("key", message) == expected


def test_what_is_signed_is_query_then_body_as_sent() -> None:
    sent = door.SentBytes("timestamp=1&symbol=A%2fB&signature=00", "x=1%20y&signature=11")

    assert sent.signed_bytes == b"timestamp=1&symbol=A%2fBx=1%20y"
    assert sent.parameters["symbol"] == "A/B"


def test_one_changed_byte_breaks_the_signature() -> None:
    query = "timestamp=1&recvWindow=5000"
    good = door.signature_of("s3cret", query.encode())
    door.check_signature(door.SentBytes(f"{query}&signature={good}", ""), "s3cret")

    with pytest.raises(BinanceRefusal) as refusal:
        door.check_signature(door.SentBytes(f"timestamp=2&recvWindow=5000&signature={good}", ""), "s3cret")
    assert (refusal.value.status, refusal.value.code) == (400, -1022)


def test_signature_of_other_than_ascii_is_refused_and_does_not_crash() -> None:
    with pytest.raises(BinanceRefusal) as refusal:
        door.check_signature(door.SentBytes("timestamp=1&signature=%C3%A9", ""), "s3cret")
    assert refusal.value.code == -1022


@pytest.mark.parametrize("header", [None, "", "two words", "clé"])
def test_header_that_is_no_key(header: str | None) -> None:
    with pytest.raises(BinanceRefusal) as refusal:
        door.check_key_format(header)
    assert (refusal.value.status, refusal.value.code) == (401, -2014)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, -1102),
        ({"timestamp": ""}, -1102),
        ({"timestamp": "soon"}, -1100),
        ({"timestamp": str(NOW_MS), "recvWindow": "60001"}, -1131),
        ({"timestamp": str(NOW_MS + 1001)}, -1021),
        ({"timestamp": str(NOW_MS - 5001)}, -1021),
        ({"timestamp": str(NOW_MS - 10_001), "recvWindow": "10000"}, -1021),
    ],
)
def test_time_stamps_that_are_refused(parameters: dict[str, str], code: int) -> None:
    with pytest.raises(BinanceRefusal) as refusal:
        door.check_timing(parameters, now_ms=NOW_MS)
    assert (refusal.value.status, refusal.value.code) == (400, code)


@pytest.mark.parametrize("stamp", [NOW_MS - 5000, NOW_MS, NOW_MS + 1000])
def test_time_stamps_on_the_edge_pass(stamp: int) -> None:
    door.check_timing({"timestamp": str(stamp)}, now_ms=NOW_MS)


def test_ahead_and_behind_say_different_things() -> None:
    with pytest.raises(BinanceRefusal, match="1000ms ahead of the server's time"):
        door.check_timing({"timestamp": str(NOW_MS + 90_000)}, now_ms=NOW_MS)
    with pytest.raises(BinanceRefusal, match="outside of the recvWindow"):
        door.check_timing({"timestamp": str(NOW_MS - 90_000)}, now_ms=NOW_MS)
