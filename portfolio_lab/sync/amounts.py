"""Amounts as the store keeps them: 38 digits, 18 of them after the point."""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.models.activity import ActivityStep, CashFlow, EquityEstimate, Fill, Income, Transfer
from portfolio_lab.models.holdings import OpenOrder, WalletReading

_STEP = Decimal(1).scaleb(-18)
_WIDE = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN, traps=[decimal.InvalidOperation])
_LARGEST = Decimal(10) ** 20


@lru_cache(maxsize=65_536)
def stored(amount: Decimal) -> Decimal:
    """Return the amount rounded half-even to 18 places.

    Raises:
        AnswerShapeError: it is no number, or has more than 20 digits before the point.
    """
    if not amount.is_finite() or abs(amount) >= _LARGEST:
        msg = "an amount is not a number that the store can keep (at most 20 digits before the point)"
        raise AnswerShapeError(msg)
    rounded = amount.quantize(_STEP, context=_WIDE)
    if abs(rounded) >= _LARGEST:
        msg = "an amount rounds to more digits than the store can keep"
        raise AnswerShapeError(msg)
    return rounded


def stored_or_none(amount: Decimal | None) -> Decimal | None:
    """Return the amount rounded as `stored` does; what is unknown stays unknown."""
    return None if amount is None else stored(amount)


def check_reading(reading: WalletReading) -> WalletReading:
    """Return the reading, or raise AnswerShapeError when the store could not keep one of its amounts."""
    for balance in reading.balances:
        _check((balance.quantity, balance.wallet_balance, balance.unrealised_pnl, balance.available))
        _check(amount for _, amount in balance.components)
    for position in reading.positions:
        _check((position.quantity, position.contracts, position.contract_size, position.entry_price))
        _check((position.mark_price, position.unrealised_pnl, position.leverage_setting, position.liquidation_price))
        _check((position.delta, position.maintenance_margin, position.margin_balance, position.margin_level))
    for margin in reading.margins:
        _check((margin.maintenance, margin.balance, margin.level, margin.debt_level))
    if not reading.answers:
        msg = f"the {reading.wallet} wallet came without the mark of any answer"
        raise AnswerShapeError(msg)
    return reading


def check_orders(orders: Iterable[OpenOrder]) -> tuple[OpenOrder, ...]:
    """Return the orders, or raise AnswerShapeError when the store could not keep one of their amounts."""
    checked = tuple(orders)
    for order in checked:
        _check((order.quantity, order.filled, order.price, order.trigger_price))
    return checked


def check_flows(flows: Iterable[CashFlow]) -> tuple[CashFlow, ...]:
    """Return the cash flows, or raise AnswerShapeError when the store could not keep one of their amounts."""
    checked = tuple(flows)
    for flow in checked:
        _check((flow.quantity, flow.fee))
    return checked


def check_step(step: ActivityStep) -> ActivityStep:
    """Return the step, or raise AnswerShapeError when the store could not keep one of its amounts."""
    for row in step.rows:
        _check(_amounts(row))
    return step


def _amounts(row: CashFlow | Transfer | Fill | Income | EquityEstimate) -> tuple[Decimal | None, ...]:
    if isinstance(row, CashFlow):
        return (row.quantity, row.fee)
    if isinstance(row, Fill):
        return (row.quantity, row.price, row.fee, row.realised_pnl)
    return (row.quantity,)


def _check(amounts: Iterable[Decimal | None]) -> None:
    for amount in amounts:
        stored_or_none(amount)
