"""quantstats' figures beside ours: the same, or why they differ."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from portfolio_lab.engines.drawdown import drawdowns
from portfolio_lab.engines.performance import metrics
from portfolio_lab.engines.relative import relative
from portfolio_lab.errors import ReturnsError
from portfolio_lab.reports.sheet import PERIODS_PER_YEAR, RISK_FREE, Sheet

_Figures = Mapping[str, float | pd.Timestamp | None]
_ROW = re.compile(r"<tr><td>([^<]+)</td>((?:<td>[^<]*</td>)+)</tr>")
_ROOT = math.sqrt(PERIODS_PER_YEAR)


@dataclass(frozen=True, slots=True)
class Convention:
    """One row of quantstats' table: the figure of ours that answers the same question, and why it may differ."""

    row: str
    ours: str
    """The name of our figure."""
    why: str = ""
    """Empty where both are the same by definition."""
    scale: Callable[[float], float] | None = None
    """What turns ours into the same unit, where ours is known in another."""


_MOMENTS = "quantstats corrects for the size of the sample; ours is the plain moment, over n"
_SPAN = "quantstats counts returns as time; ours goes by the calendar, days without a known return included"
_DAYS_FALL = "quantstats counts the days below the peak; ours goes on to the day back at it"
_BACK = "quantstats names the last day below the peak; ours is the day back at it"

CONVENTIONS: tuple[Convention, ...] = (
    Convention("Cumulative Return", "total_return"),
    Convention("CAGR", "cagr", _SPAN),
    Convention("Sharpe", "sharpe"),
    Convention("Prob. Sharpe Ratio", "probabilistic_sharpe", "skew and kurtosis: " + _MOMENTS),
    Convention("Sortino", "sortino"),
    Convention("Omega", "omega"),
    Convention("Max Drawdown", "max_drawdown"),
    Convention("Max DD Date", "deepest_day"),
    Convention("Max DD Period Start", "deepest_start"),
    Convention("Max DD Period End", "deepest_recovery", _BACK),
    Convention("Longest DD Days", "longest_drawdown", _DAYS_FALL),
    Convention("Volatility (ann.)", "volatility"),
    Convention("R^2", "correlation", scale=lambda rho: rho * rho),
    Convention("Information Ratio", "information_ratio", "quantstats does not annualise: times sqrt(365) it is ours"),
    Convention("Calmar", "calmar", "CAGR: " + _SPAN),
    Convention("Skew", "skew", _MOMENTS),
    Convention("Kurtosis", "kurtosis", _MOMENTS),
    Convention("Risk-Return Ratio", "sharpe", scale=lambda ratio: ratio / _ROOT),
    Convention("Avg. Return", "mean_day", "quantstats leaves flat days out"),
    Convention(
        "Daily Value-at-Risk",
        "value_at_risk",
        "quantstats assumes a normal distribution; ours is the 5 % quantile of what happened",
    ),
    Convention(
        "Expected Shortfall (cVaR)",
        "expected_shortfall",
        "quantstats assumes a normal distribution; ours is the mean of the days at or below our value at risk",
    ),
    Convention("Max Consecutive Wins", "longest_win_streak"),
    Convention("Max Consecutive Losses", "longest_loss_streak"),
    Convention("Profit Factor", "profit_factor", "without a loss quantstats prints 0; ours is unknown"),
    Convention("Tail Ratio", "tail_ratio"),
    Convention("Best Day", "best_day"),
    Convention("Worst Day", "worst_day"),
    Convention("Best Month", "best_month"),
    Convention("Worst Month", "worst_month"),
    Convention("Avg. Drawdown", "average_drawdown"),
    Convention(
        "Recovery Factor",
        "recovery_factor",
        "quantstats adds returns up and drops the sign; ours compounds and keeps it",
    ),
    Convention("Ulcer Index", "ulcer_index", "quantstats divides by n - 1; ours by n"),
    Convention("Win Days", "win_rate", "quantstats leaves flat days out; of ours they are a part"),
    Convention("Beta", "beta"),
    Convention("Alpha", "alpha", "quantstats adds the daily alpha up over a year; ours compounds it"),
    Convention("Correlation", "correlation"),
)
"""Every row of quantstats' table that one of our figures answers; the others have none."""

_PER_CENT = frozenset({
    "average_drawdown", "best_day", "best_month", "cagr", "expected_shortfall", "max_drawdown", "mean_day",
    "probabilistic_sharpe", "total_return", "value_at_risk", "volatility", "win_rate", "worst_day", "worst_month",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of quantstats' table as it is printed, and ours as it would be."""

    row: str
    theirs: str
    ours: str
    name: str
    """Of our figure; empty when we have none."""
    why: str

    @property
    def is_equal(self) -> bool:
        """Whether both print the same."""
        return self.theirs == self.ours


def compared(page: str, sheet: Sheet) -> tuple[Compared, ...]:
    """Return every row of the table of metrics in a page by quantstats, in its order, with ours of the same days."""
    figures = _figures(sheet)
    ours = {convention.row: convention for convention in CONVENTIONS}
    rows = []
    for row, theirs in printed_rows(page):
        convention = ours.get(row)
        if convention is None:
            rows.append(Compared(row, theirs, "", "", "no figure of ours"))
        else:
            rows.append(Compared(row, theirs, _shown(convention, figures), convention.ours, convention.why))
    return tuple(rows)


def table_of_differences(page: str, sheet: Sheet) -> str:
    """Return an HTML table of the rows that are defined otherwise than ours, or print otherwise."""
    rows = [row for row in compared(page, sheet) if row.name and (row.why or not row.is_equal)]
    cells = "".join(
        f"<tr><td>{_text(row.row)}</td><td>{_text(row.theirs)}</td><td>{_text(row.ours)}</td>"
        f'<td style="text-align:left">{_text(_reason(row))}</td></tr>'
        for row in rows
    )
    return (
        '<table id="differences"><thead><tr><th>quantstats row</th><th>quantstats value</th><th>our value</th>'
        f'<th style="text-align:left">why they differ</th></tr></thead><tbody>{cells}</tbody></table>'
    )


def _reason(row: Compared) -> str:
    if not row.why:
        return "ours is unknown from so few days" if row.ours == "-" else "unknown to quantstats, or cut short by it"
    return f"{row.why} (here both print the same)" if row.is_equal else row.why


def _text(text: str) -> str:
    return html.escape(text)


# ---------------------------------------------------------------- theirs


def printed_rows(page: str) -> list[tuple[str, str]]:
    """Return name and value of the strategy, which stands last, of each row of the table of metrics."""
    begins = page.index("<h3>Key Performance Metrics</h3>")
    table = page[begins : page.index("</table>", begins)]
    found = [(html.unescape(name), re.findall(r"<td>([^<]*)</td>", cells)) for name, cells in _ROW.findall(table)]
    return [(name.replace("﹪", ""), html.unescape(values[-1])) for name, values in found]


# ---------------------------------------------------------------- ours


def _figures(sheet: Sheet) -> _Figures:
    """Return our figures of the very days that quantstats was given."""
    found: dict[str, float | pd.Timestamp | None] = {
        str(name): float(value) for name, value in metrics(sheet.returns, PERIODS_PER_YEAR, RISK_FREE).to_dict().items()
    }
    if sheet.benchmark is not None:
        beside = relative(sheet.returns, sheet.benchmark, PERIODS_PER_YEAR, RISK_FREE)
        found |= {str(name): float(value) for name, value in beside.to_dict().items()}
    return found | _deepest(sheet.returns)


def _deepest(returns: pd.Series) -> dict[str, pd.Timestamp | None]:
    try:
        falls = drawdowns(returns)
    except ReturnsError:
        return {}
    if not len(falls):
        return {}
    deepest = falls.iloc[0]
    back = None if deepest["is_open"] else pd.Timestamp(deepest["recovery"])
    return {"deepest_day": deepest["valley"], "deepest_start": deepest["start"], "deepest_recovery": back}


def _shown(convention: Convention, figures: _Figures) -> str:
    """Return our figure as quantstats would print it; "-" where it is unknown."""
    value = figures.get(convention.ours)
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    if value is None or math.isnan(value):
        return "-"
    return _number(convention, convention.scale(value) if convention.scale else value)


def _number(convention: Convention, value: float) -> str:
    if convention.ours.startswith("longest_"):
        return f"{value:.0f}"
    if convention.row == "Cumulative Return":
        return f"{100 * value:,.2f}%"
    if convention.ours in _PER_CENT or convention.row == "Correlation":
        return f"{round(100 * value, 2)}%"
    return f"{round(value, 2)}"
