"""`portfolio-lab sync --dask` as a user runs it: processes of Dask's own command line, a socket, the vault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import distributed
import pytest

sys.path.append(str(Path(__file__).parent))

from test_cycles_on_workers import PRESENT, tables

from portfolio_lab.demo import users
from portfolio_lab.models.accounts import Credentials
from portfolio_lab.replay import Exchange, running, running_exchange
from portfolio_lab.store import Store

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

OLDER = """import importlib.metadata as told
version = told.version
def older(name):
    return "0.0.1" if name == "portfolio-lab" else version(name)
older.__module__, older.__qualname__ = "importlib.metadata", "version"
told.version = older
"""
"""What a worker loads first, so that it takes itself for one of an older lab."""

SLOW = """import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "portfolio_lab.cluster":
            time.sleep(300)
sys.meta_path.insert(0, Slow())
"""
"""What a worker loads first, so that it needs minutes to load the lab, as on an overloaded machine."""

COMMAND = [sys.executable, "-c", "from portfolio_lab.cli import main; main()"]
DASK = [sys.executable, "-m", "dask"]
SENTENCE = "a long sentence that opens the vault"
ALICE, CAROL = ("alice", "binance", "main"), ("carol", "okx", "main")
KEYS: dict[tuple[str, str, str], Credentials] = {key: held for one in users() for key, held in one.credentials.items()}
SECRETS = [SENTENCE, *(text for key in (ALICE, CAROL) for text in (KEYS[key].secret, KEYS[key].passphrase) if text)]


@dataclass(frozen=True)
class Desk:
    """A folder of logs, and the environment that lab and workers share."""

    root: Path
    exchange: Exchange
    env: dict[str, str]

    def run(self, lab: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [*COMMAND, "--lab", str(lab), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, input=stdin, env=self.env, timeout=240
        )

    def lab(self, name: str) -> Path:
        """Return a lab with two accounts, a copy of the one that the command line made."""
        return Path(shutil.copytree(self.root / "made", self.root / name))

    def make_lab(self) -> None:
        lab = self.root / "made"
        assert self.run(lab, "init").returncode == 0
        for user, venue, label in (ALICE, CAROL):
            held = KEYS[user, venue, label]
            fields = {"key": held.key, "secret": held.secret, "passphrase": held.passphrase}
            given = json.dumps({part: text for part, text in fields.items() if text})
            options = ["--label", label, "--base-url", self.exchange.base_url(venue), "--offline"]
            added = self.run(lab, "accounts", "add", user, venue, *options, "--credentials", "-", stdin=given)
            assert added.returncode == 0, added.stderr

    def logged(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.root.glob("*.log"))

    @contextlib.contextmanager
    def scheduler(self) -> Iterator[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0"]
        with self._logging("scheduler", [*DASK, "scheduler", *options]):
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.1)
            yield f"tcp://127.0.0.1:{port}"

    @contextlib.contextmanager
    def worker(self, name: str, address: str, *options: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a worker and wait until the scheduler knows it."""
        fixed = ["--nthreads", "1", "--host", "127.0.0.1", "--name", name, "--no-dashboard"]
        command = [*DASK, "worker", address, *fixed, "--local-directory", str(self.root / f"{name}-space"), *options]
        with self._logging(name, command, **env) as child:
            asyncio.run(known(address, name))
            yield child

    @contextlib.contextmanager
    def _logging(self, name: str, command: list[str], **env: str) -> Iterator[subprocess.Popen[bytes]]:
        with (
            (self.root / f"{name}.log").open("wb") as log,
            running(command, stdout=log.fileno(), stderr=log, env={**self.env, **env}) as child,
        ):
            yield child


async def known(address: str, name: str) -> None:
    async with asyncio.timeout(90), distributed.Client(address, asynchronous=True, set_as_default=False) as client:
        for _ in range(400):
            told = await client.scheduler.identity(n_workers=-1)
            if name in [one["name"] for one in told["workers"].values()]:
                return
            await asyncio.sleep(0.2)


async def state_of(address: str, folder: Path) -> str:
    """Return everything that a scheduler and its workers tell about themselves."""
    async with distributed.Client(address, asynchronous=True, set_as_default=False) as client:
        await client.dump_cluster_state(str(folder / "state"), format="yaml")
        asked = [
            await client.get_scheduler_logs(),
            await client.get_worker_logs(),
            await client.get_events(),
            await client.who_has(),
            await client.run(lambda dask_worker: " ".join([*sys.argv, *map(str, dask_worker.state.tasks)])),
        ]
    return (folder / "state.yaml").read_text() + repr(asked)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    root = tmp_path_factory.mktemp("desk")
    passphrase = root / "sentence"
    passphrase.write_text(f"{SENTENCE}\n")
    passphrase.chmod(0o600)
    env = {name: text for name, text in os.environ.items() if not name.startswith("PORTFOLIO_LAB")}
    env |= {"PORTFOLIO_LAB_PASSPHRASE_FILE": str(passphrase), "PYTHONUNBUFFERED": "1"}
    with running_exchange(since=datetime.now(UTC) - timedelta(days=5)) as exchange:
        exchange.lift_limits()
        made = Desk(root, exchange, env)
        made.make_lab()
        yield made


def grades(report: dict[str, Any]) -> dict[str, str]:
    return {line["user"]: line["grade"] for line in report["users"]}


def nothing_told(*texts: str) -> None:
    for text in texts:
        assert not [secret for secret in SECRETS if secret in text]


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_the_command_stores_by_workers_what_it_stores_alone(desk: Desk) -> None:
    alone, together = desk.lab("alone"), desk.lab("together")
    with desk.scheduler() as address, desk.worker("one", address), desk.worker("two", address):
        # Its books stand still, so that what is does not depend on when it is asked.
        desk.exchange.set_clock(datetime.now(UTC))
        by_workers = desk.run(together, "sync", "--dask", address, "--json")
        embedded = desk.run(alone, "sync", "--json")
        state = asyncio.run(state_of(address, desk.root))
    report, other = told(by_workers), told(embedded)
    assert grades(report) == grades(other)
    assert "read-shard" in state
    nothing_told(state, desk.logged(), by_workers.stdout, by_workers.stderr)
    kept = [plain(lab) for lab in (together, alone)]
    assert kept[0]["balances"]
    assert kept[0] == kept[1]


def plain(lab: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the facts of what is, without the instants at which they happened to be read."""
    moments = {"slot", "at", "read_at", "asked_at", "observed_at", "age_seconds"}
    found = tables(Store.open(lab / "store"))
    return {
        name: [{key: value for key, value in row.items() if key not in moments} for row in found.get(name, [])]
        for name in PRESENT
    }


def test_a_worker_without_the_vault_or_its_passphrase_fails_its_accounts(desk: Desk) -> None:
    elsewhere = desk.root / "elsewhere"
    assert desk.run(elsewhere, "init").returncode == 0
    wrong = desk.root / "wrong"
    wrong.write_text("another sentence that opens nothing\n")
    wrong.chmod(0o600)
    for number, env in enumerate(
        [{"PORTFOLIO_LAB_DIR": str(elsewhere)}, {"PORTFOLIO_LAB_PASSPHRASE_FILE": str(wrong)}]
    ):
        with desk.scheduler() as address, desk.worker(f"poor{number}", address, **env):
            done = desk.run(desk.lab(f"whole{number}"), "sync", "--dask", address, "--json")
            state = asyncio.run(state_of(address, desk.root))
        report = told(done)
        assert set(grades(report).values()).isdisjoint({"complete"})
        assert {line["code"] for line in report["wallets"]} == {"credentials"}
        nothing_told(state, desk.logged(), done.stdout, done.stderr)


def test_nobody_no_worker_and_another_version_are_told_and_nothing_is_stored(desk: Desk) -> None:
    lab, preload = desk.lab("refused"), desk.root / "older.py"
    preload.write_text(OLDER)
    nobody = desk.run(lab, "sync", "--dask", "tcp://127.0.0.1:9")
    with desk.scheduler() as address:
        empty = desk.run(lab, "sync", "--dask", address)
        with desk.worker("older", address, "--preload", str(preload)):
            older = desk.run(lab, "sync", "--dask", address)
    assert [one.returncode for one in (nobody, empty, older)] == [2, 2, 2]
    assert "no Dask scheduler answers" in nobody.stderr
    assert "has no workers" in empty.stderr
    assert "another version of portfolio-lab (0.0.1)" in older.stderr
    assert "Traceback" not in nobody.stderr + empty.stderr + older.stderr
    nothing_told(nobody.stderr, empty.stderr, older.stderr, desk.logged())
    assert Store.open(lab / "store").commits() == []


def test_a_cold_worker_is_left_to_load_the_lab_and_costs_nobody_a_shard(desk: Desk) -> None:
    lab, preload = desk.lab("warm"), desk.root / "slow.py"
    preload.write_text(SLOW)
    with desk.scheduler() as address, desk.worker("quick", address):
        with desk.worker("slow", address, "--preload", str(preload)):
            report = told(desk.run(lab, "sync", "--dask", address, "--json"))
        log = (desk.root / "slow.log").read_text()
    assert set(grades(report).values()) == {"complete"}
    assert "timeout" not in {line["code"] for line in report["wallets"]}
    # Born once: nobody restarted it while it was loading.
    assert log.count("Start worker at") == 1
