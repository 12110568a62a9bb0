"""Cold workers, with a client that says what it is told to: who has loaded the lab, and who is born again."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from portfolio_lab.cluster import loading
from portfolio_lab.cluster.loading import Loading
from portfolio_lab.cluster.roll import version_here
from portfolio_lab.errors import BadInputError, ClusterError


class Future:
    def __init__(self, status: str) -> None:
        self.status = status


class Desk:
    """A client: `told` is the status that a worker's loading has, `homes` where it lives."""

    def __init__(self, told: dict[str, str], homes: dict[str, str] | None = None) -> None:
        self.told = told
        self.homes = homes or {}
        self.asked: list[tuple[str, str]] = []

    @property
    def scheduler(self) -> Desk:
        return self

    async def identity(self, **_: object) -> dict[str, Any]:
        return {"workers": {address: {"nthreads": 1, "nanny": self.homes.get(address)} for address in list(self.told)}}

    async def run(self, *_: object, workers: list[str], **__: object) -> dict[str, str]:
        return {workers[0]: version_here()}

    def submit(self, function: object, part: str, *, workers: list[str], **_: object) -> Future:
        assert function is importlib.import_module
        self.asked.append((workers[0], part))
        return Future(self.told[workers[0]])


class Restarting(Desk):
    """A worker that its nanny restarts between any two looks, each time at another address."""

    def __init__(self) -> None:
        super().__init__({})
        self.births = 0

    async def identity(self, **_: object) -> dict[str, Any]:
        self.births += 1
        address = f"tcp://w:{self.births}"
        self.told, self.homes = {address: "pending"}, {address: "tcp://nanny:1"}
        # Every other look finds it away.
        return await super().identity() if self.births % 2 else {"workers": {}}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LOADING_SECONDS", 0.5)
    monkeypatch.setattr(loading, "TOGETHER_SECONDS", 0.2)
    monkeypatch.setattr(loading, "LOOK_SECONDS", 0.06)


async def test_where_all_have_loaded_nobody_waits_and_any_may_take_over() -> None:
    desk = Desk({"a": "finished", "b": "finished"})
    crew = await Loading(desk, ("one", "two")).joined()
    assert (crew.places, crew.cold, crew.only) == (2, (), None)
    assert desk.asked == [("a", "one"), ("a", "two"), ("b", "one"), ("b", "two")]


async def test_a_cold_worker_is_given_nothing_while_another_is_warm_nor_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "LOADING_SECONDS", 1e9)  # for the first one: this would not end
    crew = await Loading(Desk({"a": "pending", "b": "finished"}), ("one",)).joined()
    assert (crew.only, crew.cold) == (["b"], ("a",))


async def test_a_worker_is_asked_once_and_joins_when_it_is_warm() -> None:
    desk = Desk({"a": "pending", "b": "finished"})
    known = Loading(desk, ("one",))
    assert (await known.crew(soon=0.0, at_last=0.0)).cold == ("a",)
    known._asked["a"][0].status = "finished"
    crew = await known.crew(soon=0.0, at_last=0.0)
    assert (list(crew.threads), crew.only) == (["a", "b"], None)
    assert desk.asked == [("a", "one"), ("b", "one")]


@pytest.mark.parametrize("lost", ["lost", "cancelled"])
async def test_what_the_scheduler_lost_is_asked_again(lost: str) -> None:
    desk = Desk({"a": lost})
    known = Loading(desk, ("one",))
    await known.crew(soon=0.0, at_last=0.0)
    desk.told["a"] = "finished"
    assert list((await known.crew(soon=0.0, at_last=0.0)).threads) == ["a"]
    assert len(desk.asked) == 2


async def test_a_worker_that_is_restarted_again_and_again_is_an_error_after_a_bounded_time() -> None:
    with pytest.raises(ClusterError, match=r"within 0 s, and were restarted \d+ times meanwhile") as told:
        await Loading(Restarting(), ("one",)).joined()
    assert "tcp://nanny:1" in str(told.value)
    assert told.value.workers


async def test_a_worker_that_never_gets_warm_is_named() -> None:
    with pytest.raises(ClusterError, match=r"\(tcp://w:1\): look into their logs") as told:
        await Loading(Desk({"tcp://w:1": "pending"}), ("one",)).joined()
    assert told.value.workers == ("tcp://w:1",)
    assert "restarted" not in str(told.value)


async def test_a_lab_that_cannot_be_imported_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LOADING_SECONDS", 1e9)
    with pytest.raises(ClusterError, match="the workers a cannot import portfolio-lab"):
        await Loading(Desk({"a": "error"}), ("one",)).joined()


async def test_a_scheduler_without_workers_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "LOADING_SECONDS", 1e9)
    with pytest.raises(BadInputError, match="has no workers"):
        await Loading(Desk({}), ("one",)).joined()
