"""`portfolio-lab demo`: the whole main job on invented accounts, in one go."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from portfolio_lab.errors import BadInputError, PortfolioLabError
from portfolio_lab.replay import (
    PASSPHRASE_FILE,
    SEED,
    Exchange,
    demo_accounts,
    lay_demo_lab,
    replay,
    replay_slots,
    running,
    running_exchange,
    without_passphrase,
)

VERSION = 2
"""Of the demo exchange's books: a lab that another version filled is made anew."""
HISTORY = timedelta(days=90)
FINE_HISTORY = timedelta(days=7)
STEP = timedelta(hours=6)
FINE_STEP = timedelta(hours=1)
OLDEST_REUSE = timedelta(days=3)
CADENCE_SECONDS = 60
LIVE_RUNS = 3
RUN_SECONDS = 180.0
TEARSHEET_USER = "desk"
MARKER = "demo.json"


def run_demo(root: Path, *, serve: bool, port: int) -> None:
    """Make or continue the demo lab in `root`, sync it live, write a tearsheet, serve the dashboard.

    Everything that it starts has ended when it returns, also after Ctrl-C.

    Raises:
        BadInputError: `root` holds something that is not a demo lab.
        PortfolioLabError: a part of it did not start.
    """
    with _ended_by_signals(), contextlib.suppress(KeyboardInterrupt):
        since = _since_of(root)
        with running_exchange(since=since, log=_log(root, "exchange")) as exchange:
            _say(f"demo exchange: Binance and OKX listen on {exchange.binance}")
            _fill(root, exchange, since)
            exchange.go_live()
            os.environ["PORTFOLIO_LAB_PASSPHRASE_FILE"] = str(root / PASSPHRASE_FILE)
            _watch_live(root, serve=serve, port=port)
    _say("demo: everything that it started has ended")


def _say(line: str) -> None:
    click.echo(line)


# ---------------------------------------------------------------- the lab: new or continued


def _since_of(root: Path) -> datetime:
    """Return the day on which the exchange's books open; clear away a demo lab that is too old."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    mark = _read_marker(root)
    if mark is not None and _is_fresh(root, mark):
        _say(f"demo lab: continuing {root} (delete the folder to start anew)")
        return datetime.fromisoformat(mark["since"])
    if mark is not None:
        _say(f"demo lab: {root} is unfinished, old or of another version, so it is made anew")
        shutil.rmtree(root)
    elif root.exists() and any(root.iterdir()):
        msg = f"{root} holds something that is not a demo lab: choose another --folder"
        raise BadInputError(msg)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_marker(root, today - HISTORY, finished=False)
    return today - HISTORY


def _read_marker(root: Path) -> dict[str, Any] | None:
    try:
        mark = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return mark if isinstance(mark, dict) else None


def _write_marker(root: Path, since: datetime, *, finished: bool) -> None:
    mark = {"version": VERSION, "seed": SEED, "since": since.isoformat(), "finished": finished}
    (root / MARKER).write_text(json.dumps(mark) + "\n", encoding="utf-8")


def _is_fresh(root: Path, mark: dict[str, Any]) -> bool:
    if not mark.get("finished") or (mark.get("version"), mark.get("seed")) != (VERSION, SEED):
        return False
    newest = _newest_slot(root)
    return newest is not None and datetime.now(UTC) - newest < OLDEST_REUSE


def _newest_slot(root: Path) -> datetime | None:
    from portfolio_lab.store import Store  # noqa: PLC0415 - loads Arrow

    try:
        commits = Store.open(root / "store").commits()
    except PortfolioLabError:
        return None
    return max((commit.slot for commit in commits), default=None)


def _fill(root: Path, exchange: Exchange, since: datetime) -> None:
    if not (root / "lab.toml").exists():
        lay_demo_lab(root, exchange)
        _say(f"demo lab: made {root} with {len(demo_accounts(exchange))} accounts of invented users")
    else:
        from portfolio_lab.enrolment import write_accounts  # noqa: PLC0415

        write_accounts(root, demo_accounts(exchange))
    # The last minutes are left to the live runs, whose first slot is the present minute.
    now = datetime.now(UTC) - timedelta(minutes=2)
    after = _newest_slot(root) or since
    slots = replay_slots(after=after, until=now, step=STEP, fine=FINE_HISTORY, fine_step=FINE_STEP)
    _replay(root, exchange, slots)
    _write_marker(root, since, finished=True)


def _replay(root: Path, exchange: Exchange, slots: list[datetime]) -> None:
    if not slots:
        return
    began = time.monotonic()
    days = max(1, round((slots[-1] - slots[0]) / timedelta(days=1)))
    with click.progressbar(length=len(slots), label=f"replaying {days} days through sync") as bar:
        asyncio.run(replay(root, exchange, slots, after_slot=lambda: bar.update(1)))
    _say(f"replayed {len(slots)} snapshots of each user in {time.monotonic() - began:.0f} s")


# ---------------------------------------------------------------- live


def _watch_live(root: Path, *, serve: bool, port: int) -> None:
    cycles = [] if serve else ["--cycles", str(LIVE_RUNS)]
    command = [*_command(root), "schedule", "--every", str(CADENCE_SECONDS), *cycles]
    until = "until you stop it" if serve else f"{LIVE_RUNS} times, at once and then on each full minute"
    _say(f"sync: papermill runs scheduled/sync.ipynb every {CADENCE_SECONDS} s, {until}")
    with (
        _log(root, "schedule").open("ab") as log,
        running(command, stdout=subprocess.PIPE, stderr=log) as schedule,
    ):
        runs = _Runs(schedule)
        for number in range(1 if serve else LIVE_RUNS):
            _say(f"sync: run {number + 1}: {runs.next(log=_log(root, 'schedule'))}")
        _write_tearsheet(root)
        _show_dashboard(root, port=_free_port(port), serve=serve)


class _Runs:
    """The lines that a schedule prints, one a run; read on, so that it never waits for its reader."""

    def __init__(self, schedule: subprocess.Popen[bytes]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._follow, args=(schedule,), daemon=True).start()

    def _follow(self, schedule: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ValueError):  # the pipe is closed when the schedule is ended
            for line in schedule.stdout or ():
                self._lines.put(line.decode("utf-8", "replace").strip())
        self._lines.put("")

    def next(self, *, log: Path) -> str:
        """Return the next run's line; PortfolioLabError when it failed or none comes."""
        try:
            line = self._lines.get(timeout=RUN_SECONDS)
        except queue.Empty:
            line = ""
        if not line or "FAILED" in line:
            msg = f"the scheduled notebook did not run ({line or 'no word from it'}): look into {log}"
            raise PortfolioLabError(msg)
        return line


def _write_tearsheet(root: Path) -> None:
    output = root / f"tearsheet-{TEARSHEET_USER}.html"
    command = [*_command(root), "tearsheet", TEARSHEET_USER, "-o", str(output)]
    # A process of its own: matplotlib's fonts and figures need not stay in this one.
    written = subprocess.run(command, env=without_passphrase(), capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if written.returncode != 0:
        msg = f"the tearsheet was not written: {' '.join(written.stderr.split())[-300:]}"
        raise PortfolioLabError(msg)
    _say(f"tearsheet: {output}")


def _show_dashboard(root: Path, *, port: int, serve: bool) -> None:
    # Without the passphrase: what serves pages cannot open the vault.
    command = [*_command(root), "dashboard", "--port", str(port)]
    with (
        _log(root, "dashboard").open("ab") as log,
        running(command, stdout=subprocess.PIPE, stderr=log, env=without_passphrase()) as dashboard,
    ):
        for line in dashboard.stdout or ():
            text = line.decode("utf-8", "replace").rstrip()
            _say(text)
            if "http://" in text:
                _say("dashboard: open the address above; Ctrl-C ends everything" if serve else "dashboard: it works")
                if not serve:
                    return
        msg = f"the dashboard ended by itself (exit code {dashboard.wait()}): look into {_log(root, 'dashboard')}"
        raise PortfolioLabError(msg)


def _command(root: Path) -> list[str]:
    return [sys.executable, "-c", "from portfolio_lab.cli import main; main()", "--lab", str(root)]


def _log(root: Path, name: str) -> Path:
    folder = root / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            found: int = probe.getsockname()[1]
            if found != wanted:
                _say(f"dashboard: port {wanted} is taken, so it uses {found}")
            return found
    msg = "no port is free on 127.0.0.1: close a program that listens"
    raise PortfolioLabError(msg)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as tidily as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, interrupt) for kind in kinds}
    try:
        yield
    finally:
        for kind, action in before.items():
            signal.signal(kind, action)
