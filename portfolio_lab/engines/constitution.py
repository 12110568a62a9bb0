"""What each figure means, said once: the dashboard, the tearsheets and docs/metrics.md print it from here.

A figure whose convention is not stated is six figures: the same book has six Sharpe ratios in six
tools. So every figure carries its formula, its divisor, its risk-free rule, its year, its rule for
cash flows, the least that it needs, whom it follows, and when it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

MINIMUM_DAYS = 30
"""Known returns below which an estimate or a ratio is unknown."""

MINIMUM_CAGR_DAYS = 90
"""Elapsed days below which nothing is raised to a yearly rate."""

TAIL = 0.05
"""Share of days in either tail."""

CONFIDENCE = 0.95
"""Of the interval around the Sharpe ratio."""

NO_INDEX = "the index has no meaning"
"""What a return below -100 % leaves behind: equity went through zero."""

_FLOWS = "net of cash flows (TWR): a deposit or a withdrawal moves nothing"
_ONE = "1 known day"
_MANY = f"{MINIMUM_DAYS} known days"
_LONG = f"{MINIMUM_CAGR_DAYS} elapsed days"
ANNUAL_RATE = "given as an annual rate, 0 unless given; a period's is (1 + rate) ^ (1 / periods) - 1"
NO_RATE = "none"
YEAR = "365 a year unless given"
NO_YEAR = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constitution:
    """Everything that a reader must know to recompute a figure; all of it text but `ddof`.

    `ddof` is what is taken off the count in the divisor of a variance, None where there is none.
    """

    name: str
    title: str
    unit: str
    formula: str
    unknown_when: str
    source: str
    minimum: str = _MANY
    ddof: int | None = None
    risk_free: str = NO_RATE
    periods: str = NO_YEAR
    flow_rule: str = _FLOWS
    symbol: str = ""

    @property
    def is_fraction(self) -> bool:
        """Whether it is to be printed in per cent."""
        return self.unit.startswith(("fraction", "probability"))

    @property
    def definition(self) -> str:
        """Formula and unit in one line."""
        return f"{self.formula}; {self.unit}"


def _path(name: str, title: str, unit: str, formula: str, unknown_when: str, source: str) -> Constitution:
    """Make that of a figure of the index of returns, which one known day is enough for."""
    return Constitution(
        name=name,
        title=title,
        unit=unit,
        formula=formula,
        unknown_when=_through_zero(unknown_when),
        source=source,
        minimum=_ONE,
    )


def _seen(name: str, title: str, unit: str, formula: str, source: str) -> Constitution:
    """Make that of what is only looked up among the known returns."""
    unknown_when = "no known day"
    return Constitution(
        name=name, title=title, unit=unit, formula=formula, unknown_when=unknown_when, source=source, minimum=_ONE
    )


def _through_zero(unknown_when: str) -> str:
    return "; ".join(part for part in (unknown_when, f"a return below -100 %: {NO_INDEX}") if part)


def _yearly(name: str, title: str, symbol: str, formula: str, unknown_when: str, source: str) -> Constitution:
    return Constitution(
        name=name,
        title=title,
        symbol=symbol,
        unit="ratio, a year",
        formula=formula,
        unknown_when=unknown_when,
        source=source,
        ddof=1,
        risk_free=ANNUAL_RATE,
        periods=YEAR,
    )


def _estimate(name: str, title: str, unit: str, formula: str, unknown_when: str, source: str) -> Constitution:
    return Constitution(name=name, title=title, unit=unit, formula=formula, unknown_when=unknown_when, source=source)


def _by_moments(name: str, title: str, unit: str, formula: str, unknown_when: str, source: str) -> Constitution:
    return replace(_estimate(name, title, unit, formula, unknown_when, source), ddof=0)


_FLAT = "no dispersion"
_NO_FALL = "no drawdown"
_OPDYKE = "Mertens 2002, Opdyke 2007: Lo's error with skew and kurtosis; Lo 2002 where returns are normal"
_ERROR = "sqrt((1 - skew s + (kurtosis + 2) / 4 s^2) / (n - 1)), s the Sharpe ratio of one period"
_HISTORICAL = "historical, linear between neighbours; as empyrical and PerformanceAnalytics, not gaussian"

OF_RETURNS: tuple[Constitution, ...] = (
    Constitution(
        name="days",
        title="Days",
        symbol="n",
        unit="days",
        formula="days with a known return",
        unknown_when="never",
        source="count",
        minimum="none",
    ),
    _path("total_return", "Total return", "fraction", "product of (1 + return), less one", "no known day", "TWR, GIPS"),
    Constitution(
        name="cagr",
        title="CAGR",
        unit="fraction a year",
        formula="(1 + total return) ^ (1 / years) - 1, years by elapsed time, unknown days included",
        unknown_when=_through_zero(""),
        source="calendar time, not count of returns",
        minimum=_LONG,
        periods=YEAR,
    ),
    Constitution(
        name="volatility",
        title="Volatility",
        symbol="sigma",
        unit="fraction a year",
        formula="sample standard deviation x sqrt(periods)",
        unknown_when="fewer than 2 days; 0 when all returns are equal",
        source="as empyrical, quantstats, PerformanceAnalytics at the same periods",
        ddof=1,
        periods=YEAR,
    ),
    _yearly(
        "sharpe",
        "Sharpe ratio",
        "SR",
        "mean excess return / sample standard deviation x sqrt(periods)",
        _FLAT,
        "Sharpe 1994; arithmetic mean, as empyrical and quantstats",
    ),
    _yearly(
        "sortino",
        "Sortino ratio",
        "",
        "mean excess return / sqrt(sum of squared shortfalls below the risk-free return / n) x sqrt(periods)",
        "no shortfall",
        "Sortino and Price 1994; over all n days, as empyrical, quantstats, PerformanceAnalytics",
    ),
    _path(
        "max_drawdown",
        "Max drawdown",
        "fraction, <= 0",
        "lowest of index / its running peak - 1; the start is a peak",
        "no known day",
        "as empyrical and PerformanceAnalytics; of the index, never of equity",
    ),
    Constitution(
        name="calmar",
        title="Calmar ratio",
        unit="ratio, a year",
        formula="cagr / |max_drawdown|, whole history",
        unknown_when=_through_zero(_NO_FALL),
        source="Young 1991; CAGR by elapsed time",
        minimum=f"{_MANY} and {_LONG}",
        periods=YEAR,
    ),
    _estimate(
        "win_rate",
        "Days with a gain",
        "fraction",
        "days with a gain / known days, flat ones included",
        "",
        "days, not trades; quantstats leaves flat days out",
    ),
    _estimate(
        "profit_factor",
        "Profit factor, by days",
        "ratio",
        "sum of gains / |sum of losses|",
        "no loss",
        "days, not trades",
    ),
    _seen("best_day", "Best day", "fraction", "highest return", "observed"),
    _seen("worst_day", "Worst day", "fraction", "lowest return", "observed"),
    _seen("mean_day", "Mean day", "fraction", "mean return", "arithmetic"),
    _estimate(
        "skew", "Skew", "ratio", "m3 / m2^1.5, mk the k-th central moment over n", _FLAT, "moment, no correction"
    ),
    _by_moments("kurtosis", "Excess kurtosis", "ratio", "m4 / m2^2 - 3", _FLAT, "moment, no correction"),
    _estimate(
        "value_at_risk",
        "Value at risk, 5 %, a day",
        "fraction, a loss is < 0",
        "5 % quantile of the returns",
        "",
        _HISTORICAL,
    ),
    _estimate(
        "expected_shortfall",
        "Expected shortfall, 5 %, a day",
        "fraction, a loss is < 0",
        "mean of the returns at or below value_at_risk (CVaR)",
        "",
        "as empyrical; the day on the border counts whole",
    ),
    _yearly("sharpe_low", "Sharpe ratio, low end", "", f"sharpe - 1.96 x {_ERROR} x sqrt(periods)", _FLAT, _OPDYKE),
    _yearly("sharpe_high", "Sharpe ratio, high end", "", f"sharpe + 1.96 x {_ERROR} x sqrt(periods)", _FLAT, _OPDYKE),
    Constitution(
        name="probabilistic_sharpe",
        title="Chance that the Sharpe ratio is above 0",
        symbol="PSR",
        unit="probability",
        formula=f"normal distribution function of s / {_ERROR}",
        unknown_when=_FLAT,
        source="Bailey and López de Prado 2012, against a true ratio of 0",
        ddof=1,
        risk_free=ANNUAL_RATE,
    ),
    Constitution(
        name="omega",
        title="Omega ratio",
        symbol="Omega",
        unit="ratio",
        formula="sum of returns above the risk-free return / sum of shortfalls below it",
        unknown_when="no shortfall",
        source="Keating and Shadwick 2002; equals profit_factor at a rate of 0",
        risk_free=ANNUAL_RATE,
    ),
    _estimate(
        "tail_ratio",
        "Tail ratio",
        "ratio",
        "95 % quantile / |5 % quantile|",
        "the upper quantile is no gain or the lower one no loss",
        "as empyrical and quantstats",
    ),
    _by_moments(
        "cornish_fisher_var",
        "Value at risk, 5 %, Cornish-Fisher",
        "fraction, a loss is < 0",
        "mean + h x standard deviation, h the normal 5 % quantile corrected for skew and kurtosis",
        f"{_FLAT}; skew and kurtosis so large that the correction turns back at 5 %",
        "Cornish and Fisher 1937; as PerformanceAnalytics' modified VaR",
    ),
    _by_moments(
        "cornish_fisher_shortfall",
        "Expected shortfall, 5 %, Cornish-Fisher",
        "fraction, a loss is < 0",
        "mean of the Edgeworth density below h, never above cornish_fisher_var",
        "as cornish_fisher_var",
        "Boudt, Peterson and Croux 2008",
    ),
    _path(
        "ulcer_index",
        "Ulcer index",
        "fraction",
        "sqrt(mean squared drawdown over known days)",
        "no known day",
        "Martin 1987; over n, quantstats has n - 1",
    ),
    _path(
        "pain_index",
        "Pain index",
        "fraction",
        "mean of |drawdown| over known days",
        "no known day",
        "as PerformanceAnalytics",
    ),
    _path(
        "average_drawdown",
        "Average drawdown",
        "fraction, <= 0",
        "mean depth of the drawdowns, an open one included",
        _NO_FALL,
        "as PerformanceAnalytics (there > 0)",
    ),
    _path(
        "longest_drawdown",
        "Longest drawdown",
        "days",
        "most periods from a peak to the first day back at it, or to the last day; unknown days are time too",
        "no known day",
        "as PerformanceAnalytics; one less than there while open",
    ),
    _path(
        "time_under_water",
        "Time under water",
        "fraction",
        "days that end below a peak / known days",
        "no known day",
        "count",
    ),
    _path(
        "recovery_factor",
        "Recovery factor",
        "ratio",
        "total_return / |max_drawdown|",
        _NO_FALL,
        "compounded; quantstats takes the plain sum of returns",
    ),
    _seen(
        "longest_win_streak",
        "Most days with a gain in a row",
        "days",
        "most gains in a row; a flat day ends it, an unknown one is left out",
        "count",
    ),
    _seen(
        "longest_loss_streak",
        "Most days with a loss in a row",
        "days",
        "most losses in a row; a flat day ends it, an unknown one is left out",
        "count",
    ),
    *(
        _path(
            f"{end}_{span}",
            f"{end.capitalize()} {span}",
            "fraction",
            f"{word} TWR of {kind}; the first and the last may be a part of one",
            "no dates",
            "observed",
        )
        for end, word in (("best", "highest"), ("worst", "lowest"))
        for span, kind in (("week", "an ISO week"), ("month", "a calendar month"))
    ),
)
"""Of one series of returns, in the order of `engines.performance.metrics`."""
