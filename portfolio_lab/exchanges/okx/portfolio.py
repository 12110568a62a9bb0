"""What an OKX account holds: the trading account, and the funding account."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.exchanges.okx import endpoints, positions, shapes
from portfolio_lab.exchanges.okx.prices import Instruments
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.holdings import Balance, WalletReading
from portfolio_lab.models.margins import WHOLE, Margin

ABSOLUTE, RELATIVE = Decimal("1e-6"), Decimal("1e-4")
"""How far equity may lie from the terms that we know before it is logged."""

TOTAL_SHARE, TOTAL_USD = Decimal("0.01"), Decimal(1)
"""How far the account's total may lie from the sum of its coins: a share of it, or dollars of dust."""

ZERO = Decimal(0)

AMOUNTS = {
    "cash": "cashBal",
    "unrealised": "upl",
    "isolated_equity": "isoEq",
    "isolated_unrealised": "isoUpl",
    "bots": "stgyEq",
    "isolated_spot": "spotIsoBal",
    "spot_copy_trading": "spotCopyTradingEq",
    "copy_trading": "smtSyncEq",
    "rewards": "rewardBal",
    "available_equity": "availEq",
    "available": "availBal",
    "frozen": "frozenBal",
    "frozen_for_orders": "ordFrozen",
    "fixed": "fixedBal",
}
"""Parts of a coin's balance, ours to OKX's names."""

DEBTS = {
    "liability": "liab",
    "cross_liability": "crossLiab",
    "isolated_liability": "isoLiab",
    "unrealised_liability": "uplLiab",
    "interest": "interest",
    "frozen_for_borrowing": "borrowFroz",
}
"""The same for what is owed: magnitudes, which `eq` has inside."""

KNOWN_TERMS = ("isoEq", "upl", "stgyEq", "spotIsoBal")
"""What adds up to `eq` with the cash, but for the isolated open PnL that is in two of them.

Published answers bear out all but spotIsoBal, which is unverified, as is any part of copy trading.
"""

_log = logging.getLogger(__name__)


# ---------------------------------------------------------------- funding account


async def fetch_funding(client: VenueClient) -> WalletReading:
    """Return the funding account: what can be used and what is frozen, by coin."""
    answer, mark = await client.ask(endpoints.FUNDING_BALANCES, shapes.Envelope[shapes.FundingBalance])
    payloads.each_once((row.ccy for row in answer.data), "data")
    balances = (_funding_balance(row) for row in answer.data)
    return WalletReading(Wallet.FUNDING, tuple(balance for balance in balances if balance.quantity), answers=(mark,))


def _funding_balance(row: shapes.FundingBalance) -> Balance:
    asset = payloads.asset_code(row.ccy, "data.ccy")
    quantity = payloads.not_negative(row.bal, f"data[{asset}].bal")
    available = payloads.not_negative(row.availBal, f"data[{asset}].availBal")
    frozen = payloads.amount_or_none(row.frozenBal, f"data[{asset}].frozenBal")
    parts = {"available": available, "frozen": frozen}
    stated = tuple((name, part) for name, part in parts.items() if part is not None)
    return Balance(asset, quantity, available=available, components=stated)


# ---------------------------------------------------------------- trading account


async def fetch_trading(client: VenueClient, instruments: Instruments) -> WalletReading:
    """Return the trading account by coin, with its open positions.

    Raises AnswerShapeError when the account's own total is not that of its coins: then the answer
    is of two moments, or a coin is missing.
    """
    answer, mark = await client.ask(endpoints.TRADING_BALANCE, shapes.Envelope[shapes.TradingBalance])
    account = one_account(answer.data)
    payloads.each_once((row.ccy for row in account.details), "data[0].details")
    _check_total(account)
    balances = (_coin_balance(row) for row in account.details)
    held = tuple(balance for balance in balances if balance.quantity or balance.wallet_balance)
    opened, second = await positions.fetch_positions(client, instruments)
    return WalletReading(Wallet.TRADING, held, opened, (mark, second), margins=margins_of(account))


def margins_of(account: shapes.TradingBalance) -> tuple[Margin, ...]:
    """Return the margins of a trading account: one of the whole, or one a coin, as its mode has it.

    Behind a coin's positions stand its cash and the open PnL of cross positions. OKX's level has the fee of
    closing in its divisor, so that it is somewhat nearer to 1 than balance / maintenance.
    """
    needed = payloads.amount_or_none(account.mmr, "data[0].mmr")
    adjusted = payloads.amount_or_none(account.adjEq, "data[0].adjEq")
    if needed is not None and adjusted is not None:
        return (Margin(WHOLE, needed, adjusted, payloads.amount_or_none(account.mgnRatio, "data[0].mgnRatio")),)
    return tuple(margin for margin in map(_coin_margin, account.details) if margin is not None)


def _coin_margin(row: shapes.CoinBalance) -> Margin | None:
    path = f"details[{row.ccy[:20]}]"
    needed = payloads.amount_or_none(row.mmr, f"{path}.mmr")
    if needed is None:
        return None
    isolated = payloads.amount_or_none(row.isoUpl, f"{path}.isoUpl") or ZERO
    earned = payloads.amount_or_none(row.upl, f"{path}.upl") or ZERO
    held = payloads.amount(row.cashBal, f"{path}.cashBal") + earned - isolated
    return Margin(row.ccy, needed, held, payloads.amount_or_none(row.mgnRatio, f"{path}.mgnRatio"))


def one_account(rows: list[shapes.TradingBalance]) -> shapes.TradingBalance:
    """Return the only row of account/balance; AnswerShapeError for none or several."""
    if len(rows) != 1:
        raise AnswerShapeError("The answer does not hold exactly one account.", path="data")
    return rows[0]


def _check_total(account: shapes.TradingBalance) -> None:
    """Raise when totalEq is not the sum of what the coins are said to be worth, where all are."""
    total = payloads.amount(account.totalEq, "data[0].totalEq")
    worths = [payloads.amount_or_none(row.eqUsd, f"details[{row.ccy[:20]}].eqUsd") for row in account.details]
    stated = [worth for worth in worths if worth is not None]
    if len(stated) != len(worths):
        return
    if abs(total - sum(stated, ZERO)) > max(TOTAL_USD, TOTAL_SHARE * abs(total)):
        text = "The answer's total equity is not the sum of its coins: one of them is missing or wrong."
        raise AnswerShapeError(text, path="data[0].totalEq")


def _coin_balance(row: shapes.CoinBalance) -> Balance:
    """One coin: equity `eq`, of which `upl` is unrealised; the rest is the wallet balance."""
    asset = payloads.asset_code(row.ccy, "details.ccy")
    path = f"details[{asset}]"
    equity = payloads.amount(row.eq, f"{path}.eq")
    unrealised = payloads.amount_or_none(row.upl, f"{path}.upl") or ZERO
    stated = payloads.amount_or_none(row.availEq, f"{path}.availEq")
    cash_available = payloads.amount_or_none(row.availBal, f"{path}.availBal")
    available = cash_available if stated is None else stated
    components = tuple(_components(row, path))
    residual = equity_residual(row)
    if abs(residual) > max(ABSOLUTE, RELATIVE * abs(equity)):
        _log.warning("okx: %s equity differs from its known terms; the venue may state a new one", asset)
        components += (("residual", residual),)
    return Balance(asset, equity, equity - unrealised, unrealised, available, components=components)


def _components(row: shapes.CoinBalance, path: str) -> Iterator[tuple[str, Decimal]]:
    """Every part that OKX stated, those that are 0 left out."""
    for name, field in (AMOUNTS | DEBTS).items():
        part = payloads.amount_or_none(getattr(row, field), f"{path}.{field}")
        if part:
            yield name, abs(part) if name in DEBTS else part


def equity_residual(row: shapes.CoinBalance) -> Decimal:
    """Return `eq` less the terms that are known: cash, isolated equity, open PnL, bots, isolated spot.

    Near zero on every published answer. It is watched, never used: terms may be added.
    """
    path = f"details[{row.ccy[:20]}]"
    inside_isolated = payloads.amount_or_none(row.isoUpl, f"{path}.isoUpl") or ZERO
    known = _sum((getattr(row, name), f"{path}.{name}") for name in KNOWN_TERMS)
    cash = payloads.amount(row.cashBal, f"{path}.cashBal")
    return payloads.amount(row.eq, f"{path}.eq") - cash - known + inside_isolated


def _sum(parts: Iterable[tuple[str, str]]) -> Decimal:
    return sum((payloads.amount_or_none(text, path) or ZERO for text, path in parts), ZERO)
