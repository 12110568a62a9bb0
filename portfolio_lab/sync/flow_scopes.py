"""Whether a cash flow crosses the border of the user's book, or only that of one account.

A withdrawal is external until the deposit arrives that proves it internal: then both are
rewritten, and the value was in transit in between. An account that joins the book brings
its whole equity with it, one that leaves takes it away; both are flows of the user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from portfolio_lab.engines.pairing import CLOCKS_APART, LONGEST_WAY, Move, Pair, pair_moves, refuted
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot
from portfolio_lab.models.tables import CASH_FLOWS
from portfolio_lab.sync.activity_rows import TRANSFER_IN, TRANSFER_OUT
from portfolio_lab.sync.amounts import stored
from portfolio_lab.sync.cash_flow_rows import EXTERNAL, INTERNAL
from portfolio_lab.sync.rows import Row

if TYPE_CHECKING:
    from portfolio_lab.store import Store

REACH = LONGEST_WAY + CLOCKS_APART
ENDS = (("withdrawal", "deposit"), (TRANSFER_OUT, TRANSFER_IN))
"""The kinds of flow that can be the two ends of one move."""

JOINED, LEFT = "joined", "left"


def scoped(
    store: Store, fresh: Sequence[Row], *, known_at: datetime
) -> tuple[list[Row], list[Pair], list[tuple[str, Pair]]]:
    """Return the rows to write, the pairs found, and, by user, those that turned out to be none.

    Args:
        store: holds earlier cash flows: the other end of a move may have come before.
        fresh: this cycle's new rows of cash_flows.
        known_at: goes into rows that are written anew.

    Returns:
        The fresh rows, those of a pair marked internal, and beside them each stored row that
        turned out to be the other end of one, or of none any more: a pair that was guessed is
        parted when a transaction on the chain shows another one.
    """
    pairs: list[Pair] = []
    parted: list[tuple[str, Pair]] = []
    rows = {_key(row): row for row in fresh}
    for user in sorted({str(row["user"]) for row in fresh}):
        mine = [row for row in fresh if row["user"] == user]
        candidates = {_key(row): row for row in _unpaired(store, user, mine)} | {_key(row): row for row in mine}
        for out, into in ENDS:
            wrong = _refuted(candidates, out, into)
            for pair in wrong:
                for kind, end in ((out, pair.withdrawal), (into, pair.deposit)):
                    key = (user, end.account, kind, end.flow_id)
                    rows[key] = candidates[key] = {**candidates[key], **_FREE, "known_at": known_at}
            parted += [(user, pair) for pair in wrong]
            found = pair_moves(_moves(candidates.values(), out), _moves(candidates.values(), into))
            for pair in found:
                for kind, end in ((out, pair.withdrawal), (into, pair.deposit)):
                    row = candidates[user, end.account, kind, end.flow_id]
                    rows[_key(row)] = {**row, "scope": INTERNAL, "pair_id": pair.pair_id, "known_at": known_at}
            pairs += found
    return list(rows.values()), pairs, parted


_FREE: Row = {"scope": EXTERNAL, "pair_id": None}


def _refuted(candidates: Mapping[tuple[object, ...], Row], out: str, into: str) -> list[Pair]:
    """The stored pairs that are none; only those of which both ends are among the candidates can be judged."""
    ends: dict[object, dict[object, Row]] = {}
    for row in candidates.values():
        if row["pair_id"] is not None and row["kind"] in {out, into}:
            ends.setdefault(row["pair_id"], {})[row["kind"]] = row
    guesses = [Pair(_move(both[out]), _move(both[into])) for both in ends.values() if len(both) == len({out, into})]
    return list(refuted(guesses, _moves(candidates.values(), out), _moves(candidates.values(), into)))


def _unpaired(store: Store, user: str, fresh: Sequence[Row]) -> list[Row]:
    times: list[datetime] = [row["at"] for row in fresh]  # type: ignore[misc]
    rows = store.read(CASH_FLOWS.name, users=[user], since=min(times) - REACH, until=max(times) + REACH)
    return rows.to_pylist()


def _moves(rows: object, kind: str) -> list[Move]:
    return [
        _move(row)
        for row in rows  # type: ignore[attr-defined]
        if row["kind"] == kind and row["scope"] in {None, EXTERNAL} and row["pair_id"] is None
    ]


def _move(row: Mapping[str, Any]) -> Move:
    return Move(
        row["account"],
        row["flow_id"],
        row["at"],
        row["asset"],
        abs(row["quantity"]),
        row["fee"],
        row["txid"] if row["kind"] in ENDS[0] else _shared_id(row["flow_id"]),
        row["network"] or "",
    )


def _shared_id(transfer_id: str) -> str:
    """The two ends of a transfer within one family of accounts carry the venue's one id: as good as a chain's."""
    return f"transferwithinfamily{''.join(filter(str.isalnum, transfer_id))}"


def _key(row: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(row[name] for name in CASH_FLOWS.key)


# ---------------------------------------------------------------- accounts that come and go


def book_since(
    known: Mapping[tuple[str, str], datetime],
    rows: Sequence[Row],
    members: Mapping[str, Mapping[str, float]],
) -> dict[tuple[str, str], datetime]:
    """Return by (user, account) since when an account is part of its user's book; one that is not is not there.

    Args:
        known: what the store says; it does not forget accounts that left.
        rows: this cycle's rows of accounts: those that this cycle makes part of a book.
        members: the accounts of each user's last complete book, where there is one.
    """
    still = {key: slot for key, slot in known.items() if key[0] not in members or key[1] in members[key[0]]}
    for row in rows:
        still[str(row["user"]), str(row["account"])] = row["first_slot"]  # type: ignore[assignment]
    return still


def returned_rows(
    snapshot: PortfolioSnapshot,
    members_before: Mapping[str, float] | None,
    known: Mapping[tuple[str, str], Row],
    *,
    known_at: datetime,
) -> list[Row]:
    """Return rows of accounts that left the book and are part of it again: their flows count from here."""
    if snapshot.grade is not Grade.COMPLETE or members_before is None:
        return []
    names = [name for name in equity_by_account(snapshot) if name not in members_before]
    stored_rows = [known[snapshot.user, name] for name in names if (snapshot.user, name) in known]
    return [{**row, "first_slot": snapshot.slot, "known_at": known_at} for row in stored_rows]


def membership_rows(
    snapshot: PortfolioSnapshot,
    members_before: Mapping[str, float] | None,
    *,
    currency: str,
    known_at: datetime,
) -> list[Row]:
    """Return a flow for each account that joined or left since the last complete snapshot.

    Args:
        snapshot: this cycle's; only a complete one counts.
        members_before: equity by account in the last complete snapshot, None when this is the first.
        currency: the reporting currency, in which such a flow is counted.
        known_at: goes into that column.
    """
    if snapshot.grade is not Grade.COMPLETE or not members_before:
        return []
    now = equity_by_account(snapshot)
    joined = [
        _membership(snapshot, name, JOINED, now[name], currency, known_at) for name in now if name not in members_before
    ]
    left = [
        _membership(snapshot, name, LEFT, -equity, currency, known_at)
        for name, equity in members_before.items()
        if name not in now
    ]
    return joined + left


def equity_by_account(snapshot: PortfolioSnapshot) -> dict[str, float]:
    """Return what each account of a complete snapshot is worth."""
    sums: dict[str, float] = {state.account.name: 0.0 for state in snapshot.wallets}
    for wallet in snapshot.equity.wallets:
        sums[wallet.account] += wallet.equity or 0.0
    return sums


def _membership(
    snapshot: PortfolioSnapshot, account: str, kind: str, value: float, currency: str, known_at: datetime
) -> Row:
    # Inside the gap that this snapshot closes, at its very end: it has earned nothing in it.
    at = snapshot.at - timedelta(microseconds=1)
    return {
        "user": snapshot.user,
        "account": account,
        "kind": kind,
        "flow_id": f"{kind}-{snapshot.slot:%Y%m%dT%H%M%SZ}",
        "at": at,
        "asset": currency,
        "quantity": stored(Decimal(repr(value))),
        "fee": Decimal(0),
        "txid": "",
        "currency": currency,
        "price": 1.0,
        "value": value,
        "known_at": known_at,
        "scope": EXTERNAL,
        "pair_id": None,
        "network": "",
        "wallet": None,
    }
