"""The positions table tells how near each position is to its end."""

from __future__ import annotations

import math

import pandas as pd

from portfolio_lab.dashboard.positions_table import positions_html

ROW = {
    "underlying": "BTC", "instrument": "BTCUSDT", "account": "binance:main", "kind": "linear", "quantity": -0.5,
    "entry_price": 60_000.0, "mark_price": 61_000.0, "liquidation_price": 73_200.0, "exposure": -30_500.0,
    "unrealised_pnl": -500.0, "distance": 0.2,
}  # fmt: skip


def shown(**more: float) -> str:
    return str(positions_html(pd.DataFrame([ROW | more]), "USD"))


def test_distance_and_margin_ratio_stand_in_per_cent() -> None:
    page = shown(margin_ratio=0.256)
    assert "+20.0%" in page
    assert "25.6%" in page


def test_a_balance_that_is_used_up_is_said_so_and_an_unknown_ratio_is_a_dash() -> None:
    assert "Used up" in shown(margin_ratio=math.inf)
    assert 'data-heading="Margin ratio">—' in shown(margin_ratio=math.nan)
    assert 'data-heading="Margin ratio">—' in shown()
