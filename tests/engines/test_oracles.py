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

from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.returns import modified_dietz, twr

SHARED = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared"))
ORACLES = SHARED / "oracles"

pytestmark = pytest.mark.skipif(not ORACLES.is_dir(), reason=f"no oracles in {ORACLES}: set PORTFOLIO_LAB_SHARED")


def figure(name: str, returns: list[float], periods: float = 1.0, rate: float = 0.0) -> float:
    annual = (1 + rate) ** periods - 1
    series = pd.Series(returns, dtype="float64")
    return float(metrics(series, periods, annual, minimum_days=0, minimum_cagr_days=0)[name])


def tail(name: str) -> Callable[..., float]:
    return lambda r, alpha=0.05: figure(name, r) if alpha == 0.05 else math.nan


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
    "var_hist": tail("value_at_risk"),
    "cvar_hist": tail("expected_shortfall"),
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
    if case["metric"] in {"var_hist", "cvar_hist"} and arguments.get("alpha", 0.05) != 0.05:
        return "we give the 5 % tail only"
    if arguments.get("ddof", 1) != 1:
        return "we use the sample standard deviation"
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
    assert OURS[case["metric"]](**arguments) == pytest.approx(expected, abs=case["tol"], nan_ok=True)
