"""Explain what passed: PnL of a day by what happened, TWR by days and gaps, a figure by the returns that it is of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from portfolio_lab.archive import Archive
from portfolio_lab.attributing import day_intervals, interval_events, user_attribution
from portfolio_lab.engines.attribution import TERMS
from portfolio_lab.engines.constitution import OF_RETURNS, Constitution
from portfolio_lab.engines.performance import metrics
from portfolio_lab.errors import BadInputError
from portfolio_lab.explanation import Node, linked
from portfolio_lab.timelines import Instant, instant

GAPS_TOLD = 2_000
"""So many of the newest gaps are told one by one; older days stand as they are stored."""

_DAY = pd.Timedelta(days=1)
_FRACTION = "fraction"
_CONSTITUTIONS = {figure.name: figure for figure in OF_RETURNS}


@dataclass(frozen=True, slots=True)
class History:
    """What a lab knows of a user's past: rows of closed days and today, gaps, daily returns of closed days."""

    currency: str
    days: Callable[[], pd.DataFrame]
    gaps: Callable[[], pd.DataFrame]
    returns: Callable[[], pd.Series]


# ---------------------------------------------------------------- pnl


def explained_pnl(archive: Archive, user: str, history: History, at: Instant) -> Node:
    """Return the PnL of the UTC day that holds `at` (the newest one known): its terms, their places, their events."""
    moment = None if at is None else instant(at)
    days = day_intervals(archive, user, moment, moment)
    if not len(days):
        raise BadInputError(f"{user} has no day between two complete snapshots{'' if at is None else f' at {at}'}")
    days = days.tail(1).reset_index(drop=True)
    day = pd.Timestamp(days["day"].iloc[0])
    terms = user_attribution(archive, user, days)
    events = _priced(interval_events(archive, user, days), _closing_prices(archive, user, days))
    rows = history.days()
    row = rows[pd.to_datetime(rows["day"]).dt.date == day.date()].iloc[-1]
    told = terms[terms["term"] != "flow"]
    parts = tuple(
        _term(name, told[told["term"] == name], events, history.currency)
        for name in TERMS
        if (told["term"] == name).any()
    )
    opening, closing, flow = (float(row[name]) for name in ("opening_equity", "closing_equity", "cash_flow"))
    source = f"equity {opening:,.2f} to {closing:,.2f}, cash flow {flow:,.2f}"
    return Node(
        f"pnl of {user} on {day:%Y-%m-%d}", closing - opening - flow, history.currency, "sum of terms", parts, source
    )


def _closing_prices(archive: Archive, user: str, days: pd.DataFrame) -> pd.Series:
    slot = days["closing_slot"].iloc[0]
    rows = archive.once(("balances", user, slot), lambda: archive.at_slot("balances", user, slot))
    return rows.groupby(["account", "asset"])["price"].first().astype("float64")


def _priced(events: pd.DataFrame, closing: pd.Series) -> pd.DataFrame:
    """Return the events with the closing price where none was stored near them, as the attribution values them."""
    later = closing.reindex(pd.MultiIndex.from_frame(events[["account", "asset"]])).to_numpy()
    is_near = events["price"].notna()
    said = is_near.map({True: "stored price at that time, or the flow's own", False: "price at the close: none nearer"})
    return events.assign(price=events["price"].where(is_near, later), priced_by=said)


def _term(name: str, rows: pd.DataFrame, events: pd.DataFrame, currency: str) -> Node:
    places = tuple(_place(row, events, currency) for _, row in rows.iterrows())
    return Node(name, float(rows["value"].sum(skipna=False)), currency, "sum by place", places, TERMS[name])


def _place(row: pd.Series, events: pd.DataFrame, currency: str) -> Node:
    key = ["account", "asset", "instrument", "term"]
    mine = events[(events[key].fillna("") == row[key]).all(axis=1)]
    name = " ".join(part for part in (row["account"], row["instrument"], row["asset"]) if part)
    parts = tuple(_event(event, currency) for _, event in mine.sort_values("at").iterrows())
    node = Node(name, float(row["value"]), currency, "sum of events", parts)
    formula = _FORMULAS.get(str(row["term"]), "units x price")
    # What was revalued or is in a wallet of unknown contents consists of no single events.
    return node if parts and not node.broken() else Node(name, node.value, currency, formula)


_FORMULAS = {
    "revaluation": "units held x change of price + units moved x change of price since",
    "unrealised": "open PnL x price at the close - the same at the open",
    "residual": "units that no event explains x price at the close",
    "opaque": "change of value - what was moved in",
}


def _event(event: pd.Series, currency: str) -> Node:
    quantity, price = float(event["quantity"]), float(event["price"])
    factors = (
        Node("quantity", quantity, str(event["asset"]), source=str(event["told_by"])),
        Node(f"{event['asset']}/{currency}", price, currency, source=str(event["priced_by"])),
    )
    name = f"{event['at']:%H:%M:%S} UTC"
    return Node(name, quantity * price, currency, "quantity x price", factors, rule=math.prod)


# ---------------------------------------------------------------- twr and figures


def explained_twr(history: History, at: Instant) -> Node:
    """Return the TWR of all closed days up to that of `at`: its days, and their gaps between snapshots."""
    returns = _returns(history, at)
    parts = _days(history, returns)
    name = f"TWR from {_day(returns, 0)} to {_day(returns, -1)}"
    return Node(name, linked(returns.tolist()), _FRACTION, "product of (1 + return), less one", parts, "", linked)


def explained_metric(history: History, figure: str, at: Instant) -> Node:
    """Return one of FIGURES with its constitution, and the daily returns that it is of."""
    returns, law = _returns(history, at), _CONSTITUTIONS[figure]

    def again(values: Sequence[float]) -> float:
        return float(metrics(pd.Series(values, returns.index, dtype="float64"))[figure])

    parts = _days(history, returns)
    value = float(metrics(returns)[figure])
    return Node(law.title, value, law.unit, law.formula, parts, constitution_line(law, returns), again)


def constitution_line(law: Constitution, returns: pd.Series) -> str:
    """Return what else a reader must know to recompute a figure, and of how many days it is."""
    known = int(returns.notna().sum())
    said = {
        "least": law.minimum,
        "divisor": "" if law.ddof is None else f"n - {law.ddof}" if law.ddof else "n",
        "risk-free": law.risk_free,
        "periods": law.periods,
        "flows": law.flow_rule,
        "unknown when": law.unknown_when,
        "after": law.source,
    }
    told = [f"{name}: {words}" for name, words in said.items() if words not in {"", "none"}]
    return "; ".join([f"n = {known} known of {len(returns)} days", *told])


def _returns(history: History, at: Instant) -> pd.Series:
    returns = history.returns()
    returns = returns if at is None else returns[returns.index <= instant(at)]
    if not len(returns):
        raise BadInputError("no UTC day has been closed yet: there is no return to explain")
    return returns


def _day(returns: pd.Series, place: int) -> str:
    return f"{returns.index[place]:%Y-%m-%d}"


def _days(history: History, returns: pd.Series) -> tuple[Node, ...]:
    gaps = history.gaps().tail(GAPS_TOLD)
    slots = pd.DatetimeIndex(gaps.index)
    first = gaps["opening_slot"].iloc[0] if len(gaps) else None
    nodes = []
    for day, value in returns.items():
        midnight = pd.Timestamp(day)  # type: ignore[arg-type]
        # A snapshot at midnight closes the day that ends there.
        inside = gaps[(slots > midnight) & (slots <= midnight + _DAY)]
        is_told = first is not None and first <= midnight + _DAY
        nodes.append(_one_day(f"{midnight:%Y-%m-%d}", float(value), inside if is_told else gaps.iloc[:0], history))
    return tuple(nodes)


def _one_day(name: str, value: float, gaps: pd.DataFrame, history: History) -> Node:
    stored = Node(name, value, _FRACTION, "", (), "as stored" if not math.isnan(value) else "unknown")
    if not len(gaps) or math.isnan(value):
        return stored
    parts = tuple(_gap(slot, row, history.currency) for slot, row in gaps.iterrows())
    node = Node(name, value, _FRACTION, "product of (1 + return), less one", parts, "", _whole)
    return stored if node.broken() else node


def _whole(returns: Sequence[float]) -> float:
    """Return the gaps of a day linked; one that is unknown leaves the day unknown."""
    return math.prod(1.0 + part for part in returns) - 1.0


def _gap(slot: object, row: pd.Series, currency: str) -> Node:
    closed = pd.Timestamp(slot)  # type: ignore[arg-type]
    parts = tuple(Node(name.replace("_", " "), float(row[name]), currency) for name in _GAP_PARTS)
    source = "estimated" if row["estimated"] else ""
    name = f"{row['opening_slot']:%m-%d %H:%M:%S} to {closed:%m-%d %H:%M:%S}"
    formula = "(closing - opening - cash flow) / money at work"
    return Node(name, float(row["gap_return"]), _FRACTION, formula, parts, source, _dietz)


_GAP_PARTS = ("opening", "closing", "cash_flow", "at_work")


def _dietz(values: Sequence[float]) -> float:
    opening, closing, flow, at_work = values
    return (closing - opening - flow) / at_work if at_work > 0 else math.nan
