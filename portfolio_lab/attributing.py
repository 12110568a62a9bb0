"""Stored balances, positions and activity -> what each day's change of equity consisted of.

One ledger a wallet, never two: where a venue books what contracts realised and cost as income, their fills tell
the same again and are left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.engines.attribution import attribution, by_interval, suspect
from portfolio_lab.engines.returns import midnights
from portfolio_lab.models.accounts import Wallet
from portfolio_lab.scopes import user_member
from portfolio_lab.trading import StoredPrices, quote_of

INTERVALS = ("day", "opening_slot", "closing_slot")

_TERM_OF = {
    "funding": "funding",
    "realised_pnl": "realised",
    "settlement": "realised",
    "liquidation": "realised",
    "insurance": "realised",
    "trade": "conversion",
    "commission": "fee",
    "interest": "interest",
    "rebate": "reward",
    "dividend": "reward",
    "earn_reward": "reward",
    "staking_reward": "reward",
    "promotion": "promotion",
    "dust": "conversion",
    "convert": "conversion",
}
"""What a kind of income is; the venue's other words are "other"."""
_NO_CHANGE = ("fiat", "pay", "loan")
"""Income that is a cash flow as well, and is counted there; and principal, which comes with a debt of its own size."""
_LEDGER_OF_CONTRACTS = ("commission", "realised_pnl", "trade", "settlement")
_OPAQUE = "opaque"
_ESTIMATES = "estimates"
"""A stream that tells of no event."""
_EVENT_COLUMNS = ["account", "wallet", "asset", "at", "quantity", "price", "term", "instrument", "told_by"]
_IDENTITIES = {"fills": "fill_id", "income": "income_id", "cash_flows": "flow_id", "transfers": "transfer_id"}


def day_intervals(archive: Archive, user: str, since: pd.Timestamp | None, until: pd.Timestamp | None) -> pd.DataFrame:
    """Return each UTC day that opens and closes with a complete snapshot: INTERVALS, as in `lab.pnl`."""
    taken = user_member(archive, user).snapshots
    slots = pd.DatetimeIndex(taken.loc[(taken["grade"] == "complete") & taken["equity"].notna(), "slot"])
    if not len(slots):
        return pd.DataFrame({name: pd.DatetimeIndex([], tz="UTC").as_unit("us") for name in INTERVALS})
    first = slots[0] if since is None else max(slots[0], since)
    last = slots[-1] if until is None else min(slots[-1], until)
    edges = midnights(first.date(), (last + pd.Timedelta(days=1)).date())
    places = slots.searchsorted(edges, side="right") - 1
    opening, closing = places[:-1].clip(min=0), places[1:]
    rows = pd.DataFrame({"day": edges[:-1], "opening_slot": slots[opening], "closing_slot": slots[closing.clip(min=0)]})
    return rows[rows["opening_slot"] < rows["closing_slot"]].reset_index(drop=True)


def user_attribution(archive: Archive, user: str, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return `engines.attribution.attribution` of a user's accounts for each of the intervals, named by their `day`.

    Moves to the user's other accounts are "transfer"; what is on its way between two of them is there too.
    """
    return _attributed(archive, user, intervals, interval_events(archive, user, intervals))


def wallet_attribution(archive: Archive, user: str, intervals: pd.DataFrame) -> pd.DataFrame:
    """Return the same with a column `wallet`: moves between two wallets of one account are "transfer" too.

    What no wallet is told of (some venues name none for a deposit) stands under "".
    """
    events = interval_events(archive, user, intervals, by_wallet=True)
    events = events.assign(account=_place(events["account"], events["wallet"].fillna("")))
    terms = _attributed(archive, user, intervals, events, by_wallet=True)
    names = terms["account"].str.partition(_BETWEEN)
    return terms.assign(account=names[0], wallet=names[2])


def interval_events(archive: Archive, user: str, intervals: pd.DataFrame, *, by_wallet: bool = False) -> pd.DataFrame:
    """Return what moved units in each of the intervals: `interval`, _EVENT_COLUMNS and `pool`.

    `told_by` names the stored row. With `by_wallet` moves between wallets of one account are told as "transfer".
    """
    slots = _ends(intervals)
    opaque = _opaque(_at_slots(archive, "balances", user, slots))
    prices = archive.once("stored prices", lambda: StoredPrices(archive))
    events = _events(archive, user, prices, opaque, by_wallet=by_wallet)
    return _by_interval(events, intervals, _read_at(archive, user, slots))


_BETWEEN = "\n"
"""Between account and wallet where both name one key."""


def _place(account: pd.Series, wallet: pd.Series) -> pd.Series:
    place: pd.Series = account + _BETWEEN + wallet
    return place


def _ends(intervals: pd.DataFrame) -> list[pd.Timestamp]:
    return sorted({*intervals["opening_slot"], *intervals["closing_slot"]})


def _attributed(
    archive: Archive, user: str, intervals: pd.DataFrame, events: pd.DataFrame, *, by_wallet: bool = False
) -> pd.DataFrame:
    books, held = interval_ends(archive, user, intervals, by_wallet=by_wallet)
    return attribution(books[0], books[1], events, positions=held)


def interval_ends(
    archive: Archive, user: str, intervals: pd.DataFrame, *, by_wallet: bool = False
) -> tuple[tuple[pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]:
    """Return what was held, and the open PnL of positions, each at the opening and the closing of the intervals."""
    slots = _ends(intervals)
    book, positions = _at_slots(archive, "balances", user, slots), _at_slots(archive, "positions", user, slots)
    settled, held = _settled(book, _opaque(book)), _held(positions)
    if by_wallet:
        is_inside = book["wallet"] != str(Wallet.IN_TRANSIT)
        settled["account"] = _place(settled["account"], book["wallet"].where(is_inside, ""))
        held["account"] = _place(held["account"], positions["wallet"])
    opened, closed = ("opening_slot", "closing_slot")
    books = _at_end(settled, intervals, opened), _at_end(settled, intervals, closed)
    return books, (_at_end(held, intervals, opened), _at_end(held, intervals, closed))


# ---------------------------------------------------------------- what was held


def _at_slots(archive: Archive, table: str, user: str, slots: Sequence[pd.Timestamp]) -> pd.DataFrame:
    parts = [
        archive.once((table, user, slot), lambda slot=slot: archive.at_slot(table, user, slot))  # type: ignore[misc]
        for slot in slots
    ]
    rows: pd.DataFrame = pd.concat(parts, ignore_index=True) if parts else archive.rows(table, user=user).iloc[:0]
    return rows


def _opaque(book: pd.DataFrame) -> set[tuple[str, str]]:
    """Return each (account, wallet) of which only a value is told."""
    rows = book[book["holding"] == _OPAQUE]
    return set(zip(rows["account"], rows["wallet"], strict=True))


def _pool(account: pd.Series, wallet: pd.Series, opaque: set[tuple[str, str]]) -> list[str]:
    return [name if (owner, name) in opaque else "" for owner, name in zip(account, wallet, strict=True)]


def _settled(book: pd.DataFrame, opaque: set[tuple[str, str]]) -> pd.DataFrame:
    unrealised = book["unrealised_pnl"].astype("float64").fillna(0.0)
    # An option's premium was paid in cash: what is open is all that it is worth, not its PnL alone.
    options = book["wallet"] == str(Wallet.OPTIONS)
    unrealised[options] = book.loc[options, "components"].map(_market_value).fillna(unrealised[options])
    return pd.DataFrame(
        {
            "slot": book["slot"],
            "account": book["account"].where(book["wallet"] != str(Wallet.IN_TRANSIT), IN_TRANSIT),
            "pool": _pool(book["account"], book["wallet"], opaque),
            "asset": book["asset"],
            "settled": book["quantity"].astype("float64") - unrealised,
            "unrealised": unrealised,
            "embedded": book["components"].map(_of_bots, na_action="ignore").astype("float64").fillna(0.0),
            "price": book["price"].astype("float64"),
        }
    )


def _of_bots(components: str) -> float:
    """Return the units that bots inside of a wallet hold."""
    return float(json.loads(components).get("bots", 0.0))


def _market_value(components: str | None) -> float:
    return float(json.loads(components or "{}").get("market_value", "nan"))


def _held(positions: pd.DataFrame) -> pd.DataFrame:
    unrealised = positions["unrealised_pnl_settle"].astype("float64")
    worth = positions["quantity"].astype("float64") * positions["mark_price"].astype("float64")
    return pd.DataFrame(
        {
            "slot": positions["slot"],
            "account": positions["account"],
            "pool": "",
            "asset": positions["settle_asset"],
            "instrument": positions["instrument"],
            "unrealised": unrealised.where(positions["wallet"] != str(Wallet.OPTIONS), worth),
        }
    )


def _at_end(rows: pd.DataFrame, intervals: pd.DataFrame, end: str) -> pd.DataFrame:
    named = intervals[["day", end]].rename(columns={"day": "interval", end: "slot"})
    return named.merge(rows, on="slot").drop(columns="slot")


def _read_at(archive: Archive, user: str, slots: Sequence[pd.Timestamp]) -> dict[tuple[str, str | None], pd.Series]:
    """Return when each wallet was read, by slot; under None the last one of its account."""
    rows = _at_slots(archive, "wallets", user, slots).dropna(subset="received_at")
    found: dict[tuple[str, str | None], pd.Series] = {
        (str(key[0]), str(key[1])): part.set_index("slot")["received_at"]
        for key, part in rows.groupby(["account", "wallet"])
    }
    last = {
        (str(account), None): part.groupby("slot")["received_at"].max() for account, part in rows.groupby("account")
    }
    return found | last


# ---------------------------------------------------------------- what happened


def _events(
    archive: Archive, user: str, prices: StoredPrices, opaque: set[tuple[str, str]], *, by_wallet: bool
) -> pd.DataFrame:
    fills, income, flows, moves = (_told(archive, user, name) for name in _IDENTITIES)
    parts = [
        *_of_fills(fills, income, prices),
        _of_income(income),
        *_of_flows(flows),
        *([] if by_wallet else _of_moves(moves, opaque)),
    ]
    events = pd.concat([part[_EVENT_COLUMNS] for part in parts if len(part)] or [_NO_EVENTS], ignore_index=True)
    events["price"] = events["price"].astype("float64").fillna(prices.at(events, events["asset"]))
    # What arrives from an own account, or is on its way to one, belongs to nobody's wallet for that time.
    on_the_way = events[events["term"] == "transfer"]
    transit = on_the_way.assign(account=IN_TRANSIT, wallet=None, quantity=-on_the_way["quantity"])
    inside = [part.assign(term="transfer") for part in _ends_of_moves(moves)] if by_wallet else []
    events = pd.concat([events, transit, *(part[_EVENT_COLUMNS] for part in inside)], ignore_index=True)
    events["price"] = events["price"].astype("float64").fillna(prices.at(events, events["asset"]))
    events["pool"] = _pool(events["account"], events["wallet"], opaque)
    return events


_NO_EVENTS = pd.DataFrame(columns=_EVENT_COLUMNS)
IN_TRANSIT = "in_transit"
"""What stands for the account of value between two own accounts."""


def _of_fills(fills: pd.DataFrame, income: pd.DataFrame, prices: StoredPrices) -> list[pd.DataFrame]:
    booked = income.loc[income["kind"].isin(_LEDGER_OF_CONTRACTS), ["account", "wallet"]].drop_duplicates()
    keys = set(zip(booked["account"], booked["wallet"], strict=True))
    is_spot = fills["realised_pnl"].isna()
    told_twice = pd.Series([key in keys for key in zip(fills["account"], fills["wallet"], strict=True)], fills.index)
    rows = fills[is_spot | ~told_twice].assign(price=float("nan"))
    spot, contracts = rows[rows["realised_pnl"].isna()], rows[rows["realised_pnl"].notna()]
    signed = spot["quantity"] * spot["side"].map({"buy": 1.0, "sell": -1.0}).astype("float64")
    dealt = fills.loc[spot.index, "price"]
    # A coin that came and went between two snapshots has no stored price: its own fill says what it was worth.
    coin = prices.at(spot, spot["underlying"]).fillna(dealt * prices.at(spot, quote_of(spot)))
    of_fee = coin.where(spot["fee_asset"] == spot["underlying"]).reindex(rows.index)
    return [
        spot.assign(asset=spot["underlying"], quantity=signed, term="conversion", price=coin),
        spot.assign(asset=quote_of(spot), quantity=-signed * dealt, term="conversion"),
        contracts.assign(asset=contracts["settle_asset"], quantity=contracts["realised_pnl"], term="realised"),
        rows.assign(asset=rows["fee_asset"], quantity=rows["fee"], term="fee", price=of_fee),
    ]


def _of_income(income: pd.DataFrame) -> pd.DataFrame:
    rows = income[~income["kind"].isin(_NO_CHANGE)]
    term = rows["kind"].map(_TERM_OF).fillna("other").mask(rows["is_promotion"].astype(bool), "promotion")
    # What an option cost or brought; its value is open PnL until it is closed.
    term = term.mask((rows["kind"] == "trade") & (rows["wallet"] == str(Wallet.OPTIONS)), "realised")
    return rows.assign(term=term, price=float("nan"))


def _of_flows(flows: pd.DataFrame) -> list[pd.DataFrame]:
    inside = flows["scope"] == "internal"
    own = flows[~flows["kind"].isin(["joined", "left"])].assign(instrument="")
    internal = own[inside.loc[own.index]]
    # The network's fee left with a withdrawal, and never arrives.
    fee = internal["fee"].where(internal["quantity"] < 0, 0.0)
    return [
        own[~inside.loc[own.index]].assign(term="flow"),
        internal.assign(quantity=internal["quantity"] + fee, term="transfer"),
        internal.assign(quantity=-fee, term="fee"),
    ]


def _told(archive: Archive, user: str, table: str) -> pd.DataFrame:
    rows = archive.rows(table, user=user)
    return rows.assign(told_by=table + " " + rows[_IDENTITIES[table]].astype("str"))


def _of_moves(moves: pd.DataFrame, opaque: set[tuple[str, str]]) -> list[pd.DataFrame]:
    """Return moves into and out of wallets whose contents are unknown; all others stay inside their account."""
    inside = moves[moves["source"].notna() & moves["target"].notna()]
    return [part[_touches(inside, opaque)] for part in _ends_of_moves(moves)]


def _ends_of_moves(moves: pd.DataFrame) -> list[pd.DataFrame]:
    """Return what left the one wallet and what arrived in the other."""
    rows = moves[moves["source"].notna() & moves["target"].notna()]
    rows = rows.assign(instrument="", term="move", price=float("nan"))
    ends = (("source", -1.0), ("target", 1.0))
    return [rows.assign(wallet=rows[end], quantity=sign * rows["quantity"]) for end, sign in ends]


def _touches(moves: pd.DataFrame, opaque: set[tuple[str, str]]) -> list[bool]:
    ends = zip(moves["account"], moves["source"], moves["target"], strict=True)
    return [(account, source) in opaque or (account, target) in opaque for account, source, target in ends]


def _by_interval(
    events: pd.DataFrame, intervals: pd.DataFrame, read_at: dict[tuple[str, str | None], pd.Series]
) -> pd.DataFrame:
    """Return the events that each interval's two readings of their wallet lie around, in time, with the `interval`."""
    parts = []
    if intervals.empty:
        events = events.iloc[:0]
    for key, rows in events.groupby(["account", "wallet"], dropna=False):
        account, wallet = str(key[0]), str(key[1])
        times = read_at[account, wallet] if (account, wallet) in read_at else read_at.get((account, None))
        opened = _instants(intervals, "opening_slot", times)
        closed = _instants(intervals, "closing_slot", times)
        at = pd.DatetimeIndex(rows["at"]).as_unit("us").asi8
        place = closed.searchsorted(at)
        inside = (place < len(closed)) & (at > opened[place.clip(max=len(opened) - 1)])
        parts.append(rows[inside].assign(interval=pd.DatetimeIndex(intervals["day"])[place[inside]]))
    if not parts:
        return events.assign(interval=pd.Series(dtype=intervals["day"].dtype))
    found: pd.DataFrame = pd.concat(parts, ignore_index=True).sort_values("at", kind="stable", ignore_index=True)
    return found


def _instants(intervals: pd.DataFrame, end: str, times: pd.Series | None) -> np.ndarray:
    slots = intervals[end]
    found = slots if times is None else slots.map(times).fillna(slots)
    return pd.DatetimeIndex(found).as_unit("us").asi8


# ---------------------------------------------------------------- the table of days


def day_table(archive: Archive, user: str, intervals: pd.DataFrame, terms: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return one row a day (and account, asset or instrument), as `lab.attribution` tells it."""
    if by == "user":
        table = by_interval(terms.assign(account=user)).droplevel("account").rename_axis("day")
    else:
        table = by_interval(terms, by).rename_axis(["day", by])
    days = table.index.get_level_values("day")
    slots = intervals.set_index("day")
    pending = _unread(archive, user, slots)
    equity = user_member(archive, user).snapshots.set_index("slot")["equity"]
    opened = slots["opening_slot"].map(equity)
    words = {day: _words(suspect(rows, opened[day])) for day, rows in terms.groupby("interval")}
    table["pending"] = [bool(pending[day]) for day in days]
    table["suspect"] = [words[day] for day in days]
    return table


def _unread(archive: Archive, user: str, slots: pd.DataFrame) -> pd.Series:
    """Return for each day whether some stream of activity has not been read over all of it."""
    rows = archive.rows("cursors", user=user)
    rows = rows[rows["stream"] != _ESTIMATES]
    whole = rows.groupby(["account", "stream"])[["known_since", "known_until"]].last()
    since, until = whole["known_since"].max(), whole["known_until"].min()
    is_read: pd.Series = (slots["opening_slot"] >= since) & (slots["closing_slot"] <= until)
    return ~is_read


def _words(found: tuple[str, str, float] | None) -> str:
    return "" if found is None else f"{found[1]} in {found[0]}"
