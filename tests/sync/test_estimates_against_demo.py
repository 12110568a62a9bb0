"""The days before anybody looked, held against the demo exchange's own books of those days."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from demo_lab_files import at_once, keys, lift_limits, write_lab
from fake_venues import Hand

from portfolio_lab.demo.market import milliseconds
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.exchanges import Hub
from portfolio_lab.lab import Lab
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
FIRST = BEGIN + timedelta(days=12, hours=7)
DAY = timedelta(days=1)
TOLD = {Wallet.SPOT, Wallet.USD_M, Wallet.CROSS_MARGIN}
"""The wallets of which Binance keeps daily snapshots."""


async def test_estimated_days_are_the_exchanges_own_quantities_at_its_own_closes(tmp_path: Path) -> None:
    clock = Hand(FIRST)
    async with DemoExchange(since=BEGIN, scripted=True, now=FIRST) as demo:
        one = next(one for user in cast() for one in user.accounts if one.venue == "binance" and len(one.wallets) > 1)
        account = Account(one.user, one.venue, one.label, demo.url, one.wallets)
        lab = write_lab(tmp_path / "lab", [account])
        lift_limits(demo)
        hubs = partial(Hub, clock=clock, sleep=at_once)
        async with Syncer(lab, clock=clock, credentials=keys([account]), hubs=hubs) as syncer:
            for number in range(2):
                clock.now = FIRST + number * timedelta(minutes=1)
                demo.set_clock(clock.now)
                await syncer.cycle(clock.now)
        estimate = Lab(Store.open(lab / "store"), load_settings(lab)).estimated_equity(account.user)
        assert len(estimate) >= 10
        assert estimate.attrs["unknown_share"] == 0.0
        books = next(one for one in demo.exchange.accounts if one.account.key == account.key)
        for day, worth in estimate.items():
            end = milliseconds(day + DAY) - 1_000  # type: ignore[operator]
            truth = account_truth(books, demo.exchange.market, end)
            expected = math.fsum(float(wallet.equity or 0) for wallet in truth.wallets if wallet.wallet in TOLD)
            assert worth == pytest.approx(expected, rel=1e-9), f"{day}"
