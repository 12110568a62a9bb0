"""The analyst's door: every frame, on a book whose figures are known."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lab_rows import closed_day, commit

from portfolio_lab.archive import Archive
from portfolio_lab.errors import BadInputError, StoreError
from portfolio_lab.lab import Lab, open_lab
from portfolio_lab.settings import Settings
from portfolio_lab.store import Store

NEWEST = pd.Timestamp("2026-02-10T06:00", tz="UTC")
LAST_PRICE = 100.0 + (161 % 7) * 3 + 16.1  # of BTC at place 161
EQUITY = 2 * LAST_PRICE + 200.0 + (100.0 - LAST_PRICE)


# ---------------------------------------------------------------- who, and how fresh


def test_users_also_those_without_a_snapshot(lab: Lab) -> None:
    users = lab.users()
    assert list(users.index) == ["alice", "bob"]
    assert users.loc["alice", ["accounts", "grade", "slot"]].tolist() == [1, "complete", NEWEST]
    assert users.loc["alice", "equity"] == pytest.approx(EQUITY)
    assert users.loc["bob", "grade"] == ""
    assert users.loc["bob", ["slot", "complete_slot", "equity"]].isna().all()


def test_unknown_user_is_told_who_is_there(lab: Lab) -> None:
    with pytest.raises(BadInputError, match=r"no user 'alcie' \(did you mean 'alice'\?\): this lab has alice, bob"):
        lab.equity("alcie")


USER_METHODS = [
    *("snapshots", "wallets", "balances", "positions", "open_orders", "exposure", "allocation", "equity"),
    *("returns", "drawdown", "equity_curve", "performance", "headline", "pnl", "monthly_returns", "cash_flows"),
]


@pytest.mark.parametrize("method", USER_METHODS)
def test_every_method_refuses_an_unknown_user(lab: Lab, method: str) -> None:
    with pytest.raises(BadInputError, match="no user"):
        getattr(lab, method)("mallory")


@pytest.mark.parametrize("method", USER_METHODS)
def test_every_method_has_an_answer_for_a_user_who_was_never_synced(lab: Lab, method: str) -> None:
    answer, full = getattr(lab, method)("bob"), getattr(lab, method)("alice")
    if method in {"performance", "headline"}:
        assert list(answer.index) == list(full.index)
        assert answer.drop(["days", "grade", "drawdown_reason"], errors="ignore").isna().all()
    else:
        assert len(answer) == 0
    if isinstance(answer, pd.DataFrame):
        assert list(answer.columns) == list(full.columns)


@pytest.mark.parametrize("method", USER_METHODS)
def test_changing_an_answer_does_not_change_the_lab(lab: Lab, method: str) -> None:
    first = getattr(lab, method)("alice")
    untouched = first.copy()
    first.attrs.clear()
    if isinstance(first, pd.DataFrame):
        first[first.columns[-1]] = None
    else:
        first.iloc[0] = -1.0
    again = getattr(lab, method)("alice")
    assert again.equals(untouched)
    assert again.attrs == untouched.attrs


def test_snapshots(lab: Lab) -> None:
    snapshots = lab.snapshots("alice")
    assert len(snapshots) == 162
    assert snapshots.index[-1] == NEWEST
    assert snapshots["equity"].iloc[-1] == pytest.approx(EQUITY)


# ---------------------------------------------------------------- what is held


def test_holdings_of_the_newest_slot(lab: Lab) -> None:
    balances, positions = lab.balances("alice"), lab.positions("alice")
    assert balances.set_index("asset")["quantity"].to_dict() == pytest.approx({"BTC": 2.0, "USDT": 300 - LAST_PRICE})
    assert balances.dtypes["quantity"] == np.float64
    assert positions["exposure"].tolist() == pytest.approx([-LAST_PRICE])
    assert balances.attrs == positions.attrs == {"slot": NEWEST, "grade": "complete"}
    assert lab.wallets("alice")["grade"].tolist() == ["ok", "ok"]


def test_holdings_at_an_instant(lab: Lab) -> None:
    balances = lab.balances("alice", at="2026-01-01T07:00")
    assert balances.attrs["slot"] == pd.Timestamp("2026-01-01T06:00", tz="UTC")
    assert balances.set_index("asset").loc["BTC", "price"] == pytest.approx(103.1)
    assert lab.balances("alice", at=datetime(2025, 1, 1, tzinfo=UTC)).attrs == {"slot": None, "grade": ""}


def test_exposure_nets_spot_against_the_contract(lab: Lab) -> None:
    exposure = lab.exposure("alice")
    assert exposure.loc["BTC"].to_dict() == pytest.approx(
        {
            "quantity": 1.0,
            "net": LAST_PRICE,
            "gross_instrument": 3 * LAST_PRICE,
            "share": LAST_PRICE / EQUITY,
        }
    )
    assert exposure.attrs["total"] == pytest.approx(
        {
            "net": LAST_PRICE,
            "gross": LAST_PRICE,
            "gross_instrument": 3 * LAST_PRICE,
            "long": LAST_PRICE,
            "short": 0.0,
            "gross_share": LAST_PRICE / EQUITY,
            "net_share": LAST_PRICE / EQUITY,
        }
    )


@pytest.mark.parametrize(
    ("by", "names"),
    [("asset", ["BTC", "USDT"]), ("wallet", ["spot", "usd_m"]), ("account", ["binance:main"]), ("venue", ["binance"])],
)
def test_allocation(lab: Lab, by: str, names: list[str]) -> None:
    allocation = lab.allocation("alice", by=by)
    assert list(allocation.index) == names
    assert math.fsum(allocation["weight"]) == 1.0
    assert math.fsum(allocation["value"]) == pytest.approx(EQUITY)


def test_allocation_by_something_else(lab: Lab) -> None:
    with pytest.raises(BadInputError, match="cannot allocate by 'colour': use asset, wallet, account, venue"):
        lab.allocation("alice", by="colour")


# ---------------------------------------------------------------- how it went


def test_equity_between_instants(lab: Lab) -> None:
    equity = lab.equity("alice", since="2026-01-01T06:00", until="2026-01-02")
    assert [slot.hour for slot in equity.index] == [6, 12, 18]
    assert str(equity.index.tz) == "UTC"
    assert equity.iloc[0] == pytest.approx(2 * 103.1 + 100 - 3.1)


def test_incomplete_snapshot_is_shown_but_enters_no_curve(lab: Lab, commit_places: Callable[..., None]) -> None:
    equity, returns, curve = lab.equity("alice"), lab.returns("alice"), lab.equity_curve("alice")
    exposure, allocation = lab.exposure("alice"), lab.allocation("alice")
    commit_places(162, 163, grade="partial")
    later = NEWEST + timedelta(hours=6)
    assert lab.snapshots("alice").index[-1] == later
    balances = lab.balances("alice")
    assert balances.attrs == {"slot": later, "grade": "partial"}
    assert balances["asset"].tolist() == ["USDT"]
    assert lab.headline("alice")["grade"] == "partial"
    assert lab.headline("alice")["at"] == NEWEST
    for before, after in [
        (equity, lab.equity("alice")),
        (returns, lab.returns("alice")),
        (curve, lab.equity_curve("alice")),
        (exposure, lab.exposure("alice")),
        (allocation, lab.allocation("alice")),
    ]:
        assert after.equals(before)


def test_returns_are_of_closed_days_and_know_no_deposit(lab: Lab) -> None:
    returns = lab.returns("alice")
    assert (returns.index[0], returns.index[-1]) == (
        pd.Timestamp("2026-01-01", tz="UTC"),
        pd.Timestamp("2026-02-09", tz="UTC"),
    )
    assert returns.notna().all()
    # Place 80 is midnight of the 21st, place 81 is the first to show the deposit of 100 at 03:00.
    prices = [100.0 + (place % 7) * 3 + place * 0.1 for place in range(80, 85)]
    gains = [after - before for before, after in pairwise(prices)]
    opening = 200.0 + prices[0]
    at_work = [opening + 50.0, *(opening + 100.0 + sum(gains[:known]) for known in (1, 2, 3))]
    expected = np.prod([1 + gain / money for gain, money in zip(gains, at_work, strict=True)]) - 1
    assert returns["2026-01-21"] == pytest.approx(expected, rel=1e-12)


def test_days_add_up(lab: Lab) -> None:
    days, months = lab.pnl("alice", "D"), lab.pnl("alice", "M")
    equity, flow = lab.equity("alice"), 100.0
    assert math.fsum(days["pnl"]) == pytest.approx(equity.iloc[-1] - equity.iloc[0] - flow, rel=1e-12)
    assert math.fsum(months["pnl"]) == pytest.approx(math.fsum(days["pnl"]), rel=1e-13)
    assert math.fsum(lab.pnl("alice", "W")["pnl"]) == pytest.approx(math.fsum(days["pnl"]), rel=1e-13)
    assert days["cash_flow"].sum() == flow
    assert days["partial"].tolist() == [False] * 40 + [True]
    assert months["partial"].tolist() == [False, True]


def test_month_is_over_at_its_midnight(store: Store, settings: Settings, commit_places: Callable[..., None]) -> None:
    commit_places(0, 125)  # the newest slot is 2026-02-01 00:00, a Sunday
    lab = Lab(store, settings)
    assert lab.pnl("alice", "M")["partial"].tolist() == [False]
    assert lab.pnl("alice", "D")["partial"].iloc[-1] == np.False_
    assert lab.pnl("alice", "W")["partial"].iloc[-1] == np.True_


def test_stored_days_are_believed_and_the_rest_is_computed(lab: Lab, store: Store) -> None:
    days = [date(2026, 1, 1) + timedelta(days=place) for place in range(10)]
    commit(store, {"performance_history": [closed_day(day, 300.0) for day in days]}, datetime(2026, 2, 11, tzinfo=UTC))
    returns = lab.returns("alice")
    assert (returns.iloc[:10] == 0.0).all()
    assert (returns.iloc[10:] != 0.0).all()
    assert len(returns) == 40


def test_months(lab: Lab) -> None:
    table, returns = lab.monthly_returns("alice"), lab.returns("alice")
    assert list(table.columns) == [*range(1, 13), "year"]
    assert table.loc[2026, 1] == pytest.approx(np.prod(1 + returns["2026-01"]) - 1)
    assert table.loc[2026, "year"] == pytest.approx(np.prod(1 + returns) - 1)
    assert table.loc[2026, 3:12].isna().all()


def test_drawdown_is_of_returns_and_the_curve_sees_it_inside_the_day(lab: Lab) -> None:
    daily, curve = lab.drawdown("alice"), lab.equity_curve("alice")
    assert (daily <= 0).all()
    assert curve["drawdown"].iloc[0] == 0.0
    assert curve["drawdown"].min() < daily.min() < -0.15
    headline = lab.headline("alice")
    assert headline["max_drawdown"] == curve["drawdown"].min()
    assert headline["drawdown"] == curve["drawdown"].iloc[-1]


def test_thinned_curve_keeps_its_extremes_and_ends(lab: Lab) -> None:
    whole, thin = lab.equity_curve("alice"), lab.equity_curve("alice", points=40)
    assert len(whole) == 162
    assert len(thin) <= 40
    for name in ("equity", "drawdown"):
        assert thin[name].min() == whole[name].min()
        assert thin[name].max() == whole[name].max()
    assert (thin.index[0], thin.index[-1]) == (whole.index[0], whole.index[-1])
    assert lab.equity_curve("alice", since="2026-02-01").index[0] == pd.Timestamp("2026-02-01", tz="UTC")


def test_benchmark_is_the_last_price_of_each_day(lab: Lab) -> None:
    prices = lab.benchmark("BTC", since="2026-01-01")
    assert prices["2026-01-01"] == pytest.approx(100 + 4 * 3 + 0.4)  # place 4, midnight of the 2nd
    assert prices.index[-1] == pd.Timestamp("2026-02-10", tz="UTC")
    assert lab.benchmark("NONE").empty


def test_benchmark_opens_with_the_first_stored_price(
    store: Store, settings: Settings, commit_places: Callable[..., None]
) -> None:
    commit_places(1, 5)  # 06:00 to midnight
    prices = Lab(store, settings).benchmark("BTC")
    assert prices.tolist() == pytest.approx([103.1, 112.4])
    assert [str(day.date()) for day in prices.index] == ["2025-12-31", "2026-01-01"]
    assert prices.index.name == "day"


def test_headline(lab: Lab) -> None:
    headline, equity = lab.headline("alice"), lab.equity("alice")
    assert headline["equity"] == equity.iloc[-1]
    assert headline["at"] == NEWEST
    assert headline["pnl_24h"] == pytest.approx(equity.iloc[-1] - equity.iloc[-5])
    assert headline["return_24h"] == pytest.approx(equity.iloc[-1] / equity.iloc[-5] - 1)
    assert headline["pnl_30d"] == pytest.approx(equity.iloc[-1] - equity.iloc[-121] - 100.0)
    assert headline["gross_share"] == pytest.approx(LAST_PRICE / EQUITY)
    assert headline["unrealised_pnl"] == pytest.approx(100 - LAST_PRICE)
    assert headline["days"] == 40
    assert headline["sharpe"] == lab.performance("alice")["sharpe"]


def test_window_longer_than_the_history_is_unknown(
    store: Store, settings: Settings, commit_places: Callable[..., None]
) -> None:
    commit_places(0, 5)  # exactly one day
    headline = Lab(store, settings).headline("alice")
    assert headline["pnl_24h"] == pytest.approx(12.4)
    assert math.isnan(headline["pnl_30d"])
    assert math.isnan(headline["return_30d"])


def test_performance_since(lab: Lab) -> None:
    assert lab.performance("alice")["days"] == 40
    assert lab.performance("alice", since="2026-02-01")["days"] == 9


def test_cash_flows_and_sql(lab: Lab) -> None:
    assert lab.cash_flows("alice")["value"].tolist() == [100.0]
    assert lab.sql("select count(*) as n from portfolio_snapshots")["n"].tolist() == [162]


# ---------------------------------------------------------------- refresh


class Counting:
    """A store that counts its reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0

    def read(self, *args: object, **kwargs: object) -> object:
        self.reads += 1
        return self._store.read(*args, **kwargs)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_without_a_commit_nothing_is_read_again(
    store: Store, settings: Settings, commit_places: Callable[..., None]
) -> None:
    commit_places(0, 162)
    counting = Counting(store)
    lab = Lab(counting, settings)  # type: ignore[arg-type]
    for _ in range(2):
        first = counting.reads
        for method in ("headline", "equity_curve", "balances", "positions", "exposure", "pnl"):
            getattr(lab, method)("alice")
    assert counting.reads == first > 0


def test_a_late_commit_into_the_past_is_seen(
    store: Store, settings: Settings, commit_places: Callable[..., None]
) -> None:
    lab = Lab(store, settings)
    commit_places(8, 12)
    assert len(lab.equity("alice")) == 4
    commit_places(12, 13)
    assert len(lab.equity("alice")) == 5
    commit_places(2, 6)
    assert len(lab.equity("alice")) == 9
    assert lab.equity("alice").index.is_monotonic_increasing


# ---------------------------------------------------------------- doors


def test_open_lab_by_path_and_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab.toml").write_text('reporting_currency = "USDT"\nusers = ["carol"]\n')
    with pytest.raises(StoreError, match="there is no store"):
        open_lab(tmp_path)
    Store.create(tmp_path / "store")
    assert list(open_lab(tmp_path).users().index) == ["carol"]
    monkeypatch.setenv("PORTFOLIO_LAB_DIR", str(tmp_path))
    lab = open_lab()
    assert lab.currency == "USDT"
    assert "carol" in repr(lab)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ["numpy", "pandas", "pyarrow", "duckdb", "ccxt", "quantstats", "matplotlib", "bqplot", "papermill"]
    code = f"import sys, portfolio_lab; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_opening_a_lab_imports_no_venue_no_drawing_and_no_report() -> None:
    heavy = ["ccxt", "quantstats", "matplotlib", "bqplot", "papermill", "scipy"]
    code = f"import sys; from portfolio_lab import Lab; print([name for name in {heavy!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_unknown_name_of_the_package() -> None:
    import portfolio_lab  # noqa: PLC0415 - the module itself is under test

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = portfolio_lab.nothing
    assert set(portfolio_lab.__all__) <= set(dir(portfolio_lab))


def test_what_was_read_before_the_first_look_at_the_log_is_not_taken_twice(
    store: Store, commit_places: Callable[..., None]
) -> None:
    commit_places(0, 8)
    archive = Archive(store)
    columns = ("slot", "equity")
    early = archive.history("portfolio_snapshots", user="alice", columns=columns)
    archive.refresh()
    assert len(archive.history("portfolio_snapshots", user="alice", columns=columns)) == len(early) == 8
