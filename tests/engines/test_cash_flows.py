"""A flow is worth quantity x the price nearest to its own time, or nothing that we know."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from portfolio_lab.engines.cash_flows import value_cash_flows

NEAR = pd.Timedelta(hours=1)
PRICES = {
    "BTC": pd.Series(
        [100.0, 110.0, math.nan],
        pd.DatetimeIndex(["2026-01-01T00:00", "2026-01-01T01:00", "2026-01-01T05:00"], tz="UTC"),
    )
}


def flows(*rows: tuple[str, str, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["at", "asset", "quantity"])
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True))


@pytest.mark.parametrize(
    ("at", "price"),
    [
        ("2025-12-31T23:00", 100.0),  # before the first, just near enough
        ("2026-01-01T00:00", 100.0),
        ("2026-01-01T00:29", 100.0),
        ("2026-01-01T00:30", 100.0),  # equally near: the earlier
        ("2026-01-01T00:31", 110.0),
        ("2026-01-01T02:00", 110.0),
    ],
)
def test_nearest_price(at: str, price: float) -> None:
    valued = value_cash_flows(flows((at, "BTC", -2.0)), PRICES, max_distance=NEAR)
    assert valued["price"].tolist() == [price]
    assert valued["value"].tolist() == [-2.0 * price]


@pytest.mark.parametrize(
    ("at", "asset"), [("2026-01-01T02:01", "BTC"), ("2026-01-01T05:00", "BTC"), ("2026-01-01", "X")]
)
def test_no_price_is_no_value(at: str, asset: str) -> None:
    valued = value_cash_flows(flows((at, asset, 1.0)), PRICES, max_distance=NEAR)
    assert valued[["price", "value"]].isna().all(axis=None)


def test_rows_keep_their_order_and_nothing_else_changes() -> None:
    book = flows(("2026-01-01T01:00", "BTC", 1.0), ("2026-01-01T00:00", "X", 1.0), ("2026-01-01T00:00", "BTC", 3.0))
    valued = value_cash_flows(book, PRICES, max_distance=NEAR)
    assert valued["value"].fillna(-1).tolist() == [110.0, -1.0, 300.0]
    pd.testing.assert_frame_equal(valued[list(book.columns)], book)
    assert value_cash_flows(book.iloc[:0], PRICES, max_distance=NEAR).empty
