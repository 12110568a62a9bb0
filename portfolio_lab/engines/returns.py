"""Returns: what the book earned, as if no money had come or gone.

Between two complete snapshots the return is Modified Dietz, with each flow weighted by the
part of the gap that it was there for:

    r = (closing - opening - sum F) / (opening + sum w F),   w = (closing time - flow time) / gap

Returns of gaps are linked into days and days into periods: TWR = product of (1 + r), less one.
Days are half-open, of UTC or of any zone that is asked for (where a day has 23 or 25 hours twice a
year). A snapshot at midnight closes the day that ends there. A flow counts in the gap whose closing
snapshot is the first that can show it, so that closing = opening + cash flow + PnL holds for every
day.

Two things are unknown and stay so: the return of a gap whose flow has no value, and of one in
which the money at work was not positive. They are NaN, and break the chain.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd

from portfolio_lab.engines.series import without_index
from portfolio_lab.errors import BadInputError

LARGE_FLOW = 0.10
"""A flow of this share of the opening equity must have a snapshot near it on either side."""

LONG_GAP = 2
"""Intervals after which a gap is too long for its return to be more than an estimate."""

DAY_COLUMNS = (
    "user",
    "day",
    "currency",
    "opening_equity",
    "closing_equity",
    "cash_flow",
    "pnl",
    "day_return",
    "snapshots_complete",
    "snapshots_taken",
    "estimated",
    "known_at",
)
"""The columns of the stored table performance_history, in its order."""


def modified_dietz(*, opening: float, closing: float, flows: list[float], weights: list[float]) -> float:
    """Return of one period, a fraction; NaN when the money at work is not positive.

    Args:
        opening: value at the start.
        closing: value at the end.
        flows: + in, - out.
        weights: of each flow, the part of the period that it was there for.

    >>> round(modified_dietz(opening=100, closing=300, flows=[50], weights=[0.5]), 6)
    1.2
    """
    at_work = opening + math.fsum(flow * weight for flow, weight in zip(flows, weights, strict=True))
    return (closing - opening - math.fsum(flows)) / at_work if at_work > 0 else math.nan


def snapshot_returns(snapshots: pd.DataFrame, flows: pd.DataFrame | None = None) -> pd.DataFrame:
    """The return of each gap between two neighbouring complete snapshots.

    Args:
        snapshots: complete ones of one user, by rising `slot`, with `equity` and
            `interval_seconds`. Where there is a column `at` (when the last wallet had
            answered), flows are placed by it, else by `slot`.
        flows: with `at` and `value` in the reporting currency, + in, - out; in any order.

    Returns:
        One row fewer than snapshots, by the closing slot: `opening_slot`, `opening`, `closing`, `cash_flow`
        (money; NaN when a flow has no value), `at_work` (money: opening + each flow x the part of the gap that
        it was there for), `gap_return` (a fraction, NaN when unknown) and `estimated`: the gap is longer than
        two intervals, or holds flows of 10 % or more of the opening equity of which one is further than an
        interval from either snapshot.
    """
    equity = snapshots["equity"].to_numpy(dtype="float64")
    times = _micros(snapshots["at"] if "at" in snapshots else snapshots["slot"])
    times = np.maximum.accumulate(times) if len(times) else times
    intervals = snapshots["interval_seconds"].to_numpy(dtype="float64") * 1e6
    cash_flow, weighted, far = _flows_by_gap(times, intervals, flows)
    opening, closing = equity[:-1], equity[1:]
    at_work = opening + weighted
    with np.errstate(divide="ignore", invalid="ignore"):
        gap_return = np.where(at_work > 0, (closing - opening - cash_flow) / at_work, np.nan)
        large = far & (np.abs(cash_flow) >= LARGE_FLOW * opening)
    long = np.diff(times) > LONG_GAP * intervals[1:]
    return pd.DataFrame(
        {
            "opening_slot": pd.DatetimeIndex(snapshots["slot"].iloc[:-1]),
            "opening": opening,
            "closing": closing,
            "cash_flow": cash_flow,
            "at_work": at_work,
            "gap_return": gap_return,
            "estimated": long | large | np.isnan(cash_flow),
        },
        index=pd.DatetimeIndex(snapshots["slot"].iloc[1:], name="slot"),
    )


def day_rows(
    snapshots: pd.DataFrame,
    flows: pd.DataFrame | None,
    since_day: date,
    until_day: date,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    zone: str = "UTC",
) -> pd.DataFrame:
    """Rows of `performance_history` for the days in [since_day, until_day).

        pnl = closing equity - opening equity - cash flow

    Args:
        snapshots: rows of `portfolio_snapshots`, of any grade and of one or more users. They
            must reach back to the last complete snapshot at or before the first day, or the
            history seems to begin later than it does.
        flows: rows of `cash_flows` (`user`, `at`, `value`), from that snapshot on.
        since_day: first day.
        until_day: the day after the last.
        as_of: when the last day is not over yet, the instant up to which it is known.
        known_at: goes into that column; NaT when not given.
        zone: IANA name of the zone whose days these are; the stored table has those of UTC.

    Returns:
        The columns `DAY_COLUMNS`, a row for each user and day that is not before the user's
        first complete snapshot. The day on which the history begins opens with that snapshot
        and is `estimated`. A day without a complete snapshot has neither PnL nor return (NaN);
        what happened in it is in the next day that has one, which is `estimated` too.

    Raises:
        BadInputError: there is no such zone.
    """
    edges = midnights(since_day, until_day, zone)
    parts = [
        _days_of_user(str(user), rows.sort_values("slot"), _of_user(flows, str(user)), edges, as_of)
        for user, rows in snapshots.groupby("user", sort=True)
    ]
    parts = [part for part in parts if len(part)]
    days = pd.concat(parts, ignore_index=True) if parts else _no_days()
    days["known_at"] = pd.Series(pd.Timestamp(known_at) if known_at else pd.NaT, days.index, "datetime64[us, UTC]")
    return days[list(DAY_COLUMNS)]


def midnights(since_day: date, until_day: date, zone: str = "UTC") -> pd.DatetimeIndex:
    """Return the instants at which each day from `since_day` to `until_day` begins in a zone, both ends included.

    Where clocks skip midnight, the day begins at the first instant it has; where they repeat it, at the first.

    Raises:
        BadInputError: there is no such zone.
    """
    days = pd.date_range(since_day, until_day, freq="D", unit="us")
    try:
        # Of None pandas would make days without any zone.
        return days.tz_localize(str(zone), nonexistent="shift_forward", ambiguous=np.ones(len(days), dtype=bool))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        message = f"there is no time zone {zone!r}: use an IANA name such as 'Europe/Zurich', or 'UTC'"
        raise BadInputError(message) from error


def daily_returns(days: pd.DataFrame) -> pd.Series:
    """Daily TWR of one user from rows of `day_rows`, fractions by day (labelled by the midnight of that date, UTC).

    Every day from the first to the last has a row; one without a known return is NaN, never 0.
    """
    index = pd.DatetimeIndex(pd.to_datetime(days["day"]), name="day").tz_localize("UTC").as_unit("us")
    returns = pd.Series(days["day_return"].to_numpy(dtype="float64"), index, name="day_return")
    return returns.asfreq("D") if len(returns) else returns


def twr(returns: pd.Series) -> float:
    """Time-weighted return: product of (1 + return), less one; a fraction.

    Unknown returns (NaN) are left out, so the figure is of the known days; NaN when there are none, and when one
    is below -100 % or infinite: what is linked to that has no meaning.

    >>> round(twr(pd.Series([0.1, 0.0, -0.2])), 6)
    -0.12
    """
    known = returns.to_numpy(dtype="float64")
    known = known[~np.isnan(known)]
    if not len(known) or not ((known >= -1.0) & np.isfinite(known)).all():
        return math.nan
    return float(np.prod(1.0 + known) - 1.0)


def twr_index(returns: pd.Series) -> pd.Series:
    """What 1 has become by the end of each period. NaN where the return is unknown; it then goes on.

    NaN from a return below -100 % on, or an infinite one: the index then has no meaning.
    """
    return (1.0 + returns.astype("float64")).cumprod().mask(without_index(returns)).rename("twr_index")


def period_rows(days: pd.DataFrame, period: str) -> pd.DataFrame:
    """Days of one user gathered into weeks, months or years.

        pnl = sum of the days' PnL;  period_return = TWR of the days

    Args:
        days: rows of `performance_history` of one user.
        period: "D", "W" (ISO, from Monday), "M" or "Y".

    Returns:
        Index `period_start`, the first day of the period (its midnight in UTC); `pnl`, `cash_flow`,
        `opening_equity`, `closing_equity` (money), `period_return` (a fraction), `estimated`,
        `days`. A day whose chain is broken makes the period's return NaN, a flow of unknown
        value its PnL too; a day without any snapshot does neither, because the next one holds
        what happened in it.
    """
    ordered = days.sort_values("day")
    starts = _period_starts(ordered["day"], period)
    rows = [_period(rows) for _, rows in ordered.groupby(starts, sort=True)]
    index = pd.DatetimeIndex(sorted(starts.unique()), name="period_start", tz="UTC").as_unit("us")
    columns = ["pnl", "cash_flow", "period_return", "opening_equity", "closing_equity", "estimated", "days"]
    return pd.DataFrame(rows, index=index, columns=columns)


def last_days(gaps: pd.DataFrame, days: int) -> tuple[float, float]:
    """PnL (money) and TWR (a fraction) of the last `days` times 24 hours before the newest snapshot.

    The window opens with the last snapshot at or before its start; both are NaN when the
    history does not reach back that far, or something inside is unknown.

    Args:
        gaps: from `snapshot_returns`.
        days: length of the window.
    """
    if not len(gaps):
        return math.nan, math.nan
    since = gaps.index[-1] - pd.Timedelta(days=days)
    first = int(gaps.index.searchsorted(since, side="right"))
    # Gap k opens with the snapshot that closed gap k - 1; the very first snapshot closed none.
    if first == 0 and gaps["opening_slot"].iloc[0] > since:
        return math.nan, math.nan
    inside = gaps.iloc[first:]
    pnl = float(inside["closing"].iloc[-1] - inside["opening"].iloc[0] - inside["cash_flow"].sum(skipna=False))
    is_known = bool(inside["gap_return"].notna().all())
    return pnl, twr(inside["gap_return"]) if is_known else math.nan


# ---------------------------------------------------------------- gaps


def _micros(instants: pd.Series) -> np.ndarray:
    return pd.DatetimeIndex(instants).as_unit("us").asi8.astype("int64")


def _flows_by_gap(
    times: np.ndarray, intervals: np.ndarray, flows: pd.DataFrame | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gaps = max(len(times) - 1, 0)
    cash_flow, weighted, far = np.zeros(gaps), np.zeros(gaps), np.zeros(gaps, dtype=bool)
    if flows is None or not len(flows) or not gaps:
        return cash_flow, weighted, far
    at = _micros(flows["at"])
    value = flows["value"].to_numpy(dtype="float64")
    closing = times.searchsorted(at)
    # What came before the first snapshot is inside it; what came after the last is not seen yet.
    inside = (closing > 0) & (closing < len(times))
    at, value, closing = at[inside], value[inside], closing[inside]
    before, after = at - times[closing - 1], times[closing] - at
    np.add.at(cash_flow, closing - 1, value)
    np.add.at(weighted, closing - 1, value * (after / (before + after)))
    far[closing[np.maximum(before, after) > intervals[closing]] - 1] = True
    return cash_flow, weighted, far


# ---------------------------------------------------------------- days


def _of_user(flows: pd.DataFrame | None, user: str) -> pd.DataFrame | None:
    return flows if flows is None or "user" not in flows else flows[flows["user"] == user]


def _no_days() -> pd.DataFrame:
    return pd.DataFrame(columns=list(DAY_COLUMNS))


def _days_of_user(
    user: str, taken: pd.DataFrame, flows: pd.DataFrame | None, edges: pd.DatetimeIndex, as_of: datetime | None
) -> pd.DataFrame:
    complete = taken[(taken["grade"] == "complete") & taken["equity"].notna()]
    slots = pd.DatetimeIndex(complete["slot"])
    last = slots.searchsorted(edges, side="right") - 1
    known = last[1:] >= 0
    if not known.any():
        return _no_days()
    begins = (last[:-1] < 0)[known]
    opening, closing = last[:-1][known].clip(min=0), last[1:][known]
    days = _link(complete, snapshot_returns(complete, flows), opening, closing)
    days["estimated"] |= begins | _is_old(slots[closing], complete, closing, edges[1:][known], as_of)
    days["snapshots_complete"] = _count(slots, edges)[known]
    days["snapshots_taken"] = _count(pd.DatetimeIndex(taken["slot"]), edges)[known]
    days["user"], days["currency"] = user, complete["currency"].iloc[-1]
    days["day"] = edges[:-1][known].date
    return days


def _link(complete: pd.DataFrame, gaps: pd.DataFrame, opening: np.ndarray, closing: np.ndarray) -> pd.DataFrame:
    equity = complete["equity"].to_numpy(dtype="float64")
    seen = closing > opening
    growth = _over(np.multiply, 1.0 + gaps["gap_return"].to_numpy(), opening, closing, seen)
    cash_flow = _over(np.add, gaps["cash_flow"].to_numpy(), opening, closing, seen)
    cash_flow[~seen] = 0.0
    estimated = _over(np.maximum, gaps["estimated"].to_numpy(dtype="float64"), opening, closing, seen)
    pnl = np.where(seen, equity[closing] - equity[opening] - cash_flow, np.nan)
    return pd.DataFrame(
        {
            "opening_equity": equity[opening],
            "closing_equity": equity[closing],
            "cash_flow": cash_flow,
            "pnl": pnl,
            "day_return": growth - 1.0,
            "estimated": ~(estimated == 0.0),
        }
    )


def _over(fold: np.ufunc, gaps: np.ndarray, opening: np.ndarray, closing: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Fold the gaps of each day; NaN for a day without one. Gap k closes with snapshot k + 1."""
    folded = np.full(len(seen), np.nan)
    if seen.any():
        # The days' gaps follow one another without a hole, so the starts alone cut them.
        folded[seen] = fold.reduceat(gaps[: closing[seen][-1]], opening[seen])
    return folded


def _is_old(
    slots: pd.DatetimeIndex,
    complete: pd.DataFrame,
    closing: np.ndarray,
    ends: pd.DatetimeIndex,
    as_of: datetime | None,
) -> np.ndarray:
    limit = pd.to_timedelta(LONG_GAP * complete["interval_seconds"].to_numpy()[closing], unit="s")
    measured = ends if as_of is None else ends.where(ends <= pd.Timestamp(as_of), pd.Timestamp(as_of))
    return np.asarray(measured - slots > limit)


def _count(slots: pd.DatetimeIndex, edges: pd.DatetimeIndex) -> np.ndarray:
    return np.diff(slots.searchsorted(edges, side="left"))


# ---------------------------------------------------------------- periods


def _period_starts(days: pd.Series, period: str) -> pd.Series:
    if period == "D":
        return days
    if period == "W":
        return days.map(lambda day: day - timedelta(days=day.weekday()))
    if period == "M":
        return days.map(lambda day: day.replace(day=1))
    if period == "Y":
        return days.map(lambda day: day.replace(month=1, day=1))
    message = f"unknown period {period!r}: use 'D', 'W', 'M' or 'Y'"
    raise BadInputError(message)


def _period(days: pd.DataFrame) -> tuple[float, float, float, float, float, bool, int]:
    unknown_flow = bool(days["cash_flow"].isna().any())
    seen = days["pnl"].notna()
    broken = unknown_flow or bool((days["day_return"].isna() & seen).any())
    return (
        math.fsum(days["pnl"][seen]) if seen.any() and not unknown_flow else math.nan,
        math.fsum(days["cash_flow"]),
        math.nan if broken else twr(days["day_return"]),
        float(days["opening_equity"].iloc[0]),
        float(days["closing_equity"].iloc[-1]),
        bool(days["estimated"].any()),
        len(days),
    )
