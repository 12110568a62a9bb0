"""Cash flows from the accounts into rows: only those that are not stored yet, valued near their own time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from portfolio_lab.models.accounts import Account
from portfolio_lab.models.activity import CashFlow
from portfolio_lab.models.tables import CASH_FLOWS, PRICES
from portfolio_lab.sync.amounts import stored
from portfolio_lab.sync.grading import Moment, VenuePrices, prices_of
from portfolio_lab.sync.reading import AccountReading, Origin
from portfolio_lab.sync.report import Failure

if TYPE_CHECKING:
    from portfolio_lab.store import Store

FIRST_READ = timedelta(days=90)
OVERLAP = timedelta(hours=1)
FARTHEST_PRICE = timedelta(days=1)

Row = dict[str, object]
FlowKey = tuple[str, str, str, str]


def flows_since(flows_until: datetime | None, *, now: datetime) -> datetime:
    """Return the instant from which an account's cash flows are read.

    The last hour is read again each time: a venue may list a deposit minutes after it came in.
    """
    return now - FIRST_READ if flows_until is None else flows_until - OVERLAP


def flows_until(readings: Sequence[AccountReading], before: datetime | None) -> datetime | None:
    """Return up to when the cash flows of all these accounts are known; None when they never were."""
    if any(isinstance(reading.flows, Failure) for reading in readings):
        return before
    return min((reading.flows_until for reading in readings), default=before)


def new_flow_rows(
    store: Store,
    readings: Sequence[AccountReading],
    priced: Mapping[Origin, VenuePrices],
    *,
    moment: Moment,
    known_at: datetime,
) -> list[Row]:
    """Return a row for each cash flow that the store does not have in the same words already.

    The price is this slot's where the flow is no more than one interval from it, else that of
    the nearest stored slot within a day of the flow; price and value are None where none is known.
    """
    read = list(_flows(readings))
    if not read:
        return []
    held = _stored_facts(store, read)
    fresh = [(account, flow) for account, flow in read if held.get(_key(account, flow)) != _facts(flow)]
    history = _History(store, [flow.at for _, flow in fresh if abs(moment.slot - flow.at) > moment.interval])
    return [
        _row(account, flow, _price(account, flow, priced, history, moment), moment, known_at) for account, flow in fresh
    ]


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
        "price": price,
        "value": None if price is None else float(flow.quantity) * price,
        "known_at": known_at,
    }


def _flows(readings: Sequence[AccountReading]) -> Iterable[tuple[Account, CashFlow]]:
    for reading in readings:
        if not isinstance(reading.flows, Failure):
            yield from ((reading.account, flow) for flow in reading.flows)


def _stored_facts(store: Store, read: Sequence[tuple[Account, CashFlow]]) -> dict[FlowKey, tuple[object, ...]]:
    since = min(flow.at for _, flow in read)
    users = sorted({account.user for account, _ in read})
    held = store.read(CASH_FLOWS.name, users=users, since=since)
    return {
        (row["user"], row["account"], row["kind"], row["flow_id"]): tuple(row[name] for name in _FACTS)
        for row in held.to_pylist()
    }


_FACTS = ("at", "asset", "quantity", "fee", "txid")


def _facts(flow: CashFlow) -> tuple[object, ...]:
    return (flow.at, flow.asset, stored(flow.quantity), stored(flow.fee), flow.txid)


def _key(account: Account, flow: CashFlow) -> FlowKey:
    return (account.user, account.name, flow.kind, flow.flow_id)
