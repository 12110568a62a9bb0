"""Series and frames by time: cut, taken by day, thinned out."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeVar

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError

F = TypeVar("F", pd.Series, pd.DataFrame)

Instant = datetime | pd.Timestamp | str | None
"""A point in time; without a zone it is UTC."""


def instant(at: Instant) -> pd.Timestamp:
    """Return the instant in UTC; BadInputError where it is none."""
    try:
        moment = pd.Timestamp(at) if isinstance(at, date | str | np.datetime64) else pd.NaT
    except ValueError:
        moment = pd.NaT
    if not isinstance(moment, pd.Timestamp):
        message = f"cannot read the instant {at!r}: use a datetime, '2026-08-20' or '2026-08-20T12:00+02:00'"
        raise BadInputError(message)
    return moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")


def bound(at: Instant) -> pd.Timestamp | None:
    """Return the instant in UTC, None where an end is left open."""
    return None if at is None else instant(at)


def between(rows: F, since: Instant, until: Instant) -> F:
    """Return the rows in [since, until) of something on a sorted UTC index; None leaves an end open."""
    start = 0 if since is None else int(rows.index.searchsorted(instant(since)))
    stop = len(rows) if until is None else int(rows.index.searchsorted(instant(until)))
    return rows.iloc[start:stop]


def daily_prices(rows: pd.DataFrame, asset: str) -> pd.Series:
    """Return the last price of each UTC day, index `day`; NaN for a day without one.

    The very first price stands for the end of the day before: as a history opens with its
    first snapshot, so that both have a first day of the same length.

    Args:
        rows: `slot`, `venue`, `price` of one asset by rising slot; the first venue by name counts.
        asset: names the series.
    """
    if len(rows):
        rows = rows[rows["venue"] == min(rows["venue"])]
    # A price at midnight closes the day that ends there, as a snapshot does.
    days = (pd.DatetimeIndex(rows["slot"]) - pd.Timedelta(microseconds=1)).normalize()
    daily = pd.Series(rows["price"].to_numpy(dtype="float64"), pd.DatetimeIndex(days, name="day"), name=asset)
    if len(daily) and rows["slot"].iloc[0] != days[0] + pd.Timedelta(days=1):
        opening = pd.Series(daily.iloc[0], days[:1] - pd.Timedelta(days=1))
        daily = pd.concat([opening, daily]).rename(asset).rename_axis("day")
    daily = daily[~daily.index.duplicated(keep="last")]
    return daily.asfreq("D") if len(daily) else daily


def extremes(curve: pd.DataFrame, points: int) -> np.ndarray:
    """Return the places of at most `points` rows that keep the minimum and maximum of each stretch and column.

    Raises:
        BadInputError: so few points cannot keep them.
    """
    least = 2 + 2 * len(curve.columns)
    if points < least:
        raise BadInputError(f"{points} points are too few for a chart: ask for {least} at least")
    if len(curve) <= points:
        return np.arange(len(curve))
    from tsdownsample import MinMaxDownsampler  # noqa: PLC0415 - only a long curve needs it

    # Half of the points for each column, in pairs, and the two ends.
    each = max(2, (points - 2) // 4 * 2)
    sampler = MinMaxDownsampler()  # type: ignore[no-untyped-call]  # the library has no types
    kept = [sampler.downsample(curve[name].fillna(0.0).to_numpy(), n_out=each) for name in curve]
    ends = np.array([0, len(curve) - 1])
    return np.unique(np.concatenate([*kept, ends]).astype("int64"))
