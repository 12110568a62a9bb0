"""Signed answers of the USD-M futures host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Need, by_presence
from portfolio_lab.demo.binance_contracts import algo_orders, is_dual, open_orders
from portfolio_lab.demo.binance_margin import (
    Pocket,
    Slot,
    all_slots,
    brackets_of,
    liquidation_price,
    most_notional,
    open_slots,
    pockets,
)
from portfolio_lab.demo.binance_text import eight_text, plain_text, side_text
from portfolio_lab.demo.binance_worth import usd_worth
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.instruments import LINEAR
from portfolio_lab.models.accounts import Wallet

_ALWAYS = ("USDT", "USDC", "BNB")
"""Assets that show in every answer; unused ones have updateTime 0."""


def _pockets(ask: Ask) -> list[Pocket]:
    return pockets(ask.view, Wallet.USD_M, _ALWAYS)


def _asset_row(pocket: Pocket) -> dict[str, Json]:
    return {
        "asset": pocket.asset,
        "walletBalance": eight_text(pocket.wallet_balance),
        "unrealizedProfit": eight_text(pocket.unrealised),
        "marginBalance": eight_text(pocket.margin_balance),
        "maintMargin": eight_text(pocket.maintenance),
        "initialMargin": eight_text(pocket.initial_margin),
        "positionInitialMargin": eight_text(pocket.position_margin),
        "openOrderInitialMargin": eight_text(pocket.order_margin),
        "crossWalletBalance": eight_text(pocket.wallet_balance),
        "crossUnPnl": eight_text(pocket.unrealised),
        "availableBalance": eight_text(pocket.available),
        "maxWithdrawAmount": eight_text(pocket.withdrawable),
        "updateTime": pocket.changed_at,
    }


_TOTALS: tuple[tuple[str, Callable[[Pocket], Decimal]], ...] = (
    ("totalInitialMargin", lambda pocket: pocket.initial_margin),
    ("totalMaintMargin", lambda pocket: pocket.maintenance),
    ("totalWalletBalance", lambda pocket: pocket.wallet_balance),
    ("totalUnrealizedProfit", lambda pocket: pocket.unrealised),
    ("totalMarginBalance", lambda pocket: pocket.margin_balance),
    ("totalPositionInitialMargin", lambda pocket: pocket.position_margin),
    ("totalOpenOrderInitialMargin", lambda pocket: pocket.order_margin),
    ("totalCrossWalletBalance", lambda pocket: pocket.wallet_balance),
    ("totalCrossUnPnl", lambda pocket: pocket.unrealised),
    ("availableBalance", lambda pocket: pocket.available),
    ("maxWithdrawAmount", lambda pocket: pocket.withdrawable),
)


def _totals(ask: Ask, found: Iterable[Pocket]) -> dict[str, Json]:
    """Totals in USD over all assets in multi-asset mode; of USDT alone, in USDT, in single-asset mode."""
    weights = _weights(ask, found)
    return {
        name: eight_text(sum((part(pocket) * weight for pocket, weight in weights), ZERO)) for name, part in _TOTALS
    }


def _weights(ask: Ask, found: Iterable[Pocket]) -> list[tuple[Pocket, Decimal]]:
    if not ask.account.multi_asset:
        return [(pocket, Decimal(1)) for pocket in found if pocket.asset == "USDT"]
    return [(pocket, usd_worth(ask.market, {pocket.asset: Decimal(1)}, ask.at)) for pocket in found]


# ---------------------------------------------------------------- account


def _account_v3(ask: Ask) -> Json:
    """Assets, and only those positions that are open."""
    found = _pockets(ask)
    return {
        **_totals(ask, found),
        "assets": [_asset_row(pocket) for pocket in found],
        "positions": [_account_slot(slot) for slot in open_slots(ask.view, Wallet.USD_M)],
    }


def _account_slot(slot: Slot) -> dict[str, Json]:
    return {
        "symbol": slot.instrument.symbol,
        "positionSide": side_text(slot.position_side),
        "positionAmt": f"{slot.contracts:f}",
        "unrealizedProfit": eight_text(slot.unrealised),
        "isolatedMargin": "0",
        "notional": eight_text(slot.notional),
        "isolatedWallet": "0",
        "initialMargin": eight_text(slot.initial_margin),
        "maintMargin": eight_text(slot.maintenance),
        "updateTime": slot.changed_at,
    }


def _account_v2(ask: Ask) -> Json:
    """Assets, and every side of every contract."""
    found = _pockets(ask)
    return {
        **_permissions(ask),
        **_totals(ask, found),
        "assets": [_asset_row(pocket) | {"marginAvailable": True} for pocket in found],
        "positions": [_account_slot_v2(ask, slot) for slot in all_slots(ask, Wallet.USD_M, LINEAR)],
    }


def _account_slot_v2(ask: Ask, slot: Slot) -> dict[str, Json]:
    leverage = _leverage(ask, slot)
    return _account_slot(slot) | {
        "positionInitialMargin": eight_text(slot.initial_margin),
        "openOrderInitialMargin": "0",
        "leverage": plain_text(leverage),
        "isolated": False,
        "entryPrice": plain_text(slot.entry_price),
        "breakEvenPrice": plain_text(slot.entry_price),
        "maxNotional": plain_text(most_notional(leverage, brackets_of(slot.instrument))),
        "bidNotional": "0",
        "askNotional": "0",
    }


def _permissions(ask: Ask) -> dict[str, Json]:
    return {
        "feeTier": 0,
        "feeBurn": True,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": ask.account.multi_asset,
        "tradeGroupId": -1,
    }


def _account_config(ask: Ask) -> Json:
    permissions = {name: value for name, value in _permissions(ask).items() if name != "feeBurn"}
    return permissions | {"dualSidePosition": ask.view.book.hedge}


def _balance(ask: Ask) -> Json:
    return [
        {
            "accountAlias": f"demo{ask.account.uid}",
            "asset": pocket.asset,
            "balance": eight_text(pocket.wallet_balance),
            "crossWalletBalance": eight_text(pocket.wallet_balance),
            "crossUnPnl": eight_text(pocket.unrealised),
            "availableBalance": eight_text(pocket.available),
            "maxWithdrawAmount": eight_text(pocket.withdrawable),
            "marginAvailable": True,
            "updateTime": pocket.changed_at,
        }
        for pocket in _pockets(ask)
    ]


# ---------------------------------------------------------------- positions


def _leverage(ask: Ask, slot: Slot) -> Decimal:
    return slot.position.leverage if slot.position else ask.view.book.leverage


def _behind(ask: Ask, found: dict[str, Pocket], asset: str) -> Pocket:
    """What stands behind the positions of a margin asset: its pocket, or all of them counted in units of it."""
    if not ask.account.multi_asset:
        return found[asset]
    parts, unit = _weights(ask, found.values()), usd_worth(ask.market, {asset: Decimal(1)}, ask.at)
    return replace(
        found[asset],
        wallet_balance=sum((one.wallet_balance * weight for one, weight in parts), ZERO) / unit,
        unrealised=sum((one.unrealised * weight for one, weight in parts), ZERO) / unit,
        maintenance=sum((one.maintenance * weight for one, weight in parts), ZERO) / unit,
    )


def _risk(slot: Slot, pocket: Pocket) -> dict[str, Json]:
    """The fields that both versions of positionRisk have."""
    return {
        "symbol": slot.instrument.symbol,
        "positionSide": side_text(slot.position_side),
        "positionAmt": f"{slot.contracts:f}",
        "entryPrice": plain_text(slot.entry_price),
        "breakEvenPrice": plain_text(slot.entry_price),
        "markPrice": eight_text(slot.mark),
        "unRealizedProfit": eight_text(slot.unrealised),
        "liquidationPrice": plain_text(liquidation_price(slot, pocket).quantize(slot.instrument.tick)),
        "isolatedMargin": "0",
        "notional": eight_text(slot.notional) if slot.position else "0",
        "isolatedWallet": "0",
        "updateTime": slot.changed_at,
    }


def _risk_v3(ask: Ask) -> Json:
    """Open positions only; `leverage` and `marginType` are gone from this version."""
    wanted = {one.symbol for one in ask.instruments(LINEAR)}
    found = {pocket.asset: pocket for pocket in _pockets(ask)}
    slots = [slot for slot in open_slots(ask.view, Wallet.USD_M) if slot.instrument.symbol in wanted]
    return [
        _risk(slot, _behind(ask, found, slot.instrument.settle))
        | {
            "marginAsset": slot.instrument.settle,
            "initialMargin": eight_text(slot.initial_margin),
            "maintMargin": eight_text(slot.maintenance),
            "positionInitialMargin": eight_text(slot.initial_margin),
            "openOrderInitialMargin": "0",
            "adl": 2,
            "bidNotional": "0",
            "askNotional": "0",
        }
        for slot in slots
    ]


def _risk_v2(ask: Ask) -> Json:
    """Every side of every contract, empty ones too."""
    rows, found = [], {pocket.asset: pocket for pocket in _pockets(ask)}
    for slot in all_slots(ask, Wallet.USD_M, LINEAR):
        leverage = _leverage(ask, slot)
        extras = {
            "leverage": plain_text(leverage),
            "maxNotionalValue": plain_text(most_notional(leverage, brackets_of(slot.instrument))),
            "marginType": "cross",
            "isAutoAddMargin": "false",
        }
        rows.append(_risk(slot, _behind(ask, found, slot.instrument.settle)) | extras)
    return rows


def brackets(ask: Ask) -> Json:
    """Maintenance schedules by notional."""
    return [
        {
            "symbol": one.symbol,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": place,
                    "initialLeverage": bracket.leverage,
                    "notionalCap": int(bracket.cap),
                    "notionalFloor": int(bracket.floor),
                    "maintMarginRatio": float(bracket.ratio),
                    "cum": float(bracket.deduction),
                }
                for place, bracket in enumerate(brackets_of(one), start=1)
            ],
        }
        for one in ask.instruments(LINEAR)
    ]


def _symbol_config(ask: Ask) -> Json:
    leverage = ask.view.book.leverage
    return [
        {
            "symbol": one.symbol,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": int(leverage),
            "maxNotionalValue": plain_text(most_notional(leverage, brackets_of(one))),
        }
        for one in ask.instruments(LINEAR)
    ]


def _multi_assets(ask: Ask) -> Json:
    return {"multiAssetsMargin": ask.account.multi_asset}


def _usd_m(path: str, answer: Json, weight: Json = 5) -> Endpoint:
    return Endpoint("GET", path, answer, weight, Need.USD_M)


_ONE_OR_ALL = by_presence("symbol", given=1, absent=40)

ENDPOINTS = (
    _usd_m("/fapi/v3/account", _account_v3),
    _usd_m("/fapi/v2/account", _account_v2),
    _usd_m("/fapi/v3/balance", _balance),
    _usd_m("/fapi/v2/balance", _balance),
    _usd_m("/fapi/v3/positionRisk", _risk_v3),
    _usd_m("/fapi/v2/positionRisk", _risk_v2),
    _usd_m("/fapi/v1/leverageBracket", brackets, 1),
    _usd_m("/fapi/v1/openOrders", open_orders(Wallet.USD_M, LINEAR), _ONE_OR_ALL),
    _usd_m("/fapi/v1/openAlgoOrders", algo_orders(Wallet.USD_M, LINEAR), _ONE_OR_ALL),
    _usd_m("/fapi/v1/accountConfig", _account_config),
    _usd_m("/fapi/v1/symbolConfig", _symbol_config),
    _usd_m("/fapi/v1/positionSide/dual", is_dual, 30),
    _usd_m("/fapi/v1/multiAssetsMargin", _multi_assets, 30),
)
