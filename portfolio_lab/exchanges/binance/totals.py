"""What Binance itself says that each wallet is worth, and which wallets an account does not have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from portfolio_lab.errors import AnswerShapeError, WalletRefusedError
from portfolio_lab.exchanges import payloads
from portfolio_lab.exchanges.binance import endpoints, portfolio_margin, shapes_rest
from portfolio_lab.exchanges.client import VenueClient
from portfolio_lab.models.accounts import WITHIN_PORTFOLIO_MARGIN, Wallet
from portfolio_lab.models.activity import VenueTotal, VenueTotals
from portfolio_lab.models.holdings import AnswerMark, Balance, Holding, WalletReading

UNIT = "USDT"
"""What the totals are asked in: the default would be BTC."""

NAMES = {
    "spot": Wallet.SPOT,
    "funding": Wallet.FUNDING,
    "cross margin": Wallet.CROSS_MARGIN,
    "isolated margin": Wallet.ISOLATED_MARGIN,
    "usd-m futures": Wallet.USD_M,
    "usds-m futures": Wallet.USD_M,
    "coin-m futures": Wallet.COIN_M,
    "options": Wallet.OPTIONS,
    "portfolio margin": Wallet.PORTFOLIO_MARGIN,
    "earn": Wallet.EARN,
    "trading bots": Wallet.BOTS,
    "copy trading": Wallet.COPY_TRADING,
}
"""Binance's names of its wallets, in small letters."""

PART_OF_PM = " (pm)"
"""What follows the name of a wallet that is a part of a portfolio margin account."""

LONGEST = 60


async def fetch_totals(client: VenueClient, known: portfolio_margin.KnownMode) -> VenueTotals:
    """Return the total of each wallet in USDT; for portfolio margin the actual equity in US dollars.

    Whether an account is in portfolio margin mode is asked as well: then cross margin and both
    futures wallets are absent, and what the venue lists under their names is left to the one
    equity of the account. Raises the VenueError family.
    """
    rows, mark = await _rows(client)
    mode = await known.told(client, mark.received_at)
    totals = _of_one_account([_total(row) for row in rows], mode)
    payloads.each_once((total.scope for total in totals), "walletName")
    marks = (mark,) if mode.answer is None else (mark, mode.answer)
    answers = tuple((one.endpoint, one.sha256, one.received_at) for one in marks)
    return VenueTotals(tuple(totals), _absent(totals, mode), answers)


async def fetch_opaque(client: VenueClient, wallet: Wallet) -> WalletReading:
    """Return a wallet of which only a value is told: what is inside, and its exposure, is unknown.

    Raises WalletRefusedError where the venue does not list the wallet, or says that it was never opened.
    """
    rows, mark = await _rows(client)
    found = [total for total in map(_total, rows) if total.scope == wallet.value]
    payloads.each_once((total.scope for total in found), "walletName")
    if not found or (not found[0].is_open and not found[0].quantity):
        raise WalletRefusedError(f"The wallet {wallet.value} was never opened.")
    balances = tuple(Balance(UNIT, one.quantity, holding=Holding.OPAQUE) for one in found if one.quantity)
    return WalletReading(wallet, balances, answers=(mark,))


async def _rows(client: VenueClient) -> tuple[Sequence[shapes_rest.WalletTotal], AnswerMark]:
    rows, mark = await client.ask(endpoints.WALLET_TOTALS, list[shapes_rest.WalletTotal], {"quoteAsset": UNIT})
    if not rows:
        raise AnswerShapeError(f"{endpoints.WALLET_TOTALS.path} lists no wallet at all.")
    payloads.each_once((row.walletName for row in rows), "walletName")
    return rows, mark


def _total(row: shapes_rest.WalletTotal) -> VenueTotal:
    name = row.walletName
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise AnswerShapeError("The answer has no usable name of a wallet.", path="walletName")
    quantity = payloads.amount(row.balance, f"[{name}].balance")
    wallet = wallet_named(name)
    scope = wallet.value if wallet is not None else name
    return VenueTotal(scope, UNIT, quantity, is_open=row.activate, is_known=wallet is not None)


def wallet_named(name: str) -> Wallet | None:
    """Return the wallet that Binance calls so, None for a name that we do not know.

    >>> wallet_named("USD\u24c8-M Futures"), wallet_named("Cross Margin (PM)"), wallet_named("Moon")
    (<Wallet.USD_M: 'usd_m'>, <Wallet.PORTFOLIO_MARGIN: 'portfolio_margin'>, None)
    """
    plain = name.replace("\u24c8", "s").lower()
    if plain.endswith(PART_OF_PM):
        part = NAMES.get(plain.removesuffix(PART_OF_PM))
        return Wallet.PORTFOLIO_MARGIN if part in WITHIN_PORTFOLIO_MARGIN else None
    return NAMES.get(plain)


def _of_one_account(totals: Sequence[VenueTotal], mode: portfolio_margin.Mode) -> list[VenueTotal]:
    """The totals with portfolio margin as one scope, beside which its parts do not count again."""
    inside = {Wallet.PORTFOLIO_MARGIN.value} | (
        {wallet.value for wallet in WITHIN_PORTFOLIO_MARGIN} if mode.is_on else set()
    )
    whole = [total for total in totals if total.scope not in inside]
    parts = [total for total in totals if total.scope in inside]
    scope = Wallet.PORTFOLIO_MARGIN.value
    if mode.equity is not None:
        return [*whole, VenueTotal(scope, "USD", mode.equity, is_open=True)]
    if not parts:
        return whole
    summed = sum((part.quantity for part in parts), Decimal(0))
    return [*whole, replace(parts[0], scope=scope, quantity=summed)]


def _absent(totals: Sequence[VenueTotal], mode: portfolio_margin.Mode) -> dict[Wallet, str]:
    absent = {
        Wallet(total.scope): "never opened"
        for total in totals
        if total.is_known and total.is_open is False and not total.quantity
    }
    if mode.is_on:
        return absent | dict.fromkeys(sorted(WITHIN_PORTFOLIO_MARGIN), "inside portfolio margin")
    if all(total.scope != Wallet.PORTFOLIO_MARGIN.value for total in totals):
        absent[Wallet.PORTFOLIO_MARGIN] = "not in portfolio margin mode"
    return absent
