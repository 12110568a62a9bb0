"""Several processes of a machine share one budget, and none can wedge the others."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio_lab.errors import BannedError, PostponedError, RateLimitedError
from portfolio_lab.exchanges.governor import Budget, Governor, Priority, hurried
from portfolio_lab.exchanges.ledger import Ledger, file_name, state_folder

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = Budget("api", 100)


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = START
        self.slept: list[float] = []

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


def two(path: Path) -> tuple[Governor, Governor, Time]:
    """Two processes' governors of one address, on one clock."""
    clock = Time()

    def one() -> Governor:
        return Governor(venue="binance", clock=clock.clock, sleep=clock.sleep, ledger=Ledger(path))

    return one(), one(), clock


async def ask(
    governor: Governor, budget: Budget, weight: int, *, used: int | None = None, priority: Priority = Priority.CORE
) -> None:
    async with governor.admitted(budget, weight, priority) as turn:
        turn.used, turn.is_answered = used, True


# ---------------------------------------------------------------- shared


async def test_what_one_spends_the_other_lacks(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "deep" / "governor" / "binance.bin")
    await ask(here, MINUTE, 50)
    await ask(there, MINUTE, 30)
    assert clock.slept == []
    await ask(there, MINUTE, 1)
    assert clock.slept == [60.0]


async def test_what_the_venue_told_one_the_other_knows(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "binance.bin")
    await ask(here, MINUTE, 1, used=79)
    await ask(there, MINUTE, 2)
    assert clock.slept == [60.0]


async def test_an_accounts_own_budget_is_not_shared(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "binance.bin")
    own = Budget("ann/binance/main withdraw history", 100, is_personal=True)
    await ask(here, own, 80)
    await ask(there, own, 80)
    assert clock.slept == []


async def test_a_sliding_window_is_shared(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "okx.bin")
    tickers = Budget("market/tickers", 10, 2.0, is_sliding=True)
    for governor in (here, there) * 4:
        await ask(governor, tickers, 1)
    await ask(here, tickers, 1)
    assert clock.slept == [2.0]


async def test_the_file_is_private_and_removing_it_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "governor" / "binance.bin"
    here, there, clock = two(path)
    await ask(here, MINUTE, 80)
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    path.unlink()
    await ask(here, MINUTE, 50)
    await ask(there, MINUTE, 40)
    assert clock.slept == [60.0]


def test_the_folder_is_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/ann")
    assert state_folder() == Path("/var/ann/portfolio_lab/governor")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_folder() == Path.home() / ".local/state/portfolio_lab/governor"
    assert file_name("okx https://eea.okx.com") != file_name("okx https://www.okx.com")
    assert "/" not in file_name("binance ../../etc")


# ---------------------------------------------------------------- closures


async def test_a_ban_is_everybodys_and_outlives_the_process(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "binance.bin")
    here.close(120, is_ban=True)
    with pytest.raises(BannedError) as refusal:
        await ask(there, MINUTE, 1)
    assert refusal.value.retry_after == 120
    elsewhere, _, _ = two(tmp_path / "another.bin")
    await ask(elsewhere, MINUTE, 1)
    clock.now += timedelta(seconds=121)
    await ask(there, MINUTE, 1)
    assert here.closed_until is None


async def test_after_a_ban_one_request_goes_ahead_of_all_others(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "binance.bin")
    here.close(120, is_ban=True)
    clock.now += timedelta(seconds=120)
    order: list[str] = []

    async def other() -> None:
        await ask(there, MINUTE, 1)
        order.append("another")

    async with here.admitted(MINUTE, 1) as probe:
        waiting = asyncio.create_task(other())
        for _ in range(5):
            await asyncio.sleep(0)
        order.append("probe")
        probe.is_answered = True
    await waiting
    assert order == ["probe", "another"]


async def test_a_probe_that_is_refused_closes_the_venue_for_longer(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "binance.bin")
    here.close(120, is_ban=True)
    clock.now += timedelta(seconds=120)
    async with here.admitted(MINUTE, 1):
        here.close(240, is_ban=True)
    with pytest.raises(BannedError) as refusal:
        await ask(there, MINUTE, 1)
    assert refusal.value.retry_after == 240


async def test_a_probe_whose_process_died_is_followed_by_another(tmp_path: Path) -> None:
    here, there, clock = two(tmp_path / "binance.bin")
    here.close(120, is_ban=True)
    clock.now += timedelta(seconds=120)
    dead = here.admitted(MINUTE, 1)
    await dead.__aenter__()  # never left, as by a process that was killed
    await ask(there, MINUTE, 1)
    assert 29 < sum(clock.slept) < 31


@pytest.mark.parametrize("content", [b"x", b"plgov1\n", b"plgov1\n" + bytes(8) + b"rubbish", bytes(3000), b"{}"])
async def test_a_damaged_file_takes_this_minute_for_used_up(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "binance.bin"
    path.write_bytes(content)
    here, there, clock = two(path)
    clock.now += timedelta(seconds=20)
    await ask(here, MINUTE, 10)
    assert clock.slept == [40.0]
    await ask(there, MINUTE, 70)
    assert clock.slept == [40.0]


async def test_a_disk_that_refuses_costs_the_sharing_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    here, _, clock = two(tmp_path / "file" / "binance.bin")
    await ask(here, MINUTE, 80)
    await ask(here, MINUTE, 80)
    assert clock.slept == [60.0]


# ---------------------------------------------------------------- who goes first


async def test_the_core_goes_first_when_all_wait() -> None:
    clock = Time()
    woken = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds > 1:
            await woken.wait()
            clock.now = START + timedelta(seconds=60)
        else:
            await asyncio.sleep(0)
            clock.now += timedelta(seconds=seconds)

    governor = Governor(venue="binance", clock=clock.clock, sleep=sleep)
    await ask(governor, MINUTE, 1, used=80)
    order: list[str] = []

    async def wait(priority: Priority) -> None:
        await ask(governor, MINUTE, 20, priority=priority)
        order.append(priority.name)

    tasks = []
    for priority in (Priority.SLOW, Priority.HISTORY, Priority.ORDERS, Priority.CORE):
        tasks.append(asyncio.create_task(wait(priority)))
        await asyncio.sleep(0)
    woken.set()
    await asyncio.gather(*tasks)
    assert order == ["CORE", "ORDERS", "HISTORY", "SLOW"]


async def test_history_leaves_what_the_core_wanted_a_minute_ago() -> None:
    clock = Time()
    governor = Governor(venue="binance", clock=clock.clock, sleep=clock.sleep)
    await ask(governor, MINUTE, 60)
    clock.now += timedelta(seconds=60)
    await ask(governor, MINUTE, 20, priority=Priority.HISTORY)
    await ask(governor, MINUTE, 60)
    assert clock.slept == []
    await ask(governor, MINUTE, 1, priority=Priority.HISTORY)
    assert clock.slept == [60.0]


async def test_orders_leave_the_room_of_wallets_that_nobody_has_asked_for_yet(tmp_path: Path) -> None:
    """At a cold start the minutes before tell nothing, and two processes must not take each other's room."""
    one, other, clock = two(tmp_path / "ledger")
    one.expect(MINUTE, 30)
    await ask(one, MINUTE, 10)
    other.expect(MINUTE, 30)
    await ask(other, MINUTE, 20, priority=Priority.ORDERS)
    with hurried(first=0.0, rest=0.0), pytest.raises(PostponedError):
        await ask(one, MINUTE, 25, priority=Priority.ORDERS)
    for governor in (one, other):
        await ask(governor, MINUTE, 25)
    assert clock.slept == []


async def test_what_was_expected_and_never_asked_is_free_again(tmp_path: Path) -> None:
    one, _, clock = two(tmp_path / "ledger")
    one.expect(MINUTE, 60)
    await ask(one, MINUTE, 1)
    clock.now += timedelta(minutes=30)
    await ask(one, MINUTE, 60, priority=Priority.ORDERS)
    assert clock.slept == []


@pytest.mark.parametrize(
    "budget",
    [Budget("account/balance", 10, 2.0, is_sliding=True), Budget("api", 10, is_personal=True)],
    ids=["sliding", "personal"],
)
async def test_a_budget_that_is_counted_by_account_keeps_no_room(budget: Budget) -> None:
    clock = Time()
    governor = Governor(venue="okx", clock=clock.clock, sleep=clock.sleep)
    governor.expect(budget, 8)
    for _ in range(2):
        await ask(governor, budget, 4, priority=Priority.ORDERS)
    assert clock.slept == []


async def test_a_core_that_wants_everything_leaves_a_share_to_those_who_wait() -> None:
    clock = Time()
    governor = Governor(venue="binance", clock=clock.clock, sleep=clock.sleep)
    for _ in range(8):
        await ask(governor, MINUTE, 10)
    await ask(governor, MINUTE, 5, priority=Priority.HISTORY)
    assert clock.slept == [60.0]
    for _ in range(7):
        await ask(governor, MINUTE, 10)
    assert clock.slept == [60.0, 60.0]  # 85 % of 80 are 68: the seventh waits, because history waited


async def test_a_line_that_does_not_move_is_given_up() -> None:
    clock = Time()
    governor = Governor(venue="binance", clock=clock.clock, sleep=clock.sleep)

    async def others_take_all(seconds: float) -> None:
        await clock.sleep(seconds)
        governor._ledger._state.tallies["api"].forget()
        governor._ledger._state.tallies["api"].wait(MINUTE, 1, Priority.CORE, clock.now.timestamp())
        governor._ledger._state.tallies["api"].spent = 100

    await ask(governor, MINUTE, 80)
    governor._sleep = others_take_all
    with pytest.raises(RateLimitedError, match="stand in line"):
        await ask(governor, MINUTE, 80)


# ---------------------------------------------------------------- real processes

SPENDER = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from portfolio_lab.exchanges.governor import Budget, Governor
from portfolio_lab.exchanges.ledger import Ledger

async def stop(seconds):
    raise SystemExit

async def spend():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    governor = Governor(venue="binance", clock=lambda: now, sleep=stop, ledger=Ledger(Path(sys.argv[1])))
    while True:
        async with governor.admitted(Budget("api", 2000), 1) as turn:
            turn.is_answered = True
            print("x", flush=True)
            if sys.argv[2] == "die":
                os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(spend())
"""


def spender(path: Path, how: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SPENDER, str(path), how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def test_two_processes_together_spend_one_budget(tmp_path: Path) -> None:
    both = [spender(tmp_path / "binance.bin", "spend") for _ in range(2)]
    said = [process.communicate(timeout=60)[0].count(b"x") for process in both]
    assert sum(said) == 1600


async def test_a_killed_process_wedges_nobody_and_its_request_expires(tmp_path: Path) -> None:
    path = tmp_path / "binance.bin"
    process = spender(path, "die")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    here, _, clock = two(path)
    budget = Budget("api", 2000)
    await ask(here, budget, 1599)
    await ask(here, budget, 1)
    assert clock.slept == [60.0]  # what the dead one asked still counts
    clock.now += timedelta(seconds=121)
    await ask(here, budget, 1600)
    assert clock.slept == [60.0]


async def test_a_lock_that_is_never_let_go_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "binance.bin"
    here, there, _ = two(path)
    assert there._ledger._locked()
    began = time.monotonic()
    await ask(here, MINUTE, 1)
    assert time.monotonic() - began < 30
    assert "counts alone" in caplog.text
