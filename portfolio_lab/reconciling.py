"""A day or a longer period of stored activity -> our PnL beside each venue's own, by wallet."""

from __future__ import annotations

import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.attributing import day_intervals, wallet_attribution
from portfolio_lab.books import venue_of
from portfolio_lab.engines.reconciliation import (
    ACCOUNT_EQUITY,
    CHANGE_OF_VALUE,
    WALLET_BALANCE,
    Definition,
    reconciled,
)
from portfolio_lab.errors import BadInputError
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.timelines import instant

Period = str | tuple[str, str]
"""A day "2026-08-20", a month "2026-08", a year "2026", or (first day, last day)."""

_DAY = pd.Timedelta(days=1)

DEFINITIONS: dict[tuple[str, str], Definition] = {
    ("binance", str(Wallet.USD_M)): WALLET_BALANCE,
    ("binance", str(Wallet.COIN_M)): WALLET_BALANCE,
    ("binance", str(Wallet.SPOT)): CHANGE_OF_VALUE,
    ("okx", str(Wallet.TRADING)): ACCOUNT_EQUITY,
}
"""What each venue calls PnL, by (venue, wallet)."""


def reconciliation(archive: Archive, user: str, period: Period) -> pd.DataFrame:
    """Return `engines.reconciliation.reconciled` of a user's wallets over the days of a period.

    Raises:
        BadInputError: the period cannot be read, or no day of it lies between two complete snapshots.
    """
    since, last = _days(period)
    days = day_intervals(archive, user, since, last)
    days = days[(days["day"] >= since) & (days["day"] <= last)]
    if not len(days):
        raise BadInputError(f"no day of {period!r} lies between two complete snapshots of {user}")
    terms = wallet_attribution(archive, user, days.reset_index(drop=True))
    # What is on its way between two accounts is in no wallet of either.
    terms = terms[terms["account"] != str(Wallet.IN_TRANSIT)]
    places = terms[["account", "wallet"]].drop_duplicates().itertuples(index=False)
    found = {(account, wallet): DEFINITIONS.get((venue_of(account), wallet)) for account, wallet in places}
    table = reconciled(terms, {place: told for place, told in found.items() if told is not None})
    table.attrs.update(opening_slot=days["opening_slot"].iloc[0], closing_slot=days["closing_slot"].iloc[-1])
    return table


def _days(period: Period) -> tuple[pd.Timestamp, pd.Timestamp]:
    try:
        if not isinstance(period, str):
            first, last = (instant(day).normalize() for day in period)
            return first, last
        whole = pd.Period(period)
        return instant(whole.start_time), max(instant(whole.start_time), instant(whole.end_time).normalize())
    except (ValueError, TypeError, AttributeError):  # of an empty text pandas makes NaT, which begins nowhere
        message = f"cannot read the period {period!r}: use '2026-08-20', '2026-08', '2026' or (first day, last day)"
        raise BadInputError(message) from None
