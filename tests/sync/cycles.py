"""Cycles of one lab on fake venues, at instants of the test's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fake_venues import FakeHub, Hand

from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, run_cycle
from portfolio_lab.sync.memory import Memory

Keys = Mapping[tuple[str, str, str], Credentials]
MINUTE = timedelta(minutes=1)


class Cycles:
    """One process that runs slot after slot; `restart` makes it a fresh one."""

    def __init__(self, lab: Path, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> None:
        self.settings = load_settings(lab)
        self.credentials = dict(credentials)
        self.store = store
        self.hub = hub
        self.venue = hub.state
        self.clock = clock
        self.memory = Memory()

    async def at(self, slot: datetime) -> CycleReport:
        self.clock.now = slot
        return await run_cycle(
            self.settings, self.credentials, self.store, self.hub, slot=slot, clock=self.clock, memory=self.memory
        )

    async def next(self, minutes: float = 1) -> CycleReport:
        return await self.at(self.clock.now + timedelta(minutes=minutes))

    def restart(self) -> None:
        """A fresh process: it knows what the store knows."""
        self.memory = Memory()

    def configure(self, *accounts: Account) -> None:
        """Give the lab these accounts, each with a key."""
        self.settings = replace(self.settings, accounts=accounts)
        self.credentials |= {one.key: Credentials("key", "secret") for one in accounts}

    def rows(self, table: str, /, **where: object) -> list[dict[str, Any]]:
        rows = self.store.read(table).to_pylist()
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    def wallet(self, name: str, user: str = "alice") -> dict[str, Any]:
        """The newest row of one wallet."""
        return max(self.rows("wallets", user=user, wallet=name), key=lambda row: row["slot"])

    def snapshot(self, slot: datetime, user: str = "alice") -> dict[str, Any]:
        (row,) = self.rows("portfolio_snapshots", user=user, slot=slot)
        return row

    def asked(self, part: str, user: str = "alice") -> int:
        return self.venue.asked.count((user, part))


def binance(*wallets: Wallet, label: str = "main", user: str = "alice") -> Account:
    return Account(user, "binance", label, wallets=wallets)


def okx(*wallets: Wallet, label: str = "main", user: str = "alice") -> Account:
    return Account(user, "okx", label, wallets=wallets)


def grade(report: CycleReport, user: str = "alice") -> str:
    return next(line.grade for line in report.users if line.user == user)


def equity(report: CycleReport, user: str = "alice") -> float | None:
    return next(line.equity for line in report.users if line.user == user)
