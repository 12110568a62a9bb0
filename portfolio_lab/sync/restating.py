"""The past, told anew: snapshots that turn out to be true, and value that turns out to have been in transit.

A restatement is a commit of its own, placed at the first slot that it changes: the rows of
the same slots are written again, and the newest row of a slot counts. A row in `restatements`
tells what changed and why. Exposure is told anew from the stored balances, contracts and prices of the slot.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from portfolio_lab.engines.exposure import is_exposed
from portfolio_lab.engines.pairing import LONGEST_WAY, Move, Pair
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.snapshot import Grade
from portfolio_lab.models.tables import (
    BALANCES,
    CASH_FLOWS,
    PORTFOLIO_SNAPSHOTS,
    PRICES,
    RESTATEMENTS,
    SUSPICIONS,
    WALLETS,
)
from portfolio_lab.sync.restated_exposure import exposures_anew
from portfolio_lab.sync.rows import Row, table_of

if TYPE_CHECKING:
    from portfolio_lab.store import Store

WRITER = "sync"

LONGEST_READING = timedelta(minutes=5)
"""A slot's last wallet has answered by then."""

FARTHEST_PRICE = timedelta(days=1)


def tell_anew(
    store: Store,
    user: str,
    pairs: Sequence[Pair],
    suspicions: Sequence[Row],
    *,
    since: datetime | None,
    until: datetime,
    known_at: datetime,
    parted: Sequence[Pair] = (),
) -> None:
    """Tell anew the slots of a user that turned out to be true, or to have had value in transit.

    Args:
        store: holds the slots and is told.
        user: whose slots.
        pairs: moves that this cycle found; the slots between their ends get their value.
        suspicions: this cycle's rows of suspicions, not stored yet.
        since: first slot of a suspicion that ended in truth; None when none did.
        until: this cycle's slot, which is not told anew.
        known_at: goes into that column.
        parted: pairs that turned out to be none; their value is taken out again.
    """
    for pair in parted:
        place_in_transit(store, user, pair, known_at=known_at, sign=-1)
    if since is not None:
        false = _false_spans(store, user, suspicions)
        confirmed = confirm_slots(store, user, since=since, until=until, known_at=known_at, false=false)
        for pair in _stored_pairs(store, user, confirmed):
            place_in_transit(store, user, pair, known_at=known_at, among=confirmed)
    for pair in pairs:
        place_in_transit(store, user, pair, known_at=known_at)


def confirm_slots(
    store: Store,
    user: str,
    *,
    since: datetime,
    until: datetime,
    known_at: datetime,
    false: Sequence[tuple[datetime, datetime]] = (),
) -> frozenset[datetime]:
    """Make the suspect snapshots of [since, until) complete, valued as they were read; return their slots.

    Equity is the sum of the stored values of that slot's balances; a slot in which one of them
    has no value stays as it is, and so does one in a span of `false`, in which something else was read
    that was never so.
    """
    rows = _snapshots(store, user, since, until)
    suspect = [
        row
        for row in rows
        if row["grade"] == str(Grade.SUSPECT) and not any(first <= row["slot"] < last for first, last in false)  # type: ignore[operator]
    ]
    balances = _by_slot(store.read(BALANCES.name, users=[user], since=since, until=until).to_pylist())
    wallets = _by_slot(store.read(WALLETS.name, users=[user], since=since, until=until).to_pylist())
    told = [
        (row, _confirmed(row, balances.get(row["slot"], []), wallets.get(row["slot"], []), known_at)) for row in suspect
    ]
    complete = [new for _, new in told if new is not None]
    if not complete:
        return frozenset()
    changes = [_restatement(new[0], old, "confirmed", known_at) for old, new in told if new is not None]
    exposures = exposures_anew(store, user, [new for new, _ in complete])
    _commit(
        store,
        {
            PORTFOLIO_SNAPSHOTS.name: table_of(
                PORTFOLIO_SNAPSHOTS, [new | exposures[new["slot"]] for new, _ in complete]
            ),
            WALLETS.name: table_of(WALLETS, [row for _, kept in complete for row in kept]),
            RESTATEMENTS.name: table_of(RESTATEMENTS, changes),
        },
        slot=since,
        name=f"confirm-{user}",
    )
    return frozenset(new["slot"] for new, _ in complete)  # type: ignore[misc]


def _false_spans(store: Store, user: str, fresh: Sequence[Row]) -> list[tuple[datetime, datetime]]:
    """First slot and end of every suspicion that was withdrawn: what was read in between was never so."""
    rows = [*store.read(SUSPICIONS.name, users=[user]).to_pylist(), *fresh]
    return [(row["first_slot"], row["slot"]) for row in rows if row["state"] == "withdrawn"]


def place_in_transit(
    store: Store,
    user: str,
    pair: Pair,
    *,
    known_at: datetime,
    among: frozenset[datetime] | None = None,
    sign: int = 1,
) -> int:
    """Put the value of an internal move into the snapshots between its two ends; return how many changed.

    A snapshot is between them when its last wallet had answered between them. `among` are the
    only slots that may change, where it is given: those of which a former telling knew nothing. A
    `sign` of -1 takes the value out again, of a pair that turned out to be none.
    """
    all_rows = _between(store, user, pair.withdrawal.at, pair.deposit.at)
    rows = [row for row in all_rows if row["grade"] == str(Grade.COMPLETE) and (among is None or row["slot"] in among)]
    if not rows:
        return 0
    prices = _transit_prices(store, pair, rows)
    held = _already_under_way(store, user, pair.withdrawal.account, rows)
    changed = [
        _with_transit(row, pair, sign, prices[row["slot"]], held.get(row["slot"], 0.0), known_at)
        for row in rows
        if row["slot"] in prices and (sign > 0 or row["slot"] in held)
    ]
    if not changed:
        return 0
    added = {new["slot"]: [balance] for new, _, balance in changed}
    is_felt = is_exposed(pair.deposit.asset)
    exposures = exposures_anew(store, user, [new for new, _, _ in changed], added) if is_felt else {}
    by_slot = {row["slot"]: row for row in rows}
    changes = [
        _restatement(new, by_slot[new["slot"]], "in_transit" if sign > 0 else "parted", known_at)
        for new, _, _ in changed
    ]
    _commit(
        store,
        {
            PORTFOLIO_SNAPSHOTS.name: table_of(
                PORTFOLIO_SNAPSHOTS, [new | exposures.get(new["slot"], {}) for new, _, _ in changed]
            ),
            WALLETS.name: table_of(WALLETS, [wallet for _, wallet, _ in changed]),
            BALANCES.name: table_of(BALANCES, [balance for _, _, balance in changed]),
            RESTATEMENTS.name: table_of(RESTATEMENTS, changes),
        },
        # The first of all these slots, whatever its grade is by now: told once, it is told under the same name.
        slot=min(row["slot"] for row in (all_rows if among is None else rows)),  # type: ignore[type-var, arg-type]
        name=f"{'transit' if sign > 0 else 'parted'}{'' if among is None else '-again'}-{user}-{_digest(pair.pair_id)}",
    )
    return len(changed)


def _between(store: Store, user: str, since: datetime, until: datetime) -> list[Row]:
    if since >= until:
        return []
    rows = _snapshots(store, user, since - LONGEST_READING, until)
    return [row for row in rows if since <= row["at"] < until]  # type: ignore[operator]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _stored_pairs(store: Store, user: str, slots: frozenset[datetime]) -> list[Pair]:
    """The internal moves that were found in earlier cycles and may have been under way in some of these slots."""
    if not slots:
        return []
    since, until = min(slots) - LONGEST_WAY, max(slots) + LONGEST_WAY
    rows = store.read(CASH_FLOWS.name, users=[user], since=since, until=until).to_pylist()
    ends: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda one: one["quantity"]):
        if row["pair_id"] is not None:
            ends.setdefault(row["pair_id"], []).append(row)
    both = (found for found in ends.values() if len(found) == 2)  # noqa: PLR2004 - the two ends of one move
    return [Pair(_move(out), _move(into)) for out, into in both]


def _move(row: Row) -> Move:
    quantity, fee = abs(Decimal(str(row["quantity"]))), Decimal(str(row["fee"]))
    at: datetime = row["at"]  # type: ignore[assignment]
    return Move(str(row["account"]), str(row["flow_id"]), at, str(row["asset"]), quantity, fee, str(row["txid"]))


def _commit(store: Store, tables: Mapping[str, pa.Table], *, slot: datetime, name: str) -> None:
    # The name says what is told anew, so that a cycle that is run again tells it once.
    store.commit(tables, slot=slot, writer=WRITER, sync_id=name)


def _snapshots(store: Store, user: str, since: datetime, until: datetime) -> list[Row]:
    return store.read(PORTFOLIO_SNAPSHOTS.name, users=[user], since=since, until=until).to_pylist()


def _by_slot(rows: Sequence[Row]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = {}
    for row in rows:
        found.setdefault(row["slot"], []).append(row)
    return found


def _transit_prices(store: Store, pair: Pair, rows: Sequence[Row]) -> dict[object, float]:
    """By slot: the price of the venue that the coins left, else of the one they went to, else the nearest in time.

    A venue prices what is held there: where everything was sent it has no price until some is there again.
    """
    slots: list[datetime] = [row["slot"] for row in rows]  # type: ignore[misc]
    asset, ends = pair.withdrawal.asset, (pair.withdrawal.account, pair.deposit.account)
    if all(row["currency"] == asset for row in rows):
        return dict.fromkeys(slots, 1.0)
    found: dict[object, float] = {}
    known = _prices(store, asset, min(slots), max(slots) + timedelta(microseconds=1))
    for venue in (name.partition(":")[0] for name in ends):
        found = {row["slot"]: row["price"] for row in known if row["venue"] == venue} | found
    missing = [slot for slot in slots if slot not in found]
    if missing:
        near = _prices(store, asset, min(missing) - FARTHEST_PRICE, max(missing) + FARTHEST_PRICE)
        found |= _nearest(near, missing)
    return found


def _nearest(known: Sequence[Mapping[str, Any]], slots: Sequence[datetime]) -> dict[object, float]:
    found: dict[object, float] = {}
    for slot in slots:
        apart = [(abs(row["slot"] - slot), row["venue"], row["price"]) for row in known]
        if apart and min(apart)[0] <= FARTHEST_PRICE:
            found[slot] = min(apart)[2]
    return found


def _prices(store: Store, asset: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    columns = ["slot", "venue", "asset", "price"]
    rows = store.read(PRICES.name, columns=columns, since=since, until=until).to_pylist()
    return [row for row in rows if row["asset"] == asset]


def _already_under_way(store: Store, user: str, account: str, rows: Sequence[Row]) -> dict[object, float]:
    """By slot, the value of other moves from the same account that was put there before."""
    slots: list[datetime] = [row["slot"] for row in rows]  # type: ignore[misc]
    until = max(slots) + timedelta(microseconds=1)
    wallets = store.read(WALLETS.name, users=[user], since=min(slots), until=until).to_pylist()
    mine = (row for row in wallets if (row["account"], row["wallet"]) == (account, str(Wallet.IN_TRANSIT)))
    return {row["slot"]: row["equity"] or 0.0 for row in mine}


# ---------------------------------------------------------------- one slot


def _confirmed(
    row: Row, balances: Sequence[Row], wallets: Sequence[Row], known_at: datetime
) -> tuple[Row, list[Row]] | None:
    if any(one["value"] is None and one["quantity"] for one in balances):
        return None
    if any(one["grade"] not in {"ok", "suspect", "absent"} for one in wallets):
        return None
    sums = {(one["account"], one["wallet"]): _sums(one, balances) for one in wallets if one["grade"] != "absent"}
    equity, settled, unrealised = (math.fsum(part[place] for part in sums.values()) for place in range(3))
    snapshot = {
        **row,
        "grade": str(Grade.COMPLETE),
        "reason": "",
        "wallets_ok": len(sums),
        "equity": equity,
        "wallet_balance": settled,
        "unrealised_pnl": unrealised,
        "known_at": known_at,
    }
    kept = [
        {
            **one,
            "grade": str(Grade.OK),
            "code": "",
            "reason": "",
            **dict(
                zip(("equity", "wallet_balance", "unrealised_pnl"), sums[one["account"], one["wallet"]], strict=True)
            ),
            "known_at": known_at,
        }
        for one in wallets
        if one["grade"] == str(Grade.SUSPECT)
    ]
    return snapshot, kept


def _sums(wallet: Row, balances: Sequence[Row]) -> tuple[float, float, float]:
    """Equity, wallet balance and unrealised PnL of one wallet, from its stored balances."""
    mine = [one for one in balances if (one["account"], one["wallet"]) == (wallet["account"], wallet["wallet"])]
    priced = [one for one in mine if one["price"] is not None]
    equity = math.fsum(float(str(one["value"])) for one in priced)
    unrealised = math.fsum(float(str(one["unrealised_pnl"] or 0)) * float(str(one["price"])) for one in priced)
    return equity, equity - unrealised, unrealised


def _with_transit(
    row: Row, pair: Pair, sign: int, price: float, others: float, known_at: datetime
) -> tuple[Row, Row, Row]:
    quantity = sign * pair.deposit.quantity
    value = float(quantity) * price
    place: Row = {
        "user": row["user"],
        "slot": row["slot"],
        "account": pair.withdrawal.account,
        "wallet": str(Wallet.IN_TRANSIT),
    }
    snapshot = {
        **row,
        "equity": float(str(row["equity"])) + value,
        "wallet_balance": None if row["wallet_balance"] is None else float(str(row["wallet_balance"])) + value,
        "known_at": known_at,
    }
    wallet = {
        **place,
        "grade": str(Grade.OK),
        "code": "",
        "reason": "",
        "received_at": pair.withdrawal.at,
        "answers": None,
        "currency": row["currency"],
        "equity": others + value,
        "wallet_balance": others + value,
        "unrealised_pnl": 0.0,
        "age_seconds": None,
        "is_carried": False,
        "known_at": known_at,
    }
    return snapshot, wallet, _transit_balance(place, pair, quantity, price, str(row["currency"]))


def _transit_balance(place: Row, pair: Pair, quantity: Decimal, price: float, currency: str) -> Row:
    return {
        **place,
        "asset": pair.deposit.asset,
        "quantity": quantity,
        "wallet_balance": None,
        "unrealised_pnl": None,
        "available": None,
        "currency": currency,
        "price": price,
        "value": float(quantity) * price,
        "pair": "",
        "holding": "held",
        "components": None,
    }


def _restatement(new: Row, old: Mapping[str, object], reason: str, known_at: datetime) -> Row:
    before = {name: old[name] for name in ("grade", "equity") if old[name] != new[name]}
    return {
        "user": new["user"],
        "account": "",
        "table": PORTFOLIO_SNAPSHOTS.name,
        "row_id": f"{new['slot']:%Y-%m-%dT%H:%M:%SZ}",
        "at": new["slot"],
        "reason": reason,
        "detail": json.dumps(before, sort_keys=True),
        "known_at": known_at,
    }
