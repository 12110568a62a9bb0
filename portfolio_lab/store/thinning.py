"""Thinning: after some days one snapshot an hour is enough, and no figure of a day may change.

Of a sealed day that is old enough these snapshots of a user stay, the others go:

- the last complete one of each hour, (09:00, 10:00]; in an hour without one, the last that was taken;
- the first and the last complete one of the day: they open and close it;
- the complete ones on both sides of every cash flow and every restatement, because returns are
  weighed there, and of every snapshot without positive equity;
- those that an attestation, a suspicion or a restatement names.

Balances, positions, wallets and orders follow their snapshot, prices stay where any user's
snapshot does. Flows, fills, transfers, income, restatements and the rows of performance_history
are never thinned. So returns and PnL by day come out the same when they are reckoned anew, but
the marks do not: a gap of an hour is longer than two intervals, so a day reckoned anew is
`estimated`, and counts fewer snapshots. The stored rows of performance_history keep their marks.
Days of a zone that is half an hour off then close up to an hour early; those of whole hours do not.

High and low of an hour (`hourly/`) are reckoned from what stays, and laid months (`months/`) go until the
next fold lays what stays. Rows that a restatement superseded stay in `revisions/`. A row that went is
gone: nothing but a backup brings it back.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.store.fold import UNSEALED
from portfolio_lab.store.laying import Laying
from portfolio_lab.store.log import LogDay, fold_name
from portfolio_lab.store.manifest import Chain
from portfolio_lab.store.parts import Parts
from portfolio_lab.store.records import Fold, StoredFile
from portfolio_lab.store.store import Store
from portfolio_lab.store.verify import THINNED

SNAPSHOTS = "portfolio_snapshots"
BY_USER = (SNAPSHOTS, "wallets", "balances", "positions", "open_orders")
BY_SLOT = ("prices",)
LEAST_DAYS = 2
"""Returns of today are weighed from the snapshots of yesterday: both stay as they are."""

_AROUND = timedelta(hours=1)
_NAMED_BY = (("attestations", "slot"), ("suspicions", "first_slot"), ("suspicions", "slot"), ("restatements", "at"))
_WEIGHED_AT = ("cash_flows", "restatements")


@dataclass(slots=True)
class Thinned:
    """Rows and bytes of one table in the days that are thinned, before and after.

    Bytes after are estimated by the rows unless the thinning was done.
    """

    rows_before: int = 0
    rows_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass(slots=True)
class Thinning:
    """What a thinning did, or would do."""

    days: list[str] = field(default_factory=list)
    tables: dict[str, Thinned] = field(default_factory=dict)

    def rows_gone(self) -> int:
        """Return how many rows go."""
        return sum(one.rows_before - one.rows_after for one in self.tables.values())


@dataclass(frozen=True, slots=True)
class _Change:
    """One file, and the rows of it that stay."""

    stored: StoredFile
    rows: pa.Table


def thin(store: Store, *, raw_days: int, today: date, apply: bool = False) -> Thinning:
    """Return what thinning the days before the last `raw_days` takes away; it is done with `apply`.

    Args:
        store: an open store; only its sealed days are looked at.
        raw_days: how many days before `today` keep every snapshot, at least 2.
        today: the current UTC day.
        apply: write it. Cannot be undone.

    Raises:
        BadInputError: `raw_days` is too few.
        StoreError: a file is damaged, or another process folded the same day; what was done
            stays, and nothing is half done.
    """
    if raw_days < LEAST_DAYS:
        raise BadInputError(f"raw days {raw_days}: at least {LEAST_DAYS} days must keep every snapshot")
    parts, facts, done = store.parts(), _facts(store), Thinning()
    until = (today - timedelta(days=raw_days)).isoformat()
    for day in parts.log.days():
        if day.day >= until or not _is_sealed(day) or _is_thin(day):
            continue
        changes = list(_changes(store, parts, facts, day))
        if changes:
            _tell(done, day.day, changes, _replaced(parts, day, changes) if apply else None)
    if done.days and apply:
        Chain(parts.files, parts.log, parts.clock).lengthen(today)
        # What was laid before holds rows that are to be gone; the next fold lays those that stay.
        Laying(parts.files, parts.reader, parts.tables).sweep()
    return done


def _replaced(parts: Parts, day: LogDay, changes: list[_Change]) -> tuple[StoredFile, ...]:
    try:
        return _replace(parts, day, changes)
    except OSError as error:
        raise StoreError(
            f"cannot thin {day.day} of {parts.files.root}: {error.strerror or error}. "
            "That day stays as it was; thin again."
        ) from error


def _is_sealed(day: LogDay) -> bool:
    return not day.uncovered() and not any(one.path.startswith(UNSEALED) for one in day.live)


def _is_thin(day: LogDay) -> bool:
    newest = day.folds[max(day.folds)] if day.folds else None
    return newest is not None and any(one.path.rpartition("/")[2].startswith(THINNED) for one in newest.adds)


# ---------------------------------------------------------------- which rows go


def _changes(store: Store, parts: Parts, facts: _Facts, day: LogDay) -> Iterator[_Change]:
    gone, slots_gone = _dropped(store, facts, date.fromisoformat(day.day))
    if not len(gone):
        return
    for stored in day.live:
        if stored.path.startswith("sealed/") and stored.table in BY_USER + BY_SLOT:
            rows = parts.reader.load(stored)
            mask = _drop_mask(rows, gone if stored.table in BY_USER else None, slots_gone)
            if mask.any():
                yield _Change(stored, rows.filter(pa.array(~mask)))


def _drop_mask(rows: pa.Table, gone: pd.MultiIndex | None, slots_gone: pd.DatetimeIndex) -> np.ndarray:
    slots = pd.DatetimeIndex(rows.column("slot").to_pandas())
    if gone is None:
        return np.asarray(slots.isin(slots_gone))
    keys = pd.MultiIndex.from_arrays([rows.column("user").to_pandas(), slots])
    return np.asarray(keys.isin(gone))


def _dropped(store: Store, facts: _Facts, day: date) -> tuple[pd.MultiIndex, pd.DatetimeIndex]:
    """Return the snapshots (user, slot) of a day that go, and the slots at which nobody's stays."""
    taken = store.read(
        SNAPSHOTS, since=day, until=day + timedelta(days=1), columns=["user", "slot", "at", "grade", "equity"]
    ).to_pandas()
    keeps, none = np.zeros(len(taken), dtype=bool), pd.DatetimeIndex([], tz="UTC")
    named, weighed = facts.of_day(day)
    # Sorted by user and slot, as every reading is.
    for user, rows in taken.groupby("user", sort=False):
        of_user = _kept(rows, weighed.get(str(user), none))
        keeps[rows.index] = of_user | rows["slot"].isin(named.get(str(user), none)).to_numpy()
    gone, kept = taken[~keeps], taken[keeps]
    slots_gone = pd.DatetimeIndex(gone["slot"].unique()).difference(pd.DatetimeIndex(kept["slot"].unique()))
    return pd.MultiIndex.from_frame(gone[["user", "slot"]]), slots_gone


def _kept(rows: pd.DataFrame, weighed: pd.DatetimeIndex) -> np.ndarray:
    complete = ((rows["grade"] == "complete") & rows["equity"].notna()).to_numpy()
    hours = rows["slot"].dt.ceil("h").to_numpy()
    keeps = np.zeros(len(rows), dtype=bool)
    last_taken = np.append(hours[1:] != hours[:-1], True)
    places = np.flatnonzero(complete)
    if len(places):
        last_complete = np.append(hours[places][1:] != hours[places][:-1], True)
        keeps[places[last_complete]] = True
        keeps[places[_beside(rows.iloc[places], weighed)]] = True
    keeps |= last_taken & ~np.isin(hours, hours[places])
    return keeps


def _beside(complete: pd.DataFrame, weighed: pd.DatetimeIndex) -> np.ndarray:
    """Return the places of the first and the last one, and of those around a flow or without positive equity."""
    last = len(complete) - 1
    times = np.maximum.accumulate(pd.DatetimeIndex(complete["at"]).as_unit("us").asi8)
    closing = times.searchsorted(weighed.as_unit("us").asi8)
    poor = np.flatnonzero(complete["equity"].to_numpy() <= 0)
    around = np.concatenate([[0, last], closing, closing - 1, poor, poor - 1, poor + 1]).astype("int64")
    return np.unique(around[(around >= 0) & (around <= last)])


@dataclass(frozen=True, slots=True)
class _Facts:
    """Which slots other facts name, and when returns are weighed: frames of `user` and `instant`."""

    named: pd.DataFrame
    weighed: pd.DataFrame

    def of_day(self, day: date) -> tuple[dict[str, pd.DatetimeIndex], dict[str, pd.DatetimeIndex]]:
        """Return both by user, those of the day; of the weighed ones also what is just beside it."""
        since = pd.Timestamp(day, tz="UTC")
        until = since + timedelta(days=1)
        return _by_user(self.named, since, until), _by_user(self.weighed, since - _AROUND, until + _AROUND)


def _facts(store: Store) -> _Facts:
    return _Facts(_instants(store, _NAMED_BY), _instants(store, tuple((table, "at") for table in _WEIGHED_AT)))


def _instants(store: Store, places: tuple[tuple[str, str], ...]) -> pd.DataFrame:
    parts = [
        store.read(table, columns=["user", column]).rename_columns(["user", "instant"]).to_pandas()
        for table, column in places
    ]
    return pd.concat(parts, ignore_index=True)


def _by_user(facts: pd.DataFrame, since: pd.Timestamp, until: pd.Timestamp) -> dict[str, pd.DatetimeIndex]:
    inside = facts[(facts["instant"] >= since) & (facts["instant"] < until)]
    return {str(user): pd.DatetimeIndex(rows["instant"]) for user, rows in inside.groupby("user")}


# ---------------------------------------------------------------- doing it


def _replace(parts: Parts, day: LogDay, changes: list[_Change]) -> tuple[StoredFile, ...]:
    """Put a record that takes the old files out and the thinner ones in; they count from one moment to the next."""
    started, started_at, sequence = time.monotonic(), parts.clock(), day.next_sequence()
    adds: list[StoredFile] = []
    try:
        # Each file is in `adds` as soon as it is written, for the clearing up below.
        adds.extend(_written(parts, sequence, change) for change in changes if change.rows.num_rows)
        parts.committer.sync_folders(adds)
        removes = tuple(change.stored.path for change in changes)
        fold = Fold(day.day, sequence, started_at, (), removes, tuple(adds))
        parts.committer.check_fence(started, started_at)
        won = parts.committer.acknowledge(day.day, fold_name(sequence), fold)
    except BaseException:
        if not parts.committer.is_linked(f"{parts.log.folder(day.day)}/{fold_name(sequence)}"):
            parts.committer.discard(adds)
        raise
    if not won:
        parts.committer.discard(adds)
        raise StoreError(f"another process folded {day.day} at the same time; thin again")
    for path in removes:
        # At once, or who reads the sealed folder without the log sees the rows twice.
        with contextlib.suppress(OSError):
            parts.files.remove(path)
    return tuple(adds)


def _written(parts: Parts, sequence: int, change: _Change) -> StoredFile:
    old = change.stored
    stem = f"{THINNED}{sequence:06d}-{secrets.token_hex(6)}"
    folder = old.path.rpartition("/")[0]
    table = parts.tables[old.table]
    stored = parts.committer.add_file(
        folder, stem, table, change.rows, known_at=old.known_at, known_from=old.known_from
    )
    if fault := parts.reader.check(stored):
        parts.committer.discard([stored])
        raise StoreError(f"thinning was given up: {fault}")
    return stored


def _tell(done: Thinning, day: str, changes: list[_Change], adds: tuple[StoredFile, ...] | None) -> None:
    done.days.append(day)
    for change in changes:
        table, rows = done.tables.setdefault(change.stored.table, Thinned()), change.rows.num_rows
        table.rows_before += change.stored.rows
        table.rows_after += rows
        table.bytes_before += change.stored.size
        if adds is None:
            table.bytes_after += round(change.stored.size * rows / max(1, change.stored.rows))
    for added in adds or ():
        done.tables[added.table].bytes_after += added.size
