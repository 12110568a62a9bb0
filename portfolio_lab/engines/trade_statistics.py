"""Statistics of round trips: what a trader's trades say, and how sure it is.

A trade is a closed round trip with a known net PnL. One that ends within rounding of nothing is
break-even: it counts among the closed ones and is neither win nor loss. Where there is too little
to say something, the figure is NaN: never 0, never infinite.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import overload

import numpy as np
import pandas as pd
from pandas.api.typing import NaTType

from portfolio_lab.errors import BadInputError

STATISTICS: dict[str, str] = {
    "trades": "closed round trips with a known PnL",
    "unknown": "closed round trips whose PnL is not known: in no other figure",
    "wins": "trades with net PnL > 0",
    "losses": "trades with net PnL < 0",
    "break_even": "trades within rounding of 0",
    "net_pnl": "sum of net PnL (price PnL + fees + funding); money",
    "win_rate": "wins / trades; fraction",
    "win_rate_low": "lower end of Wilson's 95 % interval of the win rate; fraction",
    "win_rate_high": "upper end of Wilson's 95 % interval of the win rate; fraction",
    "profit_factor": "sum of wins / |sum of losses|; unknown without a loss",
    "expectancy": "mean net PnL a trade; money",
    "average_win": "mean of the wins; money",
    "average_loss": "mean of the losses; money, < 0",
    "payoff": "average win / |average loss|",
    "sqn": "mean / sample standard deviation of net PnL x sqrt(trades)",
    "kelly": "win rate - (1 - win rate) / payoff; fraction of the stake",
    "best": "highest net PnL; money",
    "worst": "lowest net PnL; money",
    "holding_hours": "mean time from opening to closing; hours",
    "holding_hours_median": "median time from opening to closing; hours",
    "turnover": "bought and sold together; money",
}
"""Every figure of `trade_statistics`, and its definition."""

MINIMUM_TRADES = 20
BREAK_EVEN = 1e-9
"""Share of the turnover below which a PnL is rounding."""

_ROUNDING = 1e-12
_Z95 = 1.959963984540054
_SMALL_SAMPLE = ("win_rate", "win_rate_low", "win_rate_high", "profit_factor", "expectancy", "payoff", "sqn", "kelly")
_TIMES = ("weekday", "hour")


@overload
def trade_statistics(trips: pd.DataFrame, *, by: None = ..., minimum: int = ...) -> pd.Series: ...
@overload
def trade_statistics(trips: pd.DataFrame, *, by: str, minimum: int = ...) -> pd.DataFrame: ...
def trade_statistics(
    trips: pd.DataFrame, *, by: str | None = None, minimum: int = MINIMUM_TRADES
) -> pd.Series | pd.DataFrame:
    """Return the figures of `STATISTICS` for closed round trips.

    Args:
        trips: `engines.trades.round_trips(...).closed`: `pnl`, `turnover`, `opened_at`, `closed_at`.
        by: a column of `trips` ("side", "underlying", "venue" ...), or "weekday" or "hour" (UTC) of the
            closing; None for all together.
        minimum: fewer trades make rates and ratios NaN.

    Returns:
        float64, NaN where unknown: a Series by figure, or with `by` a DataFrame with one row a group.

    Raises:
        BadInputError: there is no column `by`.
    """
    if by is None:
        return pd.Series(_figures(trips, minimum), dtype="float64")
    groups = {key: _figures(rows, minimum) for key, rows in trips.groupby(_keys(trips, by), sort=True)}
    frame = pd.DataFrame.from_dict(groups, orient="index", columns=list(STATISTICS), dtype="float64")
    return frame.rename_axis(by)


def wilson_interval(wins: int, trades: int, z: float = _Z95) -> tuple[float, float]:
    """Return Wilson's interval of a proportion (Wilson 1927); NaN without trades.

    >>> [round(edge, 3) for edge in wilson_interval(5, 10)]
    [0.237, 0.763]
    """
    if trades <= 0:
        return math.nan, math.nan
    share, weight = wins / trades, z * z / trades
    middle = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trades + weight / (4 * trades)) / (1 + weight)
    return max(0.0, middle - half), min(1.0, middle + half)


def excursions(trips: pd.DataFrame, prices: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return the trips with `mae` and `mfe`: how far the price went against and for them on the way.

        mae = min over the trip of side x (price / entry - 1), at most 0;  mfe the same with max, at least 0

    Args:
        trips: as `round_trips` returns them.
        prices: by book, prices in the measure of `entry_price`, on rising instants. A trip without a price
            between its opening and its closing has NaN.

    Returns:
        A new frame; `mae` and `mfe` are fractions of the entry price.
    """
    columns = ("book", "side", "entry_price", "opened_at", "closed_at")
    rows = zip(*(trips[name] for name in columns), strict=True)
    found = [
        _excursion(prices.get(book), 1.0 if side == "long" else -1.0, entry, opened, closed)
        for book, side, entry, opened, closed in rows
    ]
    worst, best = zip(*found, strict=True) if found else ((), ())
    return trips.assign(mae=np.array(worst, dtype="float64"), mfe=np.array(best, dtype="float64"))


def _excursion(
    path: pd.Series | None, side: float, entry: float, opened: pd.Timestamp, closed: pd.Timestamp | NaTType
) -> tuple[float, float]:
    if path is None:
        return math.nan, math.nan
    until = path.index.max() if isinstance(closed, NaTType) else closed
    seen = path.loc[opened:until].dropna().to_numpy(dtype="float64")
    if not len(seen):
        return math.nan, math.nan
    moves = side * (seen / entry - 1.0)
    return min(0.0, float(moves.min())), max(0.0, float(moves.max()))


def _keys(trips: pd.DataFrame, by: str) -> pd.Series:
    if by in _TIMES:
        closed = trips["closed_at"].dt
        times: pd.Series = closed.day_name() if by == "weekday" else closed.hour
        return times.rename(by)
    if by not in trips:
        raise BadInputError(f"cannot group trades by {by!r}: use a column of the trips, 'weekday' or 'hour'")
    column: pd.Series = trips[by]
    return column


def _figures(trips: pd.DataFrame, minimum: int) -> dict[str, float]:
    known = trips[trips["pnl"].notna()]
    pnl = known["pnl"].to_numpy(dtype="float64")
    # Where the turnover is unknown, only a PnL of exactly nothing is break-even.
    rounding = BREAK_EVEN * known["turnover"].fillna(0.0).to_numpy(dtype="float64")
    won, lost = pnl[pnl > rounding], pnl[pnl < -rounding]
    held = (known["closed_at"] - known["opened_at"]).dt.total_seconds().to_numpy(dtype="float64") / 3600
    low, high = wilson_interval(len(won), len(pnl))
    rate = _ratio(len(won), len(pnl))
    payoff = _ratio(_mean(won), abs(_mean(lost)))
    figures = {
        "trades": float(len(pnl)),
        "unknown": float(len(trips) - len(known)),
        "wins": float(len(won)),
        "losses": float(len(lost)),
        "break_even": float(len(pnl) - len(won) - len(lost)),
        "net_pnl": math.fsum(pnl),
        "win_rate": rate,
        "win_rate_low": low,
        "win_rate_high": high,
        "profit_factor": _ratio(math.fsum(won), abs(math.fsum(lost))),
        "expectancy": _mean(pnl),
        "average_win": _mean(won),
        "average_loss": _mean(lost),
        "payoff": payoff,
        "sqn": _quality(pnl),
        "kelly": rate - (1 - rate) / payoff if payoff > 0 else math.nan,
        "best": float(pnl.max()) if len(pnl) else math.nan,
        "worst": float(pnl.min()) if len(pnl) else math.nan,
        "holding_hours": _mean(held),
        "holding_hours_median": float(np.median(held)) if len(held) else math.nan,
        "turnover": math.fsum(known["turnover"]),
    }
    return figures if len(pnl) >= minimum else figures | dict.fromkeys(_SMALL_SAMPLE, math.nan)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan


def _mean(values: np.ndarray) -> float:
    return math.fsum(values) / len(values) if len(values) else math.nan


def _quality(pnl: np.ndarray) -> float:
    if len(pnl) < 2:  # noqa: PLR2004 - a sample needs two for a deviation
        return math.nan
    deviation, mean = float(np.std(pnl, ddof=1)), _mean(pnl)
    # Equal trades leave a deviation that is nothing but rounding.
    return math.sqrt(len(pnl)) * mean / deviation if deviation > _ROUNDING * abs(mean) else math.nan
