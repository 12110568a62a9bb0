"""The past, told anew: snapshots that turn out to be true, and value that turns out to have been in transit.

A restatement is a commit of its own, placed at the first slot that it changes: the rows of
the same slots are written again, and the newest row of a slot counts. A row in `restatements`
tells what changed and why. Exposure is not rebuilt: it is unknown in a restated slot.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from portfolio_lab.engines.pairing import Pair
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.models.snapshot import Grade
from portfolio_lab.models.tables import BALANCES, PORTFOLIO_SNAPSHOTS, PRICES, RESTATEMENTS, WALLETS
from portfolio_lab.sync.rows import Row, table_of

if TYPE_CHECKING:
    from portfolio_lab.store import Store

WRITER = "sync"
_EXPOSURES = (
    "net_exposure",
    "gross_exposure",
    "gross_instrument_exposure",
    "long_exposure",
    "short_exposure",
    "opaque_value",
)


def confirm_slots(store: Store, user: str, *, since: datetime, until: datetime, known_at: datetime) -> int:
    """Make the suspect snapshots of [since, until) complete, valued as they were read; return how many.

    Equity is the sum of the stored values of that slot's balances; a slot in which one of them
    has no value stays as it is.
    """
    rows = _snapshots(store, user, since, until)
    suspect = [row for row in rows if row["grade"] == str(Grade.SUSPECT)]
    balances = _by_slot(store.read(BALANCES.name, users=[user], since=since, until=until).to_pylist())
    wallets = _by_slot(store.read(WALLETS.name, users=[user], since=since, until=until).to_pylist())
    told = [
        (row, _confirmed(row, balances.get(row["slot"], []), wallets.get(row["slot"], []), known_at)) for row in suspect
    ]
    complete = [new for _, new in told if new is not None]
    if not complete:
        return 0
    changes = [_restatement(new[0], old, "confirmed", known_at) for old, new in told if new is not None]
    _commit(
        store,
        {
            PORTFOLIO_SNAPSHOTS.name: table_of(PORTFOLIO_SNAPSHOTS, [new for new, _ in complete]),
            WALLETS.name: table_of(WALLETS, [row for _, kept in complete for row in kept]),
            RESTATEMENTS.name: table_of(RESTATEMENTS, changes),
        },
        slot=since,
        name=f"confirm-{user}",
    )
    return len(complete)


def place_in_transit(store: Store, user: str, pair: Pair, *, known_at: datetime) -> int:
    """Put the value of an internal move into the snapshots between its two ends; return how many changed."""
    since, until = pair.withdrawal.at, pair.deposit.at
    if since >= until:
        return 0
    rows = [row for row in _snapshots(store, user, since, until) if row["grade"] == str(Grade.COMPLETE)]
    venue = pair.withdrawal.account.partition(":")[0]
    prices = _prices(store, venue, pair.withdrawal.asset, since, until)
    changed = [_with_transit(row, pair, prices[row["slot"]], known_at) for row in rows if row["slot"] in prices]
    if not changed:
        return 0
    by_slot = {row["slot"]: row for row in rows}
    changes = [_restatement(new, by_slot[new["slot"]], "in_transit", known_at) for new, _, _ in changed]
    _commit(
        store,
        {
            PORTFOLIO_SNAPSHOTS.name: table_of(PORTFOLIO_SNAPSHOTS, [new for new, _, _ in changed]),
            WALLETS.name: table_of(WALLETS, [wallet for _, wallet, _ in changed]),
            BALANCES.name: table_of(BALANCES, [balance for _, _, balance in changed]),
            RESTATEMENTS.name: table_of(RESTATEMENTS, changes),
        },
        slot=changed[0][0]["slot"],  # type: ignore[arg-type]
        name=f"transit-{user}-{hashlib.sha256(pair.pair_id.encode()).hexdigest()[:16]}",
    )
    return len(changed)


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


def _prices(store: Store, venue: str, asset: str, since: datetime, until: datetime) -> dict[object, float]:
    rows = store.read(PRICES.name, columns=["slot", "venue", "asset", "price"], since=since, until=until).to_pylist()
    return {row["slot"]: row["price"] for row in rows if (row["venue"], row["asset"]) == (venue, asset)}


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
        **dict.fromkeys(_EXPOSURES),
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


def _with_transit(row: Row, pair: Pair, price: float, known_at: datetime) -> tuple[Row, Row, Row]:
    value = float(pair.deposit.quantity) * price
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
        **dict.fromkeys(_EXPOSURES),
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
        "equity": value,
        "wallet_balance": value,
        "unrealised_pnl": 0.0,
        "age_seconds": None,
        "is_carried": False,
        "known_at": known_at,
    }
    return snapshot, wallet, _transit_balance(place, pair, price, value, str(row["currency"]))


def _transit_balance(place: Row, pair: Pair, price: float, value: float, currency: str) -> Row:
    quantity: Decimal = pair.deposit.quantity
    return {
        **place,
        "asset": pair.deposit.asset,
        "quantity": quantity,
        "wallet_balance": None,
        "unrealised_pnl": None,
        "available": None,
        "currency": currency,
        "price": price,
        "value": value,
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
