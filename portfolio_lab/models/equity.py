"""Equity by wallet, and what could not be priced."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A holding without a price: its quantity is known, its value is not. It is never 0."""

    account: str
    wallet: str
    asset: str
    quantity: float


@dataclass(frozen=True, slots=True)
class WalletEquity:
    """One wallet's equity in the reporting currency.

    In a margin wallet `equity == wallet_balance + unrealised_pnl`; in a cash wallet
    `wallet_balance == equity` and `unrealised_pnl == 0.0`. All three are None when a holding
    of the wallet could not be priced.
    """

    account: str
    wallet: str
    equity: float | None
    wallet_balance: float | None
    unrealised_pnl: float | None


@dataclass(frozen=True, slots=True)
class Equity:
    """One user's equity: `total` is None unless every holding of every wallet has a price."""

    currency: str
    total: float | None
    wallets: tuple[WalletEquity, ...]
    unpriced: tuple[Unpriced, ...] = ()
