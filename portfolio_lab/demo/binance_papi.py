"""papi: an account in portfolio margin, whose margin and futures wallets secure one another.

Its equity is told asset by asset by the balance, and as one sum in USD by the account:
`actualEquity` counts every coin in full, `accountEquity` less the haircut of collateral.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from portfolio_lab.demo.binance_ask import Answer, Ask, Endpoint, Json, Need, by_presence
from portfolio_lab.demo.binance_coin_m import brackets as coin_m_brackets
from portfolio_lab.demo.binance_contracts import algo_orders, conditional_orders, is_dual, open_orders
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
from portfolio_lab.demo.binance_margin_wallets import collateral, order_row
from portfolio_lab.demo.binance_spot import last_changes
from portfolio_lab.demo.binance_text import eight_text, plain_text, side_text
from portfolio_lab.demo.binance_usd_m import brackets as usd_m_brackets
from portfolio_lab.demo.binance_worth import Amounts, margin_balances, net_assets, owed, summed, usd_worth
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO
from portfolio_lab.demo.instruments import INVERSE, LINEAR, SPOT
from portfolio_lab.models.accounts import Wallet

_PARTS = (Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M)
_DEBT_MAINTENANCE = Decimal("0.1")
"""Maintenance margin that each unit of debt asks for."""

_NO_RISK = Decimal(99_999_999)
"""The margin ratio that stands for nothing to maintain."""

_NOT_IN_UM = frozenset({"stopPrice", "closePosition", "workingType", "priceProtect"})
_NOT_IN_CM = _NOT_IN_UM | {"priceMatch", "selfTradePreventionMode"}


# ---------------------------------------------------------------- equity


def equity_by_asset(view: View) -> dict[str, Decimal]:
    """Net units by asset of all three inner wallets, open PnL inside."""
    cross = net_assets(view, Wallet.CROSS_MARGIN)
    return summed((cross, margin_balances(view, Wallet.USD_M), margin_balances(view, Wallet.COIN_M)))


def _assets(view: View) -> list[str]:
    """Every asset that any inner wallet ever touched."""
    return list(dict.fromkeys([*(asset for part in _PARTS for asset in view.cash(part)), *equity_by_asset(view)]))


def _balance(ask: Ask) -> Json:
    """One row by asset, or an object for the one that `asset` names."""
    rows = _balance_rows(ask.view)
    wanted = ask.parameters.get("asset", "")
    if not wanted:
        return list(rows.values())
    return rows.get(wanted) or _balance_row(wanted, (ZERO,) * 8, 0)


def _balance_rows(view: View) -> dict[str, dict[str, Json]]:
    cross, linear, inverse = (view.cash(part) for part in _PARTS)
    linear_pnl, inverse_pnl = view.unrealised(Wallet.USD_M), view.unrealised(Wallet.COIN_M)
    debts, locked = view.debts(Wallet.CROSS_MARGIN), view.locked(Wallet.CROSS_MARGIN)
    changes = [last_changes(view, part) for part in _PARTS]
    rows = {}
    for asset in _assets(view):
        debt = debts.get(asset)
        parts = (
            cross.get(asset, ZERO),
            locked.get(asset, ZERO),
            debt.borrowed if debt else ZERO,
            debt.interest if debt else ZERO,
            linear.get(asset, ZERO),
            linear_pnl.get(asset, ZERO),
            inverse.get(asset, ZERO),
            inverse_pnl.get(asset, ZERO),
        )
        rows[asset] = _balance_row(asset, parts, max(change.get(asset, 0) for change in changes))
    return rows


def _balance_row(asset: str, parts: tuple[Decimal, ...], changed_at: int) -> dict[str, Json]:
    cross, locked, borrowed, interest, linear, linear_pnl, inverse, inverse_pnl = parts
    return {
        "asset": asset,
        "totalWalletBalance": eight_text(cross + linear + inverse),
        "crossMarginAsset": eight_text(cross),
        "crossMarginBorrowed": eight_text(borrowed),
        "crossMarginFree": eight_text(cross - locked),
        "crossMarginInterest": eight_text(interest),
        "crossMarginLocked": eight_text(locked),
        "umWalletBalance": eight_text(linear),
        "umUnrealizedPNL": eight_text(linear_pnl),
        "cmWalletBalance": eight_text(inverse),
        "cmUnrealizedPNL": eight_text(inverse_pnl),
        "updateTime": changed_at,
        "negativeBalance": "0",
    }


def _account(ask: Ask) -> Json:
    """The sums in USD. What may be withdrawn is what the collateral does not have to secure."""
    equity = equity_by_asset(ask.view)
    actual, counted = _usd(ask, equity), _usd(ask, _counted(equity))
    initial, maintenance = _margins(ask)
    spare = max(ZERO, counted - initial)
    return {
        "uniMMR": eight_text(counted / maintenance if maintenance else _NO_RISK),
        "accountEquity": eight_text(counted),
        "actualEquity": eight_text(actual),
        "accountInitialMargin": eight_text(initial),
        "accountMaintMargin": eight_text(maintenance),
        "accountStatus": "NORMAL",
        "virtualMaxWithdrawAmount": eight_text(spare),
        "totalAvailableBalance": eight_text(spare),
        "totalMarginOpenLoss": eight_text(ZERO),
        "updateTime": max(at for part in _PARTS for at in (0, *last_changes(ask.view, part).values())),
    }


def _usd(ask: Ask, amounts: Amounts) -> Decimal:
    return usd_worth(ask.market, amounts, ask.at)


def _counted(equity: Amounts) -> dict[str, Decimal]:
    """Equity as collateral: what is owed counts in full."""
    held = {asset: amount for asset, amount in equity.items() if amount > ZERO}
    return summed((collateral(held), {asset: amount for asset, amount in equity.items() if amount < ZERO}))


def _margins(ask: Ask) -> tuple[Decimal, Decimal]:
    """Initial and maintenance margin of positions, orders and debt in USD."""
    found = [*_linear_pockets(ask), *_inverse_pockets(ask)]
    debt = _usd(ask, owed(ask.view, Wallet.CROSS_MARGIN)) * _DEBT_MAINTENANCE
    initial = _usd(ask, summed({one.asset: one.initial_margin} for one in found))
    return initial + debt, _usd(ask, summed({one.asset: one.maintenance} for one in found)) + debt


# ---------------------------------------------------------------- futures inside


def _linear_pockets(ask: Ask) -> list[Pocket]:
    return pockets(ask.view, Wallet.USD_M, ("USDT",))


def _inverse_pockets(ask: Ask) -> list[Pocket]:
    return pockets(ask.view, Wallet.COIN_M, ("BTC",))


def _asset_row(pocket: Pocket) -> dict[str, Json]:
    return {
        "asset": pocket.asset,
        "crossWalletBalance": eight_text(pocket.wallet_balance),
        "crossUnPnl": eight_text(pocket.unrealised),
        "maintMargin": eight_text(pocket.maintenance),
        "initialMargin": eight_text(pocket.initial_margin),
        "positionInitialMargin": eight_text(pocket.position_margin),
        "openOrderInitialMargin": eight_text(pocket.order_margin),
        "updateTime": pocket.changed_at,
    }


def _slot_row(slot: Slot) -> dict[str, Json]:
    """The fields that every version of the inner accounts has."""
    return {
        "symbol": slot.instrument.symbol,
        "positionAmt": f"{slot.contracts:f}",
        "initialMargin": eight_text(slot.initial_margin),
        "maintMargin": eight_text(slot.maintenance),
        "unrealizedProfit": eight_text(slot.unrealised),
        "positionSide": side_text(slot.position_side),
        "updateTime": slot.changed_at,
    }


def _older_row(ask: Ask, slot: Slot) -> dict[str, Json]:
    return _slot_row(slot) | {
        "positionInitialMargin": eight_text(slot.initial_margin),
        "openOrderInitialMargin": "0",
        "leverage": plain_text(_leverage(ask, slot)),
        "entryPrice": plain_text(slot.entry_price),
    }


def _um_account(ask: Ask) -> Json:
    """Every side of every contract, empty ones too."""
    rows = []
    for slot in all_slots(ask, Wallet.USD_M, LINEAR):
        most = most_notional(_leverage(ask, slot), brackets_of(slot.instrument))
        rows.append(_older_row(ask, slot) | {"maxNotional": plain_text(most), "bidNotional": "0", "askNotional": "0"})
    return {"assets": [_asset_row(pocket) for pocket in _linear_pockets(ask)], "positions": rows}


def _um_account_v2(ask: Ask) -> Json:
    """Only those positions that are open."""
    slots = open_slots(ask.view, Wallet.USD_M)
    rows = [_slot_row(slot) | {"notional": eight_text(slot.notional)} for slot in slots]
    return {"assets": [_asset_row(pocket) for pocket in _linear_pockets(ask)], "positions": rows}


def _cm_account(ask: Ask) -> Json:
    slots = all_slots(ask, Wallet.COIN_M, INVERSE)
    rows = [_older_row(ask, slot) | {"maxQty": "50"} for slot in slots]
    return {"assets": [_asset_row(pocket) for pocket in _inverse_pockets(ask)], "positions": rows}


def _leverage(ask: Ask, slot: Slot) -> Decimal:
    return slot.position.leverage if slot.position else ask.view.book.leverage


def _risk_row(ask: Ask, slot: Slot, pocket: Pocket) -> dict[str, Json]:
    """The fields that both inner hosts have; the liquidation price takes its own wallet for all there is."""
    return {
        "symbol": slot.instrument.symbol,
        "positionAmt": f"{slot.contracts:f}",
        "entryPrice": plain_text(slot.entry_price),
        "markPrice": eight_text(slot.mark),
        "unRealizedProfit": eight_text(slot.unrealised),
        "liquidationPrice": plain_text(liquidation_price(slot, pocket).quantize(slot.instrument.tick)),
        "leverage": plain_text(_leverage(ask, slot)),
        "positionSide": side_text(slot.position_side),
        "updateTime": slot.changed_at,
    }


def _um_risk(ask: Ask) -> Json:
    rows, found = [], {pocket.asset: pocket for pocket in _linear_pockets(ask)}
    for slot in all_slots(ask, Wallet.USD_M, LINEAR):
        pocket = found.get(slot.instrument.settle, found["USDT"])
        most = most_notional(_leverage(ask, slot), brackets_of(slot.instrument))
        row = _risk_row(ask, slot, pocket) | {"maxNotionalValue": plain_text(most)}
        rows.append(row | {"notional": eight_text(slot.notional) if slot.position else "0"})
    return rows


def _cm_risk(ask: Ask) -> Json:
    rows, found = [], {pocket.asset: pocket for pocket in _inverse_pockets(ask)}
    for slot in all_slots(ask, Wallet.COIN_M, INVERSE):
        pocket = found.get(slot.instrument.settle, found["BTC"])
        row = _risk_row(ask, slot, pocket) | {"maxQty": "50"}
        rows.append(row | {"notionalValue": eight_text(slot.notional) if slot.position else "0"})
    return rows


# ---------------------------------------------------------------- orders


def _without(answer: Answer, missing: frozenset[str]) -> Answer:
    """The rows of the futures host less the fields that papi does not tell."""

    def fewer(ask: Ask) -> Json:
        return [{name: value for name, value in row.items() if name not in missing} for row in answer(ask)]

    return fewer


def _margin_orders(ask: Ask) -> Json:
    wanted = ask.parameters.get("symbol", "")
    if wanted:
        ask.instrument(SPOT)
    orders = [one for one in ask.view.orders(Wallet.CROSS_MARGIN) if wanted in {"", one.instrument.symbol}]
    return [order_row(order) | {"accountId": 1} for order in orders]


def _papi(path: str, answer: Answer, weight: int | Callable[..., int] = 5) -> Endpoint:
    return Endpoint("GET", path, answer, weight, Need.PORTFOLIO_MARGIN)


_ONE_OR_ALL = by_presence("symbol", given=1, absent=40)

ENDPOINTS = (
    _papi("/papi/v1/balance", _balance, 20),
    _papi("/papi/v1/account", _account, 20),
    _papi("/papi/v1/um/account", _um_account),
    _papi("/papi/v2/um/account", _um_account_v2),
    _papi("/papi/v1/cm/account", _cm_account),
    _papi("/papi/v1/um/positionRisk", _um_risk),
    _papi("/papi/v1/cm/positionRisk", _cm_risk, 1),
    _papi("/papi/v1/um/leverageBracket", usd_m_brackets, 1),
    _papi("/papi/v1/cm/leverageBracket", coin_m_brackets, 1),
    _papi("/papi/v1/um/positionSide/dual", is_dual, 30),
    _papi("/papi/v1/cm/positionSide/dual", is_dual, 30),
    _papi("/papi/v1/um/openOrders", _without(open_orders(Wallet.USD_M, LINEAR), _NOT_IN_UM), _ONE_OR_ALL),
    _papi("/papi/v1/cm/openOrders", _without(open_orders(Wallet.COIN_M, INVERSE), _NOT_IN_CM), _ONE_OR_ALL),
    _papi("/papi/v1/um/algo/openAlgoOrders", algo_orders(Wallet.USD_M, LINEAR), _ONE_OR_ALL),
    _papi("/papi/v1/um/conditional/openOrders", conditional_orders(Wallet.USD_M, LINEAR), _ONE_OR_ALL),
    _papi("/papi/v1/cm/conditional/openOrders", conditional_orders(Wallet.COIN_M, INVERSE), _ONE_OR_ALL),
    _papi("/papi/v1/margin/openOrders", _margin_orders),
)
