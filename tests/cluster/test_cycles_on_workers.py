from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import subprocess
import sys
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import pytest
from cluster_stands import (
    PLANTED,
    SLOT,
    USERS,
    HangingHub,
    KillingHub,
    PlainHub,
    StoppingHub,
    demo_hub,
    demo_keys,
    keys,
    lay,
)
from distributed.protocol.pickle import dumps

from portfolio_lab.cluster import Place, reading_workers
from portfolio_lab.cluster.client import _Workers
from portfolio_lab.cluster.loading import Loading
from portfolio_lab.cluster.roll import Crew, checked, crew_of, version_here
from portfolio_lab.errors import BadInputError
from portfolio_lab.store import Store
from portfolio_lab.sync import CycleReport, Syncer, sync_once

OF_THE_RUN = {"known_at", "sync_id", "commit_id"}


PRESENT = ("portfolio_snapshots", "balances", "positions", "open_orders", "prices", "attestations", "cash_flows")
"""Tables of what is; those of the past grow with the room that a cycle finds for history."""


LATER = SLOT + timedelta(minutes=1)


async def cycle(lab: Path, address: str | None, hubs: Any = PlainHub, slot: datetime = SLOT) -> CycleReport:
    books = None if address is None else lambda: reading_workers(address, Place(str(lab), hubs, keys))
    async with Syncer(lab, clock=lambda: slot, hubs=PlainHub, credentials=keys(), books=books) as syncer:
        return await syncer.cycle(slot)


def tables(store: Store) -> dict[str, list[dict[str, Any]]]:
    names = sorted({name for commit in store.commits() for name in commit.rows})
    return {name: rows(store, name) for name in names}


def rows(store: Store, name: str) -> list[dict[str, Any]]:
    told = [{key: value for key, value in row.items() if key not in OF_THE_RUN} for row in store.read(name).to_pylist()]
    return sorted(told, key=repr)


async def test_two_workers_store_what_one_process_stores(cluster: Any, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = lay(tmp_path / "one"), lay(tmp_path / "two")
    alone = await cycle(one, None)
    together = await cycle(two, cluster.scheduler_address)
    assert [(line.user, line.grade, line.equity) for line in together.users] == [
        (user, "complete", 50_000.0 * (number + 1)) for number, user in enumerate(USERS)
    ]
    assert together.users == alone.users
    assert tables(Store.open(two / "store")) == tables(Store.open(one / "store"))


async def test_a_slot_is_stored_once(cluster: Any, lab: Path) -> None:
    first = await cycle(lab, cluster.scheduler_address)
    again = await cycle(lab, cluster.scheduler_address)
    assert (first.is_new, again.is_new) == (True, False)
    assert len(Store.open(lab / "store").read("portfolio_snapshots")) == len(USERS)


async def test_no_secret_is_in_the_state_of_scheduler_or_workers(cluster: Any, lab: Path) -> None:
    await cycle(lab, cluster.scheduler_address)
    async with distributed.Client(cluster.scheduler_address, asynchronous=True, set_as_default=False) as client:
        await client.dump_cluster_state(str(lab / "state"), format="yaml")
        logs = [await client.get_scheduler_logs(), await client.get_worker_logs()]
        events = await client.get_events()
    dumped = b"".join(path.read_bytes() for path in lab.glob("state*"))
    assert b"read-shard" in (lab / "state.yaml").read_bytes()
    assert PLANTED.encode() not in dumped
    assert PLANTED not in repr(logs) + repr(events)


async def test_no_secret_is_in_what_is_sent(lab: Path) -> None:
    sent: list[bytes] = []

    class Recorder:
        @property
        def scheduler(self) -> Recorder:
            return self

        async def identity(self, **_: object) -> dict[str, Any]:
            return {"workers": {"one": {"nthreads": 1}}}

        async def run(self, *_: object, **__: object) -> dict[str, str]:
            return {"one": version_here()}

        def submit(self, *task: object, **_: object) -> Any:
            if task[0] is importlib.import_module:
                return SimpleNamespace(status="finished")
            sent.append(dumps(task))
            raise asyncio.CancelledError

    client = Recorder()
    read = _Workers(client, Place(str(lab), PlainHub, keys), Loading(client, ("any",))).read
    with contextlib.suppress(asyncio.CancelledError):
        async with Syncer(
            lab, clock=lambda: SLOT, hubs=PlainHub, credentials=keys(), books=lambda: contextlib.nullcontext(read)
        ) as syncer:
            await syncer.cycle(SLOT)
    assert sent
    assert not any(PLANTED.encode() in one for one in sent)


async def test_the_shard_of_a_killed_worker_is_read_by_another(cluster: Any, lab: Path, mark: Path) -> None:
    mark.unlink(missing_ok=True)
    report = await cycle(lab, cluster.scheduler_address, KillingHub)
    assert mark.exists()
    assert [line.grade for line in report.users] == ["complete"] * len(USERS)
    assert len(Store.open(lab / "store").commits()) == 1
    assert len(Store.open(lab / "store").read("portfolio_snapshots")) == len(USERS)


async def test_a_worker_that_hangs_gives_up_by_itself_and_is_free_for_the_next_cycle(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "next").mkdir()
    await cycle(lay(tmp_path / "next"), cluster.scheduler_address)  # its workers have imported all they need
    before = await both_workers(cluster)
    monkeypatch.setattr("portfolio_lab.sync.cycle.time_for", lambda _: 8.0)
    report = await cycle(lay(tmp_path / "first"), cluster.scheduler_address, HangingHub)
    grades = {line.user: line.grade for line in report.users}
    assert grades["user3"] != "complete"
    assert grades["user0"] == "complete"
    (line,) = [one for one in report.wallets if one.user == "user3"]
    assert (line.grade, line.code) == ("failed", "timeout")
    assert len(Store.open(tmp_path / "first" / "store").commits()) == 1
    # The hung loop sleeps on for half a minute; nobody waits for it, and no process had to end.
    after = await cycle(tmp_path / "first", cluster.scheduler_address, PlainHub, LATER)
    assert [line.grade for line in after.users] == ["complete"] * len(USERS)
    assert await both_workers(cluster) == before


@pytest.mark.long
async def test_a_worker_that_is_stopped_is_restarted_when_the_time_is_up(
    cluster: Any, lab: Path, mark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "warm").mkdir()
    await cycle(lay(tmp_path / "warm"), cluster.scheduler_address)  # its workers have imported all they need
    mark.unlink(missing_ok=True)
    before = await both_workers(cluster)
    monkeypatch.setattr("portfolio_lab.sync.cycle.time_for", lambda _: 8.0)
    report = await cycle(lab, cluster.scheduler_address, StoppingHub)
    assert mark.exists()
    (line,) = [one for one in report.wallets if one.user == "user3"]
    assert (line.grade, line.code) == ("failed", "timeout")
    assert len(Store.open(lab / "store").commits()) == 1
    now = await both_workers(cluster, than=before)
    assert len(before & now) == 1
    monkeypatch.undo()
    after = await cycle(lab, cluster.scheduler_address, StoppingHub, LATER)
    assert [line.grade for line in after.users] == ["complete"] * len(USERS)


async def both_workers(cluster: Any, *, than: set[str] | None = None) -> set[str]:
    """Wait until the nannies have two workers alive, others `than` those, and return their addresses."""
    async with distributed.Client(cluster.scheduler_address, asynchronous=True, set_as_default=False) as client:
        async with asyncio.timeout(30):
            while True:
                found = set((await client.scheduler.identity(n_workers=-1))["workers"])
                if len(found) == 2 and found != than:
                    return found
                await asyncio.sleep(0.1)


class Roll:
    """A client whose workers say what they are told to: a version, silence (None), or an error."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    @property
    def scheduler(self) -> Roll:
        return self

    async def identity(self, **_: object) -> dict[str, Any]:
        return {"workers": {address: {"nthreads": 2} for address in self.told}}

    async def run(self, *_: object, workers: list[str], **__: object) -> dict[str, Any]:
        if self.told[workers[0]] is None:
            await asyncio.sleep(60)
        return {workers[0]: self.told[workers[0]]}


async def test_only_workers_of_our_version_that_answer_are_given_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio_lab.cluster.roll.ROLL_SECONDS", 0.1)
    lost = PackageNotFoundError("portfolio-lab")
    crew = await crew_of(Roll({"a": version_here(), "b": "0.0.1", "c": None, "d": lost, "e": version_here()}))
    assert (crew.places, crew.only, crew.silent) == (4, ["a", "e"], ("c",))
    assert crew.strangers == {"b": "0.0.1", "d": "none"}


async def test_where_all_are_fit_a_reborn_worker_may_take_over() -> None:
    assert (await crew_of(Roll({"a": version_here()}))).only is None


async def test_a_scheduler_that_went_away_leaves_nobody() -> None:
    class Gone(Roll):
        async def identity(self, **_: object) -> dict[str, Any]:
            raise ConnectionResetError

    assert await crew_of(Gone({})) == Crew()


@pytest.mark.parametrize(
    ("crew", "told"),
    [
        (Crew(), "has no workers"),
        (Crew(strangers={"a": "0.0.1"}), r"another version of portfolio-lab \(0\.0\.1\)"),
        (Crew(silent=("a",)), "none of the Dask scheduler's workers answers"),
    ],
)
def test_why_nobody_can_work_is_told(crew: Crew, told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        checked(crew)


async def test_a_cluster_that_is_gone_when_the_cycle_begins_is_a_failure_of_each_account(lab: Path) -> None:
    client = Roll({})
    read = _Workers(client, Place(str(lab), PlainHub, keys), Loading(client, ("any",))).read
    async with Syncer(
        lab, clock=lambda: SLOT, hubs=PlainHub, credentials=keys(), books=lambda: contextlib.nullcontext(read)
    ) as syncer:
        report = await syncer.cycle(SLOT)
    assert report.is_new
    assert {(line.grade, line.code) for line in report.wallets} == {("failed", "unreachable")}


async def test_a_vault_that_a_worker_cannot_open_is_told_per_account(cluster: Any, lab: Path) -> None:
    address = cluster.scheduler_address
    async with Syncer(
        lab,
        clock=lambda: SLOT,
        hubs=PlainHub,
        credentials=keys(),
        books=lambda: reading_workers(address, Place(str(lab), PlainHub)),
    ) as syncer:
        report = await syncer.cycle(SLOT)
    assert {(line.grade, line.code) for line in report.wallets} == {("failed", "credentials")}


def test_an_address_that_does_not_answer_is_told(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portfolio_lab.cluster.client.CONNECT_SECONDS", 0.5)

    async def ask() -> None:
        async with reading_workers("tcp://127.0.0.1:9", Place(str(lab))):
            pass

    with pytest.raises(BadInputError, match="no Dask scheduler answers"):
        asyncio.run(ask())


def test_missing_dask_names_the_extra(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.setattr("portfolio_lab.sync.syncer.credentials_from_vault", lambda _: keys())
    with pytest.raises(BadInputError, match=r'pip install "portfolio-lab\[cluster\]"'):
        sync_once(lab, dask="tcp://127.0.0.1:8786")


def test_the_embedded_cycle_imports_no_dask(lab: Path) -> None:
    script = (
        "import sys, json, pathlib\n"
        "sys.modules['dask'] = sys.modules['distributed'] = None\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import cluster_stands as stands, portfolio_lab.sync.syncer as syncer\n"
        "syncer.credentials_from_vault = lambda _: stands.keys()\n"
        f"report = syncer.sync_once(pathlib.Path({str(lab)!r}), slot=stands.SLOT,"
        " clock=lambda: stands.SLOT, hubs=stands.PlainHub)\n"
        "print(json.dumps([line.grade for line in report.users]), 'portfolio_lab.cluster' in sys.modules)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert told.strip() == f"{json.dumps(['complete'] * len(USERS))} False"


@pytest.mark.long
async def test_a_slot_of_the_demo_exchange_is_the_same_by_both_ways(cluster: Any, tmp_path: Path) -> None:
    sys.path.append(str(Path(__file__).parent.parent / "sync"))
    from cluster_stands import DEMO_SLOT, still  # noqa: PLC0415
    from demo_lab_files import demo_accounts, lift_limits, write_lab  # noqa: PLC0415

    from portfolio_lab.demo.server import DemoExchange  # noqa: PLC0415

    kept = {}
    for name, address in (("one", None), ("two", cluster.scheduler_address)):
        # An exchange of its own for each: what the first one spent of a minute is not there for the second.
        async with DemoExchange(since=DEMO_SLOT - timedelta(days=20), scripted=True, now=DEMO_SLOT) as demo:
            lift_limits(demo)
            lab = write_lab(tmp_path / name, demo_accounts(demo.url))
            place = Place(str(lab), demo_hub, demo_keys)
            books = None if address is None else (lambda at=address, there=place: reading_workers(at, there))
            async with Syncer(lab, clock=still, hubs=demo_hub, credentials=demo_keys(), books=books) as syncer:
                demo.set_clock(DEMO_SLOT)
                await syncer.cycle(DEMO_SLOT)
            kept[name] = tables(Store.open(lab / "store"))
    assert kept["one"]["portfolio_snapshots"]
    # How much of the past one cycle reads is a matter of how much room it finds; what is, is the same.
    for table in PRESENT:
        assert kept["two"][table] == kept["one"][table], table
