"""A long curve is drawn from hours: fewer points, the same figures, no extreme lost."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab_rows import START, Row, book, commit, deposit

from portfolio_lab import curves
from portfolio_lab.lab import Lab
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store

STEP = timedelta(minutes=7)
SNAPSHOTS = 1_500


def snapshot(number: int, equity: float | None, seconds: int) -> Row:
    [row] = book(0)["portfolio_snapshots"]
    slot = START + number * STEP
    grade = "complete" if equity is not None else "failed"
    known = {"slot": slot, "at": slot + timedelta(seconds=seconds), "grade": grade, "equity": equity}
    return {**row, **known, "interval_seconds": 420}


def flow(at: datetime, value: float) -> Row:
    return {**deposit(), "flow_id": at.isoformat(), "at": at, "value": value}


def walk(seed: int) -> list[float | None]:
    chance = np.random.default_rng(seed)
    equity = 1_000.0 * np.exp(np.cumsum(chance.normal(0, 0.01, SNAPSHOTS)))
    missing = chance.random(SNAPSHOTS) < 0.1
    return [None if gone else float(value) for value, gone in zip(equity, missing, strict=True)]


@given(
    seed=st.integers(0, 2**32 - 1),
    flows=st.lists(st.tuples(st.integers(0, SNAPSHOTS * 420), st.sampled_from([-200.0, 50.0, 700.0])), max_size=3),
)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_long_curve_lies_on_the_whole_one_and_has_its_extremes(
    tmp_path_factory: pytest.TempPathFactory,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    flows: list[tuple[int, float]],
) -> None:
    monkeypatch.setattr(curves, "LONG_SPAN", pd.Timedelta(days=2))
    store = Store.create(tmp_path_factory.mktemp("labs") / "store")
    rows = [snapshot(number, equity, seed % 50) for number, equity in enumerate(walk(seed))]
    state = {**book(0)["users_portfolio_state"][0], "slot": rows[-1]["slot"]}
    told = {"portfolio_snapshots": rows, "users_portfolio_state": [state]}
    commit(store, told | {"cash_flows": [flow(START + timedelta(seconds=at), value) for at, value in flows]}, START)
    commit(store, {"users_portfolio_state": [state]}, rows[-1]["slot"])
    store.fold(today=date(2026, 3, 1))
    drawn = Lab(store, settings).equity_curve("alice", points=10_000)
    then = max(one.known_at for one in store.commits())
    pd.testing.assert_frame_equal(Lab(store, settings).at(then).equity_curve("alice", points=10_000), drawn)
    lab = Lab(store, settings)
    lab.headline("alice")  # which reckons the whole curve
    whole = lab.equity_curve("alice", points=10_000)
    assert len(drawn) < 0.8 * len(whole)
    same = whole.loc[drawn.index]
    assert drawn["equity"].tolist() == same["equity"].tolist()
    np.testing.assert_allclose(drawn["drawdown"], same["drawdown"], rtol=0, atol=1e-9)
    for name in drawn:
        assert drawn[name].min() == pytest.approx(whole[name].min(), abs=1e-9)
        assert drawn[name].max() == pytest.approx(whole[name].max(), abs=1e-9)


def test_a_short_history_is_drawn_from_every_snapshot(lab: Lab) -> None:
    assert len(lab.equity_curve("alice", points=10_000)) == len(lab.equity("alice"))


def test_drawdown_is_unknown_after_equity_went_through_zero(lab: Lab, store: Store, settings: Settings) -> None:
    known = lab.headline("alice")
    assert known["drawdown_reason"] == ""
    # Owing 50 after all was lost, then in credit again: between the two the index has no meaning, and after it neither.
    for place, equity in ((162, -50.0), (163, 300.0)):
        rows = book(place)
        rows["portfolio_snapshots"][0]["equity"] = rows["users_portfolio_state"][0]["equity"] = equity
        commit(store, rows, rows["portfolio_snapshots"][0]["slot"])
        found = Lab(store, settings).headline("alice")
        assert math.isnan(found["drawdown"])
        assert math.isnan(found["max_drawdown"])
        assert found["drawdown_reason"] == "a return below -100 % at 2026-02-10 12:00 UTC: the index has no meaning"
        assert found["equity"] == equity
        drop = Lab(store, settings).equity_curve("alice")["drawdown"]
        assert drop.iloc[:162].notna().all()
        assert drop.iloc[162:].isna().all()


def test_a_book_that_was_never_read_has_no_drawdown_and_says_so(lab: Lab) -> None:
    assert lab.headline("bob")["drawdown_reason"] == "no complete snapshot"
