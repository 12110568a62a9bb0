"""The schedule: papermill in process, notebooks kept and pruned, and no secret in any of it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from demo_lab_files import demo_accounts, everything_under, secrets_of, write_lab

from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import serve_in_thread
from portfolio_lab.errors import BadInputError, ConfigError, LockHeldError
from portfolio_lab.security import PASSPHRASE_VARIABLE, Vault, register_secret
from portfolio_lab.settings import Settings, load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import load_heartbeat, run_schedule, schedule, sync_once
from portfolio_lab.sync.schedule import Run, check_notebook, check_parameters, prune
from portfolio_lab.sync.syncer import Syncer

SCHEDULED = Path(__file__).parents[2] / "scheduled"
PASSPHRASE = "canary passphrase 9d2e"
SLOT = datetime(2026, 8, 3, 12, 0, tzinfo=UTC)


@pytest.fixture
def notebook_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A lab as `init` and `accounts add` leave it, on a live demo exchange."""
    with serve_in_thread(scripted=False) as demo:
        accounts = [account for account in demo_accounts(demo.url) if account.user == "alice"]
        lab = write_lab(tmp_path / "lab", accounts)
        passphrase = tmp_path / "passphrase"
        passphrase.write_text(PASSPHRASE + "\n")
        passphrase.chmod(0o600)
        monkeypatch.setenv(PASSPHRASE_VARIABLE, str(passphrase))
        vault = Vault.create(lab / "vault.json", PASSPHRASE)
        for account in accounts:
            vault.put(account, credentials_of(account))
        shutil.copytree(SCHEDULED, lab / "scheduled")
        yield lab


def test_papermill_runs_the_notebook_and_no_secret_is_left_anywhere(notebook_lab: Path) -> None:
    said: list[str] = []
    runs = run_schedule(notebook_lab, every=1, cycles=2, allow_any_interval=True, say=said.append)
    assert [run.worked for run in runs] == [True, True], said
    assert len([line for line in said if " ok " in line]) == 2
    assert runs[0].slot < runs[1].slot
    for run in runs:
        assert run.output == notebook_lab / "runs" / f"{run.slot:%Y-%m-%d}" / f"{run.slot:%H%M%S}.ipynb"
        assert run.output.stat().st_mode & 0o777 == 0o600
        assert "1 of 1 users complete" in run.output.read_text()
    stored = Store.open(notebook_lab / "store").read("portfolio_snapshots").to_pylist()
    assert [(row["slot"], row["grade"]) for row in stored] == [(run.slot, "complete") for run in runs]
    beat = load_heartbeat(notebook_lab / "runs")
    assert beat is not None
    assert (beat["slot"], beat["outcome"]) == (runs[1].slot.isoformat(), "ok")
    found = everything_under(notebook_lab)
    for account in demo_accounts(""):
        for value in (*secrets_of(credentials_of(account)), PASSPHRASE):
            assert value.encode() not in found


def test_a_failed_run_keeps_its_notebook_and_is_one_alert_line(notebook_lab: Path) -> None:
    (notebook_lab / "vault.json").chmod(0o644)
    said: list[str] = []
    runs = run_schedule(notebook_lab, every=1, cycles=2, allow_any_interval=True, say=said.append)
    assert [run.worked for run in runs] == [False, False]
    assert "chmod 600" in runs[0].reason
    assert all("FAILED" in line for line in said if "missed" not in line)
    assert all(run.output.is_file() and run.output.stat().st_mode & 0o777 == 0o600 for run in runs)
    log = (notebook_lab / "runs" / "sync.log").read_text()
    assert log.count("alert ") == 1
    assert log.count("run_failed slot=") == 2
    beat = load_heartbeat(notebook_lab / "runs")
    assert beat is not None
    assert beat["outcome"] == "failed"


class TestLoop:
    """The loop alone: runs are instant and the clock is ours."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        write_lab(tmp_path / "lab", [])
        shutil.copytree(SCHEDULED, tmp_path / "lab" / "scheduled")
        (tmp_path / "lab" / "runs").mkdir()
        return load_settings(tmp_path / "lab")

    def slots(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, takes: list[float], *, start: datetime = SLOT
    ) -> list[str]:
        now = start
        left = iter(takes)

        def sleep(seconds: float) -> None:
            nonlocal now
            now += timedelta(seconds=seconds)

        def run_notebook(_notebook: Path, settings: Settings, *, slot: datetime) -> Run:
            nonlocal now
            seconds = next(left)
            now += timedelta(seconds=seconds)
            return Run(slot, worked=True, reason="", output=settings.runs_path / "x.ipynb", seconds=seconds)

        monkeypatch.setattr(schedule.time, "sleep", sleep)
        monkeypatch.setattr(schedule, "run_notebook", run_notebook)
        runs = run_schedule(settings.root, every=60, cycles=len(takes), clock=lambda: now, say=lambda _: None)
        return [f"{run.slot:%H:%M:%S}" for run in runs]

    def test_slots_do_not_drift(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.slots(settings, monkeypatch, [7, 20, 3]) == ["12:00:00", "12:01:00", "12:02:00"]

    def test_a_late_start_takes_the_slot_at_hand(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        late = SLOT + timedelta(seconds=59)
        assert self.slots(settings, monkeypatch, [2, 2], start=late) == ["12:00:00", "12:01:00"]

    def test_a_run_that_is_too_long_skips_slots_and_never_overlaps(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.slots(settings, monkeypatch, [150, 1]) == ["12:00:00", "12:02:00"]

    def test_a_full_disk_costs_runs_and_not_the_schedule(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> Run:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(schedule, "run_notebook", refuse)
        monkeypatch.setattr(schedule, "write_heartbeat", refuse)
        said: list[str] = []
        runs = run_schedule(settings.root, every=1, cycles=2, allow_any_interval=True, say=said.append)
        assert [run.worked for run in runs] == [False, False]
        assert "No space left on device" in said[0]

    @pytest.mark.parametrize("every", [0, 59, 301])
    def test_other_intervals_need_the_flag(self, settings: Settings, every: int) -> None:
        with pytest.raises(ConfigError, match="interval"):
            run_schedule(settings.root, every=every, cycles=1)

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"cells": 3}', "\x00"])
    def test_an_unreadable_notebook_says_what_to_do(self, settings: Settings, content: str) -> None:
        path = settings.root / "scheduled" / "sync.ipynb"
        path.write_text(content)
        with pytest.raises(BadInputError, match="portfolio-lab init"):
            run_schedule(settings.root, every=60, cycles=1)
        assert not list(settings.runs_path.iterdir())

    def test_a_missing_notebook_says_what_to_do(self, settings: Settings) -> None:
        (settings.root / "scheduled" / "sync.ipynb").unlink()
        with pytest.raises(BadInputError, match="portfolio-lab init"):
            run_schedule(settings.root, every=60, cycles=1)

    def test_a_notebook_without_parameters_is_refused(self, settings: Settings) -> None:
        path = settings.root / "scheduled" / "sync.ipynb"
        content = json.loads(path.read_text())
        for cell in content["cells"]:
            cell["metadata"] = {}
        path.write_text(json.dumps(content))
        with pytest.raises(BadInputError, match="parameters"):
            check_notebook(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_key", "x"),
        ("passphrase", "x"),
        ("lab", "planted-parameter-canary"),
        ("note", "signature=deadbeef"),
        ("x=1\nopen('pwned','w')", "x"),
    ],
)
def test_parameters_that_look_like_secrets_are_refused(name: str, value: str) -> None:
    register_secret("planted-parameter-canary")
    with pytest.raises(BadInputError) as refused:
        check_parameters({name: value})
    assert "planted-parameter-canary" not in str(refused.value)


def test_old_days_are_pruned_and_nothing_else(tmp_path: Path) -> None:
    for name in ("2026-07-01", "2026-07-19", "2026-07-20", "2026-08-03", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "2026-07-02").write_text("a file, not a folder")
    removed = prune(tmp_path, today=date(2026, 8, 3), keep_days=14)
    assert [path.name for path in removed] == ["2026-07-01", "2026-07-19"]
    assert {path.name for path in tmp_path.iterdir()} == {"2026-07-20", "2026-08-03", "notes", "2026-07-02"}


def test_the_scheduled_notebooks_have_parameters_and_no_outputs() -> None:
    for path in SCHEDULED.glob("*.ipynb"):
        check_notebook(path)
        cells = json.loads(path.read_text())["cells"]
        assert not any(cell.get("outputs") for cell in cells)


def test_sigterm_ends_the_schedule_cleanly(tmp_path: Path) -> None:
    """A process that waits for its next slot ends at once, with exit code 0."""
    write_lab(tmp_path / "lab", [])
    shutil.copytree(SCHEDULED, tmp_path / "lab" / "scheduled")
    code = (
        "import sys\n"
        "from datetime import UTC, datetime, timedelta\n"
        "from pathlib import Path\n"
        "from portfolio_lab.sync import schedule\n"
        "def run(notebook, settings, *, slot):\n"
        "    return schedule.Run(slot, True, '', settings.runs_path / 'x.ipynb', 0.0)\n"
        "schedule.run_notebook = run\n"
        "schedule.run_schedule(Path(sys.argv[1]), every=3600, allow_any_interval=True)\n"
        "print('ended')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lab")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert " ok " in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (0, "ended")


async def test_two_syncers_of_one_lab_do_not_overlap(tmp_path: Path) -> None:
    lab = write_lab(tmp_path / "lab", [])
    async with Syncer(lab, credentials={}):
        with pytest.raises(LockHeldError, match=r"pid \d+"):
            async with Syncer(lab, credentials={}):
                pass
    async with Syncer(lab, credentials={}) as free:
        assert (await free.cycle(SLOT)).users == ()


async def test_sync_once_works_where_a_loop_runs_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = write_lab(tmp_path / "lab", [])
    monkeypatch.setattr("portfolio_lab.sync.syncer.credentials_from_vault", lambda _: {})
    assert sync_once(lab, slot=SLOT).is_new
    assert not sync_once(lab, slot=SLOT).is_new
    assert threading.active_count() < 10
