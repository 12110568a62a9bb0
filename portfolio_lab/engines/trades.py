"""Trades: what was earned from flat to flat, out of single fills.

A round trip begins when a book leaves flat and ends when it is flat again. A fill that turns long
into short ends one trip and begins the next: it is split, its fee with it. Books are kept apart by
`book`, so that the two sides of hedge mode, two accounts or two instruments never net.

    net PnL of a trip = price PnL + fees + funding             (fees: - paid, + rebate)
    price PnL of a closing part of u units, s = +1 long, -1 short:
        linear, option      s u (exit - entry)          x value of the settlement asset at the exit
        inverse             s u (1/entry - 1/exit)      u in quote units, x value of the coin at the exit
        spot                u (exit - entry)            both in the reporting currency of their own time

Entry is the average cost of what is open, or the oldest lot first (FIFO). A coin that arrives (deposit,
reward) opens a lot at its price of arrival, and one that leaves takes lots away without PnL; both
are told in the trip. What was sold without a known opening is no trip: its PnL is unknown.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from portfolio_lab.errors import BadInputError

FLAT_SHARE = 1e-3
"""A spot book is flat once this share of its largest quantity is left: dust that no order can sell."""

_ROUNDING = 1e-9
_EVENT_COLUMNS = ("book", "at", "event_id", "kind", "event", "quantity", "price", "value_of_quote", "fee")
_KINDS = frozenset({"spot", "margin", "linear", "inverse", "option"})
_EVENTS = frozenset({"fill", "arrival", "departure"})

TRIP_COLUMNS = (
    "book",
    "kind",
    "side",
    "opened_at",
    "closed_at",
    "quantity",
    "entry_price",
    "exit_price",
    "turnover",
    "price_pnl",
    "fees",
    "funding",
    "pnl",
    "fills",
    "arrived",
    "departed",
)
"""The columns of round trips."""


class Method(StrEnum):
    """Which cost a closing part is set against."""

    AVERAGE = "average"
    """The average cost of all that is open."""
    FIFO = "fifo"
    """The oldest lot first."""


@dataclass(frozen=True, slots=True)
class Trades:
    """Round trips that are over, and those that are not: both with the columns TRIP_COLUMNS.

    `open` trips hold what was realised on the way; their `closed_at` is NaT and they are in no
    statistic. `closings` are the single reductions of positions, over or not, each with its part of the
    entry's fees: what a trader has who never goes flat. Same columns; funding is in none of them. `unknown`
    counts closing parts whose opening nobody told.
    """

    closed: pd.DataFrame
    open: pd.DataFrame
    closings: pd.DataFrame
    unknown: int


class _Event(NamedTuple):
    book: str
    at: pd.Timestamp
    event_id: str
    kind: str
    event: str
    quantity: float
    price: float
    value_of_quote: float
    fee: float
    realised: float
    borrowed: bool


@dataclass(slots=True)
class _Lot:
    units: float
    level: float


@dataclass(slots=True)
class _Trip:
    book: str
    kind: str
    side: float
    opened_at: pd.Timestamp
    closed_at: Any = pd.NaT
    largest: float = 0.0
    entered: float = 0.0
    entered_level: float = 0.0
    left: float = 0.0
    left_level: float = 0.0
    turnover: float = 0.0
    price_pnl: float = 0.0
    fees: float = 0.0
    fills: int = 0
    arrived: float = 0.0
    departed: float = 0.0


@dataclass(slots=True)
class _Book:
    """One book on its way through its events: lots that are open, and the trip that they belong to."""

    method: Method
    lots: deque[_Lot] = field(default_factory=deque)
    side: float = 0.0
    trip: _Trip | None = None
    units: float = 0.0
    entry_fees: float = 0.0
    closings: list[_Trip] = field(default_factory=list)
    unknown: int = 0


def round_trips(
    events: pd.DataFrame, funding: pd.DataFrame | None = None, *, method: Method | str = Method.AVERAGE
) -> Trades:
    """Return the round trips of all books.

    Args:
        events: in any order, one row an event: `book` (whose fills net with one another), `at`,
            `event_id` (order among events of one instant), `kind` ("spot", "margin", "linear", "inverse",
            "option"), `event` ("fill", or "arrival" / "departure" of a coin), `quantity` (signed base
            units: + bought or arrived; a spot fill's net of a fee in the same coin), `price` (quote per base),
            `value_of_quote` (reporting currency per unit of the quote asset; of the coin where inverse)
            and `fee` (reporting currency, - paid; NaN when unknown). Optional: `realised`, what the venue says that
            the fill realised; where it does and our book is flat, the fill closed something that we never saw opened.
            And `borrowed`: what a spot fill sells beyond what is held is a debt, and opens a short.
        funding: `book`, `at` and `value` (reporting currency, + received), counted in the trip open then.
        method: "average" or "fifo".

    Returns:
        Trips by `closed_at` (open ones by `opened_at`): `side` "long" or "short", `quantity` the largest in
        base units (quote units where inverse), prices in quote per base (spot: in the reporting currency),
        money in the reporting currency (`turnover` both ways), `arrived` and `departed` in base units.
        PnL is NaN where a price or fee was unknown.

    Raises:
        BadInputError: a column is missing, an id is double, a quantity, price or kind makes no sense, or there is
            no such method.

    >>> fills = pd.DataFrame({"book": "b", "at": pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True),
    ...     "event_id": ["1", "2"], "kind": "linear", "event": "fill", "quantity": [2.0, -2.0],
    ...     "price": [100.0, 110.0], "value_of_quote": 1.0, "fee": -1.0})
    >>> float(round_trips(fills).closed["pnl"].iloc[0])
    18.0
    """
    ordered, method = _checked(events), _method(method)
    closed: list[_Trip] = []
    still_open: list[_Trip] = []
    closings: list[_Trip] = []
    unknown = 0
    for _, rows in ordered.groupby("book", sort=True):
        book = _Book(method)
        for event in _events(rows):
            closed.extend(_passed(book, event))
        unknown += book.unknown
        closings.extend(book.closings)
        if book.trip is not None:
            still_open.append(book.trip)
    return Trades(
        _frame(closed, funding).sort_values("closed_at", kind="stable", ignore_index=True),
        _frame(still_open, funding).sort_values("opened_at", kind="stable", ignore_index=True),
        _frame(closings, None).sort_values("closed_at", kind="stable", ignore_index=True),
        unknown,
    )


# ---------------------------------------------------------------- one book


def _passed(book: _Book, event: _Event) -> Iterator[_Trip]:
    """Take one event into the book; yield the trip that it ends, if it does."""
    units = abs(event.quantity) * (event.price if event.kind == "inverse" else 1.0)
    side = 1.0 if event.quantity > 0 else -1.0
    if event.event == "departure":
        yield from _departed(book, event, units)
        return
    opposite = book.trip is not None and side != book.side
    closing = min(units, book.units) if opposite else 0.0
    # What covers a borrowed coin buys its interest too.
    if opposite and (units - closing) <= (FLAT_SHARE if event.borrowed else _ROUNDING) * units:
        closing = units
    if closing:
        yield from _closed(book, event, closing, event.fee * closing / units)
    rest = units - closing
    if rest and _closes_unseen(book, event, side, turned=closing > 0):
        book.unknown += 1
    elif rest:
        _opened(book, event, side, rest, event.fee * rest / units)


def _opened(book: _Book, event: _Event, side: float, units: float, fee: float) -> None:
    if book.trip is None:
        book.trip, book.side = _Trip(event.book, event.kind, side, event.at), side
    trip, level = book.trip, _level(event)
    if book.method is Method.AVERAGE and book.lots:
        lot = book.lots[0]
        lot.level = (lot.units * lot.level + units * level) / (lot.units + units)
        lot.units += units
    else:
        book.lots.append(_Lot(units, level))
    book.units += units
    book.entry_fees += fee
    trip.entered += units
    trip.entered_level += units * level
    trip.largest = max(trip.largest, book.units)
    _count(trip, event, units, fee)


def _closes_unseen(book: _Book, event: _Event, side: float, *, turned: bool) -> bool:
    """Return whether the fill closed what was opened before the first event that we know."""
    if event.kind == "spot":
        return side < 0 and not event.borrowed  # cash markets cannot sell what they do not hold
    # What a turning fill realised is of the trip that it has just closed.
    return not turned and book.trip is None and not math.isnan(event.realised) and event.realised != 0.0


def _closed(book: _Book, event: _Event, units: float, fee: float) -> Iterator[_Trip]:
    trip = book.trip
    if trip is None:  # pragma: no cover - callers look first
        return
    level, factor = _level(event), 1.0 if event.kind == "spot" else event.value_of_quote
    entry_fees = _fees_left(book, units)
    part = _Trip(trip.book, trip.kind, trip.side, trip.opened_at, event.at, largest=units, entered=units, left=units)
    for taken in _taken(book, units):
        part.price_pnl += book.side * taken.units * (level - taken.level) * factor
        part.entered_level += taken.units * taken.level
    part.left_level = units * level
    _count(part, event, units, fee + entry_fees)
    book.closings.append(part)
    trip.price_pnl += part.price_pnl
    trip.left += units
    trip.left_level += units * level
    _count(trip, event, units, fee)
    yield from _ended(book, event)


def _fees_left(book: _Book, units: float) -> float:
    """Take the part of the entry's fees that belongs to `units` of what is open."""
    share = min(1.0, units / book.units) * book.entry_fees if book.units > 0 else 0.0
    book.entry_fees -= share
    return share


def _departed(book: _Book, event: _Event, units: float) -> Iterator[_Trip]:
    """Take lots away without PnL; what leaves from nowhere changes nothing."""
    if book.trip is None:
        return
    units = min(units, book.units)
    _fees_left(book, units)
    for taken in _taken(book, units):
        book.trip.departed += taken.units
    yield from _ended(book, event)


def _taken(book: _Book, units: float) -> Iterator[_Lot]:
    book.units -= units
    while units > 0 and book.lots:
        lot = book.lots[0]
        if lot.units - units > _ROUNDING * lot.units:
            lot.units -= units
            yield _Lot(units, lot.level)
            return
        units -= lot.units
        yield book.lots.popleft()


def _ended(book: _Book, event: _Event) -> Iterator[_Trip]:
    trip = book.trip
    if trip is None:
        return
    allowed = FLAT_SHARE if event.kind == "spot" else _ROUNDING
    if book.units <= allowed * trip.largest:
        trip.closed_at = event.at
        book.lots.clear()
        book.trip, book.side, book.units, book.entry_fees = None, 0.0, 0.0, 0.0
        yield trip


def _count(trip: _Trip, event: _Event, units: float, fee: float) -> None:
    trip.fees += fee
    if event.event == "arrival":
        trip.arrived += units
        return
    trip.fills += 1
    # Inverse units are quote units, worth 1/price of the coin each.
    price = 1.0 / event.price if event.kind == "inverse" else event.price
    trip.turnover += units * price * event.value_of_quote


def _level(event: _Event) -> float:
    """Return the measure whose difference is PnL a unit, before it is valued."""
    if event.kind == "inverse":
        return -1.0 / event.price
    return event.price * event.value_of_quote if event.kind == "spot" else event.price


# ---------------------------------------------------------------- frames


def _method(name: Method | str) -> Method:
    try:
        return Method(name)
    except ValueError:
        raise BadInputError(f"there is no method {name!r}: use {' or '.join(Method)}") from None


def _checked(events: pd.DataFrame) -> pd.DataFrame:
    if missing := [name for name in _EVENT_COLUMNS if name not in events]:
        raise BadInputError(f"events have no column {missing[0]!r}: give {', '.join(_EVENT_COLUMNS)}")
    if strange := set(events["kind"]) - _KINDS:
        raise BadInputError(f"kind {min(strange)!r} is none of {', '.join(sorted(_KINDS))}")
    if strange := set(events["event"]) - _EVENTS:
        raise BadInputError(f"event {min(strange)!r} is none of {', '.join(sorted(_EVENTS))}")
    if events.duplicated(["book", "event_id"]).any():
        double = events.loc[events.duplicated(["book", "event_id"]), "event_id"].iloc[0]
        raise BadInputError(f"event {double!r} is there twice: give every fill once")
    quantity, price = events["quantity"].to_numpy("float64"), events["price"].to_numpy("float64")
    if not (np.isfinite(quantity).all() and (quantity != 0).all()):
        raise BadInputError("a quantity is 0, infinite or unknown: leave such rows out")
    if (events["kind"].eq("inverse") & ~(price > 0)).any() or np.isinf(price).any() or (price < 0).any():
        raise BadInputError("a price is negative, infinite, or 0 where the contract is inverse")
    return events.sort_values(["book", "at", "event_id"], kind="stable")


def _events(rows: pd.DataFrame) -> Iterator[_Event]:
    realised = rows["realised"] if "realised" in rows else pd.Series(math.nan, rows.index)
    borrowed = rows["borrowed"] if "borrowed" in rows else pd.Series(data=False, index=rows.index)
    columns = [*(rows[name].tolist() for name in _EVENT_COLUMNS), realised.tolist(), borrowed.eq(other=True).tolist()]
    return (_Event(*values) for values in zip(*columns, strict=True))


def _frame(trips: list[_Trip], funding: pd.DataFrame | None) -> pd.DataFrame:
    rows = [_row(trip) for trip in trips]
    frame = pd.DataFrame(rows, columns=[name for name in TRIP_COLUMNS if name not in {"funding", "pnl"}])
    for name in ("opened_at", "closed_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    frame["funding"] = _funding_inside(frame, funding)
    frame["pnl"] = frame["price_pnl"].astype("float64") + frame["fees"].astype("float64") + frame["funding"]
    return frame[list(TRIP_COLUMNS)]


def _row(trip: _Trip) -> Mapping[str, object]:
    price = (lambda level: -1.0 / level) if trip.kind == "inverse" else float
    return {
        "book": trip.book,
        "kind": trip.kind,
        "side": "long" if trip.side > 0 else "short",
        "opened_at": trip.opened_at,
        "closed_at": trip.closed_at,
        "quantity": trip.largest,
        "entry_price": price(trip.entered_level / trip.entered) if trip.entered else np.nan,
        "exit_price": price(trip.left_level / trip.left) if trip.left else np.nan,
        "turnover": trip.turnover,
        "price_pnl": trip.price_pnl,
        "fees": trip.fees,
        "fills": trip.fills,
        "arrived": trip.arrived,
        "departed": trip.departed,
    }


def _funding_inside(trips: pd.DataFrame, funding: pd.DataFrame | None) -> np.ndarray:
    """Return what each trip received of funding: rows with opened_at < at <= closed_at of its book."""
    inside = np.zeros(len(trips))
    if funding is None or not len(funding) or not len(trips):
        return inside
    by_book = {book: rows.sort_values("at") for book, rows in funding.groupby("book")}
    for place, (book, opened, closed) in enumerate(
        zip(trips["book"], trips["opened_at"], trips["closed_at"], strict=True)
    ):
        rows = by_book.get(book)
        if rows is not None:
            at = rows["at"]
            chosen = (at > opened) & ((at <= closed) if closed is not pd.NaT else True)
            inside[place] = rows.loc[chosen, "value"].sum(skipna=False)
    return inside
