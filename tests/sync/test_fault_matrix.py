"""Every endpoint that the sync asks x everything that can go wrong with it: no equity is ever false.

A cell is one slot with one fault on one path (of one user, where the path needs a key), and the slots after it.
The truth is summed anew from the exchange's books.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from demo_lab_files import at_once, keys, lift_limits, write_lab
from fake_venues import Hand

from portfolio_lab.demo.market import milliseconds
from portfolio_lab.demo.people import cast
from portfolio_lab.demo.server import DemoExchange
from portfolio_lab.demo.truth import account_truth
from portfolio_lab.exchanges import Hub
from portfolio_lab.models.accounts import KNOWN_WALLETS, Account
from portfolio_lab.sync import CycleReport, Syncer

BEGIN = datetime(2026, 8, 1, tzinfo=UTC)
FIRST = BEGIN + timedelta(days=4, hours=5)
EXACT = 1e-9
PATIENCE, LONG_PATIENCE = 4.0, 12.0
"""Seconds that a question may take, in the sample and in the whole matrix, which shares its machine with others."""
PAUSE = timedelta(minutes=16)
"""Longer than a key that was refused is left alone, and than any closure below."""
SAMPLE = 10
PARTS = 4
"""The whole matrix in pieces that run side by side (`pytest -m long -n 2`)."""
UNLIMITED = 10**9

PAGE = {"body": "<html><body>Forbidden</body></html>"}
KINDS: dict[str, dict[str, Any]] = {
    "refused": {"drop": True},
    "timeout": {"latency": LONG_PATIENCE + 1},
    "reset": {"cut": True},
    "truncated": {"truncate": True},
    "429": {"status": 429, "body": "{}", "headers": {"Retry-After": "30"}},
    "418": {"status": 418, "body": "{}", "headers": {"Retry-After": "120"}},
    "403": {"status": 403, **PAGE},
    "200 html": {"html200": True},
    "{}": {"body": "{}"},
    "[]": {"body": "[]"},
    "null": {"body": "null"},
    "5xx": {"status": 502, "body": "bad gateway"},
    "empty": {},
}
CODES: dict[str, dict[str, tuple[int, dict[str, Any]]]] = {
    "binance": {
        "-1021": (400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}),
        "-2015": (401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
    },
    "okx": {
        "50011": (429, {"code": "50011", "msg": "Rate limit reached", "data": []}),
        "50102": (401, {"code": "50102", "msg": "Timestamp request expired", "data": []}),
        "50119": (401, {"code": "50119", "msg": "API key doesn't exist", "data": []}),
    },
}
CLOSING = {"429", "418", "403", "50011"}
"""After these a whole venue is left alone, by design."""


@dataclass(frozen=True, order=True)
class Cell:
    """One path, whose it is ("" where no key is needed), and what goes wrong."""

    path: str
    user: str
    kind: str

    @property
    def venue(self) -> str:
        return "okx" if self.path.startswith("/api/v5/") else "binance"


@dataclass
class Tally:
    """What the matrix has seen."""

    cells: int = 0
    struck: int = 0
    points: int = 0
    wrong: list[str] = field(default_factory=list)
    false_points: int = 0

    def __str__(self) -> str:
        return f"{self.cells} cells ({self.struck} struck), {self.points} equity points, {self.false_points} false"


def emptied(value: Any) -> Any:
    """A well-formed answer of the same endpoint that tells of nothing."""
    if isinstance(value, list):
        return []
    if isinstance(value, dict):
        return {name: emptied(part) for name, part in value.items()}
    return "0" if isinstance(value, str) and "." in value and _is_number(value) else value


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


class Matrix:
    """A lab of everybody on the demo exchange, and its faults one at a time."""

    def __init__(self, demo: DemoExchange, clock: Hand, syncer: Syncer) -> None:
        self.demo, self.clock, self.syncer = demo, clock, syncer
        self.venues: dict[str, set[str]] = {}
        for one in demo.exchange.accounts:
            self.venues.setdefault(one.account.user, set()).add(one.account.venue)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.answers: dict[tuple[str, str], Any] = {}
        self.tally = Tally()

    async def next(self, pause: timedelta = timedelta(minutes=1)) -> CycleReport:
        self.clock.now += pause
        self.demo.set_clock(self.clock.now)
        for known in self.syncer._memory.accounts.values():  # everything is due in every slot
            known.identity_at = known.totals_at = known.orders_at = None
            known.streams_at.clear()
            known.slow.clear()
        return await self.syncer.cycle(self.clock.now)

    def truth(self, user: str) -> tuple[float, float]:
        """The equity of a user, and the gross worth that it is exact to."""
        at, market = milliseconds(self.clock.now), self.demo.exchange.market
        told = [account_truth(one, market, at) for one in self.demo.exchange.accounts if one.account.user == user]
        gross = sum(abs(float(wallet.equity or 0)) for account in told for wallet in account.wallets)
        return sum(float(account.equity or 0) for account in told), max(1.0, gross)

    def compare(self, report: CycleReport, what: object, *, may_lack: set[str]) -> list[str]:
        """Count every equity; a line for each one that is false, and for each that lacks without need."""
        found = []
        for line in report.users:
            if line.equity is None:
                if line.user not in may_lack:
                    found.append(f"{what}: {line.user} is {line.grade}: {line.reason}")
                continue
            truth, gross = self.truth(line.user)
            self.tally.points += 1
            if abs(line.equity - truth) > EXACT * gross:
                self.tally.false_points += 1
                found.append(f"{what}: FALSE {line.user} {line.equity!r}, the truth is {truth!r}")
        return found

    async def settle(self) -> None:
        """Read most of the history, so that later slots are alike; heavy questions about old years go on for hours."""
        for _ in range(8):
            report = await self.next(timedelta(minutes=5))
        assert self.compare(report, "calm", may_lack=set()) == []

    async def survey(self) -> list[tuple[str, str]]:
        """Every (path, user) of one calm slot, one user a path."""
        plain = self.demo._fault
        wire = {name: venue.answer for name, venue in self.demo._venues.items()}

        def noted(request: Any, path: str, venue: str) -> Any:
            owner = self._owner(request, venue)
            self.asked[path, owner] += 1
            return plain(request, path, venue)

        def kept(name: str) -> Any:
            def answer(asked: Any) -> Any:
                given = wire[name](asked)
                found = self.demo.exchange.account_of_key(name, self._key(asked.headers, name))
                self.answers[asked.path, found.account.user if found else ""] = given.encoded()
                return given

            return answer

        self.demo._fault = noted  # type: ignore[method-assign]
        for name, venue in self.demo._venues.items():
            venue.answer = kept(name)  # type: ignore[method-assign]
        await self.next()
        self.demo._fault = plain  # type: ignore[method-assign]
        for name, venue in self.demo._venues.items():
            venue.answer = wire[name]  # type: ignore[method-assign]
        users: dict[str, str] = {}
        for path, user in sorted(self.asked):
            users.setdefault(path, user)
        return sorted(users.items())

    @staticmethod
    def _key(headers: Any, venue: str) -> str:
        return str(headers.get({"binance": "X-MBX-APIKEY", "okx": "OK-ACCESS-KEY"}[venue], ""))

    def _owner(self, request: Any, venue: str) -> str:
        found = self.demo.exchange.account_of_key(venue, self._key(request.headers, venue))
        return found.account.user if found else ""

    def fault_of(self, cell: Cell) -> dict[str, Any]:
        codes = CODES[cell.venue]
        if cell.kind in codes:
            status, body = codes[cell.kind]
            return {"status": status, "body": json.dumps(body)}
        if cell.kind == "empty":
            return {"body": json.dumps(emptied(json.loads(self.answers[cell.path, cell.user])))}
        return KINDS[cell.kind]

    async def run(self, cell: Cell) -> None:
        """One slot with the fault, then good ones: the next must be whole, or the one after a refused key's trial."""
        # One account has the trouble; who has no key there is nobody: then the whole venue has it.
        owner = {"user": cell.user} if cell.user else {}
        fault = self.demo.faults.add(
            {"path": cell.path, "venue": cell.venue, "times": UNLIMITED, **owner, **self.fault_of(cell)}
        )
        shared = not cell.user or cell.kind in CLOSING
        neighbours = {user for user, venues in self.venues.items() if cell.venue in venues}
        report = await self.next()
        self.tally.cells += 1
        self.tally.struck += fault.times != UNLIMITED
        self.tally.wrong += self.compare(report, cell, may_lack=neighbours if shared else {cell.user})
        self.demo.faults.clear()
        report = await self.next(PAUSE)
        if cell.kind in {"-2015", "50119"}:
            self.tally.wrong += self.compare(
                report, f"trial after {cell}", may_lack={cell.user} if cell.user else neighbours
            )
            report = await self.next()
        self.tally.wrong += self.compare(report, f"after {cell}", may_lack=set())


@asynccontextmanager
async def matrix(patience: float) -> AsyncIterator[Matrix]:
    clock = Hand(FIRST)
    with tempfile.TemporaryDirectory() as folder:
        async with DemoExchange(since=BEGIN, scripted=True, now=FIRST) as demo:
            for one in demo.exchange.accounts:
                one.revoked_by_control = False
            accounts = [
                Account(one.user, one.venue, one.label, demo.url, KNOWN_WALLETS[one.venue])
                for user in cast()
                for one in user.accounts
            ]
            lab = write_lab(Path(folder) / "lab", accounts)
            lift_limits(demo)
            hubs = partial(Hub, clock=clock, sleep=at_once, deadline=patience)
            async with Syncer(lab, clock=clock, credentials=keys(accounts), hubs=hubs) as syncer:
                found = Matrix(demo, clock, syncer)
                await found.settle()
                yield found


def cells_of(paths: Sequence[tuple[str, str]]) -> list[Cell]:
    cells = [Cell(path, user, kind) for path, user in paths for kind in KINDS]
    for path, user in paths:
        cells += [Cell(path, user, kind) for kind in CODES[Cell(path, user, "").venue]]
    return sorted(cells)


async def walk(chosen: Callable[[list[Cell]], Sequence[Cell]], patience: float = PATIENCE) -> Tally:
    """Run the chosen ones of all cells."""
    async with matrix(patience) as found:
        cells = cells_of(await found.survey())
        for cell in chosen(cells):
            await found.run(cell)
        print(found.tally, f"of {len(cells)}; {len(found.asked)} (path, user) pairs asked")
        print(*found.tally.wrong, sep="\n")
        return found.tally


def test_an_answer_is_emptied_in_its_own_shape() -> None:
    told = {"code": "0", "time": 5, "total": "1.5", "data": [{"a": "1"}]}
    assert emptied(told) == {"code": "0", "time": 5, "total": "0", "data": []}


def test_some_cells_of_the_matrix() -> None:
    tally = asyncio.run(walk(lambda cells: random.Random(3).sample(cells, SAMPLE)))
    assert tally.wrong == []
    assert tally.struck > 0.8 * tally.cells


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_every_cell_of_the_matrix(part: int) -> None:
    tally = asyncio.run(walk(lambda cells: cells[part::PARTS], LONG_PATIENCE))
    assert tally.wrong == []
    assert tally.struck > 0.8 * tally.cells
