"""Wallet, account, user and desk of the sample lab: the parts make up the whole."""

from __future__ import annotations

import pandas as pd
import pytest

from portfolio_lab import demo_lab
from portfolio_lab.engines.scopes import Member
from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab
from portfolio_lab.scopes import Scope


@pytest.fixture(scope="module")
def lab() -> Lab:
    return demo_lab()


def test_a_users_scope_is_what_the_lab_says_of_the_user(lab: Lab) -> None:
    for period in ("D", "W", "M", "Y"):
        pd.testing.assert_frame_equal(lab.scope("desk").pnl(period), lab.pnl("desk", period))
    pd.testing.assert_series_equal(lab.scope("desk").returns(), lab.returns("desk"))


def test_daily_weekly_and_monthly_pnl_add_up_in_every_zone(lab: Lab) -> None:
    for zone in ("UTC", "America/New_York"):
        sums = [lab.scope("alice").pnl(period, zone)["pnl"].sum() for period in ("D", "W", "M", "Y")]
        assert sums == pytest.approx([sums[0]] * 4, rel=1e-12)
    assert lab.pnl("alice", zone="America/New_York")["pnl"].sum() == pytest.approx(lab.pnl("alice")["pnl"].sum())


@pytest.mark.parametrize("user", ["alice", "carol"])
def test_accounts_make_up_their_user_and_wallets_their_account(lab: Lab, user: str) -> None:
    whole = lab.pnl(user, "M")["pnl"].sum()
    accounts = {name: lab.scope(user, name).pnl("M")["pnl"].sum() for name in set(lab.wallets(user)["account"])}
    assert sum(accounts.values()) == pytest.approx(whole, rel=1e-9)
    for name, pnl in accounts.items():
        wallets = lab.wallets(user).query("account == @name")["wallet"]
        parts = [lab.scope(user, name, wallet).pnl("M")["pnl"].sum(skipna=False) for wallet in wallets]
        assert sum(parts) == pytest.approx(pnl, rel=1e-9)


def test_moves_between_own_accounts_are_flows_of_each_and_none_of_the_user(lab: Lab) -> None:
    own = lab.facts("cash_flows", "desk").query("scope == 'internal'")
    assert len(own)
    assert set(own["at"]).isdisjoint(lab.scope("desk").cash_flows()["at"])
    accounts = pd.concat([lab.scope("desk", name).cash_flows() for name in set(own["account"])])
    assert set(own["at"]) <= set(accounts["at"])


def test_the_desk_is_its_users_together(lab: Lab) -> None:
    desk = lab.scope()
    parts = [lab.equity(user).iloc[-1] for user in lab.users().index]
    assert desk.equity().iloc[-1] == pytest.approx(sum(parts))
    pnl = sum(lab.pnl(user)["pnl"].sum() for user in lab.users().index)
    assert desk.pnl()["pnl"].sum() == pytest.approx(pnl, rel=1e-9)
    found = desk.money_weighted()
    assert found.period_return == pytest.approx(desk.simple_return(), abs=0.02)
    assert desk.performance()["days"] == len(desk.returns())


def test_a_flow_between_a_slot_and_its_answer_is_in_that_snapshot() -> None:
    slots = pd.DatetimeIndex(["2026-01-01", "2026-01-02"], tz="UTC")
    answered = slots + pd.Timedelta(seconds=40)
    snapshots = pd.DataFrame({"slot": slots, "at": answered, "grade": "complete", "equity": [600.0, 630.0]})
    # The deposit is in the first snapshot already, the withdrawal in the second one.
    flows = pd.DataFrame({"at": slots + pd.Timedelta(seconds=20), "value": [500.0, -30.0], "kind": "moved"})
    scope = Scope("alice", lambda: Member(snapshots, flows))
    assert scope.simple_return() == pytest.approx(60 / 600)
    assert scope.money_weighted().period_return > 0.1


def test_what_is_not_there_is_named(lab: Lab) -> None:
    with pytest.raises(BadInputError, match=r"no reading of binance:nine of alice: see lab\.wallets"):
        lab.scope("alice", "binance:nine").equity()
    with pytest.raises(BadInputError, match="there is no user 'alcie'"):
        lab.scope("alcie")
    with pytest.raises(BadInputError, match="0 complete snapshots there"):
        lab.scope("alice").money_weighted(since="2030-01-01")
    with pytest.raises(BadInputError, match="no time zone"):
        lab.scope("alice").days("Nowhere/Land")
