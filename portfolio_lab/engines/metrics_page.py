"""docs/metrics.md from the constitutions: `python -m portfolio_lab.engines.metrics_page > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from portfolio_lab.engines import drawdown, rolling
from portfolio_lab.engines.constitution import CONFIDENCE, MINIMUM_CAGR_DAYS, MINIMUM_DAYS, OF_RETURNS, Constitution
from portfolio_lab.engines.relative import OF_BENCHMARK
from portfolio_lab.engines.running import NEEDS_ALL
from portfolio_lab.engines.sharpe import DEFLATED

_HEAD = f"""# Figures: what each one means

Written by `python -m portfolio_lab.engines.metrics_page`; the figures are declared in `portfolio_lab/engines/`.

All of them are of returns net of cash flows (TWR): a deposit or a withdrawal moves nothing. A flat day is 0, a day
without a known return is left out. What cannot be known is NaN, never 0 and never infinite: below the minimum, and in
the cases that each figure names. By default an estimate needs {MINIMUM_DAYS} known days, what is raised to a year
{MINIMUM_CAGR_DAYS} elapsed days, and the interval around the Sharpe ratio holds {CONFIDENCE:.0%}. *ddof* is what is
taken off the count in the divisor of a variance.
"""
_COLUMNS = ("figure", "unit", "formula", "ddof", "risk-free", "periods", "minimum", "unknown when", "whom it follows")


def page() -> str:
    """Return the whole page, Markdown."""
    parts = (
        _HEAD,
        _section("Of returns", "`engines.performance.metrics(returns)`, one row a portfolio.", OF_RETURNS),
        _section("Against a benchmark", "`engines.relative.relative(returns, benchmark)`.", OF_BENCHMARK),
        _section("Of a search", "`engines.sharpe.deflated_sharpe(...)`, on the ratio of one period.", [DEFLATED]),
        _others(),
    )
    return "\n".join(parts)


def _section(title: str, sentence: str, declared: Iterable[Constitution]) -> str:
    rows = [_row(*_COLUMNS), _row(*("---" for _ in _COLUMNS)), *(_figure(figure) for figure in declared)]
    return f"## {title}\n\n{sentence}\n\n" + "\n".join(rows) + "\n"


def _figure(figure: Constitution) -> str:
    title = f"`{figure.name}`: {figure.title}" + (f" ({figure.symbol})" if figure.symbol else "")
    ddof = "" if figure.ddof is None else str(figure.ddof)
    return _row(
        title,
        figure.unit,
        figure.formula,
        ddof,
        figure.risk_free,
        figure.periods,
        figure.minimum,
        figure.unknown_when,
        figure.source,
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _others() -> str:
    of_windows = ", ".join(f"`{name}`" for name in rolling.FIGURES)
    of_falls = ", ".join(f"`{name}`" for name in drawdown.COLUMNS)
    slow = ", ".join(f"`{name}`" for name in NEEDS_ALL)
    return f"""## Day by day

* `engines.rolling.rolling(returns, window, benchmark)`: {of_windows} of every window, as declared above.
* `engines.drawdown.drawdown(returns)`: the distance below the peak at each day's end. `drawdowns(returns)`: every
  fall with {of_falls}; one that has not recovered is marked open and has no recovery.
* `engines.running.RunningFigures`: one day more for many accounts at once. It knows all of the first table but
  {slow}, which need every return.
"""


if __name__ == "__main__":
    sys.stdout.write(page())
