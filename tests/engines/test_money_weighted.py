from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pyxirr
from hypothesis import given
from hypothesis import strategies as st

from portfolio_lab.engines.money_weighted import money_weighted_return, xirr
from portfolio_lab.errors import BadInputError

SHARED = Path(os.environ.get("PORTFOLIO_LAB_SHARED", Path(__file__).parents[3] / "shared"))
ORACLES = SHARED / "oracles"
BEGIN = pd.Timestamp("2026-01-01", tz="UTC")


def flows(*rows: tuple[float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"at": [BEGIN + pd.Timedelta(days=day) for day, _ in rows], "value": [value for _, value in rows]}
    ).astype({"at": "datetime64[us, UTC]", "value": "float64"})


def test_without_flows_it_is_growth() -> None:
    found = money_weighted_return(100, 121, flows(), opened_at=BEGIN, closed_at=BEGIN + pd.Timedelta(days=730))
    assert found.rate == pytest.approx(0.1, rel=1e-12)
    assert found.period_return == pytest.approx(0.21, rel=1e-12)
    assert found.days == 730


def test_the_golden_thirty_days() -> None:
    """10,000; ten days of +1 %; 10,000 in; ten of -0.5 %; 5,000 out; ten of +0.3 %: IRR +3.1632 % of the period."""
    first = 10_000 * 1.01**10
    second = (first + 10_000) * 0.995**10
    end = (second - 5_000) * 1.003**10
    assert round(end, 2) == 15_473.92
    moved = flows((10, 10_000), (20, -5_000))
    found = money_weighted_return(10_000, end, moved, opened_at=BEGIN, closed_at=BEGIN + pd.Timedelta(days=30))
    assert round(found.period_return, 6) == 0.031632
    assert len(found.roots) == 1


def test_a_flow_of_unknown_value_leaves_it_unknown() -> None:
    found = money_weighted_return(
        100, 110, flows((5, math.nan)), opened_at=BEGIN, closed_at=BEGIN + pd.Timedelta(days=9)
    )
    assert math.isnan(found.rate)
    assert math.isnan(found.period_return)


def test_flows_outside_the_period_do_not_count() -> None:
    end = BEGIN + pd.Timedelta(days=365)
    found = money_weighted_return(100, 110, flows((0, 50), (366, 50)), opened_at=BEGIN, closed_at=end)
    assert found.rate == pytest.approx(0.1)


def test_no_sign_change_is_no_rate() -> None:
    assert math.isnan(xirr(["2026-01-01", "2026-06-01"], [100, 50]))
    assert math.isnan(xirr([], []))
    assert math.isnan(xirr(["2026-01-01", "2026-01-01"], [-100, 100]))


def test_several_roots_are_all_told_and_the_nearest_to_nothing_is_taken() -> None:
    # -100, +230, -132: (1.1 x)(1.2 x), rates of 10 % and 20 %.
    moved = flows((365, -230), (730, 132))
    found = money_weighted_return(100, 0, moved, opened_at=BEGIN, closed_at=BEGIN + pd.Timedelta(days=731))
    assert found.roots == pytest.approx((0.1, 0.2))
    assert found.rate == pytest.approx(0.1)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(BadInputError, match="end after it begins"):
        money_weighted_return(1, 1, flows(), opened_at=BEGIN, closed_at=BEGIN)
    with pytest.raises(BadInputError, match="2 instants for 1 amounts"):
        xirr(["2026-01-01", "2026-06-01"], [1])


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.floats(-1000, 1000)), min_size=0, max_size=12),
    st.floats(1_000, 10_000),
    st.floats(0.2, 4.0),
)
def test_it_agrees_with_pyxirr_wherever_the_root_is_one(
    moved: list[tuple[int, float]], opening: float, growth: float
) -> None:
    closed_at = BEGIN + pd.Timedelta(days=3001)
    ours = money_weighted_return(opening, opening * growth, flows(*moved), opened_at=BEGIN, closed_at=closed_at)
    if len(ours.roots) != 1:
        return
    at = [BEGIN.date(), *((BEGIN + pd.Timedelta(days=day)).date() for day, _ in moved), closed_at.date()]
    theirs = pyxirr.xirr(at, [-opening, *(-value for _, value in moved), opening * growth])
    if theirs is None:  # it gives up on some far from 0
        return
    assert ours.rate == pytest.approx(theirs, rel=1e-7, abs=1e-9)


def cases() -> list[Any]:
    found = []
    for path in [ORACLES / f"{name}.json" for name in ("xirr_excel", "pyxirr")] if ORACLES.is_dir() else []:
        page = json.loads(path.read_text(encoding="utf-8"))
        for place, case in enumerate(page["cases"]):
            if case["metric"] == "xirr":
                given = {name: plain(value, page["data"]) for name, value in case["args"].items()}
                found.append(pytest.param(given, case["expected"], case["tol"], id=f"{path.stem}-{place}"))
    return found


def plain(value: Any, named: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    for part in value["$"].split("."):
        named = named[part]
    return named


@pytest.mark.skipif(not ORACLES.is_dir(), reason=f"no oracles in {ORACLES}: set PORTFOLIO_LAB_SHARED")
@pytest.mark.parametrize(("given", "expected", "tolerance"), cases())
def test_published_rates(given: dict[str, Any], expected: float | str, tolerance: float) -> None:
    ours = xirr(given["dates"], given["amounts"])
    if expected == "NaN":
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(expected, abs=tolerance, rel=tolerance)
