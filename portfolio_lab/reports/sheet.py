"""Sheet: what a tearsheet of a user, an account or the desk is drawn from; never what it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError

PERIODS_PER_YEAR = 365
"""Of daily returns, in a market that never closes."""

RISK_FREE = 0.0
"""The annual rate that ratios are taken above."""

Part = Literal["user", "account", "desk"]

_FEWEST_DAYS = 2


@dataclass(frozen=True, slots=True)
class Sheet:
    """Daily returns of one part of the book, and what they are compared with.

    Dates are tz-naive UTC, ascending and unique; returns are fractions net of cash flows, and a
    closed day is either in `known` or in `missing`.
    """

    name: str
    """Whose, as a reader knows it: "alice", "alice / binance / main", "desk"."""
    scope: Part
    known: pd.Series
    """Daily TWR of every closed UTC day with a known return: what our figures are of."""
    returns: pd.Series
    """What is drawn: those of them that have a benchmark, where there is one."""
    benchmark: pd.Series | None
    """Daily simple changes on the dates of `returns`; its name is the asset."""
    notes: tuple[str, ...]
    missing: pd.DatetimeIndex
    """Closed days without a known return."""
    estimated: pd.DatetimeIndex
    """Days whose known return is an estimate."""


class Books(Protocol):
    """The part of a Lab that a sheet is made from; portfolio_lab/lab.py tells what each returns."""

    def returns(self, user: str) -> pd.Series: ...  # noqa: D102
    def pnl(self, user: str) -> pd.DataFrame: ...  # noqa: D102
    def scope(self, user: str | None = None, account: str | None = None) -> Any: ...  # noqa: ANN401, D102 - a Scope
    def benchmark(self, asset: str = "BTC") -> pd.Series: ...  # noqa: D102


def sheet_of(
    lab: Books, user: str | None = None, account: str | None = None, *, benchmark: str | None = "BTC"
) -> Sheet:
    """Return the sheet of one user, of one account of theirs, or (without a user) of the whole desk.

    Args:
        lab: where the returns come from.
        user: whose; None for the desk.
        account: "venue:label" of theirs; None for all of the user.
        benchmark: an asset whose stored prices are compared with; None for none. Left out, and
            said so in the notes, when too few of its prices are stored.

    Raises:
        BadInputError: no such user or account; fewer than two days with a known return; nothing
            but flat days; a return that is infinite; two returns on one day.
    """
    rows = _days(lab, user, account)
    whose = "the desk" if user is None else f"user {user}" if account is None else f"account {account} of {user}"
    known = rows["day_return"].dropna()
    _check(known, whose)
    compared = None if benchmark is None else _changes(lab, benchmark, known)
    missing = pd.DatetimeIndex(rows.index[rows["day_return"].isna()])
    return Sheet(
        name=_name(user, account),
        scope="desk" if user is None else "user" if account is None else "account",
        known=known,
        returns=known if compared is None else known.loc[compared.index],
        benchmark=compared,
        notes=_notes(known, missing, benchmark, compared),
        missing=missing,
        estimated=pd.DatetimeIndex(known.index[rows["estimated"].reindex(known.index).to_numpy(dtype="bool")]),
    )


def dated(series: pd.Series) -> pd.Series:
    """Return the series on tz-naive UTC dates, in order."""
    index = pd.DatetimeIndex(series.index)
    dates = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).normalize()
    return pd.Series(series.to_numpy(), dates, name=series.name).sort_index(kind="stable")


# ---------------------------------------------------------------- the days


def _days(lab: Books, user: str | None, account: str | None) -> pd.DataFrame:
    """Return `day_return` and `estimated` of every date from the first closed day to the last."""
    if user is not None and account is None:
        returns, rows = dated(lab.returns(user).astype("float64")), lab.pnl(user)
    else:
        rows = lab.scope(user, account).pnl("D")
        rows = rows[~rows["partial"].astype("bool")]
        returns = dated(rows["period_return"].astype("float64"))
    _check_days(returns, _name(user, account))
    estimated = dated(rows["estimated"].astype("bool"))
    days = pd.date_range(returns.index[0], returns.index[-1], freq="D") if len(returns) else returns.index
    estimated = estimated[~estimated.index.duplicated()].reindex(days, fill_value=False)
    return pd.DataFrame({"day_return": returns.reindex(days), "estimated": estimated})


def _name(user: str | None, account: str | None) -> str:
    return "desk" if user is None else " / ".join((user, *(account.split(":") if account else ())))


def _check_days(returns: pd.Series, name: str) -> None:
    if returns.index.has_duplicates:
        day = returns.index[returns.index.duplicated()][0]
        raise BadInputError(f"{name} has two returns on {day:%Y-%m-%d}: give one a day")
    if np.isinf(returns.to_numpy()).any():
        day = returns.index[np.isinf(returns.to_numpy())][0]
        raise BadInputError(f"the return of {name} on {day:%Y-%m-%d} is infinite: look at that day with lab.pnl()")


def _check(known: pd.Series, whose: str) -> None:
    if len(known) < _FEWEST_DAYS:
        raise BadInputError(
            f"a tearsheet needs {_FEWEST_DAYS} closed days with a known return; {whose} has {len(known)}. "
            "Let sync run for longer, or mend the days that are not complete."
        )
    if not known.any():
        raise BadInputError(f"every return of {whose} is 0: there is nothing to draw yet")


# ---------------------------------------------------------------- the benchmark


def _changes(lab: Books, asset: str, known: pd.Series) -> pd.Series | None:
    prices = dated(lab.benchmark(asset).astype("float64"))
    prices = prices[~prices.index.duplicated(keep="last")]
    # A day without prices is in the next day's change, as a day without snapshots is in ours.
    changes = prices.ffill().pct_change(fill_method=None).reindex(known.index)
    changes = changes.where(np.isfinite(changes)).dropna()
    if len(changes) < max(_FEWEST_DAYS, len(known) // 2) or not changes.any():
        return None
    if not known.loc[changes.index].any():
        return None
    return changes.rename(asset)


def _notes(
    known: pd.Series, missing: pd.DatetimeIndex, asset: str | None, compared: pd.Series | None
) -> tuple[str, ...]:
    notes = [f"Closed UTC days, net of cash flows: {len(known)}, at {PERIODS_PER_YEAR} a year."]
    if len(missing):
        notes.append(f"Left out, because their return is not known: {len(missing)}.")
    if asset is not None and compared is None:
        notes.append(f"No benchmark: too few stored prices of {asset}.")
    if compared is not None and len(compared) < len(known):
        notes.append(f"Not in the charts, for want of a price of {asset}: {len(known) - len(compared)}.")
    return tuple(notes)
