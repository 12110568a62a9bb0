"""Lab: a store and its settings -> tidy frames, for analysts and for the dashboard.

Everywhere: money in the reporting currency, signed from our side; ratios and weights as
fractions; instants tz-aware UTC; NaN for what is unknown. Only complete snapshots feed equity,
returns, drawdown, exposure and allocation. A lab reads; it never syncs and holds no key.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import pandas as pd

from portfolio_lab.attributing import day_intervals, day_table, user_attribution
from portfolio_lab.books import venue_of, with_attestations
from portfolio_lab.engines import drawdown as drawdowns
from portfolio_lab.engines import returns as engine
from portfolio_lab.engines.allocation import weights
from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.trade_statistics import trade_statistics
from portfolio_lab.engines.trades import Trades
from portfolio_lab.errors import BadInputError
from portfolio_lab.estimates import estimated_equity
from portfolio_lab.explaining import explained
from portfolio_lab.explaining_history import History
from portfolio_lab.explanation import Node
from portfolio_lab.hindsight import Hindsight
from portfolio_lab.reconciling import Period, reconciliation
from portfolio_lab.risk import Risk, Shocks, book_risk, stressed_book, with_ends, with_margin_ratios
from portfolio_lab.scopes import Scope, account_member, desk_member, user_member
from portfolio_lab.settings import load_settings
from portfolio_lab.store import Store
from portfolio_lab.stored import StoredTables
from portfolio_lab.stored_books import StoredBooks
from portfolio_lab.timelines import Instant, between, bound, daily_prices, extremes
from portfolio_lab.trading import user_trades

_BENCHMARK_COLUMNS = ("slot", "venue", "asset", "price")
_GROUPS = ("asset", "wallet", "account", "venue")
_MONTH_LABELS = list(range(1, 13))


def open_lab(path: Path | str | None = None) -> Lab:
    """Return the lab in folder `path` (default: PORTFOLIO_LAB_DIR, else the current folder).

    Raises:
        ConfigError: there is no lab.toml, or it cannot be used.
        StoreError: its store is missing or damaged.
    """
    root = Path(path if path is not None else os.environ.get("PORTFOLIO_LAB_DIR", "."))
    settings = load_settings(root)
    return Lab(Store.open(settings.store_path), settings)


class Lab(StoredBooks, Hindsight, StoredTables):
    """One lab: its users' holdings, equity, returns and risk as frames.

    Every method that takes a user raises BadInputError for one that is not there, and names
    those that are.
    """

    def __repr__(self) -> str:
        return f"Lab({str(self.settings.root)!r}, {self.currency}, users: {', '.join(self._names())})"

    # ------------------------------------------------------------ who, and how fresh

    def users(self) -> pd.DataFrame:
        """One row a user, index `user`.

        `accounts` (how many are configured), `grade` and `reason` of the newest snapshot, its
        `slot`, and `complete_slot` and `equity` of the last complete one.
        """
        self._archive.refresh()
        states = self._states()
        names = self._names()
        frame = states.reindex(names)[["grade", "reason", "slot", "complete_slot", "equity"]]
        frame[["grade", "reason"]] = frame[["grade", "reason"]].fillna("")
        frame.insert(0, "accounts", [len(self.settings.accounts_of(name)) for name in names])
        return frame.rename_axis("user")

    def snapshots(self, user: str) -> pd.DataFrame:
        """Every snapshot of any grade, index `slot`; the columns of the stored table portfolio_snapshots."""
        self._check(user)
        rows = self._archive.once(
            ("snapshots", user), lambda: self._archive.rows("portfolio_snapshots", user=user).set_index("slot")
        )
        return rows.drop(columns="user")

    def wallets(self, user: str) -> pd.DataFrame:
        """How each wallet was read in the newest slot.

        `account`, `wallet`, `grade` (ok, stale, failed, unpriced, suspect, absent), `code` and `reason` of a failure,
        `received_at`, `equity`, `wallet_balance`, `unrealised_pnl`, unknown unless ok; `margin_ratio`, the highest
        that is known of its margins (`risk`); and of the newest attestation within a day the `verdict` and
        `difference_share` (|ours - the venue's| / equity of the account).
        """
        known = self._newest("wallets", user)
        rows = with_margin_ratios(known, self._newest("positions", user)).drop(columns=["answers", "currency"])
        since = None if rows.attrs["slot"] is None else rows.attrs["slot"] - pd.Timedelta(days=1)
        told = self._archive.once(
            ("attestations", user), lambda: self._archive.rows("attestations", user=user, since=since)
        )
        return with_attestations(rows, told)

    # ------------------------------------------------------------ what is held

    def balances(self, user: str, at: Instant = None) -> pd.DataFrame:
        """Balances of the newest slot, or of the last one at or before `at`.

        `quantity`, `wallet_balance`, `unrealised_pnl`, `available` in units of the asset; `price`
        and `value` in the reporting currency, NaN when unpriced. A wallet that failed has no
        rows: `attrs["grade"]` and `attrs["slot"]` say how complete the picture is, and of when.
        """
        return self._newest("balances", user, at)

    def positions(self, user: str, at: Instant = None) -> pd.DataFrame:
        """Open positions of the newest slot, or of the last one at or before `at`.

        `quantity` in base units (+ long, - short), `entry_price` and `mark_price` in quote per
        base, `exposure` and `unrealised_pnl` in the reporting currency; `distance` to the liquidation price, a
        fraction of the mark; `margin_ratio` of its own margin or of the one that it shares: maintenance margin /
        margin balance, liquidation at 1, infinite where the balance is used up. NaN where unknown. `attrs` as in
        `balances`.
        """
        return with_ends(self._newest("positions", user, at), self._newest("wallets", user, at))

    def open_orders(self, user: str, at: Instant = None) -> pd.DataFrame:
        """Resting orders of the newest slot, or of the last one at or before `at`; `attrs` as in `balances`."""
        return self._newest("open_orders", user, at)

    def exposure(self, user: str) -> pd.DataFrame:
        """Exposure by underlying, index `underlying`, of the last complete snapshot.

        `quantity` (signed base units, spot and contracts netted), `net` (money), `gross_instrument`
        (money, before netting) and `share` (net / equity). `attrs["total"]` holds net, gross,
        gross_instrument, long, short, gross_share, net_share; `attrs["slot"]` the slot.
        """
        self._check(user)
        return self._archive.once(("exposure", user), lambda: self._exposure(user)).copy()

    def allocation(self, user: str, by: str = "asset") -> pd.DataFrame:
        """Value and weight of each part of equity, index `name`, largest first; last complete snapshot.

        Args:
            user: whose book.
            by: "asset", "wallet", "account" or "venue".

        Returns:
            `value` (money) and `weight` (fraction); both signed, weights sum to 1. Open PnL
            belongs to its margin asset. `attrs["slot"]` is the slot.
        """
        if by not in _GROUPS:
            message = f"cannot allocate by {by!r}: use {', '.join(_GROUPS)}"
            raise BadInputError(message)
        self._check(user)
        slot = self._complete_slot(user)
        rows = self._empty("balances") if slot is None else self._archive.at_slot("balances", user, slot)
        names = rows["account"].map(venue_of) if by == "venue" else rows[by]
        values = rows["value"].groupby(names.rename("name")).agg(math.fsum)
        values = values[values != 0.0].astype("float64").sort_values(ascending=False, kind="stable")
        frame = pd.DataFrame({"value": values, "weight": weights(values)})
        frame.attrs["slot"] = slot
        return frame

    def stress(self, user: str | None = None, shocks: Shocks = None) -> pd.DataFrame:
        """What each account (rows, "user venue:label") would gain or lose in each scenario (columns); money.

        Args:
            user: whose accounts; None for the whole desk.
            shocks: fractions of price by underlying, {"BTC": -0.2}; a frame of `engines.stress.shock_grid` or
                `drawn_shocks`; "together", "history" or "independent" for 1,000 drawn days of that correlation; None
                for the grid: the whole market, then each underlying alone.

        Returns:
            Exact for spot and contracts; options are valued anew by Black-76 at their implied volatility.
            `attrs["equity"]` holds the accounts' equity, `attrs["options"]` how each was valued: "black-76", or by
            its delta and why. `attrs["unknown"]` names what has too short a history to be drawn: accounts that
            hold it are NaN, because what they would lose is unknown.
        """
        return stressed_book(self._archive, self._book(user), shocks)

    def risk(self, user: str | None = None) -> Risk:
        """Risk of one user's present book, or of all: concentration, VaR, leverage, liquidation, who falls first.

        Each is a frame of its own: `lab.risk().accounts` ranks every account by the fall or rise of all prices
        that it survives; `.positions`, `.margins`, `.options`, `.leverage`, `.value_at_risk`, `.correlation`, `.orders`
        and `.concentration` are told in `portfolio_lab.risk.Risk`.
        """
        return book_risk(self._archive, self._book(user))

    # ------------------------------------------------------------ how it went

    def equity(self, user: str, since: Instant = None, until: Instant = None) -> pd.Series:
        """Equity of complete snapshots in [since, until), index `slot`."""
        self._check(user)
        complete = self._complete(user)
        index = pd.DatetimeIndex(complete["slot"], name="slot")
        equity = pd.Series(complete["equity"].to_numpy(dtype="float64"), index, name="equity")
        return between(equity, since, until)

    def estimated_equity(self, user: str) -> pd.Series:
        """Equity by day before the first complete snapshot, from the venues' own records; never part of `equity`.

        Index `day` (UTC), at whose end it stood so. `attrs` say what is missing: see `portfolio_lab.estimates`.
        """
        self._check(user)
        complete = self._complete(user)
        observed = pd.Timestamp(complete["slot"].iloc[0]) if len(complete) else None
        return estimated_equity(self._archive.rows("estimated_equity", user=user), observed)

    def returns(self, user: str) -> pd.Series:
        """Daily TWR of closed UTC days, fractions net of cash flows; NaN where unknown. Index `day` (UTC)."""
        self._check(user)
        return self._archive.once(("returns", user), lambda: self._returns(user)).copy()

    def drawdown(self, user: str) -> pd.Series:
        """Drawdown at the end of each closed day, on the index of returns; fractions <= 0."""
        return drawdowns.drawdown(self.returns(user))

    def drawdowns(self, user: str) -> pd.DataFrame:
        """Every drawdown of the index of returns, the deepest first; columns as `engines.drawdown.drawdowns` tells."""
        return drawdowns.drawdowns(self.returns(user))

    def equity_curve(self, user: str, since: Instant = None, points: int = 1500) -> pd.DataFrame:
        """At most `points` rows of `equity` and `drawdown`, index `slot`, for a chart.

        `drawdown` is taken at every snapshot on the index of returns, from the first snapshot on.
        Thinned out by minimum and maximum of each stretch, so that no extreme of either is lost; 6 points are the
        fewest that do so, BadInputError below.
        """
        self._check(user)
        curve = between(self._drawn(user), since, None)
        return curve.iloc[extremes(curve, points)]

    def benchmark(self, asset: str = "BTC", since: Instant = None) -> pd.Series:
        """Price of an asset at the end of each UTC day from stored prices, index `day`; NaN where none is stored."""
        self._archive.refresh()
        rows = self._archive.history("prices", columns=_BENCHMARK_COLUMNS, only=("asset", asset))
        return between(daily_prices(rows, asset), since, None)

    def performance(self, user: str, since: Instant = None) -> pd.Series:
        """The figures of `engines.performance.FIGURES` by name, from closed days on or after `since`."""
        return metrics(between(self.returns(user), since, None)).rename(user)

    def headline(self, user: str) -> pd.Series:
        """The figures of the first row of a dashboard.

        `equity`, `at` (slot of the last complete snapshot), `grade` (of the newest), `pnl_24h`, `pnl_30d`,
        `return_24h`, `return_30d` (up to `at`; NaN while the history is shorter), `unrealised_pnl`,
        `drawdown` and `max_drawdown` (at snapshots, not only at days' ends; both NaN once a return was below
        -100 %, and `drawdown_reason` says so), `gross_exposure`, `net_exposure`, `gross_share`, `net_share`
        (of equity), `sharpe` and `days` (closed days).
        """
        self._check(user)
        return self._archive.once(("headline", user), lambda: self._headline(user)).copy()

    def scope(self, user: str | None = None, account: str | None = None, wallet: str | None = None) -> Scope:
        """Returns and PnL of one wallet, one account, one user, or (without a user) the whole desk.

        What is a cash flow depends on the scope: a move between two accounts is one for both, none for the user.
        """
        if user is None:
            self._archive.refresh()
            return Scope("desk", lambda: desk_member(self._archive, self._names()))
        self._check(user)
        if account is None:
            return Scope(user, lambda: user_member(self._archive, user))
        name = " ".join(part for part in (user, account, wallet) if part)
        return Scope(name, lambda: account_member(self._archive, user, account, wallet))

    def pnl(self, user: str, period: str = "D", zone: str = "UTC") -> pd.DataFrame:
        """PnL and return of each day, week, month or year, index `period_start`.

        Args:
            user: whose book.
            period: "D", "W" (from Monday), "M" or "Y".
            zone: IANA zone whose days these are.

        Returns:
            `pnl`, `cash_flow`, `opening_equity`, `closing_equity` (money), `period_return` (TWR, a
            fraction), `estimated`, `days`, and `partial`, true for a period that is not over.
        """
        self._check(user)
        if zone != "UTC":
            return self.scope(user).pnl(period, zone)
        days = self._days(user)
        rows = engine.period_rows(days, period)
        rows["partial"] = rows.index == rows.index.max() if len(days) and self._runs(user, period) else False
        return rows

    def trades(self, user: str, account: str | None = None, method: str = "average") -> Trades:
        """Round trips from flat to flat, `closed` and `open`, net of fees and funding, and single `closings`.

        Columns as `engines.trades.round_trips` tells, with `account`, `instrument`, `underlying` and `venue`. `unknown`
        counts sales of what was bought before the venue's memory begins. `method` is "average" or "fifo".
        `engines.trade_statistics.trade_statistics(trades.closed, by="side")` says what they amount to.
        """
        self._check(user)
        key = ("trades", user, account, method)
        return self._archive.once(key, lambda: user_trades(self._archive, user, account=account, method=method))

    def trade_statistics(self, user: str, by: str | None = None) -> pd.DataFrame:
        """The figures of `engines.trade_statistics.STATISTICS`, NaN where unknown or of fewer than 20 trades.

        Rows "trips" (round trips from flat to flat) and "closings" (single reductions, flat or not, without funding);
        with `by` ("underlying", "side", "venue", "weekday" ...) closings alone, a row each.
        """
        trades = self.trades(user)
        if by is not None:
            return trade_statistics(trades.closings, by=by)
        return pd.DataFrame({
            "trips": trade_statistics(trades.closed), "closings": trade_statistics(trades.closings),
        }).T  # fmt: skip

    def attribution(self, user: str, by: str = "user", since: Instant = None, until: Instant = None) -> pd.DataFrame:
        """What each day's change of equity consisted of, in the terms of `engines.attribution.TERMS`.

        Args:
            user: whose book.
            by: "user" (index `day`), or "account", "asset" or "instrument" (index `day` and that).
            since: from the day of this instant on.
            until: up to the day of this instant.

        Returns:
            Money, + gain; the terms add up to `change`. `residual` is what no event explains: `suspect` names where
            the most of it is once it is above 1 bp of equity, `pending` marks days of which some stream of activity
            has not been read yet.
        """
        self._check(user)
        days = day_intervals(self._archive, user, bound(since), bound(until))
        terms = self._archive.once(("terms", user, since, until), lambda: user_attribution(self._archive, user, days))
        return day_table(self._archive, user, days, terms, by)

    def reconciliation(self, user: str, period: Period) -> pd.DataFrame:
        """Our PnL beside what each venue itself would show, index (`account`, `wallet`), explained term by term.

        Args:
            user: whose book.
            period: "2026-08-20", "2026-08", "2026", or (first day, last day), in UTC.

        Returns:
            `definition` of the venue's figure and whether it is `verified`; `ours`, `venue` and their `difference`
            (money), which is the sum of the term columns: what the venue leaves out. NaN where it shows nothing.
        """
        self._check(user)
        return reconciliation(self._archive, user, period)

    def explain(self, user: str, figure: str = "equity", at: Instant = None) -> Node:
        """A figure as a tree, from the number down to quantity x price and the venue's raw answer.

        Args:
            user: whose book.
            figure: "equity", "exposure" (gross), "net_exposure", "pnl" (of a UTC day), "twr", or any of
                `engines.performance.FIGURES`.
            at: as of the last complete snapshot, or the day, at or before this instant; None for the newest.

        Returns:
            A `Node`, whose children give its value by its rule: `print` it, or ask for its `.frame()`.
        """
        self._check(user)
        history = History(self.currency, lambda: self._days(user), lambda: self._gaps(user), lambda: self.returns(user))
        return explained(self._archive, user, figure, at, history)

    def monthly_returns(self, user: str) -> pd.DataFrame:
        """TWR of each month, index `year`, columns 1 to 12 and "year"; closed days, NaN where unknown."""
        returns = self.returns(user).dropna()
        days = pd.DatetimeIndex(returns.index)
        months = returns.groupby([days.year, days.month]).agg(engine.twr).unstack()  # noqa: PD010 - one value a cell, nothing to aggregate
        table = months.reindex(columns=_MONTH_LABELS) if len(returns) else pd.DataFrame(columns=_MONTH_LABELS)
        table["year"] = returns.groupby(days.year).agg(engine.twr)
        return table.astype("float64").rename_axis(index="year", columns=None)

    def cash_flows(self, user: str) -> pd.DataFrame:
        """Money that crossed the border of the book, by rising `at`.

        `quantity` in units of `asset` (+ in, - out, network fee included), `price` and `value` in
        the reporting currency, NaN when unknown. Moves between own accounts are not here:
        `lab.facts("cash_flows", user)` has every row with its `scope`.
        """
        self._check(user)
        return self._flows(user).drop(columns=["user", "currency"]).sort_values("at", ignore_index=True)
