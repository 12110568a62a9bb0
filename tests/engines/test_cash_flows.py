"""A flow is worth quantity x the price nearest to its own time, or nothing that we know."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from portfolio_lab.engines.cash_flows import read_meanwhile, shown_at, value_cash_flows
from portfolio_lab.engines.returns import snapshot_returns

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


# A snapshot each minute; of each, spot answers after 5 seconds and the last wallet after 40.
SLOTS = pd.DatetimeIndex(["2026-01-01T00:00", "2026-01-01T00:01", "2026-01-01T00:02"], tz="UTC").as_unit("us")
SNAPSHOTS = pd.DataFrame(
    {"slot": SLOTS, "at": SLOTS + pd.Timedelta(seconds=40), "interval_seconds": 60, "equity": [100.0, 100.0, 150.0]}
)
READINGS = pd.concat(
    pd.DataFrame(
        {"slot": SLOTS, "account": "main", "wallet": wallet, "received_at": SLOTS + pd.Timedelta(seconds=seconds)}
    )
    for wallet, seconds in (("spot", 5), ("usd_m", 40))
)


def moved(second: int, *, wallet: str | None = "spot", kind: str = "deposit") -> pd.DataFrame:
    at = [SLOTS[1] + pd.Timedelta(seconds=second)]
    return pd.DataFrame({"at": at, "value": 50.0, "account": "main", "wallet": wallet, "kind": kind})


@pytest.mark.parametrize("second", [4, 5, 6, 40, 41])
def test_a_deposit_earns_nothing_whenever_it_comes_between_two_wallets_answers(second: int) -> None:
    flows = moved(second)
    placed = flows.assign(at=shown_at(flows, SNAPSHOTS, READINGS))
    is_seen = second <= 5
    book = SNAPSHOTS.assign(equity=[100.0, 150.0 if is_seen else 100.0, 150.0])
    assert snapshot_returns(book, placed)["gap_return"].tolist() == [0.0, 0.0]
    assert read_meanwhile(flows, SNAPSHOTS) == ([SLOTS[1]] if second <= 40 else [])


def test_where_no_wallet_is_told_the_last_answer_of_the_account_counts() -> None:
    flows = moved(20, wallet=None)
    assert shown_at(flows, SNAPSHOTS, READINGS).tolist() == flows["at"].tolist()
    early = READINGS[READINGS["wallet"] == "spot"]
    assert shown_at(flows, SNAPSHOTS, early).iloc[0] > SNAPSHOTS["at"].iloc[1]


def test_who_joins_stands_where_he_belongs() -> None:
    flows = moved(20, kind="joined")
    assert shown_at(flows, SNAPSHOTS, READINGS).tolist() == flows["at"].tolist()
    assert shown_at(flows.iloc[:0], SNAPSHOTS, READINGS).empty
