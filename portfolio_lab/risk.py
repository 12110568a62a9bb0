"""Risk of the present books: what a move of prices does to each account, and which of them falls first.

An account is named "user venue:label" here, because a desk's users may name theirs alike. Value on its way
between two accounts is in none of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.books import exposure_lines_from, prices_from, share_or_nan
from portfolio_lab.engines import margins, stress
from portfolio_lab.engines.exposure import Line, is_exposed
from portfolio_lab.engines.options import BLACK_76
from portfolio_lab.errors import BadInputError
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.options_held import held_options

Shocks = pd.DataFrame | Mapping[str, float] | str | None
"""A frame of `engines.stress`, fractions by underlying, the name of a preset correlation, or the grid."""

SCENARIOS = 1_000
"""How many a preset correlation draws."""

LOOKBACK_DAYS = 365
"""Days of stored prices that volatility and correlation are taken from."""

_FEWEST_DAYS = 30
_DAY_MICROS = 86_400_000_000
_MARGIN = "margin"
_IN_TRANSIT = str(Wallet.IN_TRANSIT)


@dataclass(frozen=True, slots=True)
class Book:
    """The present books of some users: every part of every exposure, equity of each account, positions, orders.

    `margins` are those of `engines.margins.margins_of`, `options` those of `engines.options.priced`.
    """

    parts: pd.DataFrame
    equity: pd.Series
    positions: pd.DataFrame
    orders: pd.DataFrame
    margins: pd.DataFrame
    options: pd.DataFrame

    def exposures(self) -> pd.DataFrame:
        """Return signed money, one row an account, one column an underlying; NaN where unknown."""
        return self._summed(self.parts)

    def linear_exposures(self) -> pd.DataFrame:
        """Return the same without the options that are valued anew under stress."""
        return self._summed(self.parts[~self.parts["is_revalued"].astype(bool)])

    def revalued(self) -> pd.DataFrame:
        """Return the options that are valued anew under stress."""
        return self.options[self.options["method"] == BLACK_76]

    def _summed(self, parts: pd.DataFrame) -> pd.DataFrame:
        sums = parts.groupby(["account", "underlying"])["value"].agg(lambda values: values.sum(skipna=False))
        wide: pd.DataFrame = sums.unstack("underlying", fill_value=0)  # noqa: PD010 - one value a cell
        names = pd.Index(sorted(self.parts["underlying"].unique()), name="underlying")
        return wide.reindex(index=self.equity.index, columns=names, fill_value=0.0).astype("float64")

    def net(self) -> pd.Series:
        """Return signed money by underlying over all accounts."""
        return self.exposures().sum(axis=0, skipna=False)


@dataclass(frozen=True, slots=True)
class Risk:
    """What `lab.risk` tells, each a frame or series of its own; shares are fractions of equity, losses < 0.

    `concentration`: how much of gross exposure sits in few underlyings (`engines.stress.concentration`).
    `value_at_risk`: a bad day (5 %) of the present book by past prices, money, and its share of equity; unknown while
    something held has less than 30 days of prices, which `attrs["unknown"]` names.
    `correlation`: of daily returns of what is held; NaN below 30 days in common.
    `leverage`: one row an account: `equity`, `gross`, `contracts` (money), `leverage`, `contract_leverage`.
    `positions`: with `distance` to the venue's liquidation price, a fraction of the mark, the nearest first, and
    the `margin_ratio` of what stands behind each, its own or what it shares.
    `margins`: maintenance margin / margin balance of each margin, liquidation at 1, the nearest first, with the
    venue's own figure beside it (`engines.margins`); infinite where the balance is used up, NaN where unknown.
    `accounts`: what fall and rise of all prices each account survives, the first to fall first, and
    `margin_ratio`, the highest that is known of it.
    `orders`: exposure by underlying if every resting order of one side filled.
    `options`: what each option is valued by under stress: the `volatility` that its premium implies, or its delta
    alone and the `reason`.
    """

    concentration: pd.Series
    value_at_risk: pd.Series
    correlation: pd.DataFrame
    leverage: pd.DataFrame
    positions: pd.DataFrame
    margins: pd.DataFrame
    accounts: pd.DataFrame
    orders: pd.DataFrame
    options: pd.DataFrame

    def __repr__(self) -> str:
        return "\n\n".join(f"{part.name}:\n{_told(getattr(self, part.name))}" for part in fields(self))


def _told(part: pd.Series | pd.DataFrame) -> str:
    reasons = [f"unknown: {name}: {why}" for name, why in part.attrs.get("unknown", {}).items()]
    return "\n".join([part.to_string() if len(part) else "none", *reasons])


def present_book(archive: Archive, slots: Mapping[str, pd.Timestamp], currency: str) -> Book:
    """Return the books of users at their slots.

    Raises:
        BadInputError: no user has a complete snapshot.
    """
    if not slots:
        raise BadInputError("there is no complete snapshot yet: run portfolio-lab sync")
    found = [_one_book(archive, user, slot, currency) for user, slot in slots.items()]
    book = Book(*(pd.concat([getattr(one, part.name) for one in found]) for part in fields(Book)))
    return replace(book, margins=margins.nearest_first(book.margins))


def _one_book(archive: Archive, user: str, slot: pd.Timestamp, currency: str) -> Book:
    balances, positions, orders, wallets = (
        archive.once((table, user, slot), lambda table=table: archive.at_slot(table, user, slot))  # type: ignore[misc]
        for table in ("balances", "positions", "open_orders", "wallets")
    )
    prices = archive.at_slot("prices", None, slot)
    lines = exposure_lines_from(balances, positions, prices, user=user, slot=slot, currency=currency)
    contracts = set(positions.loc[positions["kind"] != _MARGIN, "instrument"])
    known = prices_from(prices, balances, slot, currency)
    options = held_options(positions, lines, known, user=user, slot=slot, currency=currency)
    parts = pd.DataFrame([row for line in lines for row in _part_rows(line, user, contracts)], columns=_PART_COLUMNS)
    parts["is_revalued"] = _are_revalued(parts, options)
    # In a complete snapshot every wallet is read and priced: an account without a balance is worth nothing.
    held = balances[balances["wallet"] != _IN_TRANSIT].groupby("account")["value"]
    names = pd.Index(sorted(wallets.loc[wallets["wallet"] != _IN_TRANSIT, "account"].unique()))
    by_account = held.agg(lambda values: values.sum(skipna=False)).reindex(names, fill_value=0.0).astype("float64")
    by_account.index = pd.Index([f"{user} {name}" for name in by_account.index], name="account")
    behind = margins.margins_of(_named(wallets, user), _named(positions, user))
    return Book(parts, by_account, _named(positions, user), _named(orders, user), behind, options)


_PART_COLUMNS = ["account", "underlying", "name", "price", "value", "own_value", "is_contract"]


def _part_rows(line: Line, user: str, contracts: set[str]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for part in line.parts:
        if part.wallet != _IN_TRANSIT:
            value = math.nan if part.quantity is None else float(part.quantity) * line.price
            is_contract = part.name.partition(" ")[0] in contracts
            place = (f"{user} {part.account}", line.underlying, part.name)
            rows.append((*place, line.price, value, part.value, is_contract))
    return rows


def _are_revalued(parts: pd.DataFrame, options: pd.DataFrame) -> list[bool]:
    chosen = options[options["method"] == BLACK_76]
    books = chosen["side"].map(lambda side: "" if side == "net" else f" {side}")
    names = set(zip(chosen["account"], chosen["instrument"] + books, strict=True))
    return [place in names for place in zip(parts["account"], parts["name"], strict=True)]


def _named(rows: pd.DataFrame, user: str) -> pd.DataFrame:
    return rows.assign(account=f"{user} " + rows["account"]).drop(columns=["user", "slot"])


# ---------------------------------------------------------------- stress


def stressed_book(archive: Archive, book: Book, shocks: Shocks) -> pd.DataFrame:
    """Return PnL (money) of each account (rows) in each scenario (columns); `lab.stress` tells of what."""
    chosen = _shocks(archive, book, shocks)
    pnl = stress.stressed(book.linear_exposures(), chosen, book.revalued())
    pnl.attrs["unknown"] = chosen.attrs.get("unknown", {})
    pnl.attrs["equity"] = {str(name): float(value) for name, value in book.equity.items()}
    pnl.attrs["options"] = _methods(book.options)
    return pnl


def _methods(options: pd.DataFrame) -> dict[str, str]:
    """Return how each option was valued: "black-76", or "delta: " and why."""
    ways = zip(*(options[name] for name in ("account", "instrument", "side", "method", "reason")), strict=True)
    return {
        " ".join((account, instrument, *([] if side == "net" else [side]))): f"{method}: {why}" if why else method
        for account, instrument, side, method, why in ways
    }


def _shocks(archive: Archive, book: Book, shocks: Shocks) -> pd.DataFrame:
    underlyings = [str(name) for name in book.exposures().columns]
    if shocks is None:
        return stress.shock_grid(underlyings)
    if isinstance(shocks, pd.DataFrame):
        return shocks
    if isinstance(shocks, Mapping):
        return pd.DataFrame({"given": pd.Series(dict(shocks), dtype="float64")})
    if str(shocks) not in set(stress.Correlation):
        known = ", ".join(repr(str(one)) for one in stress.Correlation)
        raise BadInputError(f"there is no preset {shocks!r}: use {known}, a mapping or a frame of shocks")
    return _drawn(daily_returns_of(archive, underlyings), shocks)


def _drawn(returns: pd.DataFrame, shocks: str) -> pd.DataFrame:
    """Return drawn shocks of what has a past; NaN for the rest, because how far that moves is unknown, not 0."""
    underlyings, short = list(returns.columns), _short_histories(returns)
    if not underlyings:
        return pd.DataFrame(columns=range(SCENARIOS), dtype="float64")
    if len(short) == len(underlyings):
        told = "; ".join(f"{name}: {why}" for name, why in short.items())
        raise BadInputError(
            f"there is no past to draw shocks from ({told}): give your own, {{{underlyings[0]!r}: -0.2}}"
        )
    drawn = stress.drawn_shocks(returns.drop(columns=list(short)), scenarios=SCENARIOS, correlation=shocks)
    frame = drawn.reindex(pd.Index(underlyings, name="underlying"))
    frame.attrs["unknown"] = short
    return frame


def _short_histories(returns: pd.DataFrame) -> dict[str, str]:
    """Return why of each underlying nothing can be reckoned from its past; none of those that have enough of it."""
    return {
        str(name): f"{int(days)} days of prices are stored, {_FEWEST_DAYS} are needed"
        for name, days in returns.notna().sum().items()
        if days < _FEWEST_DAYS
    }


# ---------------------------------------------------------------- risk


def book_risk(archive: Archive, book: Book) -> Risk:
    """Return the risk of the present books together; `lab.risk` tells what is in it."""
    net = book.net()
    held = net[net != 0.0]
    returns = daily_returns_of(archive, [str(name) for name in held.index])
    return Risk(
        concentration=stress.concentration(net),
        value_at_risk=_value_at_risk(held, returns, float(book.equity.sum(skipna=False))),
        correlation=returns.corr(min_periods=_FEWEST_DAYS),
        leverage=_leverage(book),
        positions=_positions(book),
        margins=book.margins,
        accounts=_accounts(book),
        orders=_if_filled(book, net),
        options=book.options.reset_index(drop=True),
    )


def _value_at_risk(held: pd.Series, returns: pd.DataFrame, equity: float) -> pd.Series:
    common = len(returns.dropna()) if len(held) else _FEWEST_DAYS
    if common < _FEWEST_DAYS:
        money = pd.Series({"historical": math.nan, "expected_shortfall": math.nan, "parametric": math.nan})
        money["days"] = float(common)
    else:
        money = stress.book_value_at_risk(held, returns)
    shares = {f"{name}_share": share_or_nan(float(money[name]), equity) for name in ("historical", "parametric")}
    told = pd.concat([money, pd.Series(shares)])
    told.attrs["unknown"] = _short_histories(returns) if len(held) else {}
    return told


def _leverage(book: Book) -> pd.DataFrame:
    sizes = book.exposures().abs().sum(axis=1, skipna=False)
    is_contract = book.parts["is_contract"].astype(bool)
    own = book.parts[is_contract].groupby("account")["own_value"].agg(lambda values: values.sum(skipna=False))
    frame = pd.DataFrame({"equity": book.equity, "gross": sizes})
    frame["contracts"] = own.reindex(frame.index, fill_value=0.0).astype("float64")
    for name, amount in (("leverage", "gross"), ("contract_leverage", "contracts")):
        frame[name] = [share_or_nan(size, equity) for size, equity in zip(frame[amount], frame["equity"], strict=True)]
    return frame


_POSITION_COLUMNS = ["account", "wallet", "instrument", "side", "quantity", "exposure", "mark_price"]


def _accounts(book: Book) -> pd.DataFrame:
    frame = stress.first_to_fall(book.linear_exposures(), book.equity, book.positions, book.revalued())
    return frame.assign(margin_ratio=margins.nearest_by_account(book.margins).reindex(frame.index))


def with_ends(positions: pd.DataFrame, wallets: pd.DataFrame) -> pd.DataFrame:
    """Return stored positions with how far each is from its end: `distance` and `margin_ratio`."""
    rows = stress.liquidation_distances(positions)
    ratios = margins.position_ratios(rows, margins.margins_of(wallets, positions))
    return _like(positions, rows.assign(margin_ratio=ratios))


def with_margin_ratios(wallets: pd.DataFrame, positions: pd.DataFrame) -> pd.DataFrame:
    """Return stored wallets with `margin_ratio`, the highest that is known of each, in place of their margins."""
    highest = margins.margins_of(wallets, positions).groupby(["account", "wallet"])["margin_ratio"].max()
    places = zip(wallets["account"], wallets["wallet"], strict=True)
    ratios = pd.Series([highest.get(place, math.nan) for place in places], index=wallets.index, dtype="float64")
    return _like(wallets, wallets.drop(columns="margins").assign(margin_ratio=ratios))


def _like(known: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    rows.attrs.update(known.attrs)
    return rows


def _positions(book: Book) -> pd.DataFrame:
    rows = stress.liquidation_distances(book.positions.reset_index(drop=True))
    rows = rows.assign(margin_ratio=margins.position_ratios(rows, book.margins))
    rows = rows[[*_POSITION_COLUMNS, "liquidation_price", "distance", "margin_ratio"]]
    return rows.sort_values("distance", key=np.abs, kind="stable", na_position="last", ignore_index=True)


def _if_filled(book: Book, net: pd.Series) -> pd.DataFrame:
    known = book.parts.dropna(subset="price").drop_duplicates("underlying").set_index("underlying")["price"]
    orders = book.orders[book.orders["underlying"].map(is_exposed).astype(bool)]
    # What is ordered and not held has no price here: the orders' own limits stand for it.
    limits = orders.assign(limit=orders["price"].astype("float64")).groupby("underlying")["limit"].max()
    return stress.worst_case(net, orders, known.combine_first(limits))


# ---------------------------------------------------------------- prices of days


def daily_returns_of(archive: Archive, underlyings: list[str]) -> pd.DataFrame:
    """Return daily returns of stored prices, one column an underlying, LOOKBACK_DAYS at most; NaN where unknown.

    The last price of a UTC day counts, of the first venue by name; a day without one makes two returns unknown.
    """
    rows = archive.store.sql(_DAILY, [underlyings]) if underlyings else pd.DataFrame(columns=["asset", "day", "price"])
    if not len(rows):
        return pd.DataFrame(columns=underlyings, dtype="float64")
    wide = rows.pivot_table(index="day", columns="asset", values="price", aggfunc="first")
    wide.index = pd.to_datetime(wide.index, unit="D", utc=True)
    daily = wide.asfreq("D").tail(LOOKBACK_DAYS + 1)
    return daily.pct_change(fill_method=None).iloc[1:].reindex(columns=pd.Index(underlyings, name="underlying"))


_DAILY = f"""
    SELECT asset, (epoch_us(slot) - 1) // {_DAY_MICROS} AS day, max_by(price, slot) AS price
    FROM prices
    WHERE list_contains(?, asset)
      AND venue = (SELECT min(other.venue) FROM prices AS other WHERE other.asset = prices.asset)
    GROUP BY ALL
    ORDER BY day, asset
"""  # noqa: S608 - a number of ours, no text of anybody's


def shares_of_equity(pnl: pd.DataFrame) -> pd.DataFrame:
    """Return stressed PnL as fractions of each account's equity; NaN where that is unknown or not positive."""
    equity = pd.Series(pnl.attrs["equity"], dtype="float64")
    return pnl.div(equity.where(equity > 0), axis=0)
