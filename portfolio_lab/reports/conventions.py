"""What quantstats calls the figures that our engines define, and why it may print another number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Convention:
    """One row of quantstats' table: the figure of ours that answers the same question, and why it may differ."""

    row: str
    ours: str
    """The name of our figure."""
    why: str = ""
    """Empty where both are the same by definition."""


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
    Convention("Information Ratio", "information_ratio", "quantstats does not annualise: times sqrt(365) it is ours"),
    Convention("Calmar", "calmar", "CAGR: " + _SPAN),
    Convention("Skew", "skew", _MOMENTS),
    Convention("Kurtosis", "kurtosis", _MOMENTS),
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
"""Every row of quantstats' table that a figure of our engines answers; `content` has those of the others."""
