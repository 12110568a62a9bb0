"""Who holds what where: users, accounts at a venue, and the wallets inside an account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from portfolio_lab.errors import BadInputError

NAME_PATTERN = re.compile(r"^[a-z][a-z0-9_-]{0,31}")


class Wallet(StrEnum):
    """A pocket inside one account that the venue reports by an answer of its own."""

    SPOT = "spot"
    FUNDING = "funding"
    USD_M = "usd_m"
    COIN_M = "coin_m"
    TRADING = "trading"

    @property
    def is_margin(self) -> bool:
        """True where equity is margin balance = wallet balance + unrealised PnL."""
        return self in {Wallet.USD_M, Wallet.COIN_M, Wallet.TRADING}


VENUE_WALLETS: dict[str, tuple[Wallet, ...]] = {
    "binance": (Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M),
    "okx": (Wallet.TRADING, Wallet.FUNDING),
}
"""The wallets that each supported venue has: the default when an account names none."""


def check_name(name: str, *, what: str) -> str:
    """Return the name of a user or account, or raise when it is not safe in a path and on a page."""
    if not NAME_PATTERN.fullmatch(name):
        msg = (
            f"{what} {name!r} is not a usable name: give a lower-case letter, "
            "then at most 31 letters, digits, '_' or '-'"
        )
        raise BadInputError(msg)
    return name


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One account of one user at one venue, as configured. It holds no key.

    `base_url` maps every host family of the venue onto one origin with its own paths (the
    demo exchange, a testnet, a proxy); None means the venue's real hosts. `wallets` are the
    ones that must answer before a snapshot counts as complete.
    """

    user: str
    venue: str
    label: str
    base_url: str | None = None
    wallets: tuple[Wallet, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """(user, venue, label): unique within a lab, and the vault's address of the account."""
        return (self.user, self.venue, self.label)

    @property
    def name(self) -> str:
        """`venue:label`, as shown beside a user's name and stored in the `account` column."""
        return f"{self.venue}:{self.label}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs a request. Its repr shows nothing; it never leaves the process that opened the vault."""

    key: str
    secret: str
    passphrase: str | None = None

    def __repr__(self) -> str:
        return "Credentials(<hidden>)"
