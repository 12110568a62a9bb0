"""Answers of the present state have exactly the fields of answers that others recorded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hand_written import NOW, Bench, open_bench, pair

from portfolio_lab.demo.binance import ENDPOINTS, BinanceVenue
from portfolio_lab.demo.clock import DemoClock
from portfolio_lab.demo.exchange import Exchange
from portfolio_lab.demo.instruments import INVERSE, LINEAR, OPTION, Instrument, by_symbol
from portfolio_lab.demo.market import Market, milliseconds
from portfolio_lab.demo.people import open_accounts
from portfolio_lab.models.accounts import Wallet

SINCE = milliseconds(datetime(2026, 8, 1, tzinfo=UTC))
EARLY = milliseconds(datetime(2026, 8, 1, 21, tzinfo=UTC))
WALLETS = (Wallet.CROSS_MARGIN, Wallet.USD_M, Wallet.COIN_M, Wallet.OPTIONS)
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


LINEAR_BTC, INVERSE_BTC = by_symbol("binance", LINEAR)["BTCUSDT"], by_symbol("binance", INVERSE)["BTCUSD_PERP"]
CALL = by_symbol("binance", OPTION)["BTC-260828-120000-C"]
ORDERS: list[tuple[str, Wallet, Instrument, set[str]]] = [
    ("/sapi/v1/margin/openOrders", Wallet.CROSS_MARGIN, pair("BTCUSDT"), set()),
    ("/fapi/v1/openOrders", Wallet.USD_M, LINEAR_BTC, {"activatePrice", "priceRate"}),
    ("/fapi/v1/openAlgoOrders", Wallet.USD_M, LINEAR_BTC, set()),
    ("/dapi/v1/openOrders", Wallet.COIN_M, INVERSE_BTC, {"activatePrice", "priceRate"}),
    ("/papi/v1/um/openOrders", Wallet.USD_M, LINEAR_BTC, set()),
    ("/eapi/v1/openOrders", Wallet.OPTIONS, CALL, set()),
]
"""(path, wallet, instrument, fields that trailing orders alone have)."""


@pytest.mark.parametrize(("path", "wallet", "one", "trailing"), ORDERS, ids=[row[0] for row in ORDERS])
def test_orders_have_the_fields_recorded(
    recorded_answers: Path, path: str, wallet: Wallet, one: Instrument, trailing: set[str]
) -> None:
    bench = open_bench(*WALLETS, portfolio_margin=path.startswith("/papi"))
    trigger = Decimal(90_000) if "Algo" in path else None
    bench.book.place(NOW, wallet, one, "sell", Decimal(1), price=Decimal(90_000), trigger_price=trigger)

    theirs = _fields(_recorded(recorded_answers, path))

    assert _fields(bench.ask(path)) - LIVE.get(path, set()) == theirs - trailing


# ---------------------------------------------------------------- weights


def test_weights_are_the_published_ones(recorded_answers: Path) -> None:
    """The list beside the recorded answers quotes the weight that the venue's own client gives."""
    lines = (recorded_answers / "INDEX.md").read_text(encoding="utf-8").splitlines()
    published = {}
    for line in lines:
        told = re.search(r"\| (GET|POST) (\S+) \|.*Weight\(IP\): (\d+)", line)
        if told is not None:
            published[told[1], told[2]] = int(told[3])

    ours = {(one.method, one.path): one.weight for one in ENDPOINTS.values() if one.path in TOLD}

    assert {key: published[key] for key in ours if key in published} == {
        key: weight for key, weight in ours.items() if key in published
    }
    assert len(ours.keys() & published.keys()) > 25


@pytest.mark.parametrize("path", [path for path, *_ in ORDERS if "margin" not in path])
def test_open_orders_of_all_symbols_weigh_forty(path: str) -> None:
    endpoint = ENDPOINTS["GET", path]

    assert [endpoint.charge(parameters).weight for parameters in ({}, {"symbol": "BTCUSDT"})] == [40, 1]
