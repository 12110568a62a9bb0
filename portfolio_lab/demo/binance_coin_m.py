"""Signed answers of the COIN-M futures host: quantities in contracts, money in the coin."""

from __future__ import annotations

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Need, by_presence
from portfolio_lab.demo.binance_contracts import algo_orders, is_dual, open_orders
from portfolio_lab.demo.binance_margin import (
    Pocket,
    Slot,
    all_slots,
    brackets_of,
    liquidation_price,
    pockets,
)
from portfolio_lab.demo.binance_text import eight_text, plain_text, side_text
from portfolio_lab.demo.instruments import INVERSE, by_symbol
from portfolio_lab.models.accounts import Wallet

_ALWAYS = tuple(one.settle for one in by_symbol("binance", INVERSE).values())


def _pockets(ask: Ask) -> list[Pocket]:
    return pockets(ask.view, Wallet.COIN_M, _ALWAYS)


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
        "maxWithdrawAmount": eight_text(pocket.withdrawable),
        "crossWalletBalance": eight_text(pocket.wallet_balance),
        "crossUnPnl": eight_text(pocket.unrealised),
        "availableBalance": eight_text(pocket.available),
        "updateTime": pocket.changed_at,
    }


def _account(ask: Ask) -> Json:
    return {
        "assets": [_asset_row(pocket) for pocket in _pockets(ask)],
        "positions": [_account_slot(ask, slot) for slot in all_slots(ask, Wallet.COIN_M, INVERSE)],
        "canDeposit": True,
        "canTrade": True,
        "canWithdraw": True,
        "feeTier": 0,
        "updateTime": 0,
    }


def _leverage(ask: Ask, slot: Slot) -> str:
    return plain_text(slot.position.leverage if slot.position else ask.view.book.leverage)


def _account_slot(ask: Ask, slot: Slot) -> dict[str, Json]:
    return {
        "symbol": slot.instrument.symbol,
        "positionAmt": plain_text(slot.contracts),
        "initialMargin": eight_text(slot.initial_margin),
        "maintMargin": eight_text(slot.maintenance),
        "unrealizedProfit": eight_text(slot.unrealised),
        "positionInitialMargin": eight_text(slot.initial_margin),
        "openOrderInitialMargin": "0",
        "leverage": _leverage(ask, slot),
        "isolated": False,
        "positionSide": side_text(slot.position_side),
        "entryPrice": eight_text(slot.entry_price),
        "breakEvenPrice": eight_text(slot.entry_price),
        "maxQty": "50",
        "notionalValue": eight_text(slot.notional),
        "isolatedWallet": "0",
        "updateTime": slot.changed_at,
    }


def _balance(ask: Ask) -> Json:
    return [
        {
            "accountAlias": f"demo{ask.account.uid}",
            "asset": pocket.asset,
            "balance": eight_text(pocket.wallet_balance),
            "withdrawAvailable": eight_text(pocket.withdrawable),
            "crossWalletBalance": eight_text(pocket.wallet_balance),
            "crossUnPnl": eight_text(pocket.unrealised),
            "availableBalance": eight_text(pocket.available),
            "updateTime": pocket.changed_at,
        }
        for pocket in _pockets(ask)
    ]


def _risk(ask: Ask) -> Json:
    """Every side of every contract; `pair` narrows to those of one index."""
    found = {pocket.asset: pocket for pocket in _pockets(ask)}
    wanted = ask.parameters.get("pair", "")
    slots = [slot for slot in all_slots(ask, Wallet.COIN_M, INVERSE) if wanted in {"", slot.instrument.index}]
    return [_risk_row(ask, slot, found[slot.instrument.settle]) for slot in slots]


def _risk_row(ask: Ask, slot: Slot, pocket: Pocket) -> dict[str, Json]:
    return {
        "symbol": slot.instrument.symbol,
        "positionAmt": plain_text(slot.contracts),
        "entryPrice": eight_text(slot.entry_price),
        "breakEvenPrice": eight_text(slot.entry_price),
        "markPrice": eight_text(slot.mark),
        "unRealizedProfit": eight_text(slot.unrealised),
        "liquidationPrice": plain_text(liquidation_price(slot, pocket).quantize(slot.instrument.tick)),
        "leverage": _leverage(ask, slot),
        "maxQty": "50",
        "marginType": "cross",
        "isolatedMargin": "0.00000000",
        "isAutoAddMargin": "false",
        "positionSide": side_text(slot.position_side),
        "notionalValue": eight_text(slot.notional) if slot.position else "0",
        "isolatedWallet": "0",
        "updateTime": slot.changed_at,
    }


def brackets(ask: Ask) -> Json:
    """Maintenance schedules by coin."""
    return [
        {
            "symbol": one.symbol,
            "notionalCoef": 1.0,
            "brackets": [
                {
                    "bracket": place,
                    "initialLeverage": bracket.leverage,
                    "qtyCap": int(bracket.cap),
                    # Documented under both spellings.
                    "qtylFloor": int(bracket.floor),
                    "qtyFloor": int(bracket.floor),
                    "maintMarginRatio": float(bracket.ratio),
                    "cum": float(bracket.deduction),
                }
                for place, bracket in enumerate(brackets_of(one), start=1)
            ],
        }
        for one in ask.instruments(INVERSE)
    ]


def _coin_m(path: str, answer: Json, weight: Json = 1) -> Endpoint:
    return Endpoint("GET", path, answer, weight, Need.COIN_M)


_ONE_OR_ALL = by_presence("symbol", given=1, absent=40)

ENDPOINTS = (
    _coin_m("/dapi/v1/account", _account, 5),
    _coin_m("/dapi/v1/balance", _balance),
    _coin_m("/dapi/v1/positionRisk", _risk),
    _coin_m("/dapi/v1/leverageBracket", brackets),
    _coin_m("/dapi/v2/leverageBracket", brackets, by_presence("symbol", given=1, absent=2)),
    _coin_m("/dapi/v1/openOrders", open_orders(Wallet.COIN_M, INVERSE), _ONE_OR_ALL),
    _coin_m("/dapi/v1/openAlgoOrders", algo_orders(Wallet.COIN_M, INVERSE), _ONE_OR_ALL),
    _coin_m("/dapi/v1/positionSide/dual", is_dual, 30),
)
