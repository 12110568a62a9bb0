"""The demo exchange's state: its market, its clock, its accounts. What every endpoint asks.

A venue's endpoints find out who asks with `account_of_key`, the book of that account with
`DemoAccount.view(now)`, and "now" with `clock.wire()` (request stamps, rate limits) and
`clock.book()` (prices, balances, histories).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from portfolio_lab.demo.book import Book, View
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.hand import Extra
from portfolio_lab.demo.late import LateRows
from portfolio_lab.demo.market import Market
from portfolio_lab.models.accounts import Account, Credentials, Wallet


class Pen(Protocol):
    """What writes a book: a story that can be told on. `wild` is the seed of wild days, None for quiet ones."""

    wild: int | None
    extras: list[Extra]

    def tell(self, now: int) -> None:
        """Write on until everything up to and with `now` has happened."""


@dataclass(slots=True)
class DemoAccount:
    """One account at the demo exchange: its name, its key, its book and the story that writes it.

    `revoked` is True while its key is refused. `opened` are the wallets that exist at the
    venue; asking for another is refused the way the venue refuses it. `permissions` are
    names of what the key may do besides reading (none unless a test says so). `late` are rows
    that its histories hold back. `master_uid` is 0 for a master; `mode` is OKX's account level.
    """

    account: Account
    credentials: Credentials
    book: Book
    opened: tuple[Wallet, ...]
    uid: int
    story: Pen
    revoked_from: int | None = None
    revoked_by_control: bool | None = None
    permissions: tuple[str, ...] = field(default=())
    portfolio_margin: bool = False
    multi_asset: bool = False
    master_uid: int = 0
    sub_uids: tuple[int, ...] = ()
    mode: str = "2"
    late: list[LateRows] = field(default_factory=list)

    def revoked(self, now: int) -> bool:
        """True while the key is refused at book time `now`; control overrides the story."""
        if self.revoked_by_control is not None:
            return self.revoked_by_control
        return self.revoked_from is not None and now >= self.revoked_from

    def view(self, now: int) -> View:
        """The book at book time `now`, its story told up to there."""
        self.story.tell(now)
        return self.book.at(now)


@dataclass(slots=True)
class Exchange:
    """Everything behind the endpoints."""

    market: Market
    clock: DemoClock
    accounts: tuple[DemoAccount, ...]
    _by_key: dict[str, DemoAccount] = field(init=False)

    def __post_init__(self) -> None:
        self._by_key = {one.credentials.key: one for one in self.accounts}

    def account_of_key(self, venue: str, key: str) -> DemoAccount | None:
        """The account that a key opens at a venue; None when the venue does not know the key."""
        found = self._by_key.get(key)
        return found if found is not None and found.account.venue == venue else None
