"""Every figure of many portfolios, and of years of minutes, beside the peers, from one run.

CPU seconds on one processor, because a busy machine does not change them much. Ours also shares many portfolios out
among all processors, which peers in a loop do not: what that gains is told in wall seconds, of both, on lines of their
own, and what it costs in CPU seconds of all. Every time is the least of some.

Slow peers are asked for a sample of the portfolios and their time is scaled; the line says so.
A peer is asked for its usual figures, while ours are always all of them; quantstats is also asked for every
one of ours that it knows. Each is a promise of its own: the second does not stand for the first.
Peers that are not installed (pip install -r benchmarks/peers.txt) are named and left out.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
from _performance_peers import BARE_FIGURES, PEERS, Peer, bare_kernel, cpu, wall

from portfolio_lab.engines.performance import FIGURES, metrics
from portfolio_lab.engines.relative import relative
from portfolio_lab.engines.rolling import rolling
from portfolio_lab.engines.running import RunningFigures

DAYS, MINUTES, MINUTES_A_YEAR = 1096, 525_600, 525_600
CALLS, PASSES = 20, 5  # ours takes milliseconds, and a few calls are not enough to settle; a pass of a peer is longer
ALL_OF_QUANTSTATS = "quantstats, all of ours that it knows"
PROMISES = {
    "kernel": 2.0,
    "empyrical-reloaded": 200.0,
    "quantstats": 1000.0,
    ALL_OF_QUANTSTATS: 1000.0,
    "minutes": 20.0,
}

kept: list[tuple[str, float, float, bool]] = []


def line(name: str, seconds: float, ours: float, note: str = "") -> None:
    print(f"  {name:44}{seconds * 1e3:12,.2f} ms{seconds / ours:11,.1f} x  {note}")


def promise(name: str, measured: float, promised: float, *, at_most: bool = False) -> None:
    kept.append((name, measured, promised, measured <= promised if at_most else measured >= promised))


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """Leave this process one processor, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(every)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def invented(portfolios: int) -> np.ndarray:
    return np.random.default_rng(7).standard_t(5, (portfolios, DAYS)) * 0.015 + 0.0005


def peer_seconds(peer: Peer, matrix: np.ndarray) -> tuple[float, float, str]:
    """CPU seconds and wall seconds of all portfolios, and how they were found."""
    dates = pd.date_range("2023-01-01", periods=matrix.shape[1])
    sample = matrix[: peer.sample]
    if "frame" in peer.name:
        frame = pd.DataFrame(sample.T, dates)
        spent = passed = cpu(lambda: peer.call(frame), 1)
    else:
        series = [pd.Series(row, dates) for row in sample]
        peer.call(series[0])
        spent = passed = float("inf")
        for _ in range(PASSES):
            since, began = time.process_time(), time.perf_counter()
            for one in series:
                peer.call(one)
            spent, passed = min(spent, time.process_time() - since), min(passed, time.perf_counter() - began)
    note = f"{peer.figures} figures; {len(sample)} portfolios, scaled" if len(sample) < len(matrix) else ""
    scale = len(matrix) / len(sample)
    return spent * scale, passed * scale, note


def portfolios(count: int) -> None:
    matrix = invented(count)
    with one_processor():
        compiled = cpu(lambda: metrics(matrix, engine="numba"), CALLS)
        plain = cpu(lambda: metrics(matrix))
        bare = cpu(lambda: bare_kernel(matrix), CALLS)
    clock = wall(lambda: metrics(matrix, engine="numba"), CALLS)
    shared = cpu(lambda: metrics(matrix, engine="numba"), CALLS)
    found = metrics(matrix[:50])[list(BARE_FIGURES)]
    np.testing.assert_allclose(bare_kernel(matrix[:50]), found.to_numpy(), rtol=1e-9, atol=1e-12)
    print(f"\n{count:,} portfolios x {DAYS:,} days, {len(FIGURES)} figures of ours; times ours (numba)")
    line("ours, numba", compiled, compiled)
    print(f"  {'the same, wall, all processors':44}{clock * 1e3:12,.2f} ms")
    line("the same, CPU, all processors", shared, compiled)
    line("ours, numpy", plain, compiled)
    line("bare kernel, numba, 17 figures, no checks", bare, compiled)
    promise(f"{count:,}: at most 2 x the bare kernel (numba)", compiled / bare, PROMISES["kernel"], at_most=True)
    for peer in PEERS:
        if peer.call is None:
            print(f"  {peer.name}: not installed, left out")
            continue
        with one_processor():
            spent, passed, note = peer_seconds(peer, matrix)
        line(peer.name, spent, compiled, note)
        if peer.name in PROMISES:
            promise(f"{count:,}: {peer.name} in a loop, CPU", spent / compiled, PROMISES[peer.name])
            promise(f"{count:,}: {peer.name} in a loop, wall", passed / clock, PROMISES[peer.name])


def minutes() -> None:
    returns = np.random.default_rng(8).normal(0, 0.0007, MINUTES)
    row = returns.reshape(1, -1)
    compiled = cpu(lambda: metrics(row, MINUTES_A_YEAR, engine="numba"), 5)
    plain = cpu(lambda: metrics(row, MINUTES_A_YEAR), 5)
    print(f"\none series of {MINUTES:,} minutes")
    line("ours, numba, one thread", compiled, compiled)
    line("ours, numpy", plain, compiled)
    line("bare kernel", cpu(lambda: bare_kernel(row), 5), compiled)
    series = pd.Series(returns, pd.date_range("2025-01-01", periods=MINUTES, freq="min"))
    for peer in PEERS:
        if peer.call is not None and peer.on_minutes:
            spent = cpu(lambda peer=peer: peer.call(series), 2)
            line(peer.name, spent, compiled, f"{peer.figures} figures")
            if peer.name == "quantstats":
                promise("minutes: quantstats (numba)", spent / compiled, PROMISES["minutes"])
    print("  ffn, pyfolio-reloaded read daily returns: left out")


def day_by_day() -> None:
    matrix = invented(10_000)
    running = RunningFigures.seeded(matrix[:, :60])
    day = matrix[:, 60]
    print("\nday by day, 10,000 accounts")
    adding = cpu(lambda: running.add(day), 20)
    again = cpu(lambda: metrics(matrix, engine="numba"), 2)
    line("one day more", adding, adding)
    line("all figures from the sums", cpu(running.figures, 5), adding)
    line("the whole history again, numba", again, adding)
    line("against a benchmark, whole history", cpu(lambda: relative(matrix, matrix[0]), 1), adding)
    one, other = (pd.Series(row, pd.date_range("2021-01-01", periods=DAYS)) for row in matrix[:2])
    line("one account, 30-day windows, 5 figures", cpu(lambda: rolling(one, 30, other), 5), adding)


def warm_up() -> float:
    since = time.process_time()
    metrics(invented(2), engine="numba")
    return time.process_time() - since


def main() -> int:
    warnings.simplefilter("ignore")
    first = warm_up()
    print(f"warm-up of the compiled kernel, import and compilation or cache: {first:.2f} s CPU, once a process")
    portfolios(1_000)
    portfolios(10_000)
    minutes()
    day_by_day()
    print()
    for name, measured, promised, is_kept in kept:
        print(f"{'kept  ' if is_kept else 'MISSED'}  {name:62} {measured:10,.1f} x  (promised {promised:,.0f} x)")
    return 0 if all(is_kept for *_, is_kept in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
