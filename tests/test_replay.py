from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio_lab.demo_run import _is_fresh, _since_of
from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.replay import ReplayClock, replay_slots, running, running_exchange, without_passphrase

START = datetime(2026, 8, 1, tzinfo=UTC)


def test_slots_are_coarse_then_fine_and_stand_on_whole_steps() -> None:
    slots = replay_slots(
        after=START,
        until=START + timedelta(days=2, hours=3, minutes=20),
        step=timedelta(hours=12),
        fine=timedelta(hours=6),
        fine_step=timedelta(hours=1),
    )
    # 12 h steps until the last six hours begin (day 2, 21:20 of the day before), hourly from there
    hours = [(slot - START) / timedelta(hours=1) for slot in slots]
    assert hours == [12, 24, 36, 48, 49, 50, 51]


def test_nothing_is_due_within_a_step() -> None:
    hour = timedelta(hours=1)
    assert replay_slots(after=START, until=START + hour / 2, step=6 * hour, fine=24 * hour, fine_step=hour) == []


def test_every_day_ends_on_a_slot() -> None:
    slots = replay_slots(
        after=START + timedelta(hours=5),
        until=START + timedelta(days=20),
        step=timedelta(hours=7),
        fine=timedelta(days=1),
        fine_step=timedelta(hours=1),
    )
    assert slots == sorted(set(slots))
    assert slots[-1] == START + timedelta(days=20)


def test_a_replay_clock_ticks_on_from_where_it_is_set() -> None:
    clock = ReplayClock()
    clock.set(START)
    first, second = clock(), clock()
    assert START <= first <= second < START + timedelta(minutes=1)


def test_a_child_ends_with_its_block() -> None:
    with running([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        assert child.poll() is None
    assert child.returncode in {-signal.SIGINT, 1}


def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio_lab.replay.STOP_SECONDS", 0.2)
    deaf = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    with running([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
    assert child.returncode == -signal.SIGKILL


def test_children_that_need_no_vault_get_no_passphrase(passphrase_file: Path) -> None:
    assert not [name for name in without_passphrase() if "PASSPHRASE" in name]


def test_an_exchange_listens_moves_its_clock_and_ends() -> None:
    with running_exchange(since=START) as exchange:
        exchange.set_clock(START + timedelta(days=1))
        exchange.go_live()
    with pytest.raises(PortfolioLabError, match="does not answer"):
        exchange.go_live()


# ---------------------------------------------------------------- the demo's folder


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x", encoding="utf-8")
    with pytest.raises(BadInputError, match="not a demo lab"):
        _since_of(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_unfinished_demo_is_made_anew(tmp_path: Path) -> None:
    root = tmp_path / "demo-lab"
    since = _since_of(root)
    assert (datetime.now(UTC) - since).days == 90
    (root / "half.txt").write_text("x", encoding="utf-8")
    assert _since_of(root) == since
    assert not (root / "half.txt").exists()


def test_a_demo_of_another_version_is_not_continued(tmp_path: Path) -> None:
    assert not _is_fresh(tmp_path, {"version": -1, "seed": 7, "finished": True})
    assert not _is_fresh(tmp_path, {"version": 1, "seed": 7, "finished": True})  # and it has no store
