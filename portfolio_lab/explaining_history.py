"""Explain what passed: TWR by days and gaps, a figure by the returns that it is of."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

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
