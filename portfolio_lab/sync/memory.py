"""What a syncer knows from one cycle to the next, and how a fresh process finds it again.

Everything here can be read from the store; keeping it spares the reading. The newest state of
each user, cursors, open suspicions and accounts come from the cache beside the runs where it is
good; the last complete books and the readings of slow wallets from a few slots of the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from portfolio_lab.engines.plausibility import HoldingKey
from portfolio_lab.models.accounts import Account, Identity, Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, Holding, WalletReading
from portfolio_lab.models.prices import Price, PriceKind
from portfolio_lab.models.tables import (
    ACCOUNTS,
    BALANCES,
    CASH_FLOWS,
    CURSORS,
    FILLS,
    INCOME,
    PRICES,
    SUSPICIONS,
    TRANSFERS,
    USERS_PORTFOLIO_STATE,
    WALLETS,
    Table,
)
from portfolio_lab.sync.activity_rows import CursorKey
from portfolio_lab.sync.reading import AccountKey
from portfolio_lab.sync.rows import Row
from portfolio_lab.sync.state_cache import SEEN_ASSETS, StateCache
from portfolio_lab.sync.suspicion import PENDING
from portfolio_lab.sync.tiers import AccountMemory, quantities

if TYPE_CHECKING:
    from portfolio_lab.store import Store

_AT_ONCE = timedelta(microseconds=1)

_TELLING = (
    (FILLS, ("underlying", "fee_asset", "settle_asset")),
    (TRANSFERS, ("asset",)),
    (INCOME, ("asset",)),
    (CASH_FLOWS, ("asset",)),
)
"""The tables that name coins which came and went between two looks, with their columns of coins."""


@dataclass(slots=True)
class LastBook:
    """One user's last complete book: its equity, what it held, and the equity of each account."""

    slot: datetime
    equity: float
    holdings: dict[HoldingKey, float]
    members: dict[str, float]


@dataclass(slots=True)
class Memory:
    """What a syncer need not read from the store again. Give one to all cycles of a process."""

    cache: StateCache | None = None
    states: dict[str, Row] | None = None
    cursors: dict[CursorKey, Row] = field(default_factory=dict)
    suspicions: dict[tuple[object, ...], Row] = field(default_factory=dict)
    known_accounts: dict[tuple[str, str], Row] = field(default_factory=dict)
    accounts: dict[AccountKey, AccountMemory] = field(default_factory=dict)
    books: dict[str, LastBook] = field(default_factory=dict)
    prices: dict[tuple[str, str], Price] = field(default_factory=dict)
    assets: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _places: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def recall(self, store: Store, accounts: Sequence[Account], *, slot: datetime) -> dict[str, Row]:
        """Return the states by user; everything else is in its place after that."""
        if self.states is None:
            rows = self.cache.load(store, before=slot) if self.cache is not None else None
            self._take(rows or _from_store(store, accounts))
            self._recall_books(store)
            self._recall_wallets(store, accounts)
        return self.states or {}

    def forget(self) -> None:
        """Read everything from the store again next time: another writer was quicker."""
        self.states = None

    def account(self, account: Account) -> AccountMemory:
        """Return what is known of an account; nothing at first."""
        return self.accounts.setdefault(account.key, AccountMemory())

    def first_slots(self) -> dict[tuple[str, str], datetime]:
        """Return since when each (user, account) is part of its user's book."""
        return {key: row["first_slot"] for key, row in self.known_accounts.items()}  # type: ignore[misc]

    def pending(self, user: str) -> list[Row]:
        """Return the suspicions about a user's book that are not over."""
        return [row for row in self.suspicions.values() if row["user"] == user]

    def cursors_of(self, account: Account) -> dict[str, str]:
        """Return where each stream of an account continues."""
        return self._places.get((account.user, account.name), {})

    def keep(
        self,
        *,
        slot: datetime,
        states: Mapping[str, Row],
        cursors: Mapping[CursorKey, Row],
        suspicions: Iterable[Row],
        accounts: Iterable[Row],
        assets: Mapping[tuple[str, str], Iterable[str]],
    ) -> None:
        """Take over what was committed in `slot`."""
        self.states = {**(self.states or {}), **states}
        self.take_cursors(cursors)
        for row in suspicions:
            key = tuple(row[name] for name in SUSPICIONS.key)
            self.suspicions[key] = row
            if row["state"] != PENDING:
                del self.suspicions[key]
        self.known_accounts.update({(str(row["user"]), str(row["account"])): row for row in accounts})
        for key, seen in assets.items():
            self.assets.setdefault(key, set()).update(seen)
        self.save(slot=slot)

    def save(self, *, slot: datetime) -> None:
        """Keep what is known now in the cache beside the runs, as of the commit of `slot`."""
        if self.cache is not None:
            self.cache.save(self._cached(), slot=slot)

    def take_cursors(self, cursors: Mapping[CursorKey, Row]) -> None:
        """Take over where streams continue."""
        self.cursors.update(cursors)
        for (user, account, stream), row in cursors.items():
            self._places.setdefault((user, account), {})[stream] = str(row["cursor"])

    def _cached(self) -> dict[str, list[Row]]:
        return {
            USERS_PORTFOLIO_STATE.name: list((self.states or {}).values()),
            CURSORS.name: list(self.cursors.values()),
            SUSPICIONS.name: list(self.suspicions.values()),
            ACCOUNTS.name: list(self.known_accounts.values()),
            SEEN_ASSETS.name: [
                {"user": user, "account": account, "assets": sorted(seen)}
                for (user, account), seen in self.assets.items()
            ],
        }

    def _take(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self.states = {str(row["user"]): row for row in rows[USERS_PORTFOLIO_STATE.name]}
        self.take_cursors({_key(CURSORS, row): row for row in rows[CURSORS.name]})
        pending = [row for row in rows[SUSPICIONS.name] if row["state"] == PENDING]
        self.suspicions = {_key(SUSPICIONS, row): row for row in pending}
        self.known_accounts = {_key(ACCOUNTS, row): row for row in rows[ACCOUNTS.name]}
        for row in rows[SEEN_ASSETS.name]:
            self.assets.setdefault(_key(SEEN_ASSETS, row), set()).update(row["assets"])  # type: ignore[arg-type]

    def _recall_books(self, store: Store) -> None:
        for slot, users in _by_slot(self.states or {}, "complete_slot").items():
            balances = _at_slot(store, BALANCES, slot, users)
            wallets = _at_slot(store, WALLETS, slot, users)
            for user in users:
                self.books[user] = _book(user, slot, self.states or {}, balances, wallets)
            for row in _at_slot(store, PRICES, slot, None):
                self.prices[row["venue"], row["asset"]] = _price(row)

    def _recall_wallets(self, store: Store, accounts: Sequence[Account]) -> None:
        """The last readings of slow wallets, which still hold, and of the others, to see whether money moved."""
        by_name = {(account.user, account.name): account for account in accounts}
        for slot, users in _by_slot(self.states or {}, "slot").items():
            balances = _at_slot(store, BALANCES, slot, users)
            for row in _at_slot(store, WALLETS, slot, users):
                account = by_name.get((row["user"], row["account"]))
                if account is None or row["grade"] != "ok":
                    continue
                known, reading = self.account(account), _reading(row, balances)
                if reading.wallet.is_slow:
                    known.slow[reading.wallet] = reading
                else:
                    known.core[reading.wallet] = quantities(reading.balances)
        for (user, name), row in self.known_accounts.items():
            account = by_name.get((user, name))
            if account is not None:
                known = self.account(account)
                known.identity, known.identity_at = _identity(row), row["at"]  # type: ignore[assignment]


def _from_store(store: Store, accounts: Sequence[Account]) -> dict[str, list[Row]]:
    found = {
        table.name: store.read(table.name).to_pylist()
        for table in (USERS_PORTFOLIO_STATE, CURSORS, SUSPICIONS, ACCOUNTS)
    }
    return found | {SEEN_ASSETS.name: _seen_assets(store, accounts, found[CURSORS.name])}


def _seen_assets(store: Store, accounts: Sequence[Account], cursors: Sequence[Row]) -> list[Row]:
    """Every coin that the stored facts name, by account: a market of a coin that came and went is visited, too.

    Balances are looked through from the last walk along the markets on: what was held before is in its cursor.
    """
    configured = {(account.user, account.name) for account in accounts}
    walked: list[datetime] = [
        row["at"]  # type: ignore[misc]
        for row in cursors
        if str(row["stream"]).endswith("_fills") and (row["user"], row["account"]) in configured
    ]
    since = min(walked) - timedelta(days=1) if walked else None
    parts = [_named(store, BALANCES, "asset", since)]
    parts += [_named(store, table, name, None) for table, names in _TELLING for name in names]
    seen: dict[tuple[str, str], set[str]] = {}
    for user, account, asset in (row for part in parts for row in part):
        if asset and (user, account) in configured:
            seen.setdefault((user, account), set()).add(asset)
    return [{"user": user, "account": account, "assets": sorted(coins)} for (user, account), coins in seen.items()]


def _named(store: Store, table: Table, name: str, since: datetime | None) -> list[tuple[str, str, str]]:
    columns = ["user", "account", name]
    once = store.read(table.name, columns=columns, since=since).group_by(columns).aggregate([])
    return [(row["user"], row["account"], row[name]) for row in once.to_pylist()]


def _at_slot(store: Store, table: Table, slot: datetime, users: Sequence[str] | None) -> list[dict[str, Any]]:
    return store.read(table.name, users=users, since=slot, until=slot + _AT_ONCE).to_pylist()


def _key(table: Table, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)


def _by_slot(states: Mapping[str, Row], column: str) -> dict[datetime, list[str]]:
    found: dict[datetime, list[str]] = {}
    for user, state in states.items():
        slot = state[column]
        if isinstance(slot, datetime):
            found.setdefault(slot, []).append(user)
    return found


def _book(user: str, slot: datetime, states: Mapping[str, Row], balances: list[Any], wallets: list[Any]) -> LastBook:
    holdings: dict[HoldingKey, float] = {}
    for row in balances:
        if row["user"] == user and row["wallet"] != str(Wallet.IN_TRANSIT):
            key = (row["account"], row["wallet"], row["asset"], row["pair"] or "")
            holdings[key] = holdings.get(key, 0.0) + float(row["quantity"])
    members: dict[str, float] = {}
    for row in wallets:
        if row["user"] == user and row["wallet"] != str(Wallet.IN_TRANSIT):
            members[row["account"]] = members.get(row["account"], 0.0) + (row["equity"] or 0.0)
    return LastBook(slot, float(str(states[user]["equity"] or 0.0)), holdings, members)


def _price(row: Mapping[str, Any]) -> Price:
    route = tuple(str(row["route"]).split(">"))
    kind = PriceKind(row["kind"]) if row["kind"] else PriceKind.MARKET
    return Price(row["asset"], row["currency"], row["price"], row["source"], route, row["priced_at"], kind)


def _reading(wallet: Mapping[str, Any], balances: Sequence[Mapping[str, Any]]) -> WalletReading:
    place = (wallet["user"], wallet["account"], wallet["wallet"])
    mine = [row for row in balances if (row["user"], row["account"], row["wallet"]) == place]
    hashes = json.loads(wallet["answers"] or "{}") or {"stored": ""}
    marks = tuple(AnswerMark(endpoint, sha256, wallet["received_at"]) for endpoint, sha256 in hashes.items())
    return WalletReading(Wallet(wallet["wallet"]), tuple(_balance(row) for row in mine), (), marks)


def _balance(row: Mapping[str, Any]) -> Balance:
    parts = json.loads(row["components"]) if row["components"] else {}
    return Balance(
        row["asset"],
        row["quantity"],
        row["wallet_balance"],
        row["unrealised_pnl"],
        row["available"],
        row["pair"] or "",
        Holding(row["holding"] or "held"),
        tuple((name, Decimal(amount)) for name, amount in parts.items()),
    )


def _identity(row: Mapping[str, Any]) -> Identity:
    # Which rights a key has beside reading is not stored; that it has some is, and it is asked again at once.
    rights = ("more than read",) if row["is_read_only"] is False else ()
    return Identity(row["uid"], row["main_uid"], rights, row["is_ip_bound"], row["mode"])
