"""Recorded and documented answers that nobody here wrote pass the strict shapes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import activity as binance_activity
from portfolio_lab.exchanges.binance import futures as binance_futures
from portfolio_lab.exchanges.binance import shapes as binance
from portfolio_lab.exchanges.okx import activity as okx_activity
from portfolio_lab.exchanges.okx import portfolio as okx_portfolio
from portfolio_lab.exchanges.okx import shapes as okx

FOLDER = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared")) / "payloads"

SHAPES: dict[str, Any] = {
    "binance_api-v3-account_": binance.SpotAccount,
    "binance_api-v3-exchangeInfo_": binance.SpotInstruments,
    "binance_api-v3-openOrders_": list[binance.SpotOrder],
    "binance_dapi-v1-account_": binance.FuturesAccount,
    "binance_dapi-v1-exchangeInfo_": binance.CoinMInstruments,
    "binance_dapi-v1-openOrders_": list[binance.FuturesOrder],
    "binance_dapi-v1-positionRisk_": list[binance.CoinMPosition],
    "binance_dapi-v1-premiumIndex_": list[binance.CoinMIndex],
    "binance_fapi-v1-exchangeInfo_": binance.UsdMInstruments,
    "binance_fapi-v1-openAlgoOrders_": list[binance.AlgoOrder],
    "binance_fapi-v1-openOrders_": list[binance.FuturesOrder],
    "binance_fapi-v3-account_": binance.FuturesAccount,
    "binance_fapi-v3-positionRisk_": list[binance.UsdMPosition],
    "binance_sapi-v1-asset-get-funding-asset_": list[binance.AssetRow],
    "binance_sapi-v1-capital-deposit-hisrec_": list[binance.Deposit],
    "binance_sapi-v1-capital-withdraw-history_": list[binance.Withdrawal],
    "binance_sapi-v3-asset-getUserAsset_": list[binance.AssetRow],
    "okx_api-v5-account-balance_": okx.Envelope[okx.TradingBalance],
    "okx_api-v5-account-positions_": okx.Envelope[okx.Position],
    "okx_api-v5-asset-balances_": okx.Envelope[okx.FundingBalance],
    "okx_api-v5-asset-deposit-history_": okx.Envelope[okx.Deposit],
    "okx_api-v5-asset-withdrawal-history_": okx.Envelope[okx.Withdrawal],
    "okx_api-v5-market-tickers_": okx.Envelope[okx.Ticker],
    "okx_api-v5-public-instruments_": okx.Envelope[okx.Instrument],
    "okx_api-v5-public-time_": okx.Envelope[okx.Time],
    "okx_api-v5-trade-orders-algo-pending_": okx.Envelope[okx.AlgoOrder],
    "okx_api-v5-trade-orders-pending_": okx.Envelope[okx.Order],
    "okx_privateGetAccountBalance_": okx.Envelope[okx.TradingBalance],
    "okx_privateGetAccountPositions_": okx.Envelope[okx.Position],
    "okx_privateGetAssetDepositHistory_": okx.Envelope[okx.Deposit],
    "okx_privateGetAssetWithdrawalHistory_": okx.Envelope[okx.Withdrawal],
}

ANOTHER_ANSWER = "okx_privateGetAccountBalance_ccxt-comment-3"  # of the funding account, under this name
MISTYPED = "okx_privateGetAccountBalance_ccxt-comment-1"  # an equity of "28 .21006347"


def files(*prefixes: str) -> list[Path]:
    found = (path for prefix in prefixes for path in FOLDER.glob(f"{prefix}*.json"))
    return sorted(path for path in found if path.stem != ANOTHER_ANSWER)


CASES = [pytest.param(path, shape, id=path.stem) for prefix, shape in SHAPES.items() for path in files(prefix)]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded answers in {FOLDER}")


def read(path: Path, shape: Any) -> Any:
    return payloads.shaped(payloads.read_json(path.read_bytes()), shape)


@pytest.mark.parametrize(("path", "shape"), CASES or [pytest.param(None, None, id="absent")])
def test_recorded_answers_pass_their_shape(path: Path, shape: Any) -> None:
    assert read(path, shape)


SOUND = [
    path for path in files("okx_api-v5-account-balance_", "okx_privateGetAccountBalance_") if path.stem != MISTYPED
]


@pytest.mark.parametrize("path", SOUND or [None])
def test_recorded_equity_is_the_sum_of_its_terms(path: Path) -> None:
    for row in read(path, okx.Envelope[okx.TradingBalance]).data[0].details:
        balance = okx_portfolio._coin_balance(row)
        assert balance.quantity == balance.wallet_balance + balance.unrealised_pnl
        assert abs(okx_portfolio.equity_residual(row)) <= max(1e-6, abs(balance.quantity) / 10_000)


def test_a_mistyped_equity_is_refused() -> None:
    row = read(FOLDER / f"{MISTYPED}.json", okx.Envelope[okx.TradingBalance]).data[0].details[0]
    with pytest.raises(AnswerShapeError, match="eq"):
        okx_portfolio._coin_balance(row)


@pytest.mark.parametrize("path", files("binance_fapi-v3-account_", "binance_dapi-v1-account_") or [None])
def test_recorded_margin_balances_are_the_sum(path: Path) -> None:
    for row in read(path, binance.FuturesAccount).assets:
        balance = binance_futures.margin_balance(row)
        assert balance.quantity == balance.wallet_balance + balance.unrealised_pnl


@pytest.mark.parametrize("path", files("binance_sapi-v1-capital-withdraw-history_") or [None])
def test_recorded_withdrawals_leave_the_account(path: Path) -> None:
    flows = [binance_activity.withdrawal(row) for row in read(path, list[binance.Withdrawal])]
    assert all(flow.quantity < 0 < flow.fee for flow in flows)


@pytest.mark.parametrize("path", files("okx_privateGetAssetWithdrawalHistory_") or [None])
def test_recorded_fees_with_a_coin_behind_them_are_read(path: Path) -> None:
    flows = [okx_activity._withdrawal(row) for row in read(path, okx.Envelope[okx.Withdrawal]).data]
    assert all(flow.quantity < 0 <= flow.fee for flow in flows)


@pytest.mark.parametrize("path", files("binance_fapi-v2-account_", "okx_api-v5-asset-subaccount") or [None])
def test_answers_of_other_endpoints_do_not_pass(path: Path) -> None:
    with pytest.raises(AnswerShapeError):
        read(path, binance.SpotAccount)
