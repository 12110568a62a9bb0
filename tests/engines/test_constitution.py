"""Every figure says what it is, says it truly, and the page of them is current."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.engines.constitution import OF_RETURNS
from portfolio_lab.engines.metrics_page import page
from portfolio_lab.engines.performance import FIGURES, metrics
from portfolio_lab.engines.relative import FIGURES as COMPARED
from portfolio_lab.engines.relative import OF_BENCHMARK
from portfolio_lab.engines.sharpe import DEFLATED

ALL = [*OF_RETURNS, *OF_BENCHMARK, DEFLATED]
GOOD = pd.Series(np.random.default_rng(3).normal(0.001, 0.02, 200), pd.date_range("2026-01-01", periods=200, tz="UTC"))


def test_page_is_current() -> None:
    written = Path(__file__).parents[2] / "docs" / "metrics.md"
    assert written.read_text(encoding="utf-8") == page(), (
        "write it anew: python -m portfolio_lab.engines.metrics_page > docs/metrics.md"
    )


def test_names_are_unique_and_every_figure_is_declared() -> None:
    names = [figure.name for figure in ALL]
    assert len(names) == len(set(names))
    assert list(metrics(GOOD).index) == list(FIGURES) == [figure.name for figure in OF_RETURNS]
    assert list(COMPARED) == [figure.name for figure in OF_BENCHMARK]


def test_an_ordinary_history_has_every_figure() -> None:
    assert metrics(GOOD).notna().all()


@pytest.mark.parametrize("figure", OF_RETURNS, ids=lambda figure: figure.name)
def test_minimum_is_as_declared(figure: object) -> None:
    name, minimum = figure.name, figure.minimum  # type: ignore[attr-defined]
    least = 0 if minimum == "none" else int(minimum.split()[-3] if "and" in minimum else minimum.split()[0])
    if least:
        assert math.isnan(metrics(GOOD.iloc[: least - 1] if least > 1 else GOOD * math.nan)[name])
    # A figure of falls needs one: the first returns of this series go up and down.
    assert pd.notna(metrics(GOOD.iloc[: max(least, 10)])[name])


def test_a_return_below_minus_one_hides_what_is_declared_and_no_more() -> None:
    ruined = GOOD.copy()
    ruined.iloc[20] = -1.3
    found = metrics(ruined)
    hidden = {figure.name for figure in OF_RETURNS if "below -100 %" in figure.unknown_when}
    # The correction for skew may turn back after such a day; that is declared too.
    assert set(found.index[found.isna()]) - {"cornish_fisher_var", "cornish_fisher_shortfall"} == hidden


def test_fractions_are_told_apart_from_ratios() -> None:
    fractions = {figure.name for figure in ALL if figure.is_fraction}
    assert {"cagr", "max_drawdown", "win_rate", "probabilistic_sharpe", "alpha", "time_under_water"} <= fractions
    assert not {"sharpe", "beta", "days", "profit_factor", "kurtosis", "longest_drawdown"} & fractions


def test_yearly_figures_name_their_year_and_variances_their_divisor() -> None:
    for figure in ALL:
        assert ("365" in figure.periods) == (figure.unit.endswith("a year")), figure.name
        if "sample standard deviation" in figure.formula:
            assert figure.ddof == 1, figure.name
        assert figure.formula
        assert figure.source
