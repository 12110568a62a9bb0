"""What the figures are measured against: peers as their users call them, and the barest kernel that we can write."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd

Call = Callable[[pd.Series], object]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from quantstats import stats
    except ImportError:
        stats = None
    try:
        import empyrical
    except ImportError:
        empyrical = None
    try:
        import ffn
    except ImportError:
        ffn = None
    try:
        from pyfolio import timeseries
    except ImportError:
        timeseries = None
    try:
        import vectorbt
    except ImportError:
        vectorbt = None


def cpu(call: Callable[[], object], repeats: int = 3) -> float:
    """Least CPU seconds of a few calls; the first, which may compile or cache, does not count."""
    call()
    spent = []
    for _ in range(repeats):
        since = time.process_time()
        call()
        spent.append(time.process_time() - since)
    return min(spent)


def wall(call: Callable[[], object], repeats: int = 5) -> float:
    """Least wall seconds of a few calls; the first does not count."""
    call()
    spent = []
    for _ in range(repeats):
        since = time.perf_counter()
        call()
        spent.append(time.perf_counter() - since)
    return min(spent)


@dataclass(frozen=True)
class Peer:
    """One library, what is asked of it for one series, and how many series of a sample it is asked for."""

    name: str
    figures: int
    call: Call | None
    sample: int
    on_minutes: bool = True


def _quantstats(returns: pd.Series) -> object:
    year = {"periods": 365}
    return (
        *(stats.comp(returns), stats.cagr(returns, **year), stats.volatility(returns, **year)),
        *(stats.sharpe(returns, **year), stats.sortino(returns, **year), stats.max_drawdown(returns)),
        *(stats.calmar(returns, **year), stats.win_rate(returns), stats.profit_factor(returns)),
        *(stats.best(returns), stats.worst(returns), stats.expected_return(returns), stats.skew(returns)),
        *(stats.kurtosis(returns), stats.value_at_risk(returns), stats.cvar(returns)),
    )


def _quantstats_all(returns: pd.Series) -> object:
    falls = stats.drawdown_details(stats.to_drawdown_series(returns))
    return (
        *(_quantstats(returns), stats.omega(returns, periods=365), stats.tail_ratio(returns)),
        *(stats.ulcer_index(returns), stats.recovery_factor(returns), stats.probabilistic_sharpe_ratio(returns)),
        *(stats.consecutive_wins(returns), stats.consecutive_losses(returns)),
        *(falls["max drawdown"].mean(), falls["days"].max()),
    )


def _empyrical(returns: pd.Series) -> object:
    year = {"annualization": 365}
    return (
        *(empyrical.cum_returns_final(returns), empyrical.annual_return(returns, **year)),
        *(empyrical.annual_volatility(returns, **year), empyrical.sharpe_ratio(returns, **year)),
        *(empyrical.sortino_ratio(returns, **year), empyrical.max_drawdown(returns)),
        *(empyrical.calmar_ratio(returns, **year), empyrical.omega_ratio(returns), empyrical.tail_ratio(returns)),
        *(empyrical.value_at_risk(returns), empyrical.conditional_value_at_risk(returns)),
    )


def _ffn(returns: pd.Series) -> object:
    return ffn.calc_stats((1 + returns).cumprod()).stats


def _pyfolio(returns: pd.Series) -> object:
    return timeseries.perf_stats(returns)


def _vectorbt(returns: pd.Series | pd.DataFrame) -> object:
    each = returns.vbt.returns(freq="1D", year_freq="365D")
    return (
        *(each.total(), each.annualized(), each.annualized_volatility(), each.sharpe_ratio(), each.sortino_ratio()),
        *(each.max_drawdown(), each.calmar_ratio(), each.omega_ratio(), each.tail_ratio()),
        *(each.value_at_risk(), each.cond_value_at_risk()),
    )


PEERS = (
    Peer("quantstats", 16, _quantstats if stats else None, 6),
    Peer("quantstats, all of ours that it knows", 25, _quantstats_all if stats else None, 6, on_minutes=False),
    Peer("empyrical-reloaded", 11, _empyrical if empyrical else None, 40),
    Peer("ffn", 40, _ffn if ffn else None, 6, on_minutes=False),
    Peer("pyfolio-reloaded", 14, _pyfolio if timeseries else None, 6, on_minutes=False),
    Peer("vectorbt (one frame)", 11, _vectorbt if vectorbt else None, 300),
)


# ---------------------------------------------------------------- the barest kernel: 17 figures, nothing is checked


@numba.njit(error_model="numpy", fastmath=True)
def bare_kernel(rows: np.ndarray) -> np.ndarray:  # noqa: C901, PLR0915 - one loop on purpose: no call, no check
    """Return 17 figures of each row, which must have no gap."""
    count = rows.shape[1]
    found, work = np.empty((len(rows), 17)), np.empty(count + 1)
    year = np.sqrt(365.0)
    for row in range(len(rows)):
        values = rows[row]
        total, best, worst = 0.0, values[0], values[0]
        for day in range(count):
            total += values[day]
            best = max(best, values[day])
            worst = min(worst, values[day])
        mean = total / count
        second, third, fourth = 0.0, 0.0, 0.0
        gains, losses, downside, wins = 0.0, 0.0, 0.0, 0
        for day in range(count):
            spread = values[day] - mean
            square = spread * spread
            second += square
            third += square * spread
            fourth += square * square
        for day in range(count):
            loss = min(values[day], 0.0)
            gains += max(values[day], 0.0)
            losses -= loss
            downside += loss * loss
        for day in range(count):
            wins += values[day] > 0.0
        wealth, peak, lowest = 1.0, 1.0, 0.0
        bottom = 1.0
        for day in range(count):
            wealth *= 1.0 + values[day]
            if wealth >= peak:
                peak = bottom = wealth
            elif wealth < bottom:
                bottom = wealth
                lowest = min(lowest, wealth / peak - 1.0)
        deviation, variance = np.sqrt(second / (count - 1)), second / count
        border, kept = mean - 1.35 * np.sqrt(variance), 0
        for day in range(count):
            work[kept] = values[day]
            kept += values[day] <= border
        place = (count - 1) * 0.05
        under = int(place)
        if kept < under + 2:
            work[:count] = values
            kept = count
        tail = np.sort(work[:kept])
        quantile = tail[under] + (tail[under + 1] - tail[under]) * (place - under)
        shortfall, inside = 0.0, 0
        for day in range(kept):
            within = tail[day] <= quantile
            shortfall += tail[day] if within else 0.0
            inside += within
        cagr = wealth ** (365.0 / count) - 1.0
        found[row, 0], found[row, 1], found[row, 2], found[row, 3] = count, wealth - 1.0, cagr, deviation * year
        found[row, 4], found[row, 5] = mean / deviation * year, mean / np.sqrt(downside / count) * year
        found[row, 6], found[row, 7], found[row, 8], found[row, 9] = (
            lowest,
            cagr / -lowest,
            wins / count,
            gains / losses,
        )
        found[row, 10], found[row, 11], found[row, 12] = best, worst, mean
        found[row, 13], found[row, 14] = third / count / variance**1.5, fourth / count / variance**2 - 3.0
        found[row, 15], found[row, 16] = quantile, shortfall / inside
    return found


BARE_FIGURES = (
    *("days", "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar", "win_rate"),
    *("profit_factor", "best_day", "worst_day", "mean_day", "skew", "kurtosis", "value_at_risk", "expected_shortfall"),
)
