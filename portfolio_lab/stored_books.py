"""What stands behind the reports of a Lab: one user's stored rows, each read once between two commits."""

from __future__ import annotations

import difflib
import math

import pandas as pd

from portfolio_lab.archive import Archive, Facts
from portfolio_lab.books import exposure_figures, exposure_from, share_or_nan
from portfolio_lab.curves import curve_of, last_drawdowns, long_curve
from portfolio_lab.engines import returns as engine
from portfolio_lab.engines.performance import metrics
from portfolio_lab.errors import BadInputError
from portfolio_lab.models.tables import TABLES
from portfolio_lab.risk import Book, present_book
from portfolio_lab.scopes import shown_flows
from portfolio_lab.settings import Settings
from portfolio_lab.timelines import Instant, instant

_SNAPSHOT_COLUMNS = ("user", "slot", "at", "interval_seconds", "grade", "currency", "equity")
_TOTALS = ("net", "gross", "gross_instrument", "long", "short", "gross_share", "net_share")


class StoredBooks:
    """The part of a Lab that its reports share: snapshots, days, gaps and flows of one user."""

    def __init__(self, store: Facts, settings: Settings) -> None:
        self.settings = settings
        self.currency = settings.reporting_currency
        self._archive = Archive(store)

    def _names(self) -> list[str]:
        return list(dict.fromkeys([*self.settings.users, *self._states().index]))

    def _states(self) -> pd.DataFrame:
        return self._archive.once(
            "states", lambda: self._archive.rows("users_portfolio_state").set_index("user").sort_index()
        )

    def _check(self, user: str) -> None:
        self._archive.refresh()
        names = self._names()
        if user not in names:
            near = difflib.get_close_matches(str(user), names, n=1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            message = f"there is no user {user!r}{meant}: this lab has {', '.join(names) or 'none yet'}"
            raise BadInputError(message)

    def _taken(self, user: str) -> pd.DataFrame:
        return self._archive.history("portfolio_snapshots", user=user, columns=_SNAPSHOT_COLUMNS)

    def _complete(self, user: str) -> pd.DataFrame:
        taken = self._taken(user)
        return taken[(taken["grade"] == "complete") & taken["equity"].notna()]

    def _complete_slot(self, user: str) -> pd.Timestamp | None:
        complete = self._complete(user)
        return complete["slot"].iloc[-1] if len(complete) else None

    def _newest(self, table: str, user: str, at: Instant = None) -> pd.DataFrame:
        self._check(user)
        taken = self._taken(user)
        if at is not None:
            taken = taken[taken["slot"] <= instant(at)]
        if not len(taken):
            rows, slot, grade = self._empty(table), None, ""
        else:
            slot, grade = taken["slot"].iloc[-1], taken["grade"].iloc[-1]
            rows = self._archive.once((table, user, slot), lambda: self._archive.at_slot(table, user, slot))
        rows = rows.drop(columns=["user", "slot"])
        rows.attrs.update(slot=slot, grade=grade)
        return rows

    def _empty(self, table: str) -> pd.DataFrame:
        empty: pd.DataFrame = TABLES[table].schema.empty_table().to_pandas()
        return empty

    def _exposure(self, user: str) -> pd.DataFrame:
        slot = self._complete_slot(user)
        if slot is None:
            columns = ["quantity", "net", "gross_instrument", "share"]
            empty = pd.DataFrame(columns=columns, index=pd.Index([], name="underlying"), dtype="float64")
            empty.attrs.update(total=dict.fromkeys(_TOTALS, math.nan), slot=None)
            return empty
        equity = float(self._complete(user)["equity"].iloc[-1])
        book = exposure_from(
            self._archive.at_slot("balances", user, slot),
            self._archive.at_slot("positions", user, slot),
            self._archive.at_slot("prices", None, slot),
            user=user,
            slot=slot,
            equity=equity,
            currency=self.currency,
        )
        columns = ["underlying", "quantity", "net", "gross_instrument"]
        frame = pd.DataFrame([[getattr(line, name) for name in columns] for line in book.underlyings], columns=columns)
        frame = frame.set_index("underlying").astype("float64")
        frame["share"] = [share_or_nan(net, equity) for net in frame["net"]]
        totals = {name: getattr(book, name) for name in _TOTALS[:5]}
        shares = {"gross_share": share_or_nan(book.gross, equity), "net_share": share_or_nan(book.net, equity)}
        frame.attrs.update(total=totals | shares, slot=slot)
        return frame

    def _book(self, user: str | None) -> Book:
        """The last complete book of one user, or those of all."""
        if user is None:
            self._archive.refresh()
        else:
            self._check(user)
        found = {name: self._complete_slot(name) for name in ([user] if user else self._names())}
        slots = {name: slot for name, slot in found.items() if slot is not None}
        return self._archive.once(("book", user), lambda: present_book(self._archive, slots, self.currency))

    def _days(self, user: str) -> pd.DataFrame:
        """Stored rows of closed days, and what the snapshots after them say, today included."""
        return self._archive.once(("days", user), lambda: self._all_days(user))

    def _all_days(self, user: str) -> pd.DataFrame:
        stored, taken = self._archive.rows("performance_history", user=user), self._taken(user)
        if not len(taken):
            return stored
        newest = taken["slot"].iloc[-1]
        since = max(stored["day"]) + pd.Timedelta(days=1) if len(stored) else taken["slot"].iloc[0].date()
        until = (newest - pd.Timedelta(microseconds=1)).date() + pd.Timedelta(days=1)
        if since >= until:
            return stored
        rest = engine.day_rows(taken, self._shown(user), since, until, as_of=newest)
        parts = [part for part in (stored, rest) if len(part)]
        return pd.concat(parts, ignore_index=True) if parts else stored

    def _runs(self, user: str, period: str) -> bool:
        newest = self._taken(user)["slot"].iloc[-1]
        begins = {"D": True, "W": newest.weekday() == 0, "M": newest.day == 1, "Y": newest.day_of_year == 1}[period]
        return not (begins and newest == newest.normalize())

    def _returns(self, user: str) -> pd.Series:
        days, taken = self._days(user), self._taken(user)
        if len(taken):
            days = days[days["day"] < taken["slot"].iloc[-1].date()]
        return engine.daily_returns(days)

    def _gaps(self, user: str) -> pd.DataFrame:
        return self._archive.once(
            ("gaps", user),
            lambda: engine.snapshot_returns(self._complete(user), self._shown(user)),
        )

    def _flows(self, user: str) -> pd.DataFrame:
        """The flows across the border of the user's book: not those inside it, or from before it began."""
        rows = self._archive.once(("cash_flows", user), lambda: self._archive.rows("cash_flows", user=user))
        return rows[rows["scope"].isna() | (rows["scope"] == "external")]

    def _shown(self, user: str) -> pd.DataFrame:
        """The same flows, placed by the snapshots that show them."""
        return self._archive.once(
            ("shown flows", user), lambda: shown_flows(self._archive, user, self._taken(user), self._flows(user))
        )

    def _drawn(self, user: str) -> pd.DataFrame:
        """The curve at every snapshot if it was reckoned already or is short, else by hours."""
        if not self._archive.holds(("curve", user)):
            drawn = self._archive.once(("long curve", user), lambda: long_curve(self._archive, user, self._shown(user)))
            if drawn is not None:
                return drawn
        return self._archive.once(("curve", user), lambda: self._curve(user))

    def _curve(self, user: str) -> pd.DataFrame:
        return curve_of(self._complete(user), self._gaps(user)["gap_return"])

    def _headline(self, user: str) -> pd.Series:
        taken, complete = self._taken(user), self._complete(user)
        figures: dict[str, object] = {"equity": math.nan, "at": pd.NaT, "grade": ""}
        if len(taken):
            figures["grade"] = taken["grade"].iloc[-1]
        figures |= self._windows(user)
        if len(complete):
            figures |= {"equity": float(complete["equity"].iloc[-1]), "at": complete["slot"].iloc[-1]}
        figures |= self._last_exposure(user)
        curve = self._archive.once(("curve", user), lambda: self._curve(user))
        figures |= last_drawdowns(curve, self._gaps(user)["gap_return"])
        figures |= {str(name): value for name, value in metrics(self._returns(user))[["sharpe", "days"]].items()}
        return pd.Series(figures, dtype="object", name=user)

    def _windows(self, user: str) -> dict[str, object]:
        figures: dict[str, object] = {}
        for name, days in (("24h", 1), ("30d", 30)):
            figures[f"pnl_{name}"], figures[f"return_{name}"] = engine.last_days(self._gaps(user), days)
        return figures

    def _last_exposure(self, user: str) -> dict[str, object]:
        slot = self._complete_slot(user)
        return exposure_figures(None if slot is None else self._archive.at_slot("portfolio_snapshots", user, slot))
