"""Recorded and documented histories that nobody here wrote pass the shapes and become rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import borrowing, fiat, fills, income, ledger, savings, transfers
from portfolio_lab.exchanges.binance import history_shapes as history
from portfolio_lab.exchanges.binance import ledger_shapes as shapes
from portfolio_lab.exchanges.binance.prices import Instrument
from portfolio_lab.models.accounts import Wallet

FOLDER = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared")) / "payloads"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded answers in {FOLDER}")

SPOT, COIN_M = fills.MARKETS["spot_fills"], fills.MARKETS["coin_m_fills"]
PAIR = Instrument("BNBBTC", "BNB", "BTC", "BTC", payloads.SCALE)

Made = Callable[[Any], Any]
CASES: dict[str, tuple[Any, Made]] = {
    "binance_api-v3-myTrades_": (list[history.SpotFill], lambda a: [fills.spot_fill(r, PAIR, SPOT) for r in a]),
    "binance_sapi-v1-margin-myTrades_": (list[history.SpotFill], lambda a: [fills.spot_fill(r, PAIR, SPOT) for r in a]),
    "binance_papi-v1-margin-myTrades_": (list[history.SpotFill], lambda a: [fills.spot_fill(r, PAIR, SPOT) for r in a]),
    "binance_fapi-v1-userTrades_": (
        list[history.FuturesFill],
        lambda a: [fills.futures_fill(r, PAIR, COIN_M) for r in a],
    ),
    "binance_dapi-v1-userTrades_": (
        list[history.FuturesFill],
        lambda a: [fills.futures_fill(r, PAIR, COIN_M) for r in a],
    ),
    "binance_eapi-v1-userTrades_": (list[history.OptionFill], lambda a: [fills.option_fill(r) for r in a]),
    "binance_fapi-v1-income_": (list[history.Income], lambda a: [income.income_row(r, Wallet.USD_M, "x") for r in a]),
    "binance_dapi-v1-income_": (list[history.Income], lambda a: [income.income_row(r, Wallet.COIN_M, "x") for r in a]),
    "binance_papi-v1-um-income_": (
        list[history.Income],
        lambda a: [income.income_row(r, Wallet.USD_M, "x") for r in a],
    ),
    "binance_eapi-v1-bill_": (list[history.OptionBill], lambda a: [income.bill(r) for r in a]),
    "binance_sapi-v1-asset-transfer_": (
        history.Transfers,
        lambda a: [transfers.moved(r, Wallet.SPOT, Wallet.USD_M) for r in a.rows],
    ),
    "binance_sapi-v1-asset-assetDividend_": (shapes.Dividends, lambda a: [ledger.dividend(r) for r in a.rows]),
    "binance_sapi-v1-asset-dribblet_binance": (
        shapes.Dust,
        lambda a: [ledger.dust_legs(r) for r in a.userAssetDribblets],
    ),
    "binance_sapi-v1-asset-dribblet_jkorf": (
        shapes.Dust,
        lambda a: [ledger.dust_legs(r) for r in a.userAssetDribblets],
    ),
    "binance_sapi-v1-convert-tradeFlow_": (
        shapes.Conversions,
        lambda a: [ledger.conversion_legs(r, "convert-1") for r in a.rows],
    ),
    "binance_sapi-v1-fiat-orders_": (history.FiatOrders, lambda a: [fiat.fiat_order(r, "deposit") for r in a.data]),
    "binance_sapi-v1-fiat-payments_": (
        history.FiatPayments,
        lambda a: [fiat.fiat_payment(r, "deposit") for r in a.data],
    ),
    "binance_sapi-v1-pay-transactions_": (shapes.PayTransactions, lambda a: [ledger.payment_rows(r) for r in a.data]),
    "binance_sapi-v1-simple-earn-flexible-history-rewardsRecord_": (
        shapes.FlexibleRewards,
        lambda a: [savings.flexible_reward(r, "1") for r in a.rows],
    ),
    "binance_sapi-v1-simple-earn-flexible-history-subscriptionRecord_": (
        shapes.EarnMoves,
        lambda a: [savings.subscription(r) for r in a.rows],
    ),
    "binance_sapi-v1-margin-interestHistory_": (
        shapes.MarginInterests,
        lambda a: [borrowing.interest_row(r, Wallet.ISOLATED_MARGIN) for r in a.rows],
    ),
    "binance_sapi-v1-margin-borrow-repay_": (
        shapes.MarginLoans,
        lambda a: [borrowing.margin_loan(r, Wallet.ISOLATED_MARGIN, "REPAY") for r in a.rows],
    ),
    "binance_sapi-v1-rebate-taxQuery_": (shapes.Rebates, lambda a: [ledger.rebate(r, "1") for r in a.data.data]),
    "binance_sapi-v1-accountSnapshot_": (shapes.SpotDays, lambda a: a.snapshotVos),
}

FILES = [
    pytest.param(path, *case, id=path.stem) for prefix, case in CASES.items() for path in FOLDER.glob(f"{prefix}*.json")
]


@pytest.mark.parametrize(("path", "shape", "made"), FILES or [pytest.param(None, None, None, id="absent")])
def test_a_recorded_history_becomes_rows(path: Path, shape: Any, made: Made) -> None:
    assert made(payloads.shaped(payloads.read_json(path.read_bytes()), shape))
