"""A syncer that is killed while it reads history stores exactly the exchange's books, each fact once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from demo_lab_files import lift_limits, write_lab

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.facts import ZERO, Reason
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DemoExchange, serve_in_thread
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account, Wallet
from portfolio_lab.store import Store

SCRIPT = Path(__file__).parent / "cycling.py"
SINCE = datetime(2026, 8, 1, tzinfo=UTC)
CHOSEN = {("desk", "binance:main"), ("hana", "binance:main"), ("ivan", "okx:main"), ("desk", "okx:main")}
CONTRACTS = {Wallet.USD_M, Wallet.COIN_M}
MOVES = {Reason.TRANSFER, Reason.DEPOSIT, Reason.WITHDRAWAL}
INNER = {"earn", "loans", "bots", "copy_trading"}
"""Wallets that money enters by other doors than the book's transfers."""
LONGEST_WAIT = 0.7
"""Seconds that a child lives on after the cycle that is waited for: about as long as its next one takes."""


def accounts_at(url: str, chosen: set[tuple[str, str]]) -> list[Account]:
    return [
        Account(one.user, one.venue, one.label, url, KNOWN_WALLETS[one.venue])
        for user in cast()
        for one in user.accounts
        if (one.user, one.name) in chosen
    ]


class Lab:
    """A lab whose syncer is a child process."""

    def __init__(self, folder: Path, demo: DemoExchange, begin: datetime) -> None:
        self.demo, self.begin, self.run, self.cycles, self.killed = demo, begin, 0, 0, 0
        self.root = write_lab(folder, accounts_at(demo.url, CHOSEN))

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, str(SCRIPT), str(self.root), self.demo.url, self.begin.isoformat(), str(self.run)]
        self.run += 1
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def kill(self, seconds: float, *, after: int) -> None:
        """Kill a run so many seconds after a number of its cycles; one that had ended before is not counted."""
        with self.start() as child:
            assert child.stdout is not None
            for _ in range(after):
                self.cycles += child.stdout.readline() == "cycle\n"
            time.sleep(seconds)
            child.kill()
        assert child.returncode in {-9, 0}
        self.killed += child.returncode == -9

    def finish(self) -> None:
        with self.start() as child:
            told = child.communicate()[0]
        assert child.returncode == 0, told

    def rows(self, table: str, until: datetime) -> list[dict[str, Any]]:
        return [row for row in Store.open(self.root / "store").read(table).to_pylist() if row["at"] < until]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def of(one: DemoAccount, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if (row["user"], row["account"]) == (one.account.user, one.account.name)]


def fill_names(one: DemoAccount, until: datetime) -> dict[str, str]:
    """The book's id of a fill by the stored one: OKX names a fill by one of the bills behind it."""
    if one.account.venue == "binance":
        return {str(fill.fill_id): str(fill.fill_id) for fill in one.book.fills(until=ms(until) - 1)}
    return {str(entry.entry_id): str(entry.reference) for entry in one.book.entries(until=ms(until) - 1)}


def check_fills(lab: Lab, one: DemoAccount, until: datetime) -> int:
    fills = one.book.fills(until=ms(until) - 1)
    names = fill_names(one, until)
    told = sorted(
        (
            ms(row["at"]),
            names[row["fill_id"].rsplit("-", 1)[-1]],
            row["side"],
            row["price"],
            -row["fee"],
            row["fee_asset"],
        )
        for row in of(one, lab.rows("fills", until))
    )
    assert told == sorted((f.at, str(f.fill_id), f.side, f.price, f.fee, f.fee_asset) for f in fills)
    return len(told)


def check_flows(lab: Lab, one: DemoAccount, until: datetime) -> int:
    sign = {"deposit": 1, "withdrawal": -1}
    told = sorted(
        (row["kind"], row["asset"], row["quantity"], row["fee"])
        for row in of(one, lab.rows("cash_flows", until))
        if row["kind"] in sign
    )
    flows = [flow for flow in one.book.flows(until=ms(until)) if flow.done_at < ms(until)]
    expected = [(f.kind, f.asset, sign[f.kind] * (f.amount + f.fee), f.fee) for f in flows]
    # Money of a bank is a deposit or a withdrawal, too.
    fiat = [e for e in one.book.entries(until=ms(until) - 1) if e.reason is Reason.FIAT]
    expected += [("deposit" if e.amount > 0 else "withdrawal", e.asset, e.amount, ZERO) for e in fiat]
    assert Counter(told) - Counter(expected) == Counter(), one.account.key
    assert Counter(expected) - Counter(told) == Counter(), one.account.key
    return len(told)


def check_transfers(lab: Lab, one: DemoAccount, until: datetime) -> int:
    """Moves between wallets of cash one by one; what the desk put into savings and took back, by coin and amount."""
    rows = of(one, lab.rows("transfers", until))
    told = sorted(
        (ms(row["at"]), row["asset"], row["quantity"], row["source"] or "", row["target"] or "")
        for row in rows
        if not INNER & {row["source"], row["target"]}
    )
    transfers = one.book.transfers(until=ms(until) - 1)
    assert told == sorted((t.at, t.asset, t.amount, str(t.source or ""), str(t.target or "")) for t in transfers)
    saved = sorted((row["asset"], row["quantity"]) for row in rows if "earn" in {row["source"], row["target"]})
    entries = one.book.entries(until=ms(until) - 1)
    savings = {Reason.SUBSCRIBE, Reason.REDEEM}
    outside = [e for e in entries if e.reason in savings and e.wallet is not Wallet.EARN]
    assert one.account.user != "desk" or saved == sorted((e.asset, abs(e.amount)) for e in outside)
    return len(rows)


def check_income(lab: Lab, one: DemoAccount, until: datetime) -> int:
    """Funding of both venues; at Binance every change of cash in the contract wallets."""
    rows = of(one, lab.rows("income", until))
    entries = one.book.entries(until=ms(until) - 1)
    told = sorted((ms(row["at"]), row["asset"], row["quantity"]) for row in rows if row["kind"] == "funding")
    assert told == sorted((e.at, e.asset, e.amount) for e in entries if e.reason is Reason.FUNDING)
    if one.account.venue == "binance":
        inside = sorted((ms(row["at"]), row["asset"], row["quantity"]) for row in rows if row["wallet"] in CONTRACTS)
        assert inside == sorted(
            (e.at, e.asset, e.amount) for e in entries if e.wallet in CONTRACTS and e.reason not in MOVES
        )
    return len(rows)


def facts(lab: Lab, table: str, until: datetime) -> list[str]:
    """Every row of a table but for when it was written."""
    return sorted(
        repr(sorted((name, str(value)) for name, value in row.items() if name != "known_at"))
        for row in lab.rows(table, until)
    )


def check(folder: Path, *, kills: int, days: int, seed: int) -> None:
    chance = random.Random(seed)
    begin = SINCE + timedelta(days=days, hours=7)
    with serve_in_thread(since=SINCE, scripted=True, now=begin) as demo:
        lift_limits(demo)
        lab = Lab(folder / "killed", demo, begin)
        for _ in range(kills):
            lab.kill(chance.uniform(0.0, LONGEST_WAIT), after=chance.choice((1, 1, 2)))
        assert lab.killed == kills
        lab.run += 3  # what a venue tells late is there by now
        lab.finish()
        calm = Lab(folder / "calm", demo, begin)
        calm.run = lab.run - 1
        calm.finish()
    counts = {}
    for one in demo.exchange.accounts:
        if (one.account.user, one.account.name) in CHOSEN:
            checks = (check_fills, check_flows, check_transfers, check_income)
            counts["/".join(one.account.key)] = [law(lab, one, begin) for law in checks]
    print(f"{kills} kills, {lab.cycles} cycles before them: fills, flows, transfers, income {counts}")
    for table in ("fills", "income", "transfers"):
        assert facts(lab, table, begin) == facts(calm, table, begin)
    assert all(sum(found) > 5 for found in counts.values())


def test_three_kills(tmp_path: Path) -> None:
    check(tmp_path, kills=3, days=6, seed=1)


@pytest.mark.long
def test_many_kills(tmp_path: Path) -> None:
    check(tmp_path, kills=24, days=60, seed=2)
