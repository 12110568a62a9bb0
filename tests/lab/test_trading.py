"""Stored rows written by hand -> trades."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
import pytest

from portfolio_lab.archive import Archive
from portfolio_lab.engines.trades import Method, Trades
from portfolio_lab.trading import user_trades

BEGIN = pd.Timestamp("2026-01-01", tz="UTC")
PRICES = {"BTC": 50_000.0, "ETH": 2_500.0, "BNB": 500.0, "USDT": 1.0}
_FILL = {
    "account": "binance:main",
    "wallet": "spot",
    "position_side": "net",
    "fee": 0.0,
    "fee_asset": "USDT",
    "realised_pnl": float("nan"),
}
_TYPES = {"account": "str", "at": "datetime64[us, UTC]", "quantity": "float64"}
_INCOME = ["account", "income_id", "kind", "at", "asset", "instrument", "quantity"]
_FLOWS = ["account", "flow_id", "kind", "at", "asset", "quantity", "price"]


class Rows:
    """Stands for the stored tables."""

    def __init__(self, fills: pd.DataFrame, *loans: str) -> None:
        slots = [BEGIN + pd.Timedelta(hours=hour) for hour in range(5)]
        rows = [(slot, "binance", asset, price) for slot in slots for asset, price in PRICES.items()]
        self._tables = {
            "fills": fills,
            "income": pd.DataFrame(
                [["binance:main", coin, "loan", BEGIN, coin, "", 1.0] for coin in loans], columns=_INCOME
            ).astype(_TYPES | {"instrument": "str"}),
            "cash_flows": pd.DataFrame(columns=_FLOWS).astype(_TYPES | {"price": "float64"}),
            "prices": pd.DataFrame(rows, columns=["slot", "venue", "asset", "price"]),
            "positions": pd.DataFrame(columns=["slot", "instrument", "kind"]),
        }

    def rows(self, table: str, **_: object) -> pd.DataFrame:
        return self._tables[table]

    history = rows


def trades_of(*fills: dict[str, Any], loans: tuple[str, ...] = ()) -> Trades:
    """Trades of fills, one an hour, given by what is not usual about them, in an account that borrowed `loans`."""
    rows = [
        _FILL | {"fill_id": str(hour), "at": BEGIN + pd.Timedelta(hours=hour)} | fill for hour, fill in enumerate(fills)
    ]
    return user_trades(cast("Archive", Rows(pd.DataFrame(rows), *loans)), "alice", method=Method.AVERAGE)


def spot(side: str, pair: str, quantity: float, price: float, **columns: object) -> dict[str, Any]:
    coin, _, quote = pair.partition("/")
    usual = {"side": side, "instrument": coin + quote, "underlying": coin, "settle_asset": quote}
    return usual | {"quantity": quantity, "price": price} | columns


def test_a_coin_that_buys_another_one_is_sold_by_that() -> None:
    trades = trades_of(
        spot("buy", "BTC/USDT", 1.0, 40_000.0),
        spot("buy", "ETH/BTC", 20.0, 0.05),  # for 1 BTC, worth 50,000
        spot("sell", "ETH/USDT", 20.0, 2_600.0),
    )
    assert trades.closed.set_index("underlying")["pnl"].to_dict() == pytest.approx({"BTC": 10_000.0, "ETH": 2_000.0})
    assert (len(trades.open), trades.unknown) == (0, 0)


def test_a_coin_that_fees_are_paid_with_leaves() -> None:
    trades = trades_of(
        spot("buy", "BNB/USDT", 1.0, 500.0),
        spot("buy", "BTC/USDT", 1.0, 50_000.0, fee=-0.25, fee_asset="BNB"),
        spot("sell", "BTC/USDT", 1.0, 50_500.0, fee=-0.25, fee_asset="BNB"),
        spot("sell", "BNB/USDT", 0.5, 520.0),
    )
    closed = trades.closed.set_index("underlying")
    assert closed["pnl"].to_dict() == pytest.approx({"BTC": 500.0 - 250.0, "BNB": 10.0})
    assert closed.loc["BNB", "departed"] == pytest.approx(0.5)
    assert trades.open.empty


def test_a_fee_in_the_coin_that_is_paid_with_goes_with_it() -> None:
    trades = trades_of(
        spot("buy", "BTC/USDT", 1.0, 50_000.0),
        spot("buy", "ETH/BTC", 19.98, 0.05, fee=-0.001, fee_asset="BTC"),
    )
    assert trades.closed["underlying"].tolist() == ["BTC"]
    assert trades.open[["underlying", "fees"]].to_numpy().tolist() == [["ETH", -50.0]]


def test_a_borrowed_coin_that_is_sold_is_a_short() -> None:
    sold = spot("sell", "BTC/USDT", 1.0, 50_000.0, wallet="cross_margin")
    covered = spot("buy", "BTC/USDT", 1.0005, 48_000.0, wallet="cross_margin")  # with its interest
    trades = trades_of(sold, covered, loans=("BTC",))
    assert trades.closed[["side", "price_pnl"]].to_numpy().tolist() == [["short", 2_000.0]]
    assert (len(trades.open), trades.unknown) == (0, 0)
    # Where nothing was borrowed, what is sold was bought before our memory begins.
    without = trades_of(sold)
    assert (len(without.closed), len(without.open), without.unknown) == (0, 0, 1)
