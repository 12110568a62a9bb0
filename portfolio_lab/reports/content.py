"""What the native sheet holds: each figure and chart, and which of quantstats' it answers.

A reader who comes from quantstats finds every row and every picture of it here under an id, with
our definition; where that differs from theirs, the reason stands beside it on the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from portfolio_lab.engines.constitution import MINIMUM_CAGR_DAYS, MINIMUM_DAYS, OF_RETURNS
from portfolio_lab.engines.relative import OF_BENCHMARK
from portfolio_lab.reports.conventions import CONVENTIONS

Kind = Literal["share", "ratio", "count", "date"]

CHARTS: dict[str, str] = {
    "returns": "chart-returns",
    "log_returns": "chart-log",
    "vol_returns": "chart-matched",
    "eoy_returns": "chart-years",
    "monthly_dist": "chart-months",
    "daily_returns": "chart-days",
    "rolling_beta": "chart-beta",
    "rolling_vol": "chart-volatility",
    "rolling_sharpe": "chart-sharpe",
    "rolling_sortino": "chart-sortino",
    "dd_periods": "chart-falls",
    "dd_plot": "chart-underwater",
    "monthly_heatmap": "chart-heat",
    "returns_dist": "chart-spread",
}
"""Each picture in quantstats' page, by its name there, and the id of ours."""

TABLES: dict[str, str] = {
    "metrics": "table-figures",
    "eoy_table": "table-years",
    "dd_info": "table-falls",
}
"""Each table in quantstats' page, and the id of ours."""

_OURS = {figure.name: figure for figure in (*OF_RETURNS, *OF_BENCHMARK)}
_WHY = {convention.row: convention.why for convention in CONVENTIONS}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of figures."""

    name: str
    """Of the figure, as `native_figures.figures_of` names it."""
    title: str
    kind: Kind
    definition: str
    theirs: tuple[str, ...] = ()
    """Names of the rows of quantstats that ask the same."""
    why: str = ""
    """Why quantstats prints another number; empty where both are one by definition."""

    @property
    def id(self) -> str:
        """Of its element in the page."""
        return f"figure-{self.name.replace('_', '-')}"


def _known(name: str, *theirs: str, title: str = "", kind: Kind | None = None) -> Row:
    """Return the row of a figure that the engines define."""
    figure = _OURS[name]
    found: Kind = "share" if figure.is_fraction else "count" if figure.unit == "days" else "ratio"
    why = next((_WHY[row] for row in theirs if _WHY.get(row)), "")
    formula = figure.formula.replace("_", " ").replace("cagr", "CAGR")  # words, where the engines name each other
    return Row(name, title or figure.title, kind or found, formula, theirs, why)


_PARTS = "a part of one counts as one"
_ESTIMATE = f"; from {MINIMUM_DAYS} known days on"
_YEARLY = f"; from {MINIMUM_CAGR_DAYS} elapsed days on"
_FLAT = "quantstats leaves {0} of exactly 0 out; of ours they are a part"
_EDGE = "quantstats counts the day at its start too, and prints a shorter history as if it were whole"
_SHORT = "quantstats counts returns as time, starts a month later, and prints a shorter history as if it were whole"
_PENALTY = "sqrt(1 + 2 x sum over k of (n - k) / n x |autocorrelation of one day| ^ k)"
_FOR_BOTH = "only of the benchmark: quantstats cuts it by the autocorrelation of the portfolio"
_VALLEY = "date of the deepest drawdown: "

SECTIONS: dict[str, tuple[Row, ...]] = {
    "Period": (
        Row("first_day", "First day", "date", "first known day compared", ("Start Period",)),
        Row("last_day", "Last day", "date", "last known day compared", ("End Period",)),
        _known("days"),
        Row("risk_free", "Risk-free rate", "share", "a year; ratios are taken above it", ("Risk-Free Rate",)),
        Row(
            "time_in_market", "Time in market", "share", "days with a return other than 0 / known days",
            ("Time in Market",), "quantstats rounds up to a whole per cent",
        ),
    ),
    "Return": (
        _known("total_return", "Cumulative Return"),
        _known("cagr", "CAGR"),
        _known("mean_day", "Avg. Return"),
        Row("expected_day", "Expected a day", "share", "geometric mean of the days" + _ESTIMATE, ("Expected Daily",)),
        Row(
            "expected_month", "Expected a month", "share", f"geometric mean of the months; {_PARTS}" + _ESTIMATE,
            ("Expected Monthly",),
        ),
        Row(
            "expected_year", "Expected a year", "share", f"geometric mean of the years; {_PARTS}" + _ESTIMATE,
            ("Expected Yearly",),
        ),
        Row(
            "return_on_exposure", "Risk-adjusted return", "share", "CAGR / time in market", ("Risk-Adjusted Return",),
            "quantstats takes 252 days a year here, whatever it is told, and rounds time in market up",
        ),
    ),
    "Return for risk": (
        _known("sharpe", "Sharpe"),
        _known("sharpe_low", title="Sharpe, 95 % low end"),
        _known("sharpe_high", title="Sharpe, 95 % high end"),
        _known("probabilistic_sharpe", "Prob. Sharpe Ratio", title="Chance of Sharpe > 0"),
        Row("smart_sharpe", "Smart Sharpe", "ratio", f"Sharpe ratio / {_PENALTY}", ("Smart Sharpe",), _FOR_BOTH),
        _known("sortino", "Sortino"),
        Row("smart_sortino", "Smart Sortino", "ratio", "Sortino ratio / same penalty", ("Smart Sortino",), _FOR_BOTH),
        Row("sortino_root", "Sortino / √2", "ratio", "to lay beside a Sharpe ratio", ("Sortino/√2",)),
        Row("smart_sortino_root", "Smart Sortino / √2", "ratio", "both of these", ("Smart Sortino/√2",), _FOR_BOTH),
        _known("omega", "Omega"),
        _known("calmar", "Calmar"),
        Row(
            "risk_return", "Return / risk, a day", "ratio", "mean / sample standard deviation, not annualised",
            ("Risk-Return Ratio",),
        ),
        Row(
            "martin", "Ulcer performance", "ratio", "CAGR / Ulcer index" + _YEARLY,
            ("Ulcer Performance Index",),
            "quantstats takes the return of the whole history, which grows with its length; ours is a year's",
        ),
        Row(
            "serenity", "Serenity index", "ratio",
            "CAGR / (Ulcer index x mean of the worst 5 % of daily drawdowns / volatility)" + _YEARLY,
            ("Serenity Index",),
            "quantstats takes the plain sum of returns, a normal distribution of drawdowns and the deviation of a day",
        ),
        _known("recovery_factor", "Recovery Factor"),
    ),
    "Risk": (
        _known("volatility", "Volatility (ann.)"),
        _known("value_at_risk", "Daily Value-at-Risk", title="Value at risk, 5 %"),
        _known("expected_shortfall", "Expected Shortfall (cVaR)", title="Expected shortfall, 5 %"),
        _known("cornish_fisher_var", title="VaR, Cornish-Fisher"),
        _known("cornish_fisher_shortfall", title="Shortfall, Cornish-Fisher"),
        _known("skew", "Skew"),
        _known("kurtosis", "Kurtosis"),
        _known("tail_ratio", "Tail Ratio"),
        Row(
            "outlier_win", "Outlier win ratio", "ratio", "99 % quantile / mean of the days without a loss" + _ESTIMATE,
            ("Outlier Win Ratio",),
        ),
        Row(
            "outlier_loss", "Outlier loss ratio", "ratio", "1 % quantile / mean of the days with a loss" + _ESTIMATE,
            ("Outlier Loss Ratio",),
        ),
        Row(
            "kelly", "Kelly share", "share", "p - (1 - p) / payoff ratio, p of the days that moved" + _ESTIMATE,
            ("Kelly Criterion",),
        ),
        Row(
            "ruin", "Risk of ruin", "share",
            "((1 - p) / (1 + p)) ^ days, p of the days that moved; near 0 for any long history" + _ESTIMATE,
            ("Risk of Ruin",),
        ),
    ),
    "Drawdown": (
        _known("max_drawdown", "Max Drawdown"),
        Row("deepest_start", "Deepest: first day below", "date", _VALLEY + "first day", ("Max DD Period Start",)),
        Row("deepest_day", "Deepest: lowest day", "date", _VALLEY + "lowest day", ("Max DD Date",)),
        Row(
            "deepest_recovery", "Deepest: back at the peak", "date", _VALLEY + "day back at the peak, if ever",
            ("Max DD Period End",), _WHY["Max DD Period End"],
        ),
        _known("longest_drawdown", "Longest DD Days", title="Longest drawdown, days"),
        _known("average_drawdown", "Avg. Drawdown"),
        Row(
            "average_length", "Average drawdown, days", "count", "mean of the days from a peak back to it",
            ("Avg. Drawdown Days",), _WHY["Longest DD Days"],
        ),
        _known("time_under_water"),
        _known("ulcer_index", "Ulcer Index", kind="ratio"),
        _known("pain_index", kind="ratio"),
    ),
    "Gains and losses": (
        _known("win_rate", "Win Days"),
        Row(
            "win_months", "Months with a gain", "share", f"of the calendar months; {_PARTS}", ("Win Month",),
            _FLAT.format("months"),
        ),
        Row(
            "win_quarters", "Quarters with a gain", "share", f"of the calendar quarters; {_PARTS}", ("Win Quarter",),
            _FLAT.format("quarters"),
        ),
        Row(
            "win_years", "Years with a gain", "share", f"of the calendar years; {_PARTS}", ("Win Year",),
            _FLAT.format("years"),
        ),
        Row("mean_win", "Mean gain, a day", "share", "mean of the days with a gain" + _ESTIMATE, ("Avg. Win",)),
        Row("mean_loss", "Mean loss, a day", "share", "mean of the days with a loss" + _ESTIMATE, ("Avg. Loss",)),
        Row("mean_up_month", "Mean month with a gain", "share", f"calendar months; {_PARTS}", ("Avg. Up Month",)),
        Row("mean_down_month", "Mean month with a loss", "share", f"calendar months; {_PARTS}", ("Avg. Down Month",)),
        Row(
            "payoff", "Payoff ratio (win / loss)", "ratio", "mean gain / |mean loss|" + _ESTIMATE,
            ("Payoff Ratio", "Win/Loss Ratio"),
        ),
        _known("profit_factor", "Profit Factor"),
        Row(
            "profit_ratio", "Profit ratio", "ratio",
            "(mean of the days without a loss / their number) / the same of the days with one" + _ESTIMATE,
            ("Profit Ratio",),
        ),
        Row(
            "common_sense", "Common sense ratio", "ratio", "profit factor x tail ratio", ("Common Sense Ratio",),
        ),
        Row(
            "cpc", "CPC index", "ratio", "profit factor x p x payoff ratio, p of the days that moved", ("CPC Index",)
        ),
        Row("gain_to_pain", "Gain / pain", "ratio", "sum of days / |sum of losses|" + _ESTIMATE, ("Gain/Pain Ratio",)),
        Row(
            "gain_to_pain_months", "Gain / pain, months", "ratio",
            f"sum of the calendar months / |sum of those with a loss|; {_PARTS}" + _ESTIMATE, ("Gain/Pain (1M)",),
            "quantstats adds the days of a month up; ours compounds them",
        ),
        _known("longest_win_streak", "Max Consecutive Wins", title="Most gains in a row"),
        _known("longest_loss_streak", "Max Consecutive Losses", title="Most losses in a row"),
    ),
    "Best and worst": (
        _known("best_day", "Best Day"),
        _known("worst_day", "Worst Day"),
        _known("best_week"),
        _known("worst_week"),
        _known("best_month", "Best Month"),
        _known("worst_month", "Worst Month"),
        Row("best_year", "Best year", "share", f"of the calendar years; {_PARTS}", ("Best Year",)),
        Row("worst_year", "Worst year", "share", f"of the calendar years; {_PARTS}", ("Worst Year",)),
    ),
    "To the last day": (
        Row("this_month", "Month to date", "share", "TWR since the month began", ("MTD",)),
        Row("months_3", "3 months", "share", "TWR; unknown from a shorter history", ("3M",), _EDGE),
        Row("months_6", "6 months", "share", "TWR; unknown from a shorter history", ("6M",), _EDGE),
        Row("this_year", "Year to date", "share", "TWR since the year began", ("YTD",)),
        Row("months_12", "1 year", "share", "TWR; unknown from a shorter history", ("1Y",), _EDGE),
        Row("years_3", "3 years, a year", "share", "CAGR; unknown from a shorter history", ("3Y (ann.)",), _SHORT),
        Row("years_5", "5 years, a year", "share", "CAGR; unknown from a shorter history", ("5Y (ann.)",), _SHORT),
        Row("years_10", "10 years, a year", "share", "CAGR; unknown from a shorter history", ("10Y (ann.)",), _SHORT),
        Row("all_time", "All time, a year", "share", "CAGR of the whole history", ("All-time (ann.)",), _WHY["CAGR"]),
    ),
    "Beside the benchmark": (
        _known("beta", "Beta"),
        _known("alpha", "Alpha"),
        _known("correlation", "Correlation"),
        Row("r_squared", "R²", "ratio", "correlation squared", ("R^2",)),
        _known("information_ratio", "Information Ratio"),
        _known("tracking_error"),
        _known("up_capture"),
        _known("down_capture"),
        Row(
            "treynor", "Treynor ratio", "ratio", "CAGR / beta" + _YEARLY, ("Treynor Ratio",),
            "quantstats divides the return of the whole history, and prints it in per cent; ours is a year's",
        ),
    ),
}  # fmt: skip
"""Every figure of the table, by its heading, in the order of the page."""

ROWS: tuple[Row, ...] = tuple(row for rows in SECTIONS.values() for row in rows)

ANSWERS: dict[str, Row] = {theirs: row for row in ROWS for theirs in row.theirs}
"""Each row of quantstats' table of metrics, and the row of ours that answers it."""
