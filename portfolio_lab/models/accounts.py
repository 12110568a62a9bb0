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
    CROSS_MARGIN = "cross_margin"
    ISOLATED_MARGIN = "isolated_margin"
    USD_M = "usd_m"
    COIN_M = "coin_m"
    OPTIONS = "options"
    PORTFOLIO_MARGIN = "portfolio_margin"
    TRADING = "trading"
    SWAP = "swap"
    EARN = "earn"
    LOANS = "loans"
    BOTS = "bots"
    COPY_TRADING = "copy_trading"
    IN_TRANSIT = "in_transit"
    """Value between two own accounts: withdrawn here, not yet arrived there. Never configured."""

    @property
    def is_margin(self) -> bool:
        """True where equity is margin balance = wallet balance + unrealised PnL."""
        return self in _MARGIN

    @property
    def is_slow(self) -> bool:
        """True where money only rests: such a wallet may be read less often than every cycle."""
        return self in {Wallet.EARN, Wallet.LOANS, Wallet.BOTS, Wallet.COPY_TRADING}


_MARGIN = frozenset({Wallet.USD_M, Wallet.COIN_M, Wallet.OPTIONS, Wallet.PORTFOLIO_MARGIN, Wallet.TRADING, Wallet.SWAP})

KNOWN_WALLETS: dict[str, tuple[Wallet, ...]] = {
    "binance": (
        Wallet.SPOT,
        Wallet.FUNDING,
        Wallet.CROSS_MARGIN,
        Wallet.ISOLATED_MARGIN,
        Wallet.USD_M,
        Wallet.COIN_M,
        Wallet.OPTIONS,
        Wallet.PORTFOLIO_MARGIN,
        Wallet.EARN,
        Wallet.LOANS,
        Wallet.BOTS,
        Wallet.COPY_TRADING,
    ),
    "okx": (Wallet.TRADING, Wallet.FUNDING, Wallet.EARN, Wallet.LOANS),
    "bybit": (Wallet.SPOT, Wallet.SWAP),
    "kraken": (Wallet.SPOT,),
}
"""The wallets that each supported venue can be asked for."""

VENUE_WALLETS = KNOWN_WALLETS
"""The wallets that an account has when it names none: all of them; the venue says which it does not have."""

WITHIN_PORTFOLIO_MARGIN = frozenset({Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M})
"""Wallets that hold nothing of their own once an account is in portfolio margin mode."""


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
    ones that must answer before a snapshot counts as complete. `region` picks the venue's own
    hosts for a part of the world ("" for its main ones; OKX: "eea", "us").
    """

    user: str
    venue: str
    label: str
    base_url: str | None = None
    wallets: tuple[Wallet, ...] = ()
    region: str = ""

    @property
    def origin(self) -> tuple[str, str | None]:
        """(venue, address): accounts of one origin share prices, clock and request budget.

        The address is `base_url`, else the region in the form "region:eea", else None.
        """
        return (self.venue, self.base_url or (f"region:{self.region}" if self.region else None))

    @property
    def key(self) -> tuple[str, str, str]:
        """(user, venue, label): unique within a lab, and the vault's address of the account."""
        return (self.user, self.venue, self.label)

    @property
    def name(self) -> str:
        """`venue:label`, as shown beside a user's name and stored in the `account` column."""
        return f"{self.venue}:{self.label}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an account is at the venue, and what its key may do.

    `uid` is the venue's id of the (sub-)account, `main_uid` that of its master ("" when it is
    the master or the venue does not tell). `permissions` are the venue-neutral names of all
    that the key may do besides reading ("trade", "withdraw", "transfer", or the venue's own
    name of a right that we do not know); a read-only key has none. `mode` is how the venue
    keeps the account: "spot", "futures", "multi_currency", "portfolio_margin".
    """

    uid: str
    main_uid: str = ""
    permissions: tuple[str, ...] = ()
    is_ip_bound: bool | None = None
    mode: str = ""

    @property
    def is_read_only(self) -> bool:
        """True when the key can do nothing but read."""
        return not self.permissions


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs a request. Its repr shows nothing; it never leaves the process that opened the vault."""

    key: str
    secret: str
    passphrase: str | None = None

    def __repr__(self) -> str:
        return "Credentials(<hidden>)"
