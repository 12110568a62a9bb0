"""A coin that came and went between two snapshots: its own fills say what it was worth."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from lab_rows import ACCOUNT, START, STEP, Row, amount, commit

from portfolio_lab.lab import Lab
from portfolio_lab.store import Store

DAY = "2026-01-10"


def fill(number: int, side: str, quantity: float, price: float, *, fee: float, fee_asset: str) -> Row:
    return {
        "user": "alice",
        "account": ACCOUNT,
        "wallet": "spot",
        "instrument": "DOGEUSDT",
        "fill_id": f"spot-DOGEUSDT-{number}",
        "order_id": str(number),
        "at": datetime(2026, 1, 10, 7 + number, tzinfo=UTC),
        "underlying": "DOGE",
        "side": side,
        "position_side": "net",
        "quantity": amount(quantity),
        "price": amount(price),
        "fee": amount(fee),
        "fee_asset": fee_asset,
        "realised_pnl": None,
        "settle_asset": "",
        "is_maker": False,
        "known_at": START,
    }


def test_every_term_of_it_is_known(lab: Lab, store: Store) -> None:
    """10 DOGE for 2 each and a fee of 0.01 DOGE; 9.99 sold for 3 and a fee of 0.03 USDT, which no balance shows."""
    bought = fill(1, "buy", 10, 2, fee=-0.01, fee_asset="DOGE")
    sold = fill(2, "sell", 9.99, 3, fee=-0.03, fee_asset="USDT")
    before = lab.attribution("alice").loc[DAY]
    commit(store, {"fills": [bought, sold]}, START + 161 * STEP + STEP / 2)
    terms = Lab(store, lab.settings).attribution("alice").loc[DAY]
    assert terms["fee"] == pytest.approx(-0.01 * 2 - 0.03)
    assert terms["conversion"] == pytest.approx(0.0)
    assert terms["revaluation"] - before["revaluation"] == pytest.approx((10 - 0.01) * (3 - 2))
    assert terms["residual"] == pytest.approx(-(9.99 * 3 - 10 * 2 - 0.03))
    assert terms["change"] == pytest.approx(before["change"])
