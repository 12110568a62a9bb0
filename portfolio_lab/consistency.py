"""Whether what is derived agrees with what it is derived from: states and days against the snapshots.

`users_portfolio_state` and `performance_history` are written in the commit of the snapshots that
they tell of, and written again when those are. This reckons both anew and compares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from portfolio_lab.archive import Archive, Facts, frame_from
from portfolio_lab.engines.returns import day_rows
from portfolio_lab.models.tables import CASH_FLOWS, PERFORMANCE_HISTORY, PORTFOLIO_SNAPSHOTS, USERS_PORTFOLIO_STATE
from portfolio_lab.scopes import shown_flows

Row = dict[str, Any]

_CLOSE = 1e-9
_OF_NEWEST = ("at", "grade", "reason", "currency")
_OF_COMPLETE = ("equity", "unrealised_pnl", "gross_exposure", "net_exposure")
_OF_DAY = ("opening_equity", "closing_equity", "cash_flow", "pnl", "day_return")
_TAKEN = ("user", "slot", "at", "interval_seconds", "grade", "currency", "equity")
_EXTERNAL = "external"


def inconsistencies(store: Facts) -> Iterator[str]:
    """Yield a sentence for each derived figure that does not follow from the stored snapshots and cash flows.

    A state must tell the newest and the last complete snapshot of its user, as they are or as they
    were known when it was written. Equity, flow, PnL and return of a stored day must be what
    the snapshots and flows give now, to 1e-9 of the larger of the two. Marks and counts of a day
    are not compared: thinned days keep those of before. Reads every user's whole history.
    """
    stamped = [*USERS_PORTFOLIO_STATE.schema.names, "committed_at"]
    for state in store.read(USERS_PORTFOLIO_STATE.name, columns=stamped).to_pylist():
        now = list(_faults_of_state(store, state, known=None))
        if now and list(_faults_of_state(store, state, known=state["committed_at"])):
            yield from now
    days = frame_from(store.read(PERFORMANCE_HISTORY.name))
    for user, stored in days.groupby("user", sort=True):
        yield from _faults_of_days(store, str(user), stored)


def _faults_of_state(store: Facts, state: Row, *, known: datetime | None) -> Iterator[str]:
    columns = ["slot", *_OF_NEWEST, *_OF_COMPLETE]
    user, since = state["user"], state["complete_slot"]
    rows = store.read(PORTFOLIO_SNAPSHOTS.name, users=[user], since=since, columns=columns, known=known).to_pylist()
    complete = [row for row in rows if row["grade"] == "complete"]
    yield from _unlike(user, state, rows[-1] if rows else None, "slot", _OF_NEWEST)
    yield from _unlike(user, state, complete[-1] if complete else None, "complete_slot", _OF_COMPLETE)


def _unlike(user: str, state: Row, snapshot: Row | None, place: str, names: tuple[str, ...]) -> Iterator[str]:
    slot = None if snapshot is None else snapshot["slot"]
    if state[place] != slot:
        yield f"users_portfolio_state of {user}: {place} is {_said(state[place])}, the snapshots say {_said(slot)}"
    elif snapshot is not None:
        for name in names:
            if not _alike(state[name], snapshot[name]):
                yield (
                    f"users_portfolio_state of {user}: {name} is {_said(state[name])}, "
                    f"the snapshot of {_said(slot)} says {_said(snapshot[name])}"
                )


def _faults_of_days(store: Facts, user: str, stored: pd.DataFrame) -> Iterator[str]:
    taken = frame_from(store.read(PORTFOLIO_SNAPSHOTS.name, users=[user], columns=_TAKEN))
    if not len(taken):
        yield f"performance_history of {user}: {len(stored)} day(s) are stored without any snapshot"
        return
    flows = frame_from(store.read(CASH_FLOWS.name, users=[user], since=taken["slot"].min()))
    crossing = flows[flows["scope"].isna() | (flows["scope"] == _EXTERNAL)]
    first, last = min(stored["day"]), max(stored["day"])
    shown = shown_flows(Archive(store), user, taken, crossing)
    reckoned = _by_day(day_rows(taken, shown, first, last + timedelta(days=1)))
    told = _by_day(stored)
    for day in sorted(told.keys() | reckoned.keys()):
        yield from _unlike_day(user, day, told.get(day), reckoned.get(day))


def _unlike_day(user: str, day: date, told: Row | None, reckoned: Row | None) -> Iterator[str]:
    place = f"performance_history of {user}, {day}"
    if told is None:
        yield f"{place}: the day is missing, though there are snapshots"
    elif reckoned is None:
        yield f"{place}: the day is stored, though no snapshot tells of it"
    else:
        for name in _OF_DAY:
            if not _alike(told[name], reckoned[name]):
                yield f"{place}: {name} is {_said(told[name])}, snapshots and flows give {_said(reckoned[name])}"


def _by_day(rows: pd.DataFrame) -> dict[date, Row]:
    records = ({str(name): value for name, value in row.items()} for row in rows.to_dict("records"))
    return {pd.Timestamp(row["day"]).date(): row for row in records}


def _alike(one: object, other: object) -> bool:
    if _is_unknown(one) or _is_unknown(other):
        return _is_unknown(one) and _is_unknown(other)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return one == other


def _is_unknown(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _said(value: object) -> str:
    if _is_unknown(value):
        return "unknown"
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else str(value)
