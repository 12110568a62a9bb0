"""Activity as rows of its tables, and what of it is new, changed or late.

A stream reads an overlap again and again; a row that the store has in the same words is not
written. A row that the venue reports only after its time had been read, or that it changed, is
written with a restatement beside it, so that every change of the past can be found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from portfolio_lab.models.accounts import Account
from portfolio_lab.models.activity import (
    ActivityRow,
    ActivityStep,
    CashFlow,
    EquityEstimate,
    Fill,
    Income,
    Transfer,
)
from portfolio_lab.models.holdings import WalletReading
from portfolio_lab.models.tables import ESTIMATED_EQUITY, FILLS, INCOME, TRANSFERS, Table
from portfolio_lab.sync.amounts import stored, stored_or_none
from portfolio_lab.sync.reading import AccountReading
from portfolio_lab.sync.rows import Row

if TYPE_CHECKING:
    from portfolio_lab.store import Store

CursorKey = tuple[str, str, str]
"""(user, account, stream)."""

TRANSFER_IN, TRANSFER_OUT = "transfer_in", "transfer_out"
"""Kinds of flow between an account and another one of its family: a sub-account, or the master."""

SERVICES = ("fiat", "pay")
"""Kinds of income that are no income: money that comes from outside, or goes there."""

ZERO = Decimal(0)

_JUST_WRITTEN = {"known_at", "price", "value", "currency", "price_source"}
"""Columns that are ours and may differ between two writings of one fact."""

_OURS = {"scope", "pair_id", "committed_at"}
"""Columns of cash flows that say what we found out, and nothing that the venue told."""


@dataclass(slots=True)
class ActivityRows:
    """What one cycle's steps come to. `flows` are still cash flows: they are valued elsewhere."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    flows: list[tuple[Account, CashFlow]] = field(default_factory=list)
    cursors: dict[CursorKey, Row] = field(default_factory=dict)
    restatements: list[Row] = field(default_factory=list)
    events: set[tuple[str, str, str, datetime]] = field(default_factory=set)
    """(user, account, asset, at) of everything that the ledger told: what explains a change of quantities."""


def activity_rows(
    store: Store,
    readings: Sequence[AccountReading],
    cursors: Mapping[CursorKey, Row],
    *,
    currency: str,
    known_at: datetime,
) -> ActivityRows:
    """Return the rows that the steps of one cycle add to the store.

    Args:
        store: holds the rows of earlier cycles.
        readings: one an account; their steps in order.
        cursors: the stored cursor rows.
        currency: of estimated equity.
        known_at: goes into that column.
    """
    found = ActivityRows()
    fresh: dict[str, dict[tuple[object, ...], tuple[Row, bool]]] = {}
    for reading in readings:
        account = reading.account
        for step in reading.activity.steps:
            key = (account.user, account.name, step.stream)
            before = found.cursors.get(key) or cursors.get(key)
            _take(found, fresh, account, step, before, currency=currency, known_at=known_at)
            found.cursors[key] = _cursor_row(account, _judged(step, reading, before), known_at)
    for name, rows in fresh.items():
        _keep_what_is_new(store, found, _TABLES[name], rows, known_at)
    return found


def _take(
    found: ActivityRows,
    fresh: dict[str, dict[tuple[object, ...], tuple[Row, bool]]],
    account: Account,
    step: ActivityStep,
    before: Mapping[str, object] | None,
    *,
    currency: str,
    known_at: datetime,
) -> None:
    for row in step.rows:
        found.events |= {(account.user, account.name, asset, _at(row)) for asset in _assets(row)}
        if (flow := flow_of(row)) is not None:
            found.flows.append((account, flow))
        if isinstance(row, CashFlow):
            continue
        table = _table(row)
        record = _record(row, account, currency=currency, known_at=known_at)
        fresh.setdefault(table.name, {})[tuple(record[name] for name in table.key)] = (
            record,
            is_late(_at(row), before),
        )


def flow_of(row: ActivityRow) -> CashFlow | None:
    """Return the cash flow that a row of activity is: money that crossed the border of its account, else None.

    Beside deposits and withdrawals that is a transfer whose other side is another account, and
    money that came or went by the venue's fiat and payment services.
    """
    if isinstance(row, CashFlow):
        return row
    if isinstance(row, Transfer) and (row.source is None) != (row.target is None):
        came = row.source is None
        quantity = row.quantity if came else -row.quantity
        kind = TRANSFER_IN if came else TRANSFER_OUT
        wallet = row.target if came else row.source
        return CashFlow(row.at, row.transfer_id, kind, row.asset, quantity, ZERO, "", wallet=wallet)
    if isinstance(row, Income) and row.kind in SERVICES:
        return CashFlow(row.at, row.income_id, row.kind, row.asset, row.quantity, ZERO, "", wallet=row.wallet)
    return None


def is_late(at: datetime, cursor: Mapping[str, object] | None) -> bool:
    """True when a row belongs to a time that the stored cursor says had been read already."""
    if cursor is None or cursor["known_since"] is None or cursor["known_until"] is None:
        return False
    return bool(cursor["known_since"] <= at < cursor["known_until"])  # type: ignore[operator]


def _keep_what_is_new(
    store: Store,
    found: ActivityRows,
    table: Table,
    rows: Mapping[tuple[object, ...], tuple[Row, bool]],
    known_at: datetime,
) -> None:
    held = stored_rows(store, table, [record for record, _ in rows.values()])
    for key, (record, late) in rows.items():
        old = held.get(key)
        if old is not None and same_facts(old, record):
            continue
        found.tables.setdefault(table.name, []).append(record)
        # An estimate is ours: one that is made later, or anew, changes nothing that a venue told.
        if (old is not None or late) and table is not ESTIMATED_EQUITY:
            found.restatements.append(restatement(table, record, old, known_at=known_at))


def stored_rows(store: Store, table: Table, records: Sequence[Row]) -> dict[tuple[object, ...], Row]:
    """Return the stored rows of a table, by key, that records of the same users and times may repeat."""
    if not records:
        return {}
    column = "at" if "at" in table.schema.names else "day"
    users = sorted({str(record["user"]) for record in records})
    since = min(record[column] for record in records)  # type: ignore[type-var]
    until = max(record[column] for record in records) + timedelta(days=1)  # type: ignore[type-var, operator]
    rows = store.read(table.name, users=users, since=since, until=until).to_pylist()  # type: ignore[arg-type]
    return {tuple(row[name] for name in table.key): row for row in rows}


def same_facts(old: Mapping[str, object], new: Mapping[str, object]) -> bool:
    """True when two rows tell the same of the world; what we added ourselves does not count."""
    return all(old.get(name) == value for name, value in new.items() if name not in _JUST_WRITTEN)


def restatement(table: Table, record: Row, old: Mapping[str, object] | None, *, known_at: datetime) -> Row:
    """Return the row that says how the past of a table changed.

    Late: nothing was told of it before. Completed: only what had been left open was added (a
    transaction id, a network). Changed: it says something else than before.
    """
    names = () if old is None else [name for name in old if name not in _JUST_WRITTEN | _OURS]
    changed = [name for name in names if old is not None and old[name] != record.get(name)]
    detail = {
        "before": {name: _text(old, name) for name in changed},
        "after": {name: _text(record, name) for name in changed},
    }
    return {
        "user": record["user"],
        "account": record["account"],
        "table": table.name,
        "row_id": "/".join(str(record[name]) for name in table.key[2:]),
        "at": record.get("at", known_at),
        "reason": "late" if old is None else "completed" if _was_open(old, changed) else "changed",
        "detail": json.dumps(detail, sort_keys=True) if changed else "",
        "known_at": known_at,
    }


def _was_open(old: Mapping[str, object], changed: Sequence[str]) -> bool:
    """True when each of these columns was empty; an amount that was told, if only as 0, was not."""
    return bool(changed) and all(old[name] is None or old[name] == "" for name in changed)


def _text(row: Mapping[str, object] | None, name: str) -> str | None:
    told = None if row is None else row.get(name)
    return None if told is None else str(told)


def _judged(step: ActivityStep, reading: AccountReading, before: Mapping[str, object] | None) -> ActivityStep:
    """A walk along markets is unfinished until every wallet told its coins once: no market is none that is done."""
    was_done = before is not None and bool(before["is_backfilled"])
    is_whole = bool(reading.wallets) and all(isinstance(one, WalletReading) for one in reading.wallets.values())
    if not step.is_by_assets or was_done or is_whole:
        return step
    return replace(step, is_backfilled=False, progress=0.0)


def _cursor_row(account: Account, step: ActivityStep, known_at: datetime) -> Row:
    return {
        "user": account.user,
        "account": account.name,
        "stream": step.stream,
        "at": known_at,
        "cursor": step.cursor,
        "known_since": step.known_since,
        "known_until": step.known_until,
        "is_backfilled": step.is_backfilled,
        "progress": float(step.progress),
        "known_at": known_at,
    }


# ---------------------------------------------------------------- one row


_TABLES = {table.name: table for table in (TRANSFERS, FILLS, INCOME, ESTIMATED_EQUITY)}
_ROW_TABLES: dict[type, Table] = {
    Transfer: TRANSFERS,
    Fill: FILLS,
    Income: INCOME,
    EquityEstimate: ESTIMATED_EQUITY,
}


def _table(row: ActivityRow) -> Table:
    return _ROW_TABLES[type(row)]


def _at(row: ActivityRow) -> datetime:
    return row.day if isinstance(row, EquityEstimate) else row.at


def _assets(row: ActivityRow) -> Iterable[str]:
    if isinstance(row, Fill):
        return {row.underlying, row.fee_asset, row.settle_asset, _quote(row)} - {""}
    return () if isinstance(row, EquityEstimate) else {row.asset}


def _quote(row: Fill) -> str:
    """The coin that paid for a spot trade, as far as the instrument's name tells."""
    name = row.instrument.replace("-", "")
    return name.removeprefix(row.underlying) if name.startswith(row.underlying) else ""


def _record(row: ActivityRow, account: Account, *, currency: str, known_at: datetime) -> Row:
    place: Row = {"user": account.user, "account": account.name}
    written: Row = {"known_at": known_at}
    if isinstance(row, Transfer):
        return place | _transfer(row) | written
    if isinstance(row, Fill):
        return place | _fill(row) | written
    if isinstance(row, Income):
        return place | _income(row) | written
    if isinstance(row, EquityEstimate):
        return place | _estimate(row, currency) | written
    raise TypeError(f"no table keeps a {type(row).__name__}")


def _transfer(row: Transfer) -> Row:
    return {
        "transfer_id": row.transfer_id,
        "at": row.at,
        "asset": row.asset,
        "quantity": stored(row.quantity),
        "source": None if row.source is None else str(row.source),
        "target": None if row.target is None else str(row.target),
        "counterparty": row.counterparty,
    }


def _fill(row: Fill) -> Row:
    return {
        "wallet": str(row.wallet),
        "instrument": row.instrument,
        "fill_id": row.fill_id,
        "order_id": row.order_id,
        "at": row.at,
        "underlying": row.underlying,
        "side": row.side,
        "position_side": row.position_side,
        "quantity": stored(row.quantity),
        "price": stored(row.price),
        "fee": stored(row.fee),
        "fee_asset": row.fee_asset,
        "realised_pnl": stored_or_none(row.realised_pnl),
        "settle_asset": row.settle_asset,
        "is_maker": row.is_maker,
    }


def _income(row: Income) -> Row:
    return {
        "kind": row.kind,
        "income_id": row.income_id,
        "at": row.at,
        "venue_kind": row.venue_kind,
        "wallet": None if row.wallet is None else str(row.wallet),
        "asset": row.asset,
        "quantity": stored(row.quantity),
        "instrument": row.instrument,
        "reference": row.reference,
        "is_promotion": row.kind == "promotion",
    }


def _estimate(row: EquityEstimate, currency: str) -> Row:
    return {
        "wallet": "" if row.wallet is None else str(row.wallet),
        "day": row.day.date(),
        "asset": row.asset,
        "quantity": stored(row.quantity),
        "currency": currency,
        "price": None,
        "value": None,
        "source": f"backfill: {row.source}",
        "price_source": None,
    }
