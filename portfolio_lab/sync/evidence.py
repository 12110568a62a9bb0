"""What speaks for and against a doubtful change of a book: the venue's ledger, and its own totals.

A ledger explains a change when as much came, or went, as the change says: a fee in USDT
is no reason for USDT to vanish. A total that is still the old one speaks against what was
seen, however often it was: a lie that is told three times is still one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from portfolio_lab.engines.plausibility import HoldingKey
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.activity import CashFlow, VenueTotals
from portfolio_lab.models.tables import FILLS, INCOME, TRANSFERS
from portfolio_lab.sync.rows import Row
from portfolio_lab.sync.tiers import Completed

ENOUGH = 0.5
"""A ledger explains a change when it tells of at least this share of it: what was earned on the way is not told yet."""

SPOT_WALLETS = frozenset({"spot", "cross_margin", "isolated_margin"})

Told = tuple[str, str, float]
"""(account, asset, signed units)."""


def ledger_of(
    records: Mapping[str, Sequence[Row]], flows: Iterable[tuple[Account, CashFlow]]
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return what came and what went, both as magnitudes, by (account, asset).

    Args:
        records: rows of fills, income and transfers by the name of their table, of one user and a time;
            each at most once. A transfer between wallets of one account comes and goes.
        flows: cash flows of the same; what was read twice is counted once.
    """
    told = [part for row in records.get(FILLS.name, ()) for part in _of_fill(row)]
    told += [(str(row["account"]), str(row["asset"]), _number(row["quantity"])) for row in records.get(INCOME.name, ())]
    for row in records.get(TRANSFERS.name, ()):
        moved = _number(row["quantity"])
        told += [(str(row["account"]), str(row["asset"]), signed) for signed in (moved, -moved)]
    once = {(account.name, flow.kind, flow.flow_id): (account.name, flow) for account, flow in flows}
    told += [(name, flow.asset, float(flow.quantity)) for name, flow in once.values()]
    sums: dict[tuple[str, str], tuple[float, float]] = {}
    for account, asset, quantity in told:
        came, went = sums.get((account, asset), (0.0, 0.0))
        sums[account, asset] = (came + max(quantity, 0.0), went + max(-quantity, 0.0))
    return sums


def explained_by(
    ledger: Mapping[tuple[str, str], tuple[float, float]], doubted: Iterable[Row]
) -> dict[tuple[str, str], float]:
    """Return what the ledger tells of, in signed units by (account, asset); no doubt of which it tells too little.

    NaN where it may be anything.
    """
    lacking = set()
    for row in doubted:
        change = _number(row["seen"]) - _number(row["before"])
        came, went = ledger.get((str(row["account"]), str(row["asset"])), (0.0, 0.0))
        if (came if change > 0 else went) < ENOUGH * abs(change):
            lacking.add((str(row["account"]), str(row["asset"])))
    return {place: came - went for place, (came, went) in ledger.items() if place not in lacking}


def _of_fill(row: Row) -> list[Told]:
    account, settle, underlying = str(row["account"]), str(row["settle_asset"] or ""), str(row["underlying"])
    told = [(account, str(row["fee_asset"]), _number(row["fee"]))]
    if settle and str(row["wallet"]) not in SPOT_WALLETS:
        # A contract moves what it realised; where that is not stated, it may be anything.
        moved = [math.inf, -math.inf] if row["realised_pnl"] is None else [_number(row["realised_pnl"])]
        return told + [(account, settle, part) for part in moved]
    signed = _number(row["quantity"]) * (1 if row["side"] == "buy" else -1)
    paid_in = settle or str(row["instrument"]).replace("-", "").removeprefix(underlying)
    return [*told, (account, underlying, signed), (account, paid_in, -signed * _number(row["price"]))]


def _number(value: object) -> float:
    return float(str(value))


def denied(
    readings: Sequence[Completed],
    before: Mapping[HoldingKey, float],
    now: Mapping[HoldingKey, float],
    prices: Mapping[tuple[str, str], float],
) -> set[tuple[str, str]]:
    """Return each (account, wallet) whose own total, read in this cycle, is nearer to the book before than to now.

    Args:
        readings: of one user.
        before: quantities in the last complete book, by account, wallet, asset and pair.
        now: the same now.
        prices: in the reporting currency by (account, asset), the same for both books. A wallet that holds
            something without a price is not weighed.
    """
    found = set()
    for one in readings:
        account, totals = one.reading.account.name, one.reading.totals
        for total in totals.totals if isinstance(totals, VenueTotals) else ():
            told = float(total.quantity) * prices.get((account, total.asset), math.nan)
            old, new = (_worth(book, (account, total.scope), prices) for book in (before, now))
            if abs(told - new) > abs(told - old):  # never true of a value that is not known
                found.add((account, total.scope))
    return found


def _worth(book: Mapping[HoldingKey, float], place: tuple[str, str], prices: Mapping[tuple[str, str], float]) -> float:
    held = [(key, quantity) for key, quantity in book.items() if key[:2] == place and quantity]
    return math.fsum(quantity * prices.get((key[0], key[2]), math.nan) for key, quantity in held)
