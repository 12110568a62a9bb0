"""Positions in Binance's futures contracts, from the rows that all its futures accounts share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import shapes, sums
from portfolio_lab.exchanges.binance.prices import Instrument, Instruments
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import ContractKind, Position

ROUNDED = Decimal("0.01")
"""Share of a position's value by which its PnL may lie from that of its entry and mark price."""

SIDES = {"BOTH": "net", "LONG": "long", "SHORT": "short"}

Row = shapes.UsdMPosition | shapes.CoinMPosition

AnyRow = TypeVar("AnyRow", shapes.UsdMPosition, shapes.CoinMPosition)


async def linear_positions(rows: Sequence[shapes.UsdMPosition], instruments: Instruments) -> list[Position]:
    """Return the open positions of USD-M contracts; AnswerShapeError for one that is not listed."""
    return [_linear(row, await instruments.one(Wallet.USD_M, row.symbol)) for row in _open_rows(rows)]


async def inverse_positions(rows: Sequence[shapes.CoinMPosition], instruments: Instruments) -> list[Position]:
    """Return the open positions of COIN-M contracts; AnswerShapeError for one that is not listed."""
    return [_inverse(row, await instruments.one(Wallet.COIN_M, row.symbol)) for row in _open_rows(rows)]


def _open_rows(rows: Sequence[AnyRow]) -> list[AnyRow]:
    """The rows with contracts; in hedge mode an instrument has one row a side."""
    payloads.each_once((f"{row.symbol} {row.positionSide}" for row in rows), "symbol and positionSide")
    return [row for row in rows if payloads.amount(row.positionAmt, f"[{row.symbol[:30]}].positionAmt")]


def _signed(row: Row) -> tuple[str, Decimal]:
    """The book that the row is kept in, and its contracts: + long, - short."""
    path = f"[{row.symbol}]"
    side = SIDES.get(row.positionSide)
    if side is None:
        raise AnswerShapeError("The answer has no known side of a position.", path=f"{path}.positionSide")
    contracts = payloads.amount(row.positionAmt, f"{path}.positionAmt")
    if side != "net":
        contracts = abs(contracts) if side == "long" else -abs(contracts)
    return side, contracts


def _linear(row: shapes.UsdMPosition, contract: Instrument) -> Position:
    side, contracts = _signed(row)
    settle = payloads.asset_code(row.marginAsset or contract.settle, f"[{row.symbol}].marginAsset")
    return _position(row, contract, side, contracts, settle=settle, kind=ContractKind.LINEAR, leverage=None)


def _inverse(row: shapes.CoinMPosition, contract: Instrument) -> Position:
    side, contracts = _signed(row)
    leverage = payloads.amount_or_none(row.leverage, f"[{row.symbol}].leverage")
    settle = payloads.asset_code(contract.settle, f"[{row.symbol}].marginAsset")
    position = _position(row, contract, side, contracts, settle=settle, kind=ContractKind.INVERSE, leverage=leverage)
    if row.marginType != "isolated":
        return position
    return replace(
        position, margin_balance=payloads.amount_or_none(row.isolatedMargin, f"[{row.symbol}].isolatedMargin")
    )


def _position(
    row: Row,
    contract: Instrument,
    side: str,
    contracts: Decimal,
    *,
    settle: str,
    kind: ContractKind,
    leverage: Decimal | None,
) -> Position:
    path = f"[{row.symbol}]"
    mark = payloads.positive(row.markPrice, f"{path}.markPrice")
    entry = payloads.not_negative(row.entryPrice, f"{path}.entryPrice")
    units = contracts * contract.size
    unrealised = payloads.amount(row.unRealizedProfit, f"{path}.unRealizedProfit")
    if entry:
        _refuse_foreign_pnl(unrealised, units, entry, mark, kind, f"{path}.unRealizedProfit")
    return Position(
        instrument=row.symbol,
        underlying=payloads.asset_code(contract.base, f"{path}.baseAsset"),
        kind=kind,
        side=side,
        quantity=units if kind is ContractKind.LINEAR else payloads.quotient(units, mark),
        contracts=abs(contracts),
        contract_size=contract.size,
        entry_price=entry,
        mark_price=mark,
        unrealised_pnl=unrealised,
        settle_asset=settle,
        leverage_setting=leverage,
        liquidation_price=payloads.not_negative(row.liquidationPrice, f"{path}.liquidationPrice") or None,
    )


def _refuse_foreign_pnl(
    unrealised: Decimal, units: Decimal, entry: Decimal, mark: Decimal, kind: ContractKind, path: str
) -> None:
    """Raise when a row's PnL is not that of its own size and prices: one of them is then wrong."""
    if kind is ContractKind.LINEAR:
        found, worth = units * (mark - entry), abs(units) * mark
    else:
        found, worth = units / entry - units / mark, abs(units) / mark
    sums.refuse_unless_near(unrealised, found, path, "that of its size, entry and mark price", ROUNDED * worth)
