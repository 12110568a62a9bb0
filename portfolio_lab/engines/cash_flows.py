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


def read_meanwhile(flows: pd.DataFrame, snapshots: pd.DataFrame) -> list[pd.Timestamp]:
    """Return the slots of snapshots whose wallets were being read when one of the flows came.

    Args:
        flows: with `at`.
        snapshots: complete ones by rising slot: `slot`, and `at`, when the last wallet had answered.
    """
    places = _closing(flows, snapshots)
    if not len(places):
        return []
    slots = _micros(snapshots["slot"])
    during = (places < len(slots)) & (_micros(flows["at"]) > slots[places.clip(max=len(slots) - 1)])
    return [pd.Timestamp(snapshots["slot"].iloc[place]) for place in sorted(set(places[during].tolist()))]


def shown_at(flows: pd.DataFrame, snapshots: pd.DataFrame, readings: pd.DataFrame) -> pd.Series:
    """Return when each flow can first be seen: its own time, or right behind the snapshot that was read too early.

    The wallets of a snapshot answer one after another. A flow that came after its own wallet's answer is not in that
    snapshot, even if the last wallet answered later still.

    Args:
        flows: `at`, `account`, `wallet` (missing where the venue tells none: then the account's last answer counts) and
            `kind`; accounts that "joined" or "left" stand where they belong.
        snapshots: complete ones by rising slot: `slot` and `at`.
        readings: `slot`, `account`, `wallet`, `received_at`, of the slots of `read_meanwhile` or of more.
    """
    at = pd.Series(pd.DatetimeIndex(flows["at"]).as_unit("us"), flows.index)
    places, known = _closing(flows, snapshots), readings.dropna(subset="received_at")
    if not len(places) or not len(known):
        return at
    last = known.groupby(["slot", "account"])["received_at"].max().to_dict()
    own = known.groupby(["slot", "account", "wallet"])["received_at"].max().to_dict()
    told = zip(at, places, flows["account"], flows["wallet"], flows["kind"], strict=True)
    for row, (came, place, account, wallet, kind) in enumerate(told):
        if place < len(snapshots) and kind not in _MEMBERSHIP:
            slot = snapshots["slot"].iloc[place]
            answered = last.get((slot, account)) if pd.isna(wallet) else own.get((slot, account, wallet))
            if answered is not None and answered < came:
                at.iloc[row] = snapshots["at"].iloc[place] + _TICK
    return at


_MEMBERSHIP = ("joined", "left")
_TICK = pd.Timedelta(microseconds=1)


def _closing(flows: pd.DataFrame, snapshots: pd.DataFrame) -> np.ndarray:
    """Return the place of the first snapshot that was finished at or after each flow; none without an `at`."""
    if not len(flows) or not len(snapshots) or "at" not in snapshots:
        return np.empty(0, dtype="int64")
    return np.maximum.accumulate(_micros(snapshots["at"])).searchsorted(_micros(flows["at"]))


def _nearest(known: pd.Series, at: pd.DatetimeIndex, max_distance: pd.Timedelta) -> np.ndarray:
    times, moments = _micros(known.index), _micros(at)
    after = np.searchsorted(times, moments).clip(max=len(times) - 1)
    before = (after - 1).clip(min=0)
    to_before, to_after = np.abs(moments - times[before]), np.abs(times[after] - moments)
    places = np.where(to_before <= to_after, before, after)
    near = np.minimum(to_before, to_after) <= max_distance / pd.Timedelta(microseconds=1)
    return np.where(near, known.to_numpy(dtype="float64")[places], np.nan)


def _micros(instants: pd.Index | pd.Series) -> np.ndarray:
    return pd.DatetimeIndex(instants).as_unit("us").asi8
