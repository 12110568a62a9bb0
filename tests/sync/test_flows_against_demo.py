"""Flows and history of the demo exchange's people, held against the exchange's own books over weeks.

Own moves are known from the books themselves: a withdrawal and a deposit of one user with one transaction id, and
what a master gives its sub-account. Everything else that crossed a border is external, and nothing else is.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
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
from portfolio_lab.demo.facts import Reason
from portfolio_lab.demo.late import LateRows
from portfolio_lab.demo.market import DAY_MS, milliseconds
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import FlowTruth, account_truth, flows_truth, transit_truth
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import Account, Wallet
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
FIRST = BEGIN + timedelta(days=20)
EXACT = 1e-9
MINUTE_MS = 60_000
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

    async def restart(self) -> None:
        """A fresh process, with the lab's settings as they are now."""
        await self.stop()
        hubs, credentials = partial(Hub, clock=self.clock, sleep=at_once), keys(everyone(self.demo.url))
        self.syncer = Syncer(self.lab, clock=self.clock, credentials=credentials, hubs=hubs)
        await self.syncer.__aenter__()

    async def stop(self) -> None:
        if self.syncer is not None:
            await self.syncer.__aexit__(None, None, None)
        self.syncer = None

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
        user = where.get("user")
        found = self.store.read(table, users=None if user is None else [str(user)]).to_pylist()
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
            try:
                await watched.restart()
                yield watched
            finally:
                await watched.stop()


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
    worth: dict[datetime, list[float]] = defaultdict(list)
    for row in watched.rows("wallets", user=user):
        worth[row["slot"]].append(row["equity"] or 0.0)
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
        assert math.fsum(worth[slot]) == pytest.approx(row["equity"], rel=EXACT)


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
        assert row["day_return"] == pytest.approx(linked(curve, crossed, opens, closes), rel=1e-9, abs=1e-12), row[
            "day"
        ]
    for before, after in pairwise(days):
        assert before["closing_equity"] == after["opening_equity"]


def linked(curve: dict[datetime, float], crossed: list[dict[str, Any]], opens: datetime, closes: datetime) -> float:
    """Return of a day by hand: Modified Dietz from slot to slot, of the external flows alone."""
    grown = 1.0
    for before, after in pairwise(sorted(slot for slot in curve if opens <= slot <= closes)):
        inside = [
            (row["value"], (after - row["at"]) / (after - before)) for row in crossed if before < row["at"] <= after
        ]
        at_work = curve[before] + math.fsum(value * share for value, share in inside)
        grown *= 1 + (curve[after] - curve[before] - math.fsum(value for value, _ in inside)) / at_work
    return grown - 1


def check(watched: Watched, user: str) -> None:
    check_scopes(watched, user)
    check_curve(watched, user)
    check_days(watched, user)


# ---------------------------------------------------------------- the desk


def scout(names: frozenset[str], until: datetime) -> Watched:
    """The same exchange with its story told ahead: what is going to happen."""
    demo = DemoExchange(since=BEGIN, scripted=True, now=until)
    ahead = Watched(demo, Hand(until), None, Path(), names)  # type: ignore[arg-type]
    for one in demo.exchange.accounts:
        one.view(milliseconds(until))
    return ahead


def slots_with_moves(user: str, names: frozenset[str], days: int, hours: int = 12) -> list[datetime]:
    """A coarse grid of slots, and one amid each move between own accounts."""
    end = FIRST + timedelta(days=days)
    grid = {FIRST + timedelta(hours=offset) for offset in range(0, days * 24 + 1, hours)}
    moves = scout(names, end).own_moves(user, end).values()
    amid = {moment((left.at + came.at) // 2).replace(microsecond=0) for (_, left), (_, came) in moves}
    return sorted(grid | {slot for slot in amid if slot > FIRST})


async def test_nine_days_of_the_desk() -> None:
    async with watching(DESK) as desk:
        for number, slot in enumerate(slots_with_moves("desk", DESK, 9)):
            if number % 7 == 0:
                await desk.restart()
            await desk.at(slot)
        check(desk, "desk")
        assert sum(bool(desk.transit["desk", slot]) for slot in desk.slots) >= 2
        assert {row["kind"] for row in desk.stored("desk", "internal")} >= {
            "deposit",
            "withdrawal",
            "transfer_in",
            "transfer_out",
        }


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_thirty_three_days_of_the_desk() -> None:
    async with watching(DESK) as desk:
        await desk.live(FIRST, 33)
        check(desk, "desk")


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_everyones_flows_are_the_exchanges() -> None:
    async with watching() as people:
        await people.live(FIRST, 12)
        for user in people.users:
            check(people, user)


async def test_what_goes_to_an_account_that_is_not_configured_is_external() -> None:
    names = frozenset({"desk binance:main"})
    async with watching(names) as alone:
        for slot in slots_with_moves("desk", names, 9, hours=24):
            await alone.at(slot)
        check(alone, "desk")
        assert alone.stored("desk", "internal") == []
        kinds = {row["kind"] for row in alone.stored("desk", "external")}
        assert kinds >= {"withdrawal", "transfer_out"} or kinds >= {"withdrawal", "transfer_in"}


# ---------------------------------------------------------------- accounts that come and go


async def test_an_account_added_and_removed_brings_and_takes_what_the_exchange_says_it_held() -> None:
    pair, carry = frozenset({"desk binance:main", "desk okx:main"}), frozenset({"desk okx:carry"})
    async with watching(pair) as desk:
        grid = [FIRST + timedelta(hours=12 * number) for number in range(13)]
        for number, slot in enumerate(grid):
            if number in {4, 9}:
                configure(desk, pair | carry if number == 4 else pair)
                await desk.restart()
            await desk.at(slot)
        joined, left = (desk.rows("cash_flows", user="desk", kind=kind) for kind in ("joined", "left"))
        assert [(row["account"], row["scope"]) for row in (*joined, *left)] == [("okx:carry", "external")] * 2
        (carried,) = [one for one in desk.demo.exchange.accounts if one.account.name == "okx:carry"]
        worth = [
            float(account_truth(carried, desk.demo.exchange.market, milliseconds(grid[number])).equity or 0)
            for number in (4, 8)
        ]
        assert [joined[0]["value"], -left[0]["value"]] == pytest.approx(worth, rel=EXACT)
        check_curve(desk, "desk")
        check_days(desk, "desk")
        inside = [row for row in desk.stored("desk", "external") if row["account"] == "okx:carry"]
        assert all(grid[4] <= row["at"] < grid[9] for row in inside)


def configure(watched: Watched, names: frozenset[str]) -> None:
    chosen = [one for one in everyone(watched.demo.url) if f"{one.user} {one.name}" in names]
    with tempfile.TemporaryDirectory() as folder:
        (watched.lab / "lab.toml").write_text((write_lab(Path(folder) / "lab", chosen) / "lab.toml").read_text())
    watched.names = names


# ---------------------------------------------------------------- what is told late


async def test_a_deposit_told_two_days_late_has_its_day_told_anew() -> None:
    names = frozenset({"desk binance:main"})
    flows = scout(names, FIRST + timedelta(days=20)).told("desk", FIRST + timedelta(days=1), FIRST + timedelta(days=18))
    paid = next(flow for _, flow in flows if flow.kind == "deposit" and flow.asset == "USDT")
    midnight = moment(paid.at).replace(hour=0, minute=0, second=0, microsecond=0)
    async with watching(names, first=midnight - timedelta(days=1)) as late:
        (main,) = late.accounts("desk")
        shown = paid.at + 2 * DAY_MS
        main.late.append(LateRows("/sapi/v1/capital/deposit/hisrec", paid.at, paid.at, shown))
        for number in range(7):
            await late.at(midnight + timedelta(hours=12 * (number - 2)))
        before = day_of(late, midnight.date())
        assert before["cash_flow"] != pytest.approx(float(paid.quantity), rel=0.01)
        assert late.rows("restatements", user="desk", table="cash_flows") == []
        for _ in range(4):
            await late.at(late.slots[-1] + timedelta(hours=12))
        (told,) = late.rows("restatements", user="desk", table="cash_flows")
        assert (told["reason"], told["at"]) == ("late", moment(paid.at))
        after = day_of(late, midnight.date())
        assert after["cash_flow"] - before["cash_flow"] == pytest.approx(float(paid.value or 0), rel=0.01)
        check(late, "desk")
        assert len(late.rows("performance_history", user="desk", day=midnight.date())) == 1


def day_of(watched: Watched, day: date) -> dict[str, Any]:
    (row,) = watched.rows("performance_history", user="desk", day=day)
    return row


async def test_funding_told_late_is_kept_once_and_said_to_be_late() -> None:
    names, paid = frozenset({"desk binance:main"}), FIRST + timedelta(hours=16)
    async with watching(names) as late:
        (main,) = late.accounts("desk")
        at = milliseconds(paid)
        main.late.append(LateRows("/fapi/v1/income", at, at + MINUTE_MS, at + 30 * MINUTE_MS))
        for minutes in (-120, -50, 10):
            await late.at(paid + timedelta(minutes=minutes))
        rows = late.rows("income", user="desk", wallet="usd_m", kind="funding")
        assert [row for row in rows if row["at"] >= paid] == []
        await late.at(paid + timedelta(minutes=75))
        await late.at(paid + timedelta(minutes=140))
        rows = [row for row in late.rows("income", user="desk", wallet="usd_m", kind="funding") if row["at"] >= paid]
        entries = main.book.entries(since=at, until=at + MINUTE_MS, wallets=(Wallet.USD_M,))
        owed = [entry.amount for entry in entries if entry.reason is Reason.FUNDING]
        assert owed
        assert sorted(row["quantity"] for row in rows) == sorted(owed)
        told = [row for row in late.rows("restatements", user="desk", table="income") if row["at"] >= paid]
        assert [row["reason"] for row in told] == ["late"] * len(owed)


# ---------------------------------------------------------------- what is not believed


LIES = {
    "binance funding": ("desk binance:main", "/sapi/v1/asset/get-funding-asset", []),
    "binance usd_m": ("desk binance:main", "/fapi/v3/account", {"assets": [], "positions": []}),
    "binance coin_m": ("desk binance:main", "/dapi/v1/account", {"assets": [], "positions": []}),
    "okx funding": ("desk okx:main", "/api/v5/asset/balances", {"code": "0", "msg": "", "data": []}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_empty_answer_makes_no_point_of_the_curve(lie: str) -> None:
    """Not even when it is told more often than makes a change true: the venue's own total denies it."""
    (name, path, body), cycles = LIES[lie], 4
    async with watching(frozenset({name})) as book:
        await book.at(FIRST)
        book.demo.faults.add({"path": path, "user": "desk", "times": cycles, "body": body})
        for number in range(1, cycles + 3):
            await book.at(FIRST + timedelta(minutes=number))
        rows = sorted(book.rows("portfolio_snapshots", user="desk"), key=lambda row: row["slot"])
        assert [row["grade"] for row in rows] == ["complete", *["suspect"] * cycles, "complete", "complete"]
        for row in rows:
            expected = book.truth["desk", row["slot"]] if row["grade"] == "complete" else None
            assert row["equity"] == (None if expected is None else pytest.approx(expected, rel=EXACT))


async def test_two_answers_of_the_spot_wallet_that_contradict_each_other_are_no_reading() -> None:
    async with watching(frozenset({"desk binance:main"})) as book:
        await book.at(FIRST)
        book.demo.faults.add({"path": "/sapi/v3/asset/getUserAsset", "user": "desk", "times": 1, "body": []})
        for number in (1, 2):
            await book.at(FIRST + timedelta(minutes=number))
        rows = sorted(book.rows("portfolio_snapshots", user="desk"), key=lambda row: row["slot"])
        assert [row["grade"] for row in rows] == ["complete", "partial", "complete"]
