"""Labs whose accounts live on the demo exchange, and what to search their files for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from portfolio_lab.demo import users
from portfolio_lab.demo.people import credentials_of
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.models.accounts import Account, Credentials
from portfolio_lab.store import Store


def demo_accounts(url: str) -> list[Account]:
    return [
        Account(account.user, account.venue, account.label, url, account.wallets)
        for user in users()
        for account in user.accounts
    ]


def write_lab(lab: Path, accounts: list[Account], *, channels: tuple[str, ...] = ()) -> Path:
    """Write lab.toml and an empty store."""
    lab.mkdir(exist_ok=True)
    lines = ["interval_seconds = 60", f"alert_channels = {json.dumps(list(channels))}"]
    for account in accounts:
        lines += ["[[accounts]]", f'user = "{account.user}"', f'venue = "{account.venue}"']
        lines += [f'label = "{account.label}"', f'base_url = "{account.base_url}"']
        lines += [f"wallets = {json.dumps([str(wallet) for wallet in account.wallets])}"]
    (lab / "lab.toml").write_text("\n".join(lines) + "\n")
    Store.create(lab / "store")
    return lab


def keys(accounts: list[Account]) -> dict[tuple[str, str, str], Credentials]:
    return {account.key: credentials_of(account) for account in accounts}


def secrets_of(credentials: Credentials) -> list[str]:
    return [value for value in (credentials.key, credentials.secret, credentials.passphrase) if value]


def everything_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


class Unlimited:
    def check(self, *_: object) -> None:
        """Never too much."""


async def at_once(_: float) -> None:
    """Wait for nothing but the others' turn: the clock of these days stands still within a slot."""
    await asyncio.sleep(0)


def lift_limits(demo: DemoExchange) -> None:
    """Let a whole day's questions fit into one frozen minute."""
    families = dict.fromkeys(("api", "fapi", "dapi", "eapi", "papi", "sapi_ip", "sapi_uid"), 10**9)
    demo._venues["binance"].ledger.limits.override(families)  # type: ignore[attr-defined]
    demo._venues["okx"]._limits = Unlimited()  # type: ignore[attr-defined]
