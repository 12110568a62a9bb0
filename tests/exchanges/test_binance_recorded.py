"""Every recorded or documented answer about Binance's present state is read, or refused with the path of a field."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import (
    contracts,
    earn,
    futures,
    identity,
    margin,
    options,
    orders,
    portfolio,
    portfolio_margin,
    shapes,
    shapes_margin,
    shapes_options,
    shapes_rest,
    totals,
)
from portfolio_lab.exchanges.binance.prices import Instrument
from portfolio_lab.models.accounts import Wallet

FOLDER = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared")) / "payloads"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded answers in {FOLDER}")

BTC = Instrument("BTCUSDT", "BTC", "USDT", "USDT", payloads.positive("1", ""))
Rights = dict[str, bool | int | str | None]


def each(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda rows: [read(row) for row in rows]


def spot_order(row: Any) -> Any:
    return orders._order(row, BTC, Wallet.SPOT)


def no_more(_: Any) -> None:
    """The shape is all that is asked of it here."""


# prefix of the file -> its shape, and what we make of it
CASES: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "binance_api-v3-openOrders_": (list[shapes.SpotOrder], each(spot_order)),
    "binance_dapi-v1-account_": (shapes.FuturesAccount, lambda told: each(futures.margin_balance)(told.assets)),
    "binance_dapi-v1-openOrders_": (list[shapes.FuturesOrder], each(spot_order)),
    "binance_dapi-v1-positionRisk_": (list[shapes.CoinMPosition], contracts._open_rows),
    "binance_eapi-v1-marginAccount_": (shapes_options.OptionAccount, no_more),
    "binance_eapi-v1-openOrders_": (
        list[shapes_options.OptionOrder],
        each(lambda row: orders._option_order(row, BTC)),
    ),
    "binance_eapi-v1-position_": (
        list[shapes_options.OptionPosition],
        each(lambda row: options._position(row, BTC, {})),
    ),
    "binance_eapiPrivateGetPosition_": (
        list[shapes_options.OptionPosition],
        each(lambda row: options._position(row, BTC, {})),
    ),
    "binance_fapi-v1-openAlgoOrders_": (
        list[shapes.AlgoOrder],
        each(lambda row: orders._algo_order(row, BTC, Wallet.USD_M)),
    ),
    "binance_fapi-v3-account_": (shapes.FuturesAccount, lambda told: each(futures.margin_balance)(told.assets)),
    "binance_fapi-v3-positionRisk_": (list[shapes.UsdMPosition], contracts._open_rows),
    "binance_papi-v1-account_": (
        shapes_margin.PmAccount,
        lambda told: payloads.amount(told.actualEquity, "actualEquity"),
    ),
    "binance_papi-v1-balance_": (
        list[shapes_margin.PmRow],
        each(lambda row: portfolio_margin.balance_of(row, [])),
    ),
    "binance_papi-v1-cm-positionRisk_": (list[shapes.CoinMPosition], contracts._open_rows),
    "binance_papi-v1-um-positionRisk_": (list[shapes.UsdMPosition], contracts._open_rows),
    "binance_papi-v1-um-openOrders_": (
        list[shapes_margin.PmOrder],
        each(lambda row: orders._order(row, BTC, Wallet.PORTFOLIO_MARGIN, Wallet.USD_M)),
    ),
    "binance_sapi-v1-account-apiRestrictions_": (Rights, identity.permissions),
    "binance_sapi-v1-asset-get-funding-asset_": (list[shapes.AssetRow], portfolio._cash_balances),
    "binance_sapi-v1-asset-wallet-balance_": (list[shapes_rest.WalletTotal], each(totals._total)),
    "binance_sapi-v1-margin-account_": (
        shapes_margin.CrossMargin,
        lambda told: each(lambda row: margin._balance(row, "userAssets"))(told.userAssets),
    ),
    "binance_sapi-v1-margin-isolated-account_": (
        shapes_margin.IsolatedMargin,
        lambda told: each(margin._pair_balances)(told.assets),
    ),
    "binance_sapi-v1-margin-openOrders_": (list[shapes.SpotOrder], each(spot_order)),
    "binance_sapi-v1-simple-earn-flexible-position_": (
        shapes_rest.Page[shapes_rest.FlexibleEarn],
        lambda told: each(earn._flexible)(told.rows),
    ),
    "binance_sapi-v1-simple-earn-locked-position_": (
        shapes_rest.Page[shapes_rest.LockedEarn],
        lambda told: each(earn._locked)(told.rows),
    ),
    "binance_sapi-v1-sol-staking-account_": (shapes_rest.SolStaking, no_more),
    "binance_sapi-v2-eth-staking-account_": (shapes_rest.EthStaking, no_more),
    "binance_sapi-v2-loan-flexible-ongoing-orders_": (
        shapes_rest.Page[shapes_rest.FlexibleLoan],
        lambda told: each(earn._loan)(told.rows),
    ),
    "binance_sapi-v3-asset-getUserAsset_": (list[shapes.AssetRow], portfolio._cash_balances),
}

REFUSED = {
    # A documented sum of 122607.35 over terms that make 126.72.
    "binance_papi-v1-balance_binance-connector-js": "[USDT].totalWalletBalance",
}

FOUND = [
    pytest.param(path, shape, read, id=path.stem)
    for prefix, (shape, read) in CASES.items()
    for path in sorted(FOLDER.glob(f"{prefix}*.json"))
]


@pytest.mark.parametrize(("path", "shape", "read"), FOUND or [pytest.param(None, None, None, id="absent")])
def test_each_is_read_or_refused_with_its_path(path: Path, shape: Any, read: Callable[[Any], Any]) -> None:
    told = payloads.shaped(payloads.read_json(path.read_bytes(), shape), shape)
    if path.stem not in REFUSED:
        read(told)
        return
    with pytest.raises(AnswerShapeError) as refusal:
        read(told)
    assert refusal.value.path == REFUSED[path.stem]


def test_each_kind_of_answer_has_a_file() -> None:
    assert [prefix for prefix in CASES if not list(FOLDER.glob(f"{prefix}*.json"))] == []
