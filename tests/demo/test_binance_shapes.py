"""Answers of the present state have exactly the fields of answers that others recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hand_written import Bench

from portfolio_lab.demo.binance import BinanceVenue
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import Exchange
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import open_accounts

SINCE = milliseconds(datetime(2026, 8, 1, tzinfo=UTC))
EARLY = milliseconds(datetime(2026, 8, 1, 21, tzinfo=UTC))
POST = frozenset({"/sapi/v3/asset/getUserAsset", "/sapi/v1/asset/get-funding-asset"})

TOLD = {
    "/api/v3/account": "desk",
    "/sapi/v3/asset/getUserAsset": "desk",
    "/sapi/v1/asset/get-funding-asset": "desk",
    "/sapi/v1/asset/wallet/balance": "desk",
    "/sapi/v1/account/info": "desk",
    "/sapi/v1/account/apiRestrictions": "desk",
    "/sapi/v1/sub-account/list": "desk",
    "/sapi/v1/margin/account": "dora",
    "/sapi/v1/margin/isolated/account": "dora",
    "/fapi/v3/account": "emil",
    "/fapi/v2/account": "emil",
    "/fapi/v3/balance": "emil",
    "/fapi/v3/positionRisk": "emil",
    "/fapi/v2/positionRisk": "emil",
    "/dapi/v1/account": "desk",
    "/dapi/v1/balance": "desk",
    "/dapi/v1/positionRisk": "desk",
    "/papi/v1/balance": "fay",
    "/papi/v1/account": "fay",
    "/papi/v1/um/account": "fay",
    "/papi/v2/um/account": "fay",
    "/papi/v1/cm/account": "fay",
    "/papi/v1/um/positionRisk": "fay",
    "/papi/v1/cm/positionRisk": "fay",
    "/eapi/v1/marginAccount": "gus",
    "/eapi/v1/position": "gus",
    "/sapi/v1/simple-earn/account": "hana",
    "/sapi/v1/simple-earn/flexible/position": "hana",
    "/sapi/v1/simple-earn/locked/position": "hana",
    "/sapi/v2/eth-staking/account": "hana",
    "/sapi/v1/sol-staking/account": "hana",
    "/sapi/v2/loan/flexible/ongoing/orders": "hana",
    "/sapi/v1/copyTrading/futures/userStatus": "hana",
}
ORDERS = {
    "/sapi/v1/margin/openOrders": "dora",
    "/papi/v1/um/openOrders": "fay",
    "/eapi/v1/openOrders": "gus",
}
"""Lists that the stories fill now and then: compared where they are not empty."""

LIVE = {
    "/fapi/v2/account": {
        *("positions.notional", "positions.isolatedMargin", "positions.breakEvenPrice", "positions.isolatedWallet"),
    },
    "/dapi/v1/account": {"positions.isolatedWallet"},
    "/dapi/v1/positionRisk": {"notionalValue", "isolatedWallet"},
}
"""Fields that answers captured from the venue have and its own examples lack."""

UNSTEADY = {"tierAnnualPercentageRate"}
"""Objects whose keys are names of steps, not fields."""


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    market = Market(7)
    return Exchange(market, DemoClock(EARLY), open_accounts(market, SINCE))


def _answer(exchange: Exchange, path: str, user: str, at: int) -> Any:
    owner = (user, "binance:main")
    one = next(one for one in exchange.accounts if (one.account.user, one.account.name) == owner)
    bench = Bench(one, exchange.market, BinanceVenue(exchange), at)
    return bench.ask(path, "POST" if path in POST else "GET")


def _fields(answer: Any, place: str = "") -> set[str]:
    """Paths of all fields: `assets.free` for a field of the rows of a list."""
    if isinstance(answer, list):
        return set[str]().union(*(_fields(row, place) for row in answer))
    if not isinstance(answer, dict):
        return set()
    inner = (_fields(value, f"{place}{name}.") for name, value in answer.items() if name not in UNSTEADY)
    return {f"{place}{name}" for name in answer}.union(*inner)


def _recorded(folder: Path, path: str) -> Any:
    return orjson.loads((folder / f"binance_{path[1:].replace('/', '-')}_binance-connector-js.json").read_bytes())


@pytest.mark.parametrize(("path", "user"), TOLD.items(), ids=TOLD)
def test_fields_are_those_recorded(exchange: Exchange, recorded_answers: Path, path: str, user: str) -> None:
    ours, theirs = _fields(_answer(exchange, path, user, EARLY)), _fields(_recorded(recorded_answers, path))

    assert ours == theirs | LIVE.get(path, set())


@pytest.mark.parametrize(("path", "user"), ORDERS.items(), ids=ORDERS)
def test_orders_have_the_fields_recorded(exchange: Exchange, recorded_answers: Path, path: str, user: str) -> None:
    days = range(1, 60, 3)
    told = [_answer(exchange, path, user, EARLY + day * 86_400_000) for day in days]

    ours = _fields([row for rows in told for row in rows])

    assert ours in ({*()}, _fields(_recorded(recorded_answers, path)))
