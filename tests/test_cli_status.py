"""`portfolio-lab status`: read from the store and the runs alone, in words and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from portfolio_lab import open_lab
from portfolio_lab.cli import doors
from portfolio_lab.cli.budgets import used_of
from portfolio_lab.cli.condition import condition, group_of, last_alert, open_alerts, remedy, user_condition
from portfolio_lab.cli.status import told_lines
from portfolio_lab.exchanges.tally import Budget, Tally
from portfolio_lab.layout import lay_lab
from portfolio_lab.models.tables import TABLES
from portfolio_lab.replay import PASSPHRASE_FILE, lay_demo_lab, running_exchange
from portfolio_lab.settings import load_settings
from portfolio_lab.sync import sync_once

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab of the demo's users, synced once just now, its exchange gone."""
    root = tmp_path_factory.mktemp("status") / "lab"
    with running_exchange(since=datetime.now(UTC) - timedelta(days=5)) as exchange, pytest.MonkeyPatch.context() as env:
        exchange.go_live()
        lay_demo_lab(root, exchange)
        env.setenv("PORTFOLIO_LAB_PASSPHRASE_FILE", str(root / PASSPHRASE_FILE))
        sync_once(root)
    return root


def run(lab: Path, *arguments: str) -> Result:
    return CliRunner().invoke(doors, ["--lab", str(lab), *arguments])


# ---------------------------------------------------------------- a lab as it is


def test_a_fresh_and_complete_lab_is_well_without_key_or_venue(synced: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTFOLIO_LAB_PASSPHRASE_FILE", raising=False)
    before = {path: path.read_bytes() for path in synced.rglob("*") if path.is_file()}
    result = run(synced, "status")
    assert result.exit_code == 0, result.output
    assert [line for line in result.output.splitlines() if line.startswith("ok   ")]
    assert re.search(r"history, binance:main cash flows: (done|\d\d? %), back to \d{4}", result.output), result.output
    assert "budget, binance http://127.0.0.1" in result.output
    assert {path: path.read_bytes() for path in synced.rglob("*") if path.is_file()} == before


def test_machines_are_told_the_same(synced: Path) -> None:
    result = run(synced, "status", "--json")
    told = json.loads(result.output)
    assert (result.exit_code, told["is_well"]) == (0, True)
    assert [one["user"] for one in told["users"]] == ["alice", "desk", "carol"]
    for one in told["users"]:
        assert (one["grade"], one["is_fresh"], one["wallets"]) == ("complete", True, [])
        assert datetime.fromisoformat(one["slot"]).tzinfo is not None
        assert {row["group"] for row in one["backfill"]} >= {"cash flows", "ledgers"}
        assert all(0 <= row["share"] <= 1 for row in one["backfill"])
    assert {row["name"] for venue in told["budgets"] for row in venue["budgets"]} >= {"api"}


def test_an_old_snapshot_is_not_well(synced: Path) -> None:
    lab, settings = open_lab(synced), load_settings(synced)
    told = condition(lab, settings, now=datetime.now(UTC) + timedelta(minutes=10))
    assert not told["is_well"]
    assert any("is the schedule running?" in line for line in told_lines(told | {"budgets": []}))


def test_a_lab_that_was_never_synced_is_not_well(tmp_path: Path) -> None:
    lay_lab(tmp_path)
    with (tmp_path / "lab.toml").open("a", encoding="utf-8") as text:
        text.write('\n[[accounts]]\nuser = "alice"\nvenue = "binance"\nlabel = "main"\n')
    result = run(tmp_path, "status")
    assert (result.exit_code, "no snapshot yet" in result.output) == (1, True)


def test_a_lab_without_accounts_says_so(tmp_path: Path) -> None:
    lay_lab(tmp_path)
    result = run(tmp_path, "status")
    assert (result.exit_code, "no users yet" in result.output) == (0, True)


# ---------------------------------------------------------------- what is not well


class StatedLab:
    """A lab whose tables hold what a test states."""

    currency = "USD"

    def __init__(self, settings: Any, wallets: list[dict[str, Any]], **tables: list[dict[str, Any]]) -> None:
        self.settings = settings
        self._wallets = wallets
        self._tables = tables

    def wallets(self, _user: str) -> pd.DataFrame:
        columns = ["account", "wallet", "grade", "code", "reason", "received_at"]
        return pd.DataFrame(self._wallets, columns=columns)

    def facts(self, table: str, _user: str, since: datetime | None = None) -> pd.DataFrame:
        assert since is None or since < NOW
        return pd.DataFrame(self._tables.get(table, []), columns=TABLES[table].schema.names)


WALLET = {"account": "binance:main", "wallet": "spot", "grade": "ok", "code": "", "reason": "", "received_at": NOW}


def told(tmp_path: Path, *wallets: dict[str, Any], grade: str = "partial", **tables: list[dict[str, Any]]) -> Any:
    lay_lab(tmp_path)
    lab: Any = StatedLab(load_settings(tmp_path), list(wallets), **tables)
    slot = pd.Timestamp(NOW - timedelta(seconds=30))
    state = pd.Series({"accounts": 1, "grade": grade, "slot": slot, "complete_slot": slot, "equity": 1234.5})
    return user_condition(lab, "alice", state, now=NOW)


def lines(one: dict[str, Any]) -> str:
    return "\n".join(told_lines({"users": [one], "budgets": [], "open_alerts": [], "last_alert": None}))


def test_a_wallet_that_is_not_ok_is_told_with_its_remedy(tmp_path: Path) -> None:
    failed = WALLET | {"wallet": "usd_m", "grade": "failed", "code": "clock", "reason": "time stamp refused"}
    absent = WALLET | {"wallet": "options", "grade": "absent"}
    one = told(tmp_path, WALLET, failed, absent)
    assert [(row["wallet"], row["remedy"]) for row in one["wallets"]] == [("usd_m", "set this machine's clock")]
    assert "usd_m failed [clock]: time stamp refused -> set this machine's clock" in lines(one)
    assert not one["is_well"]


@pytest.mark.parametrize(
    ("code", "grade", "said"),
    [("credentials", "failed", "accounts check"), ("", "suspect", "three sightings"), ("new", "failed", "next cycle")],
)
def test_every_trouble_has_a_remedy(code: str, grade: str, said: str) -> None:
    assert said in remedy(code, grade)


def test_only_the_newest_attestation_counts(tmp_path: Path) -> None:
    def row(minutes: int, verdict: str, share: float) -> dict[str, Any]:
        slot = pd.Timestamp(NOW - timedelta(minutes=minutes))
        words = {"account": "binance:main", "scope": "spot", "verdict": verdict, "reason": "ours is less"}
        return {"slot": slot, "share": share, "ours": 1.0, "theirs": 2.0, "difference": -1.0, **words}

    healed = told(tmp_path / "a", WALLET, grade="complete", attestations=[row(9, "differs", 0.1), row(1, "agrees", 0)])
    broken = told(tmp_path / "b", WALLET, grade="complete", attestations=[row(9, "agrees", 0), row(1, "differs", 0.1)])
    assert healed["attestation"] == []
    assert "attestation, binance:main spot: differs (10.00% of the account): ours is less" in lines(broken)


def test_pending_suspicions_and_restatements_of_the_last_day_are_told(tmp_path: Path) -> None:
    at = pd.Timestamp(NOW - timedelta(days=3))
    doubt = {"account": "binance:main", "wallet": "spot", "asset": "BTC", "kind": "vanished", "before": 2.0}
    doubt |= {"seen": 0.0, "sightings": 2, "first_slot": at, "state": "pending"}
    late = {"account": "okx:main", "table": "fills", "row_id": "1", "at": at, "reason": "late"}
    restated = [
        late | {"known_at": pd.Timestamp(NOW - timedelta(hours=1))},
        late | {"row_id": "2", "known_at": pd.Timestamp(NOW - timedelta(hours=2))},
        late | {"row_id": "3", "known_at": pd.Timestamp(NOW - timedelta(days=2))},
    ]
    one = told(
        tmp_path, WALLET, grade="complete", suspicions=[doubt, doubt | {"state": "confirmed"}], restatements=restated
    )
    assert "suspicion, binance:main spot: BTC vanished, 2 -> 0, seen 2 times" in lines(one)
    assert "okx:main: 2 rows of fills late, the oldest of 2026-08-29 12:00 UTC" in lines(one)
    assert lines(one).count("suspicion") == 1


def test_history_is_told_by_group_and_never_rounded_up(tmp_path: Path) -> None:
    def row(stream: str, progress: float, days: int) -> dict[str, Any]:
        since = pd.Timestamp(NOW - timedelta(days=days))
        done = {"is_backfilled": progress == 1, "progress": progress, "known_since": since}
        return {"account": "binance:main", "stream": stream, "at": pd.Timestamp(NOW), **done}

    cursors = [row("usd_m_fills", 0.999, 9), row("spot_fills", 1.0, 30), row("deposits", 1.0, 90)]
    text = lines(told(tmp_path, WALLET, grade="complete", cursors=cursors))
    assert "history, binance:main cash flows: done, back to 2026-06-03" in text
    assert "history, binance:main fills: 99 %, back to 2026-08-02" in text


@pytest.mark.parametrize(
    ("stream", "group"),
    [("pm_usd_m_income", "ledgers"), ("family_transfers", "transfers"), ("fills", "fills"), ("fiat", "cash flows")],
)
def test_streams_have_groups(stream: str, group: str) -> None:
    assert group_of(stream) == group


# ---------------------------------------------------------------- alerts and budgets


def test_open_alerts_and_the_last_one_are_read_from_the_runs(tmp_path: Path) -> None:
    entry = {"parts": ["spot"], "since": "2026-09-01T00:00:00+00:00"}
    page = {"open": {"alice/binance:main/clock": entry}, "outbox": []}
    (tmp_path / "alerts.json").write_text(json.dumps(page), encoding="utf-8")
    log = '2026-09-01 00:00:01,000 WARNING portfolio_lab.sync.alerts alert "alice binance:main: clock (spot): late"\n'
    (tmp_path / "sync.log").write_text(log + "2026-09-01 INFO portfolio_lab.sync else\n", encoding="utf-8")
    assert open_alerts(tmp_path) == [{"user": "alice", "account": "binance:main", "code": "clock", **entry}]
    assert last_alert(tmp_path) == '2026-09-01 00:00:01,000 "alice binance:main: clock (spot): late"'


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"open": []}', b'{"open": {"a/b/c": 3}}'])
def test_a_damaged_alerts_file_is_no_alert(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alerts.json").write_bytes(content)
    assert open_alerts(tmp_path) == []
    assert last_alert(tmp_path) is None


def test_a_budget_counts_this_window_and_the_last() -> None:
    minute = Budget("api", 6_000)
    tally = Tally(window=10, spent=120, before=300)
    assert [used_of(minute, tally, 60.0 * window + 1) for window in (10, 11, 12)] == [300, 120, 0]
    sliding = replace(Budget("path", 5, 2.0), is_sliding=True)
    assert used_of(sliding, Tally(taken=[(10.0, 1), (11.5, 2)]), 12.5) == 2
