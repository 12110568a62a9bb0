"""What was known when: a lab as it was then, and what has been told anew since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Self

import pandas as pd

from portfolio_lab.archive import Archive, AsKnown, Facts
from portfolio_lab.models.tables import (
    CASH_FLOWS,
    ESTIMATED_EQUITY,
    FILLS,
    INCOME,
    PERFORMANCE_HISTORY,
    PORTFOLIO_SNAPSHOTS,
    RESTATEMENTS,
    TRANSFERS,
    WALLETS,
    Table,
)
from portfolio_lab.settings import Settings
from portfolio_lab.store.parquet import COMMITTED_AT
from portfolio_lab.store.revisions import told_again
from portfolio_lab.timelines import Instant, bound, instant

Row = dict[str, Any]
_Reasons = Mapping[tuple[datetime, str], str]

ABOUT_THE_PAST = (
    PORTFOLIO_SNAPSHOTS,
    WALLETS,
    CASH_FLOWS,
    TRANSFERS,
    FILLS,
    INCOME,
    ESTIMATED_EQUITY,
    PERFORMANCE_HISTORY,
)
"""The tables of which a row, once written, is meant to stand; the other tables' rows move on by design."""

COLUMNS = ("table", "key", "column", "before", "after", "known_at", "reason")
_WHEN_KNOWN = ("known_at", COMMITTED_AT.name)
_LATE = "late"


class Hindsight:
    """The part of a Lab that looks back at what was known."""

    settings: Settings
    _archive: Archive

    def __init__(self, store: Facts, settings: Settings) -> None:
        raise NotImplementedError

    def _check(self, user: str) -> None:
        raise NotImplementedError

    def at(self, known: Instant) -> Self:
        """Return this lab as it was known at an instant: every report answers from what was committed by then.

        Late rows, corrections and restatements that came later are not in it. The answer of a past
        instant never changes; that of the last minutes may, while a commit is under way.
        """
        moment = instant(known).to_pydatetime()
        return type(self)(AsKnown(self._archive.store, moment), self.settings)

    def restatements(self, user: str, since: Instant = None, until: Instant = None) -> pd.DataFrame:
        """What was told anew about the past, by rising `known_at`.

        Args:
            user: whose rows.
            since: changes that became known from here on.
            until: and before here.

        Returns:
            A row for each figure that changed: `table`, `key` (of the row in it, without the user),
            `column`, `before` and `after` (None when unknown), `known_at` (when the store knew it)
            and `reason` (confirmed, in_transit, changed, ..., or late: a row of a time that had been read
            already; that has neither column, before nor after).
        """
        self._check(user)
        start, end = bound(since), bound(until)
        told = self._archive.store.revisions(RESTATEMENTS.name, users=[user]).to_pylist()
        reasons = {(row[COMMITTED_AT.name], row["row_id"]): row["reason"] for row in told}
        changes = [change for table in ABOUT_THE_PAST for change in self._changes(table, user, reasons)]
        changes += [_late(row) for row in told if row["reason"] == _LATE]
        frame = pd.DataFrame(changes, columns=list(COLUMNS)).astype({"before": "object", "after": "object"})
        frame["known_at"] = pd.to_datetime(frame["known_at"], utc=True)
        inside = (frame["known_at"] >= start if start is not None else True) & (
            frame["known_at"] < end if end is not None else True
        )
        frame = frame[pd.Series(inside, index=frame.index)]
        return frame.sort_values(["known_at", "table", "key", "column"], kind="stable", ignore_index=True)

    def _changes(self, table: Table, user: str, reasons: _Reasons) -> Iterator[Row]:
        rows = told_again(table, self._archive.store.revisions(table.name, users=[user])).to_pylist()
        for before, after in pairwise(rows):
            if all(before[name] == after[name] for name in table.key):
                yield from _differences(table, before, after, reasons)


def _differences(table: Table, before: Row, after: Row, reasons: _Reasons) -> Iterator[Row]:
    known_at = after[COMMITTED_AT.name]
    names = (_text(after["slot"]) if "slot" in table.key else "", "/".join(str(after[one]) for one in table.key[2:]))
    reason = next((reasons[known_at, name] for name in names if (known_at, name) in reasons), "changed")
    for name in table.schema.names:
        if name not in _WHEN_KNOWN and before[name] != after[name]:
            figures = {"before": _figure(before[name]), "after": _figure(after[name])}
            place = {"table": table.name, "key": _key(table, after), "column": name}
            yield {**place, **figures, "known_at": known_at, "reason": reason}


def _late(row: Row) -> Row:
    place = {"table": row["table"], "key": f"{row['account']}/{row['row_id']}".strip("/"), "column": ""}
    return {**place, "before": None, "after": None, "known_at": row[COMMITTED_AT.name], "reason": _LATE}


def _key(table: Table, row: Row) -> str:
    return "/".join(_text(row[name]) for name in table.key if name != "user")


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value.isoformat() if isinstance(value, date) else str(value)


def _figure(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value
