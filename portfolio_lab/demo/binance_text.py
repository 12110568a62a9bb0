"""How Binance writes numbers, times, wallets and sides."""

from __future__ import annotations

from decimal import Decimal

from portfolio_lab.demo.facts import ONE_WAY, Order
from portfolio_lab.demo.instruments import SPOT, Instrument
from portfolio_lab.demo.market import instant

NONE = "0.00000000"


def eight_text(number: Decimal) -> str:
    """Eight decimals, always."""
    return f"{number:.8f}"


def plain_text(number: Decimal) -> str:
    """As short as possible, never in powers of ten: 1, 0.9, 0."""
    return f"{number.normalize():f}"


def priced_text(one: Instrument, price: Decimal) -> str:
    """A price or quantity as its host prints it: spot with eight decimals, contracts as they are."""
    return eight_text(price) if one.kind == SPOT else f"{price:f}"


def utc_text(at: int) -> str:
    """YYYY-MM-DD hh:mm:ss in UTC, cut to the second."""
    return f"{instant(at):%Y-%m-%d %H:%M:%S}"


def side_text(position_side: str) -> str:
    """BOTH in one-way mode, LONG or SHORT in hedge mode."""
    return "BOTH" if position_side == ONE_WAY else position_side.upper()


def contract_order_type(order: Order) -> str:
    """LIMIT, STOP, STOP_MARKET, TAKE_PROFIT or TAKE_PROFIT_MARKET."""
    if not order.is_conditional:
        return "LIMIT"
    word = "TAKE_PROFIT" if order.order_type == "take_profit" else "STOP"
    return word if order.price is not None else f"{word}_MARKET"


def spot_order_type(order: Order) -> str:
    """LIMIT, STOP_LOSS, STOP_LOSS_LIMIT, TAKE_PROFIT or TAKE_PROFIT_LIMIT."""
    if not order.is_conditional:
        return "LIMIT"
    word = "TAKE_PROFIT" if order.order_type == "take_profit" else "STOP_LOSS"
    return word if order.price is None else f"{word}_LIMIT"
