"""Margin ratios by hand: maintenance margin / margin balance, liquidation at 1."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.margins import (
    MARGIN_COLUMNS,
    margin_ratio,
    margins_of,
    nearest_by_account,
    position_ratios,
    ratio_of_level,
)

AMOUNTS = st.decimals(Decimal("0.000001"), Decimal(10**9), places=6)


def wallet(account: str, name: str, *margins: dict[str, str]) -> dict[str, object]:
    return {"account": account, "wallet": name, "margins": json.dumps(margins) if margins else None}


def position(account: str, name: str, instrument: str, **own: float) -> dict[str, object]:
    return {
        "account": account, "wallet": name, "instrument": instrument, "side": "net", "settle_asset": "USDT",
        "maintenance_margin_settle": own.get("needed"), "margin_balance_settle": own.get("held"),
        "margin_level": own.get("level"),
    }  # fmt: skip


# 1,000 USDT behind cross positions that need 250; a contract of its own with 40 of which 30 are needed; a whole
# account at level 8; a loan; and a wallet that tells nothing.
WALLETS = pd.DataFrame(
    [
        wallet("b:main", "usd_m", {"asset": "USDT", "maintenance": "250", "balance": "1000"}),
        wallet("o:main", "trading", {"asset": "USD", "maintenance": "100", "balance": "900", "level": "8"}),
        wallet("b:loan", "cross_margin", {"asset": "USD", "debt_level": "1.8"}),
        wallet("b:main", "spot"),
    ]
)
POSITIONS = pd.DataFrame(
    [
        position("b:main", "usd_m", "BTCUSDT", needed=200.0),
        position("b:main", "usd_m", "ETHUSDT", needed=30.0, held=40.0),
        position("o:main", "trading", "BTC-USDT-SWAP", needed=90.0),
        position("b:main", "coin_m", "BTCUSD_PERP"),
    ]
)


def test_the_share_of_the_balance_that_maintenance_needs() -> None:
    assert margin_ratio(Decimal(250), Decimal(1000)) == 0.25
    assert margin_ratio(1000, 1000) == 1.0
    assert margin_ratio(Decimal(1200), Decimal(1000)) == 1.2


def test_nothing_to_maintain_is_at_stake_whatever_the_balance() -> None:
    assert margin_ratio(0, 1000) == margin_ratio(0, 0) == margin_ratio(0, -5) == margin_ratio(0, None) == 0.0


@pytest.mark.parametrize("gone", [0, -5])
def test_a_balance_that_is_used_up_is_past_liquidation(gone: float) -> None:
    assert margin_ratio(10, gone) == math.inf


@pytest.mark.parametrize(("needed", "held"), [(None, 1000), (10, None), (None, None), (math.nan, 5), (-1, 5)])
def test_what_is_unknown_stays_unknown(needed: float | None, held: float | None) -> None:
    assert margin_ratio(needed, held) is None


def test_a_venues_level_is_the_inverse() -> None:
    assert ratio_of_level(Decimal(8)) == 0.125
    assert ratio_of_level(None) is None
    assert ratio_of_level(0) == math.inf


def test_every_margin_the_nearest_to_liquidation_first() -> None:
    found = margins_of(WALLETS, POSITIONS)
    assert tuple(found.columns) == MARGIN_COLUMNS
    assert found["instrument"].tolist() == ["ETHUSDT", "", "", ""]
    assert found["margin_ratio"].tolist() == pytest.approx([0.75, 0.25, 100 / 900, math.nan], nan_ok=True)
    assert found["venue_ratio"].tolist() == pytest.approx([math.nan, math.nan, 0.125, math.nan], nan_ok=True)
    assert found["debt_level"].tolist() == pytest.approx([math.nan, math.nan, math.nan, 1.8], nan_ok=True)


def test_a_position_has_its_own_margin_or_shares_one() -> None:
    found = position_ratios(POSITIONS, margins_of(WALLETS, POSITIONS))
    assert found.tolist() == pytest.approx([0.25, 0.75, 100 / 900, math.nan], nan_ok=True)


def test_an_account_is_as_near_as_its_nearest_margin() -> None:
    found = nearest_by_account(margins_of(WALLETS, POSITIONS))
    assert found.to_dict() == pytest.approx({"b:main": 0.75, "o:main": 100 / 900, "b:loan": math.nan}, nan_ok=True)


def test_no_margin_at_all() -> None:
    found = margins_of(WALLETS.iloc[3:], POSITIONS.iloc[:0])
    assert found.empty
    assert tuple(found.columns) == MARGIN_COLUMNS
    assert position_ratios(POSITIONS, margins_of(WALLETS.iloc[3:], POSITIONS)).isna().sum() == 3


@given(needed=AMOUNTS, held=AMOUNTS, factor=st.integers(2, 1000))
def test_the_unit_does_not_matter_and_more_balance_is_farther(needed: Decimal, held: Decimal, factor: int) -> None:
    ratio = margin_ratio(needed, held)
    assert ratio is not None
    assert margin_ratio(needed * factor, held * factor) == pytest.approx(ratio, rel=1e-12)
    assert (margin_ratio(needed, held * factor) or 0.0) < ratio
    assert ratio_of_level(held / needed) == pytest.approx(ratio, rel=1e-12)
