"""The tearsheets against a bare `quantstats.reports.html`, on the same three years of days beside a benchmark.

All three are drawn in turn in one process after a first drawing of each that is not counted (imports, fonts), so
what else the machine does is felt by all. Times are CPU milliseconds of this process. While ours by quantstats is
drawn, no garbage is collected: so both clocks run until all of it is, and neither leaves a bill to the other.

    python benchmarks/tearsheet.py [--rounds 5] [--days 1096]

A ratio that misses its bar is marked. Below stands every row of quantstats' table of metrics beside our figure: equal
to the printed digit, or why not; then which of its pictures the native sheet has. A row without either is an error.
"""

from __future__ import annotations

import argparse
import gc
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from portfolio_lab.reports.content import ANSWERS, CHARTS, TABLES
from portfolio_lab.reports.differences import compared
from portfolio_lab.reports.native import native_page
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, Sheet
from portfolio_lab.reports.tearsheet import page_of

QUANTSTATS_BAR, NATIVE_BAR = 0.65, 50.0
NATIVE_TIMES = 10
UNEXPLAINED = "UNEXPLAINED"


def sheet_of_days(days: int) -> Sheet:
    """A book that follows its benchmark in part, with flat days among the others."""
    chance = np.random.default_rng(11)
    dates = pd.date_range("2023-01-01", periods=days, freq="D")
    benchmark = pd.Series(chance.normal(0.001, 0.03, days), dates, name="BTC")
    returns = pd.Series(0.5 * benchmark.to_numpy() + chance.normal(0.001, 0.015, days), dates)
    returns.iloc[::50] = 0.0
    nothing = pd.DatetimeIndex([])
    return Sheet("alice", "user", returns, returns, benchmark, ("three years of invented days",), nothing, nothing)


# ---------------------------------------------------------------- drawing


def bare(sheet: Sheet) -> str:
    """Quantstats as it comes, told the year of 365 days."""
    import quantstats  # noqa: PLC0415 - after the backend is chosen

    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        output = Path(folder) / "bare.html"
        quantstats.reports.html(
            sheet.returns.copy(),
            benchmark=sheet.benchmark.copy(),
            title="alice: tearsheet",
            strategy_title="alice",
            periods_per_year=PERIODS_PER_YEAR,
            match_dates=False,
            output=str(output),
        )
        return output.read_text(encoding="utf-8")


def timed(draw: Callable[[], object], *, times: int = 1, collected: bool = False) -> float:
    """Return CPU ms of one drawing."""
    gc.collect()
    began = time.process_time()
    for _ in range(times):
        draw()
    if collected:
        gc.collect()
    return (time.process_time() - began) * 1000 / times


def at_most(ratio: float, bar: float) -> str:
    return f"{ratio:.3f} ({'within' if ratio <= bar else 'MISSES'} {bar})"


def at_least(ratio: float, bar: float) -> str:
    return f"{ratio:.0f} ({'within' if ratio >= bar else 'MISSES'} {bar:.0f})"


def races(sheet: Sheet, rounds: int) -> None:
    taken: dict[str, list[float]] = {"bare": [], "ours": [], "native": []}
    for _ in range(rounds):
        taken["bare"].append(timed(lambda: bare(sheet), collected=True))
        taken["ours"].append(timed(lambda: page_of(sheet, "quantstats"), collected=True))
        taken["native"].append(timed(lambda: page_of(sheet, "native"), times=NATIVE_TIMES))
    pages = {"bare": bare(sheet), "ours": page_of(sheet, "quantstats"), "native": page_of(sheet, "native")}
    titles = {"bare": "quantstats.reports.html", "ours": "ours by quantstats", "native": "native"}
    print(f"a tearsheet of {len(sheet.returns)} days beside a benchmark, {rounds} rounds in turn, CPU ms")
    for name, times in taken.items():
        size = len(pages[name].encode()) / 1000
        print(f"  {titles[name]:<24} median {statistics.median(times):8.1f}  best {min(times):8.1f}  {size:6.0f} kB")
    each = [ours / plain for ours, plain in zip(taken["ours"], taken["bare"], strict=True)]
    print(f"  ours by quantstats / bare: {at_most(statistics.median(each), QUANTSTATS_BAR)}", end="")
    print(f", by rounds {min(each):.3f} to {max(each):.3f}")
    native = statistics.median(taken["native"])
    print(
        f"  quantstats.reports.html / native: {at_least(statistics.median(taken['bare']) / native, NATIVE_BAR)}", end=""
    )
    print(f"; ours by quantstats / native: {statistics.median(taken['ours']) / native:.0f}")


# ---------------------------------------------------------------- the tables


def differences(sheet: Sheet) -> int:
    """Print every row of their table beside ours; return how many have neither an equal nor a reason."""
    rows = compared(page_of(sheet, "quantstats"), sheet)
    told = [(row, "equal" if row.is_equal else row.why if row.name and row.why else UNEXPLAINED) for row in rows]
    print(f"every row of quantstats' metrics, {len(rows)} of them")
    for row, why in told:
        print(f"  {row.row:<26} {row.theirs:>12} {row.ours:>12}  {why}")
    reasons = [why for _, why in told]
    equal, unexplained = reasons.count("equal"), reasons.count(UNEXPLAINED)
    print(f"  {equal} equal, {len(rows) - equal - unexplained} differ for a reason that is told, {unexplained} without")
    return unexplained


def checklist(sheet: Sheet) -> int:
    """Print which charts, tables and figures of theirs the native sheet has; return how many it lacks."""
    page = native_page(sheet)
    lacking = 0
    for what, ids in (
        ("chart", CHARTS),
        ("table", TABLES),
        ("figure", {name: row.id for name, row in ANSWERS.items()}),
    ):
        absent = [name for name, found in ids.items() if f'id="{found}"' not in page]
        lacking += len(absent)
        print(f"  {what}s of quantstats in the native sheet: {len(ids) - len(absent)} of {len(ids)}", *absent)
    return lacking


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--days", type=int, default=1096)
    options = asked.parse_args()
    mpl.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    sheet = sheet_of_days(options.days)
    for draw in (bare, native_page, lambda one: page_of(one, "quantstats")):
        draw(sheet)
    races(sheet, options.rounds)
    return min(1, differences(sheet) + checklist(sheet))


if __name__ == "__main__":
    sys.exit(main())
