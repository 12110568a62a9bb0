"""Flows and history of the demo exchange's people, held against the exchange's own books over weeks.

Own moves are known from the books themselves: a withdrawal and a deposit of one user with one transaction id, and
what a master gives its sub-account. Everything else that crossed a border is external, and nothing else is.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import accumulate, cycle, pairwise
from pathlib import Path
from typing import Any

import pytest
from demo_lab_files import keys, write_lab
from fake_venues import Hand
from test_every_book import at_once, lift_limits

from portfolio_lab.demo.exchange import DemoAccount
from portfolio_lab.demo.market import milliseconds
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import FlowTruth, account_truth, flows_truth, transit_truth
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
FIRST = BEGIN + timedelta(days=20)
EXACT = 1e-9
STEPS = (1, 2, 3, 6, 4, 5, 3)
"""Hours between slots: each day has seven, the first at midnight."""

Fact = tuple[str, str, str, Decimal, datetime]
"""(account, kind, asset, signed units, at)."""


class Watched:
    """Some of the demo exchange's people under a syncer, with the exchange's truth at each slot."""

    def __init__(self, demo: DemoExchange, clock: Hand, store: Store, lab: Path, names: frozenset[str]) -> None:
        self.demo, self.clock, self.store, self.lab, self.names = demo, clock, store, lab, names
        self.syncer: Syncer | None = None
        self.slots: list[datetime] = []
        self.truth: dict[tuple[str, datetime], float] = {}
        self.transit: dict[tuple[str, datetime], dict[str, float]] = {}
        self.reports: list[CycleReport] = []

    def accounts(self, user: str) -> list[DemoAccount]:
        own = [one for one in self.demo.exchange.accounts if one.account.user == user]
        return [one for one in own if f"{user} {one.account.name}" in self.names]

    @property
    def users(self) -> list[str]:
        return sorted({name.partition(" ")[0] for name in self.names})

    async def at(self, slot: datetime) -> CycleReport:
        assert self.syncer is not None
        self.demo.set_clock(slot)
        self.clock.now = slot
        report = await self.syncer.cycle(slot)
        self.slots.append(slot)
        self.reports.append(report)
        market = self.demo.exchange.market
        for user in self.users:
            own = self.accounts(user)
            truths = [account_truth(one, market, milliseconds(slot)).equity for one in own]
            self.truth[user, slot] = math.fsum(float(one or 0) for one in truths)
            under_way = transit_truth(own, market, milliseconds(slot))
            self.transit[user, slot] = {one.txid: float(one.value or 0) for one in under_way}
        return report

    async def live(self, since: datetime, days: int) -> None:
        """Run the slots of so many days, the last midnight included."""
        hours = accumulate(step for step, _ in zip(cycle(STEPS), range(days * len(STEPS)), strict=False))
        for offset in (0, *hours):
            await self.at(since + timedelta(hours=offset))

    def rows(self, table: str, /, **where: object) -> list[dict[str, Any]]:
        found = self.store.read(table).to_pylist()
        return [row for row in found if all(row[name] == value for name, value in where.items())]

    # ------------------------------------------------------------ the exchange's own books

    def told(self, user: str, since: datetime, until: datetime) -> list[tuple[str, FlowTruth]]:
        market, span = self.demo.exchange.market, (milliseconds(since), milliseconds(until))
        return [(one.account.name, flow) for one in self.accounts(user) for flow in flows_truth(one, market, *span)]

    def own_moves(self, user: str, until: datetime) -> dict[str, tuple[tuple[str, FlowTruth], tuple[str, FlowTruth]]]:
        """By transaction id: the withdrawal and the deposit of a move between two watched accounts of a user."""
        flows = [one for one in self.told(user, BEGIN - timedelta(days=1), until) if one[1].txid]
        out = {flow.txid: (name, flow) for name, flow in flows if flow.kind == "withdrawal"}
        into = {flow.txid: (name, flow) for name, flow in flows if flow.kind == "deposit"}
        return {txid: (out[txid], into[txid]) for txid in out.keys() & into.keys()}

    def in_family(self, user: str) -> bool:
        return {f"{user} binance:main", f"{user} binance:sub"} <= self.names

    def crossing(self, user: str, since: datetime, until: datetime) -> Counter[Fact]:
        """What crossed the border of a user's book, by the exchange; half-open at the end, as we read."""
        own = self.own_moves(user, until)
        kept = Counter[Fact]()
        for name, flow in self.told(user, since - timedelta(milliseconds=1), until - timedelta(milliseconds=1)):
            move = own.get(flow.txid)
            if move is not None and moment(move[0][1].at) >= since:
                continue
            if flow.kind == "sub_transfer" and self.in_family(user):
                continue
            kept[name, group(flow.kind), flow.asset, flow.quantity.normalize(), moment(flow.at)] += 1
        return kept

    def stored(self, user: str, scope: str) -> list[dict[str, Any]]:
        return [row for row in self.rows("cash_flows", user=user, scope=scope) if row["kind"] not in {"joined", "left"}]


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def facts(rows: Iterable[dict[str, Any]]) -> Counter[Fact]:
    return Counter(
        (row["account"], group(row["kind"]), row["asset"], row["quantity"].normalize(), row["at"]) for row in rows
    )


def group(kind: str) -> str:
    """What is compared of a kind: money from a bank is a deposit or a withdrawal of its venue, as the sign tells."""
    return "money" if kind in {"deposit", "withdrawal", "fiat"} else "family" if "transfer" in kind else kind


@asynccontextmanager
async def watching(names: frozenset[str] | None = None, *, first: datetime = FIRST) -> AsyncIterator[Watched]:
    """A fresh exchange, lab and syncer; of everyone, or of the named accounts only ("user venue:label")."""
    clock = Hand(first)
    with tempfile.TemporaryDirectory() as folder:
        async with DemoExchange(since=BEGIN, scripted=True, now=first) as demo:
            for one in demo.exchange.accounts:
                one.revoked_by_control = False
            chosen = [one for one in everyone(demo.url) if names is None or f"{one.user} {one.name}" in names]
            lab = write_lab(Path(folder) / "lab", chosen)
            lift_limits(demo)
            watched = Watched(
                demo, clock, Store.open(lab / "store"), lab, frozenset(f"{one.user} {one.name}" for one in chosen)
            )
            async with syncing(watched):
                yield watched


@asynccontextmanager
async def syncing(watched: Watched) -> AsyncIterator[None]:
    hubs = partial(Hub, clock=watched.clock, sleep=at_once)
    credentials = keys(everyone(watched.demo.url))
    async with Syncer(watched.lab, clock=watched.clock, credentials=credentials, hubs=hubs) as syncer:
        watched.syncer = syncer
        yield


def everyone(url: str) -> list[Account]:
    return [Account(one.user, one.venue, one.label, url, one.wallets) for user in cast() for one in user.accounts]


DESK = frozenset(f"desk {name}" for name in ("binance:main", "binance:hedge", "binance:sub", "okx:main", "okx:carry"))


# ---------------------------------------------------------------- what must hold


def check_scopes(watched: Watched, user: str) -> None:
    """Own moves are pairs, strangers' flows are external, and what was before is earlier."""
    first, last = watched.slots[0], watched.slots[-1]
    own = {txid: move for txid, move in watched.own_moves(user, last).items() if moment(move[0][1].at) >= first}
    internal = watched.stored(user, "internal")
    chain = [row for row in internal if row["kind"] in {"deposit", "withdrawal"}]
    assert {row["txid"] for row in chain} == set(own)
    assert len(chain) == 2 * len(own)
    for txid, ((out, left), (into, came)) in own.items():
        ends = {(row["account"], row["kind"]): row for row in chain if row["txid"] == txid}
        assert set(ends) == {(out, "withdrawal"), (into, "deposit")}
        assert len({row["pair_id"] for row in ends.values()}) == 1
        assert (ends[out, "withdrawal"]["at"], ends[into, "deposit"]["at"]) == (moment(left.at), moment(came.at))
    assert facts(watched.stored(user, "external")) == watched.crossing(user, first, last)
    assert all(row["at"] < first for row in watched.stored(user, "earlier"))


def check_curve(watched: Watched, user: str) -> None:
    """Every slot is the exchange's truth plus what was under way in it and has arrived since."""
    first = watched.slots[0]
    arrived = watched.own_moves(user, watched.slots[-1])
    for row in watched.rows("portfolio_snapshots", user=user):
        slot = row["slot"]
        under_way = {
            txid: value
            for txid, value in watched.transit[user, slot].items()
            if txid in arrived and moment(arrived[txid][0][1].at) >= first
        }
        assert row["grade"] == "complete", (slot, row["reason"])
        expected = watched.truth[user, slot] + math.fsum(under_way.values())
        assert row["equity"] == pytest.approx(expected, rel=EXACT), (slot, under_way)
        wallets = watched.rows("wallets", user=user, slot=slot)
        assert math.fsum(one["equity"] or 0.0 for one in wallets) == pytest.approx(row["equity"], rel=EXACT)


def check_days(watched: Watched, user: str) -> None:
    """Each day is closing - opening - what crossed the border, and the days link without a gap."""
    days = sorted(watched.rows("performance_history", user=user), key=lambda row: row["day"])
    curve = {row["slot"]: row["equity"] for row in watched.rows("portfolio_snapshots", user=user)}
    crossed = watched.rows("cash_flows", user=user, scope="external")
    first, last = watched.slots[0].date(), watched.slots[-1].date()
    assert [row["day"] for row in days] == [first + timedelta(days=n) for n in range((last - first).days)]
    for row in days:
        opens, closes = (datetime.combine(row["day"], datetime.min.time(), UTC) + timedelta(days=n) for n in (0, 1))
        flowed = math.fsum(one["value"] for one in crossed if opens < one["at"] <= closes)
        assert row["cash_flow"] == pytest.approx(flowed, rel=EXACT, abs=1e-6), row["day"]
        assert row["opening_equity"] == pytest.approx(curve[opens], rel=EXACT), row["day"]
        assert row["closing_equity"] == pytest.approx(curve[closes], rel=EXACT), row["day"]
        assert row["pnl"] == pytest.approx(curve[closes] - curve[opens] - flowed, abs=1e-5), row["day"]
    for before, after in pairwise(days):
        assert before["closing_equity"] == after["opening_equity"]


def check(watched: Watched, user: str) -> None:
    check_scopes(watched, user)
    check_curve(watched, user)
    check_days(watched, user)


# ---------------------------------------------------------------- the desk


async def test_ten_days_of_the_desk() -> None:
    async with watching(DESK) as desk:
        await desk.live(FIRST, 10)
        check(desk, "desk")
        assert len(desk.stored("desk", "internal")) >= 6
        assert any(desk.transit["desk", slot] for slot in desk.slots)


@pytest.mark.long
async def test_thirty_three_days_of_the_desk() -> None:
    async with watching(DESK) as desk:
        await desk.live(FIRST, 33)
        check(desk, "desk")


async def test_everyones_flows_are_the_exchanges() -> None:
    async with watching() as people:
        await people.live(FIRST, 4)
        for user in people.users:
            check(people, user)
