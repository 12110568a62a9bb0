"""eapi: the options wallet. Premiums are paid in cash when they are traded.

So `marginBalance` is that cash, and equity is cash + the market value of what is open, in
which written options count against the wallet.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from portfolio_lab.demo.binance_ask import Ask, Endpoint, Json, by_presence
from portfolio_lab.demo.binance_listing import decimals
from portfolio_lab.demo.binance_options_market import SIDES, Greeks, greeks_of, index_of
from portfolio_lab.demo.binance_text import eight_text, plain_text
from portfolio_lab.demo.binance_worth import OPTION_COIN
from portfolio_lab.demo.facts import ZERO, Order, Position
from portfolio_lab.demo.instruments import OPTION, Instrument
from portfolio_lab.models.accounts import Wallet

_INITIAL, _LEAST, _MAINTENANCE = Decimal("0.15"), Decimal("0.1"), Decimal("0.075")
"""Margin of a written option as a fraction of the index: at the money, far out of it, to keep it open."""


def _open(ask: Ask) -> list[Position]:
    return ask.view.positions(Wallet.OPTIONS)


# ---------------------------------------------------------------- account


def _account(ask: Ask) -> Json:
    """One row of USDT, or none where the wallet was never opened."""
    is_open = Wallet.OPTIONS in ask.account.opened
    return {
        "asset": [_asset_row(ask)] if is_open else [],
        "greek": _greek_rows(ask),
        "time": ask.at,
        "canTrade": is_open,
        "canDeposit": True,
        "canWithdraw": True,
        "reduceOnly": False,
        "tradeGroupId": -1,
    }


def _asset_row(ask: Ask) -> dict[str, Json]:
    view = ask.view
    cash = view.cash(Wallet.OPTIONS).get(OPTION_COIN, ZERO)
    initial, maintenance = _margins(ask)
    return {
        "asset": OPTION_COIN,
        "marginBalance": eight_text(cash),
        "equity": eight_text(cash + view.market_value(Wallet.OPTIONS).get(OPTION_COIN, ZERO)),
        "available": eight_text(max(ZERO, cash - initial)),
        "initialMargin": eight_text(initial),
        "maintMargin": eight_text(maintenance),
        "unrealizedPNL": eight_text(view.unrealised(Wallet.OPTIONS).get(OPTION_COIN, ZERO)),
        "adjustedEquity": eight_text(cash + sum((min(ZERO, _value(ask, one)) for one in _open(ask)), ZERO)),
    }


def _value(ask: Ask, one: Position) -> Decimal:
    """Signed market value."""
    return one.contracts * one.instrument.contract_size * ask.view.mark(one.instrument)


def _margins(ask: Ask) -> tuple[Decimal, Decimal]:
    """Initial and maintenance margin of written options; bought ones are paid for and need none."""
    initial, maintenance = ZERO, ZERO
    for one in _open(ask):
        if one.contracts < ZERO:
            index, size = index_of(ask, one.instrument), -one.contracts * one.instrument.contract_size
            worth = -_value(ask, one)
            initial += worth + size * max(_INITIAL * index - _out_of_money(one.instrument, index), _LEAST * index)
            maintenance += worth + size * _MAINTENANCE * index
    return initial, maintenance


def _out_of_money(one: Instrument, index: Decimal) -> Decimal:
    gap = one.strike - index if one.option_side == "C" else index - one.strike
    return max(ZERO, gap)


def _greek_rows(ask: Ask) -> list[dict[str, Json]]:
    """Sensitivities of all positions together by underlying, signed."""
    sums: dict[str, Greeks] = defaultdict(Greeks)
    for one in _open(ask):
        size = one.contracts * one.instrument.contract_size
        sums[one.instrument.index] += greeks_of(ask, one.instrument).times(size)
    return [{"underlying": name} | found.texts() for name, found in sums.items()]


# ---------------------------------------------------------------- positions


def _positions(ask: Ask) -> Json:
    """Open options; a written one has a negative quantity, and a `markValue` without a sign."""
    wanted = ask.parameters.get("symbol", "")
    return [_position_row(ask, one) for one in _open(ask) if wanted in {"", one.instrument.symbol}]


def _position_row(ask: Ask, one: Position) -> dict[str, Json]:
    terms, mark = one.instrument, ask.view.mark(one.instrument)
    return {
        "entryPrice": plain_text(one.entry_price),
        "symbol": terms.symbol,
        "side": "LONG" if one.contracts > ZERO else "SHORT",
        "quantity": plain_text(one.contracts),
        "markValue": plain_text(abs(_value(ask, one))),
        "unrealizedPNL": plain_text(one.unrealised_pnl(mark)),
        "markPrice": plain_text(mark),
        "strikePrice": plain_text(terms.strike),
        "expiryDate": terms.expiry,
        **_scales(terms),
        "optionSide": SIDES[terms.option_side],
        "quoteAsset": terms.quote,
        "time": ask.at,
        "bidQuantity": "0.0000",
        "askQuantity": "0.0000",
    }


def _scales(one: Instrument) -> dict[str, Json]:
    return {"priceScale": decimals(one.tick), "quantityScale": decimals(one.lot)}


# ---------------------------------------------------------------- orders


def _open_orders(ask: Ask) -> Json:
    wanted = ask.parameters.get("symbol", "")
    if wanted:
        ask.instrument(OPTION)
    return [_order_row(one) for one in ask.view.orders(Wallet.OPTIONS) if wanted in {"", one.instrument.symbol}]


def _order_row(order: Order) -> dict[str, Json]:
    terms, price = order.instrument, order.price or ZERO
    return {
        "orderId": order.order_id,
        "symbol": terms.symbol,
        "price": plain_text(price),
        "quantity": plain_text(order.contracts),
        "executedQty": plain_text(order.filled),
        "side": order.side.upper(),
        "type": "LIMIT",
        "timeInForce": "GTC",
        "reduceOnly": order.reduce_only,
        "createTime": order.placed_at,
        "updateTime": order.placed_at,
        "status": "PARTIALLY_FILLED" if order.filled else "ACCEPTED",
        "avgPrice": plain_text(price if order.filled else ZERO),
        "clientOrderId": "",
        **_scales(terms),
        "optionSide": SIDES[terms.option_side],
        "quoteAsset": terms.quote,
        "mmp": False,
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


ENDPOINTS = (
    Endpoint("GET", "/eapi/v1/marginAccount", _account, 3),
    Endpoint("GET", "/eapi/v1/position", _positions, 5),
    Endpoint("GET", "/eapi/v1/openOrders", _open_orders, by_presence("symbol", given=1, absent=40)),
)
