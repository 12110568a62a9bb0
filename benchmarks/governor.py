"""Five real minutes: 200 Binance and 200 OKX accounts behind one address, over sockets, at a core of 60 s.

The demo exchange runs with its real limits in a process of its own; every Binance account has USD-M positions.
A first process syncs all accounts by whole cycles (wallets, orders, history, commit). After two minutes a second
one joins and takes half of each venue's accounts over; both keep one budget by the ledger beside the runs.

    python benchmarks/governor.py [--minutes 5] [--accounts 200]

Printed are the refusals that the exchange gave, the age of every account's newest core snapshot (looked at each
second, counted from its oldest answer), what was asked, the weight used, and the CPU of each process. Exits with
1 when anything was refused, or 95 % of the snapshots were not younger than 90 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.wire import Answer, Asked, Venue
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store
from portfolio_lab.sync import run_cycle
from portfolio_lab.sync.cycle import slot_at, utc_now
from portfolio_lab.sync.memory import Memory

WALLETS = {
    "binance": (Wallet.SPOT, Wallet.FUNDING, Wallet.USD_M, Wallet.COIN_M),
    "okx": (Wallet.TRADING, Wallet.FUNDING),
}
USERS = 20
INTERVAL = 60
JOINS_AFTER = 2
WARM_UP = timedelta(seconds=75)
"""The first look: a first cycle has ended by then."""

OLDEST = 90.0
SAMPLE = timedelta(seconds=1)


def accounts_of(count: int, url: str | None = None) -> list[Account]:
    """So many accounts of each venue, twenty users in turn."""
    return [
        Account(f"user{number % USERS}", venue, f"a{number}", base_url=url, wallets=wallets)
        for venue, wallets in WALLETS.items()
        for number in range(count)
    ]


# ---------------------------------------------------------------- the exchange


class Counted:
    """A venue that counts what it is asked, what it refuses and what weight it reports."""

    def __init__(self, venue: Venue, seen: dict[str, Any]) -> None:
        self._venue, self._seen = venue, seen

    def answer(self, asked: Asked) -> Answer:
        """What the venue says."""
        answer = self._venue.answer(asked)
        self._seen["asked"][asked.path] += 1
        is_limit = answer.status in {418, 429} or (isinstance(answer.content, dict) and is_okx_limit(answer.content))
        if is_limit:
            self._seen["refused"][f"{answer.status} {asked.path}"] += 1
        elif answer.status != 200:
            self._seen["other"][f"{answer.status} {asked.path}"] += 1
        used = answer.headers.get("X-MBX-USED-WEIGHT-1M")
        if used is not None:
            minute, family = asked.wire_now // 60_000, asked.path.split("/")[1]
            weights = self._seen["weights"].setdefault(family, {})
            weights[str(minute)] = max(weights.get(str(minute), 0), int(used))
        return answer


def is_okx_limit(content: dict[str, Any]) -> bool:
    """OKX refuses by a code of its own."""
    return content.get("code") in {"50011", "50061"}


def clone(template: DemoAccount, account: Account, number: int) -> DemoAccount:
    """Another account with the same book: what differs is who asks."""
    bare = replace(account, base_url=None)
    return replace(template, account=bare, credentials=credentials_of(bare), uid=10**8 + number, sub_uids=(), late=[])


async def serve(count: int) -> None:
    """Answer until told to stop, then print what was seen."""
    demo = DemoExchange(scripted=False, since=datetime.now(UTC) - timedelta(days=30))
    exchange = demo.exchange
    by_venue = {
        venue: [
            one
            for one in exchange.accounts
            if one.account.venue == venue and set(one.opened) >= set(WALLETS[venue]) and one.revoked_from is None
        ]
        for venue in WALLETS
    }
    exchange.accounts = tuple(
        clone(by_venue[one.venue][number % len(by_venue[one.venue])], one, number)
        for number, one in enumerate(accounts_of(count))
    )
    exchange.__post_init__()
    for templates in by_venue.values():
        for one in templates:
            one.view(exchange.clock.book())  # their stories are told before anybody asks
    seen: dict[str, Any] = {"asked": Counter(), "refused": Counter(), "other": Counter(), "weights": {}}
    demo._venues = {name: Counted(venue, seen) for name, venue in demo._venues.items()}  # noqa: SLF001
    await demo.start()
    print(json.dumps({"url": demo.url}), flush=True)
    began, stopped = time.process_time(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    print(json.dumps(seen | {"cpu": time.process_time() - began}), flush=True)


# ---------------------------------------------------------------- who reads


async def read(url: str, folder: Path, which: str, count: int, until: datetime, joins_at: datetime) -> None:
    """Run whole cycles until the end; the first process gives half of its accounts away when the second joins."""
    everyone = accounts_of(count, url)
    halves = {"first": everyone[::2], "second": everyone[1::2]}
    settings = Settings(root=folder / which, interval_seconds=INTERVAL, accounts=tuple(everyone))
    keys = {one.key: credentials_of(replace(one, base_url=None)) for one in everyone}
    lines, memory, store = Counter[str](), Memory(), Store.create(folder / which / "store")
    async with Hub(governor_path=folder / "governor") as hub:
        slot, seconds = slot_at(utc_now(), INTERVAL), []
        while utc_now() < until:
            present = everyone if which == "first" and slot < joins_at else halves[which]
            report = await run_cycle(
                replace(settings, accounts=tuple(present)), keys, store, hub, slot=slot, clock=utc_now, memory=memory
            )
            seconds.append(round(report.seconds, 1))
            lines.update(f"{line.grade} {line.code}".strip() for line in report.wallets)
            lines.update(f"{line.wallet}: {line.code}" for line in report.activity if line.code)
            slot += timedelta(seconds=INTERVAL)
            await asyncio.sleep(max(0.0, (slot - utc_now()).total_seconds()))
    rows = store.read("wallets", columns=["account", "slot", "grade", "received_at", "known_at"]).to_pylist()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    told = {"cycles": seconds, "wallets": dict(lines), "cpu": usage.ru_utime + usage.ru_stime}
    told["snapshots"] = snapshots(rows)
    print(json.dumps(told), flush=True)


def snapshots(rows: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """Each account's whole core snapshots: when its oldest wallet answered, and when it was known."""
    found: dict[tuple[str, datetime], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["account"], row["slot"]), []).append(row)
    return [
        (
            account,
            min(row["received_at"] for row in wallets).timestamp(),
            max(row["known_at"] for row in wallets).timestamp(),
        )
        for (account, _), wallets in found.items()
        if all(row["grade"] in {"ok", "unpriced", "suspect"} for row in wallets)
    ]


# ---------------------------------------------------------------- figures


def ages(found: list[tuple[str, float, float]], since: datetime, until: datetime, *, known: bool) -> dict[str, Any]:
    """By venue: how old each account's newest core was, looked at each second.

    `known`: a snapshot counts from its commit on; else from when its answers were there.
    """
    by_account: dict[str, list[tuple[float, float]]] = {}
    for account, received, at in sorted(found, key=lambda one: one[2 if known else 1]):
        by_account.setdefault(account, []).append((at if known else received, received))
    looks: dict[str, list[float]] = {}
    for account, times in by_account.items():
        starts, newest = [start for start, _ in times], [received for _, received in times]
        at = since
        while at < until:
            place = bisect_right(starts, at.timestamp())
            age = at.timestamp() - max(newest[:place]) if place else float("inf")
            looks.setdefault(account.split(":")[0], []).append(age)
            at += SAMPLE
    return {venue: _spread(sorted(seen)) for venue, seen in looks.items()}


def _spread(seen: list[float]) -> dict[str, float]:
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: round(seen[int(share * len(seen))], 1) for name, share in places.items()}
    return found | {"max": round(seen[-1], 1), "looks": len(seen)}


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start this script in another part."""
    return subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of a process, as it was told."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "a process ended without a word"
    told: dict[str, Any] = json.loads(line)
    return told


def run(minutes: float, count: int) -> int:
    """Run all three processes and print the figures."""
    exchange = start("--serve", "--accounts", str(count))
    readers: list[subprocess.Popen[str]] = []
    try:
        url = said(exchange)["url"]
        with tempfile.TemporaryDirectory() as folder:
            time.sleep(INTERVAL - time.time() % INTERVAL + 1)
            began = datetime.now(UTC)
            joins_at, until = (began + timedelta(minutes=late) for late in (JOINS_AFTER, minutes))
            whole = ("--url", url, "--folder", folder, "--accounts", str(count), "--until", until.isoformat())
            joining = slot_at(joins_at, INTERVAL)
            readers.append(start("--read", "first", "--joins-at", joining.isoformat(), *whole))
            time.sleep(max(0.0, (joining - datetime.now(UTC)).total_seconds() - 4))  # it takes so long to start
            readers.append(start("--read", "second", "--joins-at", joining.isoformat(), *whole))
            told = [said(reader) for reader in readers]
        exchange.terminate()
        seen = said(exchange)
    finally:
        for process in (exchange, *readers):
            process.kill()
            process.wait()
    return show(seen, told, began, until)


def show(seen: dict[str, Any], told: list[dict[str, Any]], began: datetime, until: datetime) -> int:
    """Print the figures; 1 when a limit was reached or snapshots were too old."""
    found = [(one[0], one[1], one[2]) for reader in told for one in reader["snapshots"]]
    answered = ages(found, began + WARM_UP, until, known=False)
    later = ages(found, began + timedelta(minutes=2), until, known=False)
    stored = ages(found, began + WARM_UP, until, known=True)
    print(f"governor: refused with 429 or 418: {sum(seen['refused'].values())} {seen['refused']}")
    for venue in answered:
        print(f"governor: {venue} age of the newest core, by its answers {answered[venue]}")
        print(f"governor: {venue} age of the newest core, as stored      {stored[venue]}")
        print(f"governor: {venue} age after the first two minutes        {later[venue]}")
    print(f"governor: {sum(seen['asked'].values())} requests; the most asked: {Counter(seen['asked']).most_common(12)}")
    print(f"governor: other answers that were no result: {seen['other']}")
    print(
        f"governor: weight of each minute by host: { {name: list(w.values()) for name, w in seen['weights'].items()} }"
    )
    for name, reader in zip(("first", "second"), told, strict=True):
        print(
            f"governor: {name} process: cycles of {reader['cycles']} s, {reader['cpu']:.0f} s CPU, {reader['wallets']}"
        )
    print(f"governor: load of the machine over 5 minutes {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores")
    print(f"governor: the exchange took {seen['cpu']:.0f} s CPU of {(until - began).total_seconds():.0f} s")
    is_good = not seen["refused"] and all(one["p95"] <= OLDEST for one in answered.values())
    return 0 if is_good and len(answered) == len(WALLETS) else 1


def main() -> int:
    """Run one part, or all of it."""
    logging.disable(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--accounts", type=int, default=200, help="of each venue")
    parser.add_argument("--serve", action="store_true", help="be the exchange")
    parser.add_argument("--read", choices=("first", "second"), help="be a process that syncs")
    for name in ("--url", "--folder", "--until", "--joins-at"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.accounts))
        return 0
    if options.read:
        until, joins_at = (datetime.fromisoformat(text) for text in (options.until, options.joins_at))
        folder = Path(options.folder)
        asyncio.run(read(options.url, folder, options.read, options.accounts, until, joins_at))
        return 0
    return run(options.minutes, options.accounts)


if __name__ == "__main__":
    raise SystemExit(main())
