"""Figures that others published, mapped onto ours; where our convention differs it says so.

The folder of oracles stands beside the repository, or where PORTFOLIO_LAB_SHARED says.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.engines.drawdown import drawdowns
from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.relative import relative
from portfolio_lab.engines.returns import modified_dietz, twr
from portfolio_lab.engines.rolling import rolling
from portfolio_lab.engines.tail import expected_shortfall, value_at_risk

SHARED = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared"))
ORACLES = SHARED / "oracles"

pytestmark = pytest.mark.skipif(not ORACLES.is_dir(), reason=f"no oracles in {ORACLES}: set PORTFOLIO_LAB_SHARED")


def figure(name: str, returns: list[float], periods: float = 1.0, rate: float = 0.0) -> float:
    annual = (1 + rate) ** periods - 1
    series = pd.Series(returns, dtype="float64")
    return float(metrics(series, periods, annual, minimum_days=0, minimum_cagr_days=0)[name])


def beside(name: str, returns: list[float], benchmark: list[float], periods: float = 1.0) -> float:
    ours, theirs = (np.asarray(side, dtype="float64").reshape(1, -1) for side in (returns, benchmark))
    return float(relative(ours, theirs, periods, minimum_days=1)[name].iloc[0])


def windows(name: str, returns: list[float], window: int, benchmark: list[float] | None = None) -> list[float]:
    """From the first whole window on, of one period."""
    theirs = None if benchmark is None else pd.Series(benchmark, dtype="float64")
    series = pd.Series(returns, dtype="float64")
    found = rolling(series, window, theirs, periods_per_year=1, minimum_days=1)
    return list(found[name].iloc[window - 1 :])


def worst_in_windows(r: list[float], window: int) -> list[float]:
    ends = range(window, len(r) + 1)
    return [figure("max_drawdown", r[end - window : end]) for end in ends]


def falls(r: list[float], dates: list[str], top: int) -> list[dict[str, object]]:
    """The table of drawdowns in the words of the peers."""
    index = pd.DatetimeIndex(dates)
    # Months are one period each: the table is made by number, and dated afterwards.
    table = drawdowns(pd.Series(r, dtype="float64")).head(top)
    rows: list[dict[str, object]] = []
    for row in table.to_dict("records"):
        back = None if row["is_open"] else f"{index[int(row['recovery'])]:%Y-%m-%d}"
        rows.append({
            "depth": row["depth"],
            "from": f"{index[row['start']]:%Y-%m-%d}",
            "trough": f"{index[row['valley']]:%Y-%m-%d}",
            "to": back,
            # PerformanceAnalytics counts the period after the last one to a fall that is still open.
            "length": row["length"] + row["is_open"],
            "to_trough": row["to_valley"],
            "recovery": None if row["is_open"] else row["length"] - row["to_valley"],
        })  # fmt: skip
    return rows


def mean_of_excess(returns: list[float], rate: list[float], ppy: float = 1) -> float:
    """A rate that changes is taken off before: our own rule has one rate."""
    return figure("sharpe", list(np.asarray(returns, dtype="float64") - np.asarray(rate, dtype="float64")), ppy)


def downside(r: list[float], mar: float = 0.0, ppy: float = 1) -> float:
    """From the Sortino ratio, whose divisor it is."""
    excess = np.asarray(r, dtype="float64") - mar
    mean = float(np.nanmean(excess))
    sortino = figure("sortino", list(excess), 1)
    return mean / sortino * math.sqrt(ppy) if sortino else math.nan


def geometric_active(r: list[float], b: list[float], ppy: float) -> float:
    """Of the periods that both have."""
    known = ~np.isnan(np.asarray(r, dtype="float64") + np.asarray(b, dtype="float64"))
    ours, theirs = (list(np.asarray(side, dtype="float64")[known]) for side in (r, b))
    return figure("cagr", ours, ppy) - figure("cagr", theirs, ppy)


OURS: dict[str, Callable[..., float]] = {
    "total_return": lambda r: figure("total_return", r),
    "cagr": lambda r, ppy: figure("cagr", r, ppy),
    "ann_vol": lambda r, ppy, **_: figure("volatility", r, ppy),
    "sharpe": lambda r, ppy=1, rf=0.0, **_: figure("sharpe", r, ppy, rf),
    "sortino": lambda r, mar=0.0, ppy=1: figure("sortino", r, ppy, mar),
    "max_drawdown": lambda r: figure("max_drawdown", r),
    "calmar": lambda r, ppy: figure("calmar", r, ppy),
    "win_rate": lambda p: figure("win_rate", p),
    "profit_factor": lambda p: figure("profit_factor", p),
    "var_hist": lambda r, alpha=0.05: value_at_risk(np.asarray(r, dtype="float64"), alpha),
    "cvar_hist": lambda r, alpha=0.05: expected_shortfall(np.asarray(r, dtype="float64"), alpha),
    "var_cf": lambda r, alpha=0.05: figure("cornish_fisher_var", r),
    "omega": lambda r, mar=0.0: figure("omega", r, 1, mar),
    "ulcer": lambda r: figure("ulcer_index", r),
    "pain": lambda r: figure("pain_index", r),
    "martin": lambda r, ppy: figure("cagr", r, ppy) / figure("ulcer_index", r),
    "std": lambda r, **_: figure("volatility", r, 1),
    "variance": lambda r, **_: figure("volatility", r, 1) ** 2,
    "ann_return_arith": lambda r, ppy: figure("mean_day", r) * ppy,
    "sum_return": lambda r: figure("mean_day", r) * figure("days", r),
    "geo_mean": lambda r: figure("cagr", r, 1) if not np.isnan(r).any() else math.nan,
    # The same ratio with the geometric mean above, as PerformanceAnalytics prints it.
    "sharpe_geo": lambda r, ppy: figure("cagr", r, ppy) / figure("volatility", r, ppy),
    "sharpe_vec_rf": lambda r, rf, ppy=1: mean_of_excess(r, rf, ppy),
    "downside_dev": downside,
    "max_drawdown_equity": lambda e: figure("max_drawdown", list(np.asarray(e[1:]) / np.asarray(e[:-1]) - 1)),
    "drawdown_table": falls,
    "beta": lambda r, b: beside("beta", r, b),
    "alpha_ann_geo": lambda r, b, ppy: beside("alpha", r, b, ppy),
    "tracking_error": lambda r, b, ppy: beside("tracking_error", r, b, ppy),
    "active_premium": geometric_active,
    # Ours has the arithmetic mean above; PerformanceAnalytics the geometric active return.
    "information_ratio": lambda r, b, ppy: geometric_active(r, b, ppy) / beside("tracking_error", r, b, ppy),
    "rolling_sharpe": lambda r, window, ppy: [each * math.sqrt(ppy) for each in windows("sharpe", r, window)],
    "rolling_beta": lambda r, b, window: windows("beta", r, window, b),
    "rolling_max_drawdown": worst_in_windows,
    "skew": lambda r: figure("skew", r),
    "kurt": lambda r: figure("kurtosis", r),
    "mean": lambda r: figure("mean_day", r),
    "link": lambda rs: twr(pd.Series(rs)),
    "modified_dietz": lambda begin, end, flows, weights: modified_dietz(
        opening=begin, closing=end, flows=flows, weights=weights
    ),
}


def plain(value: Any) -> Any:
    """Numbers as they are spelt in the files: null is missing, NaN and Infinity are words."""
    words = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf, None: math.nan}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return words.get(value, value) if value is None or isinstance(value, str) else value


def resolved(argument: Any, series: dict[str, Any]) -> Any:
    if not (isinstance(argument, dict) and set(argument) == {"$"}):
        return plain(argument)
    name = argument["$"]
    if name in series:
        return plain(series[name])
    found: Any = series
    for part in name.split("."):
        found = found[part]
    return plain(found)


def cases() -> Iterator[Any]:
    for file in sorted(ORACLES.glob("*.json")) if ORACLES.is_dir() else []:
        oracle = json.loads(file.read_text(encoding="utf-8"))
        for number, case in enumerate(oracle["cases"]):
            if case["metric"] in OURS:
                yield pytest.param(case, oracle["data"], id=f"{file.stem}-{case['metric']}-{number}")


def differs(case: dict[str, Any], arguments: dict[str, Any], expected: float) -> str:
    """Why our figure is another one on purpose; empty when it is not."""
    returns = arguments.get("r")
    if isinstance(expected, float) and math.isinf(expected):
        return "we say NaN, never infinite"
    if min(arguments.get("e", [1.0])) < 0:
        return "equity through zero has no index of returns: unknown, not below -100 %"
    if arguments.get("ddof", 1) != 1 or (case["metric"] == "var_cf" and arguments.get("alpha", 0.05) != 0.05):
        return "we use the sample standard deviation, and bend the 5 % quantile only"
    if case["metric"] == "total_return" and not returns:
        return "nothing known is NaN, not an empty product"
    if case["metric"] in {"cagr", "calmar"} and np.isnan(np.asarray(returns, dtype="float64")[1:-1]).any():
        return "missing days in between count as elapsed time"
    return ""


@pytest.mark.parametrize(("case", "series"), list(cases()))
def test_published_figure(case: dict[str, Any], series: dict[str, Any]) -> None:
    arguments = {name: resolved(value, series) for name, value in case["args"].items()}
    expected = plain(case["expected"])
    if "equity" in arguments:
        equity = np.asarray(arguments.pop("equity"), dtype="float64")
        arguments["r"] = list(equity[1:] / equity[:-1] - 1)
    if reason := differs(case, arguments, expected):
        found = OURS[case["metric"]](**arguments)
        assert math.isnan(found) or found != expected, reason
        return
    check(OURS[case["metric"]](**arguments), expected, case["tol"])


def check(found: Any, expected: Any, tolerance: float) -> None:
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            check(ours, theirs, tolerance)
    elif isinstance(expected, dict):
        assert set(expected) <= set(found)
        for name, theirs in expected.items():
            check(found[name], theirs, tolerance)
    elif isinstance(expected, str) or expected is None:
        assert found == expected
    else:
        assert found == pytest.approx(expected, abs=tolerance, nan_ok=True)
