"""Scope: one wallet, one account, one user or the whole desk, and how it did.

The same figures by the same engines for each; only what counts as a cash flow differs (docs/accounting.md).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterable

import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.books import venue_of
from portfolio_lab.engines import returns as engine
from portfolio_lab.engines.cash_flows import read_meanwhile, shown_at, value_cash_flows
from portfolio_lab.engines.money_weighted import MoneyWeighted, money_weighted_return
from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.scopes import COMPLETE, Member, together
from portfolio_lab.errors import BadInputError
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.timelines import Instant, between, instant

_NOT_OWN = ("joined", "left")
_READ = ("ok", "absent")
_WALLET_COLUMNS = ("slot", "account", "wallet", "grade", "equity", "received_at")
_NEAR = 2
"""Intervals within which a price may stand for that of a move between wallets."""


class Scope:
    """What one part of the book, or all of it, was worth, and what it earned net of cash flows."""

    def __init__(self, name: str, member: Callable[[], Member]) -> None:
        self.name = name
        self._member = member

    def __repr__(self) -> str:
        return f"Scope({self.name!r})"

    def snapshots(self) -> pd.DataFrame:
        """Every slot with its `grade` and `equity` (money; NaN unless complete)."""
        return self._member().snapshots

    def cash_flows(self) -> pd.DataFrame:
        """What crossed the border of this scope: `at`, `value` (money, + in, - out; NaN when unknown), `kind`."""
        return self._member().flows[["at", "value", "kind"]].reset_index(drop=True)

    def equity(self, since: Instant = None, until: Instant = None) -> pd.Series:
        """Equity of complete snapshots in [since, until), index `slot`."""
        complete = self._complete()
        index = pd.DatetimeIndex(complete["slot"], name="slot")
        return between(pd.Series(complete["equity"].to_numpy(dtype="float64"), index, name="equity"), since, until)

    def days(self, zone: str = "UTC") -> pd.DataFrame:
        """One row a day of `zone` with opening, closing, cash flow, PnL and TWR; the last may not be over."""
        member = self._member()
        if not len(self._complete()):
            return pd.DataFrame(columns=list(engine.DAY_COLUMNS))
        first, newest = member.snapshots["slot"].iloc[0], member.snapshots["slot"].iloc[-1]
        taken = member.snapshots.assign(user=self.name)
        since = (first.tz_convert(zone) if _is_zone(zone) else first).date()
        until = (newest - pd.Timedelta(microseconds=1)).tz_convert(zone).date() + dt.timedelta(days=1)
        flows = member.flows.assign(user=self.name)
        return engine.day_rows(taken, flows, since, until, as_of=newest, zone=zone)

    def pnl(self, period: str = "D", zone: str = "UTC") -> pd.DataFrame:
        """PnL and TWR of each day, week, month or year ("D", "W", "M", "Y") of `zone`.

        `partial` marks a period that is not over; the other columns are those of `engines.returns.period_rows`.
        """
        days = self.days(zone)
        rows = engine.period_rows(days, period)
        rows["partial"] = (rows.index == rows.index.max()) & (not self._is_over(period, zone)) if len(days) else False
        return rows

    def returns(self, zone: str = "UTC") -> pd.Series:
        """Daily TWR of closed days, fractions net of cash flows; NaN where unknown. Index `day`."""
        days = self.days(zone)
        closed = days.iloc[:-1] if len(days) and not self._is_over("D", zone) else days
        return engine.daily_returns(closed)

    def performance(self, since: Instant = None) -> pd.Series:
        """The figures of `engines.performance.FIGURES` by name, from closed UTC days on or after `since`."""
        return metrics(between(self.returns(), since, None)).rename(self.name)

    def money_weighted(self, since: Instant = None, until: Instant = None) -> MoneyWeighted:
        """The money-weighted return (XIRR) from the first to the last complete snapshot in [since, until].

        Raises:
            BadInputError: fewer than two complete snapshots there.
        """
        inside, at = self._between(since, until)
        if len(inside) < 2:  # noqa: PLR2004 - a period has two ends
            raise BadInputError(f"{self.name} has {len(inside)} complete snapshots there; a return needs two")
        return money_weighted_return(
            float(inside["equity"].iloc[0]),
            float(inside["equity"].iloc[-1]),
            self._member().flows,
            opened_at=at.iloc[0],
            closed_at=at.iloc[-1],
        )

    def simple_return(self, since: Instant = None, until: Instant = None) -> float:
        """PnL / opening equity between the first and last complete snapshot in [since, until]; NaN when unknown."""
        inside, at = self._between(since, until)
        equity = inside["equity"].to_numpy(dtype="float64")
        if len(equity) < 2 or not equity[0] > 0:  # noqa: PLR2004 - a period has two ends
            return math.nan
        flows = self._member().flows
        crossed = flows.loc[(flows["at"] > at.iloc[0]) & (flows["at"] <= at.iloc[-1]), "value"]
        return float((equity[-1] - equity[0] - crossed.sum(skipna=False)) / equity[0])

    def _between(self, since: Instant, until: Instant) -> tuple[pd.DataFrame, pd.Series]:
        """Return the complete snapshots in [since, until], and when the last wallet of each had answered."""
        complete = self._complete()
        opened = complete["slot"] >= (instant(since) if since is not None else complete["slot"].min())
        closed = complete["slot"] <= (instant(until) if until is not None else complete["slot"].max())
        inside = complete[opened & closed]
        return inside, inside["at"] if "at" in inside else inside["slot"]

    def _complete(self) -> pd.DataFrame:
        rows = self._member().snapshots
        return rows[(rows["grade"] == COMPLETE) & rows["equity"].notna()]

    def _is_over(self, period: str, zone: str) -> bool:
        newest = self._member().snapshots["slot"].iloc[-1].tz_convert(zone)
        begins = {"D": True, "W": newest.weekday() == 0, "M": newest.day == 1, "Y": newest.day_of_year == 1}[period]
        return bool(begins and newest == newest.normalize())


def _is_zone(zone: str) -> bool:
    engine.midnights(dt.date(2026, 1, 1), dt.date(2026, 1, 1), zone)  # raises where there is none
    return True


# ---------------------------------------------------------------- members out of stored rows


def user_member(archive: Archive, user: str) -> Member:
    """Return a user's whole book: flows are what crossed its border."""
    columns = ("user", "slot", "at", "interval_seconds", "grade", "currency", "equity")
    taken = archive.history("portfolio_snapshots", user=user, columns=columns)
    return Member(taken, shown_flows(archive, user, taken, _external(archive, user)))


def shown_flows(archive: Archive, user: str, taken: pd.DataFrame, flows: pd.DataFrame) -> pd.DataFrame:
    """Return the flows of a user with `at` moved behind a snapshot whose wallet had answered before they came."""
    complete = taken[(taken["grade"] == COMPLETE) & taken["equity"].notna()]
    slots = read_meanwhile(flows, complete)
    if not slots:
        return flows
    rows = [archive.at_slot("wallets", user, slot) for slot in slots]
    return flows.assign(at=shown_at(flows, complete, pd.concat(rows, ignore_index=True)))


def desk_member(archive: Archive, users: Iterable[str]) -> Member:
    """Return all users together: one that begins later joins with its whole equity."""
    return together({user: user_member(archive, user) for user in users})


def account_member(archive: Archive, user: str, account: str, wallet: str | None = None) -> Member:
    """Return one account, or one wallet of it: moves to the user's other accounts (wallets) are flows."""
    rows = archive.history("wallets", user=user, columns=_WALLET_COLUMNS, only=("account", account))
    rows = rows[rows["wallet"] == wallet] if wallet else rows[rows["wallet"] != str(Wallet.IN_TRANSIT)]
    if not len(rows):
        sought = account if wallet is None else f"wallet {wallet} in {account}"
        raise BadInputError(f"there is no reading of {sought} of {user}: see lab.wallets({user!r})")
    taken = archive.history("portfolio_snapshots", user=user, columns=("slot", "interval_seconds", "currency"))
    by_slot = rows.assign(read=rows["grade"].isin(_READ), equity=rows["equity"].astype("float64")).groupby("slot")
    snapshots = by_slot.agg(at=("received_at", "max"), whole=("read", "all"), equity=("equity", "sum")).reset_index()
    snapshots["equity"] = snapshots["equity"].where(snapshots["whole"])
    snapshots["grade"] = snapshots["whole"].map({True: COMPLETE, False: "partial"})
    snapshots["at"] = snapshots["at"].fillna(snapshots["slot"])
    snapshots = snapshots.merge(taken, on="slot", how="inner").sort_values("slot", ignore_index=True)
    flows = _of_account(archive, user, account)
    if wallet is None:
        complete = snapshots[snapshots["grade"] == COMPLETE]
        meanwhile = rows[rows["slot"].isin(read_meanwhile(flows, complete))]
        flows = flows.assign(at=shown_at(flows, complete, meanwhile))
    return Member(snapshots, flows if wallet is None else _of_wallet(archive, user, account, wallet, flows))


def _flow_rows(archive: Archive, user: str) -> pd.DataFrame:
    return archive.once(("cash_flows", user), lambda: archive.rows("cash_flows", user=user))


def _external(archive: Archive, user: str) -> pd.DataFrame:
    rows = _flow_rows(archive, user)
    return rows[rows["scope"].isna() | (rows["scope"] == "external")]


def _of_account(archive: Archive, user: str, account: str) -> pd.DataFrame:
    rows = _flow_rows(archive, user)
    return rows[(rows["account"] == account) & ~rows["kind"].isin(_NOT_OWN)]


def _of_wallet(archive: Archive, user: str, account: str, wallet: str, flows: pd.DataFrame) -> pd.DataFrame:
    # Where the venue does not tell the wallet, no wallet's flow is known.
    own = flows[flows["wallet"].isna() | (flows["wallet"] == wallet)]
    own = own.assign(value=own["value"].where(own["wallet"].notna()))[["at", "value", "kind"]]
    moves = archive.rows("transfers", user=user)
    # What crossed the account's border is among its cash flows already.
    inside = moves["source"].notna() & moves["target"].notna()
    moves = moves[inside & (moves["account"] == account) & ((moves["source"] == wallet) ^ (moves["target"] == wallet))]
    if not len(moves):
        return own
    sign = (moves["target"] == wallet).map({True: 1.0, False: -1.0})
    moves = moves.assign(quantity=sign * moves["quantity"].astype("float64"), kind="transfer")
    prices = {str(asset): _prices(archive, account, str(asset)) for asset in moves["asset"].unique()}
    valued = value_cash_flows(moves, prices, max_distance=_reach(archive, user))
    return pd.concat([own, valued[["at", "value", "kind"]]]).sort_values("at", kind="stable", ignore_index=True)


def _prices(archive: Archive, account: str, asset: str) -> pd.Series:
    rows = archive.history("prices", columns=("slot", "venue", "asset", "price"), only=("asset", asset))
    rows = rows[rows["venue"] == venue_of(account)]
    return pd.Series(rows["price"].to_numpy(dtype="float64"), pd.DatetimeIndex(rows["slot"]))


def _reach(archive: Archive, user: str) -> pd.Timedelta:
    taken = archive.history("portfolio_snapshots", user=user, columns=("slot", "interval_seconds", "currency"))
    return pd.Timedelta(seconds=_NEAR * int(taken["interval_seconds"].max()))
