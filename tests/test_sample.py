from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from portfolio_lab import demo_lab, sample


def test_the_sample_holds_three_users_and_their_history() -> None:
    lab = demo_lab()
    users = lab.users()
    assert sorted(users.index) == ["alice", "carol", "desk"]
    assert set(users["grade"]) == {"complete"}
    for user in users.index:
        equity = lab.equity(user)
        assert equity.index.is_monotonic_increasing
        assert (equity.index[-1] - equity.index[0]).days >= 39
        assert (equity > 0).all()


def test_its_users_have_won_and_lost_trades_on_both_venues() -> None:
    lab = demo_lab()
    closed = {user: lab.trades(user).closed for user in ("alice", "desk", "carol")}
    for trips in closed.values():
        assert len(trips) >= 30
        assert trips["pnl"].notna().all()
        assert (trips["pnl"] > 0).sum() >= 10
        assert (trips["pnl"] < 0).sum() >= 10
        assert set(trips["side"]) == {"long", "short"}
    assert {kind for trips in closed.values() for kind in trips["kind"]} == {"spot", "linear"}
    assert {venue for trips in closed.values() for venue in trips["venue"]} == {"binance", "okx"}
    told = lab.trade_statistics("desk").loc["trips"]
    assert 0.2 < told["win_rate"] < 0.8
    assert 0.3 < told["profit_factor"] < 3.0


def test_the_sample_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    demo_lab()
    monkeypatch.setattr(sample, "_make", lambda root: pytest.fail(f"made {root} again"))
    assert demo_lab().users().equals(demo_lab().users())


async def test_it_works_where_a_loop_is_running_already() -> None:
    assert asyncio.get_running_loop().is_running()
    assert len(demo_lab().users()) == 3


@pytest.mark.long
def test_two_samples_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = demo_lab()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    second = demo_lab()
    for user in ("alice", "desk", "carol"):
        assert first.equity(user).equals(second.equity(user))
        assert (
            first.balances(user)
            .drop(columns="known_at", errors="ignore")
            .equals(second.balances(user).drop(columns="known_at", errors="ignore"))
        )


def test_a_change_of_its_makers_makes_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sample._fingerprint()
    (tmp_path / "replay.py").write_text("changed = True\n", encoding="utf-8")
    monkeypatch.setattr(sample, "__file__", str(tmp_path / "sample.py"))
    assert sample._fingerprint() != before
