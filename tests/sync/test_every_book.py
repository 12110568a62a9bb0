"""Every book of the demo exchange, over random days: equity by wallet, asset and in total is the exchange's truth.

Each account is configured with every wallet that its venue can have, so what it does not have must be found to be
absent. The truth is summed anew from the exchange's entries and fills; ours comes over sockets, by the real sync.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from demo_lab_files import at_once, keys, lift_limits, write_lab
from fake_venues import Hand
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portfolio_lab import open_lab
from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.market import milliseconds
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
CALM_DAYS = 20
EXACT = 1e-9
"""The promised agreement with the exchange's own truth, relative to the account's gross worth."""

DAYS_SHORT, DAYS_LONG = 10, 50


def accounts_at(url: str) -> list[Account]:
    return [
        Account(one.user, one.venue, one.label, url, KNOWN_WALLETS[one.venue])
        for user in cast()
        for one in user.accounts
    ]


async def live(seed: int, days: int, hour: int) -> list[str]:
    """Run so many wild days; return what differed, and how much was compared."""
    first = BEGIN + timedelta(days=CALM_DAYS, hours=hour)
    clock, faults, compared = Hand(first), [], 0
    with tempfile.TemporaryDirectory() as folder:
        async with DemoExchange(since=BEGIN, scripted=True, now=first) as demo:
            for one in demo.exchange.accounts:
                one.revoked_by_control = False
                one.story.wild = seed
            accounts = accounts_at(demo.url)
            lab = write_lab(Path(folder) / "lab", accounts)
            store = Store.open(lab / "store")
            lift_limits(demo)
            hubs = partial(Hub, clock=clock, sleep=at_once)
            async with Syncer(lab, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
                for number in range(days):
                    slot = first + number * timedelta(hours=24, minutes=7)
                    demo.set_clock(slot)
                    clock.now = slot
                    report = await syncer.cycle(slot)
                    found = differences(demo, store, report, slot)
                    faults += found
                    compared += len(report.users)
            left, days_told = unexplained(lab)
            faults += left
    print(f"{days_told} days of a user attributed: {len(left)} with a residual above 1 bp and a cent")
    print(f"{compared} books compared over {days} days of seed {seed}: {len(faults)} differences")
    return faults


def unexplained(folder: Path) -> tuple[list[str], int]:
    """Each day of a user whose change of equity the activity that was read does not tell; and how many it tells."""
    lab, found, told = open_lab(folder), [], 0
    for user in lab.users().index:
        days = lab.attribution(user)
        days = days[~days["pending"]]
        equity = lab.pnl(user)["opening_equity"].reindex(days.index)
        large = days[days["residual"].abs() > (equity * 1e-4).clip(lower=0.01)]
        found += [f"{day} {user} residual {row.residual:.4f}: {row.suspect}" for day, row in large.iterrows()]
        told += len(days)
    return found, told


def differences(demo: DemoExchange, store: Store, report: CycleReport, slot: datetime) -> list[str]:
    """What of one slot is not the exchange's truth, a line each; a book that has no equity is one too."""
    found = [f"{slot} {line.user} is {line.grade}: {line.reason}" for line in report.users if line.grade != "complete"]
    found += [
        f"{slot} {line.user} {line.account} {line.wallet}: {line.reason}" for line in report.activity if not line.is_ok
    ]
    span = {"since": slot, "until": slot + timedelta(microseconds=1)}
    wallets = store.read("wallets", **span).to_pylist()
    balances = store.read("balances", **span).to_pylist()
    by_user: dict[str, float] = defaultdict(float)
    for one in demo.exchange.accounts:
        by_user[one.account.user] += _account(found, demo, one, wallets, balances, slot)
    for line in report.users:
        if line.equity is not None:
            _compare(found, f"{slot} {line.user}", line.equity, by_user[line.user], abs(by_user[line.user]))
    return found


def _account(
    found: list[str],
    demo: DemoExchange,
    one: DemoAccount,
    wallets: Sequence[dict[str, Any]],
    balances: Sequence[dict[str, Any]],
    slot: datetime,
) -> float:
    truth = account_truth(one, demo.exchange.market, milliseconds(slot))
    assert truth.equity is not None
    name, told = (one.account.user, one.account.name), {str(wallet.wallet): wallet for wallet in truth.wallets}
    gross = sum(abs(float(wallet.equity or 0)) for wallet in truth.wallets)
    for row in wallets:
        if (row["user"], row["account"]) == name and row["equity"] is not None:
            expected = told.get(row["wallet"])
            worth = 0.0 if expected is None else float(expected.equity or 0)
            _compare(found, f"{slot} {name} {row['wallet']}", row["equity"], worth, gross)
    units: dict[str, float] = defaultdict(float)
    for row in balances:
        if (row["user"], row["account"]) == name and row["holding"] != "opaque":
            units[row["asset"]] += float(row["quantity"])
    opaque = {"bots", "copy_trading"}
    for asset in {*units, *truth.assets}:
        inside = sum(
            float(wallet.balances.get(asset, 0) + wallet.unrealised.get(asset, 0))
            for wallet in truth.wallets
            if str(wallet.wallet) not in opaque
        )
        _compare(found, f"{slot} {name} units of {asset}", units[asset], inside, max(1.0, abs(inside)))
    return float(truth.equity)


def _compare(found: list[str], what: str, ours: float, theirs: float, scale: float) -> None:
    if abs(ours - theirs) > EXACT * max(scale, 1.0):
        found.append(f"{what}: ours {ours!r}, the truth {theirs!r}")


@pytest.mark.timeout(600)  # a minute on a quiet machine
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), hour=st.integers(0, 11))
def test_thirty_wild_days_of_every_book(seed: int, hour: int) -> None:
    assert asyncio.run(live(seed, DAYS_SHORT, hour)) == []


@pytest.mark.long
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**9), hour=st.integers(0, 11))
def test_five_hundred_wild_days_of_every_book(seed: int, hour: int) -> None:
    assert asyncio.run(live(seed, DAYS_LONG, hour)) == []
