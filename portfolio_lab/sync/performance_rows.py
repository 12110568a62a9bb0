"""Closed UTC days as rows of performance_history, written once their cash flows are all known.

Most cycles close no day and read nothing. When one does, the snapshots since the last stored
day are read; a flow that a venue reports late has its day written anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from portfolio_lab.engines.cash_flows import read_meanwhile, shown_at
from portfolio_lab.engines.returns import day_rows
from portfolio_lab.models.tables import CASH_FLOWS, PORTFOLIO_SNAPSHOTS, WALLETS
from portfolio_lab.sync.cash_flow_rows import EXTERNAL
from portfolio_lab.sync.grading import Moment
from portfolio_lab.sync.rows import Row, known
from portfolio_lab.sync.state_rows import Progress, progress_of

if TYPE_CHECKING:
    from portfolio_lab.store import Store

DAY = timedelta(days=1)
LOOK_BACK = 2 * DAY
_SNAPSHOT_COLUMNS = ["user", "slot", "at", "interval_seconds", "grade", "currency", "equity"]
_READING_COLUMNS = ["slot", "account", "wallet", "received_at"]
_TICK = timedelta(microseconds=1)
_MONEY = ("opening_equity", "closing_equity", "cash_flow", "pnl", "day_return")


def closed_day_rows(
    store: Store,
    user: str,
    before: Mapping[str, object] | None,
    *,
    snapshots: pa.Table,
    flows: Sequence[Row],
    flows_until: datetime | None,
    moment: Moment,
    known_at: datetime,
    restated_since: datetime | None = None,
) -> tuple[Progress, list[Row]]:
    """Return how far the user has come, and rows for the days that this cycle closes or mends.

    Args:
        store: holds the earlier snapshots and cash flows.
        user: whose days.
        before: the user's stored state, None in the first cycle.
        snapshots: this cycle's rows of portfolio_snapshots, not stored yet.
        flows: this cycle's new rows of cash_flows of this user, not stored yet.
        flows_until: cash flows of all the user's accounts are known up to here.
        moment: the slot; a day is closed when both the slot and `flows_until` reach its end.
        known_at: goes into that column.
        restated_since: the first slot whose snapshot this cycle told anew; its day is written again.
    """
    day = progress_of(before).day
    until = _first_open_day(moment.slot, flows_until)
    since = _first_day(before, until, flows, restated_since)
    if before is None or until is None or (since is not None and since >= until):
        return Progress(flows_until, day), []
    taken = _snapshots(store, user, since, snapshots)
    first = since or taken["slot"].min().date()
    if first >= until:
        return Progress(flows_until, day), []
    known_flows = _shown(store, user, taken, _flows(store, user, taken["slot"].min(), flows))
    rows = day_rows(taken, known_flows, first, until, known_at=known_at)
    last = until - DAY
    return Progress(flows_until, last if day is None else max(day, last)), [_row(row) for row in _records(rows)]


def _first_open_day(slot: datetime, flows_until: datetime | None) -> date | None:
    return None if flows_until is None else min(slot, flows_until).astimezone(UTC).date()


def _first_day(
    before: Mapping[str, object] | None, until: date | None, flows: Sequence[Row], restated_since: datetime | None
) -> date | None:
    """Return the first day to write; None when it is the day of the user's first snapshot."""
    progress = progress_of(before)
    if progress.day is None:
        was_open = _first_open_day(before["slot"], progress.flows_until) if before else None  # type: ignore[arg-type]
        return until if was_open is not None and was_open == until else None
    # A flow just after midnight may belong to the snapshot that closed the day before.
    late: list[date] = [flow["at"].astimezone(UTC).date() - DAY for flow in flows]  # type: ignore[attr-defined]
    if restated_since is not None:
        late.append(restated_since.astimezone(UTC).date() - DAY)
    return min([progress.day + DAY, *late])


def _snapshots(store: Store, user: str, since: date | None, now: pa.Table) -> pd.DataFrame:
    mine = now.filter(pc.field("user") == user).select(_SNAPSHOT_COLUMNS)
    if since is not None:
        midnight = datetime.combine(since, time(), UTC)
        recent = _taken(store, user, mine, since=midnight - LOOK_BACK)
        opens = recent[(recent["grade"] == "complete") & (recent["slot"] <= midnight)]
        if len(opens):
            return recent
    return _taken(store, user, mine, since=None)


def _taken(store: Store, user: str, mine: pa.Table, *, since: datetime | None) -> pd.DataFrame:
    older = store.read(PORTFOLIO_SNAPSHOTS.name, users=[user], since=since, columns=_SNAPSHOT_COLUMNS)
    return pd.concat([older.to_pandas(), mine.to_pandas()], ignore_index=True)


def _flows(store: Store, user: str, since: datetime, fresh: Sequence[Row]) -> pd.DataFrame:
    stored = store.read(CASH_FLOWS.name, users=[user], since=since).to_pylist()
    by_key = {tuple(row[name] for name in CASH_FLOWS.key): row for row in [*stored, *fresh]}
    crossing = [row for row in by_key.values() if row["scope"] in {None, EXTERNAL} and row["at"] >= since]
    columns = ["user", "at", "value", "account", "wallet", "kind"]
    frame = pd.DataFrame([[row[name] for name in columns] for row in crossing], columns=columns)
    frame["at"] = pd.to_datetime(frame["at"], utc=True).astype("datetime64[us, UTC]")
    frame["value"] = frame["value"].astype("float64")
    return frame


def _shown(store: Store, user: str, taken: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """Return the flows with `at` moved behind a snapshot whose wallet had answered before they came."""
    complete = taken[(taken["grade"] == "complete") & taken["equity"].notna()].sort_values("slot")
    slots = read_meanwhile(flows, complete)
    if not slots:
        return flows
    parts = [
        store.read(WALLETS.name, users=[user], since=slot, until=slot + _TICK, columns=_READING_COLUMNS).to_pandas()
        for slot in slots
    ]
    return flows.assign(at=shown_at(flows, complete, pd.concat(parts, ignore_index=True)))


def _records(rows: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in record.items()} for record in rows.to_dict("records")]


def _row(record: Row) -> Row:
    # NaN is how a frame says unknown; a stored column says it by null.
    money = {name: known(float(record[name])) for name in _MONEY}  # type: ignore[arg-type]
    day = record["day"]
    return {
        **record,
        **money,
        "day": day.date() if isinstance(day, datetime) else day,
        "snapshots_complete": int(record["snapshots_complete"]),  # type: ignore[call-overload]
        "snapshots_taken": int(record["snapshots_taken"]),  # type: ignore[call-overload]
        "estimated": bool(record["estimated"]),
    }
