"""Binance's portfolio margin account: one account over cross margin, USD-M and COIN-M.

Equity of an asset is total wallet balance - borrowed - interest + the unrealised PnL of both
kinds of contracts. What the parts hold is inside it: they are never read beside it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError, PostponedError, VenueError, WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import contracts, endpoints, shapes, sums
from portfolio_lab.exchanges.binance import shapes_margin as margin_shapes
from portfolio_lab.exchanges.binance.futures import CREDITS
from portfolio_lab.exchanges.binance.prices import Instruments
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.governor import hurried
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, ContractKind, Position, WalletReading
from portfolio_lab.models.margins import WHOLE, Margin

_log = logging.getLogger(__name__)

MOVED = Decimal("0.02")
"""Share of the contracts' value by which the PnL of two answers of one moment may differ."""

MOMENT = timedelta(seconds=20)
"""What was told within it is told of one cycle."""

NOT_FOR_US = "-2015"
"""Binance's code for an account that is not in portfolio margin mode (and for a key without any right)."""


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether an account is in portfolio margin mode, and its equity in US dollars when it is."""

    is_on: bool
    equity: Decimal | None = None
    answer: AnswerMark | None = None


async def fetch_mode(client: VenueClient) -> Mode:
    """Return whether the account is in portfolio margin mode; raises the VenueError family.

    Only a refusal to a key that was found good for other things denies it.
    """
    try:
        account, mark = await client.ask(endpoints.PM_ACCOUNT, margin_shapes.PmAccount)
    except WalletRefusedError as refusal:
        if refusal.venue_code != NOT_FOR_US:
            raise
        return Mode(is_on=False)
    return Mode(is_on=True, equity=payloads.amount(account.actualEquity, "actualEquity"), answer=mark)


class KnownMode:
    """The mode of one account, asked once for all who want it within a moment: the question is dear."""

    def __init__(self) -> None:
        self._mode = Mode(is_on=False)
        self._at: datetime | None = None
        self._asking = asyncio.Lock()

    async def told(self, client: VenueClient, now: datetime) -> Mode:
        """Return the mode as it is at `now`; raises the VenueError family."""
        async with self._asking:
            if self._at is None or abs(now - self._at) > MOMENT:
                self._mode, self._at = await fetch_mode(client), now
            return self._mode


async def fetch_portfolio_margin(client: VenueClient, instruments: Instruments) -> WalletReading:
    """Return the portfolio margin account; raises the VenueError family.

    An empty list of assets is believed only when the account states no equity either.
    negativeBalance is kept beside the parts: whether it is inside the wallet balance is unverified.
    """
    rows, mark = await client.ask(endpoints.PM_BALANCE, list[margin_shapes.PmRow])
    linear, second = await client.ask(endpoints.PM_USD_M_POSITIONS, list[shapes.UsdMPosition])
    inverse, third = await client.ask(endpoints.PM_COIN_M_POSITIONS, list[shapes.CoinMPosition])
    positions = [
        *await contracts.linear_positions(linear, instruments),
        *await contracts.inverse_positions(inverse, instruments),
    ]
    if not rows:
        await _refuse_lost_equity(client)
    margins, marks = await _margins(client)
    marks = (mark, second, third, *marks)
    return WalletReading(Wallet.PORTFOLIO_MARGIN, _balances(rows, positions), tuple(positions), marks, margins=margins)


async def _margins(client: VenueClient) -> tuple[tuple[Margin, ...], tuple[AnswerMark, ...]]:
    """The one margin of the account, from an answer of its own.

    It is unknown while others need the weight, or where that answer fails: what the account holds stands without it.
    """
    try:
        with hurried(first=0.0, rest=0.0):
            account, mark = await client.ask(endpoints.PM_ACCOUNT, margin_shapes.PmAccount)
    except VenueError as refusal:
        if not isinstance(refusal, PostponedError):
            _log.warning("binance: the margin of a portfolio margin account is unknown: %s", refusal)
        return (), ()
    return (margin_of(account),), (mark,)


def margin_of(account: margin_shapes.PmAccount) -> Margin:
    """Return the margin behind everything in a portfolio margin account, in US dollars after haircuts."""
    needed = payloads.amount_or_none(account.accountMaintMargin, "accountMaintMargin")
    held = payloads.amount_or_none(account.accountEquity, "accountEquity")
    # Without anything to maintain the level is a number that stands for "no risk", and no quotient.
    level = payloads.amount_or_none(account.uniMMR, "uniMMR") if needed else None
    return Margin(WHOLE, needed, held, level)


async def _refuse_lost_equity(client: VenueClient) -> None:
    account, _ = await client.ask(endpoints.PM_ACCOUNT, margin_shapes.PmAccount)
    if payloads.amount(account.actualEquity, "actualEquity"):
        text = f"{endpoints.PM_BALANCE.path} lists no asset, but the account has an equity."
        raise AnswerShapeError(text, path="actualEquity")


def _balances(rows: Sequence[margin_shapes.PmRow], positions: Sequence[Position]) -> tuple[Balance, ...]:
    payloads.each_once((row.asset for row in rows), "asset")
    # Unverified: contracts of European users settle in credits, whatever their margin asset.
    is_checked = all(row.asset != CREDITS for row in rows)
    assets = {row.asset for row in rows}
    strange = next((one.settle_asset for one in positions if one.settle_asset not in assets), None)
    if is_checked and strange is not None:
        raise AnswerShapeError(f"The answer has contracts in {strange}, but no such asset.", path="asset")
    balances = (balance_of(row, positions if is_checked else None) for row in rows)
    return tuple(balance for balance in balances if any(size for _, size in balance.components) or balance.quantity)


def balance_of(row: margin_shapes.PmRow, positions: Sequence[Position] | None) -> Balance:
    """Return one asset of the account; `positions` are all of its contracts, None to trust the row alone."""
    asset = payloads.asset_code(row.asset, "asset")
    path = f"[{asset}]"
    parts = _parts(row, path)
    total = payloads.amount(row.totalWalletBalance, f"{path}.totalWalletBalance")
    held = parts["free"] + parts["locked"] + parts["um_wallet"] + parts["cm_wallet"]
    sums.refuse_unless_near(total, held, f"{path}.totalWalletBalance", "cross margin + both futures wallets")
    linear = _unrealised(row.umUnrealizedPNL, f"{path}.umUnrealizedPNL", _of(positions, asset, ContractKind.LINEAR))
    inverse = _unrealised(row.cmUnrealizedPNL, f"{path}.cmUnrealizedPNL", _of(positions, asset, ContractKind.INVERSE))
    cash = total - parts["borrowed"] - parts["interest"]
    return Balance(asset, cash + linear + inverse, cash, linear + inverse, components=tuple(parts.items()))


def _parts(row: margin_shapes.PmRow, path: str) -> dict[str, Decimal]:
    parts = {
        "free": payloads.not_negative(row.crossMarginFree, f"{path}.crossMarginFree"),
        "locked": payloads.not_negative(row.crossMarginLocked, f"{path}.crossMarginLocked"),
        "borrowed": payloads.not_negative(row.crossMarginBorrowed, f"{path}.crossMarginBorrowed"),
        "interest": payloads.not_negative(row.crossMarginInterest, f"{path}.crossMarginInterest"),
        "um_wallet": payloads.amount(row.umWalletBalance, f"{path}.umWalletBalance"),
        "cm_wallet": payloads.amount(row.cmWalletBalance, f"{path}.cmWalletBalance"),
    }
    negative = payloads.amount_or_none(row.negativeBalance, f"{path}.negativeBalance")
    return parts if negative is None else {**parts, "negative_balance": negative}


def _of(positions: Sequence[Position] | None, asset: str, kind: ContractKind) -> list[Position] | None:
    if positions is None:
        return None
    return [one for one in positions if one.settle_asset == asset and one.kind is kind]


def _unrealised(text: str, path: str, positions: list[Position] | None) -> Decimal:
    """The stated PnL; "" means 0 only where no contract of that kind could have one."""
    stated = payloads.amount_or_none(text, path)
    if stated is None and (positions is None or positions):
        raise AnswerShapeError("The answer does not state the PnL of its contracts.", path=path)
    if positions is None or stated is None:
        return stated or sums.ZERO
    found = sums.total(one.unrealised_pnl for one in positions)
    sums.refuse_unless_near(stated, found, path, "that of its contracts", MOVED * _worth(positions))
    return stated


def _worth(positions: Sequence[Position]) -> Decimal:
    """What the contracts are worth in their settlement asset, long or short."""
    return sums.total(
        abs(one.quantity) * (one.mark_price if one.kind is ContractKind.LINEAR else sums.ONE) for one in positions
    )
