"""Many processes on one store, killed at any moment, with readers in between."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from portfolio_lab.store import Store

WRITER = Path(__file__).with_name("writer.py")
Check = Callable[[Store, Iterable[str]], set[str]]


def started(store: Store, name: str, first: int, count: int, fold_every: int = 0) -> subprocess.Popen[str]:
    words = [str(store.root), name, str(first), str(count), str(fold_every)]
    return subprocess.Popen([sys.executable, str(WRITER), *words], stdout=subprocess.PIPE, text=True)


def test_four_writers_at_once_need_no_lock(store: Store, rows: ModuleType, check_whole: Check) -> None:
    writers = [started(store, f"writer{number}", 0, 10) for number in range(4)]
    while any(writer.poll() is None for writer in writers):
        for table, count in rows.ROWS.items():  # a reader meanwhile sees whole cycles only
            assert set(Counter(store.read(table)["user"].to_pylist()).values()) <= {count}
        time.sleep(0.05)
    printed = [line for writer in writers for line in writer.communicate()[0].split()]
    assert len(printed) == 40
    assert check_whole(store, printed) == set(printed)


def test_the_same_cycles_from_four_writers_are_stored_once(store: Store, check_whole: Check) -> None:
    writers = [started(store, "same", 0, 10) for _ in range(4)]
    printed = [writer.communicate()[0].split() for writer in writers]
    assert all(len(lines) == 10 for lines in printed)
    assert len(check_whole(store, printed[0])) == 10


# ---------------------------------------------------------------- kill -9


class Lives:
    """Writers that commit and fold, each a process of its own, forked from one that has imported all."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self._parent = parent

    def lived(self, words: str, at_least: int, longest: float, chance: random.Random) -> list[str]:
        """What a life acknowledged that was killed a moment after its first `at_least` commits."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(words + "\n")
        self._parent.stdin.flush()
        process = int(self._line().split()[1])
        acknowledged = [self._line() for _ in range(at_least)]
        time.sleep(chance.uniform(0, longest))
        os.kill(process, signal.SIGKILL)
        while (line := self._line()) != "gone":
            acknowledged.append(line)
        return acknowledged

    def _line(self) -> str:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().strip()


@contextmanager
def lives() -> Iterator[Lives]:
    command = [sys.executable, str(WRITER), "lives"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        yield Lives(parent)
        assert parent.stdin is not None
        parent.stdin.close()


def ready_again(root: Path | str, rows: ModuleType, number: int) -> float:
    """How many seconds a new process's store takes to know all states and to commit the next cycle."""
    begun = time.perf_counter()
    store = Store.open(root)
    store.read("users_portfolio_state")
    slot, name = rows.slot_of(number), f"after-{number}"
    store.commit(rows.cycle(slot, name), slot=slot, writer="w", sync_id=name)
    return time.perf_counter() - begun


def killed_again_and_again(
    folder: Path, rows: ModuleType, check_whole: Check, kills: int, seed: int
) -> tuple[int, list[float]]:
    """How many commits were acknowledged, and how long it took after each kill to be ready."""
    chance, waits, total = random.Random(seed), [], 0
    with lives() as writers:
        for kill in range(kills):
            if kill % 25 == 0:
                store, acknowledged = Store.create(folder / str(kill)), set[str]()
            words = f"{store.root} life{kill} {kill * 7 % 40} 1000 {chance.choice([1, 2, 5])}"
            acknowledged |= set(writers.lived(words, chance.choice([0, 1, 3]), 0.3, chance))
            waits.append(ready_again(store.root, rows, kill))
            acknowledged.add(f"after-{kill}")
            check_whole(Store.open(store.root), acknowledged)
            total += kill % 25 == 24 and len(acknowledged)
    return total + len(acknowledged), waits


def test_kill_at_any_moment_loses_nothing(tmp_path: Path, rows: ModuleType, check_whole: Check) -> None:
    acknowledged, waits = killed_again_and_again(tmp_path, rows, check_whole, kills=20, seed=11)
    assert acknowledged > len(waits) == 20


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_kill_at_any_moment_loses_nothing_for_long(
    tmp_path: Path, rows: ModuleType, check_whole: Check, capsys: pytest.CaptureFixture[str]
) -> None:
    acknowledged, waits = killed_again_and_again(tmp_path, rows, check_whole, kills=500, seed=12)
    waits.sort()
    with capsys.disabled():
        print(f"\n500 kills, {acknowledged} commits acknowledged, none lost; ready again after ", end="")
        print(f"{waits[250]:.3f} s (median), {waits[-1]:.3f} s (longest; 2 s are allowed)")
    assert acknowledged > 500


# ---------------------------------------------------------------- readers in between


def read_until(done: threading.Event, root: Path | str, rows: ModuleType, pause: float) -> int:
    """How often a reader looked; each time it saw whole cycles, and all that it had seen before."""
    store, seen, looks, newest = Store.open(root), set[str](), 0, None
    while True:
        last = done.is_set()
        for table, count in rows.ROWS.items():
            users = Counter(store.read(table, columns=["user"])["user"].to_pylist())
            assert set(users.values()) <= {count}, table
            assert seen <= users.keys(), table
            seen = set(users)
        slots = store.read("portfolio_snapshots", columns=["slot"])["slot"].to_pylist()
        assert newest is None or (slots and max(slots) >= newest)
        newest = max(slots, default=None)
        looks += 1
        if last:
            return looks
        time.sleep(pause)


def read_meanwhile(store: Store, rows: ModuleType, *, readers: int, commits: int, pause: float) -> int:
    """How often all readers together looked while one process committed and folded."""
    done, looks = threading.Event(), list[int]()

    def read() -> None:
        looks.append(read_until(done, store.root, rows, pause))

    threads = [threading.Thread(target=read, name=f"reader-{number}") for number in range(readers)]
    for thread in threads:
        thread.start()
    writer = started(store, secrets.token_hex(3), 0, commits, fold_every=20)
    printed = writer.communicate()[0].split()
    done.set()
    for thread in threads:
        thread.join()
    assert len(printed) == commits
    assert len(looks) == readers  # a reader that failed an assertion did not come to count its looks
    assert store.read("portfolio_snapshots").num_rows == commits
    return sum(looks)


def test_readers_never_see_half_or_less_than_before(store: Store, rows: ModuleType) -> None:
    assert read_meanwhile(store, rows, readers=8, commits=100, pause=0.3) > 16


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_readers_never_see_half_or_less_than_before_for_long(
    store: Store, rows: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = read_meanwhile(store, rows, readers=8, commits=10_000, pause=1.0)
    with capsys.disabled():
        print(f"\n8 readers looked {looks} times at 10,000 commits and 500 folds: nothing torn, nothing gone back")
    assert looks > 100
