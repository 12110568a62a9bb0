"""A lab of invented accounts, filled through the real sync from the demo exchange.

Above sync and demo, like cli: `demo_run` shows it to a newcomer, `sample` keeps a small one
for the notebooks.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from portfolio_lab.demo import users
from portfolio_lab.enrolment import write_accounts
from portfolio_lab.errors import PortfolioLabError
from portfolio_lab.layout import lay_lab
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.security import Vault

SEED = 7
DAY_SECONDS = 86_400
START_SECONDS = 60.0
STOP_SECONDS = 30.0
PASSPHRASE_FILE = "passphrase"  # noqa: S105 - a file's name


class ReplayClock:
    """Our own clock while history is replayed: set to a slot, it ticks on from there."""

    def __init__(self) -> None:
        self._base = datetime.now(UTC)
        self._since = time.monotonic()

    def set(self, at: datetime) -> None:
        """Say that it is `at` now."""
        self._base, self._since = at, time.monotonic()

    def __call__(self) -> datetime:
        """Return what time it is in the history."""
        return self._base + timedelta(seconds=time.monotonic() - self._since)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A running demo exchange: where each venue and the control door listen."""

    binance: str
    okx: str
    control: str

    def set_clock(self, at: datetime) -> None:
        """Freeze its books at an instant."""
        self._tell("clock", {"now": at.isoformat()})

    def lift_limits(self) -> None:
        """Let months of questions fit into a minute: its limits count real time, a replay does not."""
        self._tell("limits", dict.fromkeys(("api", "fapi", "dapi", "eapi", "papi", "sapi_ip", "sapi_uid"), 10**9))

    def go_live(self) -> None:
        """Let its clock run with the real one from now on, and its limits hold."""
        self._tell("limits", None)
        self._tell("clock", {"mode": "live", "real": True})

    def base_url(self, venue: str) -> str:
        """Return the origin that stands for all hosts of the venue."""
        return {"binance": self.binance, "okx": self.okx}[venue]

    def _tell(self, what: str, message: Mapping[str, str | bool | int] | None) -> None:
        door = urlsplit(self.control)
        connection = http.client.HTTPConnection(door.hostname or "", door.port, timeout=START_SECONDS)
        try:
            method, body = ("DELETE", None) if message is None else ("POST", json.dumps(message))
            connection.request(method, f"{door.path}/{what}", body, headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except OSError as error:
            msg = f"the demo exchange does not answer ({type(error).__name__}): run the command again"
            raise PortfolioLabError(msg) from None
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            msg = f"the demo exchange refused to change its {what} (status {answer.status})"
            raise PortfolioLabError(msg)


@contextlib.contextmanager
def running_exchange(*, since: datetime, seed: int = SEED, log: Path | None = None) -> Iterator[Exchange]:
    """Run a demo exchange with a scripted clock as a process of its own, and end it afterwards.

    Raises:
        PortfolioLabError: it did not start.
    """
    command = [sys.executable, "-m", "portfolio_lab.demo", "--host", "127.0.0.1", "--port", "0", "--clock", "scripted"]
    command += ["--seed", str(seed), "--since", since.date().isoformat()]
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        child = stack.enter_context(running(command, stdout=subprocess.PIPE, stderr=errors, env=without_passphrase()))
        yield _listening(child.stdout.readline() if child.stdout else b"", log)


def _listening(line: bytes, log: Path | None) -> Exchange:
    try:
        addresses = json.loads(line)
        return Exchange(addresses["binance"], addresses["okx"], addresses["control"])
    except (ValueError, KeyError):
        msg = "the demo exchange did not start" + (f": look into {log}" if log else "")
        raise PortfolioLabError(msg) from None


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    env: dict[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as a child that a terminal's Ctrl-C does not reach, and end it afterwards.

    It is asked by SIGINT, as Ctrl-C would, so that it can end its own kernels; it is killed
    when it does not listen.
    """
    child = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=env, start_new_session=True)  # noqa: S603 - our own commands
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child of ours; return when it has gone."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdout:
        child.stdout.close()


def without_passphrase() -> dict[str, str]:
    """Return this process's environment for a child that must not open the vault."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PORTFOLIO_LAB_PASSPHRASE")}


# ---------------------------------------------------------------- the lab


def lay_demo_lab(root: Path, exchange: Exchange) -> None:
    """Make a lab in `root` with the demo users' accounts, their keys in its vault.

    Its passphrase is made up and lies beside it: these keys open nothing but the demo.
    """
    lay_lab(root)
    place = root / PASSPHRASE_FILE
    place.touch(mode=0o600)
    place.write_text(secrets.token_urlsafe(24) + "\n", encoding="utf-8")
    vault = Vault.create(root / "vault.json", place.read_text(encoding="utf-8").strip())
    for account in demo_accounts(exchange):
        vault.put(account, demo_credentials()[account.key])
    write_accounts(root, demo_accounts(exchange))


def demo_accounts(exchange: Exchange) -> tuple[Account, ...]:
    """Return the demo users' accounts, pointed at a running exchange."""
    return tuple(
        replace(account, base_url=exchange.base_url(account.venue)) for user in users() for account in user.accounts
    )


def demo_credentials() -> dict[tuple[str, str, str], Credentials]:
    """Return the keys of every demo account by (user, venue, label)."""
    return {key: credentials for user in users() for key, credentials in user.credentials.items()}


def replay_slots(
    *, after: datetime, until: datetime, step: timedelta, fine: timedelta, fine_step: timedelta
) -> list[datetime]:
    """Return the slots in (after, until], `step` apart, and `fine_step` apart in the last `fine`.

    They stand on whole steps since midnight, so that a UTC day ends on a slot.
    """
    slots: list[datetime] = []
    at = after
    while True:
        width = fine_step if at >= until - fine else step
        at = _next_whole(at, width)
        if at > until:
            return slots
        slots.append(at)


def _next_whole(at: datetime, width: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((at - midnight) // width + 1) * width


async def replay(
    root: Path, exchange: Exchange, slots: Sequence[datetime], *, after_slot: Callable[[], None] = lambda: None
) -> None:
    """Run one real sync cycle for each slot, with the exchange's clock and ours set to it."""
    from portfolio_lab.sync import Syncer  # noqa: PLC0415 - loads Arrow

    clock = ReplayClock()
    if slots:
        # Before the first request: markets are loaded and clocks compared on entering.
        exchange.set_clock(slots[0])
        exchange.lift_limits()
        clock.set(slots[0])
    async with Syncer(root, clock=clock, credentials=demo_credentials()) as syncer:
        before = slots[0] - (slots[1] - slots[0]) if len(slots) > 1 else None
        for slot in slots:
            exchange.set_clock(slot)
            clock.set(slot)
            if before is not None:
                # A replay keeps this cadence, so this is what its snapshots must be measured by.
                syncer.settings = replace(
                    syncer.settings,
                    interval_seconds=int((slot - before).total_seconds()),
                    history_seconds=DAY_SECONDS,  # a replayed day tells its history once
                )
            await syncer.cycle(slot)
            before = slot
            after_slot()
