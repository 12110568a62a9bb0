"""sapi: the cross and the isolated margin wallet, with what is owed in them, and their orders."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo import binance_errors as refuse
from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, Need
from portfolio_lab.demo.binance_spot import LISTED
from portfolio_lab.demo.binance_text import NONE, eight_text, spot_order_type
from portfolio_lab.demo.binance_worth import Amounts, asset_worth, owed, summed, usd_worth
from portfolio_lab.demo.book import View
from portfolio_lab.demo.facts import ZERO, Debt, Order
from portfolio_lab.demo.instruments import SPOT, Instrument, by_symbol
from portfolio_lab.models.accounts import Wallet

NO_DEBT_LEVEL = Decimal(999)
"""The margin level that stands for no debt at all."""

_CALL_LEVEL = Decimal("1.1")
"""Assets over debt at which an isolated pair is liquidated."""

_HAIRCUT = Decimal("0.05")
"""What collateral loses of its worth unless it is a dollar coin."""

_DOLLARS = frozenset({"USDT", "USDC", "FDUSD"})


def margin_level(assets: Decimal, debt: Decimal) -> Decimal:
    """Assets over debt, 999 without debt."""
    return min(NO_DEBT_LEVEL, assets / debt) if debt > ZERO else NO_DEBT_LEVEL


def collateral(amounts: Amounts) -> dict[str, Decimal]:
    """What amounts count for as collateral: dollar coins in full, other coins less a haircut."""
    return {asset: amount if asset in _DOLLARS else amount * (1 - _HAIRCUT) for asset, amount in amounts.items()}


# ---------------------------------------------------------------- cross margin


def asset_row(asset: str, cash: Decimal, locked: Decimal, debt: Debt | None) -> dict[str, Json]:
    """One asset with its debt, as both kinds of margin tell it."""
    borrowed, interest = (debt.borrowed, debt.interest) if debt else (ZERO, ZERO)
    return {
        "asset": asset,
        "borrowed": eight_text(borrowed),
        "free": eight_text(cash - locked),
        "interest": eight_text(interest),
        "locked": eight_text(locked),
        "netAsset": eight_text(cash - borrowed - interest),
    }


def _check_cross(ask: Ask) -> None:
    """Refuse where cross margin was never opened; isolated margin then just has no pairs."""
    if Wallet.CROSS_MARGIN not in ask.account.opened:
        raise refuse.margin_missing()


def _in_btc(ask: Ask, amounts: Amounts) -> Decimal:
    return asset_worth(ask.market, amounts, "BTC", ask.at)


def _totals(ask: Ask, assets: Amounts, debts: Amounts) -> dict[str, Json]:
    """Assets, debt and what is left in BTC; each rounded from its own sum."""
    held, due = _in_btc(ask, assets), _in_btc(ask, debts)
    return {
        "totalAssetOfBtc": eight_text(held),
        "totalLiabilityOfBtc": eight_text(due),
        "totalNetAssetOfBtc": eight_text(held - due),
    }


def _cross(ask: Ask) -> Json:
    _check_cross(ask)
    view = ask.view
    cash = dict.fromkeys(LISTED, ZERO) | view.cash(Wallet.CROSS_MARGIN)
    debts, locked = view.debts(Wallet.CROSS_MARGIN), view.locked(Wallet.CROSS_MARGIN)
    cash = dict.fromkeys(debts, ZERO) | cash
    due, counted = owed(view, Wallet.CROSS_MARGIN), collateral(cash)
    debt = _in_btc(ask, due)
    return {
        "created": True,
        "borrowEnabled": True,
        "marginLevel": eight_text(margin_level(_in_btc(ask, cash), debt)),
        "collateralMarginLevel": eight_text(margin_level(_in_btc(ask, counted), debt)),
        **_totals(ask, cash, due),
        "TotalCollateralValueInUSDT": eight_text(asset_worth(ask.market, counted, "USDT", ask.at)),
        "totalOpenOrderLossInUSDT": NONE,
        "tradeEnabled": True,
        "transferInEnabled": True,
        "transferOutEnabled": True,
        "accountType": "MARGIN_1",
        "userAssets": [
            asset_row(asset, amount, locked.get(asset, ZERO), debts.get(asset)) for asset, amount in cash.items()
        ],
    }


# ---------------------------------------------------------------- isolated margin


def _pairs_asked(ask: Ask) -> list[str]:
    """The pairs of the account, or those of them that `symbols` names (five at most)."""
    named = [name for name in ask.parameters.get("symbols", "").split(",") if name]
    if len(named) > 5:
        raise refuse.parameter_invalid("symbols")
    return [pair for pair in ask.view.isolated_pairs() if not named or pair in named]


def _isolated(ask: Ask) -> Json:
    """A row for every pair that was ever opened; totals of all pairs, whichever are asked for."""
    view, wallet = ask.view, Wallet.ISOLATED_MARGIN
    rows = [_pair_row(ask, by_symbol("binance", SPOT)[pair]) for pair in _pairs_asked(ask)]
    if ask.parameters.get("symbols"):
        return {"assets": rows}
    pairs = view.isolated_pairs()
    assets = summed(view.cash(wallet, pair) for pair in pairs)
    return {"assets": rows, **_totals(ask, assets, summed(owed(view, wallet, pair) for pair in pairs))}


def _pair_row(ask: Ask, one: Instrument) -> dict[str, Json]:
    cash, due = _pair_amounts(ask.view, one)
    debt = usd_worth(ask.market, due, ask.at)
    level = margin_level(usd_worth(ask.market, cash, ask.at), debt)
    index = ask.market.index("binance", one.base, one.quote, ask.at)
    return {
        "baseAsset": _side(ask, one, one.base),
        "quoteAsset": _side(ask, one, one.quote),
        "symbol": one.symbol,
        "isolatedCreated": True,
        "enabled": True,
        "marginLevel": eight_text(level),
        "marginLevelStatus": _status(level),
        "marginRatio": "10.00000000",
        "indexPrice": eight_text(index),
        "liquidatePrice": eight_text(_liquidation_price(one, cash, due)),
        "liquidateRate": eight_text(_CALL_LEVEL),
        "tradeEnabled": True,
    }


def _pair_amounts(view: View, one: Instrument) -> tuple[Amounts, Amounts]:
    wallet, none = Wallet.ISOLATED_MARGIN, dict.fromkeys((one.base, one.quote), ZERO)
    return none | view.cash(wallet, one.symbol), none | owed(view, wallet, one.symbol)


def _side(ask: Ask, one: Instrument, asset: str) -> dict[str, Json]:
    wallet, view = Wallet.ISOLATED_MARGIN, ask.view
    cash = view.cash(wallet, one.symbol).get(asset, ZERO)
    locked = view.locked(wallet, one.symbol).get(asset, ZERO)
    debt = view.debts(wallet, one.symbol).get(asset)
    net = cash - (debt.borrowed + debt.interest if debt else ZERO)
    return asset_row(asset, cash, locked, debt) | {
        "borrowEnabled": True,
        "netAssetOfBtc": eight_text(_in_btc(ask, {asset: net})),
        "repayEnabled": True,
        "totalAsset": eight_text(cash),
    }


def _status(level: Decimal) -> str:
    """The venue's word for a margin level."""
    steps = (
        (Decimal(2), "EXCESSIVE"),
        (Decimal("1.5"), "NORMAL"),
        (Decimal("1.3"), "MARGIN_CALL"),
        (_CALL_LEVEL, "PRE_LIQUIDATION"),
    )
    return next((word for floor, word in steps if level > floor), "FORCE_LIQUIDATION")


def _liquidation_price(one: Instrument, cash: Amounts, due: Amounts) -> Decimal:
    """The price of base in quote at which assets are 1.1 times the debt; 0 where there is none."""
    below = cash[one.base] - _CALL_LEVEL * due[one.base]
    missing = _CALL_LEVEL * due[one.quote] - cash[one.quote]
    return max(ZERO, missing / below) if below else ZERO


# ---------------------------------------------------------------- orders


def order_row(order: Order) -> dict[str, Json]:
    """A resting margin order; conditional ones are here too, as in the spot book."""
    price = order.price or ZERO
    return {
        "clientOrderId": f"demo{order.order_id}",
        "cummulativeQuoteQty": eight_text(order.filled * price),
        "executedQty": eight_text(order.filled),
        "icebergQty": NONE,
        "isWorking": not order.is_conditional,
        "orderId": order.order_id,
        "origQty": eight_text(order.contracts),
        "price": eight_text(price),
        "side": order.side.upper(),
        "status": "PARTIALLY_FILLED" if order.filled else "NEW",
        "stopPrice": eight_text(order.trigger_price or ZERO),
        "symbol": order.instrument.symbol,
        "time": order.placed_at,
        "timeInForce": "GTC",
        "type": spot_order_type(order),
        "selfTradePreventionMode": "NONE",
        "updateTime": order.placed_at,
    }


def _open_orders(ask: Ask) -> Json:
    """Orders of cross margin, or with isIsolated=TRUE of the isolated pair that `symbol` must name."""
    isolated = ask.parameters.get("isIsolated", "").upper() == "TRUE"
    wanted = ask.required("symbol") if isolated else ask.parameters.get("symbol", "")
    if wanted:
        ask.instrument(SPOT)
    if not isolated:
        _check_cross(ask)
    orders = ask.view.orders(Wallet.ISOLATED_MARGIN if isolated else Wallet.CROSS_MARGIN)
    found = [order for order in orders if wanted in {"", order.instrument.symbol}]
    return [order_row(order) | {"isIsolated": isolated} for order in found]


# ---------------------------------------------------------------- listings


def _margin_pairs(_: Ask) -> Json:
    return [
        {
            "id": 351637150141315861 + place,
            "symbol": one.symbol,
            "base": one.base,
            "quote": one.quote,
            "isMarginTrade": True,
            "isBuyAllowed": True,
            "isSellAllowed": True,
        }
        for place, one in enumerate(by_symbol("binance", SPOT).values())
    ]


def _isolated_listing(ask: Ask) -> Json:
    return [{name: value for name, value in pair.items() if name != "id"} for pair in _margin_pairs(ask)]


ENDPOINTS = (
    Endpoint("GET", "/sapi/v1/margin/account", _cross, 10, Need.MARGIN),
    Endpoint("GET", "/sapi/v1/margin/isolated/account", _isolated, 10, Need.MARGIN),
    Endpoint("GET", "/sapi/v1/margin/openOrders", _open_orders, 10, Need.MARGIN),
    Endpoint("GET", "/sapi/v1/margin/allPairs", _margin_pairs),
    Endpoint("GET", "/sapi/v1/margin/isolated/allPairs", _isolated_listing, 10),
)
