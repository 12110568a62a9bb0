"""USD-M positions, asked for by need: the account's own answer tells whether there are any, and what they are worth.

The account answer has each open position with its size, notional and PnL of now. Entry and
liquidation price stand in a second answer only, which costs as much again. It is asked for where
there is a position that is new, has changed or was not told in full for long; in between, it is
asked for as long as nobody else wants the weight, and else the earlier prices stay, with their age.
When many accounts are read for the first time there is no room for all second answers within a
minute; a position is then told as the account answer has it: its entry price is worked back from
its PnL, and its liquidation price is unknown until there is room.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from portfolio_lab.errors import PostponedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import contracts, endpoints, shapes, sums
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.governor import Priority, hurried
from portfolio_lab.models.holdings import AnswerMark, Position

YOUNG = timedelta(minutes=4)
"""While details are younger, everything else goes before a newer telling of them."""

OLDEST = timedelta(minutes=10)
"""Details that are older are not carried."""

ROUNDED = Decimal("0.00001")
"""Share of a position's value by which its PnL may lie from that of its size and carried entry price."""

Line = tuple[str, str, str, int]
"""Contract, side, size and last change, as the account answer has them."""


@dataclass(slots=True)
class KnownPositions:
    """What one account's positions were when they were last told in full."""

    lines: frozenset[Line] = frozenset()
    positions: tuple[Position, ...] = ()
    at: datetime | None = None


async def fetch_positions(
    client: VenueClient,
    instruments: Instruments,
    account: shapes.FuturesAccount,
    known: KnownPositions,
    *,
    now: datetime,
) -> tuple[Sequence[Position], AnswerMark | None]:
    """Return the open positions, and the mark of the answer that tells them in full, if it was asked for."""
    if not shows_positions(account):
        known.positions, known.at = (), None
        return (), None
    carried = _carried(account, known, now)
    if carried is not None:
        priority = Priority.SLOW if known.at is not None and now - known.at < YOUNG else Priority.HISTORY
        try:
            with hurried(first=0.0, rest=0.0):
                return await _told_in_full(client, instruments, account, known, priority)
        except PostponedError:
            return carried, None
    if known.at is None:
        try:
            with hurried(first=0.0, rest=0.0):
                return await _told_in_full(client, instruments, account, known, Priority.ORDERS)
        except PostponedError:
            summarised = await _summarised(instruments, account)
            if summarised is not None:
                return summarised, None
    return await _told_in_full(client, instruments, account, known, Priority.CORE)


async def _told_in_full(
    client: VenueClient,
    instruments: Instruments,
    account: shapes.FuturesAccount,
    known: KnownPositions,
    priority: Priority,
) -> tuple[Sequence[Position], AnswerMark]:
    endpoint = replace(endpoints.USD_M_POSITIONS, priority=priority)
    rows, mark = await client.ask(endpoint, list[shapes.UsdMPosition])
    positions = await contracts.linear_positions(rows, instruments)
    known.lines, known.positions, known.at = _lines(account), tuple(positions), mark.received_at
    return positions, mark


async def _summarised(instruments: Instruments, account: shapes.FuturesAccount) -> Sequence[Position] | None:
    """The positions as the account answer alone has them; None where it does not tell enough of one."""
    sizes = [(line, payloads.amount(line.positionAmt, "positions.positionAmt")) for line in account.positions]
    rows = [_row(line, size) for line, size in sizes if size]
    told = [row for row in rows if row is not None]
    return await contracts.linear_positions(told, instruments) if len(told) == len(rows) > 0 else None


def _row(line: shapes.PositionLine, size: Decimal) -> shapes.UsdMPosition | None:
    notional = payloads.amount_or_none(line.notional, "positions.notional")
    if not notional:
        return None
    mark = payloads.quotient(abs(notional), abs(size))
    entry = mark - payloads.quotient(payloads.amount(line.unrealizedProfit, "positions.unrealizedProfit"), size)
    return shapes.UsdMPosition(
        symbol=line.symbol, positionSide=line.positionSide, positionAmt=line.positionAmt, entryPrice=f"{entry:f}",
        markPrice=f"{mark:f}", unRealizedProfit=line.unrealizedProfit, liquidationPrice="0",
    )  # fmt: skip


def shows_positions(account: shapes.FuturesAccount) -> bool:
    """False only when sizes, PnL and margins of the account's own answer all say that nothing is open."""
    sizes = (payloads.amount(line.positionAmt, "positions.positionAmt") for line in account.positions)
    earned = (payloads.amount(line.unrealizedProfit, "positions.unrealizedProfit") for line in account.positions)
    return any(sizes) or any(earned) or any(_is_margin_used(row) for row in account.assets)


def locks(rows: Iterable[shapes.MarginAsset]) -> frozenset[str] | None:
    """Return the assets with margin held for resting orders; None where the answer does not tell of all."""
    found = set()
    for row in rows:
        held = payloads.amount_or_none(row.openOrderInitialMargin, f"assets[{row.asset[:20]}].openOrderInitialMargin")
        if held is None:
            return None
        if held:
            found.add(row.asset)
    return frozenset(found)


def _is_margin_used(row: shapes.MarginAsset) -> bool:
    """True where margin is used by positions, or where the answer does not tell."""
    path = f"assets[{row.asset[:20]}]"
    parts = ("positionInitialMargin", "maintMargin")
    margins = [payloads.amount_or_none(getattr(row, part), f"{path}.{part}") for part in parts]
    unrealised = payloads.amount(row.unrealizedProfit, f"{path}.unrealizedProfit")
    return unrealised != 0 or any(margin is None or margin != 0 for margin in margins)


# ---------------------------------------------------------------- what is carried


def _lines(account: shapes.FuturesAccount) -> frozenset[Line]:
    return frozenset(
        (line.symbol, line.positionSide, line.positionAmt, line.updateTime)
        for line in account.positions
        if payloads.amount(line.positionAmt, "positions.positionAmt")
    )


def _carried(account: shapes.FuturesAccount, known: KnownPositions, now: datetime) -> tuple[Position, ...] | None:
    """The known positions at the marks and PnL of the account answer; None where they may not be the same ones."""
    if known.at is None or not timedelta(0) <= now - known.at < OLDEST or _lines(account) != known.lines:
        return None
    by_place = {(line.symbol, contracts.SIDES.get(line.positionSide)): line for line in account.positions}
    renewed = []
    for position in known.positions:
        line = by_place.get((position.instrument, position.side))
        newer = _renewed(position, line, known.at) if line is not None else None
        if newer is None:
            return None
        renewed.append(newer)
    return tuple(renewed) if len(renewed) == len(known.lines) else None


def _renewed(position: Position, line: shapes.PositionLine, told_at: datetime) -> Position | None:
    notional = payloads.amount_or_none(line.notional, "positions.notional")
    unrealised = payloads.amount(line.unrealizedProfit, "positions.unrealizedProfit")
    if not notional or not position.entry_price:
        return None
    mark = payloads.quotient(abs(notional), abs(position.quantity))
    found = position.quantity * (mark - position.entry_price)
    if not sums.is_near(unrealised, found, ROUNDED * abs(notional)):
        return None
    return replace(position, mark_price=mark, unrealised_pnl=unrealised, details_at=told_at)
