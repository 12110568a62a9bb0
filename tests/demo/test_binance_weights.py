"""Weights by family, endpoint and minute; 429, then 418 for longer and longer."""

from __future__ import annotations

import pytest

from portfolio_lab.demo.binance_errors import BinanceRefusal
from portfolio_lab.demo.binance_weights import (
    Charge,
    Family,
    Payer,
    WeightLedger,
    WeightLimits,
)

START_MS = 1_700_000_040_000
"""The first millisecond of a minute."""

ACCOUNT = Charge(Family.FAPI, "/fapi/v3/account", 5)


def _ledger(**limits: int) -> WeightLedger:
    ledger = WeightLedger(WeightLimits())
    ledger.limits.override(limits)
    return ledger


def _ask(ledger: WeightLedger, charge: Charge, now_ms: int, *, ip: str = "1", uid: str = "7") -> dict[str, str]:
    return ledger.charge(charge, ip=ip, uid=uid, now_ms=now_ms)


def test_use_counts_up_and_starts_again_with_the_minute() -> None:
    ledger = _ledger()

    assert _ask(ledger, ACCOUNT, START_MS) == {"X-MBX-USED-WEIGHT-1M": "5"}
    assert _ask(ledger, ACCOUNT, START_MS + 59_999) == {"X-MBX-USED-WEIGHT-1M": "10"}
    assert _ask(ledger, ACCOUNT, START_MS + 60_000) == {"X-MBX-USED-WEIGHT-1M": "5"}


def test_families_and_addresses_do_not_share() -> None:
    ledger = _ledger()
    _ask(ledger, ACCOUNT, START_MS)

    assert _ask(ledger, Charge(Family.DAPI, "/dapi/v1/account", 5), START_MS)["X-MBX-USED-WEIGHT-1M"] == "5"
    assert _ask(ledger, ACCOUNT, START_MS, ip="2")["X-MBX-USED-WEIGHT-1M"] == "5"


def test_sapi_counts_by_endpoint_and_by_uid() -> None:
    ledger = _ledger()
    wallets = Charge(Family.SAPI, "/sapi/v1/asset/wallet/balance", 60)
    history = Charge(Family.SAPI, "/sapi/v1/capital/withdraw/history", 18_000, Payer.UID)
    _ask(ledger, wallets, START_MS)

    assert _ask(ledger, wallets, START_MS) == {"X-SAPI-USED-IP-WEIGHT-1M": "120"}
    assert _ask(ledger, history, START_MS) == {"X-SAPI-USED-UID-WEIGHT-1M": "18000"}
    assert _ask(ledger, history, START_MS, uid="8") == {"X-SAPI-USED-UID-WEIGHT-1M": "18000"}


def test_the_last_weight_passes_and_the_next_is_429_until_the_minute_ends() -> None:
    ledger = _ledger(fapi=10)
    _ask(ledger, ACCOUNT, START_MS)
    _ask(ledger, ACCOUNT, START_MS)

    with pytest.raises(BinanceRefusal, match="current limit is 10 request weight") as refusal:
        _ask(ledger, ACCOUNT, START_MS + 20_500)
    assert (refusal.value.status, refusal.value.code, refusal.value.retry_after) == (429, -1003, 40)
    assert _ask(ledger, ACCOUNT, START_MS + 60_000) == {"X-MBX-USED-WEIGHT-1M": "5"}


def test_going_on_is_418_and_the_second_ban_is_twice_as_long() -> None:
    ledger = _ledger(fapi=1, strikes=1, first_ban_seconds=120)
    statuses = [_status(ledger, START_MS + second * 1000) for second in range(4)]

    assert statuses == [429, 418, 418, 418]
    assert _ban_seconds(ledger, START_MS + 2_000) == 119
    after_ban = START_MS + 180_000
    assert [_status(ledger, after_ban), _status(ledger, after_ban)] == [429, 418]
    assert _ban_seconds(ledger, after_ban) == 240


def test_a_ban_names_its_end_and_spares_the_other_hosts() -> None:
    ledger = _ledger(fapi=1, strikes=0, first_ban_seconds=120)

    with pytest.raises(BinanceRefusal, match=f"IP banned until {START_MS + 120_000}"):
        _ask(ledger, ACCOUNT, START_MS)
    assert _ask(ledger, Charge(Family.API, "/api/v3/ping", 1), START_MS) == {"X-MBX-USED-WEIGHT-1M": "1"}


def _status(ledger: WeightLedger, now_ms: int) -> int:
    with pytest.raises(BinanceRefusal) as refusal:
        _ask(ledger, ACCOUNT, now_ms)
    return refusal.value.status


def _ban_seconds(ledger: WeightLedger, now_ms: int) -> int | None:
    with pytest.raises(BinanceRefusal) as refusal:
        _ask(ledger, ACCOUNT, now_ms)
    return refusal.value.retry_after
