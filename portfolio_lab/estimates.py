"""What a user was worth before anybody looked, as far as the venues' records of the past tell."""

from __future__ import annotations

import math

import pandas as pd


def estimated_equity(rows: pd.DataFrame, observed: pd.Timestamp | None) -> pd.Series:
    """Return the estimated equity at the end of each UTC day before the first observed snapshot.

    Args:
        rows: of the table `estimated_equity`, of one user.
        observed: the first complete snapshot; None when there is none yet.

    Returns:
        Index `day` (midnight at which the day began, UTC), values in the reporting currency: the sum of
        what has a price, NaN where nothing has. It begins where all accounts that tell of their past do.
        `attrs`: `unknown` is by day the share of the coins held that have no price, `unknown_share` the
        same of all days, `accounts` those that are in it, `sources` where quantities come from.
    """
    held = rows[rows["quantity"] != 0.0]
    days = pd.to_datetime(held["day"], utc=True).dt.as_unit("ns")
    inside = pd.Series(True, index=held.index)
    if observed is not None:
        inside &= days < observed.normalize()
    held, days = held[inside], days[inside]
    if len(held):
        begins = days.groupby(held["account"]).min().max()
        held, days = held[days >= begins], days[days >= begins]
    groups = held.groupby(days.rename("day"))
    values = groups["value"].agg(_known_sum).astype("float64").rename("estimated_equity")
    unknown = groups["value"].agg(lambda told: float(told.isna().mean())).astype("float64")
    values.index = pd.DatetimeIndex(values.index, name="day")
    values.attrs = {
        "unknown": {day: float(share) for day, share in zip(values.index, unknown, strict=True)},
        "unknown_share": float(held["value"].isna().mean()) if len(held) else math.nan,
        "accounts": tuple(sorted(held["account"].unique())),
        "sources": tuple(sorted(held["source"].unique())),
    }
    return values


def _known_sum(told: pd.Series) -> float:
    known = told.dropna()
    return math.fsum(known) if len(known) else math.nan
