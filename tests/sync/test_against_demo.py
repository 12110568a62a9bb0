"""The whole road over real sockets: unmodified ccxt, the demo exchange, one store."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from demo_lab_files import at_once, demo_accounts, everything_under, keys, lift_limits, secrets_of, write_lab
from fake_venues import Hand

from portfolio_lab import open_lab
from portfolio_lab.demo import users
from portfolio_lab.demo.control import truth_of
from portfolio_lab.demo.market import milliseconds
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import flows_truth
from portfolio_lab.engines.performance import FIGURES
from portfolio_lab.errors import BadInputError
from portfolio_lab.exchanges import Hub
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
FIRST = BEGIN + timedelta(days=20)
OWN = {account for user in users() for account in user.accounts}
EXACT = 1e-9
"""The promised agreement with the exchange's own truth, relative."""

WALLET_PATHS = (
    ("alice", "binance:main", "spot", "/sapi/v3/asset/getUserAsset"),
    ("alice", "binance:main", "funding", "/sapi/v1/asset/get-funding-asset"),
    ("alice", "binance:main", "usd_m", "/fapi/v3/account"),
    ("alice", "binance:main", "usd_m", "/fapi/v3/positionRisk"),
    ("alice", "binance:main", "coin_m", "/dapi/v1/account"),
    ("alice", "binance:main", "coin_m", "/dapi/v1/positionRisk"),
    ("carol", "okx:main", "trading", "/api/v5/account/balance"),
    ("carol", "okx:main", "trading", "/api/v5/account/positions"),
    ("carol", "okx:main", "funding", "/api/v5/asset/balances"),
)
FAULTS: dict[str, dict[str, object]] = {
    "503": {"status": 503, "body": "busy"},
    "html": {"html200": True},
    "braces": {"body": {}},
    "truncated": {"truncate": True},
}


@pytest.fixture
async def demo() -> AsyncIterator[DemoExchange]:
    async with DemoExchange(since=BEGIN, scripted=True, now=FIRST) as exchange:
        yield exchange


@pytest.fixture
def clock() -> Hand:
    return Hand(FIRST)


class Desk:
    """A lab on the demo exchange, replayed slot by slot."""

    def __init__(self, demo: DemoExchange, clock: Hand, lab: Path, syncer: Syncer) -> None:
        self.demo = demo
        self.clock = clock
        self.lab = lab
        self.syncer = syncer

    async def at(self, slot: datetime) -> CycleReport:
        self.demo.set_clock(slot)
        self.clock.now = slot
        return await self.syncer.cycle(slot)

    async def next(self, minutes: int = 1) -> CycleReport:
        return await self.at(self.clock.now + timedelta(minutes=minutes))

    def truth(self, user: str, at: datetime) -> float | None:
        chosen = [one for one in self.demo.exchange.accounts if one.account.user == user and one.account in OWN]
        equity = truth_of(self.demo, chosen, milliseconds(at), None)["equity"]
        return None if equity is None else float(equity)

    def flows(self, since: datetime, until: datetime) -> set[tuple[str, str, str, Decimal]]:
        return {
            (one.account.user, one.account.name, flow.kind, flow.quantity)
            for one in self.demo.exchange.accounts
            for flow in flows_truth(one, self.demo.exchange.market, milliseconds(since), milliseconds(until))
            if flow.kind in {"deposit", "withdrawal"} and one.account in OWN
        }

    def fault(self, fault: dict[str, object]) -> None:
        self.demo.faults.add(fault)


@pytest.fixture
async def desk(demo: DemoExchange, clock: Hand, tmp_path: Path) -> AsyncIterator[Desk]:
    accounts = demo_accounts(demo.url)
    lab = write_lab(tmp_path, accounts)
    lift_limits(demo)
    hubs = partial(Hub, clock=clock, sleep=at_once)
    async with Syncer(lab, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
        yield Desk(demo, clock, lab, syncer)


def grades(report: CycleReport) -> dict[str, str]:
    return {line.user: line.grade for line in report.users}


def failures(report: CycleReport) -> list[str]:
    lines = (*report.wallets, *report.activity)
    return [f"{line.user} {line.account} {line.wallet} {line.code} {line.reason}" for line in lines if not line.is_ok]


async def test_equity_of_every_user_is_the_exchanges_own_truth_in_every_slot(desk: Desk) -> None:
    for number in range(12):
        slot = FIRST + number * timedelta(hours=31, minutes=17)
        report = await desk.at(slot)
        assert failures(report) == []
        for line in report.users:
            assert line.equity == pytest.approx(desk.truth(line.user, slot), rel=EXACT)


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_wallet_endpoint_in_turn(desk: Desk, fault: str) -> None:
    assert set(grades(await desk.at(FIRST)).values()) == {"complete"}
    for user, account, wallet, path in WALLET_PATHS:
        desk.fault({"path": path, "user": user, **FAULTS[fault]})
        report = await desk.next()
        line = next(line for line in report.users if line.user == user)
        assert (line.grade, line.equity) == ("partial", None)
        failed = [line for line in report.wallets if not line.is_ok]
        assert [(line.user, line.account, line.wallet) for line in failed] == [(user, account, wallet)]
        assert failed[0].reason
        assert wallet in line.reason
        desk.demo.faults.clear()
        assert set(grades(await desk.next()).values()) == {"complete"}
    curve = Store.open(desk.lab / "store").read("portfolio_snapshots").to_pylist()
    assert all((row["equity"] is not None) == (row["grade"] == "complete") for row in curve)


async def test_the_same_slot_twice_is_stored_once(desk: Desk) -> None:
    first = await desk.at(FIRST)
    asked = sum(desk.demo.requests.values())
    second = await desk.at(FIRST)
    assert (first.is_new, second.is_new) == (True, False)
    assert sum(desk.demo.requests.values()) == asked
    # What days before the first snapshot were worth is stored in commits of its own.
    cycles = [one for one in Store.open(desk.lab / "store").commits() if "past-prices" not in one.sync_id]
    assert len(cycles) == 1


async def test_a_revoked_key_is_one_message_and_one_when_it_works_again(
    demo: DemoExchange, clock: Hand, tmp_path: Path
) -> None:
    accounts = demo_accounts(demo.url)
    with Webhook() as hook:
        lab = write_lab(tmp_path, accounts, channels=(hook.channel,))
        lift_limits(demo)
        hubs = partial(Hub, clock=clock, sleep=at_once)
        async with Syncer(lab, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
            desk = Desk(demo, clock, lab, syncer)
            await desk.at(FIRST)
            for one in demo.exchange.accounts:
                if one.account.key == ("carol", "binance", "main"):
                    one.revoked_by_control = True
            for _ in range(3):
                assert grades(await desk.next()) == {"alice": "complete", "desk": "complete", "carol": "partial"}
            for one in demo.exchange.accounts:
                one.revoked_by_control = None
            # A key that was refused is left alone for a quarter of an hour.
            assert grades(await desk.next(11))["carol"] == "partial"
            await desk.next(3)  # one question goes ahead and finds that the key is good again
            for _ in range(2):
                assert set(grades(await desk.next()).values()) == {"complete"}
    assert len(hook.messages) == 2
    assert "carol binance:main: credentials" in hook.messages[0]
    assert "is over" in hook.messages[1]
    planted = {value for one in accounts for value in secrets_of(credentials_of(one))}
    assert not any(value in message for message in hook.messages for value in planted)


async def test_no_key_stands_in_any_file_of_the_lab(desk: Desk) -> None:
    desk.fault({"path": "/api/v3/account", "status": 503, "body": "busy"})
    desk.fault({"path": "/api/v5/account/balance", "cut": True})
    await desk.at(FIRST)
    found = await asyncio.to_thread(everything_under, desk.lab)
    for account in demo_accounts(""):
        for value in secrets_of(credentials_of(account)):
            assert value.encode() not in found
    assert b"sync_failure" in found
    assert b"signature=" not in found.replace(b"signature=<hidden>", b"")


class Webhook:
    """A local address that takes apprise's JSON messages."""

    def __enter__(self) -> Webhook:
        self.messages: list[str] = []
        taken = self.messages

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                taken.append(json.loads(content)["message"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return None

        self._server = HTTPServer(("127.0.0.1", 0), Door)
        self.channel = f"json://127.0.0.1:{self._server.server_port}/hook"
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


async def test_stored_cash_flows_are_the_exchanges_own_and_days_are_closed(desk: Desk) -> None:
    slots = [FIRST + number * timedelta(hours=6) for number in range(29)]
    for slot in slots:
        await desk.at(slot)
    store = Store.open(desk.lab / "store")
    known = {
        (row["user"], row["account"], row["kind"], row["quantity"])
        for row in store.read("cash_flows").to_pylist()
        if row["kind"] in {"deposit", "withdrawal"}
    }
    assert known == desk.flows(BEGIN, slots[-1])
    days = store.read("performance_history").to_pylist()
    assert {(row["user"], row["day"]) for row in days} == {
        (user, (FIRST + timedelta(days=number)).date()) for user in ("alice", "carol", "desk") for number in range(7)
    }
    for row in days:
        assert row["pnl"] == pytest.approx(row["closing_equity"] - row["opening_equity"] - row["cash_flow"])


async def test_after_one_cycle_a_lab_answers_or_says_what_is_missing(desk: Desk) -> None:
    """The ledger already tells of weeks, and no two snapshots lie around any of it."""
    await desk.at(FIRST)
    lab, answered, said = open_lab(desk.lab), set(), set()
    names = list(lab.users().index)
    figures = ("equity", "exposure", "net_exposure", "pnl", "twr", *FIGURES)
    questions = [(f"explain {one}", lab.explain, {"user": user, "figure": one}) for user in names for one in figures]
    questions += [("reconciliation", lab.reconciliation, {"user": user, "period": "2026-08"}) for user in names]
    for told in (lab, lab.scope(), *(lab.scope(user) for user in names)):
        for name, method in inspect.getmembers(told, inspect.ismethod):
            parameters = inspect.signature(method).parameters
            needed = {one.name for one in parameters.values() if one.default is one.empty}
            if not name.startswith("_") and needed <= {"user"}:
                users = names if "user" in parameters else [""]
                questions += [(name, method, {"user": user} if user else {}) for user in users]
    for name, method, given in questions:
        try:
            method(**given)
            answered.add(name)
        except BadInputError:
            said.add(name)
    assert {"attribution", "equity", "performance", "pnl", "risk", "trades", "explain equity"} <= answered - said
    assert said == {
        "reconciliation",
        "money_weighted",
        "explain pnl",
        "explain twr",
        *(f"explain {one}" for one in FIGURES),
    }
