"""`portfolio-lab store`: one sentence a damage, and exit codes that a cron job can go by."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner, Result

from portfolio_lab.cli import doors
from portfolio_lab.store import Store

DAY = datetime(2026, 8, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def rows() -> ModuleType:
    path = Path(__file__).parent / "store" / "writer.py"
    spec = importlib.util.spec_from_file_location("cli_store_writer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(lab: Path, *arguments: str) -> Result:
    return CliRunner().invoke(doors, ["--lab", str(lab), "store", *arguments])


@pytest.fixture
def lab(tmp_path: Path, rows: ModuleType) -> Path:
    """A lab whose store holds five cycles of one past day, not folded yet."""
    root = tmp_path / "lab"
    assert CliRunner().invoke(doors, ["--lab", str(root), "init"]).exit_code == 0
    store = Store.open(root / "store")
    for number in range(5):
        slot = DAY + number * 10 * MINUTE
        store.commit(rows.cycle(slot, "anna"), slot=slot, writer="w", sync_id="one")
    return root


def damaged(lab: Path) -> Path:
    path = min((lab / "store").rglob("balances/**/*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    return path


def test_a_whole_store_is_told_so(lab: Path) -> None:
    result = run(lab, "verify", "--deep")
    assert result.exit_code == 0, result.output
    assert "whole: 15 files, 25 rows" in result.stdout
    assert "head none yet" in result.stdout


def test_fold_tells_its_steps_and_gives_a_head(lab: Path) -> None:
    result = run(lab, "fold")
    assert result.exit_code == 0, result.output
    assert "2026-08-03 #1: 15 files became " in result.stdout
    assert result.stdout.splitlines()[-1].startswith("1 fold(s) in ")
    head = json.loads(run(lab, "verify", "--json").stdout)["head"]
    assert len(head) == 64
    assert run(lab, "verify", "--head", head).exit_code == 0
    other = run(lab, "verify", "--head", "f" * 64)
    assert (other.exit_code, "no manifest has the hash" in other.stdout) == (4, True)


def test_no_time_is_no_fold(lab: Path) -> None:
    assert run(lab, "fold", "--budget-seconds", "0").stdout.startswith("0 fold(s)")


def test_damage_ends_with_4_and_is_set_aside_on_request(lab: Path) -> None:
    path = damaged(lab)
    told = run(lab, "verify")
    assert told.exit_code == 4
    assert f"{path.relative_to(lab / 'store')} is cut" in told.stdout
    assert told.stderr.splitlines()[-1].startswith("Error: 1 damage(s) in the store: add --repair")
    mended = run(lab, "verify", "--repair")
    assert mended.exit_code == 0, mended.output
    assert "quarantined: hot/balances/" in mended.stderr
    assert "3 row(s) of balances from 2026-08-03T00:00:00+00:00" in mended.stderr
    assert "unknown from now on, not zero" in mended.stderr
    assert "note: 1 file(s) stand in quarantine/" in mended.stdout
    assert run(lab, "verify").exit_code == 0


def test_a_backup_mends_and_restores(lab: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    result = run(lab, "backup", str(copy))
    assert result.exit_code == 0, result.output
    assert "copied 15 files" in result.stdout
    assert "the copy is whole: 15 files, 25 rows" in result.stdout
    assert "copied 0 files" in run(lab, "backup", str(copy)).stdout
    damaged(lab)
    mended = run(lab, "verify", "--repair", "--from", str(copy))
    assert (mended.exit_code, "restored: hot/balances/" in mended.stderr) == (0, True)
    place = tmp_path / "new"
    assert run(lab, "restore", str(copy), "--to", str(place)).exit_code == 0
    assert Store.open(place).read("balances") == Store.open(lab / "store").read("balances")


def test_nothing_is_restored_over_something(lab: Path, tmp_path: Path) -> None:
    run(lab, "backup", str(tmp_path / "copy"))
    refused = run(lab, "restore", str(tmp_path / "copy"))
    assert refused.exit_code == 2
    assert "is not empty; restore into a new folder" in refused.stderr
    (lab / "store").rename(lab / "old-store")
    assert run(lab, "restore", str(tmp_path / "copy")).exit_code == 0
    assert run(lab, "verify").exit_code == 0


@pytest.mark.parametrize("command", [("verify", "--repair", "--from"), ("restore",)])
def test_a_backup_that_is_none_is_told(lab: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    damaged(lab)
    if command[0] == "restore":
        (lab / "store").rename(lab / "old")
    result = run(lab, *command, str(tmp_path / "nowhere"))
    assert result.exit_code == 2
    assert "there is no store at" in result.stderr


def test_thin_shows_first_and_does_it_on_request(lab: Path) -> None:
    run(lab, "fold")
    shown = run(lab, "thin", "--raw-days", "30")
    assert shown.exit_code == 0, shown.output
    assert "1 day(s), 2026-08-03 to 2026-08-03; " in shown.stdout
    assert "Nothing was changed" in shown.stdout
    assert "only a backup brings the rows back" in shown.stdout
    before = Store.open(lab / "store").read("balances").num_rows
    done = run(lab, "thin", "--raw-days", "30", "--apply")
    assert done.stdout.splitlines()[-2:] == [shown.stdout.splitlines()[-2], "Done."]
    after = Store.open(lab / "store").read("balances").num_rows
    assert (before, after) == (15, 6)  # by the hour: 00:00 opens it, 00:40 closes it
    assert run(lab, "verify", "--deep").exit_code == 0
    assert run(lab, "thin", "--raw-days", "1").exit_code == 2


def test_stats_tell_every_table_and_room(lab: Path) -> None:
    figures = json.loads(run(lab, "stats", "--json").stdout)
    assert (figures["rows"], figures["files"], figures["commits"], figures["folds"]) == (25, 15, 5, 0)
    assert figures["oldest_unfolded_hour"] == "2026-08-03T00:00:00+00:00"
    assert figures["last_manifest_at"] is None
    run(lab, "fold")
    figures = json.loads(run(lab, "stats", "--json").stdout)
    balances = [table for table in figures["tables"] if table["table"] == "balances"]
    [sealed] = balances
    assert (sealed["kind"], sealed["files"], sealed["rows"]) == ("sealed", 1, 15)
    assert (sealed["since"][:16], sealed["until"][:16]) == ("2026-08-03T00:00", "2026-08-03T00:40")
    assert sealed["size"] == min((lab / "store" / "sealed" / "balances").rglob("f-*.parquet")).stat().st_size
    assert (figures["folds"], figures["oldest_unfolded_hour"], figures["manifests"]) == (1, None, 1)
    text = run(lab, "stats").stdout
    assert "all folded" in text
    assert "balances" in text
    assert "5 commits, 1 folds" in text
