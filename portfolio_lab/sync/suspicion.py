"""What is read well and not believed yet: quarantine, until it is seen again or explained.

A book is compared with the last complete one. What vanished or jumped there without a reason
makes its wallet suspect, and the snapshot has no equity. It is over in one of three ways: the old quantity
comes back (withdrawn: those slots stay without an equity), the ledger tells of it (explained),
or it is seen three times in a row (confirmed). In the last two the truth enters dated at its
first sight: the suspect slots are restated. While the venue's own total of the wallet is still
the old one, being seen is not enough. Several doubts at once end together, so that no
slot is believed by halves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from portfolio_lab.engines.plausibility import Doubt, HoldingKey, doubts
from portfolio_lab.models.holdings import WalletReading
from portfolio_lab.models.tables import SUSPICIONS
from portfolio_lab.sync.amounts import stored
from portfolio_lab.sync.rows import Row
from portfolio_lab.sync.tiers import Completed

SIGHTINGS = 3
"""So many sightings in a row make a doubtful change true."""

MOST_DENIALS = 30
"""So many do even though the venue's own total of the wallet says otherwise: that may be what is wrong."""

PENDING, CONFIRMED, EXPLAINED, WITHDRAWN = "pending", "confirmed", "explained", "withdrawn"


@dataclass(slots=True)
class Verdict:
    """What one user's book came to: why wallets are not believed, the rows to store, and since when slots are true.

    `doubted` is by (account, wallet). `restate_since` is the first slot of a suspicion that ended
    in truth, None where none did.
    """

    doubted: dict[tuple[str, str], str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    restate_since: datetime | None = None


def judged(
    user: str,
    before: Mapping[HoldingKey, float],
    now: Mapping[HoldingKey, float],
    *,
    prices: Mapping[tuple[str, str], float],
    equity: float,
    explained: Mapping[tuple[str, str], float],
    pending: Sequence[Row],
    slot: datetime,
    known_at: datetime,
    denied: Collection[tuple[str, str]] = (),
) -> Verdict:
    """Return the verdict on one user's book.

    Args:
        user: whose book.
        before: holdings of the last complete snapshot, of the wallets that were read both times.
        now: the same as read now.
        prices: by (account, asset), in the reporting currency.
        equity: of the last complete snapshot.
        explained: what the ledger told of since then, in signed units by (account, asset).
        pending: the stored rows of suspicions that are not over.
        slot: the slot of this cycle.
        known_at: goes into that column.
        denied: (account, wallet) pairs whose own total at the venue is still that of the book before.
    """
    verdict = Verdict()
    found = {_place(doubt): doubt for doubt in doubts(before, now, prices=prices, equity=equity, explained=explained)}
    open_rows = {(str(row["account"]), str(row["wallet"]), str(row["asset"])): row for row in pending}
    written: Row = {"slot": slot, "known_at": known_at}
    for place in [place for place, doubt in found.items() if place in open_rows and _is_other(doubt, open_rows[place])]:
        gone = _kept(open_rows.pop(place))
        verdict.rows.append({**gone, **written, "state": WITHDRAWN, "reason": "another quantity was seen after it"})
    seen = {
        place: _seen(user, doubt, open_rows.pop(place, None), slot, known_at, needed=_needed(place, denied))
        for place, doubt in found.items()
    }
    over = [_over(row, place, before, now, explained) | written for place, row in open_rows.items()]
    if all(row["state"] == CONFIRMED for row in seen.values()):
        verdict.rows += [*seen.values(), *over]
        _restate(verdict, [row for row in verdict.rows if row["state"] != WITHDRAWN])
        return verdict
    # The book as a whole is not believed yet: what is true waits for the rest, so that all of it enters at once.
    for place, doubt in found.items():
        verdict.rows.append({**seen[place], "state": PENDING, "reason": doubt.reason})
        verdict.doubted[doubt.account, doubt.wallet] = doubt.reason
    verdict.rows += [row for row in over if row["state"] == WITHDRAWN]
    return verdict


def holdings_of(readings: Sequence[Completed]) -> dict[HoldingKey, float]:
    """Return what each wallet holds of each asset, open PnL included; what is carried still holds."""
    held: dict[HoldingKey, float] = {}
    for one in readings:
        for wallet, found in one.reading.wallets.items():
            if isinstance(found, WalletReading):
                for balance in found.balances:
                    key = (one.reading.account.name, str(wallet), balance.asset, balance.pair)
                    held[key] = held.get(key, 0.0) + float(balance.quantity)
    return held


def is_whole(readings: Sequence[Completed]) -> bool:
    """True when every wallet was read or still holds: only then can one part pay for another."""
    return all(isinstance(found, WalletReading) for one in readings for found in one.reading.wallets.values())


def _place(doubt: Doubt) -> tuple[str, str, str]:
    return doubt.account, doubt.wallet, doubt.asset


def _is_other(doubt: Doubt, before: Row) -> bool:
    """True when what is seen now does not bear out what was seen before."""
    seen = float(str(before["seen"]))
    return doubt.kind != before["kind"] or abs(doubt.seen - seen) > max(abs(doubt.seen), abs(seen)) / 2


def _kept(row: Row) -> Row:
    return {name: row[name] for name in SUSPICIONS.schema.names}


def _needed(place: tuple[str, str, str], denied: Collection[tuple[str, str]]) -> int:
    return MOST_DENIALS if place[:2] in denied else SIGHTINGS


def _seen(user: str, doubt: Doubt, before: Row | None, slot: datetime, known_at: datetime, *, needed: int) -> Row:
    sightings = 1 if before is None else int(str(before["sightings"])) + 1
    is_over = sightings >= needed
    return {
        "user": user,
        "account": doubt.account,
        "wallet": doubt.wallet,
        "asset": doubt.asset,
        "first_slot": slot if before is None else before["first_slot"],
        "slot": slot,
        "kind": doubt.kind,
        "before": stored(Decimal(repr(doubt.before))),
        "seen": stored(Decimal(repr(doubt.seen))),
        "sightings": sightings,
        "state": CONFIRMED if is_over else PENDING,
        "reason": f"seen {sightings} times in a row" if is_over else doubt.reason,
        "known_at": known_at,
    }


def _over(
    row: Row,
    place: tuple[str, str, str],
    before: Mapping[HoldingKey, float],
    now: Mapping[HoldingKey, float],
    explained: Collection[tuple[str, str]],
) -> Row:
    """A suspicion that nobody holds any more: the ledger explained it, or it was never so."""
    account, _, asset = place
    told = (account, asset) in explained
    old, new = (sum(held for key, held in book.items() if (key[0], key[1], key[2]) == place) for book in (before, now))
    is_back = abs(new - old) <= abs(float(str(row["seen"])) - old) / 2
    state = EXPLAINED if told or not is_back else WITHDRAWN
    reason = "the ledger tells of it" if told else "the book pays for it" if state == EXPLAINED else "it came back"
    return {**_kept(row), "state": state, "reason": reason}


def _restate(verdict: Verdict, rows: Sequence[Row]) -> None:
    verdict.restate_since = min((row["first_slot"] for row in rows), default=None)  # type: ignore[type-var, assignment]
