"""Cash flows from the accounts into rows: only those that are not stored yet, valued near their own time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from portfolio_lab.models.accounts import Account
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.tables import CASH_FLOWS, PRICES
from portfolio_lab.sync.activity_rows import CursorKey, flow_of, restatement
from portfolio_lab.sync.amounts import stored
from portfolio_lab.sync.grading import Moment, VenuePrices, prices_of
from portfolio_lab.sync.reading import FLOW_STREAMS, AccountReading, Origin
from portfolio_lab.sync.report import Failure
from portfolio_lab.sync.rows import Row, known

if TYPE_CHECKING:
    from portfolio_lab.store import Store

FIRST_READ = timedelta(days=90)
OVERLAP = timedelta(hours=1)
FARTHEST_PRICE = timedelta(days=1)
FARTHEST_CHANGE = timedelta(days=1)
"""A venue may correct the time of a flow that it told by so much."""

EXTERNAL, INTERNAL, EARLIER = "external", "internal", "earlier"
"""Scopes of a flow: across the border of the user's book, between own accounts, before its account was in the book."""

FlowKey = tuple[str, str, str, str]


def flows_since(flows_until: datetime | None, *, now: datetime) -> datetime:
    """Return the instant from which an account's cash flows are read.

    The last hour is read again each time: a venue may list a deposit minutes after it came in.
    """
    return now - FIRST_READ if flows_until is None else flows_until - OVERLAP


def flows_until(
    readings: Sequence[AccountReading], before: datetime | None, cursors: Mapping[CursorKey, Row]
) -> datetime | None:
    """Return up to when the cash flows of all these accounts are known; None when they never were.

    An account whose venue tells its flows by streams is known as far as the less advanced of them.
    """
    ends = [_known_until(reading, cursors) for reading in readings]
    if any(end is None for end in ends):
        return before
    return min((end for end in ends if end is not None), default=before)


def _known_until(reading: AccountReading, cursors: Mapping[CursorKey, Row]) -> datetime | None:
    if isinstance(reading.flows, Failure):
        return None
    if reading.flows is not None:
        return reading.flows_until
    account = reading.account
    rows = [cursors.get((account.user, account.name, stream)) for stream in FLOW_STREAMS]
    ends = [row["known_until"] for row in rows if row is not None]
    known = [end for end in ends if isinstance(end, datetime)]
    return min(known) if len(known) == len(rows) else None


def new_flow_rows(
    store: Store,
    read: Sequence[tuple[Account, CashFlow]],
    priced: Mapping[Origin, VenuePrices],
    *,
    moment: Moment,
    known_at: datetime,
    first_slots: Mapping[tuple[str, str], datetime],
) -> tuple[list[Row], dict[FlowKey, Row]]:
    """Return a row for each cash flow that the store does not have in the same words already, and the stored ones.

    The stored rows are those of about the same time, by key: what a flow said before it changed.

    `first_slots` tells by (user, account) since when an account is part of the book: what
    crossed its border before has the scope "earlier", and is no flow of the book. So has
    everything of an account that is not there: it is not part of the book yet. A flow that
    was found to be internal stays so when the venue tells it anew.

    The price is this slot's where the flow is no more than one interval from it, else that of
    the nearest stored slot within a day of the flow; price and value are None where none is known.
    """
    if not read:
        return [], {}
    held = _stored_flows(store, read)
    fresh = [(account, flow) for account, flow in read if _told(held.get(_key(account, flow))) != _facts(flow)]
    history = _History(store, [flow.at for _, flow in fresh if abs(moment.slot - flow.at) > moment.interval])
    rows = [
        _row(account, flow, _price(account, flow, priced, history, moment), moment, known_at)
        | _scope(flow, first_slots.get((account.user, account.name)), held.get(_key(account, flow)))
        for account, flow in fresh
    ]
    return rows, held


def flow_restatements(
    fresh: Sequence[Row],
    held: Mapping[FlowKey, Row],
    known_until: Mapping[str, datetime | None],
    *,
    known_at: datetime,
) -> list[Row]:
    """Return a restatement for each flow that came after its time had been read, or that says something else now.

    Args:
        fresh: this cycle's new rows.
        held: the rows that they replace, by key.
        known_until: by user, up to when the flows had been read before this cycle.
        known_at: goes into that column.
    """
    told = []
    for row in fresh:
        old = held.get((str(row["user"]), str(row["account"]), str(row["kind"]), str(row["flow_id"])))
        if old is not None or (row["scope"] != EARLIER and _is_before(row["at"], known_until.get(str(row["user"])))):
            told.append(restatement(CASH_FLOWS, row, old, known_at=known_at))
    return told


def _is_before(at: object, until: datetime | None) -> bool:
    return until is not None and isinstance(at, datetime) and at < until


def _scope(flow: CashFlow, began: datetime | None, held: Row | None) -> Row:
    if held is not None and held["scope"] == INTERNAL:
        return {"scope": INTERNAL, "pair_id": held["pair_id"]}
    return {"scope": EARLIER if began is None or flow.at < began else EXTERNAL, "pair_id": None}


class _History:
    """Stored prices around the times that need one; read once, and only when there is such a time."""

    def __init__(self, store: Store, times: Sequence[datetime]) -> None:
        self._prices: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        if times:
            since, until = min(times) - FARTHEST_PRICE, max(times) + FARTHEST_PRICE
            found = store.read(PRICES.name, columns=["slot", "venue", "asset", "price"], since=since, until=until)
            for row in found.to_pylist():
                self._prices.setdefault((row["venue"], row["asset"]), []).append((row["slot"], row["price"]))

    def nearest(self, venue: str, asset: str, at: datetime) -> tuple[datetime, float] | None:
        known = self._prices.get((venue, asset), [])
        return min(known, key=lambda row: abs(row[0] - at), default=None)


def _price(
    account: Account, flow: CashFlow, priced: Mapping[Origin, VenuePrices], history: _History, moment: Moment
) -> float | None:
    candidates = [history.nearest(account.venue, flow.asset, flow.at)]
    if price := prices_of(account, priced).prices.get(flow.asset):
        candidates.append((moment.slot, price.price))
    known = [found for found in candidates if found and abs(found[0] - flow.at) <= FARTHEST_PRICE]
    if flow.asset == moment.currency:
        return 1.0
    return min(known, key=lambda found: abs(found[0] - flow.at))[1] if known else None


def _row(account: Account, flow: CashFlow, price: float | None, moment: Moment, known_at: datetime) -> Row:
    return {
        "user": account.user,
        "account": account.name,
        "kind": flow.kind,
        "flow_id": flow.flow_id,
        "at": flow.at,
        "asset": flow.asset,
        "quantity": stored(flow.quantity),
        "fee": stored(flow.fee),
        "txid": flow.txid,
        "currency": moment.currency,
        "price": known(price),
        "value": None if price is None else known(float(flow.quantity) * price),
        "known_at": known_at,
        "network": flow.network,
        "wallet": None if flow.wallet is None else str(flow.wallet),
    }


def flows_read(readings: Sequence[AccountReading]) -> list[tuple[Account, CashFlow]]:
    """Return every cash flow that a cycle read, by the quick question or along a stream."""
    found = []
    for reading in readings:
        if isinstance(reading.flows, tuple):
            found += [(reading.account, flow) for flow in reading.flows]
        for step in reading.activity.steps:
            told = (flow_of(row) for row in step.rows)
            found += [(reading.account, flow) for flow in told if flow is not None]
    return found


def _stored_flows(store: Store, read: Sequence[tuple[Account, CashFlow]]) -> dict[FlowKey, Row]:
    since = min(flow.at for _, flow in read) - FARTHEST_CHANGE
    users = sorted({account.user for account, _ in read})
    held = store.read(CASH_FLOWS.name, users=users, since=since)
    return {(row["user"], row["account"], row["kind"], row["flow_id"]): row for row in held.to_pylist()}


def _told(row: Row | None) -> tuple[object, ...]:
    return () if row is None else tuple("" if row[name] is None else row[name] for name in _FACTS)


_FACTS = ("at", "asset", "quantity", "fee", "txid", "network")


def _facts(flow: CashFlow) -> tuple[object, ...]:
    return (flow.at, flow.asset, stored(flow.quantity), stored(flow.fee), flow.txid, flow.network)


def _key(account: Account, flow: CashFlow) -> FlowKey:
    return (account.user, account.name, flow.kind, flow.flow_id)
