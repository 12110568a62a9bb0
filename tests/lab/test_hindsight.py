"""Every report can be had as it was known then, and what changed since is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from lab_rows import START, STEP, Row, book, closed_day, commit, deposit

from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store

LATER = timedelta(microseconds=1)


def reports(lab: Lab) -> dict[str, pd.DataFrame | pd.Series]:
    return {
        "users": lab.users(),
        "snapshots": lab.snapshots("alice"),
        "wallets": lab.wallets("alice"),
        "balances": lab.balances("alice"),
        "exposure": lab.exposure("alice"),
        "equity": lab.equity("alice"),
        "returns": lab.returns("alice"),
        "equity_curve": lab.equity_curve("alice"),
        "performance": lab.performance("alice"),
        "headline": lab.headline("alice"),
        "pnl": lab.pnl("alice", "W"),
        "cash_flows": lab.cash_flows("alice"),
        "sql": lab.sql("select slot, equity, grade from portfolio_snapshots order by slot"),
    }


def assert_same(left: dict[str, pd.DataFrame | pd.Series], right: dict[str, pd.DataFrame | pd.Series]) -> None:
    for name, report in left.items():
        same = pd.testing.assert_series_equal if isinstance(report, pd.Series) else pd.testing.assert_frame_equal
        same(report, right[name], obj=name)  # type: ignore[operator]


def restate(store: Store, place: int, equity: float, *, reason: str) -> None:
    """Tell one slot's equity anew, as a restatement does."""
    slot = START + place * STEP
    [row] = book(place)["portfolio_snapshots"]
    told: Row = {"user": "alice", "account": "", "table": "portfolio_snapshots", "at": slot, "reason": reason}
    told |= {"row_id": f"{slot:%Y-%m-%dT%H:%M:%SZ}", "detail": "{}", "known_at": slot}
    commit(store, {"portfolio_snapshots": [{**row, "equity": equity}], "restatements": [told]}, slot - STEP / 2)


def known_now(store: Store) -> datetime:
    return max(one.known_at for one in store.commits())


def test_reports_of_then_are_those_that_were_given_then(
    store: Store, settings: Settings, commit_places: Callable[..., None]
) -> None:
    given: list[tuple[datetime, dict[str, pd.DataFrame | pd.Series]]] = []

    def note() -> None:
        given.append((known_now(store), reports(Lab(store, settings))))

    commit_places(0, 60)
    note()
    commit_places(60, 90)
    note()
    restate(store, 88, 1.0, reason="confirmed")
    note()
    commit(store, {"cash_flows": [{**deposit(), "flow_id": "2", "value": 7.0}]}, START + timedelta(hours=1))
    note()
    commit(store, {"performance_history": [closed_day(date(2026, 1, 2), 50.0)]}, START + timedelta(hours=2))
    note()
    for _ in range(2):
        lab = Lab(Store.open(store.root), settings)
        for known_at, told in given:
            assert_same(reports(lab.at(known_at)), told)
        store.fold(today=date(2026, 3, 1), grace=timedelta(0))


def test_before_anything_was_known_there_is_nothing(lab: Lab, store: Store) -> None:
    then = lab.at(min(one.known_at for one in store.commits()) - LATER)
    assert then.users().loc["alice", "grade"] == ""
    assert len(then.equity("alice")) == 0


def test_a_lab_of_then_does_not_look_past_its_instant(lab: Lab, store: Store) -> None:
    first = known_now(store)
    restate(store, 10, 1.0, reason="confirmed")
    assert lab.at(first).at(known_now(store)).equity("alice").iloc[10] == lab.at(first).equity("alice").iloc[10]
    assert lab.equity("alice").iloc[10] == 1.0


def test_restatements_name_what_changed_and_why(lab: Lab, store: Store) -> None:
    assert len(lab.restatements("alice")) == 0
    before = lab.equity("alice").iloc[10]
    restate(store, 10, 1.0, reason="confirmed")
    first = known_now(store)
    commit(store, {"cash_flows": [{**deposit(), "value": 99.0, "quantity": Decimal(99)}]}, START)
    late: Row = {"user": "alice", "account": "binance:main", "table": "fills", "at": START, "reason": "late"}
    commit(store, {"restatements": [{**late, "row_id": "spot/BTCUSDT/7", "detail": "", "known_at": START}]}, START)
    told = lab.restatements("alice")
    stamp = "2026-01-03T12:00:00Z"
    expected = [
        ("portfolio_snapshots", stamp, "equity", before, 1.0, "confirmed"),
        ("cash_flows", "binance:main/deposit/1", "quantity", 100.0, 99.0, "changed"),
        ("cash_flows", "binance:main/deposit/1", "value", 100.0, 99.0, "changed"),
    ]
    names = ["table", "key", "column", "before", "after", "reason"]
    assert [tuple(row) for row in told[names].to_numpy().tolist()][:3] == expected
    assert told["known_at"].iloc[0] == first
    assert len(lab.restatements("alice", until=first)) == 0
    assert len(lab.restatements("alice", since=first)) == len(told)
    assert len(lab.restatements("alice", since=first + LATER)) == len(told) - 1
    store.fold(today=date(2026, 3, 1), grace=timedelta(0))
    pd.testing.assert_frame_equal(lab.restatements("alice"), told)


def test_arrow_and_polars_hand_over_the_stored_rows(lab: Lab, store: Store) -> None:
    since = datetime(2026, 1, 2, tzinfo=UTC)
    rows = lab.arrow("balances", "alice", since=since, until="2026-01-03", columns=["slot", "quantity"])
    assert rows.equals(store.read("balances", since=since, until=date(2026, 1, 3), columns=["slot", "quantity"]))
    pl = pytest.importorskip("polars")
    frame = lab.polars("balances", "alice", since=since, until="2026-01-03", columns=["slot", "quantity"])
    assert isinstance(frame, pl.DataFrame)
    assert frame["quantity"].to_list() == rows["quantity"].to_pylist()
    assert frame.schema["slot"] == pl.Datetime("us", "UTC")


def test_without_polars_the_extra_is_named(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(BadInputError, match=r"portfolio-lab\[polars\]"):
        lab.polars("balances")
