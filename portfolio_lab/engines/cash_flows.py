"""Cash flows: money that crossed the border of the book, and what it was worth when it did.

A flow's value is quantity x price at the flow's own time, or at the nearest slot whose price
is known. A flow without a price has no value: unknown, not 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd


def value_cash_flows(
    flows: pd.DataFrame, prices: Mapping[str, pd.Series], *, max_distance: pd.Timedelta
) -> pd.DataFrame:
    """The flows with the columns `price` and `value` filled in, in the reporting currency.

    Args:
        flows: with `at` (UTC), `asset` and `quantity` (signed units: + in, - out).
        prices: by asset, a series of prices on a sorted UTC index.
        max_distance: a price further away than that, on either side, is not used.

    Returns:
        Same rows. `price` is the nearest in time (the earlier of two equally near); NaN, as is
        `value`, where no price is near enough.
    """
    valued = flows.copy()
    valued["price"] = np.nan
    for asset, rows in flows.groupby("asset").groups.items():
        known = prices.get(str(asset), pd.Series(dtype="float64")).dropna()
        if len(known):
            valued.loc[rows, "price"] = _nearest(known, pd.DatetimeIndex(flows.loc[rows, "at"]), max_distance)
    valued["value"] = valued["quantity"].astype("float64") * valued["price"]
    return valued


def _nearest(known: pd.Series, at: pd.DatetimeIndex, max_distance: pd.Timedelta) -> np.ndarray:
    times, moments = _micros(known.index), _micros(at)
    after = np.searchsorted(times, moments).clip(max=len(times) - 1)
    before = (after - 1).clip(min=0)
    to_before, to_after = np.abs(moments - times[before]), np.abs(times[after] - moments)
    places = np.where(to_before <= to_after, before, after)
    near = np.minimum(to_before, to_after) <= max_distance / pd.Timedelta(microseconds=1)
    return np.where(near, known.to_numpy(dtype="float64")[places], np.nan)


def _micros(instants: pd.Index) -> np.ndarray:
    return pd.DatetimeIndex(instants).as_unit("us").asi8
