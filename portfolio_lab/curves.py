"""The curve of equity and drawdown: of every snapshot, or over a long span of the extremes of each hour.

Between two flows the index of returns moves with equity: the highest and the lowest equity of an
hour are then the extremes of the index too, and below a peak of before also of the drawdown. Only
around a flow, and in an hour that sets a new peak, is every snapshot needed.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from portfolio_lab.archive import Archive, frame_from
from portfolio_lab.engines import drawdown as drawdowns
from portfolio_lab.engines.constitution import NO_INDEX
from portfolio_lab.engines.returns import snapshot_returns
from portfolio_lab.engines.series import without_index

LONG_SPAN = pd.Timedelta(days=60)
"""Longer curves are drawn from hours: at most four points an hour still are many more than a chart has."""

_COLUMNS = ("slot", "at", "interval_seconds", "grade", "equity")
_DAY = pd.Timedelta(days=1)
_POINTS = ("open", "high", "low", "close")


def curve_of(complete: pd.DataFrame, gap_returns: pd.Series) -> pd.DataFrame:
    """Return `equity` and `drawdown` at each complete snapshot, index `slot`."""
    curve = pd.DataFrame({"equity": complete["equity"].to_numpy(dtype="float64")})
    curve.index = pd.DatetimeIndex(complete["slot"], name="slot")
    curve["drawdown"] = drawdowns.drawdown(gap_returns)
    if len(curve):
        curve.iloc[0, 1] = 0.0
    return curve


def last_drawdowns(curve: pd.DataFrame, gap_returns: pd.Series) -> dict[str, object]:
    """Return the last and the deepest drawdown of a curve of every snapshot, and why they are unknown.

    Fractions <= 0. Both are NaN once a return was below -100 %, as in the table of figures: what stood before
    says nothing of today. `drawdown_reason` is "" where they are known.
    """
    unknown = {"drawdown": math.nan, "max_drawdown": math.nan}
    lost = without_index(gap_returns)
    if lost.any():
        when = gap_returns.index[int(lost.argmax())]
        return {**unknown, "drawdown_reason": f"a return below -100 % at {when:%Y-%m-%d %H:%M} UTC: {NO_INDEX}"}
    known = curve["drawdown"].dropna()
    if not len(known):
        return {**unknown, "drawdown_reason": "no complete snapshot"}
    return {"drawdown": float(known.iloc[-1]), "max_drawdown": float(known.min()), "drawdown_reason": ""}


def long_curve(archive: Archive, user: str, flows: pd.DataFrame) -> pd.DataFrame | None:
    """Return the curve of a long history by hours, None where it is short.

    Rows are those of `curve_of`, fewer of them: of each hour the first, the last, the highest and the
    lowest, and all of the hours around a flow, with a new peak, or with an equity that is not positive.
    """
    if archive.span() <= LONG_SPAN:
        return None
    hours = frame_from(archive.store.hours(users=[user]))
    if not len(hours) or hours["hour"].iloc[-1] - hours["hour"].iloc[0] <= LONG_SPAN:
        return None
    whole = _around(flows["at"], hours["hour"]) | set(hours["hour"][hours["low"] <= 0])
    rough = _drawn(archive, user, flows, hours, whole)
    peaks = pd.DatetimeIndex(rough.index[rough["drawdown"] == 0.0]).floor("h")
    return _drawn(archive, user, flows, hours, whole | set(peaks))


def _drawn(
    archive: Archive, user: str, flows: pd.DataFrame, hours: pd.DataFrame, whole: set[pd.Timestamp]
) -> pd.DataFrame:
    rows = pd.concat([_extremes(hours[~hours["hour"].isin(whole)]), *_every(archive, user, whole)])
    rows = rows.sort_values("slot", kind="stable").drop_duplicates("slot", ignore_index=True)
    return curve_of(rows, snapshot_returns(rows, flows)["gap_return"])


def _extremes(hours: pd.DataFrame) -> pd.DataFrame:
    slots = pd.concat([hours[f"{name}_slot"] for name in _POINTS], ignore_index=True)
    equity = np.concatenate([hours[name].to_numpy(dtype="float64") for name in _POINTS])
    # Where no flow is near, it does not matter when within the slot a wallet answered, or how long a gap is.
    return pd.DataFrame({"slot": slots, "at": slots, "interval_seconds": 0, "equity": equity})


def _every(archive: Archive, user: str, hours: set[pd.Timestamp]) -> list[pd.DataFrame]:
    found = []
    for day in sorted({hour.normalize() for hour in hours}):
        rows = archive.rows("portfolio_snapshots", user=user, since=day, until=day + _DAY, columns=_COLUMNS)
        inside = rows["slot"].dt.floor("h").isin(hours)
        found.append(rows[inside & (rows["grade"] == "complete") & rows["equity"].notna()].drop(columns="grade"))
    return found


def _around(times: pd.Series, hours: pd.Series) -> set[pd.Timestamp]:
    """Return of these hours those in which a flow falls, and the ones before and after it."""
    places = hours.searchsorted(pd.DatetimeIndex(times).floor("h"))
    near = {int(place) + step for place in np.atleast_1d(places) for step in (-1, 0, 1)}
    return {hours.iloc[place] for place in near if 0 <= place < len(hours)}
