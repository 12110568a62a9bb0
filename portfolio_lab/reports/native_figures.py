"""Every figure that the native sheet prints, of one series of daily returns and of its benchmark.

What the engines define comes from them. The others are those that a reader of quantstats looks
for; `content` holds their definitions.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from portfolio_lab.engines.constitution import MINIMUM_CAGR_DAYS, MINIMUM_DAYS, TAIL
from portfolio_lab.engines.extremes import extremes
from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.relative import relative
from portfolio_lab.engines.tail import expected_shortfall
from portfolio_lab.reports.drawn import Calendar, Falls
from portfolio_lab.reports.periods import Unit, linked
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, RISK_FREE

Figure = float | pd.Timestamp | None
Figures = dict[str, Figure]

_OUTLIER = 0.01
_SPANS = {"months_3": 3, "months_6": 6, "months_12": 12}
_YEARS = {"years_3": 3, "years_5": 5, "years_10": 10}
_MONTHS_A_YEAR = 12
_PAIR = 2
_CALENDAR: dict[Unit, str] = {"month": "months", "quarter": "quarters", "year": "years"}


def figures_of(ours: Calendar, theirs: Calendar | None = None, falls: Falls | None = None) -> Figures:
    """Return every figure of `content.ROWS` by its name; NaN or None where it is unknown.

    Args:
        ours: daily returns, none below -100 %.
        theirs: the benchmark on the same days; without it the figures beside one are not there.
        falls: `ours.falls()`, where the caller has it already.
    """
    known = ours.known
    values, enough = known.returns, len(known.returns) >= MINIMUM_DAYS
    found = _by_engines(ours)
    found |= {
        "first_day": pd.Timestamp(known.days[0]),
        "last_day": pd.Timestamp(known.days[-1]),
        "risk_free": RISK_FREE,
    }
    found |= _calendar(known, enough=enough) | _trailing(known, _number(found["cagr"]))
    found |= _by_day(values, found) if enough else dict.fromkeys(_BY_DAY, math.nan)
    found |= _under_water(ours, ours.falls() if falls is None else falls, found)
    found["time_in_market"] = _share(values != 0)
    found["return_on_exposure"] = _quotient(_number(found["cagr"]), _number(found["time_in_market"]))
    return found if theirs is None else found | _beside(ours, theirs, found)


def _by_engines(ours: Calendar) -> Figures:
    # On places rather than dates: the calendar is whole already, and need not be made so again.
    figures = metrics(pd.Series(ours.returns), PERIODS_PER_YEAR, RISK_FREE)
    found: Figures = {str(name): float(value) for name, value in figures.items()}
    seen = extremes(ours.returns[None], pd.DatetimeIndex(ours.days))
    return found | {name: float(values[0]) for name, values in seen.items()}


def _number(value: Figure) -> float:
    return value if isinstance(value, float) else math.nan


def _share(chosen: np.ndarray) -> float:
    return float(chosen.mean()) if len(chosen) else math.nan


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan


def _quotient(above: float, below: float) -> float:
    """Return a ratio; NaN where the divisor is 0 or unknown, or it is no finite number."""
    found = above / below if below else math.nan
    return found if math.isfinite(found) else math.nan


def _geometric(returns: np.ndarray) -> float:
    """Return the mean growth of a period."""
    return float(np.prod(1.0 + returns) ** (1.0 / len(returns)) - 1.0) if len(returns) else math.nan


# ---------------------------------------------------------------- by day


_BY_DAY = (
    *("smart_sharpe", "smart_sortino", "sortino_root", "smart_sortino_root", "risk_return", "expected_day"),
    *("outlier_win", "outlier_loss", "kelly", "ruin", "mean_win", "mean_loss", "payoff", "profit_ratio"),
    *("common_sense", "cpc", "gain_to_pain"),
)


def _by_day(values: np.ndarray, known: Figures) -> Figures:
    wins, losses, kept = values[values > 0], values[values < 0], values[values >= 0]
    moved = len(wins) + len(losses)
    chance = len(wins) / moved if moved else math.nan
    payoff = _quotient(_mean(wins), -_mean(losses))
    factor = _number(known["profit_factor"])
    return _smart(values, known) | {
        "expected_day": _geometric(values),
        "outlier_win": _quotient(float(np.quantile(values, 1 - _OUTLIER)), _mean(kept)),
        "outlier_loss": _quotient(float(np.quantile(values, _OUTLIER)), _mean(losses)),
        "kelly": chance - _quotient(1 - chance, payoff),
        "ruin": ((1 - chance) / (1 + chance)) ** len(values),
        "mean_win": _mean(wins),
        "mean_loss": _mean(losses),
        "payoff": payoff,
        "profit_ratio": _quotient(payoff_by_count(kept), payoff_by_count(losses)),
        "common_sense": factor * _number(known["tail_ratio"]),
        "cpc": factor * chance * payoff,
        "gain_to_pain": _quotient(float(values.sum()), -float(losses.sum())),
    }


def payoff_by_count(values: np.ndarray) -> float:
    """Return |mean| / number of values, the two parts of the profit ratio."""
    return _quotient(abs(_mean(values)), float(len(values)))


def _smart(values: np.ndarray, known: Figures) -> Figures:
    """Return the ratios that are cut for returns that follow on one another."""
    sharpe, sortino, penalty = _number(known["sharpe"]), _number(known["sortino"]), autocorrelation_penalty(values)
    return {
        "smart_sharpe": _quotient(sharpe, penalty),
        "smart_sortino": _quotient(sortino, penalty),
        "sortino_root": sortino / math.sqrt(2),
        "smart_sortino_root": _quotient(sortino / math.sqrt(2), penalty),
        "risk_return": sharpe / math.sqrt(PERIODS_PER_YEAR),
    }


def autocorrelation_penalty(values: np.ndarray) -> float:
    """Return what a Sharpe ratio is divided by where returns follow on one another; 1 where that is unknown.

        sqrt(1 + 2 sum over k of (n - k) / n x |rho| ^ k), rho between each day and the next

    >>> autocorrelation_penalty(np.array([0.01, 0.01, 0.01]))
    1.0
    """
    count = len(values)
    if count <= _PAIR or not (np.ptp(values[:-1]) > 0 and np.ptp(values[1:]) > 0):
        return 1.0
    first, second = values[:-1] - values[:-1].mean(), values[1:] - values[1:].mean()
    spread = math.sqrt(float(first @ first) * float(second @ second))
    lags = np.arange(1, count)
    return math.sqrt(1 + 2 * float(((count - lags) / count * abs(float(first @ second) / spread) ** lags).sum()))


# ---------------------------------------------------------------- by the calendar


def _calendar(known: Calendar, *, enough: bool) -> Figures:
    months, quarters, years = (linked(known.days, known.returns, unit).returns for unit in _CALENDAR)
    found: Figures = {
        f"win_{name}": _share(periods > 0)
        for name, periods in zip(_CALENDAR.values(), (months, quarters, years), strict=True)
    }
    lost = -float(months[months < 0].sum())
    return found | {
        "expected_month": _geometric(months) if enough else math.nan,
        "expected_year": _geometric(years) if enough else math.nan,
        "mean_up_month": _mean(months[months > 0]),
        "mean_down_month": _mean(months[months < 0]),
        "gain_to_pain_months": _quotient(float(months.sum()), lost) if enough else math.nan,
        "best_year": float(years.max()),
        "worst_year": float(years.min()),
    }


def _since(known: Calendar, start: np.datetime64) -> float:
    return float(np.prod(1.0 + known.returns[known.days >= start]) - 1.0)


def _trailing(known: Calendar, cagr: float) -> Figures:
    days, last = known.days, pd.Timestamp(known.days[-1])
    month, year = days[-1].astype("datetime64[M]"), days[-1].astype("datetime64[Y]")
    found: Figures = {"this_month": _since(known, month), "this_year": _since(known, year), "all_time": cagr}
    for name, months in (*_SPANS.items(), *((name, years * _MONTHS_A_YEAR) for name, years in _YEARS.items())):
        before = (last - pd.DateOffset(months=months)).to_numpy().astype("datetime64[D]")
        # Periods are open at their start: the day of the same date lies before them.
        total = _since(known, before + 1) if days[0] <= before + 1 else math.nan
        elapsed = (days[-1] - before).astype("int64") / PERIODS_PER_YEAR
        found[name] = (1.0 + total) ** (1.0 / elapsed) - 1.0 if name in _YEARS else total
    return found


# ---------------------------------------------------------------- drawdowns, and the benchmark


def _under_water(ours: Calendar, falls: Falls, known: Figures) -> Figures:
    cagr, ulcer, volatility = (_number(known[name]) for name in ("cagr", "ulcer_index", "volatility"))
    tail = expected_shortfall(falls.daily, TAIL)
    is_long = _number(known["days"]) >= MINIMUM_CAGR_DAYS
    found: Figures = {
        "martin": _quotient(cagr, ulcer),
        "serenity": _quotient(cagr, ulcer * -tail / volatility) if is_long and volatility else math.nan,
        "average_length": _mean(falls.lengths),
    }
    return found | (_deepest(ours, falls) if len(falls.depths) else dict.fromkeys(_DEEPEST))


_DEEPEST = ("deepest_start", "deepest_day", "deepest_recovery")


def _deepest(ours: Calendar, falls: Falls) -> Figures:
    places = (float(part[0]) for part in (falls.starts, falls.valleys, falls.recoveries))
    days = (None if math.isnan(place) else pd.Timestamp(ours.day(place)) for place in places)
    return dict(zip(_DEEPEST, days, strict=True))


def _beside(ours: Calendar, theirs: Calendar, known: Figures) -> Figures:
    sides = pd.Series(ours.returns), pd.Series(theirs.returns)
    found: Figures = {
        str(name): value for name, value in relative(*sides, PERIODS_PER_YEAR, RISK_FREE).to_dict().items()
    }
    correlation, beta = _number(found["correlation"]), _number(found["beta"])
    return found | {"r_squared": correlation**2, "treynor": _quotient(_number(known["cagr"]), beta)}
