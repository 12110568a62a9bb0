"""One cycle: what is stored, how it is graded, and that one account's trouble stays its own."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from fake_venues import MIDNIGHT, FakeHub, Hand, btc

from portfolio_lab.errors import (
    AnswerShapeError,
    CredentialsError,
    DeadlineError,
    MaintenanceError,
    RateLimitedError,
    UnreachableError,
    VenueError,
    WalletRefusedError,
)
from portfolio_lab.models.accounts import Credentials, Wallet
from portfolio_lab.models.holdings import Balance
from portfolio_lab.settings import Settings, load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, run_cycle, slot_at, sync_id_of

Keys = Mapping[tuple[str, str, str], Credentials]
BTC_AND_FUTURES = 0.1 * 50_000 + 1_000 - 100


class Runner:
    """Runs cycles of one lab in the test's own time."""

    def __init__(self, settings: Settings, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> None:
        self.settings = settings
        self.credentials = credentials
        self.store = store
        self.hub = hub
        self.clock = clock

    async def __call__(self) -> CycleReport:
        slot = slot_at(self.clock(), self.settings.interval_seconds)
        return await run_cycle(self.settings, self.credentials, self.store, self.hub, slot=slot, clock=self.clock)

    async def next(self, seconds: int = 60) -> CycleReport:
        self.clock.now += timedelta(seconds=seconds)
        return await self()

    def rows(self, table: str, **where: str) -> list[dict[str, object]]:
        rows = self.store.read(table).to_pylist()
        return [row for row in rows if all(row[name] == value for name, value in where.items())]


@pytest.fixture
def run(lab: Path, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> Runner:
    return Runner(load_settings(lab), credentials, store, hub, clock)


def grades(report: CycleReport) -> dict[str, str]:
    return {line.user: line.grade for line in report.users}


async def test_a_good_cycle_is_complete_with_the_equity_worked_by_hand(run: Runner) -> None:
    report = await run()
    assert grades(report) == {"alice": "complete", "bob": "complete"}
    assert {line.user: line.equity for line in report.users} == {"alice": BTC_AND_FUTURES, "bob": 50_000.0}
    (alice,) = run.rows("portfolio_snapshots", user="alice")
    assert alice["equity"] == BTC_AND_FUTURES
    assert alice["wallet_balance"] == 6_000.0
    assert alice["unrealised_pnl"] == -100.0
    assert alice["net_exposure"] == 5_000.0
    assert (alice["wallets_ok"], alice["wallets_expected"]) == (2, 2)
    assert alice["slot"] == MIDNIGHT


async def test_balances_and_prices_are_stored_as_read(run: Runner) -> None:
    await run()
    futures = run.rows("balances", user="alice", wallet="usd_m")
    assert [(row["quantity"], row["wallet_balance"], row["unrealised_pnl"], row["value"]) for row in futures] == [
        (Decimal(900), Decimal(1000), Decimal(-100), 900.0)
    ]
    assert {(row["venue"], row["asset"]) for row in run.rows("prices")} >= {
        (venue, asset) for venue in ("binance", "okx") for asset in ("BTC", "ETH", "USDT")
    }


async def test_an_empty_wallet_is_ok_and_has_no_balance_rows(run: Runner) -> None:
    await run()
    (funding,) = run.rows("wallets", user="bob", wallet="funding")
    assert (funding["grade"], funding["equity"]) == ("ok", 0.0)
    assert run.rows("balances", user="bob", wallet="funding") == []


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("no answer"),
        DeadlineError("too late"),
        RateLimitedError("asked to wait"),
        MaintenanceError("closed"),
        AnswerShapeError("not of its shape"),
        WalletRefusedError("may not read"),
        CredentialsError("revoked"),
    ],
)
async def test_a_wallet_that_fails_takes_the_equity_with_it_and_nobody_else(run: Runner, error: VenueError) -> None:
    run.hub.state.faults["alice", "spot"] = error
    report = await run()
    assert grades(report) == {"alice": "partial", "bob": "complete"}
    (alice,) = run.rows("portfolio_snapshots", user="alice")
    assert alice["equity"] is None
    assert alice["gross_exposure"] is None
    assert f"binance:main spot failed: {error}" in str(alice["reason"])
    (spot,) = run.rows("wallets", user="alice", wallet="spot")
    assert (spot["grade"], spot["code"], spot["equity"], spot["received_at"]) == ("failed", error.code, None, None)
    assert run.rows("balances", user="alice", wallet="spot") == []
    (futures,) = run.rows("wallets", user="alice", wallet="usd_m")
    assert (futures["grade"], futures["equity"]) == ("ok", 900.0)


async def test_the_next_good_cycle_is_complete_again_and_the_state_was_carried_forward(run: Runner) -> None:
    await run()
    run.hub.state.faults["alice", "spot"] = UnreachableError("no answer")
    await run.next()
    (state,) = run.rows("users_portfolio_state", user="alice")
    assert (state["grade"], state["slot"], state["complete_slot"]) == (
        "partial",
        MIDNIGHT + timedelta(seconds=60),
        MIDNIGHT,
    )
    assert state["equity"] == BTC_AND_FUTURES
    run.hub.state.faults.clear()
    assert grades(await run.next())["alice"] == "complete"
    assert len(run.rows("users_portfolio_state", user="alice")) == 1


async def test_all_wallets_failed_is_failed(run: Runner) -> None:
    run.hub.state.faults["bob", "reader"] = CredentialsError("revoked")
    report = await run()
    assert grades(report) == {"alice": "complete", "bob": "failed"}
    assert {line.code for line in report.wallets if line.user == "bob"} == {"credentials"}


async def test_an_account_without_credentials_says_what_to_run(run: Runner) -> None:
    run.credentials = {key: value for key, value in run.credentials.items() if key[0] != "bob"}
    report = await run()
    assert grades(report)["bob"] == "failed"
    (reason,) = {line.reason for line in report.wallets if line.user == "bob"}
    assert "portfolio-lab accounts add" in reason


async def test_a_hanging_account_costs_the_others_nothing(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio_lab.sync.cycle.time_for", lambda _: 0.3)
    run.hub.state.faults["bob", "trading"] = "hang"
    report = await run()
    assert grades(report) == {"alice": "complete", "bob": "partial"}
    assert [line.code for line in report.wallets if line.wallet == "trading"] == ["timeout"]
    assert ("bob", "open_orders") not in run.hub.state.asked, "what was read is stored, instead of asking more"


async def test_a_fault_of_ours_is_logged_with_its_traceback_and_graded(
    run: Runner, caplog: pytest.LogCaptureFixture
) -> None:
    run.hub.state.faults["alice", "usd_m"] = ZeroDivisionError("ours")
    with caplog.at_level(logging.ERROR):
        report = await run()
    assert grades(report) == {"alice": "partial", "bob": "complete"}
    assert [line.code for line in report.wallets if not line.is_ok] == ["internal"]
    assert any(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in caplog.records)


async def test_quotes_that_fail_leave_the_wallets_unpriced_with_their_quantities(run: Runner) -> None:
    run.hub.state.faults["okx", "quotes"] = UnreachableError("no answer")
    report = await run()
    assert grades(report) == {"alice": "complete", "bob": "unpriced"}
    (balance,) = run.rows("balances", user="bob")
    assert (balance["quantity"], balance["price"], balance["value"]) == (Decimal(1), None, None)
    (trading,) = run.rows("wallets", user="bob", wallet="trading")
    assert (trading["grade"], trading["code"]) == ("unpriced", "unreachable")


async def test_an_asset_without_a_market_is_unpriced_never_zero(run: Runner) -> None:
    run.hub.state.holdings["bob", Wallet.TRADING] = (*btc("1"), Balance("AIRDROP", Decimal(5)))
    report = await run()
    assert grades(report)["bob"] == "unpriced"
    assert run.rows("portfolio_snapshots", user="bob")[0]["equity"] is None
    assert "AIRDROP" in next(line.reason for line in report.users if line.user == "bob")


async def test_an_old_answer_is_stale(run: Runner) -> None:
    run.hub.state.late = timedelta(seconds=61)
    report = await run()
    assert set(grades(report).values()) == {"stale"}
    assert run.rows("portfolio_snapshots")[0]["equity"] is None


async def test_a_slot_of_yesterday_is_not_given_todays_book(run: Runner) -> None:
    slot = MIDNIGHT - timedelta(days=1)
    report = await run_cycle(run.settings, run.credentials, run.store, run.hub, slot=slot, clock=run.clock)
    assert set(grades(report).values()) == {"stale"}


async def test_orders_that_fail_do_not_spoil_equity_but_are_told(run: Runner) -> None:
    run.hub.state.faults["alice", "open_orders"] = WalletRefusedError("may not read orders")
    report = await run()
    assert grades(report)["alice"] == "complete"
    (orders,) = [line for line in report.activity if not line.is_ok]
    assert (orders.user, orders.wallet, orders.code) == ("alice", "open_orders", "permission")


@pytest.mark.parametrize("quantity", ["1e20", "NaN", "-Infinity"])
async def test_an_amount_that_cannot_be_stored_is_a_bad_shape(run: Runner, quantity: str) -> None:
    run.hub.state.holdings["bob", Wallet.TRADING] = (Balance("BTC", Decimal(quantity)),)
    report = await run()
    assert [line.code for line in report.wallets if not line.is_ok] == ["bad_shape"]


async def test_amounts_are_rounded_half_even_to_18_places(run: Runner) -> None:
    run.hub.state.holdings["bob", Wallet.TRADING] = btc("0.1234567890123456785")
    await run()
    assert run.rows("balances", user="bob")[0]["quantity"] == Decimal("0.123456789012345678")


async def test_the_same_slot_twice_is_stored_once_and_nobody_is_asked(run: Runner) -> None:
    first = await run()
    asked = len(run.hub.state.asked)
    second = await run()
    assert (first.is_new, second.is_new) == (True, False)
    assert len(run.hub.state.asked) == asked
    assert grades(second) == grades(first)
    assert len(run.store.commits()) == 1
    assert len(run.rows("portfolio_snapshots")) == 2


async def test_clock_and_quotes_are_asked_once_a_venue(run: Runner, credentials: Keys) -> None:
    two = replace(run.settings.accounts[0], user="carol")
    run.settings = replace(run.settings, accounts=(*run.settings.accounts, two))
    run.credentials = {**credentials, two.key: Credentials("k", "s")}
    await run()
    asked = run.hub.state.asked
    assert asked.count(("binance", "quotes")) == 1
    assert asked.count(("binance", "clock")) == 1
    assert asked.index(("binance", "clock")) < asked.index(("alice", "spot"))


async def test_the_report_is_json(run: Runner) -> None:
    report = await run()
    assert json.loads(json.dumps(report.as_dict()))["slot"] == MIDNIGHT.isoformat()
    assert "2 of 2 users complete" in report.summary()


async def test_slots_are_multiples_of_the_interval_in_utc() -> None:
    late = MIDNIGHT + timedelta(hours=5, minutes=7, seconds=59, microseconds=5)
    assert slot_at(late, 300) == MIDNIGHT + timedelta(hours=5, minutes=5)
    assert sync_id_of(MIDNIGHT) == "sync-20260803T000000Z"


async def test_no_row_holds_a_secret(run: Runner, lab: Path) -> None:
    await run()
    stored = everything_under(lab)
    assert b"alice-secret-1" not in stored
    assert b"bob-third-1" not in stored


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
