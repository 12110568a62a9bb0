"""The margins of Binance's futures accounts: what maintenance needs, and what stands behind it.

Cross positions share the margin of their settlement asset; in multi-asset mode all share one, in US dollars.
No field of the account answer tells the mode, but in single-asset mode the totals are those of USDT alone:
totals that are not tell of multi-asset mode. Unverified: that an asset's maintenance margin has that of its
isolated positions inside, and that isolatedMargin has the position's PnL inside.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import contracts, shapes, sums
from portfolio_lab.models.holdings import Position
from portfolio_lab.models.margins import WHOLE, Margin

_OF_TOTALS = "USDT"


def with_margins(positions: Iterable[Position], account: shapes.FuturesAccount) -> tuple[Position, ...]:
    """Return the positions with what the account answer tells of their margins."""
    lines = {(line.symbol, contracts.SIDES.get(line.positionSide)): line for line in account.positions}
    return tuple(_with_margin(position, lines.get((position.instrument, position.side))) for position in positions)


def _with_margin(position: Position, line: shapes.PositionLine | None) -> Position:
    if line is None:
        return position
    path = f"positions[{position.instrument}]"
    needed = payloads.amount_or_none(line.maintMargin, f"{path}.maintMargin")
    alone = payloads.amount_or_none(line.isolatedWallet, f"{path}.isolatedWallet")
    held = payloads.amount_or_none(line.isolatedMargin, f"{path}.isolatedMargin") if alone else None
    return replace(
        position, maintenance_margin=needed, margin_balance=position.margin_balance if held is None else held
    )


def shared_margins(account: shapes.FuturesAccount, positions: Sequence[Position]) -> tuple[Margin, ...]:
    """Return the margins that cross positions share; `positions` are those of `with_margins`."""
    whole = _whole(account)
    if whole is not None:
        return (whole,)
    return tuple(margin for margin in (_of_asset(row, positions) for row in account.assets) if margin is not None)


def _whole(account: shapes.FuturesAccount) -> Margin | None:
    """The one margin of multi-asset mode; None where the totals are those of USDT alone, or are not told."""
    needed = payloads.amount_or_none(account.totalMaintMargin, "totalMaintMargin")
    held = payloads.amount_or_none(account.totalMarginBalance, "totalMarginBalance")
    if needed is None or held is None:
        return None
    stated = [row for row in account.assets if row.asset == _OF_TOTALS]
    alone = sums.total(payloads.amount(row.marginBalance, "assets[USDT].marginBalance") for row in stated)
    needed_alone = sums.total(payloads.amount_or_none(row.maintMargin, "maintMargin") or sums.ZERO for row in stated)
    if sums.is_near(held, alone) and sums.is_near(needed, needed_alone):
        return None
    return Margin(WHOLE, needed, held)


def _of_asset(row: shapes.MarginAsset, positions: Sequence[Position]) -> Margin | None:
    """The margin of one asset without that of its isolated positions; None where it holds nothing."""
    path = f"assets[{row.asset[:20]}]"
    isolated = [one for one in positions if one.margin_balance is not None and one.settle_asset == row.asset]
    needed = payloads.amount_or_none(row.maintMargin, f"{path}.maintMargin")
    cash = payloads.amount_or_none(row.crossWalletBalance, f"{path}.crossWalletBalance")
    earned = payloads.amount_or_none(row.crossUnPnl, f"{path}.crossUnPnl")
    held = payloads.amount(row.marginBalance, f"{path}.marginBalance") if not isolated else None
    held = held if cash is None or earned is None else cash + earned
    needed = None if needed is None else _less(needed, [one.maintenance_margin for one in isolated])
    return Margin(payloads.asset_code(row.asset, path), needed, held) if needed or held else None


def _less(whole: Decimal, parts: Sequence[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return max(whole - sums.total(known), sums.ZERO) if len(known) == len(parts) else None
