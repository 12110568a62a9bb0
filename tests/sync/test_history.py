"""What is carried from cycle to cycle: cash flows, closed days, cursors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from fake_venues import MIDNIGHT, FakeHub, Hand, btc

from portfolio_lab.errors import UnreachableError
from portfolio_lab.models.accounts import Credentials, Wallet
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, run_cycle
from portfolio_lab.sync.memory import Memory

Keys = Mapping[tuple[str, str, str], Credentials]
Rows = list[dict[str, object]]
NOON = MIDNIGHT + timedelta(hours=12)
HOUR = timedelta(hours=1)


class History:
    """Cycles of one lab at instants of the test's choice."""

    def __init__(self, lab: Path, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> None:
        self.settings = load_settings(lab)
        self.credentials = credentials
        self.store = store
        self.hub = hub
        self.clock = clock
        self.memory: Memory | None = None

    async def at(self, slot: datetime) -> CycleReport:
        self.clock.now = slot
        return await run_cycle(
            self.settings, self.credentials, self.store, self.hub, slot=slot, clock=self.clock, memory=self.memory
        )

    def rows(self, table: str, user: str = "bob") -> Rows:
        return [row for row in self.store.read(table).to_pylist() if row["user"] == user]

    def days(self) -> dict[date, dict[str, object]]:
        return {row["day"]: row for row in self.rows("performance_history")}  # type: ignore[misc]

    def deposit(self, at: datetime, quantity: str, flow_id: str = "d1") -> None:
        """Bob's deposit: the venue lists it, and his holding grows by it."""
        flows = self.hub.state.flows.setdefault("bob", [])
        flows.append(CashFlow(at, flow_id, "deposit", "BTC", Decimal(quantity), Decimal(0), ""))


@pytest.fixture
def history(lab: Path, credentials: Keys, store: Store, hub: FakeHub, clock: Hand) -> History:
    return History(lab, credentials, store, hub, clock)


async def test_the_first_read_goes_90_days_back_and_the_next_an_hour_over_the_cursor(history: History) -> None:
    await history.at(NOON)
    await history.at(NOON + HOUR)
    windows = [(since, until) for user, since, until in history.hub.state.flow_windows if user == "bob"]
    assert windows == [(NOON - timedelta(days=90), NOON), (NOON - HOUR, NOON + HOUR)]


async def test_the_cursor_waits_for_every_account(history: History) -> None:
    await history.at(NOON)
    history.hub.state.faults["bob", "cash_flows"] = UnreachableError("no answer")
    await history.at(NOON + HOUR)
    assert [row["flows_until"] for row in history.rows("users_portfolio_state")] == [NOON]
    assert [row["flows_until"] for row in history.rows("users_portfolio_state", "alice")] == [NOON + HOUR]


async def test_a_flow_is_stored_once_with_its_value(history: History) -> None:
    await history.at(NOON)
    history.deposit(NOON + timedelta(minutes=1), "0.5")
    await history.at(NOON + timedelta(minutes=2))
    await history.at(NOON + timedelta(minutes=3))
    (flow,) = history.rows("cash_flows")
    assert (flow["quantity"], flow["price"], flow["value"]) == (Decimal("0.5"), 50_000.0, 25_000.0)
    assert flow["known_at"] == NOON + timedelta(minutes=2)


async def test_a_flow_far_from_any_known_price_has_no_value(history: History) -> None:
    history.deposit(NOON - timedelta(days=30), "0.5")
    await history.at(NOON)
    (flow,) = history.rows("cash_flows")
    assert (flow["price"], flow["value"]) == (None, None)


async def test_a_flow_takes_the_price_of_the_nearest_slot(history: History) -> None:
    await history.at(NOON)
    history.deposit(NOON + HOUR, "1")
    await history.at(NOON + 6 * HOUR)
    (flow,) = history.rows("cash_flows")
    assert flow["price"] == 50_000.0


async def test_a_day_closes_at_midnight_with_pnl_net_of_the_deposit(history: History) -> None:
    await history.at(MIDNIGHT)
    history.deposit(NOON - HOUR, "0.5")
    history.hub.state.holdings["bob", Wallet.TRADING] = btc("1.6")
    await history.at(NOON)
    assert history.days() == {}
    await history.at(MIDNIGHT + timedelta(days=1))
    (row,) = history.rows("performance_history")
    assert row["day"] == MIDNIGHT.date()
    assert (row["opening_equity"], row["closing_equity"]) == (50_000.0, 80_000.0)
    assert (row["cash_flow"], row["pnl"]) == (25_000.0, pytest.approx(5_000.0))
    assert (row["snapshots_complete"], row["snapshots_taken"]) == (2, 2)
    (state,) = history.rows("users_portfolio_state")
    assert state["day"] == MIDNIGHT.date()


async def test_no_day_closes_before_its_flows_are_known(history: History) -> None:
    await history.at(MIDNIGHT)
    history.hub.state.faults["bob", "cash_flows"] = UnreachableError("no answer")
    await history.at(MIDNIGHT + timedelta(days=1))
    assert history.days() == {}
    history.hub.state.faults.clear()
    await history.at(MIDNIGHT + timedelta(days=1, minutes=1))
    assert list(history.days()) == [MIDNIGHT.date()]


async def test_days_without_any_sync_are_closed_together(history: History) -> None:
    await history.at(MIDNIGHT)
    await history.at(MIDNIGHT + timedelta(days=1))
    history.hub.state.holdings["bob", Wallet.TRADING] = btc("1.1")
    await history.at(MIDNIGHT + timedelta(days=4, hours=1))
    days = history.days()
    assert sorted(days) == [MIDNIGHT.date() + timedelta(days=number) for number in range(4)]
    assert days[MIDNIGHT.date() + timedelta(days=2)]["day_return"] is None


async def test_a_flow_told_late_mends_its_day(history: History) -> None:
    await history.at(MIDNIGHT)
    history.hub.state.holdings["bob", Wallet.TRADING] = btc("1.5")
    await history.at(MIDNIGHT + timedelta(hours=23, minutes=59))
    await history.at(MIDNIGHT + timedelta(days=1))
    assert history.days()[MIDNIGHT.date()]["pnl"] == pytest.approx(25_000.0)
    history.deposit(MIDNIGHT + timedelta(hours=23, minutes=30), "0.5")
    await history.at(MIDNIGHT + timedelta(days=1, minutes=1))
    assert history.days()[MIDNIGHT.date()]["pnl"] == pytest.approx(0.0)


async def test_no_history_is_read_while_no_day_closes(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.memory = Memory()
    await history.at(MIDNIGHT)
    await history.at(MIDNIGHT + timedelta(days=1))
    read: list[str] = []
    stored_read = history.store.read

    def watched(table: str, **asked: object) -> object:
        read.append(table)
        return stored_read(table, **asked)  # type: ignore[arg-type]

    monkeypatch.setattr(history.store, "read", watched)
    for minute in range(1, 5):
        await history.at(MIDNIGHT + timedelta(days=1, minutes=minute))
    assert read == []


async def test_memory_and_store_tell_the_same(history: History) -> None:
    history.memory = Memory()
    for hour in (0, 13, 25, 50):
        await history.at(MIDNIGHT + hour * HOUR)
    stored = {row["user"]: row for row in history.store.read("users_portfolio_state").to_pylist()}
    assert stored == history.memory.states


async def test_an_older_slot_run_late_does_not_turn_the_state_back(history: History) -> None:
    await history.at(NOON)
    late = NOON - timedelta(minutes=1)
    await run_cycle(history.settings, history.credentials, history.store, history.hub, slot=late, clock=history.clock)
    assert [row["slot"] for row in history.rows("users_portfolio_state")] == [NOON]


async def test_days_are_utc_dates(history: History) -> None:
    await history.at(datetime(2026, 8, 3, 22, tzinfo=UTC))
    await history.at(datetime(2026, 8, 4, 0, 0, 30, tzinfo=UTC))
    assert list(history.days()) == [date(2026, 8, 3)]
