"""Stand-ins that worker processes can import: venues of plain values, keys, and venues that kill or hang."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd

from portfolio_lab.errors import ReturnsError
from portfolio_lab.exchanges import Hub as VenueHub
from portfolio_lab.lab import Lab
from portfolio_lab.models.accounts import Account, Credentials, Identity, Wallet
from portfolio_lab.models.activity import ActivityStep, CashFlow, Stream, VenueTotals
from portfolio_lab.models.holdings import AnswerMark, Balance, OpenOrder, WalletReading
from portfolio_lab.models.prices import Quote
from portfolio_lab.store import Store

SLOT = datetime(2026, 8, 3, tzinfo=UTC)
USERS = tuple(f"user{number}" for number in range(6))
PLANTED = "planted-secret-0f3c9a71"
MARK = "PORTFOLIO_LAB_TEST_MARK"
"""Names, in the environment, the file that the first worker to be killed leaves behind."""


def keys() -> dict[tuple[str, str, str], Credentials]:
    return {(user, "binance", "main"): Credentials(f"key-{user}", f"{PLANTED}-{user}") for user in USERS}


def lay(root: Path) -> Path:
    """Lay a lab of one account a user at `root`, and return it."""
    accounts = "".join(
        f'[[accounts]]\nuser = "{user}"\nvenue = "binance"\nlabel = "main"\nwallets = ["spot"]\n' for user in USERS
    )
    (root / "lab.toml").write_text(f"interval_seconds = 60\n{accounts}")
    Store.create(root / "store")
    return root


class PlainMarket:
    async def measure_clock(self) -> timedelta:
        return timedelta(0)

    def expect(self, asked: Iterable[tuple[tuple[Wallet, ...], bool]]) -> None:
        pass

    async def fetch_quotes(self) -> tuple[Quote, ...]:
        return (
            Quote("BTC", "USDT", Decimal(50_000), "spot BTCUSDT last", SLOT),
            Quote("USDT", "USD", Decimal(1), "spot USDT-USD", SLOT),
        )

    async def fetch_closes(self, *_: object, **__: object) -> tuple[Quote, ...]:
        return ()


class PlainReader:
    """User number N holds N + 1 BTC."""

    def __init__(self, account: Account) -> None:
        self.account = account

    async def fetch_identity(self, *, in_background: bool = False) -> Identity:
        return Identity(uid=self.account.user)

    async def fetch_totals(self, *, in_background: bool = False) -> VenueTotals:
        return VenueTotals(())

    def streams(self, wallets: tuple[Wallet, ...]) -> tuple[Stream, ...]:
        return ()

    async def fetch_step(self, *_: object, **__: object) -> ActivityStep:
        raise NotImplementedError

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        held = (Balance("BTC", Decimal(int(self.account.user[4:]) + 1)),)
        return WalletReading(wallet, held, (), (AnswerMark(f"/{wallet}", "0" * 64, SLOT),))

    async def fetch_open_orders(self, *_: object, **__: object) -> tuple[OpenOrder, ...]:
        return ()

    async def fetch_cash_flows(self, *, since: datetime, until: datetime) -> tuple[CashFlow, ...]:
        return ()


class KillingReader(PlainReader):
    """The first worker that reads user 3 dies as by kill -9; the next one reads it."""

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        mark = Path(os.environ[MARK])
        if self.account.user == "user3" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().fetch_wallet(wallet)


class StoppingReader(PlainReader):
    """The first worker that reads user 3 stands still as a whole, heartbeat and all."""

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        mark = Path(os.environ[MARK])
        if self.account.user == "user3" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGSTOP)
        return await super().fetch_wallet(wallet)


class HangingReader(PlainReader):
    """User 3's worker is stuck so that not even its own deadline is kept."""

    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        if self.account.user == "user3":
            time.sleep(30)  # noqa: ASYNC251  a loop that is blocked is the fault
        return await super().fetch_wallet(wallet)


def of_each(users: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame({"number": [float(user[4:]) for user in users]}, index=pd.Index(list(users), name="user"))


def quick_figure(_: Lab, users: Sequence[str]) -> pd.DataFrame:
    return of_each(users)


def hanging_figure(_: Lab, users: Sequence[str]) -> pd.DataFrame:
    """User 3's shard hangs until somebody lays the mark."""
    while "user3" in users and not Path(os.environ[MARK]).exists():
        time.sleep(0.05)
    return of_each(users)


def failing_figure(_: Lab, users: Sequence[str]) -> pd.DataFrame:
    if "user3" in users:
        raise ReturnsError("user3 has no returns")
    return of_each(users)


def killing_figure(_: Lab, users: Sequence[str]) -> pd.DataFrame:
    """Every worker that reckons user 3 dies."""
    if "user3" in users:
        os.kill(os.getpid(), signal.SIGKILL)
    return of_each(users)


class PlainHub:
    reader_class: type[PlainReader] = PlainReader

    async def __aenter__(self) -> PlainHub:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def market(self, venue: str, base_url: str | None) -> PlainMarket:
        return PlainMarket()

    async def reader(self, account: Account, credentials: Credentials) -> PlainReader:
        assert credentials.secret.startswith(PLANTED)
        await asyncio.sleep(0)
        return self.reader_class(account)


class KillingHub(PlainHub):
    reader_class = KillingReader


class StoppingHub(PlainHub):
    reader_class = StoppingReader


class HangingHub(PlainHub):
    reader_class = HangingReader


def still() -> datetime:
    return DEMO_SLOT


DEMO_SLOT = datetime(2026, 8, 21, tzinfo=UTC)


async def at_once(_: float) -> None:
    """Wait for nothing: the clock stands still."""


def demo_hub() -> AbstractAsyncContextManager[VenueHub]:
    return VenueHub(clock=still, sleep=at_once)


def demo_keys() -> dict[tuple[str, str, str], Credentials]:
    from portfolio_lab.demo import users  # noqa: PLC0415
    from portfolio_lab.demo.people import credentials_of  # noqa: PLC0415

    return {account.key: credentials_of(account) for user in users() for account in user.accounts}
