"""Explain the PnL of a day: by term, by place, by what happened, down to quantity x price."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.attributing import day_intervals, interval_ends, interval_events, user_attribution
from portfolio_lab.engines.attribution import TERMS
from portfolio_lab.errors import BadInputError
from portfolio_lab.explaining_history import History
from portfolio_lab.explanation import Node
from portfolio_lab.timelines import Instant, instant

_KEY = ["account", "asset", "instrument", "term"]
_FORMULAS = {
    "revaluation": "units held x change of price + units moved x change of price since",
    "unrealised": "open PnL x price at the close - the same at the open",
    "residual": "units that no event explains x price at the close",
    "opaque": "change of value - what was moved in",
}


@dataclass(frozen=True, slots=True)
class _Day:
    """What a day's terms were made from: events with their prices, and at both ends what was held and open."""

    currency: str
    events: pd.DataFrame
    books: tuple[pd.DataFrame, pd.DataFrame]
    open_pnl: tuple[pd.DataFrame, pd.DataFrame]


def explained_pnl(archive: Archive, user: str, history: History, at: Instant) -> Node:
    """Return the PnL of the UTC day that holds `at` (the newest one known): its terms, their places, their events."""
    moment = None if at is None else instant(at)
    days = day_intervals(archive, user, moment, moment)
    if not len(days):
        raise BadInputError(f"{user} has no day between two complete snapshots{'' if at is None else f' at {at}'}")
    days = days.tail(1).reset_index(drop=True)
    terms = user_attribution(archive, user, days)
    books, open_pnl = interval_ends(archive, user, days)
    events = _priced(interval_events(archive, user, days), books[1])
    parts = _terms(terms[terms["term"] != "flow"], _Day(history.currency, events, books, open_pnl))
    day, rows = pd.Timestamp(days["day"].iloc[0]), history.days()
    row = rows[pd.to_datetime(rows["day"]).dt.date == day.date()].iloc[-1]
    opening, closing, flow = (float(row[name]) for name in ("opening_equity", "closing_equity", "cash_flow"))
    source = f"equity {opening:,.2f} to {closing:,.2f}, cash flow {flow:,.2f}"
    name = f"pnl of {user} on {day:%Y-%m-%d}"
    return Node(name, closing - opening - flow, history.currency, "sum of terms", parts, source)


def _priced(events: pd.DataFrame, closing: pd.DataFrame) -> pd.DataFrame:
    """Return the events with the closing price where none was stored near them, as the attribution values them."""
    prices = closing.groupby(["account", "asset"])["price"].first().astype("float64")
    later = prices.reindex(pd.MultiIndex.from_frame(events[["account", "asset"]])).to_numpy()
    is_near = events["price"].notna()
    said = is_near.map({True: "stored price at that time, or the flow's own", False: "price at the close: none nearer"})
    return events.assign(price=events["price"].where(is_near, later), closing_price=later, priced_by=said)


def _terms(terms: pd.DataFrame, day: _Day) -> tuple[Node, ...]:
    nodes = []
    for name, said in TERMS.items():
        rows = terms[terms["term"] == name]
        if len(rows):
            places = tuple(_place(row, day) for _, row in rows.iterrows())
            value = float(rows["value"].sum(skipna=False))
            nodes.append(Node(name, value, day.currency, "sum by place", places, said))
    return tuple(nodes)


def _place(row: pd.Series, day: _Day) -> Node:
    name = " ".join(part for part in (row["account"], row["instrument"], row["asset"]) if part)
    term, value = str(row["term"]), float(row["value"])
    formula = _FORMULAS.get(term, "sum of events")
    parts = {"unrealised": _open_pnl, "revaluation": _revaluation}.get(term, _events)(row, day)
    node = Node(name, value, day.currency, formula, parts)
    # Wallets of unknown contents, and what their moves were set against, consist of no parts that are told.
    return node if parts and not node.broken() else Node(name, value, day.currency, formula)


# ---------------------------------------------------------------- parts of a place


def _events(row: pd.Series, day: _Day) -> tuple[Node, ...]:
    mine = day.events[(day.events[_KEY].fillna("") == row[_KEY]).all(axis=1)]
    return tuple(
        _product(
            f"{event['at']:%H:%M:%S} UTC",
            Node("quantity", float(event["quantity"]), str(event["asset"]), source=str(event["told_by"])),
            Node(_pair(row, day), float(event["price"]), day.currency, source=str(event["priced_by"])),
        )
        for _, event in mine.sort_values("at").iterrows()
    )


def _open_pnl(row: pd.Series, day: _Day) -> tuple[Node, ...]:
    nodes = []
    for name, sign, book, held in zip(
        ("at the open", "at the close"), (-1.0, 1.0), day.books, day.open_pnl, strict=True
    ):
        mine = _of(book, row)
        told = _of(held, row)
        units = math.fsum(told.loc[told["instrument"] == row["instrument"], "unrealised"])
        if not row["instrument"]:
            units = math.fsum(mine["unrealised"]) - math.fsum(told["unrealised"])
        if len(mine) and units:
            quantity = Node("open PnL", sign * units, str(row["asset"]), source="what it was is taken off" * (sign < 0))
            nodes.append(_product(name, quantity, Node(_pair(row, day), _price(mine), day.currency)))
    return tuple(nodes)


def _revaluation(row: pd.Series, day: _Day) -> tuple[Node, ...]:
    opened, closed = (_of(book, row) for book in day.books)
    mine = day.events[(day.events["account"] == row["account"]) & (day.events["asset"] == row["asset"])]
    # What is not held at the close takes the last price known, as the attribution does.
    known = mine["price"].dropna()
    if not (len(closed) or len(known)):
        return ()
    last, nodes = _price(closed) if len(closed) else float(known.iloc[-1]), []
    units = math.fsum(opened["settled"])
    if units:
        first = _price(opened)
        change = Node("change of price", last - first, day.currency, source=f"{first:.10g} to {last:.10g}")
        nodes.append(_product("held at the open", Node("quantity", units, str(row["asset"])), change))
    for _, event in mine[mine["price"] != last].sort_values("at").iterrows():
        quantity = Node("quantity", float(event["quantity"]), str(row["asset"]), source=str(event["told_by"]))
        change = Node("change of price since", last - float(event["price"]), day.currency)
        nodes.append(_product(f"moved at {event['at']:%H:%M:%S} UTC", quantity, change))
    return tuple(nodes)


def _of(rows: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """Return the rows of the same account and asset, but those of wallets of unknown contents."""
    is_there = (rows["account"] == row["account"]) & (rows["asset"] == row["asset"]) & (rows["pool"] == "")
    found: pd.DataFrame = rows[is_there]
    return found


def _price(rows: pd.DataFrame) -> float:
    return float(rows["price"].iloc[0])


def _pair(row: pd.Series, day: _Day) -> str:
    return f"{row['asset']}/{day.currency}"


def _product(name: str, quantity: Node, price: Node) -> Node:
    value = quantity.value * price.value
    return Node(name, value, price.unit, "quantity x price", (quantity, price), rule=math.prod)
