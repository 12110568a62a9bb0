"""Our figures beside the venue's own, as rows; each finding is a line of the cycle's report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from portfolio_lab.engines.attestation import DIFFERS, UNKNOWN_WALLET, Attestation, attest
from portfolio_lab.models.accounts import Account
from portfolio_lab.models.activity import VenueTotal, VenueTotals
from portfolio_lab.models.prices import Price
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot
from portfolio_lab.sync.grading import Moment, VenuePrices, prices_of
from portfolio_lab.sync.reading import AccountReading, Origin
from portfolio_lab.sync.report import WalletLine
from portfolio_lab.sync.rows import Row, known

PART = "attestation"
TOTAL = "total"
SMALL = 0.01
"""A wallet that we do not know is only told of when it holds more than this, in the reporting currency."""


def attested(
    snapshot: PortfolioSnapshot,
    readings: Sequence[AccountReading],
    priced: Mapping[Origin, VenuePrices],
    *,
    moment: Moment,
    known_at: datetime,
) -> tuple[list[Row], list[WalletLine]]:
    """Return the rows and report lines of the accounts whose own totals were read in this cycle.

    An account whose reading is not whole is not compared: its total lacks what failed.
    """
    rows: list[Row] = []
    lines: list[WalletLine] = []
    for reading in readings:
        if isinstance(reading.totals, VenueTotals):
            found = _compared(snapshot, reading.account, reading.totals, prices_of(reading.account, priced).prices)
            rows += [_row(snapshot, reading.account, one, reading.totals, moment, known_at) for one in found]
            lines.append(_line(snapshot, reading.account, found))
    return rows, lines


def _compared(
    snapshot: PortfolioSnapshot, account: Account, totals: VenueTotals, prices: Mapping[str, Price]
) -> list[Attestation]:
    ours = _ours(snapshot, account)
    stated = [total for total in totals.totals if total.is_open is not False or total.quantity]
    theirs = {total.scope: _value(total, prices) for total in stated}
    unknown = {total.scope for total in stated if not total.is_known and abs(theirs[total.scope] or 0.0) > SMALL}
    idle = {total.scope for total in stated if not total.is_known} - unknown
    compared = {scope: value for scope, value in theirs.items() if scope not in idle}
    return attest(ours | {TOTAL: _listed(ours, theirs)}, compared, equity=ours.get(TOTAL), unknown=unknown)


def _listed(ours: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> float | None:
    """Our total of the wallets that the venue's total is made of: OKX leaves loans out of its own."""
    named = theirs.keys() - {TOTAL}
    parts = [value for scope, value in ours.items() if scope != TOTAL and (scope in named or not named)]
    return None if None in parts else sum(part for part in parts if part is not None)


def _ours(snapshot: PortfolioSnapshot, account: Account) -> dict[str, float | None]:
    worth = {(one.account, one.wallet): one.equity for one in snapshot.equity.wallets}
    figures: dict[str, float | None] = {}
    for state in snapshot.wallets:
        if state.account.key == account.key:
            is_known = state.grade in {Grade.OK, Grade.ABSENT}
            value = 0.0 if state.grade is Grade.ABSENT else worth.get((account.name, str(state.wallet)))
            figures[str(state.wallet)] = value if is_known else None
    parts = list(figures.values())
    figures[TOTAL] = None if None in parts else sum(part for part in parts if part is not None)
    return figures


def _value(total: VenueTotal, prices: Mapping[str, Price]) -> float | None:
    price = prices.get(total.asset)
    if not total.quantity:
        return 0.0
    return None if price is None else float(total.quantity) * price.price


def _row(
    snapshot: PortfolioSnapshot,
    account: Account,
    one: Attestation,
    totals: VenueTotals,
    moment: Moment,
    known_at: datetime,
) -> Row:
    return {
        "user": snapshot.user,
        "slot": snapshot.slot,
        "account": account.name,
        "scope": one.scope,
        "currency": moment.currency,
        "ours": known(one.ours),
        "theirs": known(one.theirs),
        "difference": known(one.difference),
        "share": known(one.share),
        "verdict": one.verdict,
        "reason": one.reason,
        "answers": json.dumps({endpoint: sha256 for endpoint, sha256, _ in totals.answers}, sort_keys=True),
        "known_at": known_at,
    }


def _line(snapshot: PortfolioSnapshot, account: Account, found: Sequence[Attestation]) -> WalletLine:
    troubles = [one for one in found if one.verdict in {DIFFERS, UNKNOWN_WALLET}]
    if not troubles:
        return WalletLine(snapshot.user, account.name, PART, "ok", "", "")
    code = troubles[0].verdict if len({one.verdict for one in troubles}) == 1 else DIFFERS
    reason = "; ".join(one.reason for one in troubles)
    return WalletLine(snapshot.user, account.name, PART, "failed", code, reason)
