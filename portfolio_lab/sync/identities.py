"""Who each account is at its venue: the same one twice, or a key that may do more than read, is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from portfolio_lab.models.accounts import Account, Identity
from portfolio_lab.models.snapshot import Grade, PortfolioSnapshot
from portfolio_lab.settings import Settings
from portfolio_lab.sync.reading import AccountKey, AccountReading
from portfolio_lab.sync.report import Failure
from portfolio_lab.sync.rows import Row

UNATTESTED_VENUES = frozenset({"bybit", "kraken"})
"""Venues that are read through unified calls: their answers have no strict shape here."""


def refusals(accounts: Sequence[Account], known: Mapping[AccountKey, Identity | None]) -> dict[AccountKey, Failure]:
    """Return the accounts that must not be read because an earlier one of lab.toml is the same account."""
    first: dict[tuple[str, str], Account] = {}
    refused = {}
    for account in accounts:
        identity = known.get(account.key)
        if identity is None or not identity.uid:
            continue
        earlier = first.setdefault((account.venue, identity.uid), account)
        if earlier is not account:
            refused[account.key] = Failure(
                "duplicate_account",
                f"it is the same account at {account.venue} as {earlier.user} {earlier.name}: "
                "remove one of the two with `portfolio-lab accounts remove`",
            )
    return refused


def checked(
    reading: AccountReading, known: Identity | None, settings: Settings, duplicates: Mapping[AccountKey, Failure]
) -> AccountReading:
    """Return the reading, or one in which everything failed because the account must not be read.

    `known` is who the account was when the venue last said so: a key that may trade does so until the
    venue says otherwise. An account of which the venue never said so is left out where it could be
    a second key of another one.
    """
    failure = (
        duplicates.get(reading.account.key) or _overpowered(known, settings) or _unidentified(reading, known, settings)
    )
    if failure is None:
        return reading
    return replace(
        reading, wallets=dict.fromkeys(reading.account.wallets, failure), orders=failure, flows=failure, totals=None
    )


def _overpowered(identity: Identity | None, settings: Settings) -> Failure | None:
    if identity is None or identity.is_read_only or settings.allow_trading_keys:
        return None
    return Failure(
        "not_read_only",
        f"its key may do more than read ({', '.join(identity.permissions)}): make a read-only key at the venue, "
        "or set allow_trading_keys = true in lab.toml",
    )


def _unidentified(reading: AccountReading, known: Identity | None, settings: Settings) -> Failure | None:
    account = reading.account
    if known is not None or sum(one.venue == account.venue for one in settings.accounts) == 1:
        return None
    if all(isinstance(found, Failure) for found in reading.wallets.values()):
        return None  # why nothing could be read says more
    reason = f" ({reading.identity.reason})" if isinstance(reading.identity, Failure) else ""
    return Failure(
        "identity_unknown",
        f"{account.venue} has not told yet who the account is{reason}: it may be a second key of another one, "
        "so it is left out until then",
    )


def account_rows(
    snapshot: PortfolioSnapshot,
    readings: Sequence[AccountReading],
    known: Mapping[tuple[str, str], Row],
    *,
    known_at: datetime,
) -> list[Row]:
    """Return the rows of accounts that are new in a complete snapshot, or whose identity was asked anew.

    `first_slot` is that of the first complete snapshot with the account in it.
    """
    rows = []
    for reading in readings:
        place = (reading.account.user, reading.account.name)
        before = known.get(place)
        identity = reading.identity if isinstance(reading.identity, Identity) else None
        is_first = before is None and snapshot.grade is Grade.COMPLETE
        if is_first or (before is not None and identity is not None):
            rows.append(_row(reading.account, identity, before, snapshot, known_at))
    return rows


def _row(
    account: Account, identity: Identity | None, before: Row | None, snapshot: PortfolioSnapshot, known_at: datetime
) -> Row:
    one = identity or Identity("")
    return {
        "user": account.user,
        "account": account.name,
        "at": known_at,
        "uid": one.uid,
        "main_uid": one.main_uid,
        "mode": one.mode,
        "is_read_only": one.is_read_only,
        "is_ip_bound": one.is_ip_bound,
        "first_slot": snapshot.slot if before is None else before["first_slot"],
        "is_attested": account.venue not in UNATTESTED_VENUES,
        "known_at": known_at,
    }
