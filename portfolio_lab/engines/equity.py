"""Equity: what would remain if everything were closed at the mark, by wallet and in total."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from portfolio_lab.models.accounts import Account
from portfolio_lab.models.equity import Equity, Unpriced, WalletEquity
from portfolio_lab.models.holdings import Balance, WalletReading
from portfolio_lab.models.prices import Price

Prices = Mapping[str, Price]
"""Prices of one venue by asset."""


def value_equity(
    wallets: Sequence[tuple[Account, WalletReading]], prices_by_venue: Mapping[str, Prices], *, currency: str
) -> Equity:
    """Equity of one user in `currency`, by wallet and in total.

        cash wallet      equity = sum(quantity x price)
        margin wallet    equity = wallet balance + unrealised PnL, asset by asset

    There is one formula for a wallet and nothing is added to it: open PnL is inside a margin
    wallet's quantities already. Debts are negative quantities.

    Args:
        wallets: what each wallet said, with the account it belongs to.
        prices_by_venue: `{venue: {asset: Price}}`; each wallet is valued at its own venue. An account at
            another region of its venue has its own prices, under its name.
        currency: the currency of those prices.

    Returns:
        Wallets in the order given. A holding without a price is listed in `unpriced` with its
        quantity; its wallet and the total are then None, never the sum of the rest.
    """
    valued = tuple(
        _wallet_equity(account, reading, prices_for(account, prices_by_venue)) for account, reading in wallets
    )
    unpriced = tuple(
        missing
        for account, reading in wallets
        for missing in _unpriced(account, reading, prices_for(account, prices_by_venue))
    )
    return Equity(currency, _total(wallet.equity for wallet in valued), valued, unpriced)


def prices_for(account: Account, prices_by_venue: Mapping[str, Prices]) -> Prices:
    """Return the prices that hold for an account: its own where it has some, else its venue's."""
    own = prices_by_venue.get(account.name)
    return prices_by_venue.get(account.venue, {}) if own is None else own


def balance_value(balance: Balance, prices: Prices) -> float | None:
    """Quantity x price in the reporting currency, signed; None when the asset has no price."""
    return _value(balance, float(balance.quantity), prices)


def _wallet_equity(account: Account, reading: WalletReading, prices: Prices) -> WalletEquity:
    name, wallet = account.name, str(reading.wallet)
    equity = _total(balance_value(balance, prices) for balance in reading.balances)
    if not reading.wallet.is_margin:
        return WalletEquity(name, wallet, equity, equity, None if equity is None else 0.0)
    settled = _total(_value(balance, _settled(balance), prices) for balance in reading.balances)
    unrealised = _total(_value(balance, _unrealised(balance), prices) for balance in reading.balances)
    return WalletEquity(name, wallet, equity, settled, unrealised)


def _value(balance: Balance, quantity: float, prices: Prices) -> float | None:
    if _is_empty(balance):
        return 0.0
    price = prices.get(balance.asset)
    return None if price is None else quantity * price.price


def _is_empty(balance: Balance) -> bool:
    # A margin wallet may hold +5 of cash against -5 of open PnL: worth nothing, but not empty.
    return not (balance.quantity or balance.wallet_balance or balance.unrealised_pnl)


def _settled(balance: Balance) -> float:
    return float(balance.quantity if balance.wallet_balance is None else balance.wallet_balance)


def _unrealised(balance: Balance) -> float:
    return float(balance.unrealised_pnl or 0)


def _total(values: Iterable[float | None]) -> float | None:
    known: list[float] = []
    for value in values:
        if value is None:
            return None
        known.append(value)
    return math.fsum(known)


def _unpriced(account: Account, reading: WalletReading, prices: Prices) -> list[Unpriced]:
    return [
        Unpriced(account.name, str(reading.wallet), balance.asset, float(balance.quantity))
        for balance in reading.balances
        if balance.asset not in prices and not _is_empty(balance)
    ]
