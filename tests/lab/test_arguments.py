"""Every question to a lab and to a scope, with arguments that nobody should give: an answer, or a sentence."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from portfolio_lab.errors import BadInputError
from portfolio_lab.lab import Lab
from portfolio_lab.scopes import Scope

INSTANTS = ["2099-01-01", "1999-01-01", "junk", "", pd.NaT, 5, datetime(2026, 2, 1), date(2026, 2, 1)]  # noqa: DTZ001 - naive
ODD: dict[str, list[Any]] = {
    "user": ["nobody", "", None, 5, "../x"],
    "since": [*INSTANTS, "2026-02-01T00:00+09:00"],
    "until": INSTANTS,
    "at": INSTANTS,
    "known": INSTANTS,
    "period": [
        "D",
        "W",
        "M",
        "Y",
        "Q",
        "junk",
        "",
        5,
        None,
        "2026-13",
        "2026-02-31",
        ("2026-02-02", "2026-02-01"),
        ("x",),
    ],
    "zone": ["Europe/Berlin", "junk", "", None, 5],
    "by": ["asset", "account", "junk", "", None, 5],
    "account": ["binance:main", "nope", "", 5],
    "wallet": ["spot", "nope", ""],
    "method": ["fifo", "lifo", "", 5, None],
    "asset": ["BTC", "NOPE", "", 5],
    "points": [6, 5, 0, -1, 10**9],
    "figure": ["sharpe", "junk", "", 5],
    "shocks": [{}, {"BTC": -0.5}, {"NOPE": 1.0}, {"BTC": float("nan")}, {"BTC": -2.0}, 5, "x", [{"BTC": -0.1}]],
    "table": ["balances", "junk", ""],
    "columns": [["user"], ["junk"], []],
    "query": ["select 1", "drop table balances", "", ";"],
}
GIVEN = {"user": "alice", "period": "2026-02", "table": "balances", "query": "select 1 as one", "known": "2026-02-10"}


def methods(told: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(told, inspect.isfunction) if not name.startswith("_")]


def questions(told: object, name: str) -> Iterator[tuple[Callable[..., object], dict[str, Any]]]:
    method = getattr(told, name)
    parameters = inspect.signature(method).parameters.values()
    needed = {one.name: GIVEN[one.name] for one in parameters if one.default is one.empty}
    for one in parameters:
        yield from ((method, {**needed, one.name: value}) for value in ODD[one.name])


def is_answered(method: Callable[..., object], given: dict[str, Any]) -> bool:
    try:
        method(**given)
    except BadInputError:
        return False
    return True


@pytest.mark.parametrize("name", methods(Lab))
def test_a_lab_answers_or_says_what_it_cannot_read(read_lab: Lab, name: str) -> None:
    for method, given in questions(read_lab, name):
        is_answered(method, given)


@pytest.mark.parametrize("name", methods(Scope))
def test_a_scope_answers_or_says_what_it_cannot_read(read_lab: Lab, name: str) -> None:
    for scope in (read_lab.scope(), read_lab.scope("alice"), read_lab.scope("bob")):
        for method, given in questions(scope, name):
            is_answered(method, given)


@pytest.mark.parametrize(
    "name", [name for name in methods(Lab) if "user" in inspect.signature(getattr(Lab, name)).parameters]
)
def test_of_a_user_who_was_never_synced_there_is_an_empty_answer_or_a_sentence(read_lab: Lab, name: str) -> None:
    method = getattr(read_lab, name)
    parameters = inspect.signature(method).parameters.values()
    needed = {one.name: GIVEN[one.name] for one in parameters if one.default is one.empty}
    says = {"explain", "reconciliation", "risk", "stress"}
    assert is_answered(method, {**needed, "user": "bob"}) is (name not in says)
    if name == "attribution":
        assert all(method("bob", by=by).empty for by in ("user", "account", "asset", "instrument"))


@pytest.mark.parametrize("wrong", ["junk", "", 5, pd.NaT])
def test_an_instant_that_is_none_is_told_with_one_that_is(read_lab: Lab, wrong: Any) -> None:
    with pytest.raises(BadInputError, match=r"cannot read the instant .*: use a datetime, '2026-08-20' or"):
        read_lab.equity("alice", since=wrong)


@pytest.mark.parametrize(
    "same",
    [np.datetime64("2026-02-01"), date(2026, 2, 1), "2026-02-01T09:00+09:00", pd.Timestamp("2026-02-01", tz="UTC")],
)
def test_an_instant_may_be_told_in_many_ways(read_lab: Lab, same: Any) -> None:
    pd.testing.assert_series_equal(read_lab.equity("alice", since=same), read_lab.equity("alice", since="2026-02-01"))


def test_too_few_points_for_a_chart_are_refused(read_lab: Lab) -> None:
    with pytest.raises(BadInputError, match="5 points are too few for a chart: ask for 6"):
        read_lab.equity_curve("alice", points=5)
    curve, whole = read_lab.equity_curve("alice", points=6), read_lab.equity_curve("alice")
    assert len(curve) <= 6 < len(whole)
    assert curve["equity"].agg(["min", "max"]).equals(whole["equity"].agg(["min", "max"]))
