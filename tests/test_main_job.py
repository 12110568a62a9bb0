"""From `init` to `sync`, as a user types it: real processes, real sockets, real ccxt."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portfolio_lab.demo import users
from portfolio_lab.replay import Exchange, running_exchange

COMMAND = [sys.executable, "-c", "from portfolio_lab.cli import main; main()"]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    since = datetime.now(UTC) - timedelta(days=10)
    with running_exchange(since=since) as running:
        running.go_live()
        yield running


def type_in(lab: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "--lab", str(lab), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )


def enrol(lab: Path, exchange: Exchange) -> set[str]:
    secrets = set()
    for user in users():
        for account in user.accounts:
            held = user.credentials[account.key]
            fields = {"key": held.key, "secret": held.secret, "passphrase": held.passphrase}
            secrets |= {value for value in fields.values() if value}
            options = ["--label", account.label, "--base-url", exchange.base_url(account.venue)]
            options += ["--wallets", ",".join(account.wallets), "--credentials", "-"]
            added = type_in(lab, "accounts", "add", account.user, account.venue, *options, stdin=json.dumps(fields))
            assert added.returncode == 0, added.stderr
    return secrets


def test_a_lab_is_made_filled_and_synced(tmp_path: Path, passphrase_file: Path, exchange: Exchange) -> None:
    lab = tmp_path / "lab"
    assert type_in(lab, "init").returncode == 0
    secrets = enrol(lab, exchange)

    first = type_in(lab, "sync", "--json")
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    assert {line["user"]: line["grade"] for line in report["users"]} == dict.fromkeys(
        ("alice", "desk", "carol"), "complete"
    )
    assert all(line["equity"] > 0 for line in report["users"])
    assert report["is_new"]

    again = type_in(lab, "sync")
    assert again.returncode == 0
    assert "alice: complete, equity" in again.stdout

    written = [first.stdout, first.stderr, again.stderr]
    written += [path.read_bytes().decode("latin-1") for path in lab.rglob("*") if path.is_file()]
    assert [secret for secret in secrets for text in written if secret in text] == []


@pytest.mark.parametrize(
    "arguments",
    [("sync",), ("schedule", "--cycles", "1"), ("dashboard",), ("tearsheet", "alice", "-o", "x.html")],
    ids=" ".join,
)
def test_a_lab_without_a_store_is_told(tmp_path: Path, passphrase_file: Path, arguments: tuple[str, ...]) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "lab.toml").write_text("", encoding="utf-8")
    result = type_in(lab, *arguments)
    assert result.returncode == 2
    assert "there is no store" in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in lab.iterdir()] == ["lab.toml"]


def test_an_unreadable_notebook_is_told(tmp_path: Path, passphrase_file: Path) -> None:
    lab = tmp_path / "lab"
    type_in(lab, "init")
    (lab / "scheduled" / "sync.ipynb").write_text("{", encoding="utf-8")
    result = type_in(lab, "schedule", "--cycles", "1")
    assert result.returncode == 2
    assert "sync.ipynb" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_busy_port_is_told(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    type_in(lab, "init")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        result = type_in(lab, "dashboard", "--port", str(holder.getsockname()[1]))
    assert result.returncode == 2
    assert "port" in result.stderr
    assert result.stderr.count("\n") == 1


def test_sync_without_a_vault_is_told(tmp_path: Path, passphrase_file: Path) -> None:
    lab = tmp_path / "lab"
    type_in(lab, "init")
    result = type_in(lab, "sync")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert list((lab / "runs").iterdir()) == []
