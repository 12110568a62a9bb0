"""One cycle of a large desk on two Dask worker processes of this machine: real tasks, real commit, invented venues.

Each account's wallet answers after 50 ms of sleep instead of a venue's answer, 64 accounts at once in a worker;
quotes are invented. Shards, tasks, the way back, grading, prices and the one commit are the product's own.
Nothing here says how fast a venue would let so many accounts be read: its request budget does. A cycle is not cut
short here, but a reading that ends later than an interval after its slot is graded stale, as it always is.

    python benchmarks/cluster.py [--users 2000] [--workers 2] [--interval 300]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import distributed

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "cluster"))

from cluster_stands import PlainHub, PlainMarket, PlainReader

from portfolio_lab.cluster import Place, reading_workers
from portfolio_lab.models.accounts import Account, Credentials, Wallet
from portfolio_lab.models.holdings import AnswerMark, Balance, WalletReading
from portfolio_lab.models.prices import Quote
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.sync import cycle

ANSWER_SECONDS = 0.05
LONGEST_SECONDS = 600.0


class SlowReader(PlainReader):
    async def fetch_wallet(self, wallet: Wallet) -> WalletReading:
        await asyncio.sleep(ANSWER_SECONDS)
        return WalletReading(wallet, (Balance("BTC", Decimal(1)),), (), (AnswerMark("/", "0" * 64, datetime.now(UTC)),))


class FreshMarket(PlainMarket):
    async def fetch_quotes(self) -> tuple[Quote, ...]:
        now = datetime.now(UTC)
        return tuple(replace(quote, at=now) for quote in await super().fetch_quotes())


class SlowHub(PlainHub):
    async def market(self, venue: str, base_url: str | None) -> FreshMarket:
        return FreshMarket()

    async def reader(self, account: Account, credentials: Credentials) -> SlowReader:
        assert credentials.key
        return SlowReader(account)


@dataclass(frozen=True)
class Keys:
    users: int

    def __call__(self) -> dict[tuple[str, str, str], Credentials]:
        return {(f"u{number}", "binance", "main"): Credentials("key", "secret") for number in range(self.users)}


class Timed:
    """A store's door that notes how long the commit takes."""

    def __init__(self, store: Store) -> None:
        self.store, self.seconds, self.rows = store, 0.0, 0
        self._commit = store.commit
        store.commit = self.commit  # type: ignore[method-assign,assignment]

    def commit(self, tables, **of):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN201
        began = time.perf_counter()
        found = self._commit(tables, **of)
        self.seconds, self.rows = time.perf_counter() - began, sum(len(one) for one in tables.values())
        return found


async def workers_cpu(address: str) -> float:
    """Return the CPU seconds that all workers have used until now."""
    async with distributed.Client(address, asynchronous=True, set_as_default=False) as client:
        return sum((await client.run(time.process_time)).values())


async def measured(lab: Path, users: int, address: str) -> None:
    before = await workers_cpu(address)
    settings, timed, keys = load_settings(lab), Timed(Store.create(lab / "store")), Keys(users)
    waited: list[float] = []
    # The minute that begins now, as a scheduler would begin it: not one that is nearly over.
    slot = datetime.now(UTC).replace(second=0, microsecond=0)
    async with reading_workers(address, Place(str(lab), SlowHub, keys)) as workers:

        async def read(*asked, **within):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN003, ANN202
            began = time.perf_counter()
            book = await workers(*asked, **within)
            waited.append(time.perf_counter() - began)
            return book

        began, cpu = time.perf_counter(), time.process_time()
        report = await cycle.run_cycle(
            settings,
            keys(),
            timed.store,
            SlowHub(),
            slot=slot,
            clock=lambda: datetime.now(UTC),
            read=read,
        )
        whole, cpu = time.perf_counter() - began, time.process_time() - cpu
    beside = await workers_cpu(address) - before
    grades = dict(Counter(line.grade for line in report.users))
    print(f"{users} users: read {waited[0]:.1f} s, commit of {timed.rows} rows {timed.seconds:.2f} s,", flush=True)
    print(f"  whole cycle {whole:.1f} s, CPU: committer {cpu:.1f} s, workers {beside:.1f} s;", flush=True)
    print(f"  {sum(line.equity is not None for line in report.users)} with an equity; grades {grades}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--interval", type=int, default=300, help="the cadence in seconds")
    chosen = parser.parse_args()
    cycle.time_for = lambda _: LONGEST_SECONDS  # type: ignore[assignment]  # the question is how long it takes
    with (
        tempfile.TemporaryDirectory() as folder,
        distributed.LocalCluster(
            processes=True, n_workers=chosen.workers, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as cluster,
    ):
        lab = Path(folder)
        accounts = "".join(
            f'[[accounts]]\nuser = "u{number}"\nvenue = "binance"\nlabel = "main"\nwallets = ["spot"]\n'
            for number in range(chosen.users)
        )
        (lab / "lab.toml").write_text(f"interval_seconds = {chosen.interval}\n{accounts}")
        asyncio.run(measured(lab, chosen.users, cluster.scheduler_address))


if __name__ == "__main__":
    main()
